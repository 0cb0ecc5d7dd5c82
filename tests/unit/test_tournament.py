"""Pairing, byes, entropy and the shuffled bracket; and what a glider and a battle refuse."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.battle import BattleResult, Glider, Pattern, fight
from bitcell_sim.chain.tournament import match_entropy, shuffle_bracket, tournament
from bitcell_sim.errors import InputError

STANDARD = Glider.of(Pattern.STANDARD, 100, 100)
gliders = st.builds(Glider, st.sampled_from(Pattern), st.integers(0, 255), st.integers(0, 2**64 - 1))


def brackets(count: int, results: dict[tuple[int, int], int]) -> list[list[int]]:
    """Lists of participants before each round, by the documented rule: winners in order, then the odd one."""
    lists = [list(range(count))]
    while len(lists[-1]) > 1:
        now = lists[-1]
        following = [results[pair] for pair in zip(now[::2], now[1::2], strict=False)]
        lists.append(following + (now[-1:] if len(now) % 2 else []))
    return lists


@settings(max_examples=40)
@given(st.lists(gliders, min_size=1, max_size=20), st.binary(min_size=32, max_size=32))
@example([STANDARD] * 7, bytes(32))
def test_the_tree(participants: list[Glider], seed: bytes) -> None:
    outcome = tournament(participants, seed)
    count = len(participants)
    assert len(outcome.matches) == count - 1
    assert outcome.rounds == math.ceil(math.log2(count))
    results = {(match.miner_a, match.miner_b): match.winner for match in outcome.matches}
    lists = brackets(count, results)
    assert lists[-1] == [outcome.winner]
    assert outcome.byes == tuple((number, now[-1]) for number, now in enumerate(lists[:-1]) if len(now) % 2)
    assert [(match.miner_a, match.miner_b) for match in outcome.matches] == [
        pair for now in lists[:-1] for pair in zip(now[::2], now[1::2], strict=False)
    ]
    for match in outcome.matches:
        expected = hashlib.sha256(
            seed + match.round_number.to_bytes(4, "little") + match.match_index.to_bytes(4, "little")
        )
        assert match.entropy == match_entropy(seed, match.round_number, match.match_index) == expected.digest()
        a, b = participants[match.miner_a], participants[match.miner_b]
        assert match.result == fight(a, b, entropy=match.entropy, history=match.final, full=False)
        assert match.winner == (match.miner_b if match.result.winner else match.miner_a)
    finals = [match for match in outcome.matches if match.final]
    assert finals == list(outcome.matches[-1:])
    assert all((match.result.mii is None) is not match.final for match in outcome.matches)


def test_three_players_have_history_only_in_the_final() -> None:
    outcome = tournament([STANDARD] * 3, bytes(range(32)))
    assert [match.result.mii is not None for match in outcome.matches] == [False, True]
    assert outcome.byes == ((0, 2),)


def test_seven_identical_gliders_leave_only_two_possible_winners() -> None:
    """Equal gliders tie until the final, where the first of each pair goes on, so only 0 and 4 can meet there."""
    winners = {tournament([STANDARD] * 7, hashlib.sha256(bytes([i])).digest()).winner for i in range(40)}
    assert winners == {0, 4}


def test_bad_tournaments() -> None:
    with pytest.raises(InputError, match="at least one participant"):
        tournament([], bytes(32))
    with pytest.raises(InputError, match="seed has 31 bytes: give 32"):
        tournament([STANDARD], bytes(31))


@given(st.integers(0, 40), st.binary(min_size=32, max_size=32))
def test_shuffle_keeps_everyone(count: int, seed: bytes) -> None:
    order = shuffle_bracket(range(count), seed)
    assert sorted(order) == list(range(count))
    assert order == shuffle_bracket(range(count), seed)


def test_shuffle_is_fair() -> None:
    """Each of the 24 orders of four participants; chi-squared with 23 degrees of freedom, 0.1 % point 49.7."""
    draws = 12_000
    counts = Counter(tuple(shuffle_bracket(range(4), hashlib.sha256(b"%d" % i).digest())) for i in range(draws))
    expected = draws / 24
    assert set(counts) == set(permutations(range(4)))
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 49.7


def test_shuffle_follows_its_formula() -> None:
    seed = bytes(range(32))
    order = ["a", "b", "c"]
    for position in (2, 1):
        draw = hashlib.sha256(b"BRACKET" + seed + position.to_bytes(4, "little")).hexdigest()
        other = int(draw, 16) % (position + 1)
        order[position], order[other] = order[other], order[position]
    assert shuffle_bracket([0, 1, 2], seed) == ["abc".index(name) for name in order]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Glider(Pattern.STANDARD, 256), r"energy 256 is outside 0\.\.255"),
        (lambda: Glider(Pattern.STANDARD, -1), "energy -1 is outside"),
        (lambda: Glider(Pattern.STANDARD, 1, -1), r"position \(-1, 0\) is outside"),
        (lambda: Glider(Pattern.STANDARD, 1, 0, 2**64), "is outside 0"),
        (lambda: Glider("Standard", 100), r"pattern is 'Standard': write Pattern.named\('Standard'\)"),  # type: ignore[arg-type]
        (lambda: Glider(Pattern.STANDARD, 9.5), "energy is 9.5: write a whole number"),  # type: ignore[arg-type]
        (lambda: Glider(Pattern.STANDARD, 1, "3"), "x is '3': write a whole number"),  # type: ignore[arg-type]
        (lambda: Pattern.named("standard"), "'standard' is not a pattern: did you mean 'Standard'?"),
        (lambda: tournament([STANDARD], "00" * 32), "seed is str: give 32 bytes"),  # type: ignore[arg-type]
        (lambda: fight(STANDARD, STANDARD, entropy="0" * 32), "is str: give 32 bytes"),  # type: ignore[arg-type]
        (lambda: fight(STANDARD, STANDARD, entropy=bytes(33)), "entropy has 33 bytes: give 32"),
        (lambda: fight(STANDARD, STANDARD, entropy=bytes(32), steps=-1), "steps -1 is outside"),
        (lambda: fight(STANDARD, STANDARD, entropy=bytes(32), steps=10**8), "steps 100000000 is outside"),
    ],
)
def test_bad_battles(make: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        make()  # type: ignore[operator]


def test_figures_that_were_not_asked_for_are_not_invented() -> None:
    quick = fight(STANDARD, STANDARD, entropy=bytes(32), full=False)
    with pytest.raises(ValueError, match="full=True"):
        quick.as_dict()


def test_a_position_of_64_bits_enters_the_hash_whole() -> None:
    """Two positions that differ only in the highest bit; the same battle with players swapped has them swapped."""
    low, high = Glider(Pattern.STANDARD, 1, 5, 6), Glider(Pattern.STANDARD, 1, 5 + 2**63, 6)
    one: BattleResult = fight(low, high, entropy=bytes(32))
    other = fight(high, low, entropy=bytes(32))
    assert one.decided_by == other.decided_by == "lex"
    assert one.lex_hash == other.lex_hash[::-1]
    assert one.lex_hash[0] != one.lex_hash[1]
    assert one.winner != other.winner
    assert one.winner == (0 if one.lex_hash[0] < one.lex_hash[1] else 1)
