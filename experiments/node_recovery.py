"""How long a node takes to come back after its process or its machine is lost, and which part takes the time.

Question
--------
The RC3 documents want a node to recover within 60 s. From the crash to the first vote: what takes how long, for a
process that crashes, for a machine that is lost, and for a process that keeps its chain in memory, as upstream's does?

Setup
-----
The deployment ``rc3`` at its 10 TPS. In every run three nodes go, one after another, each at a moment drawn over a
round; which ones, and how long the restart and the repair take, is drawn by the seed. Five cases: a process that
crashes; one behind uplinks of 2 Mbit/s; one after 200 blocks, as built, so that it fetches them all; the same with its
chain on disk; and a lost machine. The way back is that of the table ``recoveries``: restart, first peer, four peers,
missed blocks downloaded over the links and checked, then the pool without gaps and the first vote. Recovered is: up,
four peers, at the head of the network. Intervals are of order statistics, over crashes.

Answer
------
The printed verdict, and docs/figures/node_recovery.png. In short: the restart is nearly all of it, and that is the one
part that is assumed; peers and blocks add less than a second. A lost machine takes minutes and misses 60 s.

Limits
------
Restart (median 20 s) and repair (median 6 min) are assumed: no measured distribution was found. All else is simulated.
Disks take no time, and a replaced machine has its old disk.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, quantile, quantile_interval
from bitcell_sim.analysis.targets import recovery_stages_s
from bitcell_sim.config.schema import BandwidthFault, Fault, NodeFault
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.random_streams import Stream
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

LIMIT_S = 60.0
CRASHES = 3
ROUND_S = 60.0
LEAD_S = 240.0
FIGURE = "node_recovery.png"
TABLE = "node_recovery.csv"
P95 = 0.95
STAGES = {
    "process": "process up",
    "first-peer": "first peer",
    "peers": "four peers",
    "synced": "missed blocks checked",
    "recovered": "recovered",
    "pool": "pool without gaps",
    "first-vote": "first vote",
}


@dataclass(frozen=True)
class Case:
    """What happens to a node.

    Parameters
    ----------
    name : str
        For people.
    kind : str
        Kind of fault.
    spacing_s : float
        Seconds from one crash to the next: time enough for nearly all.
    sets : tuple of str
        Options.
    narrow : bool
        Whether all uplinks are narrow.
    lead_s : float
        Seconds before the first crash.
    """

    name: str
    kind: str
    spacing_s: float
    sets: tuple[str, ...] = ()
    narrow: bool = False
    lead_s: float = LEAD_S


QUICK_BLOCKS = ("protocol.battle.engine=sparse",)
CASES = (
    Case("process crash", "process-crash", 240.0),
    Case("process crash, uplinks of 2 Mbit/s", "process-crash", 240.0, narrow=True),
    Case("after 200 blocks, chain on disk", "process-crash", 240.0, QUICK_BLOCKS, lead_s=3000.0),
    Case(
        "after 200 blocks, chain in memory (as built)",
        "process-crash",
        240.0,
        (*QUICK_BLOCKS, "protocol.quirks.chain_in_memory=true"),
        lead_s=3000.0,
    ),
    Case("machine lost", "host-loss", 2400.0),
)


def crash_times(task: tuple[Case, int]) -> dict[str, list[float]]:
    """Seconds from each crash of one run to each stage; infinite for a stage not reached."""
    case, seed = task
    scenario = bitcell_sim.load_scenario("rc3", sets=case.sets)
    draws = Stream.of(seed, "experiments.node-recovery")
    faults: list[Fault] = []
    nodes = sorted(range(7), key=lambda node: draws.uniform(node, 1))[:CRASHES]
    for place, node in enumerate(nodes):
        at_s = case.lead_s + place * (case.spacing_s + ROUND_S) + ROUND_S * draws.uniform(place)
        faults.append(NodeFault(kind=case.kind, node=scenario.deployment.node[node].id, start_s=at_s))  # type: ignore[arg-type]
    if case.narrow:
        faults.append(BandwidthFault(kind="bandwidth", share_ratio=1.0, uplink_mbit_per_s=2.0, start_s=0.0))
    end_s = case.lead_s + CRASHES * (case.spacing_s + ROUND_S)
    tables = simulate_once(scenario.model_copy(update={"fault": tuple(faults), "duration_s": end_s}), seed=seed).tables
    stages = recovery_stages_s(tables)
    return {name: stages[name].fillna(math.inf).tolist() for name in STAGES}


def measure(replications: int) -> dict[str, dict[str, list[float]]]:
    """Every case's seconds to every stage, over all crashes."""
    tasks = [(case, seed) for case in CASES for seed in range(1, replications + 1)]
    runs = replicate(crash_times, tasks)
    found: dict[str, dict[str, list[float]]] = {}
    for (case, _), run in zip(tasks, runs, strict=True):
        own = found.setdefault(case.name, {name: [] for name in STAGES})
        for name, values in run.items():
            own[name] += values
    return found


def median(values: Sequence[float]) -> float:
    """Median of those that were reached."""
    return quantile([value for value in values if value < math.inf], 0.5) or math.nan


def at_p95(values: Sequence[float]) -> Estimate:
    """p95 with its interval, of all crashes; those that were not over count as the longest."""
    finite = [value for value in values if value < math.inf]
    longest = max(finite, default=0.0)
    return quantile_interval([min(value, longest) for value in values], P95)


