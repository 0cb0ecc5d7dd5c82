"""Exact sparse steps of the 1024 x 1024 torus, island by island.

What does not fit into islands (too many cells, or a crowd wider than a chart) is handed to the whole-grid stepper, so
the result is exact for any grid.
"""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.arrays import Floats, Ints, Keys
from bitcell_sim.kernels.battle_rules import AREA, MASK, sort_cells
from bitcell_sim.kernels.bits import popcount, trailing_zeros
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.dense_automaton import DEPTH, advance, pack, unpack, words_for
from bitcell_sim.kernels.islands import (
    BOX_WIDE,
    CHART,
    ISLANDS_MAX,
    ONE,
    ZERO,
    copy_rows,
    give_birth,
    refit_columns,
    settle_islands,
    split_islands,
    step_bits,
    widest_box,
)
from bitcell_sim.kernels.region_history import record_dense, record_entropy, record_island
from bitcell_sim.kernels.ships import SIDE, Energies

CELLS_MAX = 1024
Tally = tuple[Ints, Floats, Ints, Keys]


@njit
def _run(islands: int, steps: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies, old: Keys) -> None:
    """Run every island alone for some steps."""
    for island in range(islands):
        chart_rows = rows[island]
        box = boxes[island]
        if values[island]:
            for _ in range(steps):
                if box[3] == 0:
                    break
                step_bits(chart_rows, box)
        else:
            for _ in range(steps):
                if box[3] == 0:
                    break
                copy_rows(chart_rows, old)
                top, height = box[1], box[3]
                step_bits(chart_rows, box)
                give_birth(old, chart_rows, charts[island], top, height)
        refit_columns(chart_rows, box, steps)


@njit
def _run_recorded(
    islands: int, steps: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies, old: Keys, tally: Tally
) -> None:
    """Run all islands side by side for some steps and record both regions after each."""
    mii, ted, histogram, present = tally
    for done in range(steps):
        for island in range(islands):
            box = boxes[island]
            if box[3] == 0:
                continue
            chart_rows = rows[island]
            copy_rows(chart_rows, old)
            top, height = box[1], box[3]
            step_bits(chart_rows, box)
            if values[island] == 0:
                give_birth(old, chart_rows, charts[island], top, height)
            left = (box[0] - done - 1) & MASK
            record_island(old, chart_rows, charts[island], values[island], left, top, height, mii, histogram, present)
        record_entropy(ted, histogram, present)
    for island in range(islands):
        refit_columns(rows[island], boxes[island], steps)


@njit
def _count_cells(islands: int, rows: Keys) -> int:
    count = 0
    for island in range(islands):
        for y in range(CHART):
            count += popcount(rows[island, y])
    return count


@njit
def _gather(
    islands: int, rows: Keys, boxes: Ints, values: Ints, charts: Energies, indexes: Ints, energies: Energies
) -> None:
    """List the cells of all islands, in ascending order of their index."""
    count = 0
    for island in range(islands):
        left = boxes[island, 0]
        for i in range(boxes[island, 3]):
            y = (boxes[island, 1] + i) & MASK
            line = rows[island, y & 63]
            while line != ZERO:
                column = trailing_zeros(line)
                line &= line - ONE
                x = (left + ((column - left) & 63)) & MASK
                indexes[count] = y * SIDE + x
                energies[count] = values[island] if values[island] else charts[island, y & 63, column]
                count += 1
    sort_cells(indexes, energies, count)


