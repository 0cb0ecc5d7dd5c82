"""Figures: one run or one scorecard in one look, on white paper and on a dark page alike.

The background is transparent, every colour is of middle brightness (at least 3 : 1 against white and against near
black), and no meaning hangs on colour alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bitcell_sim.report import series
from bitcell_sim.report.row_text import MARKS, interval_text, limit_text, measured_text, relative_to_limit

if TYPE_CHECKING:
    from bitcell_sim.report.row_text import Row
    from bitcell_sim.runs.run import RunData

INK = "#757d88"
GRID = "#8a929c"
BLUE, ORANGE, GREEN, PURPLE, OCHRE, ROSE = "#2f7fc1", "#d55e00", "#0b9a72", "#9a6fc0", "#a87a1c", "#c2588f"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, OCHRE, ROSE)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
VERDICT_COLOURS = {"pass": GREEN, "fail": ORANGE, "unknown": INK}
VERDICT_SHAPES = {"pass": "o", "fail": "X", "unknown": "D"}
OUTCOME_COLOURS = {"done": GREEN, "killed": ORANGE, "lost": ROSE}
OUTCOME_LABELS = {"killed": "killed for want of memory", "lost": "lost with the node"}
RATIO_MIN, RATIO_MAX = 0.01, 100.0
STYLE: Any = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.titlecolor": INK,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "bitcell-sim",
}


class LabFigure(Figure):
    """A figure that shows itself in a notebook and needs no window."""

    def png(self, dpi: float = 144) -> bytes:
        """Give the picture as a PNG file, the same bytes each time.

        Parameters
        ----------
        dpi : float
            Pixels an inch.
        """
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=dpi)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()


def latency_cdf(
    samples: series.LatencySamples,
    pairs: Sequence[series.Pair],
    limits_ms: Mapping[series.Pair, float | None],
    *,
    overall_limit_ms: float | None = None,
) -> LabFigure:
    """Draw the distribution of round trips of every pair of regions, each with its own limit.

    Parameters
    ----------
    samples : mapping of (source, target) to sequence of float
        Round trips, milliseconds.
    pairs : sequence of (str, str)
        Pairs to draw; of the two directions the one with the larger 95th percentile.
    limits_ms : mapping of (str, str) to float or None
        Limit of each pair, milliseconds.
    overall_limit_ms : float, optional
        Limit of every pair of regions.

    Returns
    -------
    LabFigure
        A panel a pair, over one common axis.
    """
    drawn = [(pair, values) for pair in pairs if (values := series.worse_direction(samples, pair)) is not None]
    marks = [limit for pair, _ in drawn if (limit := limits_ms.get(pair)) is not None]
    marks += [overall_limit_ms] if overall_limit_ms is not None else []
    grid = series.common_grid([values for _, values in drawn], marks)
    with rc_context(STYLE):
        figure = LabFigure(figsize=(8, 0.5 + 0.95 * max(1, len(drawn))), layout="constrained")
        rows = figure.subplots(max(1, len(drawn)), 1, sharex=True, squeeze=False)[:, 0]
        if not drawn:
            _say(rows[0], "no round trips were measured")
        for axes, (pair, values) in zip(rows, drawn, strict=False):
            limit = limits_ms.get(pair)
            p95 = float(np.quantile(values, 0.95))
            missed = limit is not None and p95 >= limit
            colour = ORANGE if missed else GREEN if limit is not None else BLUE
            shares = series.share_at_most(values, grid)
            axes.fill_between(grid, shares, color=colour, alpha=0.25, linewidth=0)
            axes.plot(grid, shares, color=colour, linewidth=1.8)
            if limit is not None:
                axes.axvline(limit, color=INK, linestyle="--", linewidth=1.3)
            if overall_limit_ms is not None:
                axes.axvline(overall_limit_ms, color=GRID, linestyle=":", linewidth=1.1)
            said = f"p95 {p95:.0f} ms" + (f", limit {limit:g} ms" if limit is not None else "")
            mark = "" if limit is None else MARKS["fail"] + " " if missed else MARKS["pass"] + " "
            axes.set_title(f"{mark}{pair[0]} – {pair[1]}: {said}", color=colour, fontsize=9)
            _percent_axis(axes)
        rows[-1].set_xlabel("round trip, ms (dashed: the pair's limit, dotted: the limit for all)")
        figure.supylabel("share of pings", fontsize=9.5, color=INK)
    return figure


def timeline(run: RunData) -> LabFigure:
    """Draw throughput and waiting transactions over time, with the faults as bands.

    Parameters
    ----------
    run : RunData
        One run.
    """
    end_s = run.simulated_s
    flow = series.throughput(series.table(run, "transactions"), end_s)
    waiting = series.pending(series.table(run, "samples"))
    bands = series.fault_bands(run)
    with rc_context(STYLE):
        figure = LabFigure(figsize=(9, 4.6), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1.3, 1])
        top.bar(
            flow.time_s, flow.final_tps, width=flow.window_s, color=BLUE, alpha=0.4, label=f"final, {flow.window_s:g} s"
        )
        top.plot(flow.time_s, flow.mean_tps, color=BLUE, linewidth=2, label=f"final, mean of {flow.mean_window_s:g} s")
        top.plot(flow.time_s, flow.submitted_tps, color=OCHRE, linewidth=1.2, linestyle="--", label="submitted")
        limit = series.limits(run.scenario).get("throughput")
        if limit is not None and limit <= 2 * max(float(flow.submitted_tps.max()), float(flow.final_tps.max())):
            _limit_line(top, limit, f"target {limit:g} TPS", vertical=False)
        top.set_ylabel("transactions/s")
        bottom.fill_between(
            waiting.time_s, waiting.largest_count, color=PURPLE, alpha=0.25, linewidth=0, label="largest node"
        )
        bottom.plot(waiting.time_s, waiting.median_count, color=PURPLE, linewidth=1.8, label="median node")
        bottom.set_ylabel("waiting in mempool")
        bottom.set_xlabel("time from start, min:s")
        bottom.set_xlim(0, end_s)
        for axes in (top, bottom):
            _time_axis(axes, end_s)
            axes.set_ylim(0, None)
            _fault_bands(axes, bands, labels=axes is top)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        where = f"{run.scenario.name}, seed {run.seed}"
        figure.suptitle(where, x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def finality_cdf(run: RunData) -> LabFigure:
    """Draw how long clients of each region wait from submission to final.

    Parameters
    ----------
    run : RunData
        One run. A transaction that was not final when it ended counts as waiting longer than any point drawn.
    """
    groups = series.finality_s(series.table(run, "transactions"))
    limit = series.limits(run.scenario).get("finality")
    grid = series.common_grid(list(groups.values()), [] if limit is None else [limit])
    with rc_context(STYLE):
        figure = LabFigure(figsize=(7, 3.4), layout="constrained")
        axes = figure.subplots()
        if not groups:
            _say(axes, "no transaction was accepted")
        for index, (region, values) in enumerate(groups.items()):
            style, colour = DASHES[index % len(DASHES)], PALETTE[index % len(PALETTE)]
            shares = series.share_at_most(values, grid)
            axes.plot(grid, shares, color=colour, linestyle=style, linewidth=1.8, label=region)
        if limit is not None:
            _limit_line(axes, limit, f"limit {limit:g} s", vertical=True)
        _percent_axis(axes)
        axes.set_xlabel("from submission to final, s")
        axes.set_ylabel("share of accepted transactions")
        axes.set_title("Finality by client region")
        if groups:
            axes.legend(loc="lower right")
    return figure


def proof_times(run: RunData) -> LabFigure:
    """Draw how long each battle proof takes on its machine, by what became of it.

    Parameters
    ----------
    run : RunData
        One run. The time is without waiting and as if memory sufficed, which is what the limit is about.
    """
    groups = series.proof_seconds(series.table(run, "proofs"))
    limit = series.limits(run.scenario).get("proof_time")
    with rc_context(STYLE):
        figure = LabFigure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots()
        if groups:
            every = np.concatenate(list(groups.values()))
            edges = np.linspace(0.0, 1.05 * max(float(every.max()), limit or 0.0), 43)
            names = [*(name for name in OUTCOME_COLOURS if name in groups), *sorted(set(groups) - set(OUTCOME_COLOURS))]
            labels = [f"{OUTCOME_LABELS.get(name, name)}: {len(groups[name])}" for name in names]
            colours = [OUTCOME_COLOURS.get(name, BLUE) for name in names]
            axes.hist(
                [groups[name] for name in names], edges.tolist(), stacked=True, color=colours, label=labels, alpha=0.85
            )
            axes.legend(loc="upper right")
        else:
            _say(axes, "no proof was asked for")
        if limit is not None:
            _limit_line(axes, limit, f"limit {limit:g} s", vertical=True)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("one proof, alone on its machine, s")
        axes.set_ylabel("proofs")
        axes.set_title("Battle proofs by what became of them")
    return figure


def recovery_stages(run: RunData) -> LabFigure:
    """Draw the way back of every node that crashed, stage by stage.

    Parameters
    ----------
    run : RunData
        One run.
    """
    crashes = series.recovery_stages(series.table(run, "recoveries"))
    limit = series.limits(run.scenario).get("node_recovery")
    names = list(dict.fromkeys(stage for crash in crashes for stage in crash["stages"]))
    with rc_context(STYLE):
        figure = LabFigure(figsize=(8, 1.4 + 0.34 * max(2, len(crashes))), layout="constrained")
        axes = figure.subplots()
        if not crashes:
            _say(axes, "no node crashed")
        for place, crash in enumerate(crashes):
            last = max(crash["stages"].values(), default=0.0)
            axes.plot([0, last], [place, place], color=GRID, linewidth=2.5, zorder=1)
            if not crash["stages"]:
                axes.text(0, place, " never came back", va="center", color=ORANGE)
        for index, stage in enumerate(names):
            points = [(crash["stages"][stage], at) for at, crash in enumerate(crashes) if stage in crash["stages"]]
            x, y = zip(*points, strict=True)
            marker = "os^Dvp"[index % 6]
            axes.scatter(
                x, y, marker=marker, s=52, color=PALETTE[index % len(PALETTE)], label=stage, zorder=2, alpha=0.9
            )
        if limit is not None and crashes:
            _limit_line(axes, limit, f"limit {limit:g} s", vertical=True)
        axes.set_yticks(range(len(crashes)), [f"{c['node']} at {series.clock(c['crash_s'])}" for c in crashes])
        axes.set_ylim(len(crashes) - 0.4, -0.8)
        axes.set_xlim(left=0)
        axes.set_xlabel("from the crash, s")
        axes.set_title("The way back after a crash")
        if names:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def scorecard_figure(rows: Sequence[Row]) -> LabFigure:
    """Draw every target with its interval relative to its limit, on one logarithmic axis.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of a scorecard; at the left of 1 the limit is met, whatever its direction.
    """
    with rc_context(STYLE):
        height = 1.3 + 0.34 * max(1, len(rows))
        figure = LabFigure(figsize=(12.5, height))
        axes = figure.add_axes((0.275, 0.62 / height, 0.36, 1 - 0.7 / height))
        axes.set_xscale("log")
        for place, row in enumerate(rows):
            _scorecard_row(axes, place, row)
        axes.axvline(1.0, color=INK, linewidth=1.6)
        ratios = [r for row in rows for key in ("measured", "ci_low", "ci_high") if (r := _clipped(row, row[key]))]
        low, high = min([*ratios, 0.3]) / 1.6, max([*ratios, 3.0]) * 1.6
        axes.axvspan(1.0, high, color=ORANGE, alpha=0.07, linewidth=0, zorder=0)
        axes.axvspan(low, 1.0, color=GREEN, alpha=0.07, linewidth=0, zorder=0)
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.4, -0.9)
        axes.set_yticks(range(len(rows)), [row["title"] for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_color(VERDICT_COLOURS[row["verdict"]])
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=GRID, alpha=0.25, linewidth=0.7)
        axes.set_xlabel("measured relative to its limit (log scale; 95 % interval)")
        top = len(rows) and -0.62
        axes.text(1 / 1.04, top, "meets its limit ", ha="right", va="center", color=GREEN, fontsize=8.5)
        axes.text(1.04, top, " misses it", ha="left", va="center", color=ORANGE, fontsize=8.5)
    return figure


def _scorecard_row(axes: Axes, place: int, row: Row) -> None:
    colour, marker = VERDICT_COLOURS[row["verdict"]], VERDICT_SHAPES[row["verdict"]]
    ratio = _clipped(row, row["measured"])
    low, high = _clipped(row, row["ci_low"]), _clipped(row, row["ci_high"])
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.75, solid_capstyle="butt")
    if ratio is None:
        said = "not measured"
    else:
        said = measured_text(row)
        axes.scatter([ratio], [place], marker=marker, s=58, color=colour, zorder=3)
    interval = interval_text(row)
    text = f"{MARKS[row['verdict']]} {said}" + (f"  [{interval}]" if interval else "")
    transform = axes.get_yaxis_transform()
    axes.text(1.015, place, text, transform=transform, va="center", color=colour, fontsize=8.8)
    axes.text(1.66, place, limit_text(row), transform=transform, va="center", fontsize=8.8)


def _clipped(row: Row, value: float | None) -> float | None:
    ratio = relative_to_limit(row, value)
    return None if ratio is None else min(max(ratio, RATIO_MIN), RATIO_MAX)


def _limit_line(axes: Axes, limit: float, label: str, *, vertical: bool) -> None:
    if vertical:
        axes.axvline(limit, color=INK, linestyle="--", linewidth=1.4)
        low, high = axes.get_xlim()
        late = limit > (low + high) / 2
        offset, side = ((-4, -2), "right") if late else ((4, -2), "left")
        where, at = ("data", "axes fraction"), (limit, 1.0)
    else:
        axes.axhline(limit, color=INK, linestyle="--", linewidth=1.4)
        offset, side, where, at = (4, 3), "left", ("axes fraction", "data"), (0.0, limit)
    up = "top" if vertical else "bottom"
    axes.annotate(label, at, xycoords=where, xytext=offset, textcoords="offset points", ha=side, va=up, fontsize=8.5)


def _fault_bands(axes: Axes, bands: Sequence[series.Band], *, labels: bool) -> None:
    for index, band in enumerate(bands):
        for start_s, end_s, strength in band.profile or [(band.start_s, band.end_s, 1.0)]:
            axes.axvspan(start_s, end_s, color=ORANGE, alpha=0.16 * strength, linewidth=0, zorder=0)
        axes.axvline(band.start_s, color=ORANGE, linewidth=0.9, alpha=0.8, zorder=0)
        if labels:
            axes.annotate(
                band.label,
                (band.start_s, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, 2 + 10 * (index % 3)),
                textcoords="offset points",
                fontsize=8,
                color=ORANGE,
            )


def _percent_axis(axes: Axes) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1.0])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.grid(color=GRID, alpha=0.25, linewidth=0.7)


def _time_axis(axes: Axes, end_s: float) -> None:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((step for step in steps if end_s / step <= 10), math.ceil(end_s / 10))
    axes.set_xticks(np.arange(0, end_s + step / 2, step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: series.clock(value)))
    axes.grid(color=GRID, alpha=0.25, linewidth=0.7)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=INK)
