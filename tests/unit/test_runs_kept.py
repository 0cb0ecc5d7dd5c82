"""Finished work is kept and not done again, also after kill -9; what is damaged is noticed and computed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bitcell_sim
from bitcell_sim.errors import InputError, RunStoreError
from bitcell_sim.runs import kept as module
from bitcell_sim.runs.batch import replicate
from bitcell_sim.runs.kept import Kept, kept
from bitcell_sim.studies.fuzz import fuzz
from bitcell_sim.studies.verify import Request, size_of, verify


class Square:
    """A task that counts how often it is called."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, item: int) -> int:
        self.calls.append(item)
        return item * item


def results_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.result"))


def test_a_result_is_computed_once(tmp_path: Path) -> None:
    square = Square()
    for _ in range(2):
        assert replicate(kept(square, tmp_path / "a" / "b", "square"), range(4), workers=1) == [0, 1, 4, 9]
    assert square.calls == [0, 1, 2, 3]
    assert len(results_in(tmp_path / "a" / "b")) == 4
    replicate(kept(square, tmp_path / "a" / "b", "square"), range(6), workers=1)
    assert square.calls == [0, 1, 2, 3, 4, 5]


def test_nothing_is_kept_without_a_folder() -> None:
    square = Square()
    assert kept(square, None, "square") is square


def test_a_result_may_be_none(tmp_path: Path) -> None:
    calls: list[int] = []
    task = kept(calls.append, tmp_path, "nothing")
    assert task(1) is None
    assert task(1) is None
    assert calls == [1]


def test_other_work_other_items_and_another_program_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = Square()
    kept(square, tmp_path, "square")(1)
    kept(square, tmp_path, "other")(1)
    kept(square, tmp_path, "square", lambda item: f"{item} of another kind")(1)
    monkeypatch.setattr(module, "program", lambda: "changed")
    kept(square, tmp_path, "square")(1)
    assert square.calls == [1, 1, 1, 1]


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b[:10], lambda b: b"", lambda b: b[:-1] + b"\0"])
def test_a_damaged_result_is_named_and_computed_again(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    square = Square()
    task = kept(square, tmp_path, "square")
    task(7)
    (path,) = results_in(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.warns(RuntimeWarning, match=rf"{path.name}: this result is damaged, it is computed again"):
        assert task(7) == 49
    assert task(7) == 49
    assert square.calls == [7, 7]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunStoreError, match=r"file/below: a result cannot be stored here"):
        kept(Square(), tmp_path / "file" / "below", "square")


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"elsewhere: is not there on .*; workers need a folder that all can see"):
        Kept(Square(), tmp_path / "elsewhere", "square")(2)


# ----------------------------------------------------------------------------------------------------------- kill -9

BATCH = """
import sys, time
from pathlib import Path
from bitcell_sim.runs.batch import replicate
from bitcell_sim.runs.kept import kept

folder, calls, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def task(item):
    with calls.open("a") as file:
        file.write(f"{item}\\n")
    time.sleep(0.1)
    return item * item

if __name__ == "__main__":
    task_of = kept(task, folder, "squares")
    print(replicate(task_of, range(24), workers=workers), flush=True)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_batch_goes_on_where_it_was(tmp_path: Path, workers: int) -> None:
    """Kill -9 of all its processes: what had finished is not done again, and the results are the same."""
    script, folder, calls = tmp_path / "batch.py", tmp_path / "kept", tmp_path / "calls"
    script.write_text(BATCH, encoding="utf-8")
    command = [sys.executable, str(script), str(folder), str(calls), str(workers)]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        wait_for(lambda: len(results_in(folder)) >= 5)
        os.killpg(process.pid, signal.SIGKILL)
    finished = len(results_in(folder))
    begun = calls.read_text(encoding="ascii").split()
    assert 5 <= finished < 24
    assert finished <= len(begun) <= finished + workers
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [item * item for item in range(24)]
    twice = len(calls.read_text(encoding="ascii").split()) - 24
    assert twice == len(begun) - finished


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


CASE = ("fault=[]", "duration_s=20", "workload.rate_tps=20", "workload.gas_price.sigma=0")


def test_a_killed_search_goes_on_and_says_the_same(tmp_path: Path) -> None:
    """The command itself, killed with kill -9 among its seeds."""
    folder = tmp_path / "kept"
    sets = [word for text in CASE for word in ("--set", text)]
    words = ["fuzz", "--profile", "rc3-as-built", "--seeds", "8", *sets, "--workers", "1", "--quiet", "--json", "-"]
    command = [sys.executable, "-m", "bitcell_sim", *words]
    with subprocess.Popen([*command, "--keep", str(folder)], stdout=subprocess.PIPE) as process:
        wait_for(lambda: len(results_in(folder)) >= 2)
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == b""
    before = {path: path.stat().st_mtime_ns for path in results_in(folder)}
    assert 2 <= len(before) < 8
    again = subprocess.run([*command, "--keep", str(folder)], capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 1, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before, "finished seeds were done again"
    assert len(results_in(folder)) == 8
    assert json.loads(again.stdout) == fuzz("rc3-as-built", seeds=8, sets=CASE, workers=1)


# --------------------------------------------------------------------------------------------------- from the studies


def heights(run: bitcell_sim.Run) -> int:
    return int(run.tables["blocks"]["height"].max())


def transactions(run: bitcell_sim.Run) -> int:
    return len(run.tables["transactions"])


def test_replications_are_kept_whole_and_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"duration": "3min", "replications": 2, "workers": 1}
    plain = [bitcell_sim.replicate("rc3", measure=measure, **options) for measure in (heights, transactions)]
    first = bitcell_sim.replicate("rc3", measure=heights, keep=tmp_path, **options)
    monkeypatch.setattr("bitcell_sim.studies.lab.simulate_once", None)
    second = bitcell_sim.replicate("rc3", measure=transactions, keep=tmp_path, **options)
    assert [first, second] == plain
    runs = bitcell_sim.replicate("rc3", keep=tmp_path, **options)
    assert [transactions(run) for run in runs] == second


def test_a_scorecard_from_kept_runs_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(size=size_of(quick=True, replications=2), only="node_recovery")
    plain = verify(request, workers=1)
    assert verify(request, keep=tmp_path, workers=1) == plain
    assert len(results_in(tmp_path)) == 2
    monkeypatch.setattr("bitcell_sim.studies.measures.simulate_once", None)
    assert verify(request, keep=tmp_path, workers=1) == plain


def test_arrays_come_back_bit_by_bit(tmp_path: Path) -> None:
    values = np.array([0.1, np.nan, -0.0, 1e308])
    task = kept(lambda _: values, tmp_path, "values")
    task(1)
    assert task(1).tobytes() == values.tobytes()
