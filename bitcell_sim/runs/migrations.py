"""The version of what a run folder holds, and how tables and configurations of older versions become today's."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.config import catalog
from bitcell_sim.errors import RunStoreError

if TYPE_CHECKING:
    import pandas as pd

TABLE_VERSION = 2

Migration = Callable[[str, "pd.DataFrame"], "pd.DataFrame"]

ConfigMigration = Callable[[dict[str, Any]], None]


def _same(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def _rates_and_people(config: dict[str, Any]) -> None:
    """Give a version 1 configuration the fault rates and people on call that came later; no table depends on them."""
    today = tomllib.loads(catalog.path("fault_rates", "rates").read_text(encoding="utf-8"))
    for key in ("region_pair", "balancer"):
        config["fault_rates"].setdefault(key, today[key])
    config.setdefault("on_call", "rc3")


# From a version to the next: given a table's name and its frame as that version has it, the frame as the next has it.
# Whoever changes a column, or adds a key that a configuration has to have, raises TABLE_VERSION, adds the steps here,
# and keeps a run of the old version for a test.
MIGRATIONS: dict[int, Migration] = {1: _same}
CONFIG_MIGRATIONS: dict[int, ConfigMigration] = {1: _rates_and_people}


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


def migrate_config(text: str, version: int) -> dict[str, Any]:
    """Bring a resolved scenario to today's version.

    Parameters
    ----------
    text : str
        As it was stored, TOML.
    version : int
        Version it was stored in.

    Returns
    -------
    dict
        Tables as TOML gives them, with today's keys.
    """
    config = tomllib.loads(text)
    for step in range(version, TABLE_VERSION):
        CONFIG_MIGRATIONS[step](config)
    return config
