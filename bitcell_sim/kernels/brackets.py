"""Many tournaments in one call. The plain twin is `bitcell_sim.chain.tournament.tournament`, one after the other."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.arrays import Floats, Ints, Keys
from bitcell_sim.kernels.battle_closed_form import fight_in_closed_form
from bitcell_sim.kernels.battle_rules import Figures
from bitcell_sim.kernels.battle_stepper import fight_by_steps
from bitcell_sim.kernels.compiling import njit

ENTROPY_BYTES = 32
FINALISTS = 2
FIGURES = 12
HASHES = 4


@njit
def _fight(a: Ints, b: Ints, seed: bytes, steps: int, history: bool, full: bool) -> Figures:
    """Decide a battle as soon as it can be; the figures are those of `fight_by_steps`."""
    closed = fight_in_closed_form(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], seed, steps, history, full)
    if closed[0]:
        return closed[1:]
    return fight_by_steps(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], seed, steps, history, full)


@njit
def _write(figures: Figures, scores: Ints, ted: Floats, hashes: Keys) -> None:
    """Put the figures of a battle into arrays, by their types."""
    for column in range(8):
        scores[column] = figures[:8][column]
    ted[0], ted[1], hashes[0], hashes[1] = figures[8:12]
    scores[8], scores[9], hashes[2], scores[10], scores[11], hashes[3] = figures[12:]


@njit
def play_tournaments(
    firsts: Ints,
    counts: Ints,
    players: Ints,
    entropies: bytes,
    steps: int,
    full: bool,
    pairs: Ints,
    scores: Ints,
    ted: Floats,
    hashes: Keys,
    winners: Ints,
) -> None:
    """Fight tournaments one after the other; neighbours fight, an odd one goes to the end of the next round's list.

    Parameters
    ----------
    firsts, counts : ndarray of int64, shape (n_tournaments,)
        First participant of each tournament in `players`, and how many there are.
    players : ndarray of int64, shape (any, 4)
        Ship, energy, x and y.
    entropies : bytes
        32 bytes a match.
    steps : int
        Steps of a battle.
    full : bool
        Whether to count and hash the grids; those figures are 0 otherwise.
    pairs : ndarray of int64, shape (n_matches, 2)
        Written: who fought in each match, by place in the tournament's list.
    scores : ndarray of int64, shape (n_matches, 12)
        Written: winner (0 or 1), stage, raw energy, final energy and MII of both, then live cells and energy of the
        grid before and after.
    ted : ndarray of float64, shape (n_matches, 2)
        Written: territory entropy, bits, of both.
    hashes : ndarray of uint64, shape (n_matches, 4)
        Written: tie-break hashes of both, hashes of the grid before and after.
    winners : ndarray of int64, shape (n_tournaments,)
        Written: who is left, by place in the tournament's list.
    """
    match = 0
    for number in range(len(firsts)):
        count = counts[number]
        left = np.arange(count)
        while count > 1:
            for pair in range(count // 2):
                a, b = left[2 * pair], left[2 * pair + 1]
                seed = entropies[ENTROPY_BYTES * match : ENTROPY_BYTES * (match + 1)]
                one, other = players[firsts[number] + a], players[firsts[number] + b]
                figures = _fight(one, other, seed, steps, count == FINALISTS, full)
                pairs[match, 0], pairs[match, 1] = a, b
                _write(figures, scores[match], ted[match], hashes[match])
                left[pair] = b if figures[0] else a
                match += 1
            if count & 1:
                left[count // 2] = left[count - 1]
            count = (count + 1) // 2
        winners[number] = left[0]
