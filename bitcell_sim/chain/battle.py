"""Battles between two gliders on the 1024 x 1024 torus, exactly as the protocol fights them.

Each player's ship starts at its spawn point, moved by a jitter from the 32-byte entropy; up to eight noise cells are
added; after 1000 steps the energy in the square around each spawn point decides, then four tie-breakers. A
battle in which nothing can meet is decided in closed form, any other is stepped; both give the same figures.

References
----------
The protocol's rule: BitCell, crates/bitcell-ca (battle.rs, glider.rs, rules.rs), commit 116dda5.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import Any

from bitcell_sim.errors import InputError
from bitcell_sim.kernels.battle_closed_form import fight_in_closed_form
from bitcell_sim.kernels.battle_rules import NOISE_ITERATIONS, Figures
from bitcell_sim.kernels.battle_stepper import fight_by_steps
from bitcell_sim.kernels.ships import CELLS, DEFAULT_ENERGIES, DRAWINGS, NAMES

BATTLE_STEPS = 1000
STEPS_MAX = 10_000_000
ENERGY_MAX = 255
ENTROPY_BYTES = 32
POSITION_MAX = 2**64 - 1
STAGES = ("energy", "mii", "ted", "lex")
OUTCOMES = ("AWins", "BWins")


class Pattern(Enum):
    """A ship's shape; its value is the name that enters the tie-break hash.

    Attributes
    ----------
    index : int
        Place in the list of patterns.
    default_energy : int
        Energy of each cell unless the player says otherwise.
    cells : tuple of tuple of int
        Offsets (right, down) of its live cells from its upper left corner.
    width, height : int
        Cells of its box.

    Examples
    --------
    >>> Pattern.STANDARD.value, len(Pattern.STANDARD.cells), Pattern.HEAVYWEIGHT.default_energy
    ('Standard', 5, 160)
    """

    STANDARD = NAMES[0]
    LIGHTWEIGHT = NAMES[1]
    MIDDLEWEIGHT = NAMES[2]
    HEAVYWEIGHT = NAMES[3]

    def __init__(self, name: str) -> None:
        self.index = NAMES.index(name)
        self.default_energy = DEFAULT_ENERGIES[self.index]
        self.cells = CELLS[self.index]
        self.width = len(DRAWINGS[self.index][0])
        self.height = len(DRAWINGS[self.index])

    @classmethod
    def named(cls, name: str) -> Pattern:
        """Find a pattern by its name.

        Parameters
        ----------
        name : str
            Such as ``Standard``; case matters, as the name is hashed.

        Raises
        ------
        InputError
            If there is none; the message suggests the nearest.
        """
        for pattern in cls:
            if pattern.value == name:
                return pattern
        near = difflib.get_close_matches(name.capitalize(), NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(NAMES)}"
        raise InputError(f"{name!r} is not a pattern: {hint}")


@dataclass(frozen=True, slots=True)
class Glider:
    """A player's choice.

    Parameters
    ----------
    pattern : Pattern
        Shape of the ship.
    energy : int
        Energy of each of its cells, 0 to 255; 0 is placed as 1.
    x, y : int
        Position; the protocol ignores it when it places the ship, it only enters the tie-break hash.
    """

    pattern: Pattern
    energy: int
    x: int = 0
    y: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, Pattern):
            raise InputError(f"pattern is {self.pattern!r}: write Pattern.named('Standard') or Pattern.STANDARD")
        for name in ("energy", "x", "y"):
            if not isinstance(getattr(self, name), Integral):
                raise InputError(f"{name} is {getattr(self, name)!r}: write a whole number")
        if not 0 <= self.energy <= ENERGY_MAX:
            raise InputError(f"energy {self.energy} is outside 0..{ENERGY_MAX}, which one byte a cell can hold")
        if not (0 <= self.x <= POSITION_MAX and 0 <= self.y <= POSITION_MAX):
            raise InputError(f"position ({self.x}, {self.y}) is outside 0..2^64-1")

    @classmethod
    def of(cls, pattern: Pattern, x: int = 0, y: int = 0) -> Glider:
        """Make a glider with its pattern's default energy.

        >>> Glider.of(Pattern.LIGHTWEIGHT).energy
        120
        """
        return cls(pattern, pattern.default_energy, x, y)


@dataclass(frozen=True, slots=True)
class GridFigures:
    """What a grid holds.

    Parameters
    ----------
    live : int
        Live cells.
    total_energy : int
        Sum of all cell bytes.
    fnv1a64 : int
        FNV-1a hash of all cell bytes, row by row.
    """

    live: int
    total_energy: int
    fnv1a64: int


@dataclass(frozen=True, slots=True)
class BattleResult:
    """What a battle came to; pairs are (A, B).

    Parameters
    ----------
    winner : int
        0 for A, 1 for B.
    decided_by : str
        Stage that decided: ``energy``, ``mii``, ``ted`` or ``lex``.
    energy_raw, energy_final : tuple of int
        Energy in each player's region, before and after the fluctuation.
    mii : tuple of float or None
        Sum of squared changes in the opponent's region; None without history.
    ted : tuple of float or None
        Sum of the Shannon entropies, bits, of the opponent's region; None without history.
    lex_hash : tuple of int
        Hashes of the last tie-break; the smaller one wins.
    start, end : GridFigures or None
        The grid before and after; None unless asked for.
    a, b : Glider
        The players.
    entropy : bytes
        The 32 bytes the battle was fought with.
    steps : int
        Steps fought.
    """

    winner: int
    decided_by: str
    energy_raw: tuple[int, int]
    energy_final: tuple[int, int]
    mii: tuple[float, float] | None
    ted: tuple[float, float] | None
    lex_hash: tuple[int, int]
    start: GridFigures | None
    end: GridFigures | None
    a: Glider
    b: Glider
    entropy: bytes
    steps: int

    @property
    def outcome(self) -> str:
        """The winner by the protocol's name: ``AWins`` or ``BWins``."""
        return OUTCOMES[self.winner]

    @property
    def jitters(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Shift (right, down), cells, of each player's ship from its spawn point."""
        if not any(self.entropy):
            return (0, 0), (0, 0)
        shifts = [int.from_bytes(self.entropy[4 * word : 4 * word + 4], "little") % 21 - 10 for word in range(4)]
        return (shifts[0], shifts[1]), (shifts[2], shifts[3])

    @property
    def noise_iterations(self) -> int:
        """How often the protocol's noise loop runs; it never sets more than eight cells."""
        return int(NOISE_ITERATIONS[self.entropy[16]]) if any(self.entropy) else 0

    def as_dict(self) -> dict[str, Any]:
        """Give the figures by the names of the vector file; hashes as 16 hex digits.

        Raises
        ------
        ValueError
            If the battle was fought without ``full``.
        """
        if self.start is None or self.end is None:
            raise ValueError("this battle was fought with full=False, so its grids were not counted: use full=True")
        return {
            "outcome": self.outcome,
            "decided_by": self.decided_by,
            "energy_raw": list(self.energy_raw),
            "energy_final": list(self.energy_final),
            "live": self.end.live,
            "total_energy": self.end.total_energy,
            "grid_fnv1a64": f"{self.end.fnv1a64:016x}",
            "initial_live": self.start.live,
            "initial_total_energy": self.start.total_energy,
            "initial_fnv1a64": f"{self.start.fnv1a64:016x}",
            "jitter_a": list(self.jitters[0]),
            "jitter_b": list(self.jitters[1]),
            "noise_iterations": self.noise_iterations,
            "mii": None if self.mii is None else list(self.mii),
            "ted": None if self.ted is None else list(self.ted),
            "lex_hash": [f"{digest:016x}" for digest in self.lex_hash],
        }


def check_bytes(name: str, value: bytes) -> None:
    """Refuse an entropy or a seed that is not 32 bytes, such as its hex digits.

    Parameters
    ----------
    name : str
        What it is.
    value : bytes
        What was given.

    Raises
    ------
    InputError
        If it is no bytes, or not 32 of them.
    """
    if not isinstance(value, bytes):
        raise InputError(f"{name} is {type(value).__name__}: give {ENTROPY_BYTES} bytes, such as bytes.fromhex(digits)")
    if len(value) != ENTROPY_BYTES:
        raise InputError(f"{name} has {len(value)} bytes: give {ENTROPY_BYTES}")


def _signed(position: int) -> int:
    """Give the signed 64-bit word with the same bits, so that one compiled kernel serves every position."""
    return position if position <= POSITION_MAX // 2 else position - POSITION_MAX - 1


def kernel_player(glider: Glider) -> tuple[int, int, int, int]:
    """Ship, energy, x and y of a glider, as the kernels take them."""
    return glider.pattern.index, glider.energy, _signed(glider.x), _signed(glider.y)


def fight(
    a: Glider, b: Glider, *, entropy: bytes, steps: int = BATTLE_STEPS, history: bool = False, full: bool = True
) -> BattleResult:
    """Fight a battle.

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
    BattleResult
        Winner, deciding stage and figures.

    Raises
    ------
    InputError
        If the entropy is not 32 bytes or the steps are out of range.

    Examples
    --------
    The lighter pattern wins, because a ship is credited to the region it has reached after 1000 steps:

    >>> light, heavy = Glider.of(Pattern.STANDARD), Glider.of(Pattern.HEAVYWEIGHT)
    >>> battle = fight(light, heavy, entropy=bytes(32))
    >>> battle.outcome, battle.energy_raw
    ('AWins', (2080, 0))
    """
    check_bytes("entropy", entropy)
    if not 0 <= steps <= STEPS_MAX:
        raise InputError(f"steps {steps} is outside 0..{STEPS_MAX}")
    player_a, player_b = kernel_player(a), kernel_player(b)
    figures = fight_in_closed_form(*player_a, *player_b, entropy, steps, history, full)
    figures = figures[1:] if figures[0] else fight_by_steps(*player_a, *player_b, entropy, steps, history, full)
    return battle_result(figures, a, b, entropy, steps, history=history, full=full)


def battle_result(
    figures: Figures, a: Glider, b: Glider, entropy: bytes, steps: int, *, history: bool, full: bool
) -> BattleResult:
    """Name the figures that a battle's kernel gives.

    Parameters
    ----------
    figures : tuple
        As `fight_by_steps` returns them.
    a, b : Glider
        The players.
    entropy : bytes
        Entropy of the battle.
    steps : int
        Steps fought.
    history, full : bool
        What it was fought with.
    """
    winner, stage, raw_a, raw_b, final_a, final_b, mii_a, mii_b, ted_a, ted_b, lex_a, lex_b = figures[:12]
    return BattleResult(
        winner,
        STAGES[stage],
        (raw_a, raw_b),
        (final_a, final_b),
        (float(mii_a), float(mii_b)) if history else None,
        (ted_a, ted_b) if history else None,
        (lex_a, lex_b),
        GridFigures(*figures[12:15]) if full else None,
        GridFigures(*figures[15:]) if full else None,
        a,
        b,
        entropy,
        steps,
    )
