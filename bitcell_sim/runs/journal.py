"""What long work has finished, line by line on disk, so that a kill costs only what was under way."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bitcell_sim.errors import RunStoreError


class Journal:
    """Entries of a file of JSON lines, each forced to disk when it is added.

    Parameters
    ----------
    file : binary file
        Open for appending, locked.
    entries : list of dict
        What stands in it.
    """

    def __init__(self, file: IO[bytes], entries: list[dict[str, Any]]) -> None:
        self._file = file
        self.entries = entries

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append an entry; it is on disk when this returns."""
        self._file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.entries.append(dict(entry))


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open the journal of a piece of work, new or begun before, for this process alone.

    Parameters
    ----------
    path : Path
        File of JSON lines; made if it is not there.

    Raises
    ------
    RunStoreError
        If another process has it open, or it cannot be read or written.

    Notes
    -----
    A last line that a kill has cut short is taken away. The lock ends with the process, however it ends.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise RunStoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunStoreError(f"{path.parent}: another process is at work on this") from error
        yield Journal(file, _entries(file, path))


def _entries(file: IO[bytes], path: Path) -> list[dict[str, Any]]:
    """Whole lines of a journal; what follows the last line end is cut off."""
    file.seek(0)
    content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        file.truncate(len(whole))
    try:
        entries = [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise RunStoreError(f"{path}: cannot be read, the file is damaged: {error}; remove it to begin anew") from error
    return entries
