"""Whole-grid steps, exact for any torus, at one speed whatever the grid holds.

Notes
-----
A live cell is the 16-bit word energy + 4096, a dead one 0. Let t be the sum over a 3 x 3 square and c its centre. In
units of 4096 the key 2t - c is twice the live neighbours, plus one if the centre is alive, plus their energies, which
make less than one half with up to three neighbours and at most 1.06 with eight. So of all keys

- 5 and 7 are a live centre with two or three neighbours: it stays as it is;
- 6 is a dead centre with three: it is born with a sixth of the key, 4096 + energy // 3, which is at least 1 as each
  parent has at least 1;
- these three are the largest that a signed word can hold, 20480 to 32767: from 8 on the sign turns, and 16 and more
  wrap round to less than 3.

A sixth is the high half of a product with 10923, exact for the even numbers below 32768.

The grid is cut into 16 strips from top to bottom, and a vector holds one cell of each, so that neighbours to the left
and right are whole vectors too. Every row has one more vector at each end: the edges of the strips beside, which are
the vector at the other end turned by one lane. A torus whose width is no multiple of 16 is written side by side until
it is.

One pass over the rows makes several steps. Rows y and y + 1 after step k need rows y - 1 to y + 2 after step k - 1, so
step k follows one row behind step k - 1. Of these four, the upper two are then needed no more and make room for the
two new ones: as many pairs of rows as steps, which stay in the cache, and from turn to turn each pair goes to the next
step. The last step writes where the first has read. Rows above the first and below the last stand for the torus.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitcell_sim.kernels.compiling import kernel, njit, part
from bitcell_sim.kernels.lanes import LANES, high_product, load, spread, store, turn_down, turn_up, where
from bitcell_sim.kernels.ships import Energies, Words

ALIVE = np.uint16(4096)
ENERGY_MASK = np.uint16(255)
KEY_BELOW_LIVE = 5 * 4096 - 1
SIXTH = 10923
DEPTH = 8
RING_ROWS = 2 * DEPTH
VECTOR_BYTES = 2 * LANES


@part
def row_words(width: int) -> int:
    """Words of a row of so many vectors, with one more at each end."""
    return (width + 2) * LANES


@part
def first_word(block: int, rows: int, width: int) -> int:
    """Where the first vector of a grid's first row stands; a block holds a grid with the rows above and below it."""
    return (RING_ROWS + block * (rows + 2 * DEPTH + 1) + DEPTH) * row_words(width) + LANES


@part
def word_of(x: int, width: int) -> int:
    """Where the cell of column x stands, after a row's first vector."""
    return x % width * LANES + x // width


@part
def strip_width(columns: int) -> int:
    """Vectors of a row: a sixteenth of the columns, or of as many copies of them as it takes."""
    return columns // min(columns & -columns, LANES)


@kernel
def words_for(rows: int, columns: int, blocks: int) -> int:
    """Words of a working space: the rows of the steps between, then the blocks."""
    return first_word(blocks, rows, strip_width(columns))


@part
def _join_ends(words: Words, at: int, width: int) -> None:
    """Fill the vector before and behind a row."""
    store(words, at - LANES, turn_up(load(words, at + (width - 1) * LANES)))
    store(words, at + width * LANES, turn_down(load(words, at)))


@part
def _next_state(centre: Any, total: Any) -> Any:
    """Sixteen cells one step later, from themselves and the sums over their squares."""
    key = total + total - centre
    dead = spread(0)
    settled = where(centre == dead, high_product(key, spread(SIXTH)), centre)
    return where(key > spread(KEY_BELOW_LIVE), settled, dead)


@part
def _advance_two_rows(
    words: Words, above: int, upper: int, lower: int, below: int, target: int, next_target: int, width: int
) -> None:
    """Step the upper and the lower of four rows; each is given by the place of its first vector."""
    middle = load(words, upper - LANES) + load(words, lower - LANES)
    up_left = load(words, above - LANES) + middle
    low_left = load(words, below - LANES) + middle
    centre, next_centre = load(words, upper), load(words, lower)
    middle = centre + next_centre
    up_here = load(words, above) + middle
    low_here = load(words, below) + middle
    for at in range(0, width * LANES, LANES):
        right, next_right = load(words, upper + at + LANES), load(words, lower + at + LANES)
        middle = right + next_right
        up_right = load(words, above + at + LANES) + middle
        low_right = load(words, below + at + LANES) + middle
        store(words, target + at, _next_state(centre, up_left + up_here + up_right))
        store(words, next_target + at, _next_state(next_centre, low_left + low_here + low_right))
        up_left, up_here, low_left, low_here = up_here, up_right, low_here, low_right
        centre, next_centre = right, next_right


@part
def _copy_row(words: Words, source: int, target: int, width: int) -> None:
    for at in range(-LANES, (width + 1) * LANES, LANES):
        store(words, target + at, load(words, source + at))


