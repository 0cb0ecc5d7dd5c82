"""The commands of the page on CI are commands of this program, with options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from bitcell_sim.cli import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-in-ci.md"
LINES = re.findall(r"(?:^ {4}|`|run: )bitcell-sim ([^`|\n]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert {line.split()[0] for line in LINES} == {"verify", "validate", "regress"}


@pytest.mark.parametrize("line", LINES)
def test_command_and_options_exist(line: str) -> None:
    name, *words = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word not in known] == []
    assert command.make_context(name, words).params
