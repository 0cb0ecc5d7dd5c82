"""Trust stays in its range, moves the right way, and depends on a chain alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.trust import FOR_EVER, Event, Evidence, Ledger, Standing, Trust
from bitcell_sim.config.loader import load_scenario

RULES = load_scenario("rc3").protocol.trust
TRUST = Trust(RULES)
MINERS = 4
NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)

AMOUNTS = st.floats(0.0, 1e6)
STANDINGS = st.builds(Standing, AMOUNTS, AMOUNTS, st.just(0), st.floats(0.0, 1.0))
KINDS = st.sampled_from(list(Evidence))
EVENTS = st.tuples(st.integers(0, MINERS - 1), KINDS)
CHAINS = st.lists(st.lists(EVENTS, max_size=5).map(tuple), max_size=30)


def chain(evidence: Sequence[tuple[Event, ...]], parent: Block = GENESIS) -> Block:
    for events in evidence:
        height = parent.height + 1
        parent = Block(height, height, 0, 0, parent, height, NOBODY, 0, 0, 7, 6000 * height, events)
    return parent


@given(STANDINGS)
def test_trust_is_a_share_and_near_its_formula(standing: Standing) -> None:
    score = TRUST.score(standing)
    assert 0.0 <= score <= 1.0
    exact = (standing.positive + RULES.base_rate * RULES.prior_weight) / (
        standing.positive + standing.negative + RULES.prior_weight
    )
    assert abs(score - exact) < 1e-15


@given(STANDINGS, KINDS, st.integers(1, 10_000))
def test_an_event_moves_trust_its_own_way(standing: Standing, kind: Evidence, height: int) -> None:
    before, after = TRUST.score(standing), TRUST.score(TRUST.after(standing, kind, height))
    assert (after >= before - 1e-15) if kind.positive else (after <= before + 1e-15)


@given(STANDINGS, st.lists(KINDS, max_size=20))
def test_stake_never_grows_and_bans_never_shorten(standing: Standing, kinds: list[Evidence]) -> None:
    for height, kind in enumerate(kinds, start=1):
        after = TRUST.after(standing, kind, height)
        assert 0.0 <= after.stake_ratio <= standing.stake_ratio
        assert after.ban_end >= standing.ban_end
        standing = after


@given(STANDINGS, st.integers(1, 200))
def test_forgetting_is_no_way_to_be_trusted(standing: Standing, epochs: int) -> None:
    """Forgetting never raises trust above where it started, or above what is held of an unknown miner."""
    scores = [TRUST.score(standing)]
    for _ in range(epochs):
        standing = TRUST.decayed(standing)
        scores.append(TRUST.score(standing))
    assert max(scores) <= max(scores[0], RULES.base_rate) + 1e-12


@settings(max_examples=60)
@given(CHAINS, st.integers(0, 30))
def test_the_state_is_a_fold_over_the_chain_in_any_order_of_asking(evidence: list, asked_first: int) -> None:
    ledger = Ledger(RULES, MINERS)
    tip = chain(evidence)
    ledger.at(tip.ancestor(min(asked_first, tip.height)) or GENESIS)
    standings = [Standing(RULES.genesis_positive, RULES.genesis_negative)] * MINERS
    for height, events in enumerate(evidence, start=1):
        for miner, kind in events:
            standings[miner] = TRUST.after(standings[miner], kind, height)
        if height % RULES.epoch_blocks == 0:
            standings = [TRUST.decayed(standing) for standing in standings]
    state = ledger.at(tip)
    assert state.standings == tuple(standings)
    assert state == Ledger(RULES, MINERS).at(tip)
    assert set(state.eligible) == {
        miner
        for miner, standing in enumerate(standings)
        if TRUST.score(standing) >= RULES.eligible_min and tip.height + 1 >= standing.ban_end
    }


@settings(max_examples=40)
@given(CHAINS, CHAINS, CHAINS)
def test_what_happens_on_one_branch_does_not_show_on_another(trunk: list, one: list, other: list) -> None:
    ledger = Ledger(RULES, MINERS)
    fork = chain(trunk)
    left, right = chain(one, fork), chain(other, fork)
    ledger.at(left)
    assert ledger.at(right) == Ledger(RULES, MINERS).at(chain([*trunk, *other]))


@settings(max_examples=40)
@given(CHAINS, st.integers(0, MINERS - 1), CHAINS)
def test_an_equivocator_never_mines_again(before: list, miner: int, later: list) -> None:
    ledger = Ledger(RULES, MINERS)
    caught = chain([*before, ((miner, Evidence.EQUIVOCATION),)])
    tip = chain(later, caught)
    for block in tip.chain(caught.height):
        assert miner not in ledger.at(block).eligible
    assert ledger.at(tip).standings[miner].ban_end == FOR_EVER
    assert ledger.at(tip).standings[miner].stake_ratio == 0.0
