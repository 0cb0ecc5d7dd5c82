"""Runs on disk: one folder a run, whole or not there.

A folder is written under a name of its own beside its place, forced to disk, and renamed; so a reader never meets half
a run under a run's name, and two writers never meet each other. ``latest`` points at the run that was stored last.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bitcell_sim.config.loader import load_scenario, scenario_to_toml
from bitcell_sim.config.schema import Scenario
from bitcell_sim.config.writing import to_toml
from bitcell_sim.errors import ConfigError, RunStoreError
from bitcell_sim.runs import manifest as manifests
from bitcell_sim.runs.migrations import TABLE_VERSION, migrate_config
from bitcell_sim.runs.parquet import SUFFIX, StoredTables, table_bytes
from bitcell_sim.runs.run import RunData

__all__ = ["RunSummary", "list_runs", "load", "save"]

RUNS = Path("runs")
_NAMES_SHOWN = 8
LATEST = "latest"
CONFIG = "config.toml"
SCORECARD = "scorecard.json"
_UNFINISHED = ".unfinished-"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def save(
    run: RunData,
    out_root: str | Path = RUNS,
    *,
    command: str,
    wall_s: float,
    scorecard: Mapping[str, Any] | None = None,
) -> RunData:
    """Store a run in a folder of its own under ``out_root/<scenario>/``.

    Parameters
    ----------
    run : RunData
        What is stored.
    out_root : str or Path
        Folder of all runs; made if it is not there.
    command : str
        What was typed to make the run.
    wall_s : float
        How long the run took, seconds; it began that long ago.
    scorecard : mapping, optional
        Verdicts, stored beside the tables.

    Returns
    -------
    RunData
        The same run with its path and manifest.

    Raises
    ------
    RunStoreError
        If it cannot be written; nothing unfinished is left then.
    """
    started = datetime.now(UTC) - timedelta(seconds=wall_s)
    home = Path(out_root) / run.scenario.name
    try:
        home.mkdir(parents=True, exist_ok=True)
        unfinished = home / f"{_UNFINISHED}{uuid.uuid4().hex}"
        unfinished.mkdir()
    except OSError as error:
        raise cannot_write(home, error) from error
    try:
        hashes = _write_run(unfinished, run, scorecard)
        manifest = manifests.new_manifest(run, command=command, wall_s=wall_s, started=started, hashes=hashes)
        write_synced(unfinished / manifests.FILE, _json_bytes(manifest))
        _sync_folder(unfinished)
        path = _settle(unfinished, home, started)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise cannot_write(home, error) from error
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _point_latest(path)
    return replace(run, path=path, manifest=manifest)


def cannot_write(home: Path, error: OSError, what: str = "the run") -> RunStoreError:
    """Error that says why something could not be stored in a folder.

    Parameters
    ----------
    home : Path
        The folder.
    error : OSError
        What the system said.
    what : str
        What was to be stored.
    """
    if error.errno in _NO_SPACE:
        hint = "free some or choose another folder"
        return RunStoreError(f"{home}: no space left on the disk, {what} was not stored; {hint}")
    return RunStoreError(f"{home}: {what} cannot be stored here: {error.strerror or error}")


def _write_run(folder: Path, run: RunData, scorecard: Mapping[str, Any] | None) -> dict[str, str]:
    """Write everything but the manifest; SHA-256 of each table."""
    hashes = {}
    for name in run.tables:
        content = table_bytes(run.tables[name])
        hashes[name] = hashlib.sha256(content).hexdigest()
        write_synced(folder / (name + SUFFIX), content)
    write_synced(folder / CONFIG, scenario_to_toml(run.scenario).encode())
    if scorecard is not None:
        write_synced(folder / SCORECARD, _json_bytes(scorecard))
    return hashes


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and force it to disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settle(unfinished: Path, home: Path, started: datetime) -> Path:
    """Rename a finished folder to its moment, or to the first free name after it."""
    stamp = started.strftime("%Y-%m-%dT%H-%M-%SZ")
    number = 1
    while True:
        path = home / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            # A folder takes the place of nothing or of an empty folder; where a run stands this changes nothing.
            unfinished.rename(path)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            number += 1
            continue
        _sync_folder(home)
        return path


def _point_latest(path: Path) -> None:
    """Let ``latest`` point at a run; readers see the old one or the new one."""
    link = path.parent / f"{_UNFINISHED}{uuid.uuid4().hex}"
    try:
        link.symlink_to(path.name)
        link.replace(path.parent / LATEST)
    except OSError as error:
        link.unlink(missing_ok=True)
        raise RunStoreError(
            f"{path}: the run is stored, but {path.parent / LATEST} cannot point at it: {error.strerror or error}"
        ) from error


def load(path: str | Path) -> RunData:
    """Read a stored run; each table is read when it is first used.

    Parameters
    ----------
    path : str or Path
        A run folder, or a folder of runs such as ``runs/rc3``, which stands for its latest.

    Raises
    ------
    RunStoreError
        If there is no whole run, or this package cannot read it. A damaged table is found when it is used.
    """
    folder = _run_folder(Path(path))
    manifest = manifests.read_manifest(folder)
    missing = [name + SUFFIX for name in manifest["sha256"] if not (folder / (name + SUFFIX)).is_file()]
    if missing:
        raise RunStoreError(f"{folder}: this run is incomplete, it lacks {', '.join(missing)}")
    try:
        scenario = _scenario(folder / CONFIG, manifest["table_version"])
    except (ConfigError, OSError, ValueError, KeyError) as error:
        raise RunStoreError(f"{folder / CONFIG}: cannot be read:\n{error}") from error
    from bitcell_sim.faults.checkers import Violation

    try:
        violations = tuple(Violation(**found) for found in manifest["violations"])
    except TypeError as error:
        raise RunStoreError(f"{folder / manifests.FILE}: violations cannot be read: {error}") from error
    return RunData(
        scenario=scenario,
        seed=manifest["seed"],
        tables=StoredTables(folder, manifest["sha256"], manifest["table_version"]),
        trace_digest=manifest["trace_digest"],
        counts=manifest["counts"],
        simulated_s=float(manifest["simulated_s"]),
        violations=violations,
        manifest=manifest,
        path=folder,
    )


def _scenario(path: Path, version: int) -> Scenario:
    """Scenario of a run, with today's keys."""
    if version == TABLE_VERSION:
        return load_scenario(path)
    with tempfile.TemporaryDirectory(prefix="bitcell-sim-run-") as folder:
        today = Path(folder) / CONFIG
        today.write_text(to_toml(migrate_config(path.read_text(encoding="utf-8"), version)), encoding="utf-8")
        return load_scenario(today)


