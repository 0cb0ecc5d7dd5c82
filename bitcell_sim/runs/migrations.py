"""The version of the tables on disk, and how the tables of older versions become today's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bitcell_sim.errors import RunStoreError

if TYPE_CHECKING:
    import pandas as pd

TABLE_VERSION = 1

Migration = Callable[[str, "pd.DataFrame"], "pd.DataFrame"]

# From a version to the next: given a table's name and its frame as that version has it, the frame as the next has it.
# Whoever changes a column raises TABLE_VERSION, adds the step here, and keeps a run of the old version for a test.
MIGRATIONS: dict[int, Migration] = {}


def check_version(version: object, path: Path) -> int:
    """Refuse tables that this package cannot read.

    Parameters
    ----------
    version : object
        `table_version` of a manifest.
    path : Path
        Run folder, for the message.

    Returns
    -------
    int
        The version.

    Raises
    ------
    RunStoreError
        If it is no version, or newer than this package's.
    """
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RunStoreError(f"{path}: table_version is {version!r}; a whole number from 1 was expected")
    if version > TABLE_VERSION:
        raise RunStoreError(
            f"{path}: its tables have version {version}, this package reads up to {TABLE_VERSION}: "
            "install the version of bitcell-sim that wrote it (`package` in its manifest.json) or a later one"
        )
    return version


def migrate(name: str, frame: pd.DataFrame, version: int) -> pd.DataFrame:
    """Bring a table to today's version.

    Parameters
    ----------
    name : str
        Table, such as ``blocks``.
    frame : DataFrame
        As it was stored.
    version : int
        Version it was stored in.

    Returns
    -------
    DataFrame
        With today's columns.
    """
    for step in range(version, TABLE_VERSION):
        frame = MIGRATIONS[step](name, frame)
    return frame
