"""What one validator does on one height with blocks, votes and time-outs: Tendermint's rules on arrays.

The same rules as in :mod:`bitcell_sim.chain.finality`, which take votes one by one and know blocks by name. Here blocks
are numbered by preference, the heaviest first, and nobody votes twice.
"""

from __future__ import annotations

from typing import NamedTuple

from bitcell_sim.kernels.arrays import Flags, Ints
from bitcell_sim.kernels.compiling import part
from bitcell_sim.kernels.mempool import NEVER

PREVOTE, PRECOMMIT = range(2)
ROUND, DEADLINE_NS, LOCK, LOCK_ROUND, LOCK_NS, FINAL, FINAL_ROUND, FINAL_NS = range(8)
STATES = 8


class Rules(NamedTuple):
    """What all validators agree on.

    Parameters
    ----------
    quorum, third : int
        Least stake that is more than two thirds, and more than one third.
    timeout_ns, timeout_step_ns : int
        How long the first round lasts, and how much longer each later one, nanoseconds.
    """

    quorum: int
    third: int
    timeout_ns: int
    timeout_step_ns: int


class Seat(NamedTuple):
    """One validator in the course of a height.

    Parameters
    ----------
    state : ndarray of int64, shape (STATES,)
        Current round (-1 before it votes), when it times out; locked block (-1 for none), its round, and since when;
        the same of the final block.
    begun : ndarray of uint8, shape (1,)
        1 once the height below is final.
    known : ndarray of uint8, shape (blocks,)
        1 for blocks it has checked.
    tally : ndarray of int64, shape (rounds, 2, blocks)
        Stake behind each block, by kind of vote.
    seen : ndarray of uint8, shape (rounds, voters)
        Whose votes, of either kind, it has.
    present : ndarray of int64, shape (rounds,)
        Stake of these.
    cast_ns : ndarray of int64, shape (rounds, 2)
        When it cast its own votes, nanoseconds; NEVER where it did not.
    choice : ndarray of int64, shape (rounds, 2)
        What for; -1 where it did not.
    """

    state: Ints
    begun: Flags
    known: Flags
    tally: Ints
    seen: Flags
    present: Ints
    cast_ns: Ints
    choice: Ints


@part
def clear(seat: Seat) -> None:
    """Forget everything."""
    seat.state[:] = -1
    seat.state[DEADLINE_NS] = seat.state[LOCK_NS] = seat.state[FINAL_NS] = NEVER
    seat.begun[0] = 0
    seat.known[:] = 0
    seat.tally[:] = 0
    seat.seen[:] = 0
    seat.present[:] = 0
    seat.cast_ns[:] = NEVER
    seat.choice[:] = -1


@part
def count(seat: Seat, round_number: int, kind: int, block: int, voter: int, stake: int) -> None:
    """Add a vote to the stake behind its block, and its voter to those seen in its round."""
    seat.tally[round_number, kind, block] += stake
    if not seat.seen[round_number, voter]:
        seat.seen[round_number, voter] = 1
        seat.present[round_number] += stake


@part
def vote(seat: Seat, kind: int, block: int, me: int, stake: int, now: int) -> None:
    """Cast a vote of the current round, unless it is cast already."""
    round_number = seat.state[ROUND]
    if seat.cast_ns[round_number, kind] < NEVER:
        return
    seat.cast_ns[round_number, kind] = now
    seat.choice[round_number, kind] = block
    count(seat, round_number, kind, block, me, stake)


@part
def choice(seat: Seat) -> int:
    """Block to prevote: the lock, else the heaviest known; -1 without any."""
    if seat.state[LOCK] >= 0:
        locked: int = seat.state[LOCK]
        return locked
    for block in range(seat.known.shape[0]):
        if seat.known[block]:
            return block
    return -1


@part
def round_to_join(seat: Seat, rules: Rules) -> int:
    """First round to vote in: the latest that more than a third of the stake has reached; -1 if it is too early."""
    if not seat.begun[0] or seat.state[ROUND] >= 0 or choice(seat) < 0:
        return -1
    for round_number in range(seat.present.shape[0] - 1, 0, -1):
        if seat.present[round_number] >= rules.third:
            return round_number
    return 0


@part
def enter(seat: Seat, round_number: int, rules: Rules, me: int, stake: int, now: int) -> None:
    """Begin a round: start its clock and prevote."""
    seat.state[ROUND] = round_number
    seat.state[DEADLINE_NS] = now + rules.timeout_ns + rules.timeout_step_ns * round_number
    vote(seat, PREVOTE, choice(seat), me, stake, now)


@part
def majority(seat: Seat, round_number: int, kind: int, rules: Rules) -> int:
    """Known block with a quorum of one round; -1 for none."""
    for block in range(seat.known.shape[0]):
        if seat.known[block] and seat.tally[round_number, kind, block] >= rules.quorum:
            return block
    return -1


@part
def review(seat: Seat, rules: Rules, me: int, stake: int, now: int) -> None:
    """Look for majorities: they lock, precommit and make final."""
    state = seat.state
    for round_number in range(state[ROUND] + 1):
        block = majority(seat, round_number, PREVOTE, rules)
        if block >= 0 and round_number > state[LOCK_ROUND]:
            state[LOCK], state[LOCK_ROUND], state[LOCK_NS] = block, round_number, now
        if block >= 0 and round_number == state[ROUND] and state[LOCK] == block:
            vote(seat, PRECOMMIT, block, me, stake, now)
    for round_number in range(seat.present.shape[0]):
        block = majority(seat, round_number, PRECOMMIT, rules)
        if block >= 0:
            state[FINAL], state[FINAL_ROUND], state[FINAL_NS] = block, round_number, now
            return
