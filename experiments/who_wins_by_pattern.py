"""Who wins a battle, by pattern, and why.

Question
--------
BitCell's documents say that the bigger pattern wins (README.md and docs of github.com/Steake/BitCell @116dda5: a
Heavyweight of energy 160 beats a Standard glider of 100). Does it, and what decides?

Setup
-----
Every pattern as A against every pattern as B with default energies, over random seeds: jitter, noise and fluctuation
as the protocol draws them from 32 bytes; 1000 steps, no history, equal positions as the node's own RPC sets them. The
reason is looked for twice: each ship is followed across the torus without noise, and all pairs of different patterns
are fought again with other numbers of steps.

Answer
------
The printed verdict, and docs/figures/who_wins_by_pattern.png. In short: the lighter pattern wins. A region counts for
its owner whosever ship is in it, and after 1000 steps each spaceship has flown 500 columns to the left, out of its own
region into the other's; the glider has left both. Everyone scores the other's ship.

Limits
------
Default energies: what counts is cells times energy, so a Heavyweight of energy 50 is lighter than a Lightweight of 120.
Two gliders leave both regions empty: equal patterns and positions then hash alike and A wins always, which says nothing
of gliders. In a final MII stands before the hash; that touches ties only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bitcell_sim import Glider, Pattern, fight
from bitcell_sim.analysis.estimates import Estimate, proportion_interval
from bitcell_sim.chain.battle import BATTLE_STEPS, ENTROPY_BYTES
from bitcell_sim.chain.battle_replay import replay
from bitcell_sim.kernels.battle_rules import REGION_LEFT, REGION_SIDE
from bitcell_sim.kernels.ships import SIDE
from bitcell_sim.random_streams import Stream

PATTERNS = tuple(Pattern)
FIGURE = "who_wins_by_pattern.png"
STEPS_MAX, STEPS_APART = 2200, 50
FOLLOWED = (Pattern.STANDARD, Pattern.HEAVYWEIGHT)


@dataclass(frozen=True)
class Cell:
    """One pattern as A against one as B: how often A wins, and how many of the battles energy decided."""

    a: Pattern
    b: Pattern
    wins: int
    by_energy: int
    battles: int

    @property
    def a_wins(self) -> Estimate:
        """Share of the battles that A wins."""
        return proportion_interval(self.wins, self.battles)


def entropies(count: int, *ids: int) -> Iterator[bytes]:
    """So many times 32 random bytes, others for other ids."""
    stream = Stream.of(1, "who-wins.entropy", *ids)
    for number in range(count):
        yield b"".join(stream.bits(number, word).to_bytes(8, "big") for word in range(ENTROPY_BYTES // 8))


def matrix(battles: int) -> list[Cell]:
    """Every pattern against every pattern."""
    cells = []
    for a in PATTERNS:
        for b in PATTERNS:
            seeds = entropies(battles, a.index, b.index)
            fought = [fight(Glider.of(a), Glider.of(b), entropy=entropy, full=False) for entropy in seeds]
            wins = sum(battle.winner == 0 for battle in fought)
            by_energy = sum(battle.decided_by == "energy" for battle in fought)
            cells.append(Cell(a, b, wins, by_energy, battles))
    return cells


def heavier_wins(battles: int) -> list[tuple[int, Estimate]]:
    """How often the heavier of two different patterns wins, by the number of steps."""
    pairs = [(a, b) for a in PATTERNS for b in PATTERNS if a is not b]
    found = []
    for steps in range(0, STEPS_MAX + 1, STEPS_APART):
        wins = 0
        for a, b in pairs:
            for entropy in entropies(battles, a.index, b.index, steps):
                battle = fight(Glider.of(a), Glider.of(b), entropy=entropy, steps=steps, full=False)
                wins += (battle.winner == 0) == (a.index > b.index)
        found.append((steps, proportion_interval(wins, battles * len(pairs))))
    return found


def verdict(cells: Sequence[Cell], by_steps: Sequence[tuple[int, Estimate]]) -> str:
    """The matrix in words, then the answer."""
    lines = []
    for cell in cells:
        wins = cell.a_wins
        share = f"A wins {wins.measured:7.2%} [{wins.ci_low:.2%}, {wins.ci_high:.2%}]"
        ties = cell.battles - cell.by_energy
        lines.append(f"{cell.a.value:12} against {cell.b.value:12} {share}, {ties} ties that a hash decided")
    mixed = [cell for cell in cells if cell.a is not cell.b]
    lighter = sum(cell.wins if cell.a.index < cell.b.index else cell.battles - cell.wins for cell in mixed)
    fought = sum(cell.battles for cell in mixed)
    overall = proportion_interval(lighter, fought)
    short = max(
        (steps for steps, heavy in by_steps if steps < BATTLE_STEPS and (heavy.measured or 0) > 0.99), default=0
    )
    again = [steps for steps, heavy in by_steps if steps > BATTLE_STEPS and (heavy.measured or 0) > 0.99]
    back = f" and again after {again[0]} to {again[-1]}, when the ships are back home" if again else ""
    lines.append(
        f"Verdict: the lighter pattern wins {lighter:,} of {fought:,} battles of different patterns,"
        f" {overall.measured:.2%} [{overall.ci_low:.2%}, {overall.ci_high:.2%}]. Not because it is light: after"
        f" {BATTLE_STEPS} steps every spaceship lies in the other's region and counts for the other. The heavier wins"
        f" as the documents say if a battle ends after at most {short} steps{back}."
    )
    return "\n".join(lines)


def draw(cells: Sequence[Cell], by_steps: Sequence[tuple[int, Estimate]]) -> Any:
    """Who wins; where the ships go; what another number of steps would change."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(13, 4.8), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.05, 1.15, 1])
        _matrix(left, cells)
        _ways(middle)
        _steps(right, by_steps)
    return figure


