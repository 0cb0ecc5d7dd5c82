"""A battle decided without stepping, when it can be proved that nothing meets.

Notes
-----
Two ships alone repeat after four steps, shifted. The result is known at once if, on the torus,

1. every noise cell is at least three columns or rows from both ships at the start, and from every other noise cell
   but at most one: then it has at most one neighbour and dies in step 1, and no dead cell has three neighbours among
   it, its partner and anything else, so it is as if it had never been there;
2. the boxes of the two ships are always parted by two free columns or rows, so that no cell ever has a neighbour of
   both. A box with a gap of g lines keeps two for g // 2 steps, as a line of cells grows by at most one a step.
   The known boxes at that time give the next gap, and so on to the end (or through 4096 steps, after which the whole
   torus repeats, as all shifts divide it).

Both are checked on every call. The energy of a ship's cells never changes: births average equal energies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitcell_sim.kernels.arrays import Floats, Ints
from bitcell_sim.kernels.battle_rules import (
    CELLS_AT_START_MAX,
    MASK,
    REGION_AREA,
    REGION_LEFT,
    REGION_SIDE,
    REGION_TOP,
    Figures,
    corner,
    decide,
    entropy_term,
    is_zero,
    place_noise,
    place_ships,
    region_of,
    seed_word,
    sort_and_count,
)
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.ships import SIDE, Energies, derive_motion

_motion = derive_motion()
COUNTS = _motion.counts
CELLS = _motion.cells
FLIP_COUNTS = _motion.flip_counts
FLIPS = _motion.flips
BOXES = _motion.boxes
SHIFTS = _motion.shifts
TORUS_PERIOD = 4 * SIDE
REACH = 3
LIVE_MAX = 20

Corner = tuple[int, int]

OUTSIDE, INSIDE, STRADDLING = 0, 1, 2
UNKNOWN = -1.0


@njit
def _noise_dies(seed: bytes, corners: tuple[Corner, Corner], ships: tuple[int, int]) -> bool:
    """Whether every noise cell is three lines from all else but one other noise cell, and so dies without effect."""
    xs = np.empty(8, np.int64)
    ys = np.empty(8, np.int64)
    paired = np.zeros(8, np.bool_)
    cells = 0
    for candidate in range(8):
        x = seed_word(seed, candidate) & MASK
        y = seed_word(seed, (candidate + 4) & 7) & MASK
        placed = False
        for other in range(cells):
            dx = (x - xs[other] + REACH - 1) & MASK
            dy = (y - ys[other] + REACH - 1) & MASK
            if dx == REACH - 1 and dy == REACH - 1:
                placed = True
            elif dx < 2 * REACH - 1 and dy < 2 * REACH - 1:
                if paired[cells] or paired[other]:
                    return False
                paired[cells] = paired[other] = True
        if placed:
            paired[cells] = False
            continue
        for player in range(2):
            box = BOXES[ships[player], 0]
            dx = (x - corners[player][0] - box[0] + REACH) & MASK
            dy = (y - corners[player][1] - box[1] + REACH) & MASK
            if dx < box[2] + 2 * REACH and dy < box[3] + 2 * REACH:
                return False
        xs[cells] = x
        ys[cells] = y
        cells += 1
    return True


@njit
def _free_lines(start: int, size: int, other_start: int, other_size: int) -> int:
    """Free lines between two intervals of the torus, the fewer way round; negative or 0 without any."""
    return min(((other_start - start) & MASK) - size, ((start - other_start) & MASK) - other_size)


@njit
def _never_meet(corners: tuple[Corner, Corner], ships: tuple[int, int], steps: int) -> bool:
    """Whether the ships' boxes are parted by two free lines before each of the steps."""
    a, b = ships
    if SHIFTS[a, 0] == SHIFTS[b, 0] and SHIFTS[a, 1] == SHIFTS[b, 1]:
        steps = min(steps, 4)
    now = 0
    last = min(steps, TORUS_PERIOD)
    while now < last:
        phase = now & 3
        turns = now >> 2
        box_a = BOXES[a, phase]
        box_b = BOXES[b, phase]
        free = max(
            _free_lines(
                corners[0][0] + box_a[0] + turns * SHIFTS[a, 0],
                box_a[2],
                corners[1][0] + box_b[0] + turns * SHIFTS[b, 0],
                box_b[2],
            ),
            _free_lines(
                corners[0][1] + box_a[1] + turns * SHIFTS[a, 1],
                box_a[3],
                corners[1][1] + box_b[1] + turns * SHIFTS[b, 1],
                box_b[3],
            ),
        )
        if free < 2:
            return False
        now += free >> 1
    return True


