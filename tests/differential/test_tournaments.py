"""Many tournaments in one call against the same tournaments one by one: every figure of every match."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitcell_sim import Tournament
from bitcell_sim import tournament as public_tournament
from bitcell_sim import tournaments as public_tournaments
from bitcell_sim.chain.battle import Glider, Pattern
from bitcell_sim.chain.tournament import tournament
from bitcell_sim.chain.tournaments import tournaments
from bitcell_sim.errors import InputError

STANDARD = Glider.of(Pattern.STANDARD, 100, 100)
gliders = st.builds(
    Glider, st.sampled_from(Pattern), st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
)
# Equal gliders tie, so that MII, TED and the hashes have to decide.
lineups = st.one_of(
    st.lists(gliders, min_size=1, max_size=9), st.builds(lambda one, size: [one] * size, gliders, st.integers(1, 9))
)
seeds = st.one_of(st.binary(min_size=32, max_size=32), st.just(bytes(32)))


@settings(max_examples=40)
@given(st.lists(st.tuples(lineups, seeds), max_size=6), st.booleans())
@example([([STANDARD] * 7, bytes(32)), ([STANDARD], bytes(32))], True)
def test_equal_to_one_by_one(contests: list[tuple[list[Glider], bytes]], full: bool) -> None:
    outcome = tournaments([lineup for lineup, _ in contests], [seed for _, seed in contests], full=full)
    expected = [tournament(lineup, seed, full=full) for lineup, seed in contests]
    assert list(outcome) == expected
    assert outcome.winners.tolist() == [result.winner for result in expected]


def test_one_lineup_for_many_seeds() -> None:
    lineup = [Glider.of(pattern, place, 5) for place, pattern in enumerate([*Pattern, *Pattern])]
    many = [hashlib.sha256(b"%d" % number).digest() for number in range(60)]
    outcome = tournaments([lineup], many)
    assert len(outcome) == 60
    assert outcome[-3:] == [tournament(lineup, seed) for seed in many[-3:]]
    assert outcome[7] == tournament(lineup, many[7])
    with pytest.raises(IndexError):
        outcome[60]


def test_frame_is_that_of_each() -> None:
    shapes = [[STANDARD] * 5, [Glider.of(Pattern.HEAVYWEIGHT), STANDARD], [STANDARD], [Glider.of(p) for p in Pattern]]
    many = [hashlib.sha256(b"%d" % number).digest() for number in range(4)]
    outcome = public_tournaments(shapes, many)
    whole = outcome.frame
    assert whole["tournament"].tolist() == [0, 0, 0, 0, 1, 3, 3, 3]
    for number in (0, 1, 3):
        own = whole[whole["tournament"] == number].drop(columns="tournament").reset_index(drop=True)
        alone = public_tournament(shapes[number], many[number])
        pd.testing.assert_frame_equal(own, alone.frame, check_dtype=False)
        assert isinstance(outcome[number], Tournament)
        pd.testing.assert_frame_equal(outcome[number].frame, alone.frame)
    shared = public_tournaments(shapes[3:], many).frame
    assert shared["pattern_a"].tolist()[::3] == ["Standard"] * 4


def test_nothing_to_fight() -> None:
    assert len(tournaments([], [])) == 0
    assert len(tournaments([[STANDARD]], [])) == 0
    alone = tournaments([[STANDARD]], [bytes(32)] * 2)
    assert np.array_equal(alone.winners, [0, 0])
    assert len(alone.matches.pairs) == 0
    assert public_tournaments([[STANDARD]], [bytes(32)] * 2).frame.empty
    assert alone[1].matches == ()


def test_bad_calls_say_which_is_wrong() -> None:
    with pytest.raises(InputError, match="2 line-ups for 3 seeds: give one line-up for all, or one a seed"):
        tournaments([[STANDARD]] * 2, [bytes(32)] * 3)
    with pytest.raises(InputError, match="line-up 1 is empty"):
        tournaments([[STANDARD], []], [bytes(32)] * 2)
    with pytest.raises(InputError, match="seed 1 has 31 bytes: give 32"):
        tournaments([[STANDARD]], [bytes(32), bytes(31)])