def _matrix(axes: Any, cells: Sequence[Cell]) -> None:
    from bitcell_sim.report.charts import BLUE, ORANGE

    for cell in cells:
        x, y, wins = cell.b.index, cell.a.index, cell.a_wins.measured or 0.0
        colour, strength = (BLUE, 2 * wins - 1) if wins >= 0.5 else (ORANGE, 1 - 2 * wins)
        axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, color=colour, alpha=0.06 + 0.16 * strength, linewidth=0)
        low, high = 100 * (cell.a_wins.ci_low or 0.0), 100 * (cell.a_wins.ci_high or 0.0)
        axes.text(x, y - 0.08, f"{100 * wins:.4g} %", ha="center", va="center", fontsize=11, weight="bold")
        axes.text(x, y + 0.2, f"[{low:.1f}, {high:.1f}]", ha="center", va="center", fontsize=7)
    names = [pattern.value for pattern in PATTERNS]
    axes.set_xticks(range(4), names, rotation=20)
    axes.set_yticks(range(4), names)
    axes.set_xlim(-0.5, 3.5)
    axes.set_ylim(3.5, -0.5)
    axes.set_xlabel("B's pattern")
    axes.set_ylabel("A's pattern")
    axes.set_title("A wins (95 % interval), 1000 steps, default energies")


def _ways(axes: Any) -> None:
    """Space from left to right, time downwards: each ship as A and as B."""
    from bitcell_sim.report.charts import BLUE, ORANGE

    for name, region_left, colour in zip("AB", REGION_LEFT, (BLUE, ORANGE), strict=True):
        axes.axvspan(region_left, region_left + REGION_SIDE, color=colour, alpha=0.13, linewidth=0)
        axes.text(region_left + REGION_SIDE / 2, -25, f"{name}'s region", color=colour, ha="center", va="bottom")
    for pattern, dashes in zip(FOLLOWED, (":", "-"), strict=True):
        glider = Glider.of(pattern)
        moments = list(replay(glider, glider, entropy=bytes(ENTROPY_BYTES), steps=BATTLE_STEPS, every=5))
        for player, colour in enumerate((BLUE, ORANGE)):
            columns = np.array([moment.ships[player] or (np.nan, np.nan) for moment in moments], float)[:, 0]
            columns[1:][np.abs(np.diff(columns)) > SIDE / 2] = np.nan  # no line across, where it goes round the torus
            axes.plot(columns, [moment.step for moment in moments], dashes, color=colour, linewidth=2)
            axes.plot(columns[-1:], [BATTLE_STEPS], "o", color=colour, clip_on=False)
    axes.text(8, 925, "B's spaceship\ncounts for A", color=ORANGE, va="center", fontsize=8.5)
    axes.text(545, 925, "A's spaceship\ncounts for B", color=BLUE, va="center", fontsize=8.5)
    axes.text(345, 130, "gliders (dotted): also\n250 rows down, out\nof both regions", va="center", fontsize=8.5)
    axes.set_xlim(0, SIDE)
    axes.set_ylim(BATTLE_STEPS, 0)
    axes.set_xlabel("column of the torus (its left edge joins the right)")
    axes.set_ylabel("step")
    axes.set_title("Where the ships go (A's blue, B's orange)", pad=22)


def _steps(axes: Any, by_steps: Sequence[tuple[int, Estimate]]) -> None:
    from bitcell_sim.report.charts import GRID, INK, PURPLE

    steps = [steps for steps, _ in by_steps]
    axes.fill_between(
        steps, [e.ci_low or 0.0 for _, e in by_steps], [e.ci_high or 0.0 for _, e in by_steps], color=PURPLE, alpha=0.25
    )
    axes.plot(steps, [e.measured for _, e in by_steps], color=PURPLE, linewidth=1.8, marker="o", markersize=3)
    axes.axvline(BATTLE_STEPS, color=INK, linestyle="--", linewidth=1.3)
    axes.annotate("the protocol", (BATTLE_STEPS, 1.0), xytext=(5, -4), textcoords="offset points", va="top")
    for steps_in_the_void in (580, 1520):
        axes.text(steps_in_the_void, 0.56, "both regions empty:\na hash decides", ha="center", fontsize=7.5)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_ylim(-0.02, 1.02)
    axes.grid(color=GRID, alpha=0.25)
    axes.set_xlabel("steps of the battle")
    axes.set_title("The heavier of two patterns wins")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fight, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer battles")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    battles = 100 if options.quick else 2000
    cells, by_steps = matrix(battles), heavier_wins(5 if options.quick else 50)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(cells, by_steps).savefig(options.out / FIGURE, dpi=150)
    print(verdict(cells, by_steps))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