@njit
def _place_at(
    ship: int, energy: int, left: int, top: int, phase: int, indexes: Ints, energies: Energies, count: int
) -> int:
    """Write a ship's cells in one phase; return how many cells there are."""
    for cell in range(COUNTS[ship, phase]):
        x = (left + CELLS[ship, phase, cell, 0]) & MASK
        y = (top + CELLS[ship, phase, cell, 1]) & MASK
        indexes[count] = y * SIDE + x
        energies[count] = energy
        count += 1
    return count


@njit
def _lies(left: int, top: int, box: Ints, region: int) -> int:
    """Whether a ship, in this phase and the next, lies outside a region, inside it or on its edge."""
    x = (left + box[0] - REGION_LEFT[region]) & MASK
    y = (top + box[1] - REGION_TOP) & MASK
    if (x >= REGION_SIDE and x + box[2] <= SIDE) or (y >= REGION_SIDE and y + box[3] <= SIDE):
        return OUTSIDE
    if x + box[2] <= REGION_SIDE and y + box[3] <= REGION_SIDE:
        return INSIDE
    return STRADDLING


@njit
def _lines_to(ship: int, left: int, top: int, phase: int, region: int) -> int:
    """Free lines between a ship, in this phase and the next, and a region; negative if they overlap."""
    box = BOXES[ship, phase]
    x = (left + box[0] - REGION_LEFT[region]) & MASK
    y = (top + box[1] - REGION_TOP) & MASK
    return int(max(min(x - REGION_SIDE, SIDE - x - box[2]), min(y - REGION_SIDE, SIDE - y - box[3])))


@njit
def _count_inside(offsets: Ints, count: int, left: int, top: int, region: int) -> int:
    """How many of some cells lie in a region."""
    inside = 0
    for cell in range(count):
        x = (left + offsets[cell, 0] - REGION_LEFT[region]) & MASK
        y = (top + offsets[cell, 1] - REGION_TOP) & MASK
        if x < REGION_SIDE and y < REGION_SIDE:
            inside += 1
    return inside


@njit
def _one_step(ship: int, left: int, top: int, phase: int, region: int) -> tuple[int, int]:
    """Cells of a ship that change in a region in the step from this phase, and those alive in it afterwards."""
    where = _lies(left, top, BOXES[ship, phase], region)
    if where == OUTSIDE:
        return 0, 0
    after = (phase + 1) & 3
    if where == INSIDE:
        return FLIP_COUNTS[ship, phase], COUNTS[ship, after]
    changes = _count_inside(FLIPS[ship, phase], FLIP_COUNTS[ship, phase], left, top, region)
    if after == 0:
        left += SHIFTS[ship, 0]
        top += SHIFTS[ship, 1]
    return changes, _count_inside(CELLS[ship, after], COUNTS[ship, after], left, top, region)


@njit
def _entropy(live_a: int, live_b: int, energy_a: int, energy_b: int) -> float:
    """Shannon entropy, bits, of a region with some cells of each player, in ascending cell value."""
    entropy = 0.0
    if live_a + live_b < REGION_AREA:
        entropy -= entropy_term(REGION_AREA - live_a - live_b)
    if energy_a == energy_b:
        return entropy - entropy_term(live_a + live_b)
    if energy_a > energy_b:
        live_a, live_b = live_b, live_a
    if live_a:
        entropy -= entropy_term(live_a)
    if live_b:
        entropy -= entropy_term(live_b)
    return entropy


@njit
def _region_history(
    corners: tuple[Corner, Corner],
    ships: tuple[int, int],
    powers: tuple[int, int],
    steps: int,
    region: int,
    known: Floats,
) -> tuple[int, float]:
    """Squared changes and entropy of a region, summed over the steps, by two ships that never meet.

    Parameters
    ----------
    known : ndarray of float64, shape (20, 20)
        Working space: entropy by the count of each player's cells; negative where it is not known yet.
    """
    for live_a in range(LIVE_MAX):
        for live_b in range(LIVE_MAX):
            known[live_a, live_b] = UNKNOWN
    changes_a = changes_b = 0
    ted = 0.0
    step = 0
    while step < steps:
        phase = step & 3
        turns = step >> 2
        left_a, top_a = corners[0][0] + turns * SHIFTS[ships[0], 0], corners[0][1] + turns * SHIFTS[ships[0], 1]
        left_b, top_b = corners[1][0] + turns * SHIFTS[ships[1], 0], corners[1][1] + turns * SHIFTS[ships[1], 1]
        # A box grows by at most one line a step, so this many steps later both are still outside.
        free = min(_lines_to(ships[0], left_a, top_a, phase, region), _lines_to(ships[1], left_b, top_b, phase, region))
        if free >= 0:
            step += free + 1
            continue
        change_a, live_a = _one_step(ships[0], left_a, top_a, phase, region)
        change_b, live_b = _one_step(ships[1], left_b, top_b, phase, region)
        changes_a += change_a
        changes_b += change_b
        if live_a + live_b:
            if known[live_a, live_b] < 0.0:
                known[live_a, live_b] = _entropy(live_a, live_b, powers[0], powers[1])
            ted += known[live_a, live_b]
        step += 1
    return changes_a * powers[0] * powers[0] + changes_b * powers[1] * powers[1], ted


