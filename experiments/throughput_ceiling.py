"""The highest rate of final transactions that RC3 carries, by block interval.

Question
--------
The RC3 documents want 100 TPS. They name block times of 10, 15, 60 and 600 s and never put a load beside one. Up to
which offered load does the chain follow, and where does it stop?

Setup
-----
The deployment ``rc3`` (seven nodes, four regions, measured latencies) under offered loads of 5 to 200 TPS. Four block
intervals with upstream's measured battle engine: the node's own timing; 60 s, the mainnet figure of its book; 600 s,
the production figure of its architecture document; and 300 s between them. Intervals of 10 and 15 s are left out: a
round of 59 s turns both into 60 s. A fifth curve takes battles out of the way (the engine ``sparse``), at the node's
own timing. Each point is a mean over replications, with its 95 % interval; the first blocks are not counted, and the
rate is taken from block to block, so that no partial round counts.

Answer
------
The printed verdict, and docs/figures/throughput_ceiling.png. In short: final follows offered up to a sharp ceiling, the
cap of 1000 transactions over the time between blocks, and stays there however much is offered.

Limits
------
Plain transfers of one size, so the gas limit (1428 of them) never binds. Proofs do not delay blocks (``pipelined``).
Under overload the pool fills and requests are told so; what clients do then is not modelled.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, mean_interval

if TYPE_CHECKING:
    from bitcell_sim import Run

LIMIT_TPS = 100.0
RATES_TPS = (5, 10, 15, 20, 40, 70, 100, 150, 200)
QUICK_RATES_TPS = (10, 20, 60, 200)
UNCOUNTED_BLOCKS = 2
FIGURE = "throughput_ceiling.png"
TABLE = "throughput_ceiling.csv"


@dataclass(frozen=True)
class Variant:
    """One curve: its name, its options, and about how many seconds lie between two blocks, for the length of a run."""

    name: str
    sets: tuple[str, ...]
    about_s: float


VARIANTS = (
    Variant("own timing, battles free", ("protocol.battle.engine=sparse",), 15.0),
    Variant("own timing", (), 60.0),
    Variant("60 s", ("protocol.round.block_interval_s=60.0",), 60.0),
    Variant("300 s", ("protocol.round.block_interval_s=300.0",), 300.0),
    Variant("600 s", ("protocol.round.block_interval_s=600.0",), 600.0),
)


@dataclass(frozen=True)
class Point:
    """Final rate at one offered load, TPS, and the seconds between two blocks."""

    variant: Variant
    offered_tps: float
    final_tps: Estimate
    spacing_s: float


def final_rate(run: Run) -> tuple[float, float]:
    """Final transactions a second, and seconds between blocks, from the last uncounted block to the last block."""
    blocks = run["blocks"]
    final = blocks[blocks["state"] == "final"].sort_values("height").iloc[UNCOUNTED_BLOCKS - 1 :]
    span_s = (final["built_ms"].iloc[-1] - final["built_ms"].iloc[0]) / 1000.0
    return float(final["transaction_count"].iloc[1:].sum() / span_s), span_s / (len(final) - 1)


def measure(rates: Sequence[float], replications: int, counted_blocks: int) -> list[Point]:
    """Every variant at every rate."""
    points = []
    for variant in VARIANTS:
        length_s = variant.about_s * (UNCOUNTED_BLOCKS + counted_blocks + 1)
        for rate in rates:
            sets = (*variant.sets, f"workload.rate_tps={float(rate)}", f"duration_s={length_s}")
            values = bitcell_sim.replicate("rc3", replications=replications, sets=sets, measure=final_rate)
            spacing_s = sum(spacing for _, spacing in values) / len(values)
            points.append(Point(variant, rate, mean_interval([rate_tps for rate_tps, _ in values]), spacing_s))
    return points


def ceilings(points: Sequence[Point]) -> dict[str, Point]:
    """Point with the highest final rate of each variant."""
    found: dict[str, Point] = {}
    for point in points:
        best = found.setdefault(point.variant.name, point)
        if (point.final_tps.measured or 0.0) > (best.final_tps.measured or 0.0):
            found[point.variant.name] = point
    return found


def verdict(points: Sequence[Point]) -> str:
    """One line a variant, then the answer."""
    cap = bitcell_sim.load_scenario("rc3").protocol.block.max_transactions
    found = ceilings(points)
    lines = []
    for name, best in found.items():
        final = best.final_tps
        interval = f"[{final.ci_low:.2f}, {final.ci_high:.2f}]" if final.ci_low is not None else "[no interval]"
        arithmetic = f"{cap} / {best.spacing_s:.1f} s = {cap / best.spacing_s:.2f}"
        lines.append(f"{name:26} {final.measured:7.2f} TPS {interval:16} by arithmetic {arithmetic}")
    highest = {name: best.final_tps.measured or 0.0 for name, best in found.items()}
    enough = [name for name, rate in highest.items() if rate >= LIMIT_TPS]
    lines.append(
        f"Verdict: {', '.join(enough) or 'none of them'} carries {LIMIT_TPS:g} TPS. RC3 as it stands makes"
        f" {highest['own timing']:.1f} TPS final, and {highest['own timing, battles free']:.1f} were battles free; with"
        f" {cap} transactions a block, {LIMIT_TPS:g} TPS needs a block every {cap / LIMIT_TPS:g} s."
    )
    return "\n".join(lines)


def draw(points: Sequence[Point]) -> Any:
    """Final against offered load, one curve a variant."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    ink = "#757d88"
    colours = ("#0b9a72", "#2f7fc1", "#d55e00", "#9a6fc0", "#a87a1c")
    style: Any = {
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
    }
    with plt.rc_context(style | {"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}):
        figure, axes = plt.subplots(figsize=(8.0, 5.0), layout="constrained")
        rates = sorted({point.offered_tps for point in points})
        axes.plot([rates[0], rates[-1]], [rates[0], rates[-1]], color=ink, linewidth=0.8, linestyle=":")
        axes.annotate("all of it final", (rates[0], rates[0]), xytext=(8, 8), textcoords="offset points", rotation=32)
        axes.axhline(LIMIT_TPS, color=ink, linewidth=0.8, linestyle="--")
        axes.annotate(f"target: {LIMIT_TPS:g} TPS", (rates[0], LIMIT_TPS), xytext=(2, 4), textcoords="offset points")
        for variant, colour, marker in zip(VARIANTS, colours, "osD^v", strict=True):
            _curve(axes, [point for point in points if point.variant == variant], colour, marker)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
        axes.set_xticks([], minor=True)
        ticks = [1, 2, 5, 10, 20, 50, 100, 200]
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_xlim(rates[0] * 0.93, rates[-1] * 3.2)
        axes.set_xlabel("offered, transactions a second")
        axes.set_ylabel("final, transactions a second")
        axes.set_title("RC3: what becomes final, by block interval (95 % intervals)", loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _curve(axes: Any, points: Sequence[Point], colour: str, marker: str) -> None:
    offered = [point.offered_tps for point in points]
    middle = [point.final_tps.measured or math.nan for point in points]
    low = [m - (p.final_tps.ci_low or m) for m, p in zip(middle, points, strict=True)]
    high = [(p.final_tps.ci_high or m) - m for m, p in zip(middle, points, strict=True)]
    axes.errorbar(
        offered, middle, yerr=[low, high], color=colour, marker=marker, markersize=4, capsize=2, linewidth=1.4
    )
    words = f"  {points[0].variant.name}: {middle[-1]:.3g}"
    place = {"own timing": "bottom", "60 s": "top"}.get(points[0].variant.name, "center")
    axes.text(offered[-1], middle[-1], words, color=colour, va=place, fontsize="small")


def write_table(points: Sequence[Point], path: Path) -> None:
    """Every point of the figure, as CSV."""
    lines = ["variant,offered_tps,final_tps,ci_low,ci_high,n,block_spacing_s"]
    for point in points:
        final = point.final_tps
        ends = ["" if end is None else f"{end:.4f}" for end in (final.measured, final.ci_low, final.ci_high)]
        lines.append(f'"{point.variant.name}",{point.offered_tps:g},{",".join(ends)},{final.n},{point.spacing_s:.2f}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer loads, replications and blocks")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    points = measure(QUICK_RATES_TPS, 3, 3) if options.quick else measure(RATES_TPS, 6, 8)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(points).savefig(options.out / FIGURE, dpi=150)
    write_table(points, options.out / TABLE)
    print(verdict(points))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