def _run_folder(path: Path) -> Path:
    """Folder of the run that a path stands for."""
    if not path.is_dir():
        known = f"; its folder holds {_listed(_names(path.parent))}" if _names(path.parent) else ""
        raise RunStoreError(f"{path}: no such run{known}")
    if (path / LATEST).is_dir():
        path = path / LATEST
    elif not _is_run(path) and _names(path):
        runs = list_runs(path)
        if not runs:
            raise RunStoreError(f"{path}: holds no whole run; name one of {_listed(_names(path))}")
        path = runs[-1].path
    return path.resolve() if path.is_symlink() else path


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (manifests.FILE, CONFIG))


def _names(folder: Path) -> list[str]:
    """Folders inside a folder that may be runs."""
    if not folder.is_dir():
        return []
    entries = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    return sorted(entry.name for entry in entries if not entry.name.startswith("."))


def _listed(names: list[str]) -> str:
    """Names for people: some of them, and how many more."""
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_NAMES_SHOWN])} and {more} more"


@dataclass(frozen=True)
class RunSummary:
    """One line about a stored run.

    Parameters
    ----------
    path : Path
        Its folder.
    scenario, seed
        What ran.
    started : str
        When it began, ISO 8601 in UTC.
    simulated_s, wall_s : float
        Simulated time, and how long it took, seconds.
    trace_digest : str
        SHA-256 over its tables.
    """

    path: Path
    scenario: str
    seed: int
    started: str
    simulated_s: float
    wall_s: float
    trace_digest: str


def list_runs(root: str | Path = RUNS) -> list[RunSummary]:
    """All whole runs under a folder of runs, or under one scenario's, oldest first.

    Parameters
    ----------
    root : str or Path
        Such as ``runs`` or ``runs/rc3``.
    """
    found = []
    for file in sorted([*Path(root).glob(f"*/{manifests.FILE}"), *Path(root).glob(f"*/*/{manifests.FILE}")]):
        folder = file.parent
        if folder.name.startswith(".") or folder.is_symlink():
            continue
        try:
            content = manifests.read_manifest(folder)
        except RunStoreError:
            continue
        found.append(
            RunSummary(
                path=folder,
                scenario=content["scenario"],
                seed=content["seed"],
                started=str(content.get("started", "")),
                simulated_s=float(content["simulated_s"]),
                wall_s=float(content.get("wall_s", 0.0)),
                trace_digest=content["trace_digest"],
            )
        )
    return sorted(found, key=lambda run: (run.started, run.path))
