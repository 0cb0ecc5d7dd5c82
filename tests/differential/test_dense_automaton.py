"""Whole-grid steps against their slow twin, cell by cell; and the vectors that they are written in against numpy."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitcell_sim.kernels import lanes
from bitcell_sim.kernels.automaton_plain import step_grid
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.dense_automaton import DEPTH, soup, step_dense
from bitcell_sim.kernels.ships import SIDE

# Widths that are no multiple of a vector, and those of one strip a cell and more.
widths = st.one_of(st.integers(1, 70), st.sampled_from([128, 240, 1024]))


def stepped_plainly(grid: Any, steps: int) -> Any:
    for _ in range(steps):
        grid = step_grid(grid)
    return grid


@settings(max_examples=60)
@given(
    st.integers(1, 70),
    widths,
    st.integers(0, 2**32),
    st.floats(0, 1),
    st.sampled_from([(1, 255), (1, 1), (254, 255)]),
    st.integers(0, 2 * DEPTH + 3),
)
@example(1, 1, 0, 1.0, (255, 255), 3)
@example(2, 3, 0, 1.0, (255, 255), 1)
def test_any_torus(rows: int, columns: int, seed: int, density: float, energies: tuple[int, int], steps: int) -> None:
    """Any size, even where a cell is its own neighbour, and any number of steps beside the passes."""
    generator = np.random.default_rng(seed)
    alive = generator.random((rows, columns)) < density
    grid = (generator.integers(energies[0], energies[1] + 1, (rows, columns)) * alive).astype(np.uint8)
    before = grid.copy()
    assert np.array_equal(step_dense(grid, steps), stepped_plainly(grid, steps))
    assert np.array_equal(grid, before)


@pytest.mark.parametrize("steps", range(2 * DEPTH + 2))
def test_one_call_is_as_many_single_steps(steps: int) -> None:
    grid = soup(np.uint64(3), 100, 48)
    alone = grid
    for _ in range(steps):
        alone = step_dense(alone, 1)
    assert np.array_equal(step_dense(grid, steps), alone)


def test_a_long_run() -> None:
    grid = soup(np.uint64(11), 90, 80)
    assert np.array_equal(step_dense(grid, 500), stepped_plainly(grid, 500))


@pytest.mark.parametrize("side", [SIDE, 4 * SIDE])
def test_full_size(side: int) -> None:
    grid = soup(np.uint64(5), 100, side)
    steps = DEPTH + 1 if side == SIDE else 2
    assert np.array_equal(step_dense(grid, steps), stepped_plainly(grid, steps))


@njit
def do_everything(words: Any, number: int, out: Any) -> None:
    one, other = lanes.load(words, 0), lanes.load(words, lanes.LANES)
    lanes.store(out, 0, one + other)
    lanes.store(out, lanes.LANES, one - other)
    lanes.store(out, 2 * lanes.LANES, lanes.where(one > other, one, other))
    lanes.store(out, 3 * lanes.LANES, lanes.where(one == other, lanes.spread(number), one))
    lanes.store(out, 4 * lanes.LANES, lanes.high_product(one, other))
    lanes.store(out, 5 * lanes.LANES, lanes.turn_up(one))
    lanes.store(out, 6 * lanes.LANES, lanes.turn_down(one))


words16 = st.lists(st.integers(0, 2**16 - 1), min_size=lanes.LANES, max_size=lanes.LANES)


@given(words16, words16, st.integers(0, 2**16 - 1), st.lists(st.booleans(), min_size=16, max_size=16))
def test_vectors_do_what_numpy_does(one: list[int], other: list[int], number: int, equal: list[bool]) -> None:
    a = np.array(one, np.uint16)
    b = np.where(equal, a, np.array(other, np.uint16))
    out = np.zeros(7 * lanes.LANES, np.uint16)
    do_everything(np.concatenate([a, b]), number, out)
    expected = [
        operator.add(a, b),
        operator.sub(a, b),
        np.where(a.view(np.int16) > b.view(np.int16), a, b),
        np.where(a == b, np.uint16(number), a),
        (a.astype(np.uint32) * b >> 16).astype(np.uint16),
        np.roll(a, 1),
        np.roll(a, -1),
    ]
    assert np.array_equal(out, np.concatenate(expected))
