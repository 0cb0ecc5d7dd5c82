"""The slow, obvious twin of the battle kernels: plain Python and numpy, one cell at a time.

Nothing here is shared with the fast kernels but the drawings of the four ships, so agreement means something.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitcell_sim.kernels.ships import CELLS, NAMES, SIDE

Cells = dict[tuple[int, int], int]

SPAWN = ((256, 512), (768, 512))
REGION_HALF = 64
FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3
WORD = 2**64


def step_grid(grid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One step of a whole torus.

    Parameters
    ----------
    grid : ndarray of uint8, shape (side, side)
        Energy of each cell; 0 is dead.

    Returns
    -------
    ndarray of uint8, shape (side, side)
        The grid one step later.
    """
    count = np.zeros(grid.shape, np.int64)
    energy = np.zeros(grid.shape, np.int64)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dx or dy:
                neighbour = np.roll(grid, (dy, dx), (0, 1)).astype(np.int64)
                count += neighbour > 0
                energy += neighbour
    alive = grid > 0
    survives = alive & ((count == 2) | (count == 3))
    born = ~alive & (count == 3)
    return np.where(survives, grid, np.where(born, np.maximum(energy // 3, 1), 0)).astype(np.uint8)


def step_cells(cells: Cells, side: int = SIDE) -> Cells:
    """One step of a torus given by its live cells only.

    Parameters
    ----------
    cells : dict
        Energy of each live cell by (x, y).
    side : int
        Cells along one side.
    """
    neighbours: dict[tuple[int, int], list[int]] = {}
    for (x, y), energy in cells.items():
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if dx or dy:
                    neighbours.setdefault(((x + dx) % side, (y + dy) % side), []).append(energy)
    after: Cells = {}
    for cell, energies in neighbours.items():
        if cell in cells and len(energies) in (2, 3):
            after[cell] = cells[cell]
        elif cell not in cells and len(energies) == 3:
            after[cell] = max(sum(energies) // 3, 1)
    return after


def in_region(cell: tuple[int, int], player: int) -> bool:
    """Whether a cell lies in the 128 x 128 square around a player's spawn point."""
    x, y = SPAWN[player]
    return x - REGION_HALF <= cell[0] < x + REGION_HALF and y - REGION_HALF <= cell[1] < y + REGION_HALF


def shannon_entropy(cells: Cells, player: int) -> float:
    """Shannon entropy, bits, of the byte histogram of a player's region, summed in ascending cell value."""
    area = (2 * REGION_HALF) ** 2
    inside = [energy for cell, energy in cells.items() if in_region(cell, player)]
    entropy = 0.0
    for count in [area - len(inside), *(inside.count(value) for value in sorted(set(inside)))]:
        if count:
            entropy -= count / area * math.log2(count / area)
    return entropy


def fnv1a64(cells: Cells, side: int = SIDE) -> int:
    """FNV-1a, 64 bits, over the bytes of the whole grid row by row."""
    grid = bytearray(side * side)
    for (x, y), energy in cells.items():
        grid[y * side + x] = energy
    digest = FNV_OFFSET
    for byte in grid:
        digest = (digest ^ byte) * FNV_PRIME % WORD
    return digest


def lexicographic_hash(entropy: bytes, pattern: int, x: int, y: int) -> int:
    """Tie-break hash of a glider: seed bytes, pattern name, then x and y each as one whole 64-bit value."""
    digest = FNV_OFFSET
    for value in [*entropy, *NAMES[pattern].encode("ascii"), x, y]:
        digest = (digest ^ value) * FNV_PRIME % WORD
    return digest


def jitter(entropy: bytes, player: int) -> tuple[int, int]:
    """Shift (right, down), cells, of a player's spawn point."""
    x, y = struct.unpack_from("<II", entropy, 8 * player)
    return (x % 21 - 10, y % 21 - 10) if any(entropy) else (0, 0)


def noise_iterations(entropy: bytes) -> int:
    """How often the noise loop runs, in 32-bit floats as the protocol does."""
    if not any(entropy):
        return 0
    percent = np.float32(1.0) + (np.float32(entropy[16]) / np.float32(255.0)) * np.float32(4.0)
    return int(np.float32(SIDE * SIDE) * percent / np.float32(100.0))


def starting_cells(patterns: tuple[int, int], energies: tuple[int, int], entropy: bytes) -> Cells:
    """Place both gliders, then the noise, by the loop the protocol runs.

    Parameters
    ----------
    patterns : tuple of int
        Ship of each player, 0 to 3.
    energies : tuple of int
        Energy of each player's cells, 0 to 255; 0 is placed as 1.
    entropy : bytes
        32 bytes.
    """
    cells: Cells = {}
    for player in (0, 1):
        left, top = (spawn + shift for spawn, shift in zip(SPAWN[player], jitter(entropy, player), strict=True))
        for dx, dy in CELLS[patterns[player]]:
            cells[left + dx, top + dy] = max(energies[player], 1)
    for iteration in range(noise_iterations(entropy)):
        at = 4 * iteration % 32
        x, y = (
            int.from_bytes(bytes(entropy[(start + byte) % 32] for byte in range(4)), "little") % SIDE
            for start in (at, at + 16)
        )
        cells.setdefault((x, y), entropy[(at + 20) % 32] % 100 + 1)
    return cells


def region_energy(cells: Cells, player: int) -> int:
    """Total energy in a player's region."""
    return sum(energy for cell, energy in cells.items() if in_region(cell, player))


def final_energy(raw: int, entropy: bytes, player: int) -> int:
    """Energy after the seed's fluctuation of 95 to 105 %; at least 1 unless the seed is zero."""
    if not any(entropy):
        return raw
    return max(1, int(raw * (0.95 + (entropy[24 + player] / 255.0) * 0.10)))


def fight_plain(
    patterns: tuple[int, int],
    energies: tuple[int, int],
    positions: tuple[tuple[int, int], tuple[int, int]],
    entropy: bytes,
    steps: int,
    history: bool,
) -> dict[str, Any]:
    """Fight a battle the slow way.

    Parameters
    ----------
    patterns, energies : tuple of int
        Ship and energy of each player.
    positions : tuple of tuple of int
        (x, y) each player chose; it only enters the tie-break.
    entropy : bytes
        32 bytes.
    steps : int
        Steps to run.
    history : bool
        Whether the two history tie-breakers count.

    Returns
    -------
    dict
        The figures of a battle, by the names of the vector file; hashes as integers.
    """
    start = starting_cells(patterns, energies, entropy)
    cells, mii, ted = start, [0, 0], [0.0, 0.0]
    for _ in range(steps):
        after = step_cells(cells)
        if history:
            for player in (0, 1):
                mii[player] += sum(
                    (after.get(cell, 0) - cells.get(cell, 0)) ** 2
                    for cell in cells.keys() | after.keys()
                    if in_region(cell, 1 - player)
                )
                ted[player] += shannon_entropy(after, 1 - player)
        cells = after
    raw = [region_energy(cells, player) for player in (0, 1)]
    final = [final_energy(raw[player], entropy, player) for player in (0, 1)]
    lexicographic = [lexicographic_hash(entropy, patterns[player], *positions[player]) for player in (0, 1)]
    stages: list[tuple[str, list[Any]]] = [("energy", final)]
    if history:
        stages += [("mii", mii), ("ted", ted)]
    decided = next(((name, a > b) for name, (a, b) in stages if a != b), ("lex", lexicographic[0] <= lexicographic[1]))
    return {
        "outcome": "AWins" if decided[1] else "BWins",
        "decided_by": decided[0],
        "energy_raw": raw,
        "energy_final": final,
        "live": len(cells),
        "total_energy": sum(cells.values()),
        "cells": cells,
        "initial_live": len(start),
        "initial_total_energy": sum(start.values()),
        "initial_cells": start,
        "jitter_a": list(jitter(entropy, 0)),
        "jitter_b": list(jitter(entropy, 1)),
        "noise_iterations": noise_iterations(entropy),
        "mii": [float(value) for value in mii] if history else None,
        "ted": ted if history else None,
        "lex_hash": lexicographic,
    }
