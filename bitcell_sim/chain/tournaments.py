"""Thousands of tournaments in one call, each exactly as if it had been fought alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np

from bitcell_sim.chain.battle import (
    BATTLE_STEPS,
    ENTROPY_BYTES,
    BattleResult,
    Glider,
    battle_result,
    check_bytes,
    kernel_player,
)
from bitcell_sim.chain.tournament import TournamentResult, match_entropy, play
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.arrays import Floats, Ints, Keys
from bitcell_sim.kernels.brackets import FIGURES, HASHES, play_tournaments

Lineup = Sequence[Glider]


@lru_cache(maxsize=256)
def match_numbers(participants: int) -> tuple[tuple[int, int], ...]:
    """Round and index in the round of each match of a tournament, in order.

    >>> match_numbers(5)
    ((0, 0), (0, 1), (1, 0), (2, 0))
    """
    numbers: list[tuple[int, int]] = []
    round_number = 0
    while participants > 1:
        numbers += [(round_number, index) for index in range(participants // 2)]
        participants = (participants + 1) // 2
        round_number += 1
    return tuple(numbers)


@dataclass(frozen=True, slots=True)
class MatchArrays:
    """Matches of many tournaments, one after the other, as `play_tournaments` writes them.

    Parameters
    ----------
    entropies : bytes
        32 bytes a match.
    pairs : ndarray of int64, shape (n_matches, 2)
        Who fought, by place in the line-up.
    scores : ndarray of int64, shape (n_matches, 12)
        Winner, stage, energies, MII, and what the grids hold.
    ted : ndarray of float64, shape (n_matches, 2)
        Territory entropy, bits.
    hashes : ndarray of uint64, shape (n_matches, 4)
        Tie-break hashes and those of the grids.
    """

    entropies: bytes
    pairs: Ints
    scores: Ints
    ted: Floats
    hashes: Keys

    @classmethod
    def of(cls, entropies: bytes) -> MatchArrays:
        """Make room for as many matches as there are entropies."""
        count = len(entropies) // ENTROPY_BYTES
        pairs, scores = np.empty((count, 2), np.int64), np.empty((count, FIGURES), np.int64)
        return cls(entropies, pairs, scores, np.empty((count, 2)), np.empty((count, HASHES), np.uint64))

    def result(self, row: int, a: Glider, b: Glider, *, final: bool, full: bool) -> BattleResult:
        """Name the figures of one match."""
        scores, hashes = self.scores[row].tolist(), self.hashes[row].tolist()
        grids = (*scores[8:10], hashes[2], *scores[10:12], hashes[3])
        figures = (*scores[:8], *self.ted[row].tolist(), *hashes[:2], *grids)
        entropy = self.entropies[ENTROPY_BYTES * row : ENTROPY_BYTES * (row + 1)]
        return battle_result(figures, a, b, entropy, BATTLE_STEPS, history=final, full=full)


@dataclass(frozen=True, slots=True, eq=False)
class TournamentResults(Sequence[TournamentResult]):
    """What many tournaments came to; item i is what `tournament` gives for line-up and seed i.

    Parameters
    ----------
    lineups : sequence of sequence of Glider
        Participants of each, or of all if there is only one.
    seeds : sequence of bytes
        32 bytes a tournament.
    full : bool
        Whether the grids were counted and hashed.
    winners : ndarray of int64, shape (n_tournaments,)
        Winner of each, by place in its line-up.
    first_matches : ndarray of int64, shape (n_tournaments,)
        First of each in `matches`.
    matches : MatchArrays
        Figures of all matches.
    """

    lineups: Sequence[Lineup]
    seeds: Sequence[bytes]
    full: bool
    winners: Ints
    first_matches: Ints
    matches: MatchArrays

    def __len__(self) -> int:
        return len(self.seeds)

    @overload
    def __getitem__(self, index: int) -> TournamentResult: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TournamentResult]: ...

    def __getitem__(self, index: int | slice) -> TournamentResult | Sequence[TournamentResult]:
        """Give the result of one tournament, or of some."""
        chosen = range(len(self))[index]
        if isinstance(chosen, range):
            return [self[number] for number in chosen]
        lineup = self.lineup(chosen)
        rows = iter(range(int(self.first_matches[chosen]), len(self.matches.pairs)))

        def battle(_round: int, _match: int, final: bool, a: int, b: int) -> BattleResult:
            return self.matches.result(next(rows), lineup[a], lineup[b], final=final, full=self.full)

        return play(lineup, self.seeds[chosen], battle)

    def lineup(self, number: int) -> Lineup:
        """Participants of one tournament."""
        return self.lineups[number if len(self.lineups) > 1 else 0]


def tournaments(lineups: Sequence[Lineup], seeds: Sequence[bytes], *, full: bool = False) -> TournamentResults:
    """Fight many tournaments, each exactly as `tournament` does.

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
    TournamentResults
        Winners as an array, and the results.

    Raises
    ------
    InputError
        If a line-up is empty, a seed is not 32 bytes, or there are neither one line-up nor as many as seeds.

    Examples
    --------
    Of seven equal gliders only the first and the fifth can win, as ties go to the first of a pair:

    >>> from bitcell_sim.chain.battle import Pattern
    >>> seeds = [bytes([number] * 32) for number in range(1, 100)]
    >>> outcome = tournaments([[Glider.of(Pattern.STANDARD, 100, 100)] * 7], seeds)
    >>> sorted(set(outcome.winners.tolist()))
    [0, 4]
    """
    _demand_usable(lineups, seeds)
    players = np.array([kernel_player(glider) for lineup in lineups for glider in lineup], np.int64).reshape(-1, 4)
    sizes = np.array([len(lineup) for lineup in lineups], np.int64)
    firsts = np.cumsum(sizes) - sizes
    if len(lineups) == 1:
        sizes, firsts = sizes.repeat(len(seeds)), firsts.repeat(len(seeds))
    entropies = [
        match_entropy(seed, *numbers)
        for seed, size in zip(seeds, sizes.tolist(), strict=True)
        for numbers in match_numbers(size)
    ]
    arrays = MatchArrays.of(b"".join(entropies))
    winners = np.empty(len(seeds), np.int64)
    outputs = (arrays.pairs, arrays.scores, arrays.ted, arrays.hashes, winners)
    play_tournaments(firsts, sizes, players, arrays.entropies, BATTLE_STEPS, full, *outputs)
    first_matches = np.cumsum(sizes - 1) - (sizes - 1)
    return TournamentResults(lineups, seeds, full, winners, first_matches, arrays)


def _demand_usable(lineups: Sequence[Lineup], seeds: Sequence[bytes]) -> None:
    if len(lineups) not in (1, len(seeds)):
        raise InputError(f"{len(lineups)} line-ups for {len(seeds)} seeds: give one line-up for all, or one a seed")
    for number, lineup in enumerate(lineups):
        if not lineup:
            raise InputError(f"line-up {number} is empty: a tournament needs at least one participant")
    for number, seed in enumerate(seeds):
        check_bytes(f"seed {number}", seed)
