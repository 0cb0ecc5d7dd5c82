"""What added delay on every path costs: throughput, finality and forks, from nothing to 1000 ms and beyond.

Question
--------
The RC3 documents expect "graceful degradation" under injected delay, and their script means 500 ms. How do final
transactions a second, the time to finality and the forks change with the delay, and where does it stop being graceful?

Setup
-----
The deployment ``rc3``; every path between two nodes, and between load balancers and nodes, is slower by the same time
each way for the whole run. Once at 10 TPS, its own load, and once at 25, more than it carries, so that final is what
it can do. From the third block on; throughput from block to block. The steps go on to 6000 ms, where no reveal arrives
in its phase of 5 s. Means over replications with their 95 % intervals. Beside the transactions stand the blocks: those
made final, those that no chain keeps (forks), and the share of requests that are answered.

Answer
------
The printed verdict, and docs/figures/high_latency.png. In short: graceful up to 1000 ms. 500 ms each way cost one per
cent of the ceiling, as a block comes later by one trip, and finality gets slower by the trips of block and votes. Then
clients are cut off at a stroke, not by the chain: a health check takes two round trips and may take 5 s, so from
1250 ms on the load balancers take every server for dead. Blocks, empty ones, go on. They fork when reveals take as long
as their phase: then each node is alone in its tournament.

Limits
------
The delay is the same everywhere and steady. Time-outs are as configured and do not adapt.
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
from bitcell_sim.analysis.targets import finality_s, throughput
from bitcell_sim.config.schema import LinkFault
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

ADDED_MS = (0, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000)
QUICK_ADDED_MS = (0, 500, 1000, 6000)
ASKED_MS = 500
GRACEFUL_RATIO = 0.5
LOADS_TPS = (10.0, 25.0)
WARM_BLOCKS = 2
FIGURE = "high_latency.png"
TABLE = "high_latency.csv"
FIGURES = ("final_tps", "p50_s", "p95_s", "served_ratio", "final_per_h", "forked_per_h")


@dataclass(frozen=True)
class Run:
    """One run.

    Parameters
    ----------
    final_tps, p50_s, p95_s : float
        Final transactions a second; seconds to finality.
    served_ratio : float
        Share of requests that are answered, with yes or with a full pool.
    final_per_h, forked_per_h : float
        Blocks an hour: made final, and kept by no chain.
    violation_count : int
        What was unsafe.
    """

    final_tps: float
    p50_s: float
    p95_s: float
    served_ratio: float
    final_per_h: float
    forked_per_h: float
    violation_count: int


@dataclass(frozen=True)
class Point:
    """One delay at one load, over replications."""

    load_tps: float
    added_ms: int
    final_tps: Estimate
    p50_s: Estimate
    p95_s: Estimate
    served_ratio: Estimate
    final_per_h: Estimate
    forked_per_h: Estimate
    violation_count: int


def run_once(task: tuple[float, int, float, int]) -> Run:
    """One load and delay, for so long, with a seed."""
    load_tps, added_ms, duration_s, seed = task
    sets = [f"workload.rate_tps={load_tps}", f"duration_s={duration_s}"]
    scenario = bitcell_sim.load_scenario("rc3", sets=sets)
    slow = LinkFault(kind="latency", share_ratio=1.0, added_ms=float(added_ms), start_s=0.0)
    outcome = simulate_once(scenario.model_copy(update={"fault": (slow,) if added_ms else ()}), seed=seed)
    tables, block = outcome.tables, scenario.protocol.block
    rate = throughput(tables, WARM_BLOCKS, block.max_transactions, block.gas_limit).final_tps
    waited = sorted(finality_s(tables, WARM_BLOCKS, duration_s * 1000.0))
    final_per_h, forked_per_h = (
        float((tables["blocks"]["state"] == state).sum()) * 3600.0 / duration_s for state in ("final", "orphaned")
    )
    served = float(tables["transactions"]["request"].isin(["ok", "rejected"]).mean())
    p50_s, p95_s = (waited[int(share * (len(waited) - 1))] if waited else math.nan for share in (0.5, 0.95))
    rate = 0.0 if math.isnan(rate) else rate
    return Run(rate, p50_s, p95_s, served, final_per_h, forked_per_h, len(outcome.violations))


def measure(delays: Sequence[int], replications: int, duration_s: float) -> list[Point]:
    """Every load and delay."""
    cases = [(load, added) for load in LOADS_TPS for added in delays]
    tasks = [(*case, duration_s, seed) for case in cases for seed in range(1, replications + 1)]
    runs = replicate(run_once, tasks)
    points = []
    for number, (load, added) in enumerate(cases):
        own = runs[number * replications : (number + 1) * replications]
        count = sum(run.violation_count for run in own)
        rate, p50, p95, served, final, forked = (mean_interval(values_of(own, name)) for name in FIGURES)
        points.append(Point(load, added, rate, p50, p95, served, final, forked, count))
    return points


def values_of(runs: Sequence[Run], name: str) -> list[float]:
    """Figure of every run that has it."""
    return [value for run in runs if not math.isnan(value := getattr(run, name))]


def words(estimate: Estimate) -> str:
    """Figure and interval."""
    if estimate.measured is None:
        return "none"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured:.3g}"
    return f"{estimate.measured:.3g} [{estimate.ci_low:.3g}, {estimate.ci_high:.3g}]"


def verdict(points: Sequence[Point]) -> str:
    """Every point, then the answer."""
    heads = ("final, TPS", "p50, s", "p95, s", "served", "blocks an hour", "forked an hour")
    lines = [f"{'TPS':>4}{'added, ms':>11}" + "".join(f"{head:>22}" for head in heads)]
    for point in points:
        cells = "".join(f" {words(getattr(point, name)):>21}" for name in FIGURES)
        lines.append(f"{point.load_tps:4g}{point.added_ms:11}{cells}")
    own, over = ({p.added_ms: p for p in points if p.load_tps == load} for load in LOADS_TPS)
    ratio = (over[ASKED_MS].final_tps.measured or 0.0) / (over[0].final_tps.measured or math.nan)
    kept = (own[ASKED_MS].final_tps.measured or 0.0) / (own[0].final_tps.measured or math.nan)
    delayed = (own[ASKED_MS].p95_s.measured or math.nan) - (own[0].p95_s.measured or math.nan)
    half = (over[0].final_tps.measured or 0.0) * GRACEFUL_RATIO
    broken = [p.added_ms for p in over.values() if (p.final_tps.measured or 0.0) < half]
    forked = [p.added_ms for p in points if (p.forked_per_h.measured or 0.0) > 0.01 * (p.final_per_h.measured or 0.0)]
    going = [p.added_ms for p in own.values() if (p.final_per_h.measured or 0.0) > 0.0]
    unsafe = sum(point.violation_count for point in points)
    safe = "no run is unsafe" if not unsafe else f"{unsafe} violations of safety"
    said = "graceful" if min(ratio, kept) >= GRACEFUL_RATIO and not unsafe else "not graceful"
    lost = f"from +{min(broken)} ms on" if broken else "at none of these delays"
    forks = f"from +{min(forked)} ms on" if forked else "at none of them"
    lines.append(
        f"Verdict: {said} at +{ASKED_MS} ms each way: {ratio:.0%} of the ceiling ({words(over[ASKED_MS].final_tps)} TPS"
        f" of {words(over[0].final_tps)}) and {kept:.0%} of what becomes final at {LOADS_TPS[0]:g} TPS, p95 of finality"
        f" {delayed:+.1f} s, {(own[ASKED_MS].forked_per_h.measured or 0.0):g} forks an hour; {safe}. Clients lose half"
        f" of the ceiling {lost}; blocks become final up to +{max(going)} ms and are forked {forks}."
    )
    return "\n".join(lines)


def draw(points: Sequence[Point]) -> LabFigure:
    """Final TPS, finality and forks over the delay, for both loads."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import BLUE, GREEN, OCHRE, ORANGE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(12.0, 4.0), layout="constrained")
        rate, waits, blocks = figure.subplots(1, 3)
        for load, colour in zip(LOADS_TPS, (BLUE, OCHRE), strict=True):
            own = [point for point in points if point.load_tps == load]
            label = f"{load:g} TPS offered"
            _line(rate, own, "final_tps", colour, label)
            if load == LOADS_TPS[0]:
                _line(waits, own, "p50_s", colour, "half of the transactions", marker="o")
                _line(waits, own, "p95_s", colour, "95 % of them", marker="^")
                _line(blocks, own, "final_per_h", GREEN, "made final")
                _line(blocks, own, "forked_per_h", ORANGE, "kept by no chain", marker="X")
        rate.set_title("Final transactions a second")
        waits.set_title(f"Submission to final at {LOADS_TPS[0]:g} TPS, s")
        blocks.set_title(f"Blocks an hour at {LOADS_TPS[0]:g} TPS")
        for axes in (rate, waits, blocks):
            _dress(axes, [point.added_ms for point in points])
        rate.set_ylim(bottom=0.0)
        waits.set_ylim(0.0, 80.0)
    return figure


