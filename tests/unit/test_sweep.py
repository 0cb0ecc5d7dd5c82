"""A sweep has the same table however it was computed, loses nothing, and says what is wrong with its file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bitcell_sim
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.cli import run as command
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.sweep import load_sweep
from bitcell_sim.errors import ConfigError, InputError, MissingToolError, RunStoreError
from bitcell_sim.runs.batch import Interrupted
from bitcell_sim.runs.journal import open_journal
from bitcell_sim.studies import sweep as study
from bitcell_sim.studies.sweep_design import options_of, points_of
from bitcell_sim.studies.sweep_metrics import check_metrics, measure_metrics

GRID = """
title = "A small grid"
scenario = "rc3"
method = "grid"
replications = 2
metric = ["run.final_tps", "run.finality_p50_s"]
set = ["duration_s=360"]

[[factor]]
key = "workload.rate_tps"
low = 1.0
high = 4.0
count = 2

[[factor]]
key = "latency"
values = ["aws-2025", "docker"]
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def table_of(result: study.Result) -> bytes:
    return (result.folder / study.TABLE).read_bytes()


# ---------------------------------------------------------------------------------------------------------- designs


def test_a_grid_has_every_combination(grid: Path) -> None:
    sweep = load_sweep(grid)
    points = points_of(sweep)
    assert points == [(1.0, "aws-2025"), (1.0, "docker"), (4.0, "aws-2025"), (4.0, "docker")]
    assert options_of(sweep, points[1]) == ("duration_s=360", "workload.rate_tps=1.0", 'latency="docker"')


SAMPLED = """
title = "Sampled"
method = "latin-hypercube"
points = 50
metric = ["run.final_tps"]
[[factor]]
key = "workload.rate_tps"
low = 1.0
high = 100.0
scale = "log"
[[factor]]
key = "deployment.hardware.cores"
low = 1
high = 8
whole = true
[[factor]]
key = "latency"
values = ["aws-2025", "docker"]
"""


def test_a_latin_hypercube_has_one_point_in_every_slice(tmp_path: Path) -> None:
    points = points_of(load_sweep(written(tmp_path, SAMPLED)))
    rates = np.log([rate for rate, _, _ in points]) / np.log(100.0)
    assert sorted(int(share * 50) for share in rates) == list(range(50))
    assert {cores for _, cores, _ in points} == set(range(1, 9))
    assert all(isinstance(cores, int) for _, cores, _ in points)
    assert sum(latency == "docker" for _, _, latency in points) == 25
    other = points_of(load_sweep(written(tmp_path, SAMPLED + "\n")).model_copy(update={"design_seed": 2}))
    assert points != other


def test_a_sobol_design_fills_evenly_and_is_the_same_each_time(tmp_path: Path) -> None:
    sweep = load_sweep(written(tmp_path, SAMPLED.replace("latin-hypercube", "sobol").replace("= 50", "= 64")))
    points = points_of(sweep)
    assert points == points_of(sweep)
    rates = np.log([rate for rate, _, _ in points]) / np.log(100.0)
    assert np.bincount((rates * 16).astype(int), minlength=16).tolist() == [4] * 16


def test_indices_find_the_factor_that_counts() -> None:
    pytest.importorskip("SALib", reason="pip install 'bitcell-sim[sweep]'")
    from bitcell_sim.analysis.sensitivity import saltelli_points, sobol_indices

    points = saltelli_points(256, 3, 1)
    assert points.shape == (256 * 5, 3)
    # y = 3 a + b: variances 9/12 and 1/12, so 0.9, 0.1 and 0, without interaction
    found = sobol_indices(["a", "b", "c"], list(3.0 * points[:, 0] + points[:, 1]))
    for factor, truth in zip(found.itertuples(index=False), (0.9, 0.1, 0.0), strict=True):
        assert factor.first == pytest.approx(truth, abs=0.05)
        assert factor.total == pytest.approx(truth, abs=0.05)
        assert factor.first_low - 0.02 <= truth <= factor.first_high + 0.02
    with pytest.raises(InputError, match="1 of 1280 points have no value"):
        sobol_indices(["a", "b", "c"], [None, *points[1:, 0]])
    assert sobol_indices(["a", "b", "c"], [1.0] * 1280)["total"].tolist() == [0.0] * 3


