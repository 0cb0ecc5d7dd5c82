"""Battles and tournaments as a person holds them: figures, frames, and pictures that they draw of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, overload

from bitcell_sim.chain.battle import STAGES, BattleResult
from bitcell_sim.chain.tournament import TournamentResult
from bitcell_sim.chain.tournaments import TournamentResults, match_numbers

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.battle_pictures import Film
    from bitcell_sim.report.charts import LabFigure


@dataclass(frozen=True, slots=True, eq=False)
class Battle(BattleResult):
    """A battle that draws itself: ``battle.plot.film().save("battle.gif")``, ``battle.plot.strip()``."""

    @classmethod
    def of(cls, result: BattleResult) -> Battle:
        """Take over what a battle came to."""
        return cls(*(getattr(result, field.name) for field in fields(result)))

    @property
    def plot(self) -> BattlePlots:
        """Pictures of it."""
        return BattlePlots(self)


@dataclass(frozen=True, slots=True, eq=False)
class Tournament(TournamentResult):
    """A tournament that draws itself, ``tournament.plot.bracket()``; its matches' results do too."""

    @classmethod
    def of(cls, result: TournamentResult) -> Tournament:
        """Take over what a tournament came to."""
        matches = tuple(replace(match, result=Battle.of(match.result)) for match in result.matches)
        return cls(result.winner, result.rounds, result.byes, matches, result.gliders, result.seed)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a match: round, match, both miners with pattern and energy in the end, winner, deciding stage."""
        import pandas as pd

        rows = [
            {
                "round": match.round_number,
                "match": match.match_index,
                "miner_a": match.miner_a,
                "miner_b": match.miner_b,
                "pattern_a": match.result.a.pattern.value,
                "pattern_b": match.result.b.pattern.value,
                "energy_a": match.result.energy_final[0],
                "energy_b": match.result.energy_final[1],
                "winner": match.winner,
                "decided_by": match.result.decided_by,
            }
            for match in self.matches
        ]
        return pd.DataFrame(rows)

    @property
    def plot(self) -> TournamentPlots:
        """Pictures of it."""
        return TournamentPlots(self)


@dataclass(frozen=True, slots=True, eq=False)
class Tournaments(TournamentResults):
    """Many tournaments: their winners as an array, all matches as a frame, and each of them as a `Tournament`."""

    @classmethod
    def of(cls, results: TournamentResults) -> Tournaments:
        """Take over what tournaments came to."""
        return cls(*(getattr(results, field.name) for field in fields(results)))

    @overload
    def __getitem__(self, index: int) -> Tournament: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Tournament]: ...

    def __getitem__(self, index: int | slice) -> Tournament | Sequence[Tournament]:
        """Give the result of one tournament, or of some."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return Tournament.of(TournamentResults.__getitem__(self, index))

    @property
    def frame(self) -> pd.DataFrame:
        """One row a match: the number of the tournament, then the columns of a tournament's own frame."""
        import numpy as np
        import pandas as pd

        matches = self.matches
        numbers = np.repeat(np.arange(len(self)), np.diff(self.first_matches, append=len(matches.pairs)))
        planned = [place for number in range(len(self)) for place in match_numbers(len(self.lineup(number)))]
        sizes = np.array([len(lineup) for lineup in self.lineups])
        first_gliders = (np.cumsum(sizes) - sizes)[numbers if len(sizes) > 1 else np.zeros_like(numbers)]
        patterns = np.array([glider.pattern.value for lineup in self.lineups for glider in lineup])
        miners_a, miners_b = matches.pairs.T
        winners, stages, _, _, energies_a, energies_b = matches.scores.T[:6]
        return pd.DataFrame(
            {
                "tournament": numbers,
                "round": [round_number for round_number, _ in planned],
                "match": [match for _, match in planned],
                "miner_a": miners_a,
                "miner_b": miners_b,
                "pattern_a": patterns[first_gliders + miners_a],
                "pattern_b": patterns[first_gliders + miners_b],
                "energy_a": energies_a,
                "energy_b": energies_b,
                "winner": np.where(winners == 1, miners_b, miners_a),
                "decided_by": np.array(STAGES)[stages],
            }
        )


class BattlePlots:
    """Pictures of one battle.

    Parameters
    ----------
    battle : BattleResult
        What it came to.
    """

    def __init__(self, battle: BattleResult) -> None:
        self._battle = battle

    def film(self) -> Film:
        """Draw it as a moving picture: both regions, both ships, the torus, energies over time, and what happens."""
        from bitcell_sim.report.battle_pictures import film

        return film(self._battle)

    def strip(self) -> LabFigure:
        """Draw it as five still pictures with both regions, over the energies."""
        from bitcell_sim.report.battle_pictures import strip

        return strip(self._battle)


class TournamentPlots:
    """Pictures of one tournament.

    Parameters
    ----------
    tournament : TournamentResult
        What it came to.
    """

    def __init__(self, tournament: TournamentResult) -> None:
        self._tournament = tournament

    def bracket(self, names: Sequence[str] | None = None) -> LabFigure:
        """Draw its bracket: matches with energies and deciding rule, byes, winner.

        Parameters
        ----------
        names : sequence of str, optional
            Name of each participant, in the order given to the tournament.
        """
        from bitcell_sim.report.bracket import bracket

        return bracket(self._tournament, names)
