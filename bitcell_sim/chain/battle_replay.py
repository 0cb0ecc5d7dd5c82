"""Step through a battle to look at it: what lives at each moment, whose it is, and what each region holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitcell_sim.chain.battle import BATTLE_STEPS, Glider, Pattern
from bitcell_sim.kernels.automaton import evolve
from bitcell_sim.kernels.battle_closed_form import CELLS, COUNTS, SHIFTS
from bitcell_sim.kernels.battle_rules import (
    CELLS_AT_START_MAX,
    census,
    corner,
    is_zero,
    place_noise,
    place_ships,
    sort_cells,
)
from bitcell_sim.kernels.ships import PERIOD, SIDE

NOBODY = 2

Place = tuple[int, int]


@dataclass(frozen=True)
class Moment:
    """A battle after some steps.

    Parameters
    ----------
    step : int
        Steps done.
    cells : ndarray of int64, shape (n, 3)
        Column, row and energy of each live cell, row by row.
    owners : ndarray of int8, shape (n,)
        0 for a cell of A's ship, 1 for one of B's, 2 for any other: noise, and what is left after ships have met.
    ships : tuple of (int, int) or None
        Column and row of the middle of A's ship and of B's; None once it is no ship any more.
    energy_raw : tuple of int
        Energy in A's region and in B's, before the fluctuation.
    """

    step: int
    cells: NDArray[np.int64]
    owners: NDArray[np.int8]
    ships: tuple[Place | None, Place | None]
    energy_raw: tuple[int, int]


def _ship_at(pattern: Pattern, start: Place, step: int) -> NDArray[np.int64]:
    """Columns and rows of the cells of a ship that has met nothing, shape (n, 2)."""
    ship, phase = pattern.index, step % PERIOD
    moved: NDArray[np.int64] = CELLS[ship, phase, : COUNTS[ship, phase]] + start + step // PERIOD * SHIFTS[ship]
    return moved


def _middle(cells: NDArray[np.int64]) -> Place:
    """Middle of a ship's box, before it is wrapped, so that a ship on the edge of the torus has one too."""
    column, row = (cells.min(axis=0) + cells.max(axis=0)) // 2 % SIDE
    return int(column), int(row)


def _moment(
    step: int, indexes: NDArray[np.int64], energies: NDArray[np.uint8], players: tuple[tuple[Glider, Place], ...]
) -> Moment:
    owners = np.full(len(indexes), NOBODY, np.int8)
    ships: list[Place | None] = []
    for player, (glider, start) in enumerate(players):
        cells = _ship_at(glider.pattern, start, step)
        own = np.isin(indexes, cells[:, 1] % SIDE * SIDE + cells[:, 0] % SIDE)
        whole = np.count_nonzero(own & (energies == max(glider.energy, 1))) == len(cells)
        if whole:
            owners[own] = player
        ships.append(_middle(cells) if whole else None)
    table = np.column_stack((indexes % SIDE, indexes // SIDE, energies.astype(np.int64)))
    energy_a, energy_b, _ = census(indexes, energies, len(indexes))
    return Moment(step, table, owners, (ships[0], ships[1]), (int(energy_a), int(energy_b)))


def replay(a: Glider, b: Glider, *, entropy: bytes, steps: int = BATTLE_STEPS, every: int = 10) -> Iterator[Moment]:
    """Give a battle every few steps, from the start to the end.

    Parameters
    ----------
    a, b : Glider
        The players.
    entropy : bytes
        32 bytes.
    steps : int
        Steps to run.
    every : int
        Steps between two moments; the last one is always given.

    Yields
    ------
    Moment
        What lives, whose it is, what the regions hold.

    Notes
    -----
    The automaton knows no owners. A ship counts as its player's while exactly its cells, with its energy, stand where
    its motion puts it.

    Examples
    --------
    >>> from bitcell_sim.chain.battle import Pattern
    >>> glider = Glider.of(Pattern.STANDARD)
    >>> [(now.step, len(now.cells), now.ships[0]) for now in replay(glider, glider, entropy=bytes(32), steps=25)]
    [(0, 10, (257, 513)), (10, 10, (259, 516)), (20, 10, (262, 518)), (25, 10, (263, 520))]
    """
    indexes = np.empty(CELLS_AT_START_MAX, np.int64)
    energies = np.empty(CELLS_AT_START_MAX, np.uint8)
    zero = is_zero(entropy)
    players = ((a, corner(entropy, zero, 0)), (b, corner(entropy, zero, 1)))
    count = place_ships(a.pattern.index, a.energy, b.pattern.index, b.energy, entropy, zero, indexes, energies)
    count = place_noise(entropy, zero, indexes, energies, count)
    sort_cells(indexes, energies, count)
    indexes, energies = indexes[:count], energies[:count]
    step = 0
    while True:
        yield _moment(step, indexes, energies, players)
        if step >= steps:
            return
        chunk = min(every, steps - step)
        indexes, energies, _, _ = evolve(indexes, energies, chunk, False)
        step += chunk
