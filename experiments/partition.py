"""What a split of the network leaves behind, by how long it lasts and by who is apart from whom.

Question
--------
The RC3 documents want automatic recovery within 120 s after a partition, and their script splits for 30 s. Does that
hold for longer splits, and for those that leave no side with five of seven votes? What is built in vain meanwhile?

Setup
-----
The deployment ``rc3`` at its 10 TPS, split for 30 s to 20 min, from a moment drawn over a round: two nodes cut off from
five (as the script means it); three against four; and two nodes that hear all others and are not heard. From the
healing on: when is the next block final, and when does every node hold what was final at the healing. Beside it three
against four with finality's time-out at 10 s in every round instead of 5 s more in each. Medians and p95 over
replications, of which each has one split.

Answer
------
The printed verdict, and docs/figures/partition.png. In short: while five are together, blocks stay final and healing
takes a round at most. Three against four stall both sides. Each round without a decision waits 5 s longer, so that the
longer the split was, the longer it takes after it; the documents' 30 s are too short to show that.

Limits
------
Cuts are sharp: both ends notice at once, and find each other within a discovery interval of 30 s. Ends of splits are
not spread over the time-outs of finality, but by the drawn start.
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
from bitcell_sim.analysis.estimates import Estimate, quantile, quantile_interval
from bitcell_sim.config.schema import Partition
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.random_streams import Stream
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

LIMIT_S = 120.0
P95 = 0.95
LEAD_S = 240.0
ROUND_S = 60.0
HELD_S = (30, 120, 300, 600, 1200)
QUICK_HELD_S = (30, 600)
WATCHED_S = 300.0
FIGURE = "partition.png"
TABLE = "partition.csv"


@dataclass(frozen=True)
class Split:
    """Who is apart.

    Parameters
    ----------
    name : str
        For people.
    groups : tuple of tuple of str
        Regions and nodes that do not hear each other.
    one_way : bool
        Whether only the first is not heard.
    sets : tuple of str
        Options.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    one_way: bool = False
    sets: tuple[str, ...] = ()


HALVES = (("eu-central", "ap-southeast"), ("us-east", "us-west"))
SPLITS = (
    Split("2 cut off from 5", (("eu-central-1", "ap-southeast-1"), ("us-east", "us-west", "eu-central-2"))),
    Split("2 unheard by 5", (("eu-central",), ("us-east", "us-west", "ap-southeast")), one_way=True),
    Split("3 against 4", HALVES),
    Split("3 against 4, steady time-out", HALVES, sets=("protocol.finality.timeout_step_s=0.0",)),
)


@dataclass(frozen=True)
class Healing:
    """One split: seconds from its end until the next block is final and all nodes have caught up, and what was built.

    `final_count` and `orphaned_count` are blocks made final while it lasted and blocks that no chain keeps.
    """

    chain_s: float
    caught_up_s: float
    final_count: int
    orphaned_count: int
    violation_count: int


def heal(task: tuple[Split, float, int]) -> Healing:
    """One run."""
    split, held_s, seed = task
    start_s = LEAD_S + ROUND_S * Stream.of(seed, "experiments.partition").uniform()
    end_s = start_s + held_s
    cut = Partition(kind="partition", groups=split.groups, one_way=split.one_way, start_s=start_s, duration_s=held_s)
    scenario = bitcell_sim.load_scenario("rc3", sets=split.sets)
    until_s = end_s + WATCHED_S
    outcome = simulate_once(scenario.model_copy(update={"fault": (cut,), "duration_s": until_s}), seed=seed)
    event = observe(outcome.tables, Window(split.name, start_s, end_s, until_s, end_s, end_s), ["chain", "nodes"])
    chain_s, caught_s = (WATCHED_S if math.isnan(at := event.parts[part]) else at for part in ("chain", "synced"))
    return Healing(chain_s, caught_s, event.final_count, event.orphaned_count, len(outcome.violations))


Found = dict[tuple[str, float], list[Healing]]


def measure(lengths_s: Sequence[float], replications: int) -> Found:
    """Every split and length."""
    cases = [(split, float(held_s)) for split in SPLITS for held_s in lengths_s]
    tasks = [(*case, seed) for case in cases for seed in range(1, replications + 1)]
    found: Found = {}
    for (split, held_s, _), healing in zip(tasks, replicate(heal, tasks), strict=True):
        found.setdefault((split.name, held_s), []).append(healing)
    return found


