"""What a run folder says about itself: what ran, with which versions, by which command, and whether it is whole."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bitcell_sim.config.loader import config_hash
from bitcell_sim.errors import RunStoreError
from bitcell_sim.runs.migrations import TABLE_VERSION, check_version
from bitcell_sim.runs.run import RunData
from bitcell_sim.version import __version__

FILE = "manifest.json"
LIBRARIES = ("numpy", "numba", "simpy", "pandas", "pyarrow")

# Keys that reading a run relies on, and what each has to be.
_KEYS: dict[str, type | tuple[type, ...]] = {
    "scenario": str,
    "seed": int,
    "config_hash": str,
    "trace_digest": str,
    "simulated_s": (int, float),
    "counts": dict,
    "sha256": dict,
    "violations": list,
}


def new_manifest(
    run: RunData, *, command: str, wall_s: float, started: datetime, hashes: Mapping[str, str]
) -> dict[str, Any]:
    """Manifest of a run that is whole.

    Parameters
    ----------
    run : RunData
        What is stored.
    command : str
        What was typed to make it.
    wall_s : float
        How long it took, seconds.
    started : datetime
        When it began.
    hashes : mapping of str to str
        SHA-256 of the file of each table.
    """
    return {
        "complete": True,
        "table_version": TABLE_VERSION,
        "scenario": run.scenario.name,
        "title": run.scenario.title,
        "seed": run.seed,
        "config_hash": config_hash(run.scenario),
        "trace_digest": run.trace_digest,
        "simulated_s": run.simulated_s,
        "counts": dict(sorted(run.counts.items())),
        "sha256": dict(sorted(hashes.items())),
        "violations": [{"property": found.property, "detail": found.detail} for found in run.violations],
        "command": command,
        "started": started.astimezone(UTC).isoformat(timespec="milliseconds"),
        "wall_s": wall_s,
        "package": __version__,
        "commit": source_commit(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "platform": platform.platform(),
    }


def source_commit() -> str | None:
    """Commit of the checkout this package runs from, ``-dirty`` behind it if files differ; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--match", ""]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of a run folder.

    Parameters
    ----------
    folder : Path
        The run folder.

    Raises
    ------
    RunStoreError
        If it is missing, unreadable, of a newer table version, or says that the run is not whole.
    """
    path = folder / FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunStoreError(f"{folder}: this run is incomplete, it has no {FILE}") from error
    except (OSError, ValueError) as error:
        raise RunStoreError(f"{path}: cannot be read, the file is damaged: {error}") from error
    if not isinstance(manifest, dict):
        raise RunStoreError(f"{path}: holds {type(manifest).__name__}, a table of keys was expected")
    check_version(manifest.get("table_version"), path)
    if manifest.get("complete") is not True:
        said = manifest.get("complete")
        raise RunStoreError(f"{folder}: this run is incomplete, its {FILE} says complete = {said!r}")
    for key, kind in _KEYS.items():
        if not isinstance(manifest.get(key), kind):
            raise RunStoreError(f"{path}: {key} is {manifest.get(key)!r}, which cannot be right")
    return manifest
