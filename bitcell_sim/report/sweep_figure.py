"""Figures of a sweep: curves over a grid, points of a sampled design, indices as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context

from bitcell_sim.analysis.run_figures import FIGURES
from bitcell_sim.report.charts import GRID, PALETTE, STYLE, LabFigure

if TYPE_CHECKING:
    import pandas as pd

MARKERS = "osD^vP*X"


def plot_curves(means: pd.DataFrame, factors: Sequence[str], metric: str, title: str) -> LabFigure:
    """Draw a metric over the first factor, one curve for each value of the second, with 95 % intervals.

    Parameters
    ----------
    means : DataFrame
        One row a point, as ``SweepTable.means`` gives.
    factors : sequence of str
        One or two of its columns.
    metric, title : str
        Column that is drawn; words above.
    """
    # The factor with more values makes the axis: curves of two points say little.
    axis, *rest = sorted(factors, key=lambda key: -means[key].nunique())
    with rc_context(STYLE):
        figure = LabFigure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        groups = list(means.groupby(rest[0])) if rest else [(None, means)]
        for index, (value, mine) in enumerate(groups):
            colour = PALETTE[index % len(PALETTE)]
            x, y = mine[axis].to_numpy(), mine[metric].to_numpy()
            ends = np.abs(mine[[f"{metric}_low", f"{metric}_high"]].to_numpy().T - y)
            label = None if value is None else f"{value:g}" if isinstance(value, (int, float)) else str(value)
            line: Any = {"color": colour, "marker": MARKERS[index % len(MARKERS)], "markersize": 5, "linewidth": 1.5}
            axes.errorbar(x, y, yerr=np.nan_to_num(ends), capsize=2.5, label=label, **line)
        _finish(axes, axis, metric, title)
        if means[axis].dtype.kind == "f" and means[axis].min() > 0 and means[axis].max() / means[axis].min() >= 8:
            _log_axis(axes, sorted(means[axis].unique()))
        if rest:
            axes.legend(title=rest[0], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _log_axis(axes: Any, values: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    axes.set_xticks([], minor=True)


def plot_points(means: pd.DataFrame, factors: Sequence[str], metric: str, title: str) -> LabFigure:
    """Draw a metric at every point, a panel a factor.

    Parameters
    ----------
    means, factors, metric, title
        As for :func:`plot_curves`, with any number of factors.
    """
    with rc_context(STYLE):
        figure = LabFigure(figsize=(2.6 * max(2, len(factors)), 3.4), layout="constrained")
        panels = figure.subplots(1, len(factors), sharey=True, squeeze=False)[0]
        for axes, factor in zip(panels, factors, strict=True):
            axes.scatter(means[factor], means[metric], s=14, color=PALETTE[0], alpha=0.75, linewidth=0)
            axes.set_xlabel(factor.rpartition(".")[2])
            axes.grid(color=GRID, alpha=0.25, linewidth=0.7)
        panels[0].set_ylabel(named(metric))
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=STYLE["text.color"])
    return figure


def plot_indices(indices: pd.DataFrame, metric: str) -> LabFigure:
    """Draw Sobol's indices of a metric with their 95 % intervals, the largest on top.

    Parameters
    ----------
    indices : DataFrame
        As :func:`bitcell_sim.analysis.sensitivity.sobol_indices` gives.
    metric : str
        What they are of.
    """
    shown = indices.sort_values("total", ascending=False, kind="stable")
    places = np.arange(len(shown))
    with rc_context(STYLE):
        figure = LabFigure(figsize=(7.2, 1.3 + 0.5 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for name, label, shift, colour in (
            ("first", "alone", -0.17, PALETTE[0]),
            ("total", "with all it interacts with", 0.17, PALETTE[1]),
        ):
            ends = [shown[name] - shown[f"{name}_low"], shown[f"{name}_high"] - shown[name]]
            axes.barh(places + shift, shown[name], 0.3, color=colour, alpha=0.8, label=label)
            axes.errorbar(
                shown[name], places + shift, xerr=ends, fmt="none", ecolor=STYLE["text.color"], capsize=2, linewidth=1
            )
        axes.set_yticks(places, list(shown["factor"]))
        axes.invert_yaxis()
        axes.axvline(0.0, color=GRID, linewidth=0.8)
        axes.set_xlabel("share of the variance that the factor explains")
        axes.set_title(f"What moves {named(metric)}")
        axes.grid(axis="x", color=GRID, alpha=0.25, linewidth=0.7)
        axes.legend(loc="lower right")
    return figure


def named(metric: str) -> str:
    """Metric in words and its unit, where it is a figure of one run; else its id."""
    figure = FIGURES.get(metric.removeprefix("run.")) if metric.startswith("run.") else None
    if figure is None:
        return metric
    return f"{figure.title}, {figure.unit}" if figure.unit != "ratio" else figure.title


def _finish(axes: Any, x: str, metric: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(named(metric))
    axes.set_title(title)
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID, alpha=0.25, linewidth=0.7)
