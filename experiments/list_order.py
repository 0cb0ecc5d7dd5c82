"""How often the order of the list decides who makes the block.

Question
--------
BitCell's documents promise a seeded shuffle of the bracket and a seed that nobody knows beforehand. Its node pairs
neighbours in list order, takes SHA-256 of the height as seed, and submits the same glider for every miner. How often
does the place in the list decide, which of seven places wins how often, and what does the shuffle change?

Setup
-----
Tournaments of seven miners at consecutive heights, four ways: in list order with seed SHA-256(height, u64 little
endian) as the node does it (github.com/Steake/BitCell @116dda5, crates/bitcell-node/src/validator.rs:193), or shuffled
with a seed from random outputs as the profile ``rc3`` does it; with the node's own gliders (Standard, energy 100,
position 100, 100: crates/bitcell-node/src/tournament.rs:295) or with patterns drawn uniformly, default energies and
equal positions. A match is decided by the list if all else is equal: energies, and pattern, position and so the hash;
the first of the pair then wins. Tournaments in list order are fought once more with the list reversed.

Answer
------
The printed verdict, and docs/figures/list_order.png. In short: as built, with the node's own gliders, the miners in
places 0 and 4 win practically all tournaments, and everybody can compute who wins any height to come. With drawn
patterns it still pays to stand first: ties go to the first of a pair. The shuffle makes all places equal; it leaves the
ties, and moves them to a place nobody can choose.

Limits
------
Seven miners who all reveal, honest, with default energies. Miners who choose their glider after looking at the seed
are another question.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitcell_sim import Glider, Pattern
from bitcell_sim.analysis.estimates import Estimate, proportion_interval
from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.chain.tournament import TournamentResult, shuffle_bracket, tournament
from bitcell_sim.random_streams import Stream

MINERS = 7
PATTERNS = tuple(Pattern)
FIGURE = "list_order.png"
DECIDERS = ("energy", "mii", "hash", "list")
SAID = {"energy": "energy", "mii": "MII (the final)", "hash": "hash", "list": "order of the pair alone"}
DRAWN = Stream.of(1, "list-order.pattern")
OUTPUTS = Stream.of(1, "list-order.output")


@dataclass(frozen=True)
class Way:
    """One way to hold a tournament: how it is paired, and what miners reveal."""

    name: str
    shuffled: bool
    glider: Callable[[int, int], Glider]


def own_glider(height: int, miner: int) -> Glider:
    """What upstream's node submits for each of its miners."""
    return Glider(Pattern.STANDARD, 100, 100, 100)


def drawn_glider(height: int, miner: int) -> Glider:
    """One of the four patterns, uniformly."""
    return Glider.of(PATTERNS[DRAWN.below(len(PATTERNS), height, miner)])


WAYS = (
    Way("list order, the node's own gliders", False, own_glider),
    Way("shuffled, the node's own gliders", True, own_glider),
    Way("list order, patterns drawn", False, drawn_glider),
    Way("shuffled, patterns drawn", True, drawn_glider),
)


def height_seed(height: int) -> bytes:
    """SHA-256 of the height, as the node does it."""
    return hashlib.sha256(height.to_bytes(8, "little")).digest()


def output_seed(height: int) -> bytes:
    """SHA-256 over what the miners reveal, which nobody knows beforehand."""
    outputs = b"".join(
        OUTPUTS.bits(height, miner, word).to_bytes(8, "big") for miner in range(MINERS) for word in range(4)
    )
    return hashlib.sha256(b"TOURNAMENT_SEED" + outputs).digest()


def hold(way: Way, height: int, reverse: bool = False) -> tuple[int, TournamentResult]:
    """Winner, by place in the list, and the tournament."""
    seed = output_seed(height) if way.shuffled else height_seed(height)
    order = list(range(MINERS))[:: -1 if reverse else 1]
    order = shuffle_bracket(order, seed) if way.shuffled else order
    result = tournament([way.glider(height, miner) for miner in order], seed)
    return order[result.winner], result


def decider(battle: BattleResult) -> str:
    """What decided: energy, MII, the hash, or nothing but the list, where even the hashes are equal."""
    if battle.decided_by == "lex":
        return "list" if battle.lex_hash[0] == battle.lex_hash[1] else "hash"
    return battle.decided_by


@dataclass(frozen=True)
class Tally:
    """What came of many tournaments held one way.

    Attributes
    ----------
    wins : list of Estimate
        Share of the tournaments that each place wins.
    deciders : Counter
        Matches by what decided them.
    turned : Estimate or None
        Share of the tournaments with another winner when the list is reversed; None where the bracket is shuffled.
    """

    way: Way
    wins: list[Estimate]
    deciders: Counter[str]
    turned: Estimate | None

    def share(self, name: str) -> float:
        """Share of the matches that something decided."""
        return self.deciders[name] / self.deciders.total()


def tally(way: Way, heights: int) -> Tally:
    """Hold a tournament at each height from 1 on."""
    winners: Counter[int] = Counter()
    deciders: Counter[str] = Counter()
    turned = 0
    for height in range(1, heights + 1):
        winner, result = hold(way, height)
        winners[winner] += 1
        deciders.update(decider(match.result) for match in result.matches)
        turned += not way.shuffled and hold(way, height, reverse=True)[0] != winner
    wins = [proportion_interval(winners[place], heights) for place in range(MINERS)]
    return Tally(way, wins, deciders, None if way.shuffled else proportion_interval(turned, heights))


