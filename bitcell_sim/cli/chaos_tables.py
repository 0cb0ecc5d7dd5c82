"""The chaos tests on a terminal: verdicts and why, each variant's recovery as a distribution, what was back when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Test = Mapping[str, Any]

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}
BINS_TO_LIMIT = 12  # of the distribution's bars; as many again show what lies above the limit
BARS = " ▁▂▃▄▅▆▇█"
PARTS = {
    "process": "process up",
    "peers": "peers",
    "synced": "synced",
    "served": "in every load balancer",
    "voting": "first vote",
    "pool": "pool refilled",
    "clients": "clients served",
    "chain": "next block final",
}


def chaos_tables(content: Mapping[str, Any]) -> list[Table]:
    """Verdicts, distributions and parts of all tests.

    Parameters
    ----------
    content : mapping
        What the command ``chaos`` gives as JSON.
    """
    tests = content["scenarios"]
    ran = [test for test in tests if test["lengths"]]
    return [_verdicts(content), *([_distributions(ran), _parts(ran)] if ran else [])]


def bars(values: Sequence[float], limit: float) -> str:
    """Histogram of values as one line of text, from nothing to twice the limit, which a bar of its own marks.

    >>> bars([1.0, 1.0, 30.0, 61.0, 500.0], 60.0)
    '█     ▄     |▄          ▄'
    """
    counts = [0] * (2 * BINS_TO_LIMIT)
    for value in values:
        counts[min(int(value / limit * BINS_TO_LIMIT), len(counts) - 1)] += 1
    most = max(counts)
    drawn = [BARS[-(-count * (len(BARS) - 1) // most)] if most else " " for count in counts]
    return "".join([*drawn[:BINS_TO_LIMIT], "|", *drawn[BINS_TO_LIMIT:]])


def _verdicts(content: Mapping[str, Any]) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = f"{content['scenario']} on {content['latency']}, seed {content['seed']}, config {content['config_hash']}"
    table = Table(title=title, title_justify="left", show_lines=True, expand=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("test", no_wrap=True)
    table.add_column("expected", ratio=20, overflow="fold")
    table.add_column("why", ratio=80, overflow="fold")
    for test in content["scenarios"]:
        verdict = Text(test["verdict"], style=f"bold {STYLES[test['verdict']]}")
        expected = f"{test['expected']} (limit {test['recovery_s']['limit']:g} s)"
        table.add_row(verdict, test["name"], expected, Text(test["why"].replace("; ", ";\n")))
    return table


def _distributions(tests: Sequence[Test]) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = "Recovery, seconds until all that is judged was back; the bars reach to twice the limit, which | marks"
    table = Table(title=title, title_justify="left")
    for name in ("test", "fault", "what"):
        table.add_column(name, no_wrap=name == "test")
    for name in ("median", "p95", "95 % interval", "longest"):
        table.add_column(name, justify="right")
    for name in ("distribution", "verdict"):
        table.add_column(name, no_wrap=True)
    for test, at, row in _rows(tests):
        interval = (
            "-" if row["ci_low"] is None or row["ci_high"] is None else f"{row['ci_low']:.0f} - {row['ci_high']:.0f}"
        )
        figures = [_figure(row["p50_s"]), _figure(row["p95_s"]), interval, _figure(row["max_s"])]
        drawn = bars(row["recoveries_s"], at["recovery_s"]["limit"])
        verdict = Text(row["verdict"], style=STYLES[row["verdict"]])
        table.add_row(test["name"], f"{at['fault_s']:g} s", row["variant"], *figures, drawn, verdict)
    return table


def _parts(tests: Sequence[Test]) -> Table:
    from rich.table import Table

    title = "What was back when, seconds: median / p95 (clients by whole windows of 10 s, so 10 is at once)"
    table = Table(title=title, title_justify="left")
    for name in ("test", "fault", "what"):
        table.add_column(name, no_wrap=name == "test")
    shown = [part for part in PARTS if any(part in row["parts"] for _, _, row in _rows(tests))]
    for part in shown:
        table.add_column(PARTS[part], justify="right")
    for test, at, row in _rows(tests):
        cells = [_pair(row["parts"].get(part), row["n"]) for part in shown]
        table.add_row(test["name"], f"{at['fault_s']:g} s", row["variant"], *cells)
    return table


def _rows(tests: Sequence[Test]) -> Iterator[tuple[Test, Mapping[str, Any], Mapping[str, Any]]]:
    """Every test, length and variant."""
    for test in tests:
        for at in test["lengths"]:
            for row in at["variants"]:
                yield test, at, row


def _pair(part: Mapping[str, Any] | None, run_count: int) -> str:
    if part is None:
        return ""
    missing = run_count - int(part["n"])
    never = f" ({missing} never)" if missing else ""
    return f"{_figure(part['p50_s'])} / {_figure(part['p95_s'])}{never}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
