"""Slow twin of ``quorum`` and ``voting``: one event a message, in plain Python."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.kernels.mail_plain import travel_ns
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths_plain import transmission_ns

if TYPE_CHECKING:
    from bitcell_sim.kernels.mail import Mail
    from bitcell_sim.kernels.quorum import Height
    from bitcell_sim.kernels.voting import Rules

Ballot = tuple[int, int, int, int]  # round, kind, voter, block
_PREVOTE, _PRECOMMIT = 0, 1
_BEGIN, _BLOCK, _VOTE, _TIMEOUT = range(4)  # of equal moments the first goes first


class Validator:
    """One validator: what it knows, what it has voted, where it stands.

    Parameters
    ----------
    me : int
        Its number.
    stakes : list of int
        Everyone's.
    rules : Rules
        Quorum and time-outs.
    """

    def __init__(self, me: int, stakes: list[int], rules: Rules) -> None:
        self.me = me
        self.stakes = stakes
        self.rules = rules
        self.begun = False
        self.blocks: set[int] = set()
        self.votes: list[Ballot] = []  # that it has, its own too
        self.cast: dict[tuple[int, int], tuple[int, int]] = {}  # own, by round and kind: when, block
        self.round = -1
        self.deadline_ns = NEVER
        self.lock = self.lock_round = -1
        self.lock_ns = NEVER
        self.final = self.final_round = -1
        self.final_ns = NEVER

    def take(self, now: int, what: int, details: Ballot) -> list[Ballot]:
        """Take what happens; the votes that it casts."""
        before = len(self.cast)
        if self.final >= 0 or (what == _TIMEOUT and details[0] != self.round):
            return []
        if what == _BEGIN:
            self.begun = True
        elif what == _BLOCK:
            self.blocks.add(details[3])
        elif what == _VOTE:
            self.votes.append(details)
            if self.round >= 0 and details[0] > self.round and self.seen_in(details[0]) >= self.rules.third:
                self.enter(details[0], now)
        else:
            self.enter(self.round + 1, now)
        if self.round < 0 and self.begun and self.blocks:
            reached = [vote[0] for vote in self.votes if self.seen_in(vote[0]) >= self.rules.third]
            self.enter(max(reached, default=0), now)
        self.review(now)
        new = list(self.cast.items())[before:]
        return [(round_number, kind, self.me, block) for (round_number, kind), (_, block) in new]

    def seen_in(self, round_number: int) -> int:
        """Stake of all whose votes of a round it has."""
        return sum(self.stakes[voter] for voter in {vote[2] for vote in self.votes if vote[0] == round_number})

    def enter(self, round_number: int, now: int) -> None:
        """Begin a round."""
        self.round = round_number
        self.deadline_ns = now + self.rules.timeout_ns + self.rules.timeout_step_ns * round_number
        self.vote(_PREVOTE, self.lock if self.lock >= 0 else min(self.blocks), now)

    def vote(self, kind: int, block: int, now: int) -> None:
        """Cast a vote of the current round, once."""
        if (self.round, kind) not in self.cast:
            self.cast[self.round, kind] = now, block
            self.votes.append((self.round, kind, self.me, block))

    def majorities(self, kind: int) -> list[tuple[int, int]]:
        """Rounds, ascending, and their blocks with more than two thirds of the stake."""
        found = []
        for round_number, block in sorted({(vote[0], vote[3]) for vote in self.votes if vote[1] == kind}):
            same = (round_number, kind, block)
            behind = sum(self.stakes[voter] for at, of, voter, for_ in self.votes if (at, of, for_) == same)
            if block in self.blocks and behind >= self.rules.quorum:
                found.append((round_number, block))
        return found

    def review(self, now: int) -> None:
        """Lock, precommit, make final."""
        for round_number, block in self.majorities(_PREVOTE):
            if self.lock_round < round_number <= self.round:
                self.lock, self.lock_round, self.lock_ns = block, round_number, now
            if round_number == self.round and block == self.lock:
                self.vote(_PRECOMMIT, block, now)
        for round_number, block in self.majorities(_PRECOMMIT)[:1]:
            self.final, self.final_round, self.final_ns = block, round_number, now

    def state(self) -> list[int]:
        """What `voting.Seat` calls its state."""
        locked, final = [self.lock, self.lock_round, self.lock_ns], [self.final, self.final_round, self.final_ns]
        return [self.round, self.deadline_ns, *locked, *final]


def decide(
    height: Height, rules: Rules, mail: Mail, rounds: int, until_ns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Votes (when, what for) and states of all validators before a moment, as `quorum.decide` gives them."""
    stakes = height.stakes.tolist()
    everyone = range(len(stakes))
    validators = [Validator(me, stakes, rules) for me in everyone]
    nothing = (-1, -1, -1, -1)
    events = [(at, _BEGIN, nothing, me) for me, at in enumerate(height.begin_ns.tolist())]
    for block, times in enumerate(height.checked_ns.tolist()):
        events += [(at, _BLOCK, (-1, -1, -1, block), me) for me, at in enumerate(times)]
    heapq.heapify(events)
    while events and events[0][0] < until_ns:
        now, what, details, me = heapq.heappop(events)
        validator = validators[me]
        for vote in validator.take(now, what, details):
            for target in everyone:
                if target != me and not mail.links.cut[mail.place[me], mail.place[target]]:
                    heapq.heappush(events, (_arrival_ns(mail, height.number, vote, target, now), _VOTE, vote, target))
            if vote[1] == _PREVOTE:
                heapq.heappush(events, (validator.deadline_ns, _TIMEOUT, vote, me))
    cast_ns, choice = np.full((rounds, 2, len(stakes)), NEVER), np.full((rounds, 2, len(stakes)), -1)
    for me in everyone:
        for (round_number, kind), (at, block) in validators[me].cast.items():
            cast_ns[round_number, kind, me], choice[round_number, kind, me] = at, block
    return cast_ns, choice, np.array([validator.state() for validator in validators], np.int64).T


def _arrival_ns(mail: Mail, height: int, vote: Ballot, target: int, cast_ns: int) -> int:
    """When a vote arrives."""
    round_number, kind, voter, _ = vote
    name = ((voter * 2**32 + height) * 2**10 + round_number) * 2 + kind
    leaves = cast_ns + transmission_ns(mail.size_bytes, int(mail.links.uplink_bit_per_s[mail.place[voter]]))
    return leaves + travel_ns(mail, name, voter, target, cast_ns)
