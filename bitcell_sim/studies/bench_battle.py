"""Speed of battles: stepped, with history, decided by proof, and in tournaments; each checked against a slower way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.errors import LabError
from bitcell_sim.studies.timing import Content, best_of

if TYPE_CHECKING:
    from bitcell_sim.chain.battle import Glider

_SEED = 1
_PLAYERS = 7  # as many as the mesh of RC3 has nodes
_CHECKED = 5


@dataclass(frozen=True)
class Bout:
    """One battle to fight.

    Parameters
    ----------
    a, b : Glider
        The players.
    entropy : bytes
        32 bytes.
    """

    a: Glider
    b: Glider
    entropy: bytes


def bench_battle(
    *,
    battle_count: int = 1000,
    reference_count: int = 6,
    final_count: int = 200,
    fight_count: int = 10_000,
    tournament_count: int = 2000,
    repeats: int = 12,
) -> Content:
    """Battles a second: 1000 steps, no history, one thread.

    Parameters
    ----------
    battle_count : int
        Battles that the exact sparse stepper fights.
    reference_count : int
        The first of them, fought by the plain twin; its time is scaled.
    final_count, fight_count, tournament_count : int
        Battles with history, battles in Python and tournaments in one call, which stand under ``also``.
    repeats : int
        Times, of which the quickest counts.

    Raises
    ------
    LabError
        If a battle has another end in a slower way.
    """
    from bitcell_sim.chain.battle import Glider, Pattern

    draws = np.random.Generator(np.random.PCG64(_SEED))
    patterns = tuple(Pattern)
    bouts = [
        Bout(Glider.of(patterns[a]), Glider.of(patterns[b]), draws.bytes(32))
        for a, b in draws.integers(0, len(patterns), (max(battle_count, final_count, fight_count), 2))
    ]
    return {
        "name": "battle",
        **_stepped(bouts[:battle_count], reference_count, repeats),
        "also": [
            _finals(bouts[:final_count], repeats),
            _fights(bouts[:fight_count], repeats),
            _tournaments(tournament_count, draws, repeats),
        ],
    }


def _demand_same(name: str, one: Any, other: Any) -> None:
    if one != other:
        raise LabError(f"{name} and a slower way disagree: {one}, {other}")


def _step(bouts: list[Bout], *, history: bool) -> Callable[[], list[tuple[Any, ...]]]:
    """Make the work of fighting battles step by step."""
    from bitcell_sim.chain.battle import BATTLE_STEPS, kernel_player
    from bitcell_sim.kernels.battle_stepper import fight_by_steps

    calls = [(*kernel_player(bout.a), *kernel_player(bout.b), bout.entropy) for bout in bouts]
    return lambda: [fight_by_steps(*call, BATTLE_STEPS, history, False) for call in calls]


def _fight_plainly(bouts: list[Bout], *, history: bool) -> Callable[[], list[tuple[Any, ...]]]:
    """Make the work of fighting battles by the plain twin; it gives their final energies, MII and TED."""
    from bitcell_sim.chain.battle import BATTLE_STEPS
    from bitcell_sim.kernels.automaton_plain import fight_plain

    def work() -> list[tuple[Any, ...]]:
        figures = []
        for bout in bouts:
            ships, energies = (bout.a.pattern.index, bout.b.pattern.index), (bout.a.energy, bout.b.energy)
            end = fight_plain(ships, energies, ((0, 0), (0, 0)), bout.entropy, BATTLE_STEPS, history)
            figures.append((*end["energy_final"], *(end["mii"] or (0, 0)), *(end["ted"] or (0.0, 0.0))))
        return figures

    return work


def _stepped(bouts: list[Bout], reference_count: int, repeats: int) -> Content:
    work = _step(bouts, history=False)
    work()
    timing, figures = best_of(repeats, work)
    plain_timing, plain_figures = best_of(1, _fight_plainly(bouts[:reference_count], history=False))
    _demand_same("the sparse stepper", [one[4:10] for one in figures[:reference_count]], plain_figures)
    return {
        "work": f"{len(bouts)} battles of 1000 steps by the exact sparse stepper, no history, one thread",
        **timing.figures(len(bouts)),
        "reference": {
            "name": f"plain Python, the first {reference_count} of them scaled; the same energies",
            **plain_timing.scaled(len(bouts) / reference_count).figures(len(bouts)),
        },
    }


def _finals(bouts: list[Bout], repeats: int) -> Content:
    work = _step(bouts, history=True)
    work()
    timing, figures = best_of(repeats, work)
    _demand_same("the recording stepper", [one[4:10] for one in figures[:1]], _fight_plainly(bouts[:1], history=True)())
    return {
        "name": "final",
        "work": f"{len(bouts)} finals by the exact sparse stepper: 1000 steps, history, MII and TED, one thread",
        **timing.figures(len(bouts)),
    }


def _fights(bouts: list[Bout], repeats: int) -> Content:
    from bitcell_sim.chain.battle import fight

    def work() -> list[tuple[int, int]]:
        return [fight(bout.a, bout.b, entropy=bout.entropy, full=False).energy_final for bout in bouts]

    work()
    timing, energies = best_of(repeats, work)
    checked = min(len(bouts), 100 * _CHECKED)
    _demand_same("fight", energies[:checked], [one[4:6] for one in _step(bouts[:checked], history=False)()])
    return {
        "name": "fight",
        "work": f"{len(bouts)} calls of fight(), which steps only where it cannot prove that nothing meets, one thread",
        **timing.figures(len(bouts)),
    }


def _tournaments(count: int, draws: np.random.Generator, repeats: int) -> Content:
    from bitcell_sim.chain.battle import Glider, Pattern
    from bitcell_sim.chain.tournament import tournament
    from bitcell_sim.chain.tournaments import tournaments

    patterns = tuple(Pattern)
    lineups = [
        [Glider.of(patterns[index]) for index in row] for row in draws.integers(0, len(patterns), (count, _PLAYERS))
    ]
    seeds = [draws.bytes(32) for _ in range(count)]
    tournaments(lineups, seeds)
    timing, outcome = best_of(repeats, lambda: tournaments(lineups, seeds))
    one_by_one = [tournament(lineup, seed) for lineup, seed in zip(lineups[:_CHECKED], seeds, strict=False)]
    _demand_same("tournaments", outcome[:_CHECKED], one_by_one)
    return {
        "name": "tournaments",
        "work": f"{count} tournaments of {_PLAYERS} in one call, finals with history, one thread",
        **timing.figures(count),
    }
