"""Which regions RC3 can lose, and which splits of its network stop it.

Question
--------
The RC3 documents expect the network to survive a regional failure "with >50% nodes". Which sets of regions may be lost
while blocks still become final, and on which side of a split of the network do they?

Setup
-----
The deployment ``rc3``: two nodes in three regions, one in Asia, equal stakes, so that a quorum is five votes of seven.
Every set of one, two or three regions is lost for ten minutes, at a moment drawn over a round; every split of the four
regions into two sides is kept up as long. Counted are the blocks made final meanwhile, by any node, over replications
with seeds of their own. Beside it stands the arithmetic: more than two thirds of the stake.

Answer
------
The printed verdict, and docs/figures/which_regions.png. In short: any one region may be lost, and no two; of the splits
those go on that leave five votes together, which is all but one two-node region; three against four stops both sides.

Limits
------
Regions are lost whole, with their load balancers. Nothing heals while it is counted. Stakes are equal; with others the
arithmetic gives other sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config.schema import Fault, Partition, RegionLoss, Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.random_streams import Stream
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

HELD_S = 600.0
UNDISTURBED_S = 240.0  # about four rounds
ROUND_S = 60.0
FIGURE = "which_regions.png"
DEPLOYMENT = bitcell_sim.load_scenario("rc3").deployment
REGIONS = tuple(region.name for region in DEPLOYMENT.region)


@dataclass(frozen=True)
class Case:
    """Regions on each side: of a loss one side, which is left; of a split both."""

    sides: tuple[tuple[str, ...], ...]

    @property
    def is_split(self) -> bool:
        """Whether all regions live, apart."""
        return len(self.sides) > 1

    def votes(self, side: Sequence[str]) -> int:
        """Nodes of a side; one vote each."""
        return sum(node.region in side for node in DEPLOYMENT.node)

    @property
    def by_arithmetic(self) -> bool:
        """Whether a side has a quorum."""
        stakes = [node.stake for node in DEPLOYMENT.node]
        held = [sum(node.stake for node in DEPLOYMENT.node if node.region in side) for side in self.sides]
        return max(held) >= quorum_stake(stakes)

    def faults(self, start_s: float) -> tuple[Fault, ...]:
        """What is broken."""
        if self.is_split:
            return (Partition(kind="partition", groups=self.sides, start_s=start_s, duration_s=HELD_S),)
        lost = [name for name in REGIONS if name not in self.sides[0]]
        return tuple(RegionLoss(kind="region-loss", region=name, start_s=start_s, duration_s=HELD_S) for name in lost)

    def words(self) -> str:
        """Votes of each side."""
        return " : ".join(str(self.votes(side)) for side in self.sides)


def cases() -> list[Case]:
    """Every loss of one to three regions, then every split in two; most votes first."""
    losses = [
        Case((tuple(name for name in REGIONS if name not in lost),))
        for count in (1, 2, 3)
        for lost in combinations(REGIONS, count)
    ]
    splits = []
    for count in (1, 2, 3):
        for side in combinations(REGIONS, count):
            other = tuple(name for name in REGIONS if name not in side)
            first = Case((side, other))
            if first.votes(side) > first.votes(other):
                splits.append(first)
    most = lambda case: -max(case.votes(side) for side in case.sides)  # noqa: E731
    return sorted(losses, key=most) + sorted(splits, key=most)


def blocks_meanwhile(task: tuple[Case, Scenario, int]) -> int:
    """Blocks made final while a case held, in one run."""
    case, scenario, seed = task
    start_s = UNDISTURBED_S + ROUND_S * Stream.of(seed, "experiments.which-regions").uniform()
    update = {"fault": case.faults(start_s), "duration_s": start_s + HELD_S + 1.0}
    tables = simulate_once(scenario.model_copy(update=update), seed=seed).tables
    first_ms = tables["finals"].groupby("block")["at_ms"].min()
    return int(first_ms.between(start_s * 1e3 + 5e3, (start_s + HELD_S) * 1e3).sum())  # 5 s: votes under way then


def measure(replications: int) -> list[tuple[Case, list[int]]]:
    """Every case, once a replication."""
    scenario = bitcell_sim.load_scenario("rc3")
    listed = cases()
    tasks = [(case, scenario, seed) for case in listed for seed in range(1, replications + 1)]
    counts = replicate(blocks_meanwhile, tasks)
    return [(case, counts[i * replications : (i + 1) * replications]) for i, case in enumerate(listed)]


def verdict(found: Sequence[tuple[Case, list[int]]]) -> str:
    """One line a case, and whether simulation and arithmetic agree."""
    lines, wrong = [], 0
    for case, counts in found:
        went_on = min(counts) > 0
        stalled = max(counts) == 0
        agrees = went_on if case.by_arithmetic else stalled
        wrong += not agrees
        sides = " | ".join("+".join(side) for side in case.sides)
        said = "final" if went_on else "stalled" if stalled else "sometimes"
        kind = "split" if case.is_split else "left "
        mean = sum(counts) / len(counts)
        lines.append(f"{kind} {sides:52} votes {case.words():5} {said:9} {mean:5.1f} blocks in {HELD_S:g} s")
    losses = [(case, counts) for case, counts in found if not case.is_split and min(counts) > 0]
    survived = ["+".join(name for name in REGIONS if name not in case.sides[0]) for case, _ in losses]
    halves = [case for case, counts in found if case.is_split and max(counts) == 0]
    more_than_half = [case for case, _ in found if not case.is_split and case.votes(case.sides[0]) * 2 > 7]
    idle = sum(not case.by_arithmetic for case in more_than_half)
    lines.append(
        f"Verdict: RC3 survives the loss of {', '.join(survived)}, and of no two regions; {len(halves)} of"
        f" {sum(case.is_split for case, _ in found)} splits stop both sides. Simulation and arithmetic"
        f" {'agree in all ' + str(len(found)) if not wrong else 'differ in ' + str(wrong)} cases. More than half of the"
        f" nodes is not enough: {idle} of the {len(more_than_half)} losses that leave more stall."
    )
    return "\n".join(lines)


def draw(found: Sequence[tuple[Case, list[int]]]) -> LabFigure:
    """Matrix of the regions of every case, and the blocks made final."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import BLUE, GREEN, GRID, INK, OCHRE, ORANGE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(8.5, 7.2), layout="constrained")
        matrix, bars = figure.subplots(1, 2, sharey=True, width_ratios=[1.0, 2.1])
        place, places = 0.0, []
        for index, (case, _) in enumerate(found):
            place += 1.9 if index and case.is_split and not found[index - 1][0].is_split else 1.0
            places.append(place)
        for y, (case, counts) in zip(places, found, strict=True):
            for x, name in enumerate(REGIONS):
                alive = next((i for i, side in enumerate(case.sides) if name in side), None)
                look: dict[str, Any] = {"color": GRID, "marker": "x", "markersize": 7, "markeredgewidth": 1.4}
                if alive is not None:
                    look = {"color": (BLUE, OCHRE)[alive], "marker": "os"[alive], "markersize": 9}
                matrix.plot([x], [y], linestyle="none", **look)
            mean = sum(counts) / len(counts)
            bars.barh(y, mean, height=0.62, color=GREEN, alpha=0.75)
            bars.plot(counts, [y] * len(counts), "|", color=INK, markersize=9)
            words = f"votes {case.words()}" + ("" if max(counts) else ": stalled")
            colour = INK if max(counts) else ORANGE
            bars.annotate(words, (max(counts), y), (7, 0), textcoords="offset points", va="center", color=colour)
        matrix.set_xticks(range(len(REGIONS)), REGIONS, rotation=40, ha="left")
        matrix.xaxis.tick_top()
        matrix.set_yticks([])
        matrix.set_xlim(-0.6, len(REGIONS) - 0.4)
        matrix.set_ylim(places[-1] + 0.8, 0.0)
        for spine in ("bottom", "left", "top"):
            matrix.spines[spine].set_visible(False)
            bars.spines[spine].set_visible(spine == "left")
        matrix.tick_params(length=0)
        bars.tick_params(axis="y", length=0)
        bars.xaxis.tick_top()
        bars.xaxis.set_label_position("top")
        bars.xaxis.get_major_locator().set_params(integer=True)
        bars.set_xlim(0, max(max(counts) for _, counts in found) * 1.3)
        bars.set_xlabel(f"blocks made final in {HELD_S / 60:g} min (bar: mean, ticks: runs)")
        first_split = next(y for y, (case, _) in zip(places, found, strict=True) if case.is_split)
        matrix.text(-0.6, 0.35, "x lost", color=INK, fontsize="small")
        matrix.text(-0.6, first_split - 0.8, "split: one side and the other", color=INK, fontsize="small")
        figure.suptitle("Which regions RC3 can lose: five votes of seven", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer replications")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    found = measure(2 if options.quick else 10)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
