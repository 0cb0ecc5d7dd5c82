"""Who makes the block of a height: the reveals a node has, the bracket they form, the battles they fight."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from bitcell_sim.chain.miners import Reveal
from bitcell_sim.chain.records import BattleRecord
from bitcell_sim.chain.tournament import TournamentResult, shuffle_bracket, tournament
from bitcell_sim.config.schema import Quirks
from bitcell_sim.random_streams import stream_key


@dataclass(frozen=True)
class Contest:
    """One tournament over a set of reveals.

    Parameters
    ----------
    miners : tuple of int
        Who revealed.
    winner : int
        Who makes the block.
    result : TournamentResult
        Its matches, by place in the bracket.
    bracket : tuple of int
        Miner of each place.
    """

    miners: tuple[int, ...]
    winner: int
    result: TournamentResult
    bracket: tuple[int, ...]


class Arena:
    """Fights each tournament once, whichever nodes ask for it.

    Parameters
    ----------
    record : callable
        Takes a :class:`BattleRecord`.
    reveal : callable
        What a miner reveals, by height, attempt and miner.
    seed : int
        Seed of the run.
    quirks : Quirks
        Which of upstream's ways it follows.

    Notes
    -----
    A verifiable random output is stood in for by BLAKE2b over seed, height, attempt and miner: unpredictable enough for
    a bracket, and nothing here depends on its proof. The tournament's seed is SHA-256 over ``TOURNAMENT_SEED`` and the
    revealed outputs in the miners' order, as upstream's ``combine_vrf_outputs`` (crates/bitcell-crypto/src/vrf.rs).
    """

    def __init__(self, record: Callable[[BattleRecord], None], reveal: Reveal, *, seed: int, quirks: Quirks) -> None:
        self._record = record
        self._reveal = reveal
        self._quirks = quirks
        self._seed = seed
        self._fought: dict[tuple[int, int, tuple[int, ...]], Contest] = {}

    def random_output(self, height: int, attempt: int, miner: int) -> bytes:
        """32 bytes that a miner reveals."""
        key = stream_key(self._seed, "chain.vrf", height, attempt, miner)
        return hashlib.blake2b(key.to_bytes(8, "big"), digest_size=32).digest()

    def tournament_seed(self, height: int, attempt: int, miners: tuple[int, ...]) -> bytes:
        """32 bytes that decide the bracket and every battle in it."""
        if self._quirks.seed_from_height:
            return hashlib.sha256(struct.pack("<Q", height)).digest()
        outputs = b"".join(self.random_output(height, attempt, miner) for miner in miners)
        return hashlib.sha256(b"TOURNAMENT_SEED" + outputs).digest()

    def fight(self, height: int, attempt: int, miners: tuple[int, ...]) -> Contest:
        """Outcome for one set of reveals, in ascending order of miners."""
        key = (height, attempt, miners)
        if key not in self._fought:
            self._fought[key] = self._fight(height, attempt, miners)
        return self._fought[key]

    def _fight(self, height: int, attempt: int, miners: tuple[int, ...]) -> Contest:
        seed = self.tournament_seed(height, attempt, miners)
        bracket = miners if self._quirks.list_order else tuple(shuffle_bracket(miners, seed))
        result = tournament([self._reveal(height, attempt, miner) for miner in bracket], seed)
        for match in result.matches:
            battle = match.result
            self._record(
                BattleRecord(
                    height=height,
                    attempt=attempt,
                    miner_count=len(miners),
                    round=match.round_number,
                    match=match.match_index,
                    miner_a=bracket[match.miner_a],
                    miner_b=bracket[match.miner_b],
                    winner=bracket[match.winner],
                    decided_by=battle.decided_by,
                    energy_a=battle.energy_final[0],
                    energy_b=battle.energy_final[1],
                )
            )
        return Contest(miners, bracket[result.winner], result, bracket)
