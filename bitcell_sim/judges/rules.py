"""Would an alert have fired? Asked of the real rule engine: promtool, on the series of a simulated run.

`promtool test rules` evaluates rules over given series, accelerated and without a server. Every step asks which alerts
have begun and which have ended since the step before; nothing is expected, so promtool reports whatever there is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bitcell_sim.analysis.scraped import STALE, VALUE, Scraped, Series
from bitcell_sim.config.native import duration_s
from bitcell_sim.errors import InputError, LabError
from bitcell_sim.judges.tools import find_tool
from bitcell_sim.operations.metrics import selector

TOOL = "promtool"
FIRING = 'ALERTS{alertstate="firing"}'
PATIENCE_S = 600
_ITEM = re.compile(r'\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\} [-+0-9.eEInfNa]+')
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_TEST = re.compile(r'^    expr: "(.*)", time: (\S+),$', re.MULTILINE)
_GO = {"GOMAXPROCS": "1", "GOGC": "400"}  # runs are done side by side; less garbage collection takes a fifth less time
_NOT_LABELS = ("__name__", "alertstate")


class RuleEngineError(LabError):
    """promtool did not give an answer; nothing may be concluded from that."""


@dataclass(frozen=True)
class Firing:
    """One contiguous interval in which one alert fired.

    Parameters
    ----------
    labels : tuple of (str, str)
        All its labels, alertname too, sorted.
    first_s, last_s : float
        First and last evaluation at which it fired, seconds from the start of the run.
    """

    labels: tuple[tuple[str, str], ...]
    first_s: float
    last_s: float

    @property
    def alert(self) -> str:
        """Name of the alert."""
        return dict(self.labels)["alertname"]


def check_rules(rules: Path) -> None:
    """Have promtool check a rule file.

    Raises
    ------
    InputError
        If it refuses the file, with what it says.
    MissingToolError
        If promtool is not installed.
    """
    result = _run([find_tool(TOOL), "check", "rules", str(rules)])
    if result.returncode != 0:
        said = " ".join((result.stdout + result.stderr).split())
        raise InputError(f"{rules}: promtool refuses it: {said}")


def firings(rules: Path, scraped: Scraped, external: Mapping[str, str]) -> list[Firing]:
    """Alerts that a Prometheus fires on what it has scraped.

    Parameters
    ----------
    rules : Path
        A rule file.
    scraped : Scraped
        Its series.
    external : mapping of str to str
        Labels that alerts get when they leave Prometheus.

    Returns
    -------
    list of Firing
        Contiguous intervals, in the order in which they begin; while the server itself is dead nothing fires.

    Raises
    ------
    RuleEngineError
        If promtool answers neither that nothing fired nor what did.
    MissingToolError
        If promtool is not installed.
    """
    tool = find_tool(TOOL)
    with tempfile.TemporaryDirectory(prefix="bitcell-rules-") as folder:
        test = Path(folder, "test.yml")
        test.write_text(json.dumps(unit_test(rules.resolve(), scraped)), encoding="utf-8")
        result = _run([tool, "test", "rules", str(test)])
    found = _joined(read_answer(result.returncode, result.stdout, result.stderr), scraped)
    return [
        Firing(tuple(sorted({**external, **dict(firing.labels)}.items())), firing.first_s, firing.last_s)
        for firing in found
    ]


def unit_test(rules: Path, scraped: Scraped) -> dict[str, Any]:
    """What promtool is given: the series, and two questions a step."""
    step, steps = f"{scraped.step_s:g}s", len(scraped.alive)
    began, ended = _questions(scraped.step_s)
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": step,
        "tests": [
            {
                "interval": step,
                "input_series": [
                    {"series": selector(series.name, series.labels), "values": as_text(series)}
                    for series in scraped.series
                ],
                "promql_expr_test": [
                    {"expr": question, "eval_time": f"{round(number * scraped.step_s)}s", "exp_samples": []}
                    for number in range(steps)
                    for question in (began, ended)
                ],
            }
        ],
    }


def _questions(step_s: float) -> tuple[str, str]:
    """What fires now and did not a step ago, and the other way round."""
    before = f"{FIRING} offset {step_s:g}s"
    return f"{FIRING} unless {before}", f"{before} unless {FIRING}"


def as_text(series: Series) -> str:
    """Values of a series in promtool's notation, runs of equal ones in short."""
    kind, values = series.kind, np.where(series.kind == VALUE, series.values, 0.0)
    starts = np.flatnonzero(np.diff(kind.astype(np.int64), prepend=-1) | (np.diff(values, prepend=np.nan) != 0))
    ends = np.append(starts[1:], len(kind))
    return " ".join(_run_text(int(kind[a]), float(values[a]), int(b - a)) for a, b in zip(starts, ends, strict=True))


