"""What a node's work asks of its machine, by load, beside the documents' estimates.

Question
--------
The RC3 documents estimate 2 to 4 cores, 4 to 8 GB, 100 GB of disk and 1 Gbit/s for a node, and leave the actual use to
a load test. What do battles, checks, proofs, blocks and messages ask for, from 1 to 100 TPS?

Setup
-----
``rc3`` up to 20 TPS, beyond which it carries no more, and ``rc3-capable``, which carries 100. Means over the run after
the warm-up; the 95th percentile over nodes of each run (the busiest of seven), averaged over runs. Proofs count as they
are asked for, also where a node kills them for want of memory. The rows ``resources.*`` of ``verify`` are the same
figures at the deployment's own load.

Answer
------
The printed verdict, and docs/figures/resource_use.png. In short: the uplink is idle and the disk lasts some time, but
proofs want more than twice the memory of a node, and with them its cores are full, whatever the load.

Limits
------
The node's own process, state, indices, logs, and the signatures of transactions take nothing here. Nothing is pruned.
The busiest of seven nodes in 20 minutes is busier than any of them in the long run (``rc3``: 3.9 cores on average).
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
from bitcell_sim.analysis.resources import resources

if TYPE_CHECKING:
    from bitcell_sim import Run

FIGURE = "resource_use.png"
TABLE = "resource_use.csv"
INK = "#757d88"
LOADS = {"rc3": (1.0, 5.0, 10.0, 20.0), "rc3-capable": (1.0, 10.0, 50.0, 100.0)}
COLOURS = {"rc3": "#d55e00", "rc3-capable": "#2f7fc1"}
TITLES = {
    "resources.cpu": "Cores that work demands",
    "resources.memory": "Memory that work asks for, GB",
    "resources.disk": "Growth of the chain, GB a year",
    "resources.network": "Sent by a node, Mbit/s",
}


@dataclass(frozen=True)
class Point:
    """One figure of one deployment at one load."""

    deployment: str
    rate_tps: float
    target: str
    value: Estimate


def demands(run: Run) -> tuple[float, float, float, float]:
    """Cores, GB, GB a year, Mbit/s: of the busiest node."""
    scenario = run.scenario
    found = resources(
        run.tables,
        2,
        tuple(node.id for node in scenario.deployment.node),
        end_ms=scenario.duration_s * 1000.0,
        overhead_bytes=scenario.protocol.wire.overhead_bytes,
        uplink_mbit_per_s=scenario.deployment.hardware.uplink_mbit_per_s,
    )
    busiest = (float(values.max()) for values in (found.cores, found.memory_gb, found.sent_mbit_per_s))
    cores, memory, sent = busiest
    return cores, memory, found.disk_gb_per_year, sent


def measure(replications: int, duration_s: float, quick: bool) -> list[Point]:
    """Every deployment at every load."""
    points = []
    for deployment, loads in LOADS.items():
        for rate in loads[1::2] if quick else loads:
            sets = (f"workload.rate_tps={rate}", f"duration_s={duration_s}")
            values = bitcell_sim.replicate(deployment, replications=replications, sets=sets, measure=demands)
            for place, target in enumerate(TITLES):
                points.append(Point(deployment, rate, target, mean_interval([value[place] for value in values])))
    return points


def limits() -> dict[str, tuple[float, str]]:
    """Limit and words of each of the documents' estimates."""
    targets = bitcell_sim.load_scenario("rc3").targets.target
    return {target.id: (target.limit, target.words) for target in targets if target.id in TITLES}


def verdict(points: Sequence[Point]) -> str:
    """One line a figure, then the answer."""
    lines, over = [], []
    for target, (limit, words) in limits().items():
        for point in (point for point in points if point.target == target):
            value = point.value
            lines.append(
                f"{words:20} {point.deployment:12} {point.rate_tps:5g} TPS  {value.measured:9.3f}"
                f" [{value.ci_low:.3f}, {value.ci_high:.3f}]"
            )
        worst = max(
            (p for p in points if p.target == target and p.deployment == "rc3"), key=lambda p: p.value.measured or 0
        )
        share = (worst.value.measured or 0.0) / limit
        over.append(f"{words} by {share:.2g} times" if share > 1 else f"{words} no ({share:.2g} of it)")
    lines.append(f"Verdict: what rc3 asks for, against the estimates' upper ends: exceeded {', '.join(over)}.")
    return "\n".join(lines)


def draw(points: Sequence[Point]) -> Any:
    """One panel a resource, with the documents' upper end."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "font.size": 9}
    style |= {"xtick.color": INK, "ytick.color": INK, "figure.facecolor": "none", "axes.facecolor": "none"}
    with plt.rc_context(style | {"savefig.facecolor": "none"}):
        figure, panels = plt.subplots(2, 2, figsize=(10.0, 6.6), layout="constrained", sharex=True)
        for axes, (target, (limit, words)) in zip(panels.flat, limits().items(), strict=True):
            for deployment, colour in COLOURS.items():
                mine = [point for point in points if point.target == target and point.deployment == deployment]
                middle = [point.value.measured or math.nan for point in mine]
                low = [m - (p.value.ci_low or m) for m, p in zip(middle, mine, strict=True)]
                high = [(p.value.ci_high or m) - m for m, p in zip(middle, mine, strict=True)]
                axes.errorbar([p.rate_tps for p in mine], middle, yerr=[low, high], color=colour, marker="o",
                              markersize=4, capsize=2, linewidth=1.4, label=deployment)  # fmt: skip
            axes.axhline(limit, color=INK, linewidth=0.8, linestyle="--")
            axes.annotate(words, (1.0, limit), xytext=(2, 4), textcoords="offset points")
            axes.set_xscale("log")
            if target in ("resources.network", "resources.disk"):
                axes.set_yscale("log")
            else:
                axes.set_ylim(0.0, None)
            axes.margins(y=0.15)
            axes.set_title(TITLES[target], loc="left", fontsize="medium")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0, 0].legend(frameon=False, fontsize="small", loc="lower right")
        for axes in panels[1]:
            ticks = [1, 5, 10, 20, 50, 100]
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.set_xticks([], minor=True)
            axes.set_xlabel("offered, transactions a second")
    return figure


def write_table(points: Sequence[Point], path: Path) -> None:
    """Every point of the figure, as CSV."""
    lines = ["deployment,rate_tps,target,value,ci_low,ci_high,limit"]
    known = limits()
    for point in points:
        value = point.value
        numbers = ",".join(f"{number or 0.0:.5f}" for number in (value.measured, value.ci_low, value.ci_high))
        lines.append(f"{point.deployment},{point.rate_tps:g},{point.target},{numbers},{known[point.target][0]:g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer loads, fewer and shorter runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    points = measure(2, 500.0, True) if options.quick else measure(4, 1200.0, False)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(points).savefig(options.out / FIGURE, dpi=150)
    write_table(points, options.out / TABLE)
    print(verdict(points))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
