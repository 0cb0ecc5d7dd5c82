"""The same task for many items: in this process, on all cores of this machine, or on a Dask cluster.

Results come in the order of the items and do not depend on who computed them. What had finished is never lost: an
interrupt and a dead worker raise errors that carry it.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from bitcell_sim.engine.collecting import young_garbage_only
from bitcell_sim.errors import InputError, LabError

__all__ = ["Finished", "Interrupted", "WorkerDiedError", "replicate"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Stream = Generator[tuple[int, Any], None, None]


@dataclass(frozen=True)
class Finished(Generic[Item, Result]):
    """One item that is done, as the progress callback hears of it.

    Parameters
    ----------
    index : int
        Place among the items.
    item, result
        What went in, and what came out.
    done_count, total_count : int
        How many are done, of how many.
    """

    index: int
    item: Item
    result: Result
    done_count: int
    total_count: int


class Interrupted(KeyboardInterrupt):
    """The user stopped a batch; no Exception, so that code for errors does not hide it.

    Parameters
    ----------
    results : mapping of int to result
        What had finished, by place among the items.
    total_count : int
        How many items there were.
    """

    def __init__(self, results: Mapping[int, Any], total_count: int) -> None:
        self.results = results
        self.total_count = total_count
        super().__init__(f"interrupted with {len(results)} of {total_count} done")


class WorkerDiedError(LabError):
    """A worker process ended in the middle of an item, twice.

    Parameters
    ----------
    message : str
        Which item, and how the process ended.
    index : int, optional
        The item's place; None where no item had begun.
    results : mapping of int to result
        What had finished, by place among the items.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        self.index = index
        self.results: Mapping[int, Any] = {}
        super().__init__(message)


def replicate(
    task: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Finished[Item, Result]], None] | None = None,
) -> list[Result]:
    """Call a task once for every item.

    Parameters
    ----------
    task : callable
        Takes an item; its result depends on nothing else. It and the items are pickled, unless all is done in this
        process. An item can be computed twice, if a worker dies.
    items : iterable
        Such as seeds or scenarios.
    workers : int, optional
        Processes: all cores without it; 1 is this process itself.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``; its workers compute, each best with one thread.
    progress : callable, optional
        Called here with every item as it finishes, in any order; the place to store results of a long batch.

    Returns
    -------
    list
        Results in the order of the items.

    Raises
    ------
    Interrupted
        On Ctrl-C, with what had finished.
    WorkerDiedError
        If a worker process dies of an item, and does so again when that item is computed alone.
    MissingToolError
        If a scheduler is given and Dask is not installed.
    InputError
        If workers or scheduler are no such thing.

    Notes
    -----
    What the task raises is raised here: errors of this package with message and attributes unchanged. Workers use one
    thread each for linear algebra and kernels.

    Examples
    --------
    >>> replicate(abs, [-3, 2, -1], workers=1)
    [3, 2, 1]
    """
    known = list(items)
    results: dict[int, Result] = {}
    stream = _stream(task, known, workers, scheduler)
    try:
        for index, result in stream:
            results[index] = result
            if progress is not None:
                progress(Finished(index, known[index], result, len(results), len(known)))
    except KeyboardInterrupt as error:
        raise Interrupted(results, len(known)) from error
    except WorkerDiedError as error:
        error.results = results
        raise
    finally:
        stream.close()
    return [results[index] for index in range(len(known))]


def _stream(task: Callable[[Any], Any], items: Sequence[Any], workers: int | None, scheduler: str | None) -> Stream:
    """Results as they come, each with its place."""
    if scheduler is not None:
        from bitcell_sim.runs.cluster import on_cluster

        if workers is not None:
            raise InputError(
                f"workers = {workers} and scheduler = {scheduler!r}: give one, a cluster has its own workers"
            )
        return on_cluster(task, items, scheduler)
    if workers is not None and workers < 1:
        raise InputError(f"workers = {workers}: 1 or more processes are needed")
    count = min(len(items), _core_count() if workers is None else workers)
    return _in_pool(task, items, count) if count > 1 else _in_process(task, items)


def _core_count() -> int:
    """Cores that this process may use: affinity and container limits count."""
    import joblib

    return int(joblib.cpu_count())


def _in_process(task: Callable[[Any], Any], items: Sequence[Any]) -> Stream:
    for index, item in enumerate(items):
        yield index, unpacked(call(task, index, item))


# --------------------------------------------------------------------------------------------- one call, anywhere


@dataclass(frozen=True)
class Answer:
    """What one call came to: a result, or an error of this package in parts.

    Parameters
    ----------
    index : int
        Place among the items.
    result : object
        What the task returned.
    error : tuple, optional
        Class, arguments and attributes of what it raised.
    """

    index: int
    result: Any = None
    error: tuple[type[LabError], tuple[Any, ...], dict[str, Any]] | None = None


