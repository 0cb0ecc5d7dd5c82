"""Battle files: JSON lists of battles, tournaments and soups, checked and fought.

The form is that of ``tests/golden/battles.json``. Three lists, each optional, of objects:

- ``battles``: ``a``, ``b`` (gliders: ``pattern``, ``energy``, ``x``, ``y``), ``entropy`` (64 hex digits), ``steps``
  (default 1000), ``history`` (default false);
- ``tournaments``: ``seed`` (64 hex digits), ``miners`` (gliders);
- ``soups``: ``splitmix64_seed``, ``density_of_256``, ``steps``: a random grid, stepped.

Other keys are carried along; results a file already holds are ignored.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitcell_sim.chain.battle import (
    BATTLE_STEPS,
    ENERGY_MAX,
    ENTROPY_BYTES,
    POSITION_MAX,
    STEPS_MAX,
    BattleResult,
    Glider,
    Pattern,
)
from bitcell_sim.chain.battle_entries import BattleEntry, Entry, SoupEntry, TournamentEntry
from bitcell_sim.chain.tournament import TournamentResult
from bitcell_sim.errors import ConfigError, Finding, InputError

LISTS = ("battles", "tournaments", "soups")
KEYS = {
    "battles": ("a", "b", "entropy", "steps", "history"),
    "tournaments": ("seed", "miners"),
    "soups": ("splitmix64_seed", "density_of_256", "steps"),
    "glider": ("pattern", "energy", "x", "y"),
}
DENSITY_MAX = 256
MISSPELT_RATIO = 0.75


class _Reader:
    """Reads checked values and collects every fault instead of stopping at the first."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.findings: list[Finding] = []

    def fault(self, key: str, problem: str) -> None:
        self.findings.append(Finding(self.where, key, problem))

    def record(self, value: Any, key: str, kind: str) -> dict[str, Any]:
        """Give an object, after checking that no key of it is a slip of one that counts."""
        if not isinstance(value, dict):
            self.fault(key, f"is {_shown(value)}, and should be an object with {', '.join(KEYS[kind])}")
            return {}
        missing = [name for name in KEYS[kind] if name not in value]
        for name in value:
            near = difflib.get_close_matches(name, missing, n=1, cutoff=MISSPELT_RATIO)
            if name not in KEYS[kind] and near and len(name) > 1:
                self.fault(f"{key}.{name}", f"is not a key here: did you mean {near[0]!r}?")
        return value

    def whole(self, record: dict[str, Any], name: str, key: str, limit: int, default: int | None = None) -> int:
        """Give a whole number from 0 to a limit."""
        value = record.get(name, default)
        path = f"{key}.{name}"
        if name not in record and default is None:
            self.fault(path, f"is missing: write a whole number from 0 to {limit}")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.fault(path, f"is {_shown(value)}: write a whole number from 0 to {limit}")
        elif not 0 <= value <= limit:
            self.fault(path, f"is {_shown(value)}, outside 0..{limit}")
        else:
            return value
        return 0

    def entropy(self, record: dict[str, Any], name: str, key: str) -> bytes:
        """Give the 32 bytes of 64 hex digits."""
        text = record.get(name)
        digits = 2 * ENTROPY_BYTES
        if not isinstance(text, str):
            self.fault(
                f"{key}.{name}", f"is {_shown(text) if name in record else 'missing'}: write {digits} hex digits"
            )
        elif len(text) != digits:
            self.fault(f"{key}.{name}", f"has {len(text)} characters: write {digits} hex digits")
        elif not set(text) <= set("0123456789abcdefABCDEF"):
            wrong = next(mark for mark in text if mark not in "0123456789abcdefABCDEF")
            self.fault(f"{key}.{name}", f"holds {wrong!r}, which is no hex digit: write {digits} of 0-9 and a-f")
        else:
            return bytes.fromhex(text)
        return bytes(ENTROPY_BYTES)

    def flag(self, record: dict[str, Any], name: str, key: str) -> bool:
        """Give true or false; false if it is not there."""
        value = record.get(name, False)
        if not isinstance(value, bool):
            self.fault(f"{key}.{name}", f"is {_shown(value)}: write true or false")
        return value is True

    def glider(self, value: Any, key: str) -> Glider:
        """Give a player's choice."""
        record = self.record(value, key, "glider")
        if value == {}:
            self.fault(key, f"is empty: give {', '.join(KEYS['glider'])}")
        pattern = Pattern.STANDARD
        name = record.get("pattern")
        if isinstance(name, str):
            try:
                pattern = Pattern.named(name)
            except InputError as error:
                self.fault(f"{key}.pattern", str(error))
        elif record:
            names = ", ".join(pattern.value for pattern in Pattern)
            self.fault(
                f"{key}.pattern", f"is {_shown(name) if 'pattern' in record else 'missing'}: write one of {names}"
            )
        energy = self.whole(record, "energy", key, ENERGY_MAX, pattern.default_energy)
        x, y = (self.whole(record, axis, key, POSITION_MAX, 0) for axis in ("x", "y"))
        return Glider(pattern, energy, x, y)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _battle(reader: _Reader, record: dict[str, Any], key: str) -> BattleEntry:
    a, b = (reader.glider(record.get(player), f"{key}.{player}") for player in ("a", "b"))
    entropy = reader.entropy(record, "entropy", key)
    steps = reader.whole(record, "steps", key, STEPS_MAX, BATTLE_STEPS)
    return BattleEntry(record, a, b, entropy, steps, reader.flag(record, "history", key))


