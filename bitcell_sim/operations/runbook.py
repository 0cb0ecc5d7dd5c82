"""Runbooks as data: the table of steps in a Markdown page, and what a reading is compared with."""

from __future__ import annotations

import re
from typing import NamedTuple

from bitcell_sim.errors import InputError
from bitcell_sim.units import NS_PER_S, parse_duration_ns

COLUMNS = ["#", "step", "command", "drill", "expect", "if so", "if not"]
_EXPECT = re.compile(r"^(==|!=|>=|<=|>|<)\s*([\d.]+)(?:\s+within\s+(\S+))?$")
_COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


class Expectation(NamedTuple):
    """What a reading should be, and how long it may take until it is (seconds)."""

    operator: str
    value: float
    within_s: float

    def met(self, reading: float) -> bool:
        """Whether a reading is as expected."""
        return bool(_COMPARE[self.operator](reading, self.value))


class Step(NamedTuple):
    """One step of a runbook.

    Parameters
    ----------
    number : int
        Its number, from 1.
    title, command : str
        What it is for; what a person types.
    verb, what, target : str
        ``read`` or ``do``; which reading or action; of what, such as ``{node}``, or empty.
    expect : Expectation or None
        What a reading should be; none for what is done.
    then, otherwise : str
        What follows if it is, and if it is not: ``step N``, ``done``, ``escalate``; empty: the next step.
    """

    number: int
    title: str
    command: str
    verb: str
    what: str
    target: str
    expect: Expectation | None
    then: str
    otherwise: str


def parse_runbook(text: str, name: str) -> list[Step]:
    """Steps of a runbook.

    Parameters
    ----------
    text : str
        Markdown with one table whose columns are ``COLUMNS``.
    name : str
        Name for messages.

    Raises
    ------
    InputError
        If there is no such table, or a row of it cannot be read; all faults at once.
    """
    rows = [_cells(line) for line in text.splitlines() if line.startswith("|")]
    if COLUMNS not in rows:
        raise InputError(f"{name}: no table of steps: its columns are {' | '.join(COLUMNS)}")
    steps, faults = [], []
    for cells in rows[rows.index(COLUMNS) + 2 :]:
        if len(cells) != len(COLUMNS):
            break
        try:
            steps.append(_step(cells))
        except ValueError as error:
            faults.append(f"{name}: step {cells[0]}: {error}")
    numbers = [step.number for step in steps]
    if not faults and numbers != list(range(1, len(steps) + 1)):
        faults.append(f"{name}: steps are numbered {numbers}, and should be from 1 on")
    faults += [
        f"{name}: step {step.number}: {way!r} leads nowhere"
        for step in steps
        for way in (step.then, step.otherwise)
        if way.startswith("step ") and int(way.removeprefix("step ")) not in numbers
    ]
    if faults:
        raise InputError("\n".join(faults))
    return steps


def _cells(line: str) -> list[str]:
    inner = line.strip().strip("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _step(cells: list[str]) -> Step:
    number, title, command, drill, expect, then, otherwise = cells
    words = drill.strip("`").split()
    if len(words) < 2 or words[0] not in ("read", "do"):
        raise ValueError(f"drill {drill!r} is neither `read NAME [OF]` nor `do NAME [TO]`")
    for way in (then, otherwise):
        if not re.fullmatch(r"step [1-9]\d*|done|escalate|", way):
            raise ValueError(f"{way!r} is none of: step N, done, escalate, nothing")
    wanted = _expectation(expect.strip("`")) if expect else None
    if (wanted is None) == (words[0] == "read"):
        raise ValueError("a reading has an expectation, an action has none")
    return Step(
        int(number), title, command.strip("`"), words[0], words[1], " ".join(words[2:]), wanted, then, otherwise
    )


def _expectation(text: str) -> Expectation:
    found = _EXPECT.match(text)
    if found is None:
        raise ValueError(f"expect {text!r} is not such as `== 1` or `>= 4 within 2min`")
    within_s = parse_duration_ns(found[3]) / NS_PER_S if found[3] else 0.0
    return Expectation(found[1], float(found[2]), within_s)