@kernel
def advance(words: Words, source: int, target: int, rows: int, columns: int, depth: int) -> None:
    """Run some steps of a torus in one pass over its rows.

    Parameters
    ----------
    words : ndarray of uint16, shape (words_for(rows, columns, blocks),)
        Working space, filled by `pack`.
    source, target : int
        Block of the grid before and after; may be the same from two steps on.
    rows, columns : int
        Size of the torus.
    depth : int
        Steps to run, 1 to DEPTH.
    """
    width = strip_width(columns)
    row = row_words(width)
    source = first_word(source, rows, width)
    target = first_word(target, rows, width)
    for spare in range(2 * depth + 1):
        y = spare - depth if spare < depth else rows + spare - depth
        _copy_row(words, source + y % rows * row, source + y * row, width)
    for turn in range(depth - 1 + (rows + 1) // 2):
        for step in range(min(depth, turn + 1)):
            y = 2 * turn + 1 - depth - step
            old = LANES + (turn - step) % depth * 2 * row
            new = LANES + (turn - step + 1) % depth * 2 * row
            above = old if step else source + (y - 1) * row
            lower = new if step else source + (y + 1) * row
            after = old if step < depth - 1 else target + y * row
            _advance_two_rows(words, above, above + row, lower, lower + row, after, after + row, width)
            _join_ends(words, after, width)
            _join_ends(words, after + row, width)


@part
def _riffle(line: Words, riffled: Words) -> None:
    """Lay the halves of a row into each other, cell by cell; after four times, a row is vectors of its 16 strips."""
    half = line.shape[0] >> 1
    for i in range(half):
        riffled[2 * i] = line[i]
        riffled[2 * i + 1] = line[half + i]


@part
def _part(line: Words, parted: Words) -> None:
    """Undo a riffle."""
    half = line.shape[0] >> 1
    for i in range(half):
        parted[i] = line[2 * i]
        parted[half + i] = line[2 * i + 1]


@part
def _copy(line: Words, copied: Words) -> None:
    for i in range(copied.shape[0]):
        copied[i] = line[i]


@part
def _enliven(energies: Energies, line: Words) -> None:
    for i in range(line.shape[0]):
        energy = np.uint16(energies[i])
        line[i] = energy + ALIVE if energy else energy


@part
def _mask_energies(line: Words, energies: Energies) -> None:
    for i in range(energies.shape[0]):
        energies[i] = line[i] & ENERGY_MASK


@kernel
def pack(grid: Energies, words: Words) -> None:
    """Write a grid into the first block of a working space.

    Parameters
    ----------
    grid : ndarray of uint8, shape (rows, columns)
        Energy of each cell.
    words : ndarray of uint16, shape (words_for(rows, columns, blocks),)
        Working space; the rows of the steps between are used on the way.
    """
    rows, columns = grid.shape
    width = strip_width(columns)
    size = width * LANES
    line, other = words[:size], words[size : 2 * size]
    for y in range(rows):
        for left in range(0, size, columns):
            _enliven(grid[y], line[left : left + columns])
        for _ in range(2):
            _riffle(line, other)
            _riffle(other, line)
        at = first_word(0, rows, width) + y * row_words(width)
        _copy(line, words[at : at + size])
        _join_ends(words, at, width)


@kernel
def unpack(words: Words, block: int, grid: Energies) -> None:
    """Write a block's cells into a grid; the opposite of `pack`."""
    rows, columns = grid.shape
    width = strip_width(columns)
    size = width * LANES
    line, other = words[:size], words[size : 2 * size]
    for y in range(rows):
        at = first_word(block, rows, width) + y * row_words(width)
        _copy(words[at : at + size], line)
        for _ in range(2):
            _part(line, other)
            _part(other, line)
        _mask_energies(line, grid[y])


def _aligned(count: int) -> Words:
    """Make an array whose vectors never lie across two cache lines; arrays made in kernels are so anyway."""
    words = np.empty(count + LANES, np.uint16)
    first = -words.ctypes.data % VECTOR_BYTES // words.itemsize
    return words[first : first + count]


def step_dense(grid: Energies, steps: int) -> Energies:
    """Step a whole torus.

    Parameters
    ----------
    grid : ndarray of uint8, shape (rows, columns)
        Energy of each cell; 0 is dead.
    steps : int
        Steps to run.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        The grid afterwards; the argument is left as it was.
    """
    rows, columns = grid.shape
    target = 1 if steps == 1 else 0
    words = _aligned(words_for(rows, columns, 1 + target))
    pack(grid, words)
    passes = -(-steps // DEPTH)
    for number in range(passes):
        depth = steps * (number + 1) // passes - steps * number // passes
        advance(words, 0, target, rows, columns, depth)
    after = np.empty_like(grid)
    unpack(words, target, after)
    return after


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
