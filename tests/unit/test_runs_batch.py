"""A batch gives the same on one process and on many, in order, and loses nothing that had finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bitcell_sim.errors import ConfigError, Finding, InputError, LabError, MissingToolError
from bitcell_sim.runs.batch import Finished, Interrupted, WorkerDiedError, replicate

# Tasks are made inside the tests: a pool's workers need not be able to import this file.


@pytest.mark.parametrize("workers", [1, 2, None])
def test_results_come_in_the_order_of_the_items(workers: int | None) -> None:
    def task(item: int) -> tuple[int, int]:
        import time

        time.sleep(0.002 * (item % 3))
        return item, item**2

    assert replicate(task, range(40), workers=workers) == [(item, item**2) for item in range(40)]


def test_nothing_to_do() -> None:
    assert replicate(lambda item: item, [], workers=2) == []
    assert replicate(lambda item: item, []) == []


def test_one_worker_is_this_process() -> None:
    assert replicate(lambda _: os.getpid(), range(3), workers=1) == [os.getpid()] * 3
    assert os.getpid() not in replicate(lambda _: os.getpid(), range(3), workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_hears_of_every_item_once(workers: int) -> None:
    heard: list[Finished[str, str]] = []
    replicate(lambda item: item.upper(), "abcdef", workers=workers, progress=heard.append)
    assert sorted((done.index, done.item, done.result) for done in heard) == list(
        zip(range(6), "abcdef", "ABCDEF", strict=True)
    )
    assert [done.done_count for done in heard] == [1, 2, 3, 4, 5, 6]
    assert {done.total_count for done in heard} == {6}


def test_workers_use_one_thread_each() -> None:
    def threads(_: int) -> tuple[int, str | None]:
        import os

        import numba

        return numba.config.NUMBA_NUM_THREADS, os.environ.get("OPENBLAS_NUM_THREADS")

    assert replicate(threads, range(2), workers=2) == [(1, "1")] * 2


def test_a_small_task_costs_little() -> None:
    replicate(abs, range(10), workers=2)  # the pool starts
    started = time.perf_counter()
    replicate(abs, range(1000), workers=2)
    assert (time.perf_counter() - started) / 1000 < 0.005


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_package_arrive_unchanged(workers: int) -> None:
    findings = [Finding("a.toml", "x.y", "is wrong"), Finding("b.toml", "", "is missing")]

    def task(item: int) -> int:
        if item == 2:
            raise ConfigError(findings)
        return item

    with pytest.raises(ConfigError) as caught:
        replicate(task, range(4), workers=workers)
    assert str(caught.value) == "a.toml: x.y: is wrong\nb.toml: is missing"
    assert caught.value.findings == findings
    assert caught.value.__notes__ == ["item 3 (2)"]


@pytest.mark.parametrize("workers", [1, 2])
def test_other_errors_name_the_item(workers: int) -> None:
    def task(item: str) -> int:
        return 1 // len(item)

    with pytest.raises(ZeroDivisionError) as caught:
        replicate(task, ["a", "", "b"], workers=workers)
    assert caught.value.__notes__ == ["item 2 ('')"]


def test_an_error_of_the_progress_callback_is_not_swallowed() -> None:
    def fail(_: Finished[int, int]) -> None:
        raise LabError("no")

    for workers in (1, 2):
        with pytest.raises(LabError, match="no"):
            replicate(abs, range(50), workers=workers, progress=fail)
    assert replicate(abs, range(5), workers=2) == [0, 1, 2, 3, 4], "the next batch is not hurt"


@pytest.mark.parametrize("workers", [0, -2])
def test_workers_are_counted_from_one(workers: int) -> None:
    with pytest.raises(InputError, match=f"workers = {workers}: 1 or more"):
        replicate(abs, [1], workers=workers)


def test_a_worker_that_always_dies_of_an_item_names_it() -> None:
    def task(item: int) -> int:
        import os
        import time

        time.sleep(0.05)
        if item == 5:
            os._exit(3)
        return item

    with (
        pytest.warns(RuntimeWarning, match=r"a worker process died \(EXIT\(3\)\); .*item 6 \(5\)"),
        pytest.raises(
            WorkerDiedError, match=r"^item 6 \(5\): its worker process died, .* alone \(EXIT\(3\)\)"
        ) as caught,
    ):
        replicate(task, range(8), workers=2)
    assert caught.value.index == 5
    assert caught.value.results
    assert all(caught.value.results[index] == index for index in caught.value.results)
    assert 5 not in caught.value.results


def test_a_worker_that_dies_once_costs_nothing_but_time(tmp_path: Path) -> None:
    def task(item: int) -> int:
        import os
        import signal
        import time

        time.sleep(0.05)
        if item == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item * 10

    heard: list[int] = []
    with pytest.warns(RuntimeWarning, match=r"SIGKILL\(-9\).*item 4 \(3\)"):
        results = replicate(task, range(10), workers=2, progress=lambda done: heard.append(done.index))
    assert results == [item * 10 for item in range(10)]
    assert sorted(heard) == list(range(10))


# --------------------------------------------------------------------------------------------------------- interrupts

INTERRUPTED = """
import sys, time
from bitcell_sim.runs.batch import Interrupted, replicate

