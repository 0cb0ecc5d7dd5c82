"""A batch on the workers of a Dask cluster, where one machine is outgrown."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bitcell_sim.errors import InputError, LabError, MissingToolError
from bitcell_sim.runs.batch import WorkerDiedError, call, named, unpacked
from bitcell_sim.version import __version__

CONNECT_TIMEOUT_S = 10
WORKERS_TIMEOUT_S = 30


def package_version() -> str:
    """Version of this package where the call is made."""
    return __version__


def on_cluster(
    task: Callable[[Any], Any], items: Sequence[Any], scheduler: str
) -> Generator[tuple[int, Any], None, None]:
    """Results of a task as a cluster finishes them, each with its place.

    Parameters
    ----------
    task : callable
        Takes an item.
    items : sequence
        What it is called with.
    scheduler : str
        Address such as ``tcp://host:8786``.

    Raises
    ------
    MissingToolError
        If Dask is not installed.
    InputError
        If no scheduler answers, no worker is connected, or one has another version of this package.
    WorkerDiedError
        If an item ends its workers again and again.

    Notes
    -----
    Dask computes again what a lost worker had in work, and gives up on an item after some lost workers
    (``distributed.scheduler.allowed-failures``).
    """
    client = _connect(scheduler)
    futures: list[Any] = []
    try:
        _check_workers(client, scheduler)
        batch = f"bitcell-sim-{uuid.uuid4().hex}"
        keys = [f"{batch}-{index}" for index in range(len(items))]
        futures = client.map(partial(call, task), range(len(items)), items, key=keys, pure=False)
        yield from _answers(client, futures, dict(zip(keys, range(len(items)), strict=True)), items, scheduler)
    finally:
        client.cancel(futures)
        client.close()


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingToolError(
            f"scheduler {scheduler!r} needs Dask ({error}): pip install 'bitcell-sim[cluster]'"
        ) from error
    _check_address(scheduler)
    try:
        return Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _no_scheduler(scheduler, error) from error


def _check_address(scheduler: str) -> None:
    """Refuse what is no address, and what nobody listens at; Dask itself would go on trying."""
    try:
        parts = urlsplit(scheduler)
        host, port = parts.hostname, parts.port
        if parts.scheme not in {"tcp", "tls"} or not host or not port:
            raise ValueError("tcp://host:port was expected")
        socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise _no_scheduler(scheduler, error) from error


def _no_scheduler(scheduler: str, error: Exception) -> InputError:
    return InputError(
        f"scheduler {scheduler!r}: no Dask scheduler answers there ({error}); "
        "start one with `dask scheduler` and give its address, such as tcp://host:8786"
    )


def _check_workers(client: Any, scheduler: str) -> None:
    """Refuse a cluster without workers, or with workers whose results could differ."""
    try:
        client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
    except TimeoutError as error:
        raise InputError(
            f"scheduler {scheduler!r} has no workers: start some with `dask worker {scheduler} --nthreads 1`"
        ) from error
    try:
        versions: dict[str, str] = client.run(package_version)
    except Exception as error:
        raise InputError(
            f"scheduler {scheduler!r}: a worker cannot import bitcell_sim ({error}); install it there"
        ) from error
    others = {worker: version for worker, version in versions.items() if version != package_version()}
    if others:
        shown = ", ".join(f"{worker} has {version}" for worker, version in sorted(others.items()))
        raise InputError(f"scheduler {scheduler!r}: bitcell_sim is {package_version()} here, but {shown}")


def _answers(
    client: Any, futures: list[Any], places: dict[str, int], items: Sequence[Any], scheduler: str
) -> Generator[tuple[int, Any], None, None]:
    from distributed import KilledWorker, as_completed

    for future in as_completed(futures, loop=client.loop):
        if future.cancelled() or future.status == "lost":
            raise LabError(f"scheduler {scheduler!r} was lost before all was done")
        index = places[future.key]
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise WorkerDiedError(f"{named(index, items[index])}: its workers died again and again: {error}", index)
        yield index, unpacked(future.result())
        future.release()
