"""Step through a battle to look at it, such as for an animation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bitcell_sim.chain.battle import BATTLE_STEPS, Glider
from bitcell_sim.kernels.automaton import evolve
from bitcell_sim.kernels.battle_rules import CELLS_AT_START_MAX, is_zero, place_noise, place_ships, sort_cells
from bitcell_sim.kernels.ships import SIDE


def replay(
    a: Glider, b: Glider, *, entropy: bytes, steps: int = BATTLE_STEPS, every: int = 10
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Give the live cells of a battle every few steps, from the start to the end.

    Parameters
    ----------
    a, b : Glider
        The players.
    entropy : bytes
        32 bytes.
    steps : int
        Steps to run.
    every : int
        Steps between two pictures; the last one is always given.

    Yields
    ------
    step : int
        Steps done.
    cells : ndarray of int64, shape (n, 3)
        Column, row and energy of each live cell, row by row.

    Examples
    --------
    >>> from bitcell_sim.chain.battle import Pattern
    >>> glider = Glider.of(Pattern.STANDARD)
    >>> [(step, len(cells)) for step, cells in replay(glider, glider, entropy=bytes(32), steps=25)]
    [(0, 10), (10, 10), (20, 10), (25, 10)]
    """
    indexes = np.empty(CELLS_AT_START_MAX, np.int64)
    energies = np.empty(CELLS_AT_START_MAX, np.uint8)
    zero = is_zero(entropy)
    count = place_ships(a.pattern.index, a.energy, b.pattern.index, b.energy, entropy, zero, indexes, energies)
    count = place_noise(entropy, zero, indexes, energies, count)
    sort_cells(indexes, energies, count)
    indexes, energies = indexes[:count], energies[:count]
    step = 0
    while True:
        yield step, np.column_stack((indexes % SIDE, indexes // SIDE, energies.astype(np.int64)))
        if step >= steps:
            return
        chunk = min(every, steps - step)
        indexes, energies, _, _ = evolve(indexes, energies, chunk, False)
        step += chunk
