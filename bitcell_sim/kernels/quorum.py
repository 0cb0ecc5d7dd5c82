"""When each of N validators sees one block of a height final: all rounds of votes, message by message, in memory for N.

A validator's votes are a function of what arrives at it, and what arrives is a function of the votes: the course of a
height is the fixed point. :func:`decide` works out every validator from the votes that it holds so far, and again until
no vote changes. A vote takes time to arrive, so what is wrong after a turn is later than what was wrong before it: two
or three turns settle a round. The delay of a vote is a pure function of its name and is drawn anew each time instead of
being kept. ``quorum_plain`` holds the slow twin, one event a message.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import njit, part
from bitcell_sim.kernels.mail import Mail, arrival_ns, wire_ns
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.sorting import stable_order
from bitcell_sim.kernels.voting import (
    DEADLINE_NS,
    FINAL,
    FINAL_NS,
    LOCK_NS,
    ROUND,
    STATES,
    Rules,
    Seat,
    clear,
    count,
    enter,
    review,
    round_to_join,
)

HEIGHTS_MAX = 1 << 32  # names of votes, as the chain gives them: voter, then height
ROUNDS_MAX = 1 << 10  # then round, then kind


class Height(NamedTuple):
    """What the votes on one height start from.

    Parameters
    ----------
    number : int
        Which height; names the draws.
    stakes : ndarray of int64, shape (voters,)
        Weight of each vote.
    begin_ns : ndarray of int64, shape (voters,)
        When the height below is final at each, nanoseconds; NEVER if it is not.
    checked_ns : ndarray of int64, shape (blocks, voters)
        When each has checked each block, the heaviest block first; NEVER where it does not.
    """

    number: int
    stakes: Ints
    begin_ns: Ints
    checked_ns: Ints


class Course(NamedTuple):
    """What came of a height.

    Parameters
    ----------
    cast_ns : ndarray of int64, shape (rounds, 2, voters)
        When each vote was cast, nanoseconds, prevotes and precommits; NEVER where it was not.
    choice : ndarray of int64, shape (rounds, 2, voters)
        What for; -1 where it was not.
    state : ndarray of int64, shape (STATES, voters)
        Rounds, locks and final blocks at the end, as in `voting.Seat`.
    """

    cast_ns: Ints
    choice: Ints
    state: Ints


@part
def collect(mail: Mail, height: int, cast_ns: Ints, me: int, until_ns: int, at_ns: Ints, vote: Ints) -> int:
    """Find the votes of others that arrive at one before a moment: when, and their places in `cast_ns`; how many."""
    found = 0
    voters = cast_ns.shape[2]
    for round_number in range(cast_ns.shape[0]):
        for kind in range(2):
            for voter in range(voters):
                cast = cast_ns[round_number, kind, voter]
                if voter == me or cast >= until_ns:
                    continue
                name = ((voter * HEIGHTS_MAX + height) * ROUNDS_MAX + round_number) * 2 + kind
                at = arrival_ns(mail, name, voter, me, cast, cast + wire_ns(mail, voter))
                if at < until_ns:
                    at_ns[found] = at
                    vote[found] = (round_number * 2 + kind) * voters + voter
                    found += 1
    return found


@njit
def follow(
    height: Height, rules: Rules, course: Course, me: int, until_ns: int, at_ns: Ints, vote: Ints, seat: Seat
) -> None:
    """Take one validator through its height, given what arrives; of equal moments its own come before others' votes.

    Parameters
    ----------
    height, rules : Height, Rules
        What it starts from, and what it obeys.
    course : Course
        Whose `choice` says what others vote for.
    me : int
        Which validator.
    until_ns : int
        Where it stops, nanoseconds.
    at_ns, vote : ndarray of int64, shape (n,)
        Arrivals and the votes' places, in any order.
    seat : Seat
        Takes what it does.
    """
    clear(seat)
    state, stakes, voters = seat.state, height.stakes, height.stakes.shape[0]
    blocks = height.checked_ns.shape[0]
    order = stable_order(at_ns)
    place = 0
    while state[FINAL] < 0:
        now, what = height.begin_ns[me] if not seat.begun[0] else NEVER, -1
        for block in range(blocks):
            if not seat.known[block] and height.checked_ns[block, me] < now:
                now, what = height.checked_ns[block, me], block
        if place < order.shape[0] and at_ns[order[place]] < now:
            now, what = at_ns[order[place]], blocks
        if state[DEADLINE_NS] < now:
            now, what = state[DEADLINE_NS], blocks + 1
        if now >= until_ns:
            return
        target, looks = -1, True
        if what == blocks:
            at = vote[order[place]]
            place += 1
            row, voter = at // voters, at % voters
            round_number, kind = row // 2, row % 2
            block = course.choice[round_number, kind, voter]
            count(seat, round_number, kind, block, voter, stakes[voter])
            if round_number > state[ROUND] >= 0 and seat.present[round_number] >= rules.third:
                target = round_number
            looks = target >= 0 or (seat.known[block] and seat.tally[round_number, kind, block] >= rules.quorum)
        elif what == blocks + 1:
            target = state[ROUND] + 1
        else:
            if what < 0:
                seat.begun[0] = 1
            else:
                seat.known[what] = 1
            target = round_to_join(seat, rules)
        if target >= 0:
            enter(seat, target, rules, me, stakes[me], now)
        if looks:
            review(seat, rules, me, stakes[me], now)


@part
def take_over(course: Course, fresh: Course, seat: Seat, me: int) -> int:
    """Write what a validator did into `fresh`; the earliest moment at which it differs from `course`, NEVER if none."""
    changed = NEVER
    for round_number in range(seat.cast_ns.shape[0]):
        for kind in range(2):
            new, old = seat.cast_ns[round_number, kind], course.cast_ns[round_number, kind, me]
            block = seat.choice[round_number, kind]
            if new != old or block != course.choice[round_number, kind, me]:
                changed = min(changed, new, old)
            fresh.cast_ns[round_number, kind, me] = new
            fresh.choice[round_number, kind, me] = block
    for field in range(STATES):
        fresh.state[field, me] = seat.state[field]
    return changed


@njit
def new_course(rounds: int, voters: int) -> Course:
    """Nobody has done anything yet."""
    state = np.full((STATES, voters), -1, np.int64)
    state[DEADLINE_NS] = state[LOCK_NS] = state[FINAL_NS] = NEVER
    return Course(np.full((rounds, 2, voters), NEVER, np.int64), np.full((rounds, 2, voters), -1, np.int64), state)


@njit
def new_seat(rounds: int, voters: int, blocks: int) -> Seat:
    """Room for one validator."""
    return Seat(
        np.empty(STATES, np.int64),
        np.empty(1, np.uint8),
        np.empty(blocks, np.uint8),
        np.empty((rounds, 2, blocks), np.int64),
        np.empty((rounds, voters), np.uint8),
        np.empty(rounds, np.int64),
        np.empty((rounds, 2), np.int64),
        np.empty((rounds, 2), np.int64),
    )


@njit
def starts_ns(height: Height) -> Ints:
    """When each validator can cast its first vote, nanoseconds; NEVER if it lacks all blocks."""
    start_ns = np.empty(height.stakes.shape[0], np.int64)
    for voter in range(start_ns.shape[0]):
        start_ns[voter] = max(height.begin_ns[voter], height.checked_ns[:, voter].min())
    return start_ns


@njit
def turn(
    height: Height, rules: Rules, mail: Mail, course: Course, changed_ns: int, until_ns: int
) -> tuple[Course, int]:
    """Work out every validator anew that votes changed since a moment can concern.

    Parameters
    ----------
    height, rules, mail : Height, Rules, Mail
        What holds.
    course : Course
        As it is known so far.
    changed_ns : int
        Earliest vote that the last turn changed, nanoseconds.
    until_ns : int
        Nothing is worked out from here on.

    Returns
    -------
    course, changed_ns
        The new ones; NEVER if nothing has changed.
    """
    rounds, voters = course.cast_ns.shape[0], height.stakes.shape[0]
    seat = new_seat(rounds, voters, height.checked_ns.shape[0])
    at_ns, vote = np.empty(2 * rounds * voters, np.int64), np.empty(2 * rounds * voters, np.int64)
    fresh = Course(course.cast_ns.copy(), course.choice.copy(), course.state.copy())
    earliest = NEVER
    for me in range(voters):
        if course.state[FINAL_NS, me] <= changed_ns:
            continue
        moves = height.checked_ns[:, me].min() < until_ns  # without a block, votes change nothing
        found = collect(mail, height.number, course.cast_ns, me, until_ns, at_ns, vote) if moves else 0
        follow(height, rules, course, me, until_ns, at_ns[:found], vote[:found], seat)
        earliest = min(earliest, take_over(course, fresh, seat, me))
    return fresh, earliest


@njit
def decide(height: Height, rules: Rules, mail: Mail, rounds: int, until_ns: int) -> Course:
    """Let the validators vote on a height.

    Parameters
    ----------
    height : Height
        Stakes, and when each has what it needs to vote.
    rules : Rules
        Quorum and time-outs.
    mail : Mail
        How votes travel; every delay is at least 1 ns.
    rounds : int
        Room for rounds, at least as many as can begin before `until_ns` (:func:`rounds_before`).
    until_ns : int
        Where it stops, nanoseconds.

    Returns
    -------
    Course
        Votes, locks and final blocks before `until_ns`.

    Notes
    -----
    Goes round by round: nobody is in round r + 1 before the first to start has waited for r + 1 time-outs, so up to
    then there are no later votes to try and to discard.
    """
    course = new_course(rounds, height.stakes.shape[0])
    end_ns = starts_ns(height).min()
    for round_number in range(rounds):
        if end_ns >= until_ns or course.state[FINAL_NS].max() < NEVER:
            break
        changed_ns = end_ns
        end_ns = min(end_ns + rules.timeout_ns + rules.timeout_step_ns * round_number, until_ns)
        while changed_ns < NEVER:
            course, changed_ns = turn(height, rules, mail, course, changed_ns, end_ns)
    return course


def rounds_before(height: Height, rules: Rules, until_ns: int) -> int:
    """How many rounds can begin before a moment."""
    end_ns, rounds = int(starts_ns(height).min()), 0
    while end_ns < until_ns and rounds < ROUNDS_MAX:
        end_ns += rules.timeout_ns + rules.timeout_step_ns * rounds
        rounds += 1
    return max(rounds, 1)