def _tournament(reader: _Reader, record: dict[str, Any], key: str) -> TournamentEntry:
    seed = reader.entropy(record, "seed", key)
    given = record.get("miners")
    if not isinstance(given, list) or not given:
        problem = "is empty" if given == [] else f"is {_shown(given) if 'miners' in record else 'missing'}"
        reader.fault(f"{key}.miners", f"{problem}: list at least one glider")
        given = []
    miners = tuple(reader.glider(value, f"{key}.miners.{index}") for index, value in enumerate(given))
    return TournamentEntry(record, miners, seed)


def _soup(reader: _Reader, record: dict[str, Any], key: str) -> SoupEntry:
    seed = reader.whole(record, "splitmix64_seed", key, POSITION_MAX)
    density = reader.whole(record, "density_of_256", key, DENSITY_MAX)
    return SoupEntry(record, seed, density, reader.whole(record, "steps", key, STEPS_MAX))


MAKERS: dict[str, Callable[[_Reader, dict[str, Any], str], Entry]] = {
    "battles": _battle,
    "tournaments": _tournament,
    "soups": _soup,
}


@dataclass(frozen=True)
class BattleFile:
    """A battle file, checked.

    Parameters
    ----------
    where : str
        The file.
    entries : dict of str to tuple
        Its lists, by name.
    """

    where: str
    entries: dict[str, tuple[Entry, ...]]

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """Fight everything: the file's lists, each object with a ``result``.

        Returns
        -------
        dict
            For battles and soups figures under the names of a vector's ``expect``, for tournaments ``winner``,
            ``rounds``, ``byes`` and ``matches``.
        """
        return {
            kind: [{**one.record, "result": one.result()} for one in listed] for kind, listed in self.entries.items()
        }

    def battle(self, which: str | None = None) -> BattleResult:
        """Fight one battle of the file; of a tournament its final.

        Parameters
        ----------
        which : str, optional
            An ``id`` of the file, or a place such as ``battles.3``, ``tournaments.0`` or ``tournaments.0.matches.2``;
            the first battle without it, or the first tournament's final where there is no battle.

        Raises
        ------
        InputError
            If there is no such battle.
        """
        place, entry, match = self._find(which, ("battles", "tournaments"))
        if isinstance(entry, BattleEntry):
            return entry.fight()
        if not isinstance(entry, TournamentEntry):
            raise InputError(
                f"{self.where}: {place} is a soup, in which nobody fights: choose a battle or a tournament"
            )
        matches = entry.fight().matches
        if not matches:
            raise InputError(f"{self.where}: {place} has one miner, so nothing is fought in it")
        if match is not None and match >= len(matches):
            raise InputError(f"{self.where}: {place} has matches 0 to {len(matches) - 1}, and no {match}")
        return matches[-1 if match is None else match].result

    def tournament(self, which: str | None = None) -> TournamentResult:
        """Fight one tournament of the file.

        Parameters
        ----------
        which : str, optional
            An ``id`` of the file, or a place such as ``tournaments.0``; the first without it.

        Raises
        ------
        InputError
            If there is no such tournament.
        """
        place, entry, match = self._find(which, ("tournaments",))
        if match is not None:
            raise InputError(f"{self.where}: {which} is a match, and a bracket shows them all: write {place}")
        if not isinstance(entry, TournamentEntry):
            raise InputError(f"{self.where}: {place} is no tournament, so it has no bracket")
        return entry.fight()

    def _find(self, which: str | None, kinds: tuple[str, ...]) -> tuple[str, Entry, int | None]:
        """Place, entry and number of the match, if one was named; the first entry of some kinds without a name."""
        places = {f"{kind}.{number}": one for kind, listed in self.entries.items() for number, one in enumerate(listed)}
        if which is None:
            for kind in kinds:
                if self.entries.get(kind):
                    return f"{kind}.0", self.entries[kind][0], None
            raise InputError(f"{self.where}: holds no {' and no '.join(kinds)} to draw")
        named = [place for place, one in places.items() if one.record.get("id") == which]
        if len(named) > 1:
            raise InputError(f"{self.where}: {' and '.join(named)} have the id {which!r}: choose by place")
        if named:
            return named[0], places[named[0]], None
        parts = re.fullmatch(r"(tournaments\.\d+)\.matches\.(\d+)", which)
        place, match = (parts[1], int(parts[2])) if parts else (which, None)
        if place in places:
            return place, places[place], match
        known = [*(str(one.record["id"]) for one in places.values() if "id" in one.record), *places]
        near = difflib.get_close_matches(which, known, n=1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"it has {', '.join(known[:6])}{', ...' if len(known) > 6 else ''}"
        )
        raise InputError(f"{self.where}: has no {which!r}: {hint}")


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8 JSON") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}: {place}: not JSON ({error.msg}); is the file cut short?") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not usable JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {_shown(content)}, and should hold an object with {', '.join(LISTS)}")
    return content


