"""Chaos tests as people read them: a frame, a Markdown table, and the distribution of recovery as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bitcell_sim.report.row_text import MARKS, number

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

Test = Mapping[str, Any]


class ChaosCard:
    """Verdict on every chaos test of one deployment.

    Parameters
    ----------
    content : mapping
        What the command ``chaos`` gives as JSON.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = dict(content)
        self.tests: list[Test] = list(content["scenarios"])

    def __repr__(self) -> str:
        said = ", ".join(f"{test['name']} {test['verdict']}" for test in self.tests)
        return f"<chaos tests of {self.content['scenario']}, seed {self.content['seed']}: {said}>"

    def __getitem__(self, name: str) -> Test:
        """Test by its name, such as ``card["node_failure"]``."""
        for test in self.tests:
            if test["name"] == name:
                return test
        raise KeyError(f"{name!r}; the tests are {', '.join(test['name'] for test in self.tests)}")

    @property
    def frame(self) -> pd.DataFrame:
        """One row a test and length of its fault."""
        import pandas as pd

        rows = [
            {
                "test": test["name"],
                "length": at["length"],
                "fault_s": at["fault_s"],
                "slowest": at["slowest"],
                "verdict": at["verdict"],
                "recovery_p95_s": at["recovery_s"]["measured"],
                "ci_low": at["recovery_s"]["ci_low"],
                "ci_high": at["recovery_s"]["ci_high"],
                "limit_s": at["recovery_s"]["limit"],
                "n": at["n"],
                "final_blocks": at["final_blocks"],
                "orphaned_blocks": at["orphaned_blocks"],
                "final_ratio": at["final_ratio"]["measured"],
                "shut_out_share": at["shut_out_share"],
            }
            for test in self.tests
            for at in test["lengths"]
        ]
        return pd.DataFrame(rows)

    @property
    def parts(self) -> pd.DataFrame:
        """What was back when: one row a test, length, variant and part, with the median and p95 in seconds."""
        import pandas as pd

        rows = [
            {"test": test["name"], "length": at["length"], "variant": row["variant"], "part": part, **figures}
            for test in self.tests
            for at in test["lengths"]
            for row in at["variants"]
            for part, figures in row["parts"].items()
        ]
        return pd.DataFrame(rows, columns=["test", "length", "variant", "part", "p50_s", "p95_s", "n"])

    @property
    def recoveries(self) -> pd.DataFrame:
        """Every run, its seconds until all that is judged was back: test, length, variant, recovery_s."""
        import pandas as pd

        rows = [
            {"test": test["name"], "length": at["length"], "variant": row["variant"], "recovery_s": value}
            for test in self.tests
            for at in test["lengths"]
            for row in at["variants"]
            for value in row["recoveries_s"]
        ]
        return pd.DataFrame(rows, columns=["test", "length", "variant", "recovery_s"])

    def markdown(self) -> str:
        """Write a table: test, what was expected, verdict, recovery of both lengths, why."""
        lines = ["| Test | Expected | Verdict | Recovery, p95 | Why |", "|---|---|---|---|---|"]
        for test in self.tests:
            figures = [f"{at['fault_s']:g} s: {_figure(at['recovery_s'])}" for at in test["lengths"]]
            verdict = f"{MARKS[test['verdict']]} **{test['verdict']}**"
            cells = [test["name"], test["expected"], verdict, "; ".join(figures) or "no run", test["why"]]
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
        return "\n".join(lines) + "\n"

    def plot(self) -> LabFigure:
        """Draw every run's recovery, by test and length, against the limit."""
        return _draw(self.tests, self.content["scenario"])


def _figure(recovery: Mapping[str, float | None]) -> str:
    if recovery["measured"] is None:
        return "no figure"
    ends = (recovery["ci_low"], recovery["ci_high"])
    interval = "" if None in ends else f" ({number(ends[0])} to {number(ends[1])})"
    return f"{number(recovery['measured'])} s{interval}"


def _draw(tests: list[Test], scenario: str) -> LabFigure:
    from matplotlib import rc_context
    from matplotlib.lines import Line2D

    from bitcell_sim.report.charts import BLUE, INK, OCHRE, STYLE, VERDICT_COLOURS, LabFigure

    colours = {"short": BLUE, "long": OCHRE}
    rows = [(test, at, row) for test in tests for at in test["lengths"] for row in at["variants"]]
    with rc_context(STYLE):
        figure = LabFigure(figsize=(9.5, 1.3 + 0.3 * max(2, len(rows))), layout="constrained")
        axes = figure.add_subplot()
        for place, (_, at, row) in enumerate(rows):
            values = sorted(row["recoveries_s"])
            spread = [place - 0.26 + 0.52 * ((7 * i) % 11) / 10 for i in range(len(values))]
            axes.plot(values, spread, ".", color=colours[at["length"]], alpha=0.7, markersize=5, markeredgewidth=0)
            limit = at["recovery_s"]["limit"]
            axes.plot([limit, limit], [place - 0.5, place + 0.5], color=INK, linewidth=1.2, linestyle="--")
            _interval(axes, place, row, VERDICT_COLOURS[row["verdict"]])
        axes.set_yticks(range(len(rows)), [_label(test, at, row) for test, at, row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, None)
        axes.set_xlabel("seconds until all that is judged was back")
        axes.set_title(f"{scenario}: every run's recovery")
        verdicts = {"pass": "met", "fail": "missed", "unknown": "not certain"}
        axes.legend(
            handles=[
                Line2D([], [], marker=".", linestyle="none", color=BLUE, label="a run, short fault"),
                Line2D([], [], marker=".", linestyle="none", color=OCHRE, label="a run, long fault"),
                *(
                    Line2D([], [], marker="|", markersize=11, color=VERDICT_COLOURS[name], label=f"p95, limit {words}")
                    for name, words in verdicts.items()
                ),
                Line2D([], [], linestyle="--", color=INK, label="limit"),
            ],
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
    return figure


def _label(test: Test, at: Test, row: Test) -> str:
    """Test, length and, where there are several, the variant."""
    variant = f", {row['variant']}" if len(at["variants"]) > 1 else ""
    return f"{test['name']}, {at['fault_s']:g} s{variant} {MARKS[row['verdict']]}"


def _interval(axes: Any, place: int, row: Test, colour: str) -> None:
    if row["p95_s"] is None:
        return
    axes.plot([row["p95_s"]], [place], marker="|", markersize=12, markeredgewidth=2.2, color=colour)
    if row["ci_low"] is not None and row["ci_high"] is not None:
        axes.plot([row["ci_low"], row["ci_high"]], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
