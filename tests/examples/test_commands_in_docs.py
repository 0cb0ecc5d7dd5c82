"""Every command of the tutorial and the how-tos is one of this program, with its options; the tutorial's are run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bitcell_sim.cli import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIAL = DOCS / "tutorial.md"
PAGES = [TUTORIAL, *sorted((DOCS / "how-to").glob("*.md"))]
COMMAND = re.compile(r"(?:^ {4}|`|run: )bitcell-sim ([^`|\n]+)", re.MULTILINE)
BLOCK = re.compile(r"(?:^ {4}.*\n|^\n(?= {4}))+", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Commands of a page, without what the shell does with their output, and without a comment."""
    found = COMMAND.findall(page.read_text(encoding="utf-8"))
    return [re.split(r" (?:#|>|\||&&|;)", line)[0].strip() for line in found]


def blocks(page: Path) -> list[str]:
    """Indented blocks of a page, dedented."""
    return ["\n".join(line[4:] for line in block.splitlines()) for block in BLOCK.findall(page.read_text("utf-8"))]


LINES = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_are_commands() -> None:
    assert len(LINES) > 40
    assert {"verify", "run", "ping", "validate", "explain", "report", "new"} <= {line.split()[0] for _, line in LINES}


@pytest.mark.parametrize(("page", "line"), LINES)
def test_command_and_options_exist(page: str, line: str) -> None:
    name, *words = shlex.split(line)
    if name.startswith("-"):
        assert name in ("--help", "--version")
        return
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word.partition("=")[0] not in options] == []
    assert command.make_context(name, [word for word in words if word != "--help"], resilient_parsing=True).params


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One command of the tutorial, in a folder of its own."""
    words = [sys.executable, "-m", "bitcell_sim", *shlex.split(line)]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=500)


def test_a_newcomer_gets_through_the_tutorial(tmp_path: Path) -> None:
    """All commands in their order and folder, with the file that the page shows; then its Python."""
    scenario = next(block for block in blocks(TUTORIAL) if block.lstrip().startswith("title ="))
    (tmp_path / "two-troubles.toml").write_text(scenario, encoding="utf-8")
    for line in commands(TUTORIAL):
        quick = f"{line} --only proof_memory" if line.startswith("verify") else line
        done = run(quick, tmp_path)
        allowed = (0, 1, 2) if line.startswith("verify") else (0,)
        assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "page.html").stat().st_size > 10_000
    python = next(block for block in blocks(TUTORIAL) if "import bitcell_sim" in block)
    done = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_a_slip_is_told_as_the_tutorial_says(tmp_path: Path) -> None:
    scenario = next(block for block in blocks(TUTORIAL) if block.lstrip().startswith("title ="))
    (tmp_path / "two-troubles.toml").write_text(scenario.replace("region =", "regoin ="), encoding="utf-8")
    done = run("validate two-troubles.toml", tmp_path)
    assert done.returncode == 64
    assert "regoin" in done.stderr
    assert "region" in done.stderr
