"""What a battle file lists: battles, tournaments and soups, each of which can be fought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitcell_sim.chain.battle import BATTLE_STEPS, BattleResult, Glider, GridFigures, fight
from bitcell_sim.chain.tournament import Match, TournamentResult, tournament
from bitcell_sim.kernels.battle_rules import dense_fnv
from bitcell_sim.kernels.dense_automaton import soup, step_dense
from bitcell_sim.kernels.ships import SIDE


@dataclass(frozen=True)
class BattleEntry:
    """A battle of a file.

    Parameters
    ----------
    record : dict
        The object as it stands in the file.
    a, b : Glider
        The players.
    entropy : bytes
        32 bytes.
    steps : int
        Steps to fight.
    history : bool
        Whether MII and TED may break a tie.
    """

    record: dict[str, Any]
    a: Glider
    b: Glider
    entropy: bytes
    steps: int
    history: bool

    def fight(self) -> BattleResult:
        """Fight it, with its grids counted."""
        return fight(self.a, self.b, entropy=self.entropy, steps=self.steps, history=self.history)

    def result(self) -> dict[str, Any]:
        """Fight it and give the figures by the names of the vector file."""
        return self.fight().as_dict()


@dataclass(frozen=True)
class TournamentEntry:
    """A tournament of a file.

    Parameters
    ----------
    record : dict
        The object as it stands in the file.
    miners : tuple of Glider
        Who takes part.
    seed : bytes
        32 bytes.
    """

    record: dict[str, Any]
    miners: tuple[Glider, ...]
    seed: bytes

    def fight(self) -> TournamentResult:
        """Fight it, with the grids of every match counted."""
        return tournament(self.miners, self.seed, full=True)

    def result(self) -> dict[str, Any]:
        """Fight it and give winner, rounds, byes and every match."""
        outcome = self.fight()
        return {
            "winner": outcome.winner,
            "rounds": outcome.rounds,
            "byes": [list(bye) for bye in outcome.byes],
            "matches": [_match_dict(match) for match in outcome.matches],
        }


@dataclass(frozen=True)
class SoupEntry:
    """A soup of a file: a random grid, stepped.

    Parameters
    ----------
    record : dict
        The object as it stands in the file.
    seed : int
        Seed of the generator.
    density_of_256 : int
        Live cells among 256, on average.
    steps : int
        Steps of the automaton.
    """

    record: dict[str, Any]
    seed: int
    density_of_256: int
    steps: int

    def result(self) -> dict[str, Any]:
        """Step it and count the grid before and after."""
        before = soup(np.uint64(self.seed), self.density_of_256, SIDE)
        start, end = grid_figures(before), grid_figures(step_dense(before, self.steps))
        return {
            "initial_live": start.live,
            "initial_total_energy": start.total_energy,
            "initial_fnv1a64": f"{start.fnv1a64:016x}",
            "live": end.live,
            "total_energy": end.total_energy,
            "grid_fnv1a64": f"{end.fnv1a64:016x}",
        }


Entry = BattleEntry | TournamentEntry | SoupEntry


def _glider_dict(glider: Glider) -> dict[str, Any]:
    return {"pattern": glider.pattern.value, "energy": glider.energy, "x": glider.x, "y": glider.y}


def _match_dict(match: Match) -> dict[str, Any]:
    return {
        "round": match.round_number,
        "match_index": match.match_index,
        "final": match.final,
        "miner_a": match.miner_a,
        "miner_b": match.miner_b,
        "winner": match.winner,
        "a": _glider_dict(match.result.a),
        "b": _glider_dict(match.result.b),
        "steps": BATTLE_STEPS,
        "entropy": match.entropy.hex(),
        "history": match.final,
        "expect": match.result.as_dict(),
    }


def grid_figures(grid: np.ndarray[Any, np.dtype[np.uint8]]) -> GridFigures:
    """Count and hash a whole grid.

    Parameters
    ----------
    grid : ndarray of uint8, shape (side, side)
        Energy of each cell.
    """
    return GridFigures(int(np.count_nonzero(grid)), int(grid.sum(dtype=np.int64)), int(dense_fnv(grid.ravel())))
