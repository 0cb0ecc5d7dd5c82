"""How short of processor and memory nodes may be before the chain suffers.

Question
--------
The RC3 documents expect "stable operation" under resource constraints, and their script gives one node half a core and
512 MB. How much can be taken from one, three, five or all seven nodes before blocks come later, transactions are not
final, or the node has to catch up? What does want of memory do?

Setup
-----
The deployment ``rc3`` at its 10 TPS. After four rounds the nodes have a share of their four cores, from all to a
sixteenth, or of their 8 GB, for half an hour; then all is as before. Which nodes is drawn by the seed. Counted while it
lasts: final transactions over offered ones, blocks made final, crashed processes; after it: seconds until every node
holds what was final, and until the next block is. Means over replications with their 95 % intervals.

Answer
------
The printed verdict, and docs/figures/resource_exhaustion.png. In short: as long as some node is quick, starved ones
cost nothing: they miss their reveals and are shut out of the tournament, so that fewer battles are fought and blocks
come sooner; to check a block and vote takes them little. Only when all are starved the round is as long as the battles
of a starved node. Memory changes nothing, as the proofs do not fit into 8 GB to begin with.

Limits
------
A process that lacks memory is not killed by its system here, only its proofs are: the model's processes need little
beside them. Disks and the file system are not modelled.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.chaos import Window, observe
from bitcell_sim.analysis.estimates import Estimate, mean_interval, quantile
from bitcell_sim.config.schema import Fault, HostFault
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.random_streams import Stream
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

CPU, MEMORY = "cpu", "memory"
FACTORS = (1.0, 0.5, 0.25, 0.125, 0.0625)
QUICK_FACTORS = (1.0, 0.125)
STARVED = (1, 3, 5, 7)
ASKED_RATIO = 0.125  # half of four cores
STABLE_RATIO = 0.5
BACK_S = 120.0
LEAD_S = 240.0
HELD_S = 1800.0
WATCHED_S = 400.0
FIGURE = "resource_exhaustion.png"
TABLE = "resource_exhaustion.csv"


@dataclass(frozen=True)
class Shortage:
    """One run.

    Parameters
    ----------
    final_ratio : float
        Final transactions over offered ones while it lasted.
    final_count, crash_count, killed_count : int
        Blocks made final then; crashed processes; proofs killed.
    back_s : float
        Seconds from its end until all nodes have caught up and the next block is final.
    violation_count : int
        What was unsafe.
    """

    final_ratio: float
    final_count: int
    crash_count: int
    killed_count: int
    back_s: float
    violation_count: int


Case = tuple[str, int, float]  # what is short, of how many nodes, and what is left
Found = dict[Case, list[Shortage]]


def starve(task: tuple[Case, int]) -> Shortage:
    """One run."""
    (what, count, factor), seed = task
    scenario = bitcell_sim.load_scenario("rc3")
    draws = Stream.of(seed, "experiments.resource-exhaustion")
    nodes = sorted(scenario.deployment.node, key=lambda node: draws.uniform(scenario.deployment.node.index(node)))
    end_s = LEAD_S + HELD_S
    faults: tuple[Fault, ...] = tuple(
        HostFault(kind=what, target=node.id, factor=factor, start_s=LEAD_S, duration_s=HELD_S)  # type: ignore[arg-type]
        for node in nodes[:count]
    )
    until_s = end_s + WATCHED_S
    outcome = simulate_once(scenario.model_copy(update={"fault": faults, "duration_s": until_s}), seed=seed)
    tables = outcome.tables
    event = observe(tables, Window(what, LEAD_S, end_s, until_s, end_s, end_s), ["chain", "nodes"])
    proofs = tables["proofs"]
    killed = int(((proofs["outcome"] == "killed") & proofs["queued_ms"].between(LEAD_S * 1e3, end_s * 1e3)).sum())
    return Shortage(
        event.final_ratio, event.final_count, event.crash_count, killed, event.total_s, len(outcome.violations)
    )


def measure(factors: Sequence[float], replications: int) -> Found:
    """Every case."""
    cases = [(CPU, count, factor) for count in STARVED for factor in factors]
    cases += [(MEMORY, count, factor) for count in (1, 7) for factor in factors if factor < 1.0]
    tasks = [(case, seed) for case in cases for seed in range(1, replications + 1)]
    found: Found = {}
    for (case, _), shortage in zip(tasks, replicate(starve, tasks), strict=True):
        found.setdefault(case, []).append(shortage)
    return found


def mean(runs: Sequence[Shortage], name: str) -> Estimate:
    """Mean of a figure over runs."""
    return mean_interval([float(getattr(run, name)) for run in runs if not math.isnan(getattr(run, name))])


def words(estimate: Estimate, digits: int = 2) -> str:
    """Figure and interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured or 0.0:.{digits}f}"
    return f"{estimate.measured or 0.0:.{digits}f} [{estimate.ci_low:.{digits}f}, {estimate.ci_high:.{digits}f}]"


