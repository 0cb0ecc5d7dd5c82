"""The fast battle kernels against their slow twin, and against each other, to the last bit."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.battle import Glider, Pattern, fight
from bitcell_sim.kernels.automaton import evolve, evolve_dense
from bitcell_sim.kernels.automaton_plain import (
    Cells,
    fight_plain,
    fnv1a64,
    shannon_entropy,
    starting_cells,
    step_cells,
)
from bitcell_sim.kernels.battle_closed_form import fight_in_closed_form
from bitcell_sim.kernels.battle_rules import dense_fnv, sparse_fnv
from bitcell_sim.kernels.battle_stepper import fight_by_steps
from bitcell_sim.kernels.ships import CELLS, PERIOD, SIDE, derive_motion

STAGES = ("energy", "mii", "ted", "lex")
R_PENTOMINO = ((1, 0), (2, 0), (0, 1), (1, 1), (1, 2))
GOSPER_GUN = (
    "24,0 22,1 24,1 12,2 13,2 20,2 21,2 34,2 35,2 11,3 15,3 20,3 21,3 34,3 35,3 0,4 1,4 10,4 16,4 20,4 21,4 "
    "0,5 1,5 10,5 14,5 16,5 17,5 22,5 24,5 10,6 16,6 24,6 11,7 15,7 12,8 13,8"
)

ships = st.integers(0, 3)
energies = st.integers(0, 255)
positions = st.integers(0, 2**63 - 1)


def words_near(x: int, y: int, reach: int) -> st.SearchStrategy[bytes]:
    """Entropy whose noise cells fall on and around a point and around its mirror image."""
    low = st.integers(-reach, reach)
    return st.lists(st.tuples(low, low), min_size=4, max_size=4).map(
        lambda shifts: struct.pack(
            "<8I", *((x + dx) % SIDE for dx, _ in shifts), *((y + dy) % SIDE for _, dy in shifts)
        )
    )  # fmt: skip


entropies = st.one_of(
    st.binary(min_size=32, max_size=32),
    words_near(256, 512, 12),
    words_near(768, 512, 12),
    words_near(300, 300, 2),
    words_near(320, 515, 6),
    words_near(0, 1023, 3),
    st.just(bytes(32)),
)


def with_short_noise_loop(seed: bytes) -> bytes:
    """Change nothing but how often the twin goes through the eight noise cells."""
    return seed[:16] + bytes([seed[16] % 8]) + seed[17:]


def cells_of(indexes: Any, values: Any) -> Cells:
    return {
        (int(index) % SIDE, int(index) // SIDE): int(value) for index, value in zip(indexes, values, strict=True)
    }  # fmt: skip


def arrays_of(cells: Cells) -> tuple[Any, Any]:
    keys = list(cells)
    indexes = np.array([y * SIDE + x for x, y in keys], np.int64)
    return indexes, np.array([cells[key] for key in keys], np.uint8)


def plain_figures(expected: dict[str, Any], history: bool) -> tuple[Any, ...]:
    """Arrange the twin's figures as the kernels return them, up to the counts after the battle."""
    return (
        ["AWins", "BWins"].index(expected["outcome"]),
        STAGES.index(expected["decided_by"]),
        *expected["energy_raw"],
        *expected["energy_final"],
        *(expected["mii"] if history else (0, 0)),
        *(expected["ted"] if history else (0.0, 0.0)),
        *expected["lex_hash"],
        expected["initial_live"],
        expected["initial_total_energy"],
    )


@settings(max_examples=60)
@given(ships, energies, ships, energies, positions, positions, entropies, st.integers(0, 1500), st.booleans())
@example(0, 100, 3, 160, 5, 6, bytes(32), 1000, True)
@example(3, 0, 3, 1, 5, 6, bytes(32), 1000, True)
@example(1, 9, 0, 200, 2**63 - 1, 0, bytes([7, 1] * 16), 1500, True)
def test_battles(
    ship_a: int, energy_a: int, ship_b: int, energy_b: int, x: int, y: int, seed: bytes, steps: int, history: bool
) -> None:
    """Stepper, closed form, public function and slow twin give the same figures, TED included, bit for bit."""
    seed = with_short_noise_loop(seed)
    ships_, powers, places = (ship_a, ship_b), (energy_a, energy_b), ((x, y), (y, x))
    expected = fight_plain(ships_, powers, places, seed, steps, history)
    arguments = (ship_a, energy_a, x, y, ship_b, energy_b, y, x, seed, steps, history, True)
    stepped = fight_by_steps(*arguments)
    assert stepped[:14] == plain_figures(expected, history)
    assert stepped[15:17] == (expected["live"], expected["total_energy"])
    after = arrays_of(dict(sorted(expected["cells"].items(), key=lambda item: item[0][::-1])))
    assert stepped[17] == sparse_fnv(*after, len(after[0]))
    closed = fight_in_closed_form(*arguments)
    event("closed form" if closed[0] else "stepped")
    if closed[0]:
        assert closed[1:] == stepped
    gliders = [
        Glider(list(Pattern)[ship], power, *place) for ship, power, place in zip(ships_, powers, places, strict=True)
    ]
    public = fight(gliders[0], gliders[1], entropy=seed, steps=steps, history=history).as_dict()
    for key in ("outcome", "decided_by", "live", "jitter_a", "jitter_b", "noise_iterations", "mii", "ted"):
        assert public[key] == expected[key], key


