"""A folder of runs as one database: a view a table, over the Parquet files of every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.errors import MissingToolError, RunStoreError
from bitcell_sim.runs.manifest import read_manifest
from bitcell_sim.runs.migrations import TABLE_VERSION
from bitcell_sim.runs.parquet import SUFFIX
from bitcell_sim.runs.store import RunSummary, list_runs, load

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("run", "scenario", "seed", "started", "simulated_s", "wall_s", "trace_digest")


def runs_frame(root: str | Path) -> pd.DataFrame:
    """One row a run.

    Parameters
    ----------
    root : str or Path
        Folder of runs.
    """
    import pandas as pd

    rows = [(str(r.path), *(getattr(r, name) for name in COLUMNS[1:])) for r in list_runs(root)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def connection(root: str | Path) -> Any:
    """Database in memory with a view a table.

    Parameters
    ----------
    root : str or Path
        Folder of runs.

    Notes
    -----
    Files of today's table version are read in place, when they are asked for; older runs are brought to today's columns
    first, in memory.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingToolError(f"queries need DuckDB ({error}): pip install 'bitcell-sim[duckdb]'") from error
    found = list_runs(root)
    if not found:
        raise RunStoreError(f"{root}: holds no whole run")
    database = duckdb.connect()
    database.register("runs", runs_frame(root))
    manifests = [(run, read_manifest(run.path)) for run in found]
    names = sorted({name for _, manifest in manifests for name in manifest["sha256"]})
    for name in names:
        holders = [(run, manifest) for run, manifest in manifests if name in manifest["sha256"]]
        today = [run for run, manifest in holders if manifest["table_version"] == TABLE_VERSION]
        older = [run for run, manifest in holders if manifest["table_version"] != TABLE_VERSION]
        parts = [_files(today, name)] if today else []
        if older:
            database.register(f"older_{name}", _frames(older, name))
            parts.append(f"SELECT * FROM older_{name}")
        database.execute(f'CREATE VIEW "{name}" AS {" UNION ALL BY NAME ".join(parts)}')
    return database


def _files(found: Sequence[RunSummary], name: str) -> str:
    """Question that reads one table of many runs."""
    files = ", ".join(_text(str(run.path / (name + SUFFIX))) for run in found)
    return (
        "SELECT r.run, r.scenario, r.seed, t.* EXCLUDE (filename) "
        f"FROM read_parquet([{files}], filename = true, union_by_name = true) t "
        f"JOIN runs r ON t.filename = r.run || {_text('/' + name + SUFFIX)}"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _frames(found: Sequence[RunSummary], name: str) -> pd.DataFrame:
    """One table of runs of older versions, with today's columns."""
    import pandas as pd

    frames = []
    for run in found:
        frame = load(run.path).tables[name].copy()
        about: dict[str, Any] = {"run": str(run.path), "scenario": run.scenario, "seed": run.seed}
        for place, (column, value) in enumerate(about.items()):
            frame.insert(place, column, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