@pytest.mark.parametrize(("method", "module"), [("sobol", "scipy.stats"), ("saltelli", "SALib.sample")])
def test_a_library_that_is_missing_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    sweep = load_sweep(written(tmp_path, SAMPLED.replace("latin-hypercube", method)))
    with pytest.raises(MissingToolError, match=rf"method '{method}' needs .*pip install 'bitcell-sim\[sweep\]'"):
        points_of(sweep)


# ------------------------------------------------------------------------------------------------------------- file


UNTIL = "[until]\nhalf_width_ratio = 0.02\nreplications_max = 60\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('method = "grid"', 'method = "gird"', "method: \"gird\" is not known; did you mean 'grid'"),
        ('method = "grid"', 'method = "sobol"', "points: missing: how many points"),
        ("replications = 2", "replications = 2\npoints = 9", "points: no effect: a grid has every combination"),
        ("low = 1.0", "low = 5.0", "factor.0.high: 4 is not above low = 5"),
        ("low = 1.0", "low = 0.0\nscale = 'log'", "factor.0.low: 0 has no logarithm"),
        ("low = 1.0\n", "", "factor.0.low: missing: a range needs both ends"),
        ("count = 2", "values = [1.0]", "factor.0.values: give either values, or low and high"),
        ('"docker"]', '"docker"]\ncount = 3', "factor.1.count: no effect on listed values"),
        ('key = "latency"', 'key = "workload.rate_tps"', "factor.1.key: .* is factor 0 already"),
        ('key = "latency"', 'key = "a b"', "factor.1.key: .* is not a key path"),
        ("count = 2", "counts = 2", "factor.0.counts: unknown key; did you mean count"),
        ("[[factor]]", f"{UNTIL}[[factor]]", "replications: 2 is too few"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_sweep(written(tmp_path, GRID.replace(old, new, 1)))


def test_an_unknown_key_or_metric_stops_it_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"workload.rate: .*did you mean rate_tps"):
        study.run_sweep(written(tmp_path, GRID.replace("rate_tps", "rate")), out=tmp_path)
    with pytest.raises(InputError, match=r"metric \"run.final_tsp\" is not known; did you mean 'run.final_tps'"):
        check_metrics(["run.final_tsp"], load_scenario("rc3"))
    assert not list(tmp_path.glob("*/*/table.parquet"))


@pytest.mark.parametrize("name", ["block-interval", "what-moves-finality"])
def test_the_sweeps_of_the_package_can_be_loaded(name: str) -> None:
    sweep = load_sweep(name)
    scenario = load_scenario(sweep.scenario, sets=sweep.set)
    check_metrics(sweep.metric, scenario)
    for factor in sweep.factor:
        for value in factor.values or (factor.low, factor.high):
            text = json.dumps(int(value) if factor.whole else value)  # type: ignore[call-overload]
            load_scenario(sweep.scenario, sets=[*sweep.set, f"{factor.key}={text}"])


# ---------------------------------------------------------------------------------------------------------- running