def call(task: Callable[[Any], Any], index: int, item: Any) -> Answer:
    """Call the task; an error says in a note which item it was.

    Parameters
    ----------
    task : callable
        What is called.
    index : int
        Place among the items.
    item : object
        What it is called with.

    Notes
    -----
    An exception pickles as its class and arguments, so one whose ``__init__`` takes something else than its message
    would not come back as it was. Errors of this package therefore travel in parts.

    What a call leaves in circles (a simulation is one) is freed at its end: Python alone lets gigabytes gather first.
    """
    with young_garbage_only():
        answer = _answer(task, index, item)
        gc.collect()
    return answer


def _answer(task: Callable[[Any], Any], index: int, item: Any) -> Answer:
    try:
        return Answer(index, task(item))
    except LabError as error:
        error.add_note(named(index, item))
        return Answer(index, error=(type(error), error.args, dict(error.__dict__)))
    except Exception as error:
        error.add_note(named(index, item))
        raise


def unpacked(answer: Answer) -> Any:
    """Take the result out of an answer, or raise its error."""
    if answer.error is None:
        return answer.result
    kind, arguments, attributes = answer.error
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(attributes)
    raise error


def named(index: int, item: Any) -> str:
    """Name an item for people: its place, from 1, and what it is."""
    shown = repr(item)
    return f"item {index + 1} ({shown if len(shown) <= 80 else shown[:77] + '...'})"


# ------------------------------------------------------------------------------------------ processes of this machine


def _call_marked(task: Callable[[Any], Any], folder: Path, index: int, item: Any) -> Answer:
    """Call the task in a worker, and leave a mark of what it works on in case it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; only the parent acts on it
    (folder / str(os.getpid())).write_text(str(index), encoding="ascii")
    return call(task, index, item)


def _parallel(function: Callable[[int, Any], Answer], indexed: Sequence[tuple[int, Any]], workers: int) -> Stream:
    """Answers of a pool, unpacked, in the order they come.

    A worker that has grown, as by compiling kernels, is replaced between two items; nothing is lost. The pool's word on
    it is a warning from a thread of its own, which an error in its place would end: the batch would wait for ever.
    """
    import joblib

    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes=None)
        answers = pool(joblib.delayed(function)(index, item) for index, item in indexed)
    try:
        for answer in answers:
            yield answer.index, unpacked(answer)
    finally:
        with warnings.catch_warnings():
            # joblib's word on unused results: whoever stops early has a reason, and knows what is done.
            warnings.filterwarnings("ignore", message=".*tasks (have been|which were)", category=UserWarning)
            answers.close()


def _in_pool(task: Callable[[Any], Any], items: Sequence[Any], workers: int) -> Stream:
    """Results of worker processes; who dies of an item is found by computing what was in work alone."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    waiting = dict(enumerate(items))
    with tempfile.TemporaryDirectory(prefix="bitcell-sim-batch-") as name:
        function = partial(_call_marked, task, Path(name))
        while waiting:
            try:
                for index, result in _parallel(function, list(waiting.items()), workers):
                    del waiting[index]
                    yield index, result
            except TerminatedWorkerError as error:
                yield from _after_death(function, waiting, workers, Path(name), _exit_codes(error))


def _after_death(
    function: Callable[[int, Any], Answer], waiting: dict[int, Any], workers: int, marks: Path, codes: str
) -> Stream:
    """Compute alone, one by one, what the dead and their stopped neighbours were working on."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    marked = {int(text) for mark in marks.iterdir() if (text := mark.read_text(encoding="ascii"))}
    for mark in marks.iterdir():
        mark.unlink()
    suspects = sorted(marked & waiting.keys())
    if not suspects:
        raise WorkerDiedError(f"a worker process died ({codes}) before it began an item")
    in_work = ", ".join(named(index, waiting[index]) for index in suspects)
    warnings.warn(
        f"a worker process died ({codes}); computing again, one by one, what was in work: {in_work}",
        RuntimeWarning,
        stacklevel=2,
    )
    for index in suspects:
        try:
            for _, result in _parallel(function, [(index, waiting[index])], workers):
                yield index, result
        except TerminatedWorkerError as error:
            raise WorkerDiedError(
                f"{named(index, waiting[index])}: its worker process died, and so it did when the item was computed "
                f"alone ({_exit_codes(error)}); SIGKILL is most often a system short of memory",
                index,
            ) from None
        del waiting[index]


def _exit_codes(error: Exception) -> str:
    """How the processes ended, out of the pool's own words."""
    found = re.search(r"exit codes of the workers are \{(.*?)\}", str(error))
    return found[1] if found else "it left no exit code"