def _line(axes: Any, own: Sequence[Point], name: str, colour: str, label: str, marker: str = "o") -> None:
    estimates = [getattr(point, name) for point in own]
    shown = [(point.added_ms, at) for point, at in zip(own, estimates, strict=True) if at.measured is not None]
    x, middle = [added for added, _ in shown], [at.measured for _, at in shown]
    low = [at.measured - (at.measured if at.ci_low is None else at.ci_low) for _, at in shown]
    high = [(at.measured if at.ci_high is None else at.ci_high) - at.measured for _, at in shown]
    axes.errorbar(x, middle, yerr=[low, high], color=colour, marker=marker, markersize=4, capsize=2, label=label)


def _dress(axes: Any, delays: Sequence[int]) -> None:
    from bitcell_sim.report.charts import INK

    axes.set_xscale("symlog", linthresh=100)
    ticks = [at for at in (0, 50, 100, 200, 500, 1000, 2000, 5000) if at <= max(delays)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks], rotation=45)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("added to every path, each way, ms")
    axes.axvline(ASKED_MS, color=INK, linewidth=0.8, linestyle="--")
    axes.legend(loc="best")


def write_table(points: Sequence[Point], path: Path) -> None:
    """Every point, as CSV."""
    names = FIGURES
    lines = ["offered_tps,added_ms," + ",".join(f"{name},{name}_low,{name}_high" for name in names) + ",violations"]
    for point in points:
        cells = []
        for name in names:
            at: Estimate = getattr(point, name)
            cells += ["" if end is None else f"{end:.4f}" for end in (at.measured, at.ci_low, at.ci_high)]
        lines.append(f"{point.load_tps:g},{point.added_ms},{','.join(cells)},{point.violation_count}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer delays and replications, shorter runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    points = measure(QUICK_ADDED_MS, 2, 1200.0) if options.quick else measure(ADDED_MS, 3, 1800.0)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(points).savefig(options.out / FIGURE, dpi=150)
    write_table(points, options.out / TABLE)
    print(verdict(points))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