def _run_text(kind: int, value: float, count: int) -> str:
    if kind == VALUE:
        number = str(int(value)) if value.is_integer() else repr(value)
        return number if count == 1 else f"{number}+0x{count - 1}"
    if kind == STALE:  # one marker ends the series
        return "stale" if count == 1 else f"stale _x{count - 1}"
    return f"_x{count}"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=os.environ | _GO
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuleEngineError(f"{command[0]} gave no answer: {error}") from error


def read_answer(code: int, stdout: str, stderr: str) -> list[tuple[bool, float, tuple[tuple[str, str], ...]]]:
    """Which alerts began or ended when, by promtool's answer.

    Parameters
    ----------
    code : int
        Its exit code.
    stdout, stderr : str
        What it said.

    Returns
    -------
    list of (began, seconds, labels)
        Empty if it says that nothing did.

    Raises
    ------
    RuleEngineError
        If it says anything else, such as that a file is missing or a rule is wrong.
    """
    said = stdout + "\n" + stderr
    quiet = code == 0 and "SUCCESS" in stdout and "FAILED" not in said and "WARNING" not in said
    if quiet:
        return []
    tests = list(_TEST.finditer(said))
    if code == 0 or not tests or "WARNING" in said:
        raise RuleEngineError(f"promtool gave no answer: {' '.join(said.split())[:2000]}")
    changes = []
    for place, test in enumerate(tests):
        end = tests[place + 1].start() if place + 1 < len(tests) else len(said)
        changes += list(_changes_of(test, said[test.end() : end]))
    return changes


def _changes_of(test: re.Match[str], answer: str) -> Iterable[tuple[bool, float, tuple[tuple[str, str], ...]]]:
    """What one question found."""
    got = re.search(r"^        got: (.*)$", answer, re.MULTILINE)
    items = list(_ITEM.finditer(got[1])) if got else []
    unread = _ITEM.sub("", got[1]).replace(",", "").strip() if got else answer
    if not items or unread:
        raise RuleEngineError(f"promtool's answer cannot be read: {answer.strip()[:2000]}")
    before = f"{FIRING} offset".replace('"', '\\"')
    for item in items:
        labels = {key: json.loads(f'"{value}"') for key, value in _LABEL.findall(item[1])}
        kept = tuple(sorted((key, value) for key, value in labels.items() if key not in _NOT_LABELS))
        yield not test[1].startswith(before), duration_s(test[2]), kept


def _joined(changes: Sequence[tuple[bool, float, tuple[tuple[str, str], ...]]], scraped: Scraped) -> list[Firing]:
    """Intervals from beginnings and ends, without those parts in which the server was dead."""
    steps, step_s = len(scraped.alive), scraped.step_s
    marks: dict[tuple[tuple[str, str], ...], np.ndarray[Any, np.dtype[np.int64]]] = {}
    for began, at_s, labels in changes:
        row = marks.setdefault(labels, np.zeros(steps + 1, np.int64))
        row[round(at_s / step_s)] += 1 if began else -1
    found = []
    for labels, row in marks.items():
        fires = (np.cumsum(row[:steps]) > 0) & scraped.alive
        edges = np.flatnonzero(np.diff(fires.astype(np.int64), prepend=0, append=0))
        found += [
            Firing(labels, float(a * step_s), float((b - 1) * step_s))
            for a, b in zip(edges[::2], edges[1::2], strict=True)
        ]
    return sorted(found, key=lambda firing: (firing.first_s, firing.labels))


def union(firings_of: Iterable[Sequence[Firing]], step_s: float) -> list[Firing]:
    """Alerts of several Prometheus servers as Alertmanager takes them: equal labels are one alert."""
    by_labels: dict[tuple[tuple[str, str], ...], list[Firing]] = {}
    for one in firings_of:
        for firing in one:
            by_labels.setdefault(firing.labels, []).append(firing)
    found = []
    for labels, intervals in by_labels.items():
        merged: list[list[float]] = []
        for firing in sorted(intervals, key=lambda each: each.first_s):
            if merged and firing.first_s <= merged[-1][1] + step_s:
                merged[-1][1] = max(merged[-1][1], firing.last_s)
            else:
                merged.append([firing.first_s, firing.last_s])
        found += [Firing(labels, first, last) for first, last in merged]
    return sorted(found, key=lambda firing: (firing.first_s, firing.labels))
