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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bitcell_sim.chain.battle import (
    BATTLE_STEPS,
    ENERGY_MAX,
    ENTROPY_BYTES,
    POSITION_MAX,
    STEPS_MAX,
    Glider,
    GridFigures,
    Pattern,
    fight,
)
from bitcell_sim.chain.tournament import Match, tournament
from bitcell_sim.errors import ConfigError, Finding, InputError
from bitcell_sim.kernels.battle_rules import dense_fnv
from bitcell_sim.kernels.dense_automaton import soup, step_dense
from bitcell_sim.kernels.ships import SIDE

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


def _glider_dict(glider: Glider) -> dict[str, Any]:
    return {"pattern": glider.pattern.value, "energy": glider.energy, "x": glider.x, "y": glider.y}


def _match_dict(match: Match, miners: list[Glider]) -> dict[str, Any]:
    return {
        "round": match.round_number,
        "match_index": match.match_index,
        "final": match.final,
        "miner_a": match.miner_a,
        "miner_b": match.miner_b,
        "winner": match.winner,
        "a": _glider_dict(miners[match.miner_a]),
        "b": _glider_dict(miners[match.miner_b]),
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


Job = Callable[[], dict[str, Any]]


def _battle_job(reader: _Reader, record: dict[str, Any], key: str) -> Job:
    a, b = (reader.glider(record.get(player), f"{key}.{player}") for player in ("a", "b"))
    entropy = reader.entropy(record, "entropy", key)
    steps = reader.whole(record, "steps", key, STEPS_MAX, BATTLE_STEPS)
    history = reader.flag(record, "history", key)
    return lambda: fight(a, b, entropy=entropy, steps=steps, history=history).as_dict()


def _tournament_job(reader: _Reader, record: dict[str, Any], key: str) -> Job:
    seed = reader.entropy(record, "seed", key)
    given = record.get("miners")
    if not isinstance(given, list) or not given:
        problem = "is empty" if given == [] else f"is {_shown(given) if 'miners' in record else 'missing'}"
        reader.fault(f"{key}.miners", f"{problem}: list at least one glider")
        given = []
    miners = [reader.glider(value, f"{key}.miners.{index}") for index, value in enumerate(given)]

    def job() -> dict[str, Any]:
        outcome = tournament(miners, seed, full=True)
        return {
            "winner": outcome.winner,
            "rounds": outcome.rounds,
            "byes": [list(bye) for bye in outcome.byes],
            "matches": [_match_dict(match, miners) for match in outcome.matches],
        }

    return job


def _soup_job(reader: _Reader, record: dict[str, Any], key: str) -> Job:
    seed = reader.whole(record, "splitmix64_seed", key, POSITION_MAX)
    density = reader.whole(record, "density_of_256", key, DENSITY_MAX)
    steps = reader.whole(record, "steps", key, STEPS_MAX)

    def job() -> dict[str, Any]:
        before = soup(np.uint64(seed), density, SIDE)
        start, end = grid_figures(before), grid_figures(step_dense(before, steps))
        return {
            "initial_live": start.live,
            "initial_total_energy": start.total_energy,
            "initial_fnv1a64": f"{start.fnv1a64:016x}",
            "live": end.live,
            "total_energy": end.total_energy,
            "grid_fnv1a64": f"{end.fnv1a64:016x}",
        }

    return job


MAKERS = {"battles": _battle_job, "tournaments": _tournament_job, "soups": _soup_job}


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


def run_battle_file(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Check a battle file and fight everything in it.

    Parameters
    ----------
    path : Path
        A JSON file.

    Returns
    -------
    dict
        The file's lists, each object with a ``result``: for battles and soups figures under the names of a
        vector's ``expect``, for tournaments ``winner``, ``rounds``, ``byes`` and ``matches``.

    Raises
    ------
    InputError
        If the file cannot be read or has faults; nothing is fought, and all faults are listed.
    """
    content = _load(path)
    reader = _Reader(str(path))
    jobs: dict[str, list[tuple[dict[str, Any], Job]]] = {}
    for name, value in content.items():
        near = difflib.get_close_matches(name, [kind for kind in LISTS if kind not in content], n=1)
        if near and isinstance(value, list):
            reader.fault(name, f"is not a list this file may hold: did you mean {near[0]!r}?")
    for kind in LISTS:
        if kind not in content:
            continue
        entries = content[kind]
        if not isinstance(entries, list):
            reader.fault(kind, f"is {_shown(entries)}, and should be a list")
            continue
        jobs[kind] = []
        for index, entry in enumerate(entries):
            key = f"{kind}.{index}"
            record = reader.record(entry, key, kind)
            if record:
                jobs[kind].append((record, MAKERS[kind](reader, record, key)))
            elif entry == {}:
                reader.fault(key, f"is empty: give {', '.join(KEYS[kind])}")
    if not reader.findings and not any(jobs.values()):
        reader.fault("", f"nothing to fight: give a list of {', '.join(LISTS)} with at least one entry")
    if reader.findings:
        raise ConfigError(reader.findings)
    return {kind: [{**record, "result": job()} for record, job in entries] for kind, entries in jobs.items()}
