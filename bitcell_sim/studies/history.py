"""The history of a project's figures: a file with a line a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bitcell_sim.errors import InputError
from bitcell_sim.runs.files import append_line


def append(history: Path, content: Mapping[str, Any]) -> None:
    """Add a line with a comparison's figures to a file of JSON lines.

    Parameters
    ----------
    history : Path
        The file; made if it is not there.
    content : mapping
        What ``regress`` gives.
    """
    keys = ("current", "difference", "ci_low", "ci_high", "verdict")
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": content["version"]["current"],
        "commit": content["commit"],
        "config_hash": content["config_hash"]["current"],
        "metrics": {row["id"]: {key: row[key] for key in keys} for row in content["metrics"]},
    }
    append_line(history, json.dumps(line, allow_nan=False))


def read(history: Path) -> list[dict[str, Any]]:
    """Lines of a history file, oldest first.

    Raises
    ------
    InputError
        If it cannot be read, or a line is none of a history.
    """
    try:
        texts = history.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{history}: cannot be read: {error.strerror or error}") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            lines.append({"at": str(line["at"]), "metrics": dict(line["metrics"])})
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{history}: line {number} is none of a history: {error}") from error
    return lines
