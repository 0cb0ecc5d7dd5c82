"""Who wins tournaments: every kind of miner against honest ones, and all against each other.

Question
--------
A miner chooses pattern, energy and position freely. How much more than its fair share does each way of choosing win,
alone, as three of seven, and when all of them meet; and what does trust change?

Setup
-----
The deployment ``rc3`` on its chain without a network: the tournaments are those of the simulated nodes, whoever reveals
them. Honest miners draw one of the four patterns with its default energy. Against them stand one or three of the other
kinds; then one of each kind at once, without trust and with it. The fair share is one seventh. Shares are of all
blocks, per miner, with 95 % intervals of a proportion.

Answer
------
The printed verdict, and docs/figures/miner_strategies.png. In short: the tournament has one best reveal, a standard
glider with as little energy as possible, and it wins three tournaments of four. The standard glider is credited with
its opponent's ship; among standard gliders the final falls to the one with less energy. Heavy ships and full energy,
which the documents praise, win next to nothing.

Limits
------
Nobody here knows the seed of a tournament beforehand. Where it can be computed (upstream hashes the height), a miner
can also choose the position that wins the tie-break. The searching miner searches against honest ones only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, proportion_interval
from bitcell_sim.chain.ideal_chain import ideal_chain

NODES = 7
FAIR = 1 / NODES
FIGURE = "miner_strategies.png"
INK, ONE, THREE, MIXED = "#757d88", "#2f7fc1", "#d55e00", "#0b9a72"
KINDS = {
    "honest": "",
    "tie-farmer": "",
    "best-reveal": ", bracket_count = 200, energies = [1, 50, 100, 150, 200, 255], positions = [0, 511]",
    "energy-maximiser": "",
    "chaos-spammer": "",
    "flaky-griefer": ", missed_reveal_probability = 0.5",
    "equivocator": ", equivocation_probability = 1.0",
}


@dataclass(frozen=True)
class Share:
    """Share of all blocks that one miner of a kind makes, in one population."""

    kind: str
    population: str
    trust: bool
    share: Estimate


def entry(kind: str, who: str) -> str:
    """Entry of a kind in a scenario."""
    return f'{{{who}, behaviour = "{kind}"{KINDS[kind]}}}'


def blocks_by_node(miners: Sequence[str], heights: int, seeds: int, *, enforced: bool) -> Counter[int]:
    """Blocks that each node makes over all seeds."""
    sets = [f"miner=[{', '.join(miners)}]", f"protocol.trust.enforced={str(enforced).lower()}"]
    scenario = bitcell_sim.load_scenario("rc3", sets=sets)
    return Counter(
        block.builder for seed in range(1, seeds + 1) for block, _, _ in ideal_chain(scenario, heights, seed=seed)
    )


def against_honest(heights: int, seeds: int) -> list[Share]:
    """One and three of every kind among honest miners, without trust."""
    found = []
    for kind in KINDS:
        for count, population in ((1, "one of seven"), (3, "three of seven")):
            won = blocks_by_node([entry(kind, f"share_ratio = {count / NODES}")], heights, seeds, enforced=False)
            his = sum(won[node] for node in range(NODES - count, NODES))
            share = scaled(proportion_interval(his, won.total()), 1 / count)
            found.append(Share(kind, population, trust=False, share=share))
    return found


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate of a part of what was counted."""
    measured, low, high = (
        None if part is None else part * factor for part in (estimate.measured, estimate.ci_low, estimate.ci_high)
    )
    return Estimate(measured, low, high, estimate.n)


def all_together(heights: int, seeds: int) -> list[Share]:
    """One of every kind at once, without trust and with it."""
    nodes = [node.id for node in bitcell_sim.load_scenario("rc3").deployment.node]
    miners = [entry(kind, f'node = "{node}"') for kind, node in zip(KINDS, nodes, strict=True)]
    found = []
    for enforced in (False, True):
        won = blocks_by_node(miners, heights, seeds, enforced=enforced)
        for node, kind in enumerate(KINDS):
            found.append(Share(kind, "one of each", enforced, proportion_interval(won[node], won.total())))
    return found


def value(share: Share) -> float:
    """Measured share."""
    return share.share.measured or 0.0


def verdict(shares: Sequence[Share]) -> str:
    """One line a share, then the answer."""
    lines = [
        f"{one.kind:17} {one.population:15} trust {'on ' if one.trust else 'off'} {value(one):6.1%}"
        f" [{one.share.ci_low:.1%}, {one.share.ci_high:.1%}]"
        for one in shares
    ]
    alone = {one.kind: value(one) for one in shares if one.population == "one of seven"}
    three = {one.kind: value(one) for one in shares if one.population == "three of seven"}
    farmer, found, spammer, greedy = (
        alone[kind] for kind in ("tie-farmer", "best-reveal", "chaos-spammer", "energy-maximiser")
    )
    lines.append(
        f"Verdict: fair is {FAIR:.1%}. A standard glider of energy 1 wins {farmer:.0%} of all tournaments against"
        f" honest miners ({3 * three['tie-farmer']:.0%} if three play it), and the search finds nothing better"
        f" ({found:.0%}); the heaviest ship at full energy wins {spammer:.1%}, a random one at full energy"
        f" {greedy:.1%}."
    )
    return "\n".join(lines)


def draw(shares: Sequence[Share]) -> Any:
    """Against honest miners on the left, all together on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    with plt.rc_context(style | {"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.2), layout="constrained", sharey=True)
        for population, colour, shift in (("one of seven", ONE, 0.12), ("three of seven", THREE, -0.12)):
            some = [one for one in shares if one.population == population]
            marks(left, some, colour, shift, f"{population}, each")
        for enforced, colour, shift in ((False, THREE, 0.12), (True, MIXED, -0.12)):
            some = [one for one in shares if one.population == "one of each" and one.trust == enforced]
            marks(right, some, colour, shift, "with trust" if enforced else "without trust")
        left.set_title("Against honest miners (95 % intervals)", loc="left", fontsize="medium")
        right.set_title("One of each at once", loc="left", fontsize="medium")
    return figure


def marks(axes: Any, shares: Sequence[Share], colour: str, shift: float, label: str) -> None:
    """One mark a kind, with its interval."""
    places = [len(KINDS) - 1 - list(KINDS).index(one.kind) + shift for one in shares]
    middle = [value(one) for one in shares]
    error = [
        [m - (one.share.ci_low or 0.0) for m, one in zip(middle, shares, strict=True)],
        [(one.share.ci_high or 0.0) - m for m, one in zip(middle, shares, strict=True)],
    ]
    axes.errorbar(middle, places, xerr=error, fmt="o", color=colour, markersize=5, capsize=3, label=label)
    axes.axvline(FAIR, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(KINDS)), list(reversed(KINDS)))
    axes.set_xlim(-0.02, 0.85)
    axes.set_xticks([0, FAIR, 0.25, 0.5, 0.75], ["0", "fair", "25 %", "50 %", "75 %"])
    axes.set_xlabel("share of all blocks that such a miner makes")
    axes.legend(frameon=False, labelcolor=INK, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer heights and seeds")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    heights, seeds = (150, 2) if options.quick else (1000, 5)
    shares = [*against_honest(heights, seeds), *all_together(heights, seeds)]
    options.out.mkdir(parents=True, exist_ok=True)
    draw(shares).savefig(options.out / FIGURE, dpi=150)
    print(verdict(shares))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
