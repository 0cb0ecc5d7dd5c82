"""A tournament's bracket: who met whom, with which energies, which rule decided, and who went on without a fight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.chain.tournament import TournamentResult
from bitcell_sim.errors import InputError
from bitcell_sim.report.charts import GRID, INK, STYLE, LabFigure

PLACES_MAX = 128
GAP_IN, ROW_IN, MARGIN_IN, HEAD_IN, WIDTH_MIN_IN = 0.55, 0.4, 0.15, 0.8, 5.0
LETTER_IN, FIGURES_IN = 0.076, 0.75  # width of a bold letter, and of mark and energy beside a name
LINE = 0.3  # of a row, from the middle of a match to each of its two lines

Point = tuple[float, float]


def bracket(tournament: TournamentResult, names: Sequence[str] | None = None) -> LabFigure:
    """Draw a tournament from its first round, at the left, to its winner.

    Parameters
    ----------
    tournament : TournamentResult
        What was fought.
    names : sequence of str, optional
        Name of each participant; ``miner 0``, ``miner 1`` and so on without it.

    Raises
    ------
    InputError
        If there are more than 128 participants, or not as many names.
    """
    count = len(tournament.gliders)
    if count > PLACES_MAX:
        raise InputError(f"a bracket of {count} miners cannot be read as one figure: at most {PLACES_MAX}")
    names = [f"miner {place}" for place in range(count)] if names is None else names
    if len(names) != count:
        raise InputError(f"{len(names)} names for {count} miners: give one each")
    drawing = _Drawing(tournament, names)
    width = max(WIDTH_MIN_IN, (tournament.rounds + 1) * (drawing.column + GAP_IN) - GAP_IN + 2 * MARGIN_IN)
    height = HEAD_IN + ROW_IN * (count + 0.4) + MARGIN_IN
    with rc_context(STYLE):
        figure = LabFigure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-MARGIN_IN, width - MARGIN_IN)
        axes.set_ylim((height - HEAD_IN) / ROW_IN - 0.6, -0.6 - HEAD_IN / ROW_IN)
        winner = f"{names[tournament.winner]} wins a tournament of {count}"
        where = f"seed {tournament.seed.hex()[:16]}…; energies as fought, after the fluctuation"
        axes.text(0, -2.0, winner, fontsize=12, weight="bold")
        axes.text(0, -1.5, where, fontsize=8.5)
        drawing.draw(axes)
    return figure


class _Drawing:
    """The rounds from left to right; each entry of a round's list knows where the line to it comes from."""

    def __init__(self, tournament: TournamentResult, names: Sequence[str]) -> None:
        self._tournament = tournament
        players = zip(names, tournament.gliders, strict=True)
        self._labels = [f"{name}: {glider.pattern.value} {glider.energy}" for name, glider in players]
        self.column = LETTER_IN * max(map(len, self._labels)) + FIGURES_IN

    def draw(self, axes: Axes) -> None:
        self._axes = axes
        left: list[tuple[int, Point]] = [(place, (0.0, float(place))) for place in range(len(self._tournament.gliders))]
        matches = iter(self._tournament.matches)
        for number in range(self._tournament.rounds):
            x = number * (self.column + GAP_IN)
            title = "final" if len(left) == 2 else f"round {number + 1}"
            self._axes.text(x, -0.85, title, fontsize=8.5, color=GRID)
            following: list[tuple[int, Point]] = []
            for first, second in zip(left[::2], left[1::2], strict=False):
                y = (first[1][1] + second[1][1]) / 2
                match = next(matches)
                for side, (miner, start) in enumerate((first, second)):
                    self._way(start, (x, y + (2 * side - 1) * LINE))
                    self._line(x, y, side, miner, match.result)
                self._box(x, y, rule(match.result))
                following.append((match.winner, (x + self.column, y)))
            if len(left) % 2:
                miner, start = left[-1]
                self._way(start, (x, start[1]))
                self._bye(x, start[1], miner)
                following.append((miner, (x + self.column, start[1])))
            left = following
        self._winner(*left[0])

    def _way(self, start: Point, end: Point) -> None:
        if start[0] < end[0]:
            bend = start[0] + GAP_IN / 2
            x, y = (start[0], bend, bend, end[0]), (start[1], start[1], end[1], end[1])
            self._axes.plot(x, y, color=GRID, linewidth=1, zorder=0)

    def _line(self, x: float, y: float, side: int, miner: int, result: BattleResult) -> None:
        """One player of a match: name, pattern and energy of a cell; at the right what its region holds."""
        won = result.winner == side
        style: Any = {"va": "center", "fontsize": 8.5, "color": INK if won else GRID}
        style["weight"] = "bold" if won else "normal"
        at = y + (2 * side - 1) * LINE
        self._axes.text(x + 0.06, at, "▸" if won else "", **style)
        self._axes.text(x + 0.18, at, self._labels[miner], **style)
        self._axes.text(x + self.column - 0.06, at, f"{result.energy_final[side]:,}", ha="right", **style)

    def _box(self, x: float, y: float, decided: str) -> None:
        self._axes.add_patch(Rectangle((x, y - 0.62), self.column, 1.24, fill=False, edgecolor=GRID, linewidth=1))
        self._axes.text(x + self.column / 2, y + 0.66, decided, ha="center", va="top", fontsize=7, style="italic")

    def _bye(self, x: float, y: float, miner: int) -> None:
        box = Rectangle((x, y - 0.31), self.column, 0.62, fill=False, edgecolor=GRID, linewidth=1, linestyle="--")
        self._axes.add_patch(box)
        self._axes.text(x + 0.18, y, self._labels[miner], va="center", fontsize=8.5)
        self._axes.text(x + self.column - 0.06, y, "bye", ha="right", va="center", fontsize=8.5, style="italic")

    def _winner(self, miner: int, start: Point) -> None:
        x = self._tournament.rounds * (self.column + GAP_IN)
        self._way(start, (x, start[1]))
        self._axes.text(x + 0.06, start[1], self._labels[miner], va="center", fontsize=9.5, weight="bold")


def rule(result: BattleResult) -> str:
    """How a match was decided, in a few words.

    Parameters
    ----------
    result : BattleResult
        The match.
    """
    if result.decided_by == "energy":
        return "by energy"
    if result.decided_by == "mii" and result.mii is not None:
        return f"by MII, {result.mii[0]:,.0f} : {result.mii[1]:,.0f}"
    if result.decided_by == "ted" and result.ted is not None:
        return f"by TED, {result.ted[0]:.4g} : {result.ted[1]:.4g} bits"
    return "all equal: the first in the list" if result.lex_hash[0] == result.lex_hash[1] else "by hash"
