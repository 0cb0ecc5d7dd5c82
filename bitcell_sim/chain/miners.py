"""What miners do: honest ones, and those that play the rules or break them.

What a miner reveals, keeps back or says twice is a pure function of the scenario, the seed, the height and the attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import assert_never

from bitcell_sim.chain.battle import ENERGY_MAX, Glider, Pattern
from bitcell_sim.chain.tournament import shuffle_bracket, tournament
from bitcell_sim.config import schema
from bitcell_sim.random_streams import Stream, stream_key

PATTERNS = tuple(Pattern)
DEFAULTS = tuple(Glider.of(pattern) for pattern in PATTERNS)  # each pattern with its default energy
UPSTREAM_GLIDER = Glider(Pattern.STANDARD, energy=100, x=100, y=100)  # what every miner of upstream's node reveals

Reveal = Callable[[int, int, int], Glider]  # by height, attempt and miner


def honest(draws: Stream, height: int, attempt: int, miner: int) -> Glider:
    """One of the four patterns, uniformly, with its default energy."""
    return DEFAULTS[draws.below(len(PATTERNS), height, attempt, miner)]


def energy_maximiser(draws: Stream, height: int, attempt: int, miner: int) -> Glider:
    """An honest miner's pattern with all the energy a cell can hold."""
    return Glider(honest(draws, height, attempt, miner).pattern, ENERGY_MAX)


def tie_farmer() -> Glider:
    """What the tie rules reward.

    Notes
    -----
    A standard glider leaves both regions, so two of them always tie, and the ship of any heavier one ends in its
    opponent's favour. In the final a tie falls to the side whose opponent changes more in its own region: the one with
    less energy. Elsewhere it falls to a hash over entropy that nobody knows when they commit, so no position helps.
    """
    return Glider(Pattern.STANDARD, 1)


def chaos_spammer() -> Glider:
    """The heaviest ship with all the energy a cell can hold: the most cells, changes and energy on the grid."""
    return Glider(Pattern.HEAVYWEIGHT, ENERGY_MAX)


def sampled_seed(seed: int, bracket: int) -> bytes:
    """Seed of a sampled tournament, 32 bytes."""
    return hashlib.blake2b(stream_key(seed, "chain.sampled", bracket).to_bytes(8, "big"), digest_size=32).digest()


def win_share(candidate: Glider, opponent_count: int, bracket_count: int, seed: int) -> float:
    """Share of sampled tournaments that a glider wins against honest miners.

    Parameters
    ----------
    candidate : Glider
        What one miner reveals in all of them.
    opponent_count : int
        Honest miners beside it.
    bracket_count : int
        Tournaments; the same ones for every candidate.
    seed : int
        Seed of the sample.
    """
    draws = Stream.of(seed, "chain.sampled.pattern")
    won = 0
    for bracket in range(bracket_count):
        gliders = [candidate, *(honest(draws, bracket, 0, miner) for miner in range(opponent_count))]
        tournament_seed = sampled_seed(seed, bracket)
        places = shuffle_bracket(range(opponent_count + 1), tournament_seed)
        won += places[tournament([gliders[miner] for miner in places], tournament_seed).winner] == 0
    return won / bracket_count


@lru_cache(maxsize=64)
def best_reveal(
    opponent_count: int, bracket_count: int, energies: tuple[int, ...], positions: tuple[int, ...], seed: int
) -> Glider:
    """Glider with the largest share of wins against honest miners; the first tried among equals.

    Parameters
    ----------
    opponent_count, bracket_count, seed
        See :func:`win_share`.
    energies, positions : tuple of int
        What is tried with each of the four patterns; a position stands for x and y.
    """
    candidates = [
        Glider(pattern, energy, position, position)
        for pattern in PATTERNS
        for energy in energies
        for position in positions
    ]
    return max(candidates, key=lambda glider: win_share(glider, opponent_count, bracket_count, seed))


def assign(entries: Sequence[schema.Miner], nodes: Sequence[str]) -> dict[int, schema.Miner]:
    """Entry of each node that has one; shares take, from the end of the list, nodes that no other entry names."""
    taken = {nodes.index(entry.node): entry for entry in entries if entry.node is not None}
    for entry in entries:
        if entry.share_ratio is not None:
            free = [index for index in reversed(range(len(nodes))) if index not in taken]
            taken |= dict.fromkeys(free[: round(entry.share_ratio * len(nodes))], entry)
    return taken


def halves(peers: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Peers to whom an equivocator tells one thing, and those to whom it tells another."""
    return peers[: len(peers) // 2], peers[len(peers) // 2 :]


class Miners:
    """What every miner of a run does.

    Parameters
    ----------
    entries : sequence of Miner
        Who is not honest.
    nodes : sequence of str
        Ids of all nodes.
    seed : int
        Seed of the run.
    same_gliders : bool
        Whether honest miners reveal what upstream's node does, always the same, and not a pattern of their own.
    """

    def __init__(
        self, entries: Sequence[schema.Miner], nodes: Sequence[str], *, seed: int, same_gliders: bool = False
    ) -> None:
        self._entries = assign(entries, nodes)
        self._same_gliders = same_gliders
        self._opponents = len(nodes) - 1
        self._seed = seed
        self._pattern = Stream.of(seed, "chain.pattern")
        self._misses = Stream.of(seed, "chain.missed-reveal")
        self._keeps = Stream.of(seed, "chain.withheld-block")
        self._doubles = Stream.of(seed, "chain.equivocation")

    def glider(self, height: int, attempt: int, miner: int) -> Glider:
        """What a miner reveals."""
        if miner not in self._entries:
            return self._honest(height, attempt, miner)
        entry = self._at(miner, height)
        if isinstance(entry, schema.BestReveal):
            return best_reveal(self._opponents, entry.bracket_count, entry.energies, entry.positions, self._seed)
        if not isinstance(entry, schema.PlainMiner) or entry.behaviour == "honest":
            return self._honest(height, attempt, miner)
        if entry.behaviour == "energy-maximiser":
            return energy_maximiser(self._pattern, height, attempt, miner)
        if entry.behaviour == "tie-farmer":
            return tie_farmer()
        if entry.behaviour == "chaos-spammer":
            return chaos_spammer()
        assert_never(entry.behaviour)

    def _honest(self, height: int, attempt: int, miner: int) -> Glider:
        return UPSTREAM_GLIDER if self._same_gliders else honest(self._pattern, height, attempt, miner)

    def reveals(self, height: int, attempt: int, miner: int) -> bool:
        """Whether a miner reveals what it has committed to."""
        entry = self._at(miner, height)
        if not isinstance(entry, schema.FlakyGriefer):
            return True
        return self._misses.uniform(height, attempt, miner) >= entry.missed_reveal_probability

    def publishes(self, height: int, attempt: int, miner: int) -> bool:
        """Whether a miner that has won makes its block."""
        entry = self._at(miner, height)
        if not isinstance(entry, schema.FlakyGriefer):
            return True
        return self._keeps.uniform(height, attempt, miner) >= entry.withheld_block_probability

    def equivocates(self, height: int, miner: int) -> bool:
        """Whether a miner says two things at a height."""
        entry = self._entries.get(miner)
        if not isinstance(entry, schema.Equivocator) or height < entry.first_height:
            return False
        return self._doubles.uniform(height, miner) < entry.equivocation_probability

    def _at(self, miner: int, height: int) -> schema.Miner | None:
        entry = self._entries.get(miner)
        return entry if entry is not None and height >= entry.first_height else None