def read_battle_file(path: Path) -> BattleFile:
    """Read and check a battle file.

    Parameters
    ----------
    path : Path
        A JSON file.

    Raises
    ------
    InputError
        If the file cannot be read or has faults; all are listed.
    """
    content = _load(path)
    reader = _Reader(str(path))
    entries: dict[str, tuple[Entry, ...]] = {}
    for name, value in content.items():
        near = difflib.get_close_matches(name, [kind for kind in LISTS if kind not in content], n=1)
        if near and isinstance(value, list):
            reader.fault(name, f"is not a list this file may hold: did you mean {near[0]!r}?")
    for kind in LISTS:
        if kind in content:
            entries[kind] = tuple(_entries(reader, kind, content[kind]))
    if not reader.findings and not any(entries.values()):
        reader.fault("", f"nothing to fight: give a list of {', '.join(LISTS)} with at least one entry")
    if reader.findings:
        raise ConfigError(reader.findings)
    return BattleFile(str(path), entries)


def _entries(reader: _Reader, kind: str, listed: Any) -> Iterator[Entry]:
    if not isinstance(listed, list):
        reader.fault(kind, f"is {_shown(listed)}, and should be a list")
        return
    for index, value in enumerate(listed):
        key = f"{kind}.{index}"
        record = reader.record(value, key, kind)
        if record:
            yield MAKERS[kind](reader, record, key)
        elif value == {}:
            reader.fault(key, f"is empty: give {', '.join(KEYS[kind])}")