@njit
def evolve_dense(
    indexes: Ints, energies: Energies, count: int, steps: int, history: bool, mii: Ints, ted: Floats
) -> tuple[Ints, Energies]:
    """Do what `evolve` does by whole-grid steps, adding to the history sums given."""
    grid = np.zeros((SIDE, SIDE), np.uint8)
    for cell in range(count):
        grid[indexes[cell] // SIDE, indexes[cell] & MASK] = energies[cell]
    words = np.empty(words_for(SIDE, SIDE, 2), np.uint16)
    pack(grid, words)
    source, target = 0, 1
    done = 0
    while done < steps:
        depth = 1 if history else min(DEPTH, steps - done)
        advance(words, source, target, grid.shape[0], grid.shape[1], depth)
        source, target = target, source
        if history:
            record_dense(words, target, source, mii, ted)
        done += depth
    unpack(words, source, grid)
    live = 0
    for y in range(SIDE):
        for x in range(SIDE):
            live += grid[y, x] != 0
    after_indexes = np.empty(live, np.int64)
    after_energies = np.empty(live, np.uint8)
    live = 0
    for index in range(AREA):
        energy = grid[index // SIDE, index & MASK]
        if energy:
            after_indexes[live] = index
            after_energies[live] = energy
            live += 1
    return after_indexes, after_energies


@njit
def evolve(indexes: Ints, energies: Energies, steps: int, history: bool) -> tuple[Ints, Energies, Ints, Floats]:
    """Step the 1024 x 1024 torus, exactly.

    Parameters
    ----------
    indexes : ndarray of int64, shape (n,)
        Live cells, y * 1024 + x, each once.
    energies : ndarray of uint8, shape (n,)
        Their energies, 1 to 255.
    steps : int
        Steps to run.
    history : bool
        Whether to record both regions after every step.

    Returns
    -------
    indexes : ndarray of int64, shape (m,)
        Live cells afterwards, ascending.
    energies : ndarray of uint8, shape (m,)
        Their energies.
    mii : ndarray of int64, shape (2,)
        Sum over steps and cells of the squared change in A's and B's region; zero without history.
    ted : ndarray of float64, shape (2,)
        Sum over steps of the Shannon entropy, bits, of A's and B's region; zero without history.
    """
    mii = np.zeros(2, np.int64)
    ted = np.zeros(2, np.float64)
    count = len(indexes)
    rows = np.empty((ISLANDS_MAX, CHART), np.uint64)
    boxes = np.empty((ISLANDS_MAX, 4), np.int64)
    values = np.empty(ISLANDS_MAX, np.int64)
    charts = np.empty((ISLANDS_MAX, CHART, CHART), np.uint8)
    old = np.empty(CHART, np.uint64)
    tally = (mii, ted, np.zeros((2, 256), np.int64), np.zeros((2, 4), np.uint64))
    islands = split_islands(indexes, energies, count, rows, boxes, values, charts) if count <= CELLS_MAX else -1
    if islands < 0:
        after_indexes, after_energies = evolve_dense(indexes, energies, count, steps, history, mii, ted)
        return after_indexes, after_energies, mii, ted
    done = 0
    while done < steps and islands:
        islands, horizon = settle_islands(islands, rows, boxes, values, charts)
        if horizon == 0 or widest_box(islands, boxes) > BOX_WIDE:
            count = _count_cells(islands, rows)
            listed = np.empty(count, np.int64)
            listed_energies = np.empty(count, np.uint8)
            _gather(islands, rows, boxes, values, charts, listed, listed_energies)
            islands = (
                split_islands(listed, listed_energies, count, rows, boxes, values, charts) if count <= CELLS_MAX else -1
            )
            if islands >= 0:
                islands, horizon = settle_islands(islands, rows, boxes, values, charts)
            if islands < 0 or horizon == 0:
                rest = steps - done
                after_indexes, after_energies = evolve_dense(listed, listed_energies, count, rest, history, mii, ted)
                return after_indexes, after_energies, mii, ted
        run = min(horizon, steps - done)
        if history:
            _run_recorded(islands, run, rows, boxes, values, charts, old, tally)
        else:
            _run(islands, run, rows, boxes, values, charts, old)
        done += run
    count = _count_cells(islands, rows)
    after_indexes = np.empty(count, np.int64)
    after_energies = np.empty(count, np.uint8)
    _gather(islands, rows, boxes, values, charts, after_indexes, after_energies)
    return after_indexes, after_energies, mii, ted
