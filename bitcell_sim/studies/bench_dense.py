"""Speed of the whole-grid automaton beside a plain loop in C++, pair by pair."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.errors import LabError
from bitcell_sim.studies.timing import Content, Timing, best_of, built_in_cpp

if TYPE_CHECKING:
    from bitcell_sim.kernels.ships import Energies

SIDES = (1024, 4096)
STEPS = 256
# Pairs of a side: the larger torus takes 16 times as long, and is less disturbed.
PAIRS = (15, 3)
NUMPY_STEPS = 8
_SOUP_DENSITY = 96  # live cells in 256: close to the density at which most cells change
_SEED = 1


def bench_dense(*, sides: tuple[int, ...] = SIDES, steps: int = STEPS, pairs: tuple[int, ...] = PAIRS) -> Content:
    """Cell-steps a second of the dense automaton, one thread, beside the same rule as a plain loop in C++.

    Parameters
    ----------
    sides : tuple of int
        Cells along one side of each torus; the first is the benchmark, the others stand under ``also``.
    steps : int
        Steps.
    pairs : tuple of int
        For each side, how often both are timed, in turn. The least counts as the time, the median over the pairs as the
        ratio, of processor time, so that what disturbs both does not count.

    Raises
    ------
    LabError
        If two grids differ.
    """
    with built_in_cpp("dense_step.cpp") as program:
        first, *others = (
            _beside_cpp(program, side, steps, count) if program else _beside_numpy(side, steps)
            for side, count in zip(sides, pairs, strict=True)
        )
    return {"name": "dense", **first, "also": others}


def _work(side: int, steps: int) -> str:
    return f"{steps} steps of a {side} x {side} torus, one thread, packing included; any other grid takes as long"


def _demand_same(after: Energies, expected: Energies, name: str, steps: int) -> None:
    if not np.array_equal(after, expected):
        raise LabError(f"the dense automaton and {name} disagree after {steps} steps")


def _run_cpp(program: Path, grid: Energies, steps: int) -> tuple[Timing, Energies]:
    """Step a grid in C++; the time is that of the steps alone."""
    command = [str(program), str(len(grid)), str(steps)]
    ran = subprocess.run(command, input=grid.tobytes(), capture_output=True, check=True)
    wall_s, cpu_s = map(float, ran.stderr.split())
    return Timing(wall_s, cpu_s), np.frombuffer(ran.stdout, np.uint8).reshape(grid.shape)


def _beside_cpp(program: Path, side: int, steps: int, pairs: int) -> Content:
    from bitcell_sim.kernels.dense_automaton import soup, step_dense

    name = "the same rule as a plain loop in C++ (g++ -O3 -march=native)"
    grid = soup(np.uint64(_SEED), _SOUP_DENSITY, side)
    _demand_same(step_dense(grid, steps), _run_cpp(program, grid, steps)[1], name, steps)
    ours, theirs = [], []
    for _ in range(pairs):
        theirs.append(_run_cpp(program, grid, steps)[0])
        ours.append(best_of(1, lambda: step_dense(grid, steps))[0])
    work = float(side * side * steps)
    return {
        "work": _work(side, steps),
        **Timing.least(ours).figures(work),
        "reference": {"name": name, **Timing.least(theirs).figures(work)},
        "ratio": statistics.median(there.cpu_s / here.cpu_s for here, there in zip(ours, theirs, strict=True)),
    }


def _beside_numpy(side: int, steps: int) -> Content:
    from bitcell_sim.kernels.automaton_plain import step_grid
    from bitcell_sim.kernels.dense_automaton import soup, step_dense

    name = f"the plain twin in numpy, {NUMPY_STEPS} steps scaled (no g++ here)"
    grid = soup(np.uint64(_SEED), _SOUP_DENSITY, side)

    def step_plainly() -> Energies:
        after = grid
        for _ in range(NUMPY_STEPS):
            after = step_grid(after)
        return after

    plain, expected = best_of(1, step_plainly)
    _demand_same(step_dense(grid, NUMPY_STEPS), expected, name, NUMPY_STEPS)
    timing, _ = best_of(3, lambda: step_dense(grid, steps))
    theirs = plain.scaled(steps / NUMPY_STEPS)
    work = float(side * side * steps)
    return {
        "work": _work(side, steps),
        **timing.figures(work),
        "reference": {"name": name, **theirs.figures(work)},
        "ratio": theirs.cpu_s / timing.cpu_s,
    }