def words(estimate: Estimate) -> str:
    """Figure and interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured or 0.0:.0f}"
    return f"{estimate.measured or 0.0:.0f} [{estimate.ci_low:.0f}, {estimate.ci_high:.0f}]"


def p95_of(runs: Sequence[Healing]) -> Estimate:
    """p95 of the seconds until the next block is final."""
    return quantile_interval([run.chain_s for run in runs], P95)


def verdict(found: Found) -> str:
    """Every case, then the answer."""
    heads = f"{'split':30}{'held, s':>8}{'next final: median':>20}{'p95':>18}{'caught up p95':>15}"
    lines = [f"{heads}{'final':>7}{'in vain':>9}"]
    for (name, held_s), runs in found.items():
        middle = quantile([run.chain_s for run in runs], 0.5) or 0.0
        caught = quantile([run.caught_up_s for run in runs], P95) or 0.0
        final = sum(run.final_count for run in runs) / len(runs)
        vain = sum(run.orphaned_count for run in runs) / len(runs)
        lines.append(
            f"{name:30}{held_s:8g}{middle:20.1f}{words(p95_of(runs)):>18}{caught:15.1f}{final:7.1f}{vain:9.1f}"
        )
    longest = max(held_s for _, held_s in found)
    short = min((held_s for _, held_s in found), key=lambda at: abs(at - 30.0))
    late = {name: [at for (of, at), runs in found.items() if of == name and _late(runs)] for name, _ in found}
    told = [f"{name} from {min(at):g} s on" for name, at in late.items() if at]
    going, stalled, steady = (SPLITS[place].name for place in (0, 2, 3))
    unsafe = sum(run.violation_count for runs in found.values() for run in runs)
    safe = "No run is unsafe" if not unsafe else f"{unsafe} violations of safety"
    short_s, stalled_s = (words(p95_of(found[name, short])) for name in (going, stalled))
    long_s, long_stalled_s, long_steady_s = (words(p95_of(found[name, longest])) for name in (going, stalled, steady))
    lines.append(
        f"Verdict: after {short:g} s the next block is final within {short_s} s (p95) where five stay together and"
        f" {stalled_s} s after three against four; after {longest:g} s it is {long_s} and {long_stalled_s} s,"
        f" {long_steady_s} with a steady time-out. p95 is above {LIMIT_S:g} s with"
        f" {'; '.join(told) or 'none of them'}. {safe}."
    )
    return "\n".join(lines)


def _late(runs: Sequence[Healing]) -> bool:
    return (p95_of(runs).measured or 0.0) >= LIMIT_S


def draw(found: Found) -> LabFigure:
    """Seconds to the next final block, and blocks built in vain, over the length of the split."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import INK, PALETTE, STYLE, LabFigure

    lengths = list(dict.fromkeys(held_s for _, held_s in found))
    with rc_context(STYLE):
        figure = LabFigure(figsize=(11.0, 4.2), layout="constrained")
        heals, vain = figure.subplots(1, 2)
        for place, split in enumerate(SPLITS):
            colour, marker = PALETTE[place % 6], "os^D"[place % 4]
            runs = [found[split.name, held_s] for held_s in lengths]
            x = [held_s * 1.05 ** (place - 1.5) for held_s in lengths]
            middle = [quantile([run.chain_s for run in own], 0.5) or 0.0 for own in runs]
            high = [p95_of(own).measured or 0.0 for own in runs]
            heals.plot(x, high, color=colour, marker=marker, markersize=5, label=split.name)
            heals.plot(x, middle, color=colour, marker=marker, markersize=3, linewidth=0.8, linestyle=":")
            lost = [sum(run.orphaned_count for run in own) / len(own) for own in runs]
            vain.plot(x, lost, color=colour, marker=marker, markersize=5, label=split.name)
        heals.axhline(LIMIT_S, color=INK, linewidth=1.0, linestyle="--")
        heals.annotate("limit", (lengths[0], LIMIT_S), (0, 4), textcoords="offset points", fontsize="small")
        vain.legend(loc="upper left")
        heals.set_title("Healing to the next final block, s (p95; dotted: median)")
        heals.set_ylim(bottom=0.0)
        vain.set_title("Blocks that no chain keeps (mean)")
        for axes in (heals, vain):
            _dress(axes, lengths)
    return figure


def _dress(axes: Any, lengths: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(lengths, [f"{at:g} s" if at < 120 else f"{at / 60:g} min" for at in lengths])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("how long the split lasted")


def write_table(found: Found, path: Path) -> None:
    """Every case, as CSV."""
    lines = ["split,held_s,chain_median_s,chain_p95_s,ci_low,ci_high,final_blocks,orphaned_blocks,n"]
    for (name, held_s), runs in found.items():
        at = p95_of(runs)
        middle = quantile([run.chain_s for run in runs], 0.5)
        cells = ["" if end is None else f"{end:.3f}" for end in (middle, at.measured, at.ci_low, at.ci_high)]
        counts = [sum(getattr(run, of) for run in runs) / len(runs) for of in ("final_count", "orphaned_count")]
        lines.append(f'"{name}",{held_s:g},{",".join(cells)},{counts[0]:.3f},{counts[1]:.3f},{len(runs)}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer lengths and replications")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(QUICK_HELD_S, 3) if options.quick else measure(HELD_S, 20)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
