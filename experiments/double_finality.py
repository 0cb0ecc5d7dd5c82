"""Whether two blocks of one height can both become final, as built and with locking.

Question
--------
The RC3 documents call a final block irreversible: "no conflicting block can be finalized". Upstream's finality gadget
holds no lock, and adds up the votes for a block over all rounds. Can honest nodes, in a network that is slow or cut for
a while, make two blocks of one height final? Which of the two ways does it take, and does locking prevent it?

Setup
-----
Two schedules made by hand, each a shipped scenario: ``double-finality`` (as built: one slow region and one cut) and
``double-finality-unlocked`` (only the lock is missing: four faults). Both are run with both ways, with either alone and
with none, and with each fault left out.

A search over random schedules: the deployment ``rc3``, seven nodes, messages one by one. On average two faults at a
time, each of 1 to 30 s: a cut between random groups of nodes, both ways or one way, a slow node or a slow pair of
regions (up to 10 s more one way). The same schedules are run with both ways, with either alone and with locking, under
three time-outs of the first voting round (each further round lasts half of it longer). Counted are heights with more
than one final block; the 95 % interval is Wilson's, and for none of N heights the rule of three, 3/N.

Answer
------
The printed verdict, and docs/figures/double_finality.png: above the schedule as built, below the search. In short: yes,
as built, with a slow region and a cut. Votes that add up are enough alone, rarely; so is the missing lock, which only
the schedule made by hand brings about. Never with locks and votes by round.

Limits
------
All nodes are honest. What a node votes for in a new round is this lab's: the heaviest block it holds. Upstream does not
say, and has neither votes on the wire nor time-outs; these are wired as RC3's documents describe. Trust is asked of
nobody, as built, or the storms would shut miners out. The rate is one of these schedules, with far more faults than any
network has; that it is above zero is the finding.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.estimates import proportion_interval
from bitcell_sim.config.schema import Fault, LinkFault, Partition, Scenario
from bitcell_sim.runs.batch import replicate

if TYPE_CHECKING:
    from bitcell_sim import Run

LENGTH_S = 6000.0
FAULTS_AT_A_TIME = 2.0
FAULT_S = (1.0, 30.0)
ADDED_MS = (100.0, 10_000.0)
TIMEOUTS_S = (2.0, 5.0, 10.0)
SHOWN_S = (0.0, 72.0)
FIGURE = "double_finality.png"
TABLE = "double_finality.csv"
INK, LIGHT, HEAVY = "#757d88", "#d55e00", "#2f7fc1"


@dataclass(frozen=True)
class Variant:
    """Which of upstream's two ways are on."""

    name: str
    no_locking: bool
    votes_summed: bool
    colour: str

    def of(self, scenario: Scenario) -> Scenario:
        """The scenario with these ways."""
        ways = {"no_locking": self.no_locking, "votes_summed": self.votes_summed}
        quirks = scenario.protocol.quirks.model_copy(update=ways)
        return scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"quirks": quirks})})


VARIANTS = (
    Variant("as built: no lock, votes summed", True, True, LIGHT),
    Variant("votes summed, with locks", False, True, "#a87a1c"),
    Variant("no lock, votes by round", True, False, "#9a6fc0"),
    Variant("with locks, votes by round", False, False, "#0b9a72"),
)


@dataclass(frozen=True)
class Trial:
    """One random schedule under one variant."""

    variant: Variant
    timeout_s: float
    seed: int


@dataclass(frozen=True)
class Count:
    """Heights with a final block, and those with more than one."""

    heights: int
    doubles: int

    def __add__(self, other: Count) -> Count:
        return Count(self.heights + other.heights, self.doubles + other.doubles)


# ------------------------------------------------------------------------------------------------- search


