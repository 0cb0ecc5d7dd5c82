"""Whom the chain trusts: evidence, trust, slashing and bans, by upstream's evidence-based subjective logic (EBSL).

Blocks carry evidence; :class:`Ledger` adds it up along a chain, once a block, as a ledger does. So nodes that follow
the same chain agree on who may mine, and a block that is orphaned takes its evidence with it.

References
----------
BitCell, crates/bitcell-ebsl (evidence.rs, trust.rs, decay.rs, slashing.rs) and crates/bitcell-consensus
(orchestrator.rs), commit 116dda5.
"""

from __future__ import annotations

import enum
from collections.abc import Container, Iterable
from itertools import compress, repeat
from typing import TYPE_CHECKING, NamedTuple

from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config import schema

if TYPE_CHECKING:
    from bitcell_sim.chain.block import Block
    from bitcell_sim.chain.contest import Contest
    from bitcell_sim.chain.tournament import TournamentResult

FOR_EVER = 2**53  # height at which a permanent ban ends


class Evidence(enum.StrEnum):
    """What a miner can have done, by the names of the protocol file."""

    GOOD_BLOCK = "good_block"
    HONEST_PARTICIPATION = "honest_participation"
    MISSED_COMMITMENT = "missed_commitment"
    MISSED_REVEAL = "missed_reveal"
    INVALID_BLOCK = "invalid_block"
    INVALID_TOURNAMENT = "invalid_tournament"
    PROOF_FAILURE = "proof_failure"
    EQUIVOCATION = "equivocation"

    __hash__ = str.__hash__

    @property
    def positive(self) -> bool:
        """Whether it speaks for the miner."""
        return self in (Evidence.GOOD_BLOCK, Evidence.HONEST_PARTICIPATION)


class Status(enum.StrEnum):
    """What trust alone says of a miner."""

    ELIGIBLE = "eligible"
    WARNING = "warning"
    KILLED = "killed"


Event = tuple[int, Evidence]  # miner, what it has done


class Standing(NamedTuple):
    """What is held of one miner.

    Parameters
    ----------
    positive, negative : float
        Evidence for and against it, r and s.
    ban_end : int
        First height at which it is not banned; 0 if it never was, FOR_EVER if it always is.
    stake_ratio : float
        Share of its stake that has not been slashed.
    """

    positive: float
    negative: float
    ban_end: int = 0
    stake_ratio: float = 1.0


class Trust:
    """The rules of trust: pure functions of a standing.

    Parameters
    ----------
    rules : Trust
        Constants of the protocol.

    Examples
    --------
    >>> from bitcell_sim.config.loader import load_scenario
    >>> trust = Trust(load_scenario("rc3").protocol.trust)
    >>> trust.score(Standing(0.0, 0.0)), trust.score(Standing(3.0, 0.0))
    (0.4, 0.76)
    """

    def __init__(self, rules: schema.Trust) -> None:
        self.rules = rules
        self._k, self._alpha = rules.prior_weight, rules.base_rate
        weight = {kind: float(getattr(rules.weight, kind)) for kind in Evidence}
        self._gain = {kind: weight[kind] for kind in Evidence if kind.positive}
        self._loss = {kind: weight[kind] for kind in Evidence if not kind.positive}
        self._penalties = {kind: getattr(rules.slashing, kind) for kind in Evidence if not kind.positive}

    def score(self, standing: Standing) -> float:
        """Trust in a miner, from 0 to 1.

        Notes
        -----
        ``T = r / (r + s + K) + alpha (K / (r + s + K))``, rounded in this order, as upstream does.
        """
        total = standing.positive + standing.negative + self._k
        score = standing.positive / total + self._alpha * (self._k / total)
        return min(max(score, 0.0), 1.0)

    def status(self, score: float) -> Status:
        """What a trust means."""
        if score >= self.rules.eligible_min:
            return Status.ELIGIBLE
        return Status.KILLED if score < self.rules.killed_below else Status.WARNING

    def suggested_ban_epochs(self, score: float) -> int:
        """Epochs of ban that upstream's second table gives; nothing applies it."""
        bans = self.rules.suggested_ban
        epochs = {Status.ELIGIBLE: 0, Status.WARNING: bans.warning_epochs, Status.KILLED: bans.killed_epochs}
        return epochs[self.status(score)]

    def may_enter(self, standing: Standing, score: float, height: int) -> bool:
        """Whether a miner may take part in the tournament of a height."""
        return not self.rules.enforced or (height >= standing.ban_end and score >= self.rules.eligible_min)

    def penalty(self, kind: Evidence, score: float) -> schema.Penalty:
        """What an event costs beside trust, by the trust after it."""
        if kind.positive:
            return schema.Penalty()
        penalties: schema.Penalties = self._penalties[kind]
        return penalties.killed if score < self.rules.killed_below else penalties.alive

    def after(self, standing: Standing, kind: Evidence, height: int) -> Standing:
        """Standing after an event at a height: evidence first, then what it costs at the trust that is left."""
        gain = self._gain.get(kind)
        if gain is not None:
            return Standing(standing.positive + gain, standing.negative, standing.ban_end, standing.stake_ratio)
        standing = standing._replace(negative=standing.negative + self._loss[kind])
        penalty = self.penalty(kind, self.score(standing))
        ban_end = 0
        if penalty.banned_for_ever:
            ban_end = FOR_EVER
        elif penalty.ban_epochs:
            ban_end = height + 1 + penalty.ban_epochs * self.rules.epoch_blocks
        return standing._replace(
            ban_end=max(standing.ban_end, ban_end), stake_ratio=standing.stake_ratio * (1.0 - penalty.slash_ratio)
        )

    def decayed(self, standing: Standing) -> Standing:
        """Standing after the end of an epoch."""
        return standing._replace(
            positive=standing.positive * self.rules.positive_kept_ratio,
            negative=standing.negative * self.rules.negative_kept_ratio,
        )

    def lively(self, result: TournamentResult) -> list[int]:
        """Places whose battles were lively on average, once for interaction (MII) and once for diversity (TED)."""
        battles: dict[int, int] = {}
        figures: dict[int, tuple[float, float]] = {}
        for match in result.matches:
            battle = match.result
            for side, place in enumerate((match.miner_a, match.miner_b)):
                battles[place] = battles.get(place, 0) + 1
                if battle.mii is not None and battle.ted is not None:
                    figures[place] = (battle.mii[side], battle.ted[side])  # the final alone has them
        lively = [place for place, (mii, _) in figures.items() if mii / battles[place] > self.rules.interaction_min]
        return lively + [
            place for place, (_, ted) in figures.items() if ted / battles[place] > self.rules.diversity_min
        ]


