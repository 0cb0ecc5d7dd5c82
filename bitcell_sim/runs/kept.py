"""Results of finished work in a folder, for whoever starts the same work again: a kill costs only what was under way.

Each result is a file of its own, named after what it is a function of: the work, the item, and the program. It is
written under another name, forced to disk and renamed, so a file under its own name is whole; one that is damaged later
is noticed by its hash and computed again. Results are pickled: use no folder of a stranger's.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.errors import InputError, RunStoreError
from bitcell_sim.runs.store import cannot_write, write_synced

__all__ = ["Kept", "kept"]

Item = TypeVar("Item")
Result = TypeVar("Result")

SUFFIX = ".result"
_UNFINISHED = ".unfinished-"


class Kept(Generic[Item, Result]):
    """A task that computes only what its folder does not hold yet.

    Parameters
    ----------
    task : callable
        Takes an item; its result is a function of the item's name and of the program.
    folder : Path
        Where results are kept; it exists, also for workers on other machines.
    work : str
        What is done, such as ``fuzz rc3``; different works do not meet in one folder.
    name_of : callable
        Takes an item, returns its name.
    """

    def __init__(
        self, task: Callable[[Item], Result], folder: Path, work: str, name_of: Callable[[Item], str] = repr
    ) -> None:
        self._task = task
        self._folder = folder
        self._work = work
        self._name_of = name_of
        self._program = program()

    def path(self, item: Item) -> Path:
        """File of an item."""
        identity = "\n".join((self._program, self._work, self._name_of(item)))
        return self._folder / (hashlib.sha256(identity.encode()).hexdigest()[:32] + SUFFIX)

    def __call__(self, item: Item) -> Result:
        """Take the result that is kept, or compute and keep it."""
        path = self.path(item)
        found = _read(path)
        if found is not None:
            return cast("Result", found[0])
        result = self._task(item)
        _write(path, result)
        return result


def kept(
    task: Callable[[Item], Result],
    folder: str | Path | None,
    work: str,
    name_of: Callable[[Item], str] = repr,
) -> Callable[[Item], Result]:
    """Task that keeps its results in a folder, which is made; the task itself without a folder.

    Parameters
    ----------
    task, work, name_of
        See :class:`Kept`.
    folder : str or Path, optional
        Where.

    Raises
    ------
    RunStoreError
        If the folder cannot be made.
    """
    if folder is None:
        return task
    home = Path(folder).absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(home, error, "a result") from error
    return Kept(task, home, work, name_of)


@lru_cache(maxsize=1)
def program() -> str:
    """Hash of this package's source and models, and of what pickled results depend on."""
    import numpy as np

    digest = hashlib.sha256(f"{platform.python_version()} {np.__version__}".encode())
    for root, pattern in ((Path(__file__).resolve().parents[1], "*.py"), (models_dir(), "*.toml")):
        for source in sorted(root.rglob(pattern)):
            digest.update(str(source.relative_to(root)).encode() + source.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[Any] | None:
    """Result in a file; None if there is no file, or a damaged one, which a warning names."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunStoreError(f"{path}: cannot be read: {error.strerror or error}") from error
    digest, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        warnings.warn(f"{path}: this result is damaged, it is computed again", RuntimeWarning, stacklevel=3)
        return None
    return (pickle.loads(body),)


def _write(path: Path, result: Any) -> None:
    """Keep a result, whole or not at all."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: is not there on {platform.node()}; workers need a folder that all can see")
    body = pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL)
    unfinished = path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    try:
        write_synced(unfinished, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        unfinished.replace(path)
    except OSError as error:
        raise cannot_write(path.parent, error, "a result") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
