"""Figure of a comparison with a baseline: every metric's difference in one unit, its own tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context

from bitcell_sim.report.charts import GRID, STYLE, VERDICT_COLOURS, LabFigure

COLOURS = {
    "same": VERDICT_COLOURS["unknown"],
    "changed": VERDICT_COLOURS["unknown"],
    "better": VERDICT_COLOURS["pass"],
    "worse": VERDICT_COLOURS["fail"],
}
SHAPES = {"same": "o", "changed": "D", "better": "^", "worse": "v"}
BEYOND = 5.0  # tolerances that the axis shows at most
CORNER = 0.02


def plot_differences(metrics: Sequence[Mapping[str, Any]], scenario: str) -> LabFigure:
    """Differences with their 95 % intervals, improvement to the right, in units of each metric's tolerance.

    Parameters
    ----------
    metrics : sequence of mapping
        Rows of ``regress``.
    scenario : str
        Named in the title.

    Returns
    -------
    Figure
        A difference beyond the axis stands at its edge with its value beside it.
    """
    shown = [row for row in metrics if row["id"] != "trace"]
    with rc_context(STYLE):
        figure = LabFigure(figsize=(8.0, 1.2 + 0.3 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvspan(-1.0, 1.0, color=GRID, alpha=0.18, linewidth=0)
        axes.axvline(0.0, color=GRID, linewidth=0.8)
        for place, row in enumerate(shown):
            _row(axes, place, row)
        axes.set_yticks(range(len(shown)), [row["id"] for row in shown])
        axes.invert_yaxis()
        axes.set_xlim(-BEYOND * 1.25, BEYOND * 1.25)
        axes.set_xlabel("worse   <   difference from the baseline, in tolerances (grey: within)   >   better")
        axes.set_title(f"{scenario} against its baseline, paired by seed")
    return figure


def _row(axes: Any, place: int, row: Mapping[str, Any]) -> None:
    """Interval, point and words of one metric."""
    colour = COLOURS[row["verdict"]]
    if row["difference"] is None:
        axes.text(0.1, place, f" {row['verdict']}: no figure", va="center", color=colour, fontsize="small")
        return
    scale = (1.0 if row["better"] == "higher" else -1.0) / (row["tolerance"] or 1.0)
    at, low, high = (
        max(-BEYOND, min(BEYOND, scale * (row[key] if row[key] is not None else row["difference"])))
        for key in ("difference", "ci_low", "ci_high")
    )
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([at], [place], marker=SHAPES[row["verdict"]], color=colour, markersize=6, linestyle="none")
    if row["verdict"] != "same":
        right = max(low, high) <= BEYOND * (1.0 - CORNER)
        words = f"{row['verdict']} {row['difference']:+.3g} {row['unit']}"
        beside = (max(at, low, high) + 0.15, "left") if right else (min(at, low, high) - 0.15, "right")
        axes.text(beside[0], place, words, va="center", ha=beside[1], color=colour, fontsize="small")
