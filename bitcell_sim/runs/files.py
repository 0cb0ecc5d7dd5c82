"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bitcell_sim.errors import InputError

__all__ = ["append_line", "write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made.

    Parameters
    ----------
    path : Path
        The file; what stands there is replaced once the new content is on disk. A device or a pipe is written to.
    content : bytes
        All of it.

    Raises
    ------
    InputError
        If it cannot be written; what stood there still stands there then.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        try:
            _write_synced(unfinished, content)
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _error(path, error) from error


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, whole or not at all; the file and its folder are made.

    Parameters
    ----------
    path : Path
        The file.
    line : str
        Without its end.

    Raises
    ------
    InputError
        If it cannot be written; the file ends where it did then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                content = f"{line}\n".encode()
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise _error(path, error) from error


def _error(path: Path, error: OSError) -> InputError:
    """Error that says which file or folder cannot be written, and why."""
    return InputError(f"{path}: cannot be written: {error.strerror or error}")