def words(estimate: Estimate) -> str:
    """Figure and interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured or 0.0:.1f}"
    return f"{estimate.measured or 0.0:.1f} [{estimate.ci_low:.1f}, {estimate.ci_high:.1f}]"


def added_s(own: dict[str, list[float]]) -> list[float]:
    """Seconds from the process being up to recovered."""
    pairs = zip(own["recovered"], own["process"], strict=True)
    return [recovered - process for recovered, process in pairs if recovered < math.inf]


def verdict(found: dict[str, dict[str, list[float]]]) -> str:
    """Every stage of every case, then the answer."""
    lines = [f"{'seconds from the crash (median, p95)':45}" + "".join(f"{words_:>22}" for words_ in STAGES.values())]
    for case, own in found.items():
        cells = [f"{median(values):.1f}, {at_p95(values).measured or 0.0:.1f}" for values in own.values()]
        lines.append(f"{case:45}" + "".join(f"{cell:>22}" for cell in cells))
    crash, built, disk = (found[CASES[place].name] for place in (0, 3, 2))
    lost = found[CASES[-1].name]
    late = sum(value > LIMIT_S for value in lost["recovered"])
    lines.append(
        f"Verdict: 95 % of crashed processes are back in {words(at_p95(crash['recovered']))} s, limit {LIMIT_S:g} s;"
        f" the restart alone takes {words(at_p95(crash['process']))} s, peers and missed blocks add"
        f" {quantile(added_s(crash), P95):.2f} s (p95). They vote again with the next block, after"
        f" {words(at_p95(crash['first-vote']))} s. With 200 blocks to fetch, chain in memory, it is"
        f" {quantile(added_s(built), P95):.2f} s against {quantile(added_s(disk), P95):.2f} s. A lost machine takes"
        f" {median(lost['recovered']):.0f} s in the median, {words(at_p95(lost['recovered']))} s at p95,"
        f" and misses the limit in {late} of {len(lost['recovered'])} cases."
    )
    return "\n".join(lines)


def draw(found: dict[str, dict[str, list[float]]]) -> LabFigure:
    """Distribution of the recovery, and the parts after the restart."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import DASHES, INK, PALETTE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(11.5, 4.6), layout="constrained")
        whole, parts = figure.subplots(1, 2, width_ratios=(1, 1.1))
        for place, (name, own) in enumerate(found.items()):
            values = sorted(own["recovered"])
            shares = [(i + 1) / len(values) for i in range(len(values))]
            look: dict[str, Any] = {"color": PALETTE[place % 6], "linestyle": DASHES[place % 6], "linewidth": 1.6}
            whole.step(values, shares, where="post", label=name, **look)
        whole.axvline(LIMIT_S, color=INK, linewidth=1.0, linestyle="--")
        whole.annotate("limit 60 s", (LIMIT_S, 0.02), (-4, 0), textcoords="offset points", ha="right", fontsize="small")
        whole.set_xscale("log")
        ticks = [5, 10, 20, 60, 120, 300, 600, 1800]
        whole.set_xticks(ticks, [str(tick) for tick in ticks])
        whole.set_xticks([], minor=True)
        whole.set_xlabel("from the crash to recovered, s")
        whole.set_ylabel("share of crashes")
        whole.set_ylim(0.0, 1.01)
        whole.set_title("Up, four peers, at the network's head")
        _parts(parts, found)
        parts.legend(*whole.get_legend_handles_labels(), loc="upper right", fontsize="small")
    return figure


def _parts(axes: Any, found: dict[str, dict[str, list[float]]]) -> None:
    """Seconds after the process is up, median and p95, by stage and case; on a logarithmic axis."""
    from bitcell_sim.report.charts import INK, PALETTE

    shown = ("first-peer", "peers", "synced", "pool", "first-vote")
    for row, stage in enumerate(shown):
        for place, (_, own) in enumerate(found.items()):
            pairs = zip(own[stage], own["process"], strict=True)
            values = [max(at - up, 5e-4) for at, up in pairs if at < math.inf]
            middle, high = quantile(values, 0.5) or 0.0, quantile(values, P95) or 0.0
            y = row + 0.13 * (place - (len(found) - 1) / 2)
            axes.plot([middle, high], [y, y], color=PALETTE[place % 6], linewidth=2.0, alpha=0.8)
            axes.plot([middle], [y], "o", color=PALETTE[place % 6], markersize=4.5)
    axes.set_yticks(range(len(shown)), [STAGES[stage] for stage in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xscale("log")
    ticks = [0.001, 0.01, 0.1, 1, 10, 60]
    axes.set_xticks(ticks, ["1 ms", "10 ms", "0.1 s", "1 s", "10 s", "60 s"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("after the process is up (dot: median, line to p95)")
    axes.set_title("What follows the restart")
    axes.axvline(1.0, color=INK, linewidth=0.6, linestyle=":")


def write_table(found: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Median and p95 of every stage, as CSV."""
    lines = ["case,stage,median_s,p95_s,ci_low,ci_high,n,not_reached"]
    for name, own in found.items():
        for stage, values in own.items():
            estimate = at_p95(values)
            ends = ",".join("" if end is None else f"{end:.3f}" for end in (estimate.ci_low, estimate.ci_high))
            missing = sum(value == math.inf for value in values)
            lines.append(
                f'"{name}",{stage},{median(values):.3f},{estimate.measured:.3f},{ends},{len(values)},{missing}'
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer replications")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(2 if options.quick else 26)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
