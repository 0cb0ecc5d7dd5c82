"""What a battle records after every step of both regions: squared changes (MII) and Shannon entropy (TED).

Changes are summed as whole numbers, so their order does not matter. The entropy of a step is summed over byte values
in ascending order and added to the total step by step; every fast path does it in this order, so all agree to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitcell_sim.kernels.arrays import Floats, Ints, Keys
from bitcell_sim.kernels.battle_rules import MASK, REGION_AREA, REGION_LEFT, REGION_SIDE, REGION_TOP, entropy_term
from bitcell_sim.kernels.bits import popcount, trailing_zeros
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.dense_automaton import ENERGY_MASK, first_word, row_words, strip_width, word_of
from bitcell_sim.kernels.ships import SIDE, Energies, Words

ONE = np.uint64(1)
ZERO = np.uint64(0)
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit
def column_mask(start: int, region: int) -> np.uint64:
    """Bits (x & 63) of the 64 columns from `start` on that lie in a region.

    Parameters
    ----------
    start : int
        First column.
    region : int
        0 for A's, 1 for B's.
    """
    inside = (start - REGION_LEFT[region]) & MASK
    if inside < REGION_SIDE:
        width = REGION_SIDE - inside
        mask = FULL if width >= 64 else (ONE << np.uint64(width)) - ONE
    elif MASK + 1 - inside < 64:
        mask = FULL << np.uint64(MASK + 1 - inside)
    else:
        return ZERO
    turn = start & 63
    return (mask << np.uint64(turn)) | (mask >> np.uint64((64 - turn) & 63))


@njit
def _record_row(
    old: np.uint64,
    new: np.uint64,
    chart_row: Energies,
    value: int,
    mask: np.uint64,
    squares: int,
    histogram: Ints,
    present: Keys,
) -> int:
    """Squared changes of one row of an island; its live cells go to the histogram."""
    changed = (old ^ new) & mask
    now = new & mask
    if value:
        live: int = popcount(now)
        if live:
            histogram[value] += live
            present[value >> 6] |= ONE << np.uint64(value & 63)
        return squares + value * value * int(popcount(changed))
    while changed != ZERO:
        energy: Any = np.int64(chart_row[trailing_zeros(changed)])
        changed &= changed - ONE
        squares += energy * energy
    while now != ZERO:
        energy = np.int64(chart_row[trailing_zeros(now)])
        now &= now - ONE
        histogram[energy] += 1
        present[energy >> 6] |= ONE << np.uint64(energy & 63)
    return squares


@njit
def record_island(
    old: Keys,
    rows: Keys,
    chart: Energies,
    value: int,
    left: int,
    top: int,
    height: int,
    mii: Ints,
    histogram: Ints,
    present: Keys,
) -> None:
    """Record one island after a step.

    Parameters
    ----------
    old, rows : ndarray of uint64, shape (64,)
        Its bits before and after the step.
    chart : ndarray of uint8, shape (64, 64)
        Energy of each cell that is alive or has just died, unless all have one.
    value : int
        That one energy; 0 if they differ.
    left, top, height : int
        A column left of all cells but at most 63 before the last; the first row and the rows before the step.
    mii : ndarray of int64, shape (2,)
        Sum of squared changes by region, added to.
    histogram : ndarray of int64, shape (2, 256)
        Live cells by region and energy, added to.
    present : ndarray of uint64, shape (2, 4)
        Energies the histogram holds, as bits.
    """
    if (top - 1 - REGION_TOP) & MASK >= REGION_SIDE and (REGION_TOP - top + 1) & MASK >= height + 2:
        return
    for region in range(2):
        mask = column_mask(left, region)
        if mask == ZERO:
            continue
        squares = 0
        for i in range(-1, height + 1):
            if 0 <= ((top + i) & MASK) - REGION_TOP < REGION_SIDE:
                y = (top + i) & 63
                squares = _record_row(
                    old[y], rows[y], chart[y], value, mask, squares, histogram[region], present[region]
                )
        mii[region] += squares


@njit
def record_entropy(ted: Floats, histogram: Ints, present: Keys) -> None:
    """Add the entropy of both regions after a step to the sums, and empty the histogram."""
    for region in range(2):
        live = 0
        for block in range(4):
            values = present[region, block]
            while values != ZERO:
                live += histogram[region, 64 * block + trailing_zeros(values)]
                values &= values - ONE
        if live == 0:
            continue
        entropy = 0.0
        if live < REGION_AREA:
            entropy -= entropy_term(REGION_AREA - live)
        for block in range(4):
            values = present[region, block]
            while values != ZERO:
                value = 64 * block + trailing_zeros(values)
                values &= values - ONE
                entropy -= entropy_term(histogram[region, value])
                histogram[region, value] = 0
            present[region, block] = ZERO
        ted[region] += entropy


@njit
def record_dense(words: Words, before: int, after: int, mii: Ints, ted: Floats) -> None:
    """Record both regions of a whole 1024 x 1024 grid after a step.

    Parameters
    ----------
    words : ndarray of uint16
        Working space of the whole-grid steps.
    before, after : int
        Block of the grid before and after the step.
    mii : ndarray of int64, shape (2,)
        Sum of squared changes by region, added to.
    ted : ndarray of float64, shape (2,)
        Sum of entropies by region, bits, added to.
    """
    width = strip_width(SIDE)
    for region in range(2):
        histogram = np.zeros(256, np.int64)
        squares = 0
        for y in range(REGION_TOP, REGION_TOP + REGION_SIDE):
            row_before = first_word(before, SIDE, width) + y * row_words(width)
            row_after = first_word(after, SIDE, width) + y * row_words(width)
            for x in range(REGION_LEFT[region], REGION_LEFT[region] + REGION_SIDE):
                at = word_of(x, width)
                energy: Any = np.int64(words[row_after + at] & ENERGY_MASK)
                change: Any = energy - np.int64(words[row_before + at] & ENERGY_MASK)
                squares += change * change
                histogram[energy] += 1
        mii[region] += squares
        entropy = 0.0
        for value in range(256):
            if histogram[value]:
                entropy -= entropy_term(histogram[value])
        ted[region] += entropy