def verdict(tallies: Sequence[Tally], heights: int) -> str:
    """A few lines a way, then the answer."""
    lines = []
    for one in tallies:
        wins = ", ".join(f"{place}: {share.measured:.1%}" for place, share in enumerate(one.wins))
        decided = ", ".join(f"{SAID[name]} {one.share(name):.1%}" for name in DECIDERS if one.deciders[name])
        lines.append(f"{one.way.name}: wins by place {wins}; matches decided by {decided}")
        if one.turned is not None and one.turned.ci_low is not None and one.turned.ci_high is not None:
            interval = f"[{one.turned.ci_low:.1%}, {one.turned.ci_high:.1%}]"
            lines.append(f"    with the list reversed another miner wins in {one.turned.measured:.1%} {interval}")
    own, own_shuffled, drawn, drawn_shuffled = tallies
    both = sum(share.measured or 0.0 for share in (own.wins[0], own.wins[4]))
    best, worst = (choose(range(MINERS), key=lambda place: drawn.wins[place].measured or 0.0) for choose in (max, min))
    shares = [share for one in (own_shuffled, drawn_shuffled) for share in one.wins]
    fair = sum((share.ci_low or 0.0) <= 1 / MINERS <= (share.ci_high or 1.0) for share in shares)
    lines.append(
        f"Verdict: as built the list alone decides {own.share('list'):.1%} of the matches, nearly all but the finals,"
        f" and places 0 and 4 win {both:.2%} of {heights} tournaments; the winner of any height to come can be computed"
        f" today. With drawn patterns the list alone decides {drawn.share('list'):.1%} of the matches; place {best}"
        f" wins {drawn.wins[best].measured:.1%} and place {worst} {drawn.wins[worst].measured:.1%}, where"
        f" {1 / MINERS:.1%} would be fair. With the bracket shuffled that is inside the 95 % interval of {fair} of"
        f" {len(shares)} places."
    )
    return "\n".join(lines)


def draw(tallies: Sequence[Tally]) -> Any:
    """Wins by place, with the node's gliders and with drawn ones; below what decided the matches."""
    from matplotlib import rc_context
    from matplotlib.ticker import MultipleLocator

    from bitcell_sim.report.charts import BLUE, GRID, INK, OCHRE, ORANGE, PURPLE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(11, 6.2), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=[1.6, 1])
        for column, pair in enumerate((tallies[:2], tallies[2:])):
            axes = figure.add_subplot(grid[0, column])
            for shift, one, colour in zip((-0.2, 0.2), pair, (ORANGE, BLUE), strict=True):
                _bars(axes, one, shift, colour)
            axes.axhline(1 / MINERS, color=INK, linestyle="--", linewidth=1.2)
            axes.text(6.75, 1 / MINERS, "fair", va="center")
            axes.yaxis.set_major_locator(MultipleLocator(0.1 if column == 0 else 0.05))
            axes.set_xticks(range(MINERS))
            axes.set_xlabel("place in the list")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
            axes.set_title(("the node's own gliders, all equal", "patterns drawn uniformly")[column])
            axes.set_ylim(0, 1.25 * max(share.ci_high or 0.0 for one in pair for share in one.wins))
            axes.legend(loc="upper center", ncols=2)
        figure.axes[0].set_ylabel("tournaments won (95 % interval)")
        axes = figure.add_subplot(grid[1, :])
        for row, one in enumerate(tallies):
            left = 0.0
            for name, colour in zip(DECIDERS, (GRID, PURPLE, OCHRE, ORANGE), strict=True):
                share = one.share(name)
                axes.barh(row, share, left=left, color=colour, alpha=0.75, label=SAID[name] if row == 0 else None)
                if share > 0.04:
                    axes.text(
                        left + share / 2, row, f"{share:.0%}", ha="center", va="center", color="white", weight="bold"
                    )
                left += share
        axes.set_yticks(range(len(tallies)), [one.way.name for one in tallies])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_title("What decides a match")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _bars(axes: Any, one: Tally, shift: float, colour: str) -> None:
    middle = [share.measured or 0.0 for share in one.wins]
    low = [m - (share.ci_low or 0.0) for m, share in zip(middle, one.wins, strict=True)]
    high = [(share.ci_high or 0.0) - m for m, share in zip(middle, one.wins, strict=True)]
    places = [place + shift for place in range(MINERS)]
    name = "bracket shuffled" if one.way.shuffled else "list order, as built"
    axes.bar(places, middle, width=0.36, color=colour, alpha=0.7, label=name)
    axes.errorbar(places, middle, yerr=[low, high], fmt="none", ecolor=colour, capsize=3)


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold the tournaments, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer heights")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    heights = 200 if options.quick else 5000
    tallies = [tally(way, heights) for way in WAYS]
    options.out.mkdir(parents=True, exist_ok=True)
    draw(tallies).savefig(options.out / FIGURE, dpi=150)
    print(verdict(tallies, heights))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
