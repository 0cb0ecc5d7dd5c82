"""Figure of a history: every metric over the comparisons, with its levels and the changes between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.ticker import MaxNLocator

from bitcell_sim.report.charts import BLUE, GRID, INK, STYLE, VERDICT_COLOURS, LabFigure
from bitcell_sim.report.row_text import number

if TYPE_CHECKING:
    from bitcell_sim.analysis.trend import Trend

COLUMNS = 3
FLAT = 0.02  # least height of a panel's axis, as a share of the figure: rounding is not drawn as a cliff


def plot_trends(trends: Sequence[Trend], scenario: str) -> LabFigure:
    """Draw a panel a metric: figures, the mean of each level, and a line where a new one begins.

    Parameters
    ----------
    trends : sequence of Trend
        What is drawn.
    scenario : str
        Named in the title.
    """
    rows = max(1, math.ceil(len(trends) / COLUMNS))
    with rc_context(STYLE):
        figure = LabFigure(figsize=(4.0 * COLUMNS, 1.9 * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True).ravel()
        for axes, trend in zip(panels, trends, strict=False):
            _panel(axes, trend)
        for axes in panels[len(trends) :]:
            axes.set_visible(False)
        unmarked = any(trend.changes is None for trend in trends)
        said = "without change points: ruptures is not installed" if unmarked else "with its levels and their changes"
        figure.suptitle(f"{scenario}: each figure over the history, {said}", x=0.01, ha="left", fontsize=10, color=INK)
        figure.supxlabel("comparison, oldest first", fontsize=9.5, color=INK)
    return figure


def _panel(axes: Any, trend: Trend) -> None:
    axes.plot(range(1, len(trend.values) + 1), trend.values, color=BLUE, marker="o", markersize=3, linewidth=0.9)
    levels = trend.levels()
    for start, end, mean in levels:
        axes.plot([start + 0.6, end + 0.4], [mean, mean], color=INK, linewidth=1.4)
    for (_, _, before), (start, _, after) in itertools.pairwise(levels):
        better = (after > before) == (trend.better == "higher")
        colour = VERDICT_COLOURS["pass" if better else "fail"]
        axes.axvline(start + 0.5, color=colour, linewidth=1.4, linestyle="--")
        text = f"{'▲ better' if better else '▼ worse'}: {number(before)} to {number(after)}"
        axes.annotate(
            text,
            (start + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if start > len(trend.values) / 2 else 3, -2),
            textcoords="offset points",
            ha="right" if start > len(trend.values) / 2 else "left",
            va="top",
            fontsize=8,
            color=colour,
        )
    low, high = min(trend.values), max(trend.values)
    room = max(0.35 * (high - low), FLAT * max(abs(low), abs(high)), 1e-9)
    axes.set_ylim(low - room / 2, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{trend.id}, {trend.unit}", fontsize=9)
    axes.grid(color=GRID, alpha=0.25, linewidth=0.7)
