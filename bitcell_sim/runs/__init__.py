"""Runs: made many at a time, kept on disk, found again; ``runs.list()`` and ``runs.query(sql)`` from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

ROOT = "runs"


def list(root: str | Path = ROOT) -> pd.DataFrame:
    """All whole runs under a folder, oldest first, one row a run.

    Parameters
    ----------
    root : str or Path
        Folder of all runs, or of one scenario's.

    Returns
    -------
    DataFrame
        ``run`` (its folder), ``scenario``, ``seed``, ``started``, ``simulated_s``, ``wall_s``, ``trace_digest``.
    """
    from bitcell_sim.runs.database import runs_frame

    return runs_frame(root)


def connect(root: str | Path = ROOT) -> DuckDBPyConnection:
    """DuckDB over all runs under a folder: a view a table, with ``run``, ``scenario`` and ``seed`` in front.

    Parameters
    ----------
    root : str or Path
        Folder of all runs, or of one scenario's.

    Raises
    ------
    MissingToolError
        If DuckDB is not installed; says the command.
    """
    from bitcell_sim.runs.database import connection

    database: DuckDBPyConnection = connection(root)
    return database


def query(sql: str, root: str | Path = ROOT) -> pd.DataFrame:
    """Answer of DuckDB to one question about all runs under a folder.

    Parameters
    ----------
    sql : str
        Such as ``SELECT seed, count(*) FROM blocks GROUP BY seed``; the view ``runs`` has a row a run.
    root : str or Path
        Folder of all runs, or of one scenario's.
    """
    with connect(root) as database:
        frame: pd.DataFrame = database.sql(sql).df()
    return frame
