"""The charts of a page as plain data: short series, limits and fault bands, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bitcell_sim.report import series
from bitcell_sim.runs.run import RunData

Chart = dict[str, Any]
COLOURS = ("blue", "orange", "green", "purple", "ochre", "rose")
DASHES: tuple[list[int], ...] = ([], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 2])
OUTCOMES = {
    "done": ("green", "done"),
    "killed": ("orange", "killed for want of memory"),
    "lost": ("rose", "lost with the node"),
}
HISTOGRAM_BINS = 48


def rounded(values: Sequence[float] | series.Floats, digits: int = 4) -> list[float | int | None]:
    """Values with `digits` significant ones, None where not finite: what a chart can show, in few bytes."""
    result: list[float | int | None] = []
    for value in np.asarray(values, np.float64).tolist():
        if not np.isfinite(value):
            result.append(None)
            continue
        short = float(f"{value:.{digits}g}")
        result.append(int(short) if short.is_integer() else short)
    return result


def line(label: str, values: series.Floats, colour: str, **style: Any) -> dict[str, Any]:
    """One series of a chart; `style` may hold dash, fill, bars, width and shown (other values to read out)."""
    return {"label": label, "values": rounded(values), "colour": colour, **style}


def throughput_chart(run: RunData) -> Chart:
    """Chart of transactions per second over time, submitted and final."""
    flow = series.throughput(series.table(run, "transactions"), run.simulated_s)
    limit = series.limits(run.scenario).get("throughput")
    top = float(max(flow.submitted_tps.max(), flow.final_tps.max()))
    near = limit is not None and limit <= 2 * top
    window, mean = f"{flow.window_s:g} s", f"{flow.mean_window_s:g} s"
    return _over_time(run) | {
        "x": rounded(flow.time_s, 6),
        "y_label": "",
        "series": [
            line(f"final, by {window}", flow.final_tps, "blue", bars=True),
            line(f"final, mean of the last {mean}", flow.mean_tps, "blue", width=2.5),
            line(f"submitted, by {window}", flow.submitted_tps, "ochre", dash=DASHES[1]),
        ],
        "marks": [{"axis": "y", "at": limit, "label": f"target {limit:g} TPS"}] if near else [],
        "title": (
            f"Transactions per second over time: submitted {flow.submitted_tps.mean():.1f} and final "
            f"{flow.final_tps.mean():.1f} on average, by {window}"
        ),
    }


def pending_chart(run: RunData) -> Chart:
    """Chart of the transactions that wait in the mempools over time."""
    waiting = series.pending(series.table(run, "samples"))
    largest = float(waiting.largest_count.max(initial=0.0))
    return _over_time(run) | {
        "x": rounded(waiting.time_s, 6),
        "y_label": "",
        "series": [
            line("largest node", waiting.largest_count, "purple", fill=True, width=1),
            line("median node", waiting.median_count, "purple", width=2.5),
        ],
        "marks": [],
        "title": f"Transactions waiting in the mempools over time, at most {largest:.0f} on one node",
    }


def _over_time(run: RunData) -> Chart:
    bands = series.fault_bands(run)
    return {
        "x_kind": "clock",
        "x_label": "time from start (min:s)",
        "x_range": [0, run.simulated_s],
        "sync": "time",
        "bands": [[band.start_s, band.end_s, band.label, *([band.profile] if band.profile else [])] for band in bands],
    }


def finality_chart(run: RunData) -> Chart:
    """Chart of the share of accepted transactions that are final within a time, by client region."""
    groups = series.finality_s(series.table(run, "transactions"))
    limit = series.limits(run.scenario).get("finality")
    marks = [] if limit is None else [limit]
    grid = series.common_grid(list(groups.values()), marks, points=200)
    every = np.concatenate(list(groups.values())) if groups else np.empty(0)
    within = (
        ""
        if limit is None
        else f"; {100 * float((every <= limit).mean()) if len(every) else 0:.1f} % within {limit:g} s"
    )
    return {
        "x": rounded(grid),
        "x_kind": "s",
        "x_label": "from submission to final (s)",
        "x_range": rounded(grid[[0, -1]]),
        "y_kind": "percent",
        "y_label": "share of transactions",
        "series": [
            line(region, series.share_at_most(values, grid), COLOURS[i % 6], dash=DASHES[i % 6])
            for i, (region, values) in enumerate(groups.items())
        ],
        "bands": [],
        "marks": [{"axis": "x", "at": limit, "label": f"limit {limit:g} s"}] if limit is not None else [],
        "title": f"Share of accepted transactions that are final within a time, by client region{within}",
    }


def proof_chart(run: RunData) -> Chart | None:
    """Histogram of the seconds of one battle proof, by what became of it; None if no proof was asked for."""
    groups = series.proof_seconds(series.table(run, "proofs"))
    if not groups:
        return None
    limit = series.limits(run.scenario).get("proof_time")
    every = np.concatenate(list(groups.values()))
    edges = np.linspace(0.0, 1.05 * max(float(every.max()), limit or 0.0), HISTOGRAM_BINS + 1)
    names = [*(name for name in OUTCOMES if name in groups), *sorted(set(groups) - set(OUTCOMES))]
    counts = [np.histogram(groups[name], edges)[0].astype(np.float64) for name in names]
    stacked = np.cumsum(counts, axis=0)
    drawn = []
    for index in reversed(range(len(names))):  # the tallest first, so that the lower ones lie on it
        colour, label = OUTCOMES.get(names[index], ("blue", names[index]))
        said = f"{label} ({len(groups[names[index]])})"
        drawn.append(line(said, stacked[index], colour, bars=True, shown=rounded(counts[index])))
    low, high = float(every.min()), float(every.max())
    return {
        "x": rounded((edges[:-1] + edges[1:]) / 2),
        "x_kind": "s",
        "x_label": "one proof, alone on its machine (s)",
        "x_range": rounded(edges[[0, -1]]),
        "y_label": "proofs",
        "series": drawn,
        "bands": [],
        "marks": [{"axis": "x", "at": limit, "label": f"limit {limit:g} s"}] if limit is not None else [],
        "title": f"Histogram of {len(every)} battle proofs, {low:.1f} to {high:.1f} s each",
    }


def latency_charts(run: RunData, samples: series.LatencySamples, verdicts: dict[series.Pair, str]) -> list[Chart]:
    """Chart of the round trips of every pair of regions that has samples, all over one axis."""
    scenario = run.scenario
    drawn = [
        (pair, values)
        for pair in series.region_pairs(scenario)
        if (values := series.worse_direction(samples, pair)) is not None
    ]
    limits = {pair: series.pair_limit_ms(scenario, pair) for pair, _ in drawn}
    overall = series.limits(scenario).get("latency.cross-region")
    marked = [limit for limit in [*limits.values(), overall] if limit is not None]
    grid = series.common_grid([values for _, values in drawn], marked, points=240)
    colours = {"pass": "green", "fail": "orange", "unknown": "blue"}
    charts = []
    for pair, values in drawn:
        limit = limits[pair]
        p50, p95 = (float(np.quantile(values, q)) for q in (0.5, 0.95))
        said = "" if limit is None else f", limit {limit:g} ms"
        charts.append(
            {
                "id": f"latency-{pair[0]}-{pair[1]}",
                "pair": pair,
                "verdict": verdicts[pair],
                "caption": f"p95 {p95:.1f} ms{said}",
                "x": rounded(grid),
                "x_kind": "ms",
                "x_label": "round trip (ms)",
                "x_range": rounded(grid[[0, -1]]),
                "y_kind": "percent",
                "y_label": "",
                "small": True,
                "sync": "latency",
                "series": [
                    line("share of pings", series.share_at_most(values, grid), colours[verdicts[pair]], fill=True)
                ],
                "bands": [],
                "marks": [{"axis": "x", "at": limit, "label": f"{limit:g}"}] if limit is not None else [],
                "title": f"Round trips {pair[0]} – {pair[1]}: median {p50:.1f} ms, p95 {p95:.1f} ms{said}",
            }
        )
    return charts