def test_the_table_is_tidy_and_the_same_on_any_number_of_workers(grid: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    one = study.run_sweep(grid, out=tmp_path / "one", workers=1, progress=lambda *said: heard.append(said))
    assert heard == [("small", done, 8) for done in range(9)]
    assert table_of(study.run_sweep(grid, out=tmp_path / "two", workers=2)) == table_of(one)
    frame = study.read_table(one.folder)
    columns = ["point", "replication", "seed", "workload.rate_tps", "latency", "run.final_tps", "run.finality_p50_s"]
    assert list(frame) == [*columns, "error"]
    assert frame["point"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert frame["seed"].tolist() == [1, 2] * 4, "points share their seeds"
    assert one.as_dict() | {"table": ""} == {
        "sweep": "small", "points": 4, "done": 4, "failed": 0, "runs": 8, "table": ""
    }  # fmt: skip
    scenario = load_scenario("rc3", sets=["duration_s=360", "workload.rate_tps=4.0", "latency=docker"])
    alone = measure_metrics(["run.final_tps"], scenario, 2, load_sweep(grid).size)
    assert frame.loc[7, "run.final_tps"] == alone["run.final_tps"]
    assert frame.loc[7, "run.final_tps"] == pytest.approx(4.0, rel=0.3)


def test_an_interrupt_keeps_what_was_finished_and_the_rest_is_done_later(grid: Path, tmp_path: Path) -> None:
    whole = study.run_sweep(grid, out=tmp_path / "whole", workers=1)

    def stop(name: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        study.run_sweep(grid, out=tmp_path / "kept", workers=1, progress=stop)
    (folder,) = (tmp_path / "kept" / "small").iterdir()
    assert len(study.read_table(folder)) == 3
    heard: list[int] = []
    again = study.run_sweep(grid, out=tmp_path / "kept", workers=1, progress=lambda _, done, __: heard.append(done))
    assert heard == [3, 4, 5, 6, 7, 8]
    assert table_of(again) == table_of(whole)


KILLED = """
import sys
from bitcell_sim.studies.sweep import run_sweep

if __name__ == "__main__":
    tell = lambda _, done, total: print(done, flush=True)
    run_sweep(sys.argv[1], out=sys.argv[2], workers=int(sys.argv[3]), progress=tell)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_loses_only_what_was_under_way(grid: Path, tmp_path: Path, workers: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED, encoding="utf-8")
    line = [sys.executable, str(script), str(grid), str(tmp_path / "killed"), str(workers)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "3":
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    (folder,) = (tmp_path / "killed" / "small").iterdir()
    journal = folder / study.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 3
    journal.write_bytes(b"".join(lines) + b'{"point": 3, "repl')  # as a kill in the middle of writing leaves it
    heard: list[int] = []
    again = study.run_sweep(grid, out=tmp_path / "killed", workers=1, progress=lambda _, done, __: heard.append(done))
    assert heard[0] == len(lines)
    assert table_of(again) == table_of(study.run_sweep(grid, out=tmp_path / "whole", workers=2))


def test_another_seed_or_file_is_another_sweep(grid: Path, tmp_path: Path) -> None:
    first = study.run_sweep(grid, out=tmp_path, workers=1)
    assert study.run_sweep(grid, out=tmp_path, workers=1).folder == first.folder
    assert study.run_sweep(grid, out=tmp_path, workers=1, seed=5).folder != first.folder
    grid.write_text(GRID.replace("high = 4.0", "high = 3.0"), encoding="utf-8")
    assert study.run_sweep(grid, out=tmp_path, workers=1).folder != first.folder


def test_points_that_cannot_be_run_are_named_and_the_others_are_done(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = GRID.replace("low = 1.0\nhigh = 4.0\ncount = 2", "values = [1.0, -3.0]").replace("replications = 2\n", "")
    path = written(tmp_path, text)
    assert (
        command(["sweep", str(path), "--out", str(tmp_path / "out"), "--json", "-", "--quiet", "--workers", "1"]) == 1
    )
    content = json.loads(capfd.readouterr().out)
    assert (content["points"], content["done"], content["failed"]) == (4, 2, 2)
    frame = pd.read_parquet(content["table"])
    assert frame["error"].str.contains("rate_tps: -3.0 is out of range").tolist() == [False, False, True, True]
    assert frame["run.final_tps"].isna().tolist() == [False, False, True, True]


def test_a_worker_that_dies_of_a_point_fails_that_point_alone(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(item: Any) -> dict[str, Any]:
        import os

        if item.point == 2 and item.replication == 0:
            os._exit(3)
        return {"values": [float(item.point), None], "error": None}

    monkeypatch.setattr(study, "_measure", measure)
    with pytest.warns(RuntimeWarning, match="a worker process died"):
        result = study.run_sweep(grid, out=tmp_path, workers=2)
    assert (result.as_dict()["done"], result.as_dict()["failed"]) == (3, 1)
    assert result.frame["error"].str.contains("worker process died").tolist() == [False] * 4 + [True] + [False] * 3
    monkeypatch.setattr(study, "_measure", lambda item: {"values": [1.0, 2.0], "error": None})
    again = study.run_sweep(grid, out=tmp_path, workers=1)
    assert again.as_dict()["failed"] == 0
    assert again.frame["run.final_tps"].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0]


def test_two_processes_never_share_a_sweep(tmp_path: Path) -> None:
    with open_journal(tmp_path / "points.jsonl") as journal:
        journal.add({"a": 1})
        with pytest.raises(RunStoreError, match="another process is at work"), open_journal(tmp_path / "points.jsonl"):
            pass
    (tmp_path / "points.jsonl").write_text("{broken}\n{}\n", encoding="utf-8")
    with pytest.raises(RunStoreError, match="damaged"), open_journal(tmp_path / "points.jsonl"):
        pass


# ------------------------------------------------------------------------------------------------------ stopping


def test_replications_go_on_until_every_interval_is_narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(1).normal(size=(4, 200))

    def measure(item: Any) -> dict[str, Any]:
        spread = (0.0, 0.04, 0.05, 1.0)[item.point]
        return {"values": [1.0 + spread * draws[item.point, item.replication], None], "error": None}

    monkeypatch.setattr(study, "_measure", measure)
    text = GRID.replace("replications = 2", "replications = 10")
    text = text.replace("[[factor]]", f"{UNTIL}[[factor]]", 1)
    result = study.run_sweep(written(tmp_path, text), out=tmp_path, workers=1)
    counts = result.frame.groupby("point").size().tolist()
    assert counts[0] == 10
    assert counts[1] in (15, 23, 35)
    assert counts[3] == 60
    assert counts == sorted(counts)
    values = result.frame.loc[result.frame["point"] == 1, "run.final_tps"]
    estimate = mean_interval(values.to_numpy())
    assert estimate.ci_high is not None
    assert estimate.measured is not None
    assert estimate.ci_high - estimate.measured <= 0.02 * estimate.measured


# ------------------------------------------------------------------------------------------------- python and figures


def test_from_python_a_sweep_has_means_and_figures(grid: Path, tmp_path: Path) -> None:
    table = bitcell_sim.sweep(grid, out=tmp_path, workers=1)
    assert repr(table) == "<sweep mine: 4 of 4 points done, 0 failed, 8 runs>".replace("mine", "small")
    means = table.means()
    assert means["n"].tolist() == [2] * 4
    assert (means["run.final_tps_low"] <= means["run.final_tps"]).all()
    assert table.plot("run.finality_p50_s").png().startswith(b"\x89PNG")
    assert "A small grid" in table._repr_html_()
    with pytest.raises(InputError, match="metric 'x' is not in this sweep"):
        table.plot("x")
    with pytest.raises(InputError, match='method = "saltelli" does'):
        table.sensitivity()


def test_a_table_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such table"):
        study.read_table(tmp_path)


# ------------------------------------------------------------------------------------------------------------ cluster


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
        deadline = time.monotonic() + 60
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        more = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        started += [
            subprocess.Popen([*module, "distributed.cli.dask_worker", *where, *more], **quiet) for _ in range(workers)
        ]
        yield json.loads(address.read_text(encoding="utf-8"))["address"], started[1:]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


@pytest.mark.filterwarnings("default")  # what Dask warns of is not ours
def test_a_cluster_makes_the_same_table_though_a_worker_is_killed(grid: Path, tmp_path: Path) -> None:
    """A scheduler and two workers as processes of their own, one of them killed -9 in the middle."""
    (tmp_path / "base.toml").write_text('title = "A file that no worker has"\ndeployment = "rc3"\n', encoding="utf-8")
    text = GRID.replace('scenario = "rc3"', 'scenario = "base.toml"').replace("replications = 2", "replications = 6")
    grid.write_text(text, encoding="utf-8")
    (tmp_path / "dask").mkdir()
    with cluster(tmp_path / "dask", 2) as (address, workers):

        def kill_one(_: str, done: int, total: int) -> None:
            if done == 5:
                workers[0].send_signal(signal.SIGKILL)

        there = study.run_sweep(grid, out=tmp_path / "there", scheduler=address, progress=kill_one)
        assert workers[0].wait(timeout=10) == -signal.SIGKILL
        assert workers[1].poll() is None
    here = study.run_sweep(grid, out=tmp_path / "here", workers=2)
    assert len(there.frame) == 24
    assert there.as_dict()["failed"] == 0
    assert table_of(there) == table_of(here)
