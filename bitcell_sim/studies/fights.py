"""What ``import bitcell_sim`` offers of battles: fight, tournament, tournaments; what they give draws itself."""

from __future__ import annotations

from collections.abc import Sequence

from bitcell_sim.chain import battle as fighting
from bitcell_sim.chain import tournament as bracket
from bitcell_sim.chain import tournaments as brackets
from bitcell_sim.chain.battle import BATTLE_STEPS, Glider
from bitcell_sim.report.contests import Battle, Tournament, Tournaments


def fight(
    a: Glider, b: Glider, *, entropy: bytes, steps: int = BATTLE_STEPS, history: bool = False, full: bool = True
) -> Battle:
    """Fight a battle, bit for bit as upstream does.

    Parameters
    ----------
    a, b : Glider
        The players.
    entropy : bytes
        32 bytes that decide jitter, noise and fluctuation; all zero turns them off.
    steps : int
        Steps of the automaton, 0 to 10,000,000.
    history : bool
        Whether to record every step, so that MII and TED can break a tie.
    full : bool
        Whether to count and hash the grid before and after; the winner is the same without.

    Returns
    -------
    Battle
        Winner, deciding stage and figures; ``.plot.film()`` and ``.plot.strip()`` draw it.

    Raises
    ------
    InputError
        If the entropy is not 32 bytes or the steps are out of range.

    Examples
    --------
    The lighter pattern wins, because a ship is credited to the region it has reached after 1000 steps:

    >>> from bitcell_sim import Pattern
    >>> light, heavy = Glider.of(Pattern.STANDARD), Glider.of(Pattern.HEAVYWEIGHT)
    >>> battle = fight(light, heavy, entropy=bytes(32))
    >>> battle.outcome, battle.energy_raw
    ('AWins', (2080, 0))
    """
    return Battle.of(fighting.fight(a, b, entropy=entropy, steps=steps, history=history, full=full))


def tournament(gliders: Sequence[Glider], seed: bytes, *, full: bool = False) -> Tournament:
    """Fight a tournament: neighbours in the list meet, winners go on.

    Parameters
    ----------
    gliders : sequence of Glider
        Participants; an odd one goes on without a fight, to the end of the next round's list.
    seed : bytes
        32 bytes.
    full : bool
        Whether each battle counts and hashes its grids.

    Returns
    -------
    Tournament
        Winner, rounds, byes and every match; ``.frame`` has a row a match, ``.plot.bracket()`` draws it.

    Raises
    ------
    InputError
        Without participants, or if the seed is not 32 bytes.

    Examples
    --------
    >>> from bitcell_sim import Pattern
    >>> outcome = tournament([Glider.of(Pattern.STANDARD, 100, 100)] * 7, bytes(range(32)))
    >>> outcome.rounds, outcome.frame["decided_by"].tolist()
    (3, ['lex', 'lex', 'lex', 'lex', 'lex', 'mii'])
    """
    return Tournament.of(bracket.tournament(gliders, seed, full=full))


def tournaments(lineups: Sequence[Sequence[Glider]], seeds: Sequence[bytes], *, full: bool = False) -> Tournaments:
    """Fight many tournaments in one call, each exactly as `tournament` does: some 10,000 a second.

    Parameters
    ----------
    lineups : sequence of sequence of Glider
        Participants of each tournament; a single line-up serves all seeds.
    seeds : sequence of bytes
        32 bytes a tournament.
    full : bool
        Whether each battle counts and hashes its grids.

    Returns
    -------
    Tournaments
        ``.winners`` is an array, ``.frame`` has a row a match of all, and item i is the tournament of seed i.

    Raises
    ------
    InputError
        If a line-up is empty, a seed is not 32 bytes, or there are neither one line-up nor as many as seeds.

    Examples
    --------
    Of seven equal gliders only the first and the fifth can win, as ties go to the first of a pair until the final:

    >>> from bitcell_sim import Pattern
    >>> seeds = [bytes([number] * 32) for number in range(1, 100)]
    >>> outcome = tournaments([[Glider.of(Pattern.STANDARD, 100, 100)] * 7], seeds)
    >>> sorted(set(outcome.winners.tolist())), len(outcome.frame), outcome[0].rounds
    ([0, 4], 594, 3)
    """
    return Tournaments.of(brackets.tournaments(lineups, seeds, full=full))