def storm(scenario: Scenario, seed: int) -> tuple[Fault, ...]:
    """Random cuts and delays over the whole run."""
    chance = random.Random(seed)
    nodes = [node.id for node in scenario.deployment.node]
    regions = [region.name for region in scenario.deployment.region]
    faults: list[Fault] = []
    for _ in range(round(FAULTS_AT_A_TIME * scenario.duration_s / (sum(FAULT_S) / 2))):
        times = {"start_s": chance.uniform(0.0, scenario.duration_s - 60.0), "duration_s": chance.uniform(*FAULT_S)}
        kind = chance.choice(("cut", "cut one way", "slow node", "slow path"))
        if kind.startswith("cut"):
            order = chance.sample(nodes, len(nodes))
            place = chance.randint(1, len(nodes) - 1)
            groups = (tuple(order[:place]), tuple(order[place:]))
            faults.append(Partition(kind="partition", groups=groups, one_way=kind == "cut one way", **times))
        else:
            added_ms = chance.uniform(*ADDED_MS)
            one, other = chance.sample(regions, 2)
            between = (one, other) if kind == "slow path" else None
            target = chance.choice(nodes) if kind == "slow node" else None
            faults.append(
                LinkFault(
                    kind="latency",
                    between=between,
                    target=target,
                    added_ms=added_ms,
                    start_s=times["start_s"],
                    duration_s=times["duration_s"],
                )
            )
    return tuple(faults)


def doubles(run: Run) -> Count:
    """Count a run's heights by their final blocks."""
    height_of = run["blocks"].set_index("block")["height"]
    finals = run["finals"].assign(height=run["finals"]["block"].map(height_of))
    blocks = finals.groupby("height")["block"].nunique()
    return Count(len(blocks), int((blocks > 1).sum()))


def attempt(trial: Trial) -> Count:
    """Run one trial."""
    sets = [
        f"duration_s={LENGTH_S}",
        "workload.rate_tps=0.2",
        "protocol.proof.mode=off",
        "protocol.trust.enforced=false",
        f"protocol.finality.timeout_s={trial.timeout_s}",
        f"protocol.finality.timeout_step_s={trial.timeout_s / 2}",
    ]
    scenario = trial.variant.of(bitcell_sim.load_scenario("rc3", sets=sets))
    faults = storm(scenario, trial.seed)
    return doubles(bitcell_sim.simulate(scenario.model_copy(update={"fault": faults}), seed=trial.seed))


Found = dict[tuple[Variant, float], Count]


def search(seeds: Sequence[int], timeouts_s: Sequence[float]) -> Found:
    """All variants under all time-outs, each on the same schedules."""
    trials = [Trial(*of) for of in product(VARIANTS, timeouts_s, seeds)]
    found: Found = {}
    for trial, count in zip(trials, replicate(attempt, trials), strict=True):
        key = (trial.variant, trial.timeout_s)
        found[key] = found.get(key, Count(0, 0)) + count
    return found


def per_thousand(count: Count) -> tuple[float, float, float]:
    """Doubles in a thousand heights, and the 95 % interval; for none the rule of three."""
    share = proportion_interval(count.doubles, count.heights)
    high = 3.0 / count.heights if count.doubles == 0 else share.ci_high or 0.0
    low = share.ci_low or 0.0
    return 1000.0 * (share.measured or 0.0), 1000.0 * low, 1000.0 * high


# -------------------------------------------------------------------------------------- schedules by hand


def schedule_lines(name: str) -> list[str]:
    """What a scenario comes to under each variant, and without each of its faults."""
    scenario = bitcell_sim.load_scenario(name)

    def count(changed: Scenario) -> int:
        return doubles(bitcell_sim.simulate(changed)).doubles

    own = scenario.protocol.quirks
    own_variant = next(v for v in VARIANTS if (v.no_locking, v.votes_summed) == (own.no_locking, own.votes_summed))
    lines = [f"schedule {name}, {len(scenario.fault)} faults, heights with two final blocks:"]
    lines += [f"    {variant.name:34} {count(variant.of(scenario))}" for variant in VARIANTS]
    rest = [scenario.fault[:place] + scenario.fault[place + 1 :] for place in range(len(scenario.fault))]
    without = [count(own_variant.of(scenario).model_copy(update={"fault": faults})) for faults in rest]
    return [*lines, f"    {own_variant.name}, without one of the faults: {', '.join(map(str, without))}"]


