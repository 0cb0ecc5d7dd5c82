"""How long the battle phase lasts, by cores and by the speed of the engine, and what it leaves of the throughput.

Question
--------
A tournament of seven miners has six battles, which a node fights one after another before a block can be made. How
long is that on machines of 2, 4 and 8 cores, with upstream's engine as measured, as claimed, and with this lab's own,
and how many transactions a second does each leave?

Setup
-----
The deployment ``rc3`` in the simulator, 100 transactions a second offered, the target; cores and engine changed by
``--set``. Engines are those of models/protocols/rc3.toml: upstream's Rust engine as measured on one
and two threads (23.6 s and 12.8 s a battle), the 5 s that its documents claim, whatever the cores, and this lab's exact
sparse one. The phase is taken from the table ``rounds``, for every node and height; the rate from block to block, so
that no partial round counts, without the first two blocks. Means over replications with 95 % intervals.

Answer
------
The printed verdict, and docs/figures/battle_phase.png. In short: the measured engine takes three quarters of a round on
4 cores; more cores help until its serial part stops them; and even free battles do not reach 100 TPS, because 15 s of
phases remain and a block holds 1000 transactions.

Limits
------
The measured engine was timed on one and two threads only: its speed on 4 and 8 cores is Amdahl's law from there, an
extrapolation. Nodes fight alone on their cores; nothing else that runs on a machine slows them.
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

CORES = (2, 4, 8)
ENGINES = {"measured": "upstream, measured", "claimed": "upstream, claimed", "sparse": "this lab's"}
LIMIT_TPS = 100.0
UNCOUNTED_BLOCKS = 2
ROUND_S_MAX = 95.0
FIGURE = "battle_phase.png"


@dataclass(frozen=True)
class Point:
    """One engine on machines of one size: battle phase and round, seconds; final rate, TPS."""

    engine: str
    cores: int
    phase_s: Estimate
    round_s: Estimate
    final_tps: Estimate


def measures(run: Run) -> tuple[float, float, float]:
    """Mean battle phase over all rounds of all nodes, s; mean time between blocks, s; final transactions a second."""
    rounds, blocks = run["rounds"], run["blocks"]
    phase_s = float((rounds["battle_end_ms"] - rounds["reveal_end_ms"]).mean() / 1000.0)
    final = blocks[blocks["state"] == "final"].sort_values("height").iloc[UNCOUNTED_BLOCKS - 1 :]
    span_s = (final["built_ms"].iloc[-1] - final["built_ms"].iloc[0]) / 1000.0
    return phase_s, span_s / (len(final) - 1), float(final["transaction_count"].iloc[1:].sum() / span_s)


def measure(replications: int, counted_blocks: int) -> list[Point]:
    """Every engine on every machine."""
    points = []
    length_s = ROUND_S_MAX * (UNCOUNTED_BLOCKS + counted_blocks + 1)
    for engine in ENGINES:
        for cores in CORES:
            sets = (
                f"protocol.battle.engine={engine}",
                f"deployment.hardware.cores={cores}",
                f"workload.rate_tps={LIMIT_TPS}",
                f"duration_s={length_s if engine == 'measured' else length_s / 2}",
            )
            values = bitcell_sim.replicate("rc3", replications=replications, sets=sets, measure=measures)
            points.append(Point(engine, cores, *(mean_interval(column) for column in zip(*values, strict=True))))
    return points


def interval(estimate: Estimate, digits: int) -> str:
    """Figure with its interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured:.{digits}f}"
    return f"{estimate.measured:.{digits}f} [{estimate.ci_low:.{digits}f}, {estimate.ci_high:.{digits}f}]"


def verdict(points: Sequence[Point]) -> str:
    """One line a point, then the answer."""
    lines = []
    for point in points:
        share = (point.phase_s.measured or 0.0) / (point.round_s.measured or math.nan)
        lines.append(
            f"{ENGINES[point.engine]:20} {point.cores} cores: battles {interval(point.phase_s, 4)} s,"
            f" {share:.0%} of the time between blocks; final {interval(point.final_tps, 2)} TPS"
        )
    found = {(point.engine, point.cores): point for point in points}
    phases = ", ".join(f"{found['measured', cores].phase_s.measured:.1f} s on {cores} cores" for cores in CORES)
    rates = ", ".join(f"{found['measured', cores].final_tps.measured:.1f}" for cores in CORES)
    claimed, sparse = found["claimed", 4], found["sparse", 4]
    enough = [f"{p.engine} on {p.cores}" for p in points if (p.final_tps.measured or 0.0) >= LIMIT_TPS]
    lines.append(
        f"Verdict: with upstream's engine as measured the battles last {phases}, which leaves {rates} TPS; as claimed"
        f" {claimed.phase_s.measured:.1f} s and {claimed.final_tps.measured:.1f} TPS whatever the cores; with this"
        f" lab's {1000 * (sparse.phase_s.measured or 0.0):.1f} ms and {sparse.final_tps.measured:.1f} TPS."
        f" {', '.join(enough) or 'None of them'} carries {LIMIT_TPS:g} TPS: without battles at all the other phases and"
        " the cap of a block still allow only two thirds of it."
    )
    return "\n".join(lines)


def draw(points: Sequence[Point]) -> Any:
    """Where the time between two blocks goes, a bar a machine and engine, with the rate that it leaves."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import GRID, INK, ORANGE, STYLE, LabFigure

    needed_s = bitcell_sim.load_scenario("rc3").protocol.block.max_transactions / LIMIT_TPS
    with rc_context(STYLE):
        figure = LabFigure(figsize=(10, 4.4), layout="constrained")
        axes = figure.subplots()
        rows = [index + 0.5 * (index // len(CORES)) for index in range(len(points))]
        for row, point in zip(rows, points, strict=True):
            battles_s, round_s = point.phase_s.measured or 0.0, point.round_s.measured or 0.0
            first = row == 0
            rest = "commit, reveal, pause, and the block's way" if first else None
            axes.barh(row, round_s - battles_s, color=GRID, alpha=0.6, label=rest)
            left = round_s - battles_s
            axes.barh(row, battles_s, left=left, color=ORANGE, alpha=0.8, label="six battles" if first else None)
            said = f"{battles_s:.1f} s" if battles_s > 0.1 else f"{1000 * battles_s:.1f} ms"
            axes.text(round_s + 1, row, f"battles {said}, final {interval(point.final_tps, 1)} TPS", va="center")
        axes.axvline(needed_s, color=INK, linestyle="--", linewidth=1.3)
        needed = f"{LIMIT_TPS:g} TPS need a block every {needed_s:g} s"
        axes.text(needed_s, -0.75, needed, va="bottom")
        axes.set_yticks(rows, [f"{ENGINES[point.engine]}, {point.cores} cores" for point in points])
        axes.set_ylim(rows[-1] + 0.7, -0.7)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 140)
        axes.set_xlabel("from one block to the next, s")
        axes.legend(loc="lower right")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer replications and blocks")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    points = measure(2, 3) if options.quick else measure(5, 10)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(points).savefig(options.out / FIGURE, dpi=150)
    print(verdict(points))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
