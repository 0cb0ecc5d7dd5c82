"""Islands of life: sets of cells, each packed in one 64 x 64 chart of bits, that step, move, merge and split.

Notes
-----
An island is a set of cells whose box (left, top, width, height) is at most 62 cells wide and high. Column x is bit
x & 63 and row y is word y & 63 of its chart, so an island that moves needs no shifting, and rotating a word is the
neighbour to the left or right. The chart is itself a torus; opposite edges cannot meet while the box leaves two free
lines. Two islands cannot influence each other while two free columns or two free rows part their boxes. A box grows
by at most one line a step on each side, so both hold for a number of steps known in advance; between such moments
each island runs alone. Islands that come close are merged, wide ones are split again. While all cells of an
island have one energy, births have it too (3e // 3 = e) and none is stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitcell_sim.kernels.arrays import Ints, Keys
from bitcell_sim.kernels.battle_rules import MASK
from bitcell_sim.kernels.bits import leading_zeros, trailing_zeros
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.ships import SIDE, Energies

CHART = 64
BOX_MAX = 62
BOX_WIDE = 32
ISLANDS_MAX = 64
HORIZON_SHORT = 4
FOREVER = 1 << 40

ONE = np.uint64(1)
ZERO = np.uint64(0)
LAST = np.uint64(63)


@njit
def _find_island(
    indexes: Ints, count: int, start: int, label: int, labels: Ints, offsets: Ints, stack: Ints
) -> tuple[int, int, int, int]:
    """Label every cell that a chain of cells at most two apart joins to `start`; return the box."""
    stack[0] = start
    height = 1
    labels[start] = label
    offsets[start, 0] = 0
    offsets[start, 1] = 0
    left = right = top = bottom = 0
    while height:
        height -= 1
        cell = stack[height]
        x = indexes[cell] & MASK
        y = indexes[cell] // SIDE
        for other in range(count):
            if labels[other] >= 0:
                continue
            dx = ((indexes[other] & MASK) - x + 2) & MASK
            dy = ((indexes[other] // SIDE) - y + 2) & MASK
            if dx > 4 or dy > 4:
                continue
            labels[other] = label
            offsets[other, 0] = offsets[cell, 0] + dx - 2
            offsets[other, 1] = offsets[cell, 1] + dy - 2
            left = min(left, offsets[other, 0])
            right = max(right, offsets[other, 0])
            top = min(top, offsets[other, 1])
            bottom = max(bottom, offsets[other, 1])
            stack[height] = other
            height += 1
    return left, top, right - left + 1, bottom - top + 1


@njit
def split_islands(
    indexes: Ints, energies: Energies, count: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies
) -> int:
    """Sort cells into islands; return how many, or -1 if they do not fit."""
    labels = np.empty(count, np.int64)
    for cell in range(count):
        labels[cell] = -1
    offsets = np.empty((count, 2), np.int64)
    stack = np.empty(count, np.int64)
    islands: Any = np.int64(0)
    for start in range(count):
        if labels[start] >= 0:
            continue
        if islands == ISLANDS_MAX:
            return -1
        left, top, width, height = _find_island(indexes, count, start, islands, labels, offsets, stack)
        if width > BOX_MAX or height > BOX_MAX:
            return -1
        boxes[islands, 0] = ((indexes[start] & MASK) + left) & MASK
        boxes[islands, 1] = ((indexes[start] // SIDE) + top) & MASK
        boxes[islands, 2] = width
        boxes[islands, 3] = height
        values[islands] = energies[start]
        for y in range(CHART):
            rows[islands, y] = ZERO
        islands += 1
    for cell in range(count):
        island = labels[cell]
        y = (indexes[cell] // SIDE) & 63
        x = indexes[cell] & 63
        rows[island, y] |= ONE << np.uint64(x)
        if values[island] != energies[cell]:
            values[island] = 0
    for cell in range(count):
        if values[labels[cell]] == 0:
            charts[labels[cell], (indexes[cell] // SIDE) & 63, indexes[cell] & 63] = energies[cell]
    return int(islands)


@njit
def step_bits(rows: Keys, box: Ints) -> None:
    """One step of an island's bits, in place; updates the box's rows, not its columns.

    Notes
    -----
    Bit-sliced: each row's sum of three columns is two words (ones, twos). The neighbour count is 2 or 3 exactly if
    one of the four twos (above, beside, below, carry of the ones) is set; it is 3 if the ones' sum is set too.
    """
    top = box[1]
    height = box[3]
    above_1 = above_2 = here_1 = here_2 = side_1 = side_2 = here = ZERO
    first = height + 2
    last = -2
    for i in range(-1, height + 1):
        below = rows[(top + i + 1) & 63] if i + 1 < height else ZERO
        left = (below << ONE) | (below >> LAST)
        right = (below >> ONE) | (below << LAST)
        below_side_1 = left ^ right
        below_side_2 = left & right
        below_1 = below_side_1 ^ below
        below_2 = below_side_2 | (below_side_1 & below)
        mixed = above_1 ^ below_1
        ones = mixed ^ side_1
        carry = (above_1 & below_1) | (mixed & side_1)
        single = (above_2 ^ below_2 ^ side_2 ^ carry) & ~((above_2 & below_2) | (side_2 & carry))
        after = single & (ones | here)
        rows[(top + i) & 63] = after
        if after != ZERO:
            first = min(first, i)
            last = i
        above_1, above_2 = here_1, here_2
        here_1, here_2 = below_1, below_2
        side_1, side_2 = below_side_1, below_side_2
        here = below
    box[1] = (top + first) & MASK
    box[3] = max(last - first + 1, 0)


@njit
def give_birth(old: Keys, rows: Keys, chart: Energies, top: int, height: int) -> None:
    """Write the energy of every cell born between `old` and `rows`; `top` and `height` are the old rows."""
    for i in range(-1, height + 1):
        y = (top + i) & 63
        born = rows[y] & ~old[y]
        while born != ZERO:
            x = trailing_zeros(born)
            born &= born - ONE
            energy = 0
            for dy in range(-1, 2):
                line = (y + dy) & 63
                for dx in range(-1, 2):
                    column = (x + dx) & 63
                    if (old[line] >> np.uint64(column)) & ONE:
                        energy += chart[line, column]
            chart[y, x] = max(energy // 3, 1)


@njit
def refit_columns(rows: Keys, box: Ints, steps: int) -> None:
    """Tighten a box's columns after at most `steps` steps."""
    lines = ZERO
    for i in range(box[3]):
        lines |= rows[(box[1] + i) & 63]
    if lines == ZERO:
        box[3] = 0
        return
    start = box[0] - steps
    turn = start & 63
    lines = (lines >> np.uint64(turn)) | (lines << np.uint64((64 - turn) & 63))
    first = trailing_zeros(lines)
    box[0] = (start + first) & MASK
    box[2] = 64 - leading_zeros(lines) - first