def verdict(found: Found) -> str:
    """One line a variant and time-out, then the answer."""
    lines = ["search, heights with two final blocks:"]
    totals: dict[Variant, Count] = {}
    for (variant, timeout_s), count in found.items():
        totals[variant] = totals.get(variant, Count(0, 0)) + count
        lines.append(f"    {variant.name:34} time-out {timeout_s:4g} s {words(count)}")
    lines += [f"    {variant.name:34} together       {words(count)}" for variant, count in totals.items()]
    built, safe = totals[VARIANTS[0]], totals[VARIANTS[-1]]
    answer = f"yes, in {words(built)}" if built.doubles else "not in this search, but by the schedule made by hand"
    lines.append(f"Verdict: as built two blocks of one height can become final: {answer}; with locking {words(safe)}.")
    return "\n".join(lines)


def words(count: Count) -> str:
    """Such as ``7 of 3200, 2.2 [1.1, 4.5] per 1000``."""
    rate, low, high = per_thousand(count)
    if count.doubles == 0:
        return f"0 of {count.heights}, so below {high:.2f} per 1000"
    return f"{count.doubles} of {count.heights}, {rate:.2f} [{low:.2f}, {high:.2f}] per 1000"


# ------------------------------------------------------------------------------------------------- figure


def draw(run: Run, found: Found) -> Any:
    """Above the schedule as built, node by node; below the search."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    clear: Any = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
    with plt.rc_context(style | clear):
        figure, (above, below) = plt.subplots(2, 1, figsize=(9.5, 9.0), layout="constrained", height_ratios=(3, 2))
        _timeline(above, run)
        _rates(below, found)
    return figure


def _timeline(axes: Any, run: Run) -> None:
    nodes = [node.id for node in run.scenario.deployment.node]
    blocks = run["blocks"]
    light, heavy = blocks[blocks["height"] == 1].sort_values("work")["block"]
    colour = {light: LIGHT, heavy: HEAVY}
    _faults(axes, run, nodes)
    _messages(axes, run, nodes, light)
    votes = run["votes"][run["votes"]["height"] == 1]
    for kind, face, shift in (("prevote", "none", -0.14), ("precommit", None, 0.14)):
        for block, ink in colour.items():
            cast = votes[(votes["kind"] == kind) & (votes["block"] == block)]
            x, y = cast["at_ms"] / 1000, [nodes.index(node) + shift for node in cast["node"]]
            axes.scatter(x, y, s=48, facecolors=face or ink, edgecolors=ink, linewidths=1.6, zorder=4)
    first = run["finals"].drop_duplicates("node")
    for at_ms, node, block in zip(first["at_ms"], first["node"], first["block"], strict=True):
        place = (at_ms / 1000 + 0.8, nodes.index(node) + 0.16)
        name = "X" if block == light else "Y"
        axes.annotate(f"{name} final", place, va="center", color=colour[block], weight="bold", fontsize="small")
    for block, name in ((light, "X is built: two reveals, light"), (heavy, "Y is built: five reveals, heavy")):
        row = blocks.set_index("block").loc[block]
        at = (row["built_ms"] / 1000, nodes.index(row["builder"]) + 0.14)
        axes.scatter(*at, marker="s", s=48, facecolors="none", edgecolors=colour[block], linewidths=1.6, zorder=4)
        offset: Any = {"xytext": (-8, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        axes.annotate(name, at, color=colour[block], fontsize="small", **offset)
    axes.set_yticks(range(len(nodes)), nodes)
    axes.set_ylim(len(nodes) - 0.4, -0.75)
    axes.set_xlim(*SHOWN_S)
    axes.set_xlabel("seconds")
    axes.set_title(
        "As built: majorities of honest nodes make two blocks of height 1 final", loc="left", fontsize="medium"
    )
    axes.spines[["top", "right"]].set_visible(False)
    _legend(axes)


def _faults(axes: Any, run: Run, nodes: Sequence[str]) -> None:
    """Bands for the slow region and for those who are cut from it."""
    slow, cut = run.scenario.fault
    region = {node.id: node.region for node in run.scenario.deployment.node}
    assert isinstance(slow, LinkFault)
    assert isinstance(cut, Partition)
    assert cut.groups is not None
    slowed = [nodes.index(node) for node in nodes if region[node] == slow.target]
    apart = [nodes.index(node) for node in cut.groups[1]]
    for fault, lanes, said in (
        (slow, slowed, f"{slow.target}: {slow.added_ms / 1000:g} s slower"),
        (cut, apart, f"no path to or from {cut.groups[0][0]}"),
    ):
        left = fault.start_s
        width = SHOWN_S[1] - left
        for lane in lanes:
            axes.barh(lane, width, left=left, height=0.86, color=INK, alpha=0.13, zorder=0)
        axes.annotate(said, (left + 0.6, min(lanes) - 0.27), fontsize="small", va="center")


def _messages(axes: Any, run: Run, nodes: Sequence[str], light: int) -> None:
    """The two that decide: X and its prevotes on their way out, the precommits on their way back."""
    votes = run["votes"]
    cast = votes[(votes["height"] == 1) & (votes["block"] == light)]
    sources = cast[(cast["kind"] == "prevote") & (cast["vote_round"] == 0)].iloc[:1]
    targets = cast[(cast["kind"] == "precommit") & (cast["vote_round"] == 0)]
    last = cast[cast["kind"] == "precommit"].drop_duplicates("node", keep="first").iloc[-1:]
    for _, start in sources.iterrows():
        for _, end in targets.iterrows():
            _way(axes, nodes, start, end)
    for _, start in targets.iterrows():
        for _, end in last.iterrows():
            _way(axes, nodes, start, end)


def _way(axes: Any, nodes: Sequence[str], start: Any, end: Any) -> None:
    shift = {"prevote": -0.14, "precommit": 0.14}
    x = (start["at_ms"] / 1000, end["at_ms"] / 1000)
    y = [nodes.index(at["node"]) + shift[at["kind"]] for at in (start, end)]
    axes.plot(x, y, color=LIGHT, linewidth=0.8, alpha=0.55, zorder=1)


def _legend(axes: Any) -> None:
    from matplotlib.lines import Line2D

    mark: Any = {"linestyle": "none", "markeredgecolor": INK, "markersize": 7}
    axes.legend(
        handles=[
            Line2D([], [], marker="s", markerfacecolor="none", label="block built", **mark),
            Line2D([], [], marker="o", markerfacecolor="none", label="prevote", **mark),
            Line2D([], [], marker="o", markerfacecolor=INK, label="precommit", **mark),
        ],
        loc="lower left",
        frameon=False,
        fontsize="small",
    )


def _rates(axes: Any, found: Found) -> None:
    timeouts_s = sorted({timeout_s for _, timeout_s in found})
    for place, variant in enumerate(VARIANTS):
        x = [index + 0.16 * (place - 1.5) for index in range(len(timeouts_s))]
        counts = [found[variant, timeout_s] for timeout_s in timeouts_s]
        rates = [per_thousand(count) for count in counts]
        bars = [[rate - low for rate, low, _ in rates], [high - rate for rate, _, high in rates]]
        axes.errorbar(
            x,
            [rate for rate, _, _ in rates],
            yerr=bars,
            color=variant.colour,
            marker="o",
            linestyle="none",
            capsize=3,
            label=variant.name,
        )
        for at, count, (_, _, high) in zip(x, counts, rates, strict=True):
            axes.annotate(
                str(count.doubles),
                (at, high),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=variant.colour,
                fontsize="small",
            )
    axes.set_xticks(range(len(timeouts_s)), [f"{timeout_s:g} s" for timeout_s in timeouts_s])
    axes.set_xlabel("time-out of the first voting round")
    axes.set_ylabel("heights with two final blocks, per 1000")
    heights = min(count.heights for count in found.values())
    title = f"Random cuts and delays, at least {heights:,} heights each (95 % intervals; how many were found)"
    axes.set_title(title, loc="left", fontsize="medium")
    axes.set_ylim(bottom=0.0)
    axes.margins(y=0.12)
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def write_table(found: Found, path: Path) -> None:
    """Every point of the lower figure, as CSV."""
    lines = ["variant,timeout_s,heights,doubles,per_thousand,ci_low,ci_high"]
    for (variant, timeout_s), count in found.items():
        rate, low, high = per_thousand(count)
        lines.append(f'"{variant.name}",{timeout_s:g},{count.heights},{count.doubles},{rate:.4f},{low:.4f},{high:.4f}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one schedule under one time-out")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in ("double-finality", "double-finality-unlocked"):
        print("\n".join(schedule_lines(name)))
    found = search(range(1, 2), TIMEOUTS_S[1:2]) if options.quick else search(range(1, 17), TIMEOUTS_S)
    draw(bitcell_sim.simulate("double-finality"), found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
