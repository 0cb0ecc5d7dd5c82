"""Every finding has a command, and every command is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from bitcell_sim.cli import app
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.studies.fuzz_cases import draw_case

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explanation" / "findings.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| finding |")]
SHOWN = [command for line in ROWS for command in re.findall(r"`((?:bitcell-sim|python) [^`]+)`", line.split(" | ")[-1])]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_finding_has_its_command() -> None:
    assert len(ROWS) >= 20
    assert len(SHOWN) == len(ROWS)


@pytest.mark.parametrize("command", sorted({text for text in SHOWN if text.startswith("bitcell-sim")}))
def test_a_command_of_the_page_can_be_parsed_and_names_what_there_is(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    context = COMMANDS[name].make_context(name, arguments)
    if "scenario" in context.params and name != "chaos":
        load_scenario(context.params["scenario"])
    if name == "fuzz":
        draw_case(context.params["profile"], context.params["start"], context.params["sets"] or ())
    if context.params.get("only"):
        ids = [target.id for target in load_scenario("rc3").targets.target]
        assert any(Path(target).match(context.params["only"]) for target in ids)


@pytest.mark.parametrize("command", sorted({text for text in SHOWN if text.startswith("python")}))
def test_a_script_of_the_page_is_there(command: str) -> None:
    assert (ROOT / command.split()[1]).is_file()
