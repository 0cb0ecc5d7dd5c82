"""A battle seen step by step is the battle that was fought, and a cell is a player's while its ship is whole."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.battle import Glider, Pattern, fight
from bitcell_sim.chain.battle_replay import NOBODY, Moment, replay

SIDE = 1024
STANDARD, HEAVY = Glider.of(Pattern.STANDARD), Glider.of(Pattern.HEAVYWEIGHT)
COLLISION = hashlib.sha256(b"768").digest()  # noise hits B's heavyweight in its first steps
gliders = st.builds(Glider, st.sampled_from(Pattern), st.integers(0, 255))


def last(a: Glider, b: Glider, entropy: bytes, steps: int, every: int) -> Moment:
    return list(replay(a, b, entropy=entropy, steps=steps, every=every))[-1]


def test_moments_come_every_few_steps_and_at_the_end() -> None:
    steps = [now.step for now in replay(STANDARD, HEAVY, entropy=bytes(range(32)), steps=25, every=10)]
    assert steps == [0, 10, 20, 25]
    assert [now.step for now in replay(STANDARD, HEAVY, entropy=bytes(32), steps=0)] == [0]


@settings(max_examples=60)
@given(gliders, gliders, st.binary(min_size=32, max_size=32), st.integers(0, 1200), st.integers(1, 400))
def test_it_ends_where_the_battle_ends(a: Glider, b: Glider, entropy: bytes, steps: int, every: int) -> None:
    result = fight(a, b, entropy=entropy, steps=steps)
    seen = last(a, b, entropy, steps, every)
    assert result.end is not None
    assert (len(seen.cells), seen.cells[:, 2].sum()) == (result.end.live, result.end.total_energy)
    assert seen.energy_raw == result.energy_raw
    assert np.array_equal(seen.cells, last(a, b, entropy, steps, 1).cells)


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 1000, 4001])
def test_ships_that_meet_nothing_stay_whole(pattern: Pattern, steps: int) -> None:
    seen = last(STANDARD, Glider.of(pattern), bytes(32), steps, 500)
    assert set(seen.owners.tolist()) == {0, 1}
    for player, glider in enumerate((STANDARD, Glider.of(pattern))):
        own = seen.cells[seen.owners == player]
        assert set(own[:, 2].tolist()) == {glider.energy}
        middle = seen.ships[player]
        assert middle is not None
        reach = (own[:, :2] - middle + SIDE // 2) % SIDE - SIDE // 2
        assert np.abs(reach).max() <= 4


def test_a_ship_goes_where_the_documents_do_not_say() -> None:
    """500 columns to the left in 1000 steps, out of its own region into the other's; a glider 250 right and down."""
    start, end = (last(STANDARD, HEAVY, bytes(32), steps, 1000) for steps in (0, 1000))
    (glider_from, ship_from), (glider_to, ship_to) = start.ships, end.ships
    assert glider_from
    assert glider_to
    assert ship_from
    assert ship_to
    assert (glider_to[0] - glider_from[0], glider_to[1] - glider_from[1]) == (250, 250)
    assert (ship_to[0] - ship_from[0], ship_to[1] - ship_from[1]) == (-500, 0)
    assert (start.energy_raw, end.energy_raw) == ((500, 2080), (2080, 0))


def test_noise_is_nobody_s_and_a_wreck_is_no_ship() -> None:
    moments = list(replay(STANDARD, HEAVY, entropy=COLLISION, steps=1000, every=1))
    assert np.count_nonzero(moments[0].owners == NOBODY) == 8
    assert moments[0].ships[1] is not None
    assert moments[-1].ships[0] is not None
    assert moments[-1].ships[1] is None
    broken = [now.ships[1] is None for now in moments]
    assert broken == sorted(broken), "once broken, for ever"
    assert not (moments[-1].owners == 1).any()
