"""Battles and tournaments as a person holds them: figures, frames, and pictures that they draw of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.chain.tournament import TournamentResult

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
