"""Whom Alertmanager would tell of an alert, by its routes alone: asked of amtool."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bitcell_sim.errors import LabError, MissingToolError
from bitcell_sim.judges.tools import find_tool

TOOL = "amtool"
PATIENCE_S = 30


class RoutingError(LabError):
    """amtool did not say who is told."""


def receivers(config: Path, labels: Mapping[str, str]) -> list[str]:
    """Receivers of an alert by the routes of a configuration; none where there is no such file or no amtool.

    Parameters
    ----------
    config : Path
        An alertmanager.yml.
    labels : mapping of str to str
        The alert's.
    """
    return list(_receivers(config, tuple(sorted(labels.items())))) if config.is_file() else []


@cache
def _receivers(config: Path, labels: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    try:
        tool = find_tool(TOOL)
    except MissingToolError:
        return ()
    words = [f"{key}={value}" for key, value in labels]
    command = [tool, "config", "routes", "test", f"--config.file={config}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise RoutingError(f"amtool gave no answer: {' '.join((done.stdout + done.stderr).split())}")
    return tuple(done.stdout.strip().split(","))
