"""The commands of the page on CI are commands of this program, with options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from bitcell_sim.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-in-ci.md"
WORKFLOW = PAGE.parent / "ci" / "github-actions.yml"
LINES = re.findall(
    r"(?:^ {4}|`|run: )bitcell-sim ([^`|\n]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE
) + re.findall(r"run: bitcell-sim ([^|\n]+)", WORKFLOW.read_text(encoding="utf-8"))


def test_the_page_has_commands() -> None:
    assert {line.split()[0] for line in LINES} == {"verify", "validate", "regress"}


@pytest.mark.parametrize("line", LINES)
def test_command_and_options_exist(line: str) -> None:
    name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in known] == []
    assert command.make_context(name, words).params


def test_the_workflow_to_copy_is_one() -> None:
    content = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    (job,) = content["jobs"].values()
    assert all(len({"run", "uses"} & set(step)) == 1 for step in job["steps"])
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert [words.split()[1] for words in commands if words.startswith("bitcell-sim")] == [
        "validate",
        "verify",
        "regress",
    ]
