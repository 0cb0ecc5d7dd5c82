"""What happens in a battle, in words: who leaves which region, who drifts into whose, and why that decides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bitcell_sim.chain.battle import BattleResult
from bitcell_sim.chain.battle_replay import Moment, replay
from bitcell_sim.kernels.battle_rules import REGION_LEFT, REGION_SIDE, REGION_TOP
from bitcell_sim.kernels.ships import PERIOD

PLAYERS = "AB"
MOMENTS_MAX = 4000

Inside = tuple[bool, bool] | None  # whether a ship has cells in A's region and in B's; None once it is no ship


@dataclass(frozen=True)
class Event:
    """Something worth a pause.

    Parameters
    ----------
    index : int
        Moment of the story it happens at.
    text : str
        What happens.
    """

    index: int
    text: str


@dataclass(frozen=True)
class Story:
    """A battle with every moment of it.

    Parameters
    ----------
    battle : BattleResult
        What it came to.
    moments : tuple of Moment
        From the start to the end, each step of it in battles of up to 4000 steps.
    """

    battle: BattleResult
    moments: tuple[Moment, ...]

    @classmethod
    def of(cls, battle: BattleResult) -> Story:
        """Fight a battle again and keep what is seen of it."""
        every = 1 if battle.steps <= MOMENTS_MAX else PERIOD * -(-battle.steps // (PERIOD * MOMENTS_MAX))
        moments = replay(battle.a, battle.b, entropy=battle.entropy, steps=battle.steps, every=every)
        return cls(battle, tuple(moments))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What happens, in order: the start, every border a ship crosses, the end."""
        found = [Event(0, opening(self.battle))]
        seen = [[_regions_of(moment, player) for moment in self.moments] for player in range(2)]
        state = [seen[0][0], seen[1][0]]
        for index in range(1, len(self.moments) - 1):
            told: list[str] = []
            for player in range(2):
                now = _settled(state[player], seen[player][index : index + PERIOD])
                told += _crossings(player, state[player], now)
                state[player] = now
            if told:
                found.append(Event(index, " ".join(told)))
        if len(self.moments) > 1:
            found.append(Event(len(self.moments) - 1, verdict(self.battle, self.moments[-1])))
        return tuple(found)

    def caption(self, index: int) -> str:
        """What was told last at a moment."""
        return next(event.text for event in reversed(self.events) if event.index <= index)


def in_region(moment: Moment, region: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which live cells lie in a region: 0 for A's, 1 for B's."""
    columns = moment.cells[:, 0] - REGION_LEFT[region]
    rows = moment.cells[:, 1] - REGION_TOP
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        (columns >= 0) & (columns < REGION_SIDE) & (rows >= 0) & (rows < REGION_SIDE)
    )
    return inside


def _regions_of(moment: Moment, player: int) -> Inside:
    if moment.ships[player] is None:
        return None
    own = moment.owners == player
    return bool((own & in_region(moment, 0)).any()), bool((own & in_region(moment, 1)).any())


def _settled(before: Inside, coming: list[Inside]) -> Inside:
    """Where a ship is, where it was and its coming phases given: it has left a region once all its phases are out."""
    if before is None or coming[0] is None:
        return None
    whole = [phase for phase in coming if phase is not None]
    a, b = (any(phase[region] for phase in (whole if before[region] else whole[:1])) for region in range(2))
    return a, b


def _crossings(player: int, before: Inside, now: Inside) -> list[str]:
    """What has changed for a ship between two moments."""
    if before is None:
        return []
    ship = f"{PLAYERS[player]}'s ship"
    if now is None:
        return [f"{ship} has met something and is no ship any more."]
    told = []
    for region, owner in enumerate(PLAYERS):
        if before[region] and not now[region]:
            told.append(f"{ship} has left {owner}'s region: it no longer counts for {owner}.")
        elif now[region] and not before[region]:
            drifts = "is back in" if region == player else "drifts into"
            told.append(f"{ship} {drifts} {owner}'s region: from here it counts for {owner}.")
    return told


def opening(battle: BattleResult) -> str:
    """The rule, as one has to know it to follow the battle."""
    if not battle.steps:
        return "The battle has no steps: it ends where it starts. " + verdict_by_stage(battle) + "."
    return (
        "Each ship starts in its owner's region and flies on by itself. After step"
        f" {battle.steps:,} the energy in a region counts for the region's owner, whosever ship it is."
    )


def verdict(battle: BattleResult, last: Moment) -> str:
    """Who wins and why, from where the ships have come to stand."""
    loser_first = (1 - battle.winner, battle.winner)
    where = "; ".join(_standing(last, player) for player in loser_first)
    return f"{verdict_by_stage(battle)}. {where}."


def verdict_by_stage(battle: BattleResult) -> str:
    """Who wins and by which rule."""
    winner, loser = PLAYERS[battle.winner], PLAYERS[1 - battle.winner]
    high, low = battle.energy_final[battle.winner], battle.energy_final[1 - battle.winner]
    if battle.decided_by == "energy":
        raw = f"{battle.energy_raw[battle.winner]:,} to {battle.energy_raw[1 - battle.winner]:,}"
        before = f" ({raw} before the fluctuation)" if battle.energy_raw != battle.energy_final else ""
        return f"{winner} wins by energy, {high:,} to {low:,}{before}"
    equal = f"Energies are equal, {high:,} to {low:,}: "
    if battle.decided_by == "lex":
        if battle.lex_hash[0] == battle.lex_hash[1]:
            return equal + "pattern and position are too, so A wins as the first of the pair"
        return equal + f"{winner} wins by the smaller hash of seed, pattern and position"
    if battle.decided_by == "mii":
        return equal + f"{winner} wins by MII, as more has changed in {loser}'s region"
    return equal + f"{winner} wins by TED, as {loser}'s region was in more disorder"


def _standing(last: Moment, player: int) -> str:
    """Where a ship has come to stand, and for whom it counts."""
    name, other = PLAYERS[player], PLAYERS[1 - player]
    regions = _regions_of(last, player)
    if regions is None:
        return f"{name}'s ship has broken up, and its pieces count where they lie"
    own = last.cells[last.owners == player, 2]
    ship = f"{name}'s ship ({len(own)} × {own[0]})"
    if regions[1 - player]:
        return f"{ship} has drifted into {other}'s region and counts for {other}"
    if regions[player]:
        return f"{ship} is in its own region and counts for {name}"
    return f"{ship} has left both regions and counts for nobody"