@settings(max_examples=400)
@given(ships, energies, ships, energies, entropies, st.integers(0, 1500), st.booleans(), st.booleans())
def test_closed_form_agrees_with_the_stepper(
    ship_a: int, energy_a: int, ship_b: int, energy_b: int, seed: bytes, steps: int, history: bool, full: bool
) -> None:
    arguments = (ship_a, energy_a, 1, 2, ship_b, energy_b, 3, 4, seed, steps, history, full)
    closed = fight_in_closed_form(*arguments)
    event("closed form" if closed[0] else "stepped")
    if closed[0]:
        assert closed[1:] == fight_by_steps(*arguments)


def seed_with_noise(*cells: tuple[int, int]) -> bytes:
    """Entropy without jitter whose first noise cells are those given; the others lie far from all else."""
    xs = [x for x, _ in cells] + [40, 140, 640, 900][len(cells) :]
    ys = [y for _, y in cells] + [240, 350, 90, 960][len(cells) :]
    residue = pow(SIDE, -1, 21)
    # The word that is 10 modulo 21, for a jitter of 0, and the coordinate modulo 1024.
    words = [x + SIDE * ((10 - x) * residue % 21) for x in xs]
    return struct.pack("<8I", *words, *ys)


def assert_closed_form_is_right_or_refuses(ship: int, seed: bytes, steps: int) -> bool:
    arguments = (ship, 90, 0, 0, 3 - ship, 30, 0, 0, seed, steps, True, True)
    closed = fight_in_closed_form(*arguments)
    if closed[0]:
        assert closed[1:] == fight_by_steps(*arguments)
    return bool(closed[0])


@pytest.mark.parametrize("ship", range(4))
def test_closed_form_with_noise_at_every_place_around_a_ship(ship: int) -> None:
    taken = [
        assert_closed_form_is_right_or_refuses(ship, seed_with_noise((256 + dx, 512 + dy)), 6)
        for dx in range(-5, 13)
        for dy in range(-5, 11)
    ]
    assert {True, False} == set(taken)


def test_closed_form_with_noise_in_every_group_of_three() -> None:
    """Pairs die whatever their distance; of three, some live, so they must be refused."""
    near = [(dx, dy) for dx in range(-3, 4) for dy in range(-1, 4)]
    taken = [
        assert_closed_form_is_right_or_refuses(
            0, seed_with_noise((500, 300), (500 + a, 300 + b), (500 + c, 300 + d)), 3
        )
        for a, b in near
        for c, d in near
    ]
    assert {True, False} == set(taken)


@pytest.mark.parametrize("steps", [4095, 4096, 4097, 5000, 9001])
def test_closed_form_beyond_the_period_of_the_torus(steps: int) -> None:
    for ship_a, ship_b in ((0, 0), (0, 3), (2, 0), (1, 3)):
        arguments = (ship_a, 90, 1, 2, ship_b, 17, 3, 4, bytes(range(32)), steps, True, True)
        closed = fight_in_closed_form(*arguments)
        stepped = fight_by_steps(*arguments)
        if closed[0]:
            assert closed[1:] == stepped
        else:
            assert ship_a == 0 or ship_b == 0, "equal ships keep their distance for ever"


