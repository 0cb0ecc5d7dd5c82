"""The four ships of a battle: their cells, and how each moves, derived once by the rule itself.

A ship is a pattern that reappears, shifted, after four steps. Nothing below states the shift: it is found by
applying the birth and survival rule, and an error is raised if a pattern does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Energy of cells, 0 for a dead one; and cells with their state of life in the same 16-bit word.
Energies: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint16]

SIDE = 1024
PERIOD = 4

NAMES = ("Standard", "Lightweight", "Middleweight", "Heavyweight")
DEFAULT_ENERGIES = (100, 120, 140, 160)
DRAWINGS = (
    (".#.", "..#", "###"),
    (".#..#", "#....", "#...#", "####."),
    ("...#..", ".#...#", "#.....", "#....#", "#####."),
    ("...##..", ".#....#", "#......", "#.....#", "######."),
)

Cell = tuple[int, int]


def drawn_cells(drawing: tuple[str, ...]) -> tuple[Cell, ...]:
    """Offsets (right, down) of the live cells of a drawing, row by row.

    >>> drawn_cells((".#", "#."))
    ((1, 0), (0, 1))
    """
    return tuple((x, y) for y, row in enumerate(drawing) for x, mark in enumerate(row) if mark == "#")


CELLS = tuple(drawn_cells(drawing) for drawing in DRAWINGS)


def _next_generation(cells: frozenset[Cell]) -> frozenset[Cell]:
    counts: dict[Cell, int] = {}
    for x, y in cells:
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    counts[x + dx, y + dy] = counts.get((x + dx, y + dy), 0) + 1
    return frozenset(cell for cell, count in counts.items() if count == 3 or (count == 2 and cell in cells))


@dataclass(frozen=True)
class Motion:
    """How the ships move: every array has one row a ship and one column a phase (step modulo four).

    Parameters
    ----------
    counts : ndarray of int64, shape (4, 4)
        Live cells.
    cells : ndarray of int64, shape (4, 4, n, 2)
        Offsets (right, down) of the live cells from the corner where the ship was placed, row by row.
    flip_counts : ndarray of int64, shape (4, 4)
        Cells that change between this phase and the next.
    flips : ndarray of int64, shape (4, 4, n, 2)
        Offsets of those cells.
    boxes : ndarray of int64, shape (4, 4, 4)
        Left, top, width and height of the live cells of this phase and the next together.
    shifts : ndarray of int64, shape (4, 2)
        Cells (right, down) a ship has moved after four steps.
    """

    counts: NDArray[np.int64]
    cells: NDArray[np.int64]
    flip_counts: NDArray[np.int64]
    flips: NDArray[np.int64]
    boxes: NDArray[np.int64]
    shifts: NDArray[np.int64]


def _row_major(cells: frozenset[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: (cell[1], cell[0]))


def derive_motion() -> Motion:
    """Step each ship through its period and record every phase.

    Returns
    -------
    Motion
        The phases and shifts of the four ships.

    Raises
    ------
    ArithmeticError
        If a pattern is not a ship of period four.
    """
    width = 32
    counts = np.zeros((len(CELLS), PERIOD), np.int64)
    flip_counts = np.zeros_like(counts)
    cells = np.zeros((len(CELLS), PERIOD, width, 2), np.int64)
    flips = np.zeros_like(cells)
    boxes = np.zeros((len(CELLS), PERIOD, 4), np.int64)
    shifts = np.zeros((len(CELLS), 2), np.int64)
    for ship, start in enumerate(CELLS):
        now = frozenset(start)
        for phase in range(PERIOD):
            after = _next_generation(now)
            changed = _row_major(now ^ after)
            counts[ship, phase], flip_counts[ship, phase] = len(now), len(changed)
            cells[ship, phase, : len(now)] = _row_major(now)
            flips[ship, phase, : len(changed)] = changed
            xs, ys = [x for x, _ in now | after], [y for _, y in now | after]
            boxes[ship, phase] = min(xs), min(ys), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1
            now = after
        shift = np.subtract(_row_major(now)[0], _row_major(frozenset(start))[0])
        if now != frozenset((x + int(shift[0]), y + int(shift[1])) for x, y in start):
            raise ArithmeticError(f"{NAMES[ship]} does not reappear after {PERIOD} steps")
        shifts[ship] = shift
    return Motion(counts, cells, flip_counts, flips, boxes, shifts)
