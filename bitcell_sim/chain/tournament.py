"""Tournaments: neighbours in the list fight, winners go on, until one is left.

Everything here is a pure function of the gliders and a 32-byte seed; the simulated nodes decide who takes part.

References
----------
BitCell, crates/bitcell-consensus (tournament.rs, orchestrator.rs), commit 116dda5.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bitcell_sim.chain.battle import BattleResult, Glider, check_bytes, fight
from bitcell_sim.errors import InputError

FINALISTS = 2
SHUFFLE_DOMAIN = b"BRACKET"


@dataclass(frozen=True, slots=True)
class Match:
    """One battle of a tournament.

    Parameters
    ----------
    round_number : int
        Round, from 0.
    match_index : int
        Match in the round, from 0; byes do not count.
    final : bool
        Whether exactly two were left; only then MII and TED are recorded.
    miner_a, miner_b : int
        Who fought, by their place in the list given.
    winner : int
        Who won, by the same.
    entropy : bytes
        Entropy of the battle.
    result : BattleResult
        What the battle came to.
    """

    round_number: int
    match_index: int
    final: bool
    miner_a: int
    miner_b: int
    winner: int
    entropy: bytes
    result: BattleResult


@dataclass(frozen=True, slots=True)
class TournamentResult:
    """What a tournament came to.

    Parameters
    ----------
    winner : int
        Place in the list given.
    rounds : int
        Rounds fought.
    byes : tuple of tuple of int
        (round, participant) of each that went on without a fight.
    matches : tuple of Match
        All battles, in order.
    gliders : tuple of Glider
        Who took part.
    seed : bytes
        The 32 bytes it was fought with.
    """

    winner: int
    rounds: int
    byes: tuple[tuple[int, int], ...]
    matches: tuple[Match, ...]
    gliders: tuple[Glider, ...]
    seed: bytes


def match_entropy(seed: bytes, round_number: int, match_index: int) -> bytes:
    """Entropy of one match: SHA-256 of the seed, the round and the match, both as 32-bit little-endian words.

    Parameters
    ----------
    seed : bytes
        The tournament's 32 bytes.
    round_number, match_index : int
        From 0.

    Returns
    -------
    bytes
        32 bytes.
    """
    return hashlib.sha256(seed + struct.pack("<II", round_number, match_index)).digest()


def tournament(gliders: Sequence[Glider], seed: bytes, *, full: bool = False) -> TournamentResult:
    """Fight a tournament.

    Parameters
    ----------
    gliders : sequence of Glider
        Participants; neighbours fight. An odd one goes on without a fight, to the end of the next round's list.
    seed : bytes
        32 bytes.
    full : bool
        Whether each battle counts and hashes its grids.

    Returns
    -------
    TournamentResult
        Winner, rounds, byes and every match.

    Raises
    ------
    InputError
        Without participants, or if the seed is not 32 bytes.

    Examples
    --------
    >>> from bitcell_sim.chain.battle import Pattern
    >>> outcome = tournament([Glider.of(Pattern.STANDARD, 100, 100)] * 7, bytes(32))
    >>> outcome.rounds, len(outcome.matches), outcome.byes
    (3, 6, ((0, 6),))
    """
    if not gliders:
        raise InputError("a tournament needs at least one participant, and none was given")
    check_bytes("the tournament's seed", seed)

    def battle(round_number: int, match_index: int, final: bool, a: int, b: int) -> BattleResult:
        entropy = match_entropy(seed, round_number, match_index)
        return fight(gliders[a], gliders[b], entropy=entropy, history=final, full=full)

    return play(gliders, seed, battle)


def play(
    gliders: Sequence[Glider], seed: bytes, battle: Callable[[int, int, bool, int, int], BattleResult]
) -> TournamentResult:
    """Go through a tournament's rounds.

    Parameters
    ----------
    gliders : sequence of Glider
        Participants.
    seed : bytes
        32 bytes.
    battle : callable
        Called for each match, in order, with its round, its index in the round, whether it is the final, and the two
        participants; gives the result.
    """
    left = list(range(len(gliders)))
    matches: list[Match] = []
    byes: list[tuple[int, int]] = []
    round_number = 0
    while len(left) > 1:
        final = len(left) == FINALISTS
        winners: list[int] = []
        for match_index in range(len(left) // 2):
            a, b = left[2 * match_index : 2 * match_index + 2]
            result = battle(round_number, match_index, final, a, b)
            winner = b if result.winner else a
            matches.append(Match(round_number, match_index, final, a, b, winner, result.entropy, result))
            winners.append(winner)
        if len(left) % 2:
            winners.append(left[-1])
            byes.append((round_number, left[-1]))
        left = winners
        round_number += 1
    return TournamentResult(left[0], round_number, tuple(byes), tuple(matches), tuple(gliders), seed)


def shuffle_bracket(indices: Sequence[int], seed: bytes) -> list[int]:
    """Order participants by a seeded Fisher-Yates shuffle, the same on every machine.

    The documents promise a shuffled bracket; the code pairs by list order. Profiles say which one is simulated.

    Parameters
    ----------
    indices : sequence of int
        Participants, in list order.
    seed : bytes
        32 bytes.

    Returns
    -------
    list of int
        The same participants, in bracket order.

    Notes
    -----
    Position i, from the last to the second, is swapped with position h mod (i + 1); h is SHA-256 of
    ``"BRACKET" || seed || i as u32 little endian``, as one 256-bit number, so the bias is below 2^-220.
    """
    order = list(indices)
    for position in range(len(order) - 1, 0, -1):
        digest = hashlib.sha256(SHUFFLE_DOMAIN + seed + struct.pack("<I", position)).digest()
        other = int.from_bytes(digest, "big") % (position + 1)
        order[position], order[other] = order[other], order[position]
    return order