class State(NamedTuple):
    """What the chain up to a block says.

    Parameters
    ----------
    standings : tuple of Standing
        Of each miner.
    scores : tuple of float
        Trust in each miner.
    eligible : tuple of int
        Miners that may take part in the tournament of the next height, in ascending order.
    """

    standings: tuple[Standing, ...]
    scores: tuple[float, ...]
    eligible: tuple[int, ...]


class Ledger:
    """Evidence added up along each chain.

    Parameters
    ----------
    rules : Trust
        Constants of the protocol.
    miner_count : int
        Miners, by index.
    """

    def __init__(self, rules: schema.Trust, miner_count: int) -> None:
        self.trust = Trust(rules)
        start = Standing(rules.genesis_positive, rules.genesis_negative)
        self._genesis = self._state((start,) * miner_count, 0)
        self._states: dict[Block, State] = {}

    def at(self, block: Block) -> State:
        """State after a block."""
        fresh = []
        state = self._states.get(block)
        while state is None:
            if block.parent is None:
                state = self._genesis
            else:
                fresh.append(block)
                block = block.parent
                state = self._states.get(block)
        for block in reversed(fresh):
            state = self._states[block] = self._next(state, block)
        return state

    def testimony(
        self, parent: Block, contest: Contest, committed: Container[int], accused: Iterable[int]
    ) -> tuple[Event, ...]:
        """What a block says of the miners: its tournament, who was missing from it, who was caught.

        Parameters
        ----------
        parent : Block
            What it stands on; its state says who was expected, and who is banned for ever already.
        contest : Contest
            Its tournament.
        committed : container of int
            Miners whose commitment its builder has.
        accused : iterable of int
            Nodes that its builder can prove to have equivocated.
        """
        state = self.at(parent)
        events = [(contest.winner, Evidence.GOOD_BLOCK)]
        events += [(contest.bracket[place], Evidence.GOOD_BLOCK) for place in self.trust.lively(contest.result)]
        events += [(miner, Evidence.HONEST_PARTICIPATION) for miner in state.eligible if miner in contest.miners]
        quorum = quorum_stake([1] * len(state.eligible))
        if len(contest.miners) >= quorum or not self.trust.rules.absence_needs_quorum:
            absent = [miner for miner in state.eligible if miner not in contest.miners]
            events += [(m, Evidence.MISSED_REVEAL if m in committed else Evidence.MISSED_COMMITMENT) for m in absent]
        caught = [node for node in sorted(accused) if state.standings[node].ban_end < FOR_EVER]
        return (*events, *((node, Evidence.EQUIVOCATION) for node in caught))

    def history(self, block: Block, miner: int) -> list[tuple[int, Evidence]]:
        """Height and kind of a miner's latest events on the chain up to a block, newest first."""
        events: list[tuple[int, Evidence]] = []
        for at in block.chain(1):
            events += [(at.height, kind) for who, kind in reversed(at.evidence) if who == miner]
            if len(events) >= self.trust.rules.history_events:
                break
        return events[: self.trust.rules.history_events]

    def _next(self, state: State, block: Block) -> State:
        standings = list(state.standings)
        after, height = self.trust.after, block.height
        for miner, kind in block.evidence:
            standings[miner] = after(standings[miner], kind, height)
        if height % self.trust.rules.epoch_blocks == 0:
            standings = [self.trust.decayed(standing) for standing in standings]
        return self._state(tuple(standings), height)

    def _state(self, standings: tuple[Standing, ...], height: int) -> State:
        scores = tuple(map(self.trust.score, standings))
        may_enter = map(self.trust.may_enter, standings, scores, repeat(height + 1))
        return State(standings, scores, tuple(compress(range(len(standings)), may_enter)))
