"""Trust by the worked values of upstream's rules; evidence added up along a chain."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bitcell_sim.chain.battle import Glider, Pattern
from bitcell_sim.chain.block import Block
from bitcell_sim.chain.contest import Arena
from bitcell_sim.chain.trust import FOR_EVER, Event, Evidence, Ledger, Standing, Status, Trust
from bitcell_sim.config import schema
from bitcell_sim.config.loader import load_scenario

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)
NEW = Standing(0.0, 0.0)
WEIGHTS = {
    Evidence.GOOD_BLOCK: 1.0,
    Evidence.HONEST_PARTICIPATION: 0.25,
    Evidence.MISSED_COMMITMENT: 2.0,
    Evidence.MISSED_REVEAL: 4.0,
    Evidence.INVALID_BLOCK: 6.0,
    Evidence.INVALID_TOURNAMENT: 10.0,
    Evidence.PROOF_FAILURE: 12.0,
    Evidence.EQUIVOCATION: 20.0,
}


@pytest.fixture(scope="module")
def rules() -> schema.Trust:
    return load_scenario("rc3").protocol.trust


@pytest.fixture(scope="module")
def trust(rules: schema.Trust) -> Trust:
    return Trust(rules)


def after(trust: Trust, *kinds: Evidence, start: Standing = NEW, height: int = 1) -> Standing:
    for kind in kinds:
        start = trust.after(start, kind, height)
    return start


def chain(*evidence: tuple[Event, ...], parent: Block = GENESIS) -> Block:
    """Tip of a chain whose blocks hold what is given."""
    for events in evidence:
        height = parent.height + 1
        parent = Block(height, height, 0, 0, parent, height, NOBODY, 0, 0, 7, 6000 * height, events)
    return parent


# ---------------------------------------------------------------------------------------------------- trust and weights


@pytest.mark.parametrize(
    ("kinds", "score"),
    [
        ((), 0.4),
        ((Evidence.GOOD_BLOCK,), 1.8 / 3),
        ((Evidence.GOOD_BLOCK,) * 2, 0.7),
        ((Evidence.GOOD_BLOCK,) * 3, 0.76),
        ((Evidence.HONEST_PARTICIPATION,) * 11, 3.55 / 4.75),
        ((Evidence.HONEST_PARTICIPATION,) * 12, 0.76),
        ((Evidence.MISSED_COMMITMENT,), 0.2),
        ((Evidence.MISSED_REVEAL,), 0.8 / 6),
        ((Evidence.INVALID_BLOCK,), 0.1),
        ((Evidence.EQUIVOCATION,), 0.8 / 22),
    ],
)
def test_worked_values(trust: Trust, kinds: tuple[Evidence, ...], score: float) -> None:
    assert trust.score(after(trust, *kinds)) == pytest.approx(score, abs=1e-15)


def test_it_rounds_as_upstream_does(trust: Trust) -> None:
    """Belief and uncertainty are divided one by one; the fraction taken at once differs in the last bit."""
    differ = 0
    for quarters in range(1, 400):
        r, s = quarters / 4.0, float(quarters % 7)
        total = r + s + 2.0
        assert trust.score(Standing(r, s)) == r / total + 0.4 * (2.0 / total)
        differ += trust.score(Standing(r, s)) != (r + 0.4 * 2.0) / (r + s + 2.0)
    assert differ > 0


@pytest.mark.parametrize("kind", list(Evidence))
def test_what_events_weigh(trust: Trust, kind: Evidence) -> None:
    standing = after(trust, kind)
    assert standing[:2] == ((WEIGHTS[kind], 0.0) if kind.positive else (0.0, WEIGHTS[kind]))


@pytest.mark.parametrize(
    ("score", "status", "epochs"),
    [
        (1.0, Status.ELIGIBLE, 0),
        (0.75, Status.ELIGIBLE, 0),
        (0.7499, Status.WARNING, 20),
        (0.2, Status.WARNING, 20),
        (0.1999, Status.KILLED, 100),
        (0.0, Status.KILLED, 100),
    ],
)
def test_thresholds(trust: Trust, score: float, status: Status, epochs: int) -> None:
    assert (trust.status(score), trust.suggested_ban_epochs(score)) == (status, epochs)


def test_a_new_miner_without_support_is_killed_by_one_missed_reveal_but_not_by_one_missed_commitment(
    trust: Trust,
) -> None:
    status = {kind: trust.status(trust.score(after(trust, kind))) for kind in Evidence if not kind.positive}
    assert status.pop(Evidence.MISSED_COMMITMENT) is Status.WARNING
    assert set(status.values()) == {Status.KILLED}


def test_an_epoch_forgets_the_good_faster_than_the_bad(trust: Trust) -> None:
    assert trust.decayed(Standing(100.0, 50.0))[:2] == (99.0, 49.95)


# --------------------------------------------------------------------------------------------------- slashing and bans

ALIVE, KILLED = Standing(100.0, 0.0), Standing(0.0, 40.0)


@pytest.mark.parametrize(
    ("kind", "alive", "killed"),
    [
        (Evidence.MISSED_COMMITMENT, (0.0, 0), (0.0, 0)),
        (Evidence.MISSED_REVEAL, (0.0, 0), (0.0, 5)),
        (Evidence.INVALID_BLOCK, (0.15, 0), (0.0, 10)),
        (Evidence.INVALID_TOURNAMENT, (0.25, 0), (0.5, 0)),
        (Evidence.PROOF_FAILURE, (0.75, 0), (1.0, None)),
        (Evidence.EQUIVOCATION, (1.0, None), (1.0, None)),
    ],
)
def test_penalties(
    trust: Trust, kind: Evidence, alive: tuple[float, int | None], killed: tuple[float, int | None]
) -> None:
    for start, (slash, epochs) in ((ALIVE, alive), (KILLED, killed)):
        standing = after(trust, kind, start=start, height=30)
        assert standing.stake_ratio == pytest.approx(1.0 - slash)
        end = FOR_EVER if epochs is None else 31 + 100 * epochs if epochs else 0
        assert standing.ban_end == end


def test_positive_evidence_costs_nothing(trust: Trust) -> None:
    for kind in (Evidence.GOOD_BLOCK, Evidence.HONEST_PARTICIPATION):
        assert after(trust, kind, start=KILLED)[2:] == KILLED[2:]


def test_slashes_multiply_and_the_longest_ban_counts(trust: Trust) -> None:
    start = Standing(1000.0, 0.0)
    assert after(trust, Evidence.INVALID_BLOCK, Evidence.INVALID_BLOCK, start=start).stake_ratio == 0.85 * 0.85
    banned = after(trust, Evidence.INVALID_BLOCK, start=KILLED, height=1)
    assert after(trust, Evidence.MISSED_REVEAL, start=banned, height=2).ban_end == banned.ban_end == 1002


def test_a_ban_ends_and_trust_still_counts(trust: Trust, rules: schema.Trust) -> None:
    banned = Standing(100.0, 0.0, ban_end=502)
    assert [trust.may_enter(banned, trust.score(banned), height) for height in (501, 502)] == [False, True]
    assert [trust.may_enter(Standing(1.0, 0.0), score, 1) for score in (0.7499, 0.75)] == [False, True]
    off = Trust(rules.model_copy(update={"enforced": False}))
    assert off.may_enter(Standing(0.0, 100.0, ban_end=FOR_EVER), 0.0, 1)


# --------------------------------------------------------------------------------------------------------- the ledger


def test_genesis_miners_may_mine_and_new_ones_could_not(rules: schema.Trust) -> None:
    state = Ledger(rules, 3).at(GENESIS)
    assert state.standings == (Standing(10.0, 0.0),) * 3
    assert state.eligible == (0, 1, 2)
    unknown = rules.model_copy(update={"genesis_positive": 0.0})
    assert Ledger(unknown, 3).at(GENESIS).eligible == ()


def test_evidence_counts_for_the_heights_above_and_only_on_its_branch(rules: schema.Trust) -> None:
    ledger = Ledger(rules, 3)
    good, bad = chain(((0, Evidence.GOOD_BLOCK),)), chain(((1, Evidence.MISSED_REVEAL),))
    assert ledger.at(bad).eligible == (0, 2)
    assert ledger.at(good).eligible == (0, 1, 2)
    assert ledger.at(GENESIS).eligible == (0, 1, 2)
    assert ledger.at(good).standings[0].positive == 11.0


def test_a_long_chain_is_added_up_without_recursion_and_decays_each_epoch(rules: schema.Trust) -> None:
    ledger = Ledger(rules, 1)
    tip = chain(*[((0, Evidence.HONEST_PARTICIPATION),)] * 3000)
    positive = 10.0
    for height in range(1, 3001):
        positive += 0.25
        if height % 100 == 0:
            positive *= 0.99
    assert ledger.at(tip).standings[0].positive == positive


def test_history_is_the_latest_events_newest_first(rules: schema.Trust) -> None:
    ledger = Ledger(rules, 2)
    tip = chain(*[((0, Evidence.HONEST_PARTICIPATION), (1, Evidence.GOOD_BLOCK), (0, Evidence.GOOD_BLOCK))] * 600)
    events = ledger.history(tip, 0)
    assert events[:3] == [
        (600, Evidence.GOOD_BLOCK),
        (600, Evidence.HONEST_PARTICIPATION),
        (599, Evidence.GOOD_BLOCK),
    ]
    assert len(events) == 1000
    assert len(ledger.history(tip, 1)) == 600


# ---------------------------------------------------------------------------------------------- what a block testifies


def contest(ledger: Ledger, patterns: list[Pattern], miners: tuple[int, ...], committed: set[int], accused: set[int]):
    quirks = load_scenario("rc3").protocol.quirks
    arena = Arena(lambda _: None, lambda height, attempt, miner: Glider.of(patterns[miner]), seed=1, quirks=quirks)
    fought = arena.fight(1, 0, miners)
    return fought, ledger.testimony(GENESIS, fought, committed, accused)


def test_a_block_tells_who_was_there_who_was_missing_and_who_was_caught(rules: schema.Trust) -> None:
    ledger = Ledger(rules, 7)
    patterns = [Pattern.STANDARD, *[Pattern.HEAVYWEIGHT] * 6]
    fought, events = contest(ledger, patterns, (0, 1, 2, 3, 4), {0, 1, 2, 3, 4, 6}, {3})
    assert fought.winner == 0
    assert events[0] == (0, Evidence.GOOD_BLOCK)
    once = [(miner, kind) for miner, kind in events if kind is not Evidence.GOOD_BLOCK]
    assert once == [
        *((miner, Evidence.HONEST_PARTICIPATION) for miner in (0, 1, 2, 3, 4)),
        (5, Evidence.MISSED_COMMITMENT),
        (6, Evidence.MISSED_REVEAL),
        (3, Evidence.EQUIVOCATION),
    ]


@pytest.mark.parametrize(("there", "accuses"), [(1, False), (4, False), (5, True), (6, True), (7, False)])
def test_absence_counts_only_where_more_than_two_thirds_were_there(
    rules: schema.Trust, there: int, accuses: bool
) -> None:
    patterns = [Pattern.STANDARD] * 7
    for needs_quorum in (True, False):
        ledger = Ledger(rules.model_copy(update={"absence_needs_quorum": needs_quorum}), 7)
        _, events = contest(ledger, patterns, tuple(range(there)), {6}, set())
        absent = [event for event in events if not event[1].positive]
        assert [miner for miner, _ in absent] == list(range(there, 7)) * (accuses or not needs_quorum)


def test_finalists_with_a_lively_battle_have_one_more_good_block(rules: schema.Trust, trust: Trust) -> None:
    ledger = Ledger(rules, 4)
    fought, events = contest(ledger, [Pattern.HEAVYWEIGHT] * 4, (0, 1, 2, 3), set(), set())
    final = fought.result.matches[-1]
    assert final.result.mii is not None
    assert final.result.ted is not None
    lively = {
        fought.bracket[place]
        for place, mii in zip((final.miner_a, final.miner_b), final.result.mii, strict=True)
        if Fraction(mii) / 2 > 1000  # both have fought twice
    }
    assert lively
    assert max(final.result.ted) < 50
    good = [miner for miner, kind in events if kind is Evidence.GOOD_BLOCK]
    assert sorted(good) == sorted([fought.winner, *lively])


def test_who_is_banned_for_ever_is_not_accused_again_and_not_expected(rules: schema.Trust) -> None:
    ledger = Ledger(rules, 3)
    tip = chain(((2, Evidence.EQUIVOCATION),))
    arena = Arena(
        lambda _: None,
        lambda height, attempt, miner: Glider.of(Pattern.STANDARD),
        seed=1,
        quirks=load_scenario("rc3").protocol.quirks,
    )
    events = ledger.testimony(tip, arena.fight(2, 0, (0, 1)), set(), {2})
    assert {miner for miner, _ in events} == {0, 1}
    standing = ledger.at(tip).standings[2]
    assert (standing.negative, standing.stake_ratio, standing.ban_end) == (20.0, 0.0, FOR_EVER)