def test_closed_form_takes_nearly_every_battle_of_a_mesh() -> None:
    """Random entropy, all pairs of ships, 1000 steps: at most one in a hundred needs the stepper."""
    generator = np.random.default_rng(3)
    taken = [
        fight_in_closed_form(i % 4, 100, 0, 0, i // 4 % 4, 120, 0, 0, generator.bytes(32), 1000, False, False)[0]
        for i in range(4000)
    ]
    assert np.mean(taken) > 0.99


@pytest.mark.parametrize(
    "words",
    [
        [16 * 1024 + 258, 10, 5, 9, 511, 300, 8, 90],  # A's jitter is 0, as 16642 % 21 = 10 % 21 = 10.
        [300, 301, 302, 9, 500, 500, 500, 8],
    ],
    ids=["a cell beside a ship", "three in a row, a blinker"],
)
def test_closed_form_refuses_noise_that_may_matter(words: list[int]) -> None:
    seed = struct.pack("<8I", *words)
    arguments = (0, 100, 0, 0, 3, 160, 0, 0, seed, 1000, False, True)
    assert not fight_in_closed_form(*arguments)[0]
    stepped = fight_by_steps(*arguments)
    assert stepped[:14] == plain_figures(fight_plain((0, 3), (100, 160), ((0, 0), (0, 0)), seed, 1000, False), False)


def scattered(centres: int, spread: int) -> st.SearchStrategy[Cells]:
    """Draw a few crowds of cells anywhere on the torus, many across its seams."""
    corner = st.sampled_from([0, 1, 60, 192, 256, 319, 448, 512, 575, 768, 1000, 1022, 1023])
    offset = st.integers(-spread, spread)
    crowd = st.tuples(corner, corner, st.lists(st.tuples(offset, offset, st.integers(1, 255)), max_size=14))
    return st.lists(crowd, max_size=centres).map(
        lambda crowds: {
            ((x + dx) % SIDE, (y + dy) % SIDE): energy for x, y, cells in crowds for dx, dy, energy in cells
        }
    )  # fmt: skip


@settings(max_examples=60)
@given(scattered(4, 4), st.integers(0, 150))
def test_any_few_cells(cells: Cells, steps: int) -> None:
    """Crowds that collide, wrap around the torus and mix energies: grid and history."""
    event(f"{10 * (len(cells) // 10)} cells or more, {50 * (steps // 50)} steps or more")
    indexes, values = arrays_of(cells)
    after, after_values, mii, ted = evolve(indexes, values, steps, True)
    assert list(after) == sorted(after)
    quick = evolve(indexes, values, steps, False)
    assert np.array_equal(after, quick[0])
    assert np.array_equal(after_values, quick[1])
    changes, entropy = [0, 0], [0.0, 0.0]
    now = cells
    for _ in range(steps):
        following = step_cells(now)
        for region, left in enumerate((192, 704)):
            changes[region] += sum(
                (following.get(cell, 0) - now.get(cell, 0)) ** 2
                for cell in now.keys() | following.keys()
                if left <= cell[0] < left + 128 and 448 <= cell[1] < 576
            )
            entropy[region] += shannon_entropy(following, region)
        now = following
    assert cells_of(after, after_values) == now
    assert list(mii) == changes
    assert list(ted) == entropy


@settings(max_examples=15)
@given(scattered(6, 6), st.integers(1, 40))
def test_sparse_and_dense_agree(cells: Cells, steps: int) -> None:
    indexes, values = arrays_of(cells)
    after, after_values, mii, ted = evolve(indexes, values, steps, True)
    dense_mii, dense_ted = np.zeros(2, np.int64), np.zeros(2)
    dense = evolve_dense(indexes, values, len(indexes), steps, True, dense_mii, dense_ted)
    assert np.array_equal(after, dense[0])
    assert np.array_equal(after_values, dense[1])
    assert np.array_equal(mii, dense_mii)
    assert np.array_equal(ted, dense_ted)


@settings(max_examples=8)
@given(ships, energies, ships, energies, entropies, st.integers(0, 1500))
@example(1, 255, 2, 0, bytes([7, 1] * 16), 1500)
def test_battles_by_whole_grid_steps(
    ship_a: int, energy_a: int, ship_b: int, energy_b: int, seed: bytes, steps: int
) -> None:
    """Both steppers, with history and without, from the start of a battle to its end."""
    cells = starting_cells((ship_a, ship_b), (energy_a, energy_b), with_short_noise_loop(seed))
    indexes, values = arrays_of(cells)
    after, after_values, mii, ted = evolve(indexes, values, steps, True)
    for history in (True, False):
        dense_mii, dense_ted = np.zeros(2, np.int64), np.zeros(2)
        dense = evolve_dense(indexes, values, len(indexes), steps, history, dense_mii, dense_ted)
        assert np.array_equal(after, dense[0])
        assert np.array_equal(after_values, dense[1])
        assert np.array_equal(mii if history else [0, 0], dense_mii)
        assert np.array_equal(ted if history else [0.0, 0.0], dense_ted)


def test_large_crowds() -> None:
    """Up to four crowds of up to 26 x 26 cells, many in the regions: they merge, split and outgrow their charts."""
    generator = np.random.default_rng(7)
    outgrown = 0
    for _ in range(100):
        cells: Cells = {}
        for _ in range(generator.integers(1, 5)):
            x, y = (
                generator.integers((181, 437), (331, 587))
                if generator.random() < 0.5
                else generator.integers(0, 1024, 2)
            )
            size = generator.integers(3, 27)
            for dx, dy in np.argwhere(generator.random((size, size)) < generator.random() * 0.6):
                cells[(int(x) + int(dx)) % SIDE, (int(y) + int(dy)) % SIDE] = int(generator.integers(1, 256))
        indexes, values = arrays_of(cells)
        steps = int(generator.integers(0, 150))
        after, after_values, mii, ted = evolve(indexes, values, steps, True)
        dense_mii, dense_ted = np.zeros(2, np.int64), np.zeros(2)
        dense = evolve_dense(indexes, values, len(indexes), steps, True, dense_mii, dense_ted)
        assert np.array_equal(after, dense[0])
        assert np.array_equal(after_values, dense[1])
        assert np.array_equal(mii, dense_mii)
        assert np.array_equal(ted, dense_ted)
        outgrown += len(after) > 100
    assert outgrown > 10


@pytest.mark.parametrize(
    ("start", "steps", "population"),
    [(R_PENTOMINO, 1103, 116), ([tuple(map(int, pair.split(","))) for pair in GOSPER_GUN.split()], 600, None)],
    ids=["r-pentomino", "glider gun"],
)
def test_long_lives(start: Any, steps: int, population: int | None) -> None:
    """Patterns that outgrow one chart, split, and send gliders over the seam; the first ends with 116 cells."""
    cells = {((x + 1000) % SIDE, (y + 1000) % SIDE): 1 + 7 * i for i, (x, y) in enumerate(start)}
    indexes, values = arrays_of(cells)
    after, after_values, _, _ = evolve(indexes, values, steps, False)
    now = cells
    for _ in range(steps):
        now = step_cells(now)
    assert cells_of(after, after_values) == now
    assert population in (None, len(after))


def test_crowds_too_large_for_charts() -> None:
    """More cells than islands can take, and one wide component: the whole-grid stepper takes over."""
    generator = np.random.default_rng(1)
    wide = {(x, 500): 1 + x % 255 for x in range(100, 200)}
    many = {(int(x), int(y)): int(e) for x, y, e in zip(*generator.integers(1, 256, (3, 3000)), strict=True)}
    for cells in (wide, many):
        indexes, values = arrays_of(cells)
        now = cells
        for _ in range(30):
            now = step_cells(now)
        after = evolve(indexes, values, 30, False)
        assert cells_of(after[0], after[1]) == now


def test_hashes_of_sparse_and_dense_grids() -> None:
    cells = {(0, 0): 1, (5, 5): 255, (1023, 1023): 9, (1022, 1023): 8}
    indexes, values = arrays_of(cells)
    order = np.argsort(indexes)
    grid = np.zeros(SIDE * SIDE, np.uint8)
    grid[indexes] = values
    expected = fnv1a64(cells)
    assert sparse_fnv(indexes[order], values[order], len(order)) == expected
    assert dense_fnv(grid) == expected
    assert sparse_fnv(indexes[:0], values[:0], 0) == fnv1a64({})


def test_motion_of_the_ships() -> None:
    """The glider moves one cell right and down in four steps, the spaceships two cells left (Conway, 1970)."""
    motion = derive_motion()
    assert motion.shifts.tolist() == [[1, 1], [-2, 0], [-2, 0], [-2, 0]]
    assert motion.counts.tolist() == [[5] * 4, [9, 12] * 2, [11, 15] * 2, [13, 18] * 2]
    for ship, start in enumerate(CELLS):
        now = dict.fromkeys(((x + 100, y + 100) for x, y in start), 9)
        for phase in range(PERIOD):
            offsets = motion.cells[ship, phase, : motion.counts[ship, phase]]
            assert sorted(now) == sorted((100 + int(x), 100 + int(y)) for x, y in offsets)
            now = step_cells(now)
