"""The reference page of the commands names every command and option there is, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from bitcell_sim.cli import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SECTIONS = dict(re.findall(r"^## `([a-z]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def options_of(name: str) -> set[str]:
    return {text for parameter in COMMANDS[name].params for text in parameter.opts if text.startswith("--")}


def test_every_command_has_a_section_and_a_line_in_the_table() -> None:
    assert set(SECTIONS) == set(COMMANDS)
    table = PAGE.split("## Options that many commands have")[0]
    assert {name for name in COMMANDS if f"[`{name}`](#{name})" in table} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_section_names_every_option_of_its_command_and_no_other(name: str) -> None:
    assert set(OPTION.findall(SECTIONS[name])) == options_of(name)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_example_of_a_section_can_be_parsed(name: str) -> None:
    examples = re.findall(r"^    bitcell-sim (.+)$", SECTIONS[name], re.MULTILINE)
    assert examples
    for example in examples:
        command, *arguments = example.split()
        assert command == name
        COMMANDS[command].make_context(command, arguments)


def test_the_page_s_common_options_are_real() -> None:
    everywhere = set().union(*(options_of(name) for name in COMMANDS)) | {"--help", "--version"}
    assert set(OPTION.findall(PAGE)) <= everywhere
    for name in ("--seed", "--set", "--latency", "--json", "--workers", "--quiet"):
        assert sum(name in options_of(command) for command in COMMANDS) >= 3
