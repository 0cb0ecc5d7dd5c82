"""What a battle's seed decides, where it starts and how it is scored: everything but the steps between.

Cells are two arrays: flat indexes (y * 1024 + x) in ascending order and their energies. Signed and unsigned 64-bit
words never mix in one expression, because numba would turn them into a float.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.ships import CELLS, NAMES, SIDE, Energies

MASK = SIDE - 1
AREA = SIDE * SIDE
SPAWN_X = (256, 768)
SPAWN_Y = 512
REGION_SIDE = 128
REGION_AREA = REGION_SIDE * REGION_SIDE
REGION_LEFT = (192, 704)
REGION_TOP = 448
CELLS_AT_START_MAX = 40

# Winner, stage, raw, final, MII, TED and hash of each player; then live cells, energy and hash before and after.
Figures: TypeAlias = tuple[Any, ...]

BY_ENERGY, BY_MII, BY_TED, BY_LEX = 0, 1, 2, 3

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
ZERO_WORD = np.uint64(0)
# Prime raised to 2^i: a run of n zero bytes multiplies the hash by prime^n.
PRIME_POWERS = np.array([pow(0x100000001B3, 2**i, 2**64) for i in range(21)], np.uint64)

# The loop count needs 32-bit floats, multiplied before it is divided, for each value of seed byte 16.
_PERCENT = np.float32(1.0) + (np.arange(256, dtype=np.float32) / np.float32(255.0)) * np.float32(4.0)
NOISE_ITERATIONS = (np.float32(AREA) * _PERCENT / np.float32(100.0)).astype(np.int64)

SHIP_COUNTS = np.array([len(cells) for cells in CELLS], np.int64)
SHIP_CELLS = np.zeros((len(CELLS), max(len(cells) for cells in CELLS), 2), np.int64)
for _ship, _cells in enumerate(CELLS):
    SHIP_CELLS[_ship, : len(_cells)] = _cells
NAME_BYTES = np.zeros((len(NAMES), max(map(len, NAMES))), np.uint8)
NAME_LENGTHS = np.array([len(name) for name in NAMES], np.int64)
for _ship, _name in enumerate(NAMES):
    NAME_BYTES[_ship, : len(_name)] = list(_name.encode("ascii"))


@njit
def is_zero(seed: bytes) -> bool:
    """Whether all 32 seed bytes are zero, which turns jitter, noise and fluctuation off."""
    combined = 0
    for i in range(32):
        combined |= seed[i]
    return combined == 0


@njit
def seed_word(seed: bytes, word: int) -> int:
    """Little-endian 32-bit word of the seed, word 0 to 7."""
    value: Any = 0
    for byte in range(4):
        value |= np.int64(seed[4 * word + byte]) << (8 * byte)
    return int(value)


@njit
def corner(seed: bytes, zero: bool, player: int) -> tuple[int, int]:
    """Place (x, y) of a player's pattern: the spawn point moved by its jitter; never wraps."""
    x = SPAWN_X[player]
    y = SPAWN_Y
    if not zero:
        x += seed_word(seed, 2 * player) % 21 - 10
        y += seed_word(seed, 2 * player + 1) % 21 - 10
    return x, y


@njit
def place_ships(
    ship_a: int, energy_a: int, ship_b: int, energy_b: int, seed: bytes, zero: bool, indexes: Ints, energies: Energies
) -> int:
    """Write both ships' cells; return how many. The spawn points are too far apart to touch."""
    count = 0
    for player in range(2):
        ship = ship_b if player else ship_a
        energy = max(energy_b if player else energy_a, 1)
        left, top = corner(seed, zero, player)
        for cell in range(SHIP_COUNTS[ship]):
            indexes[count] = (top + SHIP_CELLS[ship, cell, 1]) * SIDE + left + SHIP_CELLS[ship, cell, 0]
            energies[count] = energy
            count += 1
    return count


@njit
def place_noise(seed: bytes, zero: bool, indexes: Ints, energies: Energies, count: int) -> int:
    """Add the noise cells to those placed; return how many cells there are.

    Notes
    -----
    The protocol's loop of 10,485 to 52,428 iterations reads the seed at four times the iteration modulo 32, so it
    has eight candidates, word j against word j + 4 modulo 8; the first to reach a dead cell sets it.
    """
    if zero:
        return count
    for candidate in range(8):
        x = seed_word(seed, candidate) & MASK
        y = seed_word(seed, (candidate + 4) & 7) & MASK
        index = y * SIDE + x
        taken = False
        for placed in range(count):
            if indexes[placed] == index:
                taken = True
                break
        if not taken:
            indexes[count] = index
            energies[count] = np.int64(seed[(4 * candidate + 20) & 31]) % 100 + 1
            count += 1
    return count


@njit
def sort_cells(indexes: Ints, energies: Energies, count: int) -> None:
    """Sort cells by index, in place; insertion sort, meant for some hundred cells."""
    for i in range(1, count):
        index = indexes[i]
        energy = energies[i]
        j = i - 1
        while j >= 0 and indexes[j] > index:
            indexes[j + 1] = indexes[j]
            energies[j + 1] = energies[j]
            j -= 1
        indexes[j + 1] = index
        energies[j + 1] = energy