def task(item):
    time.sleep(0.1)
    return item * item

if __name__ == "__main__":
    try:
        replicate(task, range(500), workers=int(sys.argv[1]), progress=lambda done: print(done.done_count, flush=True))
    except Interrupted as stop:
        right = all(stop.results[index] == index * index for index in stop.results)
        print("kept", len(stop.results), "of", stop.total_count, right, flush=True)
        sys.exit(130)
"""


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_keeps_what_had_finished(tmp_path: Path, workers: int) -> None:
    """Ctrl-C reaches the whole process group; no worker is left behind, and none prints a traceback."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED, encoding="utf-8")
    command = [sys.executable, str(script), str(workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = [process.stdout.readline().strip() for _ in range(4)]
        assert seen == ["1", "2", "3", "4"]
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read().split("\n")
        assert process.wait(timeout=30) == 130
        assert "Traceback" not in process.stderr.read()
    _, kept, _, total, right = rest[-2].split()
    assert int(kept) >= 4
    assert (total, right) == ("500", "True")
    deadline = time.monotonic() + 20
    while not group_is_gone(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert group_is_gone(process.pid)


def test_an_interrupt_is_no_exception() -> None:
    def stop(done: Finished[int, int]) -> None:
        if done.done_count == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="interrupted with 3 of 9 done") as caught:
        replicate(abs, range(9), workers=1, progress=stop)
    assert caught.value.results == {0: 0, 1: 1, 2: 2}
    assert not isinstance(caught.value, Exception)


# ------------------------------------------------------------------------------------------------------------ clusters


def test_without_dask_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingToolError, match=r"needs Dask .*pip install 'bitcell-sim\[cluster\]'"):
        replicate(abs, [1], scheduler="tcp://127.0.0.1:8786")


def test_workers_and_a_scheduler_contradict_each_other() -> None:
    with pytest.raises(InputError, match="give one, a cluster has its own"):
        replicate(abs, [1], workers=2, scheduler="tcp://127.0.0.1:8786")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers as processes of their own."""
    pytest.importorskip("distributed", reason="needs Dask: pip install 'bitcell-sim[cluster]'")
    address = folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    module = [sys.executable, "-m"]
    where = ["--scheduler-file", str(address), "--no-dashboard"]
    listen = ["--host", "127.0.0.1", "--port", "0"]
    started = [subprocess.Popen([*module, "distributed.cli.dask_scheduler", *listen, *where], **quiet)]
    try:
        deadline = time.monotonic() + 30
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        more = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        started += [
            subprocess.Popen([*module, "distributed.cli.dask_worker", *where, *more], **quiet) for _ in range(workers)
        ]
        import json

        yield json.loads(address.read_text(encoding="utf-8"))["address"], started[1:]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.mark.filterwarnings("default")  # what Dask warns of is not ours
def test_a_cluster_computes_the_same_though_a_worker_is_killed(tmp_path: Path) -> None:
    def task(item: int) -> int:
        import time

        time.sleep(0.02)
        return item**2

    with cluster(tmp_path, 2) as (address, workers):

        def kill_one(done: Finished[int, int]) -> None:
            if done.done_count == 5:
                workers[0].kill()

        results = replicate(task, range(100), scheduler=address, progress=kill_one)
        assert results == replicate(task, range(100), workers=1)
        with pytest.raises(ConfigError, match=r"a.toml: x: is wrong"):
            replicate(_refuse(), [1], scheduler=address)


def _refuse() -> Any:
    def task(_: int) -> None:
        raise ConfigError([Finding("a.toml", "x", "is wrong")])

    return task


@pytest.mark.parametrize("scheduler", ["nonsense", "http://127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1:99999"])
def test_nobody_listens(scheduler: str) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'bitcell-sim[cluster]'")
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        replicate(abs, [1], scheduler=scheduler)


def test_a_worker_that_grows_is_replaced_and_nothing_is_lost() -> None:
    def grow(size_mb: int) -> int:
        import sys
        import time

        import numpy as np

        time.sleep(1.1)  # the pool looks at its workers' memory once a second at most
        sys.modules[f"kept {len(sys.modules)}"] = np.ones(size_mb * 125_000)  # type: ignore[assignment]
        return size_mb

    sizes = [10, 500, 500, 10, 500, 10, 10, 10]
    assert replicate(grow, sizes, workers=2) == sizes
