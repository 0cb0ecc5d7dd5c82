"""Whole-grid steps, exact for any torus: one 16-bit word a cell holds both the energy and the fact of being alive.

Notes
-----
A live cell is the word energy + 4096. The sum over a 3 x 3 square then holds the number of live cells in its upper
four bits and their energy in the lower twelve (at most 9 * 255 = 2295). With n cells in the square, centre included:

- n = 4: a live centre has three neighbours and stays; a dead centre stays dead. Either way the word is unchanged.
- n = 3: a live centre has two neighbours and stays; a dead one is born with sum // 3, because
  (3 * 4096 + energy) // 3 = 4096 + energy // 3, which is at least 1 as each parent has at least 1.
- else: dead.

Division by three is the high half of a product with 21846, exact below 32768. All loops are over one row of
16-bit words, so that the compiler turns them into vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.ships import Energies, Words

ALIVE = np.uint16(4096)
ENERGY_MASK = np.uint16(255)
THIRD = np.uint32(21846)
DEPTH = 4
# Words before a row of sums, so that rows and sums start at the same place in a cache line; and words unused behind
# each row of a grid, so that the same column of neighbouring rows does not fall into the same set of the cache.
MARGIN = 32


@njit
def pack(grid: Energies) -> Words:
    """Turn cell bytes, shape (rows, columns), into words, shape (rows, columns + MARGIN)."""
    rows, columns = grid.shape
    words = np.zeros((rows, columns + MARGIN), np.uint16)
    for y in range(rows):
        for x in range(columns):
            energy = np.uint16(grid[y, x])
            words[y, x] = energy + ALIVE if energy else energy
    return words


@njit
def unpack(words: Words) -> Energies:
    """Turn words back into cell bytes."""
    rows = words.shape[0]
    columns = words.shape[1] - MARGIN
    grid = np.empty((rows, columns), np.uint8)
    for y in range(rows):
        for x in range(columns):
            grid[y, x] = words[y, x] & ENERGY_MASK
    return grid


@njit
def _sum_columns(above: Words, here: Words, below: Words, sums: Words) -> None:
    for x in range(sums.shape[0]):
        sums[x] = above[x] + here[x] + below[x]


@njit
def _advance_row(sums: Words, here: Words, after: Words) -> None:
    for x in range(after.shape[0]):
        total = np.uint16(sums[x] + sums[x + 1] + sums[x + 2])
        centre = here[x]
        born = np.uint16((np.uint32(total) * THIRD) >> np.uint32(16))
        count = np.uint16(total >> np.uint16(12))
        kept = centre if centre else born
        three = kept if count == 3 else np.uint16(0)
        after[x] = centre if count == 4 else three


@njit
def sweep(source: Words, target: Words, between: Words, sums: Words, depth: int) -> None:
    """Run some steps of a torus of packed words in one pass over its rows.

    Parameters
    ----------
    source, target : ndarray of uint16, shape (rows, columns + MARGIN)
        The grid before and after.
    between : ndarray of uint16, shape (DEPTH, 4, columns + MARGIN)
        Working space: the last rows of each step but the last.
    sums : ndarray of uint16, shape (columns + 2 * MARGIN,)
        Working space.
    depth : int
        Steps to run, 1 to DEPTH.

    Notes
    -----
    Row y after step k needs rows y - 1 to y + 1 after step k - 1, so step k follows one row behind step k - 1 while
    those rows are still in the cache. Early steps start above the first row and end below the last, by as many rows
    as steps follow them, which stands for the torus.
    """
    rows = source.shape[0]
    columns = source.shape[1] - MARGIN
    inner = sums[MARGIN : MARGIN + columns]
    framed = sums[MARGIN - 1 : MARGIN + columns + 1]
    for front in range(1 - depth, rows + 2 * (depth - 1)):
        for step in range(depth):
            y = front - step
            spare = depth - 1 - step
            if y < -spare or y >= rows + spare:
                continue
            if step == 0:
                above, here, below = source[(y - 1) % rows], source[y % rows], source[(y + 1) % rows]
            else:
                before = between[step - 1]
                above, here, below = before[(y - 1) & 3], before[y & 3], before[(y + 1) & 3]
            after = target[y] if spare == 0 else between[step, y & 3]
            _sum_columns(above, here, below, inner)
            framed[0], framed[columns + 1] = inner[columns - 1], inner[0]
            _advance_row(framed, here, after[:columns])


@njit
def step_dense(grid: Energies, steps: int) -> Energies:
    """Step a whole torus.

    Parameters
    ----------
    grid : ndarray of uint8, shape (rows, columns)
        Energy of each cell; 0 is dead. At least 3 x 3.
    steps : int
        Steps to run.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        The grid afterwards; the argument is left as it was.
    """
    source = pack(grid)
    target = np.empty_like(source)
    sums = np.empty(source.shape[1] + MARGIN, np.uint16)
    between = np.empty((DEPTH, 4, source.shape[1]), np.uint16)
    done = 0
    while done < steps:
        depth = min(DEPTH, steps - done)
        sweep(source, target, between, sums, depth)
        source, target = target, source
        done += depth
    return unpack(source)


@njit
def soup(seed: np.uint64, density: int, side: int) -> Energies:
    """Fill a grid from a splitmix64 generator.

    Parameters
    ----------
    seed : uint64
        State of the generator before the first cell.
    density : int
        Live cells in 256, on average.
    side : int
        Cells along one side.

    Returns
    -------
    ndarray of uint8, shape (side, side)
        A cell is alive if the low byte of its draw is below the density; its energy is the next byte, at least 1.

    References
    ----------
    Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    grid = np.zeros((side, side), np.uint8)
    state = np.uint64(seed)
    for y in range(side):
        for x in range(side):
            state += np.uint64(0x9E3779B97F4A7C15)
            draw = state
            draw = (draw ^ (draw >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            draw = (draw ^ (draw >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            draw = draw ^ (draw >> np.uint64(31))
            if np.int64(draw & np.uint64(255)) < density:
                energy: Any = np.int64((draw >> np.uint64(8)) & np.uint64(255))
                grid[y, x] = max(energy, 1)
    return grid
