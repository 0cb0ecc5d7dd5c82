"""A battle fought step by step by the sparse stepper."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.automaton import evolve
from bitcell_sim.kernels.battle_rules import (
    CELLS_AT_START_MAX,
    Figures,
    census,
    decide,
    is_zero,
    place_noise,
    place_ships,
    sort_and_count,
    sparse_fnv,
)
from bitcell_sim.kernels.compiling import njit


@njit
def fight_by_steps(
    ship_a: int,
    energy_a: int,
    x_a: int,
    y_a: int,
    ship_b: int,
    energy_b: int,
    x_b: int,
    y_b: int,
    seed: bytes,
    steps: int,
    history: bool,
    full: bool,
) -> Figures:
    """Fight a battle by stepping its grid.

    Parameters
    ----------
    ship_a, energy_a, x_a, y_a : int
        Player A's ship (0 to 3), energy (0 to 255) and position, which only enters the tie-break.
    ship_b, energy_b, x_b, y_b : int
        Player B's.
    seed : bytes
        32 bytes.
    steps : int
        Steps to run.
    history : bool
        Whether the two history tie-breakers count.
    full : bool
        Whether to count cells and hash the grid before and after; those figures are 0 otherwise.

    Returns
    -------
    winner, stage : int
        0 for A, 1 for B; and which stage decided: 0 energy, 1 MII, 2 TED, 3 the hashes.
    raw_a, raw_b, final_a, final_b : int
        Energy in each region, before and after fluctuation.
    mii_a, mii_b : int
        Mutual interference of each player, 0 without history.
    ted_a, ted_b : float
        Territory entropy, bits, of each player, 0 without history.
    lex_a, lex_b : int
        Tie-break hashes.
    start_live, start_total, start_hash, live, total, hash : int
        Live cells, total energy and FNV-1a hash of the grid before and after.
    """
    zero = is_zero(seed)
    indexes = np.empty(CELLS_AT_START_MAX, np.int64)
    energies = np.empty(CELLS_AT_START_MAX, np.uint8)
    count = place_ships(ship_a, energy_a, ship_b, energy_b, seed, zero, indexes, energies)
    count = place_noise(seed, zero, indexes, energies, count)
    start_live = start_total = live = total = 0
    start_hash = end_hash = np.uint64(0)
    if full:
        start_live, start_total, start_hash = sort_and_count(indexes, energies, count)
    after, after_energies, mii, ted = evolve(indexes[:count], energies[:count], steps, history)
    raw_a, raw_b, energy = census(after, after_energies, len(after))
    if full:
        live = len(after)
        total = energy
        end_hash = sparse_fnv(after, after_energies, live)
    # A player's score is what happened in the opponent's region.
    players = ((ship_a, x_a, y_a), (ship_b, x_b, y_b))
    decision = decide(seed, players, (raw_a, raw_b), history, (mii[1], mii[0]), (ted[1], ted[0]))
    return (*decision, start_live, start_total, start_hash, live, total, end_hash)