@njit
def region_of(index: int) -> int:
    """Region a cell lies in: 0 for A's, 1 for B's, -1 for neither."""
    if not 0 <= (index // SIDE) - REGION_TOP < REGION_SIDE:
        return -1
    x = index & MASK
    if 0 <= x - REGION_LEFT[0] < REGION_SIDE:
        return 0
    if 0 <= x - REGION_LEFT[1] < REGION_SIDE:
        return 1
    return -1


@njit
def sparse_fnv(indexes: Ints, energies: Energies, count: int) -> np.uint64:
    """FNV-1a (64 bits) over all 1,048,576 cell bytes of a grid given by its sorted live cells."""
    digest = FNV_OFFSET
    at = 0
    for i in range(count + 1):
        stop = indexes[i] if i < count else AREA
        gap = stop - at
        power = 0
        while gap:
            if gap & 1:
                digest *= PRIME_POWERS[power]
            gap >>= 1
            power += 1
        if i < count:
            digest = (digest ^ np.uint64(energies[i])) * FNV_PRIME
            at = stop + 1
    return digest


@njit
def dense_fnv(grid: Energies) -> np.uint64:
    """FNV-1a (64 bits) over every byte of a flat grid."""
    digest = FNV_OFFSET
    for byte in grid:
        digest = (digest ^ np.uint64(byte)) * FNV_PRIME
    return digest


@njit
def census(indexes: Ints, energies: Energies, count: int) -> tuple[int, int, int]:
    """Energy in A's region, in B's region and in all, of a grid given by its live cells."""
    region_a = 0
    region_b = 0
    total = 0
    for i in range(count):
        energy: Any = np.int64(energies[i])
        total += energy
        region = region_of(indexes[i])
        if region == 0:
            region_a += energy
        elif region == 1:
            region_b += energy
    return region_a, region_b, total


@njit
def sort_and_count(indexes: Ints, energies: Energies, count: int) -> tuple[int, int, np.uint64]:
    """Sort a grid's live cells in place; return their count, total energy and the grid's FNV-1a hash."""
    sort_cells(indexes, energies, count)
    return count, census(indexes, energies, count)[2], sparse_fnv(indexes, energies, count)


@njit
def fluctuated(raw: int, seed: bytes, zero: bool, player: int) -> int:
    """Energy after the seed's fluctuation of 95 to 105 %; at least 1 unless the seed is zero."""
    if zero:
        return raw
    return max(1, int(raw * (0.95 + (np.float64(seed[24 + player]) / 255.0) * 0.10)))


@njit
def lexicographic_hash(seed: bytes, ship: int, x: int, y: int) -> np.uint64:
    """Tie-break hash over the seed, the pattern's name and the position; the smaller one wins."""
    digest = FNV_OFFSET
    for i in range(32):
        digest = (digest ^ np.uint64(seed[i])) * FNV_PRIME
    for i in range(NAME_LENGTHS[ship]):
        digest = (digest ^ np.uint64(NAME_BYTES[ship, i])) * FNV_PRIME
    digest = (digest ^ np.uint64(x)) * FNV_PRIME
    return (digest ^ np.uint64(y)) * FNV_PRIME


@njit
def entropy_term(count: int) -> float:
    """Share of Shannon entropy, bits, of one byte value that fills `count` cells of a region."""
    share = count / REGION_AREA
    return share * math.log2(share)


@njit
def decide(
    seed: bytes,
    players: tuple[tuple[int, int, int], tuple[int, int, int]],
    raw: tuple[int, int],
    history: bool,
    mii: tuple[int, int],
    ted: tuple[float, float],
) -> Figures:
    """Decide a battle by energy, then MII and TED if there is a history, then the smaller hash; equal hashes give A.

    Parameters
    ----------
    seed : bytes
        32 bytes.
    players : tuple
        Ship, x and y of each player.
    raw : tuple of int
        Energy in each player's region.
    history : bool
        Whether MII and TED count.
    mii, ted : tuple
        Both history scores of each player.

    Returns
    -------
    tuple
        Winner and stage, then raw and final energy, MII, TED and hash of each player.
    """
    zero = is_zero(seed)
    final_a = fluctuated(raw[0], seed, zero, 0)
    final_b = fluctuated(raw[1], seed, zero, 1)
    lex_a = lexicographic_hash(seed, players[0][0], players[0][1], players[0][2])
    lex_b = lexicographic_hash(seed, players[1][0], players[1][1], players[1][2])
    if final_a != final_b:
        stage = BY_ENERGY
        winner = 0 if final_a > final_b else 1
    elif history and mii[0] != mii[1]:
        stage = BY_MII
        winner = 0 if mii[0] > mii[1] else 1
    elif history and ted[0] != ted[1]:
        stage = BY_TED
        winner = 0 if ted[0] > ted[1] else 1
    else:
        stage = BY_LEX
        winner = 0 if lex_a <= lex_b else 1
    return winner, stage, raw[0], raw[1], final_a, final_b, mii[0], mii[1], ted[0], ted[1], lex_a, lex_b