def verdict(found: Found) -> str:
    """Every case, then the answer."""
    heads = f"{'short of':9}{'nodes':>6}{'left':>8}{'final / offered':>22}{'blocks':>20}"
    lines = [f"{heads}{'killed':>8}{'back, s (longest)':>19}"]
    for (what, count, factor), runs in found.items():
        killed = sum(run.killed_count for run in runs) / len(runs)
        longest = max(run.back_s for run in runs)
        lines.append(
            f"{what:9}{count:6}{factor:8.2%}{words(mean(runs, 'final_ratio')):>22}"
            f"{words(mean(runs, 'final_count'), 1):>20}{killed:8.1f}{longest:19.0f}"
        )
    asked = found[CPU, 1, ASKED_RATIO]
    everyone = [run for runs in found.values() for run in runs]
    crashes, unsafe = sum(run.crash_count for run in everyone), sum(run.violation_count for run in everyone)
    stable = min(run.final_ratio for run in asked) >= STABLE_RATIO and max(run.back_s for run in asked) < BACK_S
    halved = {
        count: [factor for of, at, factor in found if of == CPU and at == count and _halves(found, count, factor)]
        for count in STARVED
    }
    told = ", ".join(f"{count} with {max(at):.2%} of the processor" for count, at in halved.items() if at)
    hungry = [mean(runs, "final_ratio").measured or 0.0 for (what, _, _), runs in found.items() if what == MEMORY]
    killed = mean(found[CPU, 1, 1.0], "killed_count").measured or 0.0
    middle = quantile([run.back_s for run in asked], 0.5) or 0.0
    said = "stable" if stable and not crashes and not unsafe else "not stable"
    lines.append(
        f"Verdict: {said} as the script means it: with one node at half a core {words(mean(asked, 'final_ratio'))} of"
        f" what is offered becomes final, and after it all is back within {middle:.0f} s (median). Half of the blocks"
        f" are lost with {told or 'none of these'}. Whatever memory is taken, at least {min(hungry):.2f} of what is"
        f" offered becomes final; {killed:.0f} proofs are killed for want of memory with nothing taken."
        f" {crashes} processes crashed, {unsafe} runs were unsafe."
    )
    return "\n".join(lines)


def _halves(found: Found, count: int, factor: float) -> bool:
    whole = mean(found[CPU, count, 1.0], "final_count").measured or 0.0
    return (mean(found[CPU, count, factor], "final_count").measured or 0.0) < STABLE_RATIO * whole


def draw(found: Found) -> LabFigure:
    """Blocks and transactions made final over what is left of the processor, and the way back."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import INK, PALETTE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(12.0, 4.0), layout="constrained")
        blocks, ratio, back = figure.subplots(1, 3)
        for place, count in enumerate(STARVED):
            look: dict[str, Any] = {"color": PALETTE[place % 6], "marker": "os^D"[place % 4], "markersize": 5}
            own = {factor: runs for (what, at, factor), runs in found.items() if what == CPU and at == count}
            label = "1 node" if count == 1 else f"{count} nodes"
            for axes, name in ((blocks, "final_count"), (ratio, "final_ratio")):
                points = [mean(runs, name) for runs in own.values()]
                middle = [point.measured or 0.0 for point in points]
                low = [m - (m if p.ci_low is None else p.ci_low) for m, p in zip(middle, points, strict=True)]
                high = [(m if p.ci_high is None else p.ci_high) - m for m, p in zip(middle, points, strict=True)]
                axes.errorbar(list(own), middle, yerr=[low, high], capsize=2, label=label, **look)
            longest = [max(run.back_s for run in runs) for runs in own.values()]
            back.plot(list(own), longest, label=label, **look)
        ratio.axhline(STABLE_RATIO, color=INK, linewidth=1.0, linestyle="--")
        back.axhline(BACK_S, color=INK, linewidth=1.0, linestyle="--")
        blocks.set_title(f"Blocks made final in {HELD_S / 60:g} min")
        ratio.set_title("Final transactions over offered ones")
        back.set_title("Until all is back afterwards, s (longest run)")
        for axes in (blocks, ratio, back):
            _dress(axes, sorted({factor for _, _, factor in found}))
    return figure


def _dress(axes: Any, factors: Sequence[float]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(factors, [f"{4 * factor:g}" for factor in factors])
    axes.set_xticks([], minor=True)
    axes.invert_xaxis()
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("cores left of four")
    axes.legend(loc="best")


def write_table(found: Found, path: Path) -> None:
    """Every case, as CSV."""
    lines = ["short_of,nodes,left_ratio,final_ratio,ci_low,ci_high,final_blocks,killed_proofs,back_longest_s,crashes,n"]
    for (what, count, factor), runs in found.items():
        at = mean(runs, "final_ratio")
        ends = ",".join("" if end is None else f"{end:.4f}" for end in (at.measured, at.ci_low, at.ci_high))
        blocks, killed = (sum(getattr(run, of) for run in runs) / len(runs) for of in ("final_count", "killed_count"))
        crashes = sum(run.crash_count for run in runs)
        longest = max(run.back_s for run in runs)
        lines.append(f"{what},{count},{factor},{ends},{blocks:.3f},{killed:.3f},{longest:.3f},{crashes},{len(runs)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps and replications")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(QUICK_FACTORS, 2) if options.quick else measure(FACTORS, 3)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