@njit
def _noise_deaths(indexes: Ints, energies: Energies, first: int, count: int, region: int) -> int:
    """Squared changes in a region when the noise cells die in step 1."""
    squares = 0
    for cell in range(first, count):
        if region_of(indexes[cell]) == region:
            energy: Any = np.int64(energies[cell])
            squares += energy * energy
    return squares


@njit
def _ship_energy_inside(ship: int, energy: int, left: int, top: int, phase: int, region: int) -> int:
    where = _lies(left, top, BOXES[ship, phase], region)
    if where == OUTSIDE:
        return 0
    if where == INSIDE:
        return energy * int(COUNTS[ship, phase])
    return energy * _count_inside(CELLS[ship, phase], COUNTS[ship, phase], left, top, region)


@njit
def fight_in_closed_form(
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
    """Decide a battle without stepping, if nothing meets.

    Parameters and results are those of `fight_by_steps`, after a first result that is False, the others being 0,
    if the preconditions do not hold.
    """
    zero = is_zero(seed)
    ships = (ship_a, ship_b)
    powers = (max(energy_a, 1), max(energy_b, 1))
    corners = (corner(seed, zero, 0), corner(seed, zero, 1))
    none = (0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, np.uint64(0), np.uint64(0), 0, 0, np.uint64(0), 0, 0, np.uint64(0))
    # Without a step the noise is still there.
    if steps == 0 or not (zero or _noise_dies(seed, corners, ships)) or not _never_meet(corners, ships, steps):
        return (False, *none)
    phase = steps & 3
    turns = (steps >> 2) & MASK
    left_a, top_a = corners[0][0] + turns * SHIFTS[ship_a, 0], corners[0][1] + turns * SHIFTS[ship_a, 1]
    left_b, top_b = corners[1][0] + turns * SHIFTS[ship_b, 0], corners[1][1] + turns * SHIFTS[ship_b, 1]
    raw_a = raw_b = 0
    # A loop, as numba would compile the functions once for each constant region.
    for region in range(2):
        raw = _ship_energy_inside(ship_a, powers[0], left_a, top_a, phase, region)
        raw += _ship_energy_inside(ship_b, powers[1], left_b, top_b, phase, region)
        if region:
            raw_b = raw
        else:
            raw_a = raw
    mii_a = mii_b = start_live = start_total = live = total = 0
    ted_a = ted_b = 0.0
    start_hash = end_hash = np.uint64(0)
    if history or full:
        indexes = np.empty(CELLS_AT_START_MAX, np.int64)
        energies = np.empty(CELLS_AT_START_MAX, np.uint8)
        first = place_ships(ship_a, energy_a, ship_b, energy_b, seed, zero, indexes, energies)
        count = place_noise(seed, zero, indexes, energies, first)
        if history:
            known = np.empty((LIVE_MAX, LIVE_MAX))
            for region in range(2):
                mii, ted = _region_history(corners, ships, powers, steps, region, known)
                mii += _noise_deaths(indexes, energies, first, count, region)
                if region:
                    mii_a, ted_a = mii, ted
                else:
                    mii_b, ted_b = mii, ted
        if full:
            start_live, start_total, start_hash = sort_and_count(indexes, energies, count)
            live = _place_at(ship_a, powers[0], left_a, top_a, phase, indexes, energies, 0)
            live = _place_at(ship_b, powers[1], left_b, top_b, phase, indexes, energies, live)
            live, total, end_hash = sort_and_count(indexes, energies, live)
    players = ((ship_a, x_a, y_a), (ship_b, x_b, y_b))
    decision = decide(seed, players, (raw_a, raw_b), history, (mii_a, mii_b), (ted_a, ted_b))
    return (True, *decision, start_live, start_total, start_hash, live, total, end_hash)