@njit
def _gap(start: int, size: int, other_start: int, other_size: int) -> int:
    """Free lines between two intervals of the torus, the fewer way round; 0 if they overlap or touch."""
    ahead = (other_start - start) & MASK
    behind = (start - other_start) & MASK
    return max(min(ahead - size, behind - other_size), 0)


@njit
def _union(start: int, size: int, other_start: int, other_size: int) -> tuple[int, int]:
    """Start and size of the shortest interval of the torus that holds two others."""
    ahead = (other_start - start) & MASK
    behind = (start - other_start) & MASK
    forward = max(size, ahead + other_size)
    backward = max(other_size, behind + size)
    if forward <= backward:
        return start, forward
    return other_start, backward


@njit
def _move_island(source: int, target: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies) -> None:
    """Overwrite one island with another."""
    for side in range(4):
        boxes[target, side] = boxes[source, side]
    values[target] = values[source]
    for y in range(CHART):
        rows[target, y] = rows[source, y]
        if values[source] == 0 and rows[source, y] != ZERO:
            for x in range(CHART):
                charts[target, y, x] = charts[source, y, x]


@njit
def _store_energies(island: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies) -> None:
    """Write down each cell's energy of an island that had one for all."""
    if values[island] == 0:
        return
    for i in range(boxes[island, 3]):
        y = (boxes[island, 1] + i) & 63
        line = rows[island, y]
        while line != ZERO:
            charts[island, y, trailing_zeros(line)] = values[island]
            line &= line - ONE
    values[island] = 0


@njit
def _merge(island: int, other: int, limit: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies) -> bool:
    """Put `other`'s cells into `island` if both fit in a box of `limit` lines; return whether they did."""
    left, width = _union(boxes[island, 0], boxes[island, 2], boxes[other, 0], boxes[other, 2])
    top, height = _union(boxes[island, 1], boxes[island, 3], boxes[other, 1], boxes[other, 3])
    if width > limit or height > limit:
        return False
    if values[island] == 0 or values[island] != values[other]:
        _store_energies(island, rows, boxes, values, charts)
        _store_energies(other, rows, boxes, values, charts)
        for i in range(boxes[other, 3]):
            y = (boxes[other, 1] + i) & 63
            line = rows[other, y]
            while line != ZERO:
                x = trailing_zeros(line)
                charts[island, y, x] = charts[other, y, x]
                line &= line - ONE
    for y in range(CHART):
        rows[island, y] |= rows[other, y]
    boxes[island, 0], boxes[island, 1] = left, top
    boxes[island, 2], boxes[island, 3] = width, height
    return True


@njit
def settle_islands(islands: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies) -> tuple[int, int]:
    """Drop dead islands and merge those that are close; return how many are left and the steps they may run alone.

    Notes
    -----
    Zero steps means that two islands might meet in the next one and do not fit in one chart.
    """
    island: Any = np.int64(0)
    while island < islands:
        if boxes[island, 3]:
            island += 1
        else:
            islands -= 1
            if island < islands:
                _move_island(islands, island, rows, boxes, values, charts)
    horizon = FOREVER
    island = np.int64(0)
    while island < islands:
        merged = False
        free = CHART - max(boxes[island, 2], boxes[island, 3])
        alone = free >> 1
        for other in range(island + 1, islands):
            gap_x = _gap(boxes[island, 0], boxes[island, 2], boxes[other, 0], boxes[other, 2])
            gap_y = _gap(boxes[island, 1], boxes[island, 3], boxes[other, 1], boxes[other, 3])
            apart = max(gap_x, gap_y) >> 1
            if apart < HORIZON_SHORT:
                limit = BOX_WIDE if apart else BOX_MAX
                if _merge(island, other, limit, rows, boxes, values, charts):
                    islands -= 1
                    if other < islands:
                        _move_island(islands, other, rows, boxes, values, charts)
                    merged = True
                    break
            alone = min(alone, apart)
        if merged:
            island = np.int64(0)
            horizon = FOREVER
        else:
            horizon = min(horizon, alone)
            island += 1
    return islands, horizon


@njit
def copy_rows(source: Keys, target: Keys) -> None:
    """Copy one chart's bits; a loop, as numba compiles a slice assignment far more slowly."""
    for y in range(CHART):
        target[y] = source[y]


@njit
def widest_box(islands: int, boxes: Ints) -> int:
    """Width or height of the largest island, whichever is more; 0 without any."""
    widest = 0
    for island in range(islands):
        widest = max(widest, boxes[island, 2], boxes[island, 3])
    return widest
