"""A stored run is whole or not there, reads back equal, and says what is wrong where it cannot be read."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import bitcell_sim
from bitcell_sim import runs
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.engine.outcome import digest_tables
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import MissingToolError, RunStoreError
from bitcell_sim.faults.checkers import Violation
from bitcell_sim.runs import database, manifest, migrations, parquet, store
from bitcell_sim.runs.run import RunData
from bitcell_sim.runs.store import list_runs, load, save


@pytest.fixture(scope="module")
def run() -> RunData:
    scenario = load_scenario("node-crash", sets=["duration_s=400", "workload.rate_tps=2"])
    return RunData.of(simulate_once(scenario, seed=3))


@pytest.fixture
def stored(run: RunData, tmp_path: Path) -> RunData:
    return save(run, tmp_path, command="bitcell-sim run node-crash", wall_s=1.5)


def folder_of(run: RunData) -> Path:
    assert run.path is not None
    return run.path


def change_manifest(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob(".*") if path.name.startswith(".unfinished")]


# ------------------------------------------------------------------------------------------------------- round trip


def test_a_stored_run_reads_back_equal(run: RunData, stored: RunData) -> None:
    again = load(folder_of(stored))
    assert again.scenario == run.scenario
    assert (again.seed, again.simulated_s, again.trace_digest) == (3, 400.0, run.trace_digest)
    assert dict(again.counts) == dict(run.counts)
    assert set(again.tables) == set(run.tables)
    for name, frame in run.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], frame)
    assert digest_tables(dict(again.tables)) == run.trace_digest


def test_some_table_is_empty_and_keeps_its_categories(run: RunData, stored: RunData) -> None:
    empty = run.tables["balancers"].iloc[:0]
    assert len(empty["node"].cat.categories) == 7
    path = folder_of(stored) / "empty.parquet"
    path.write_bytes(parquet.table_bytes(empty))
    pd.testing.assert_frame_equal(parquet.read_table(path, hashlib.sha256(path.read_bytes()).hexdigest()), empty)


def test_violations_and_scorecard_are_kept(run: RunData, tmp_path: Path) -> None:
    broken = replace(run, violations=(Violation("double_finality", "height 3"),))
    card = {"scenario": "node-crash", "rows": [{"id": "finality", "measured": None}]}
    stored = save(broken, tmp_path, command="x", wall_s=0.0, scorecard=card)
    assert load(folder_of(stored)).violations == broken.violations
    assert json.loads((folder_of(stored) / "scorecard.json").read_text(encoding="utf-8")) == card


def test_equal_runs_have_equal_files(run: RunData, tmp_path: Path) -> None:
    one, two = (folder_of(save(run, tmp_path / name, command="x", wall_s=0.0)) for name in ("a", "b"))
    names = sorted(path.name for path in one.iterdir())
    assert "scorecard.json" not in names
    assert names == sorted(path.name for path in two.iterdir())
    for name in set(names) - {"manifest.json"}:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_the_manifest_says_what_ran(run: RunData, stored: RunData) -> None:
    content = json.loads((folder_of(stored) / "manifest.json").read_text(encoding="utf-8"))
    assert content == stored.manifest
    assert content["complete"] is True
    assert content["table_version"] == migrations.TABLE_VERSION
    assert content["scenario"] == "node-crash"
    assert content["seed"] == 3
    assert content["config_hash"] == config_hash(run.scenario)
    assert content["trace_digest"] == run.trace_digest
    assert content["command"] == "bitcell-sim run node-crash"
    assert content["package"] == bitcell_sim.__version__
    assert content["python"] == sys.version.split()[0]
    assert set(content["libraries"]) == {"numpy", "numba", "simpy", "pandas", "pyarrow"}
    age = datetime.now(UTC) - datetime.fromisoformat(content["started"])
    assert timedelta(seconds=1.5) <= age < timedelta(minutes=5)


def test_the_commit_is_a_commit_or_absent() -> None:
    commit = manifest.source_commit()
    assert commit is None or len(commit.removesuffix("-dirty")) == 40


def test_tables_are_read_when_they_are_used(stored: RunData) -> None:
    folder = folder_of(stored)
    again = load(folder)
    (folder / "votes.parquet").write_bytes(b"")
    assert len(again.tables["blocks"]) == again.counts["blocks"]
    with pytest.raises(RunStoreError, match=r"votes\.parquet"):
        again.tables["votes"]
    with pytest.raises(KeyError):
        again.tables["vote"]


def test_duckdb_reads_the_files(run: RunData, stored: RunData) -> None:
    path = folder_of(stored) / "transactions.parquet"
    rows = duckdb.sql(f"SELECT state, count(*), avg(final_ms - submitted_ms) FROM '{path}' GROUP BY state").fetchall()
    sent = run.tables["transactions"]
    assert {state: count for state, count, _ in rows} == sent["state"].value_counts()[lambda n: n > 0].to_dict()
    means = {state: mean for state, _, mean in rows}
    assert means["final"] == pytest.approx((sent["final_ms"] - sent["submitted_ms"]).mean())
    assert means["pending"] is None


def test_duckdb_reads_all_runs_of_a_scenario(run: RunData, stored: RunData, tmp_path: Path) -> None:
    """As the reference says; the link to the latest run counts nothing twice."""
    save(run, tmp_path, command="x", wall_s=0.0)
    path = tmp_path / "node-crash" / "2*" / "blocks.parquet"
    query = f"SELECT filename, count(*) FROM read_parquet('{path}', filename = true) GROUP BY filename"
    assert [count for _, count in duckdb.sql(query).fetchall()] == [run.counts["blocks"]] * 2


def test_pandas_reads_the_files(run: RunData, stored: RunData) -> None:
    frame = pd.read_parquet(folder_of(stored) / "blocks.parquet")
    assert list(frame.columns) == list(run.tables["blocks"].columns)
    assert frame["builder"].astype("str").tolist() == run.tables["blocks"]["builder"].astype("str").tolist()


def test_files_are_compressed_with_zstd(stored: RunData) -> None:
    import pyarrow.parquet as pq

    columns = pq.ParquetFile(folder_of(stored) / "transactions.parquet").metadata.row_group(0)
    assert {columns.column(index).compression for index in range(columns.num_columns)} == {"ZSTD"}


# ------------------------------------------------------------------------------------------------- places and names


def test_runs_of_one_second_do_not_collide(run: RunData, tmp_path: Path) -> None:
    def store_one(_: int) -> Path:
        return folder_of(save(run, tmp_path, command="x", wall_s=0.0))

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(store_one, range(12)))
    assert len(set(paths)) == 12
    assert {found.path for found in list_runs(tmp_path)} == set(paths)
    assert all(load(path).trace_digest == run.trace_digest for path in paths)
    assert not leftovers(tmp_path)


def test_a_taken_name_is_stepped_over(run: RunData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(store, "datetime", Clock)
    (tmp_path / "node-crash").mkdir()
    (tmp_path / "node-crash" / "2026-01-02T03-04-04Z").write_text("a file, no run", encoding="utf-8")
    names = [folder_of(save(run, tmp_path, command="x", wall_s=1.0)).name for _ in range(3)]
    assert names == [f"2026-01-02T03-04-04Z-{number}" for number in (2, 3, 4)]


def test_latest_is_the_last_one_stored(run: RunData, tmp_path: Path) -> None:
    for _ in range(2):
        stored = save(run, tmp_path, command="x", wall_s=0.0)
        latest = tmp_path / "node-crash" / "latest"
        assert latest.resolve() == folder_of(stored).resolve()
        assert not Path(os.readlink(latest)).is_absolute(), "a moved folder of runs keeps its links"
        for path in (latest, tmp_path / "node-crash", str(folder_of(stored))):
            assert folder_of(load(path)).resolve() == folder_of(stored).resolve()


def test_without_the_link_the_newest_is_the_latest(run: RunData, tmp_path: Path) -> None:
    old = save(run, tmp_path, command="x", wall_s=1000.0)
    new = save(run, tmp_path, command="x", wall_s=10.0)
    (tmp_path / "node-crash" / "latest").unlink()
    assert [found.path for found in list_runs(tmp_path)] == [old.path, new.path]
    assert load(tmp_path / "node-crash").path == new.path


def test_runs_are_listed_without_the_unfinished(run: RunData, stored: RunData, tmp_path: Path) -> None:
    (folder_of(stored).parent / ".unfinished-1").mkdir()
    (folder_of(stored).parent / ".unfinished-1" / "manifest.json").write_text("{}", encoding="utf-8")
    (folder_of(stored).parent / "other").mkdir()
    (folder_of(stored).parent / "other" / "manifest.json").write_text("{}", encoding="utf-8")
    (found,) = list_runs(tmp_path)
    assert found == list_runs(tmp_path / "node-crash")[0]
    assert (found.path, found.scenario, found.seed) == (stored.path, "node-crash", 3)
    assert (found.simulated_s, found.wall_s, found.trace_digest) == (400.0, 1.5, run.trace_digest)
    assert list_runs(tmp_path / "nowhere") == []


# ------------------------------------------------------------------------------------------------- what cannot be read


def test_no_such_run(stored: RunData, tmp_path: Path) -> None:
    with pytest.raises(RunStoreError, match=r"there: no such run$"):
        load(tmp_path / "not" / "there")
    with pytest.raises(RunStoreError, match=rf"2020: no such run; its folder holds {folder_of(stored).name}"):
        load(folder_of(stored).parent / "2020")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunStoreError, match="incomplete"):
        load(tmp_path / "empty")


def drop_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def drop_table(folder: Path) -> None:
    (folder / "votes.parquet").unlink()


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"complete": true', encoding="utf-8")


def spoil_config(folder: Path) -> None:
    (folder / "config.toml").write_text("duration_s = -1", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (drop_manifest, "this run is incomplete, it has no manifest.json"),
        (lambda folder: change_manifest(folder, complete=False), "incomplete, its manifest.json says complete = False"),
        (drop_table, "this run is incomplete, it lacks votes.parquet"),
        (spoil_manifest, r"manifest\.json: cannot be read, the file is damaged"),
        (lambda folder: (folder / "manifest.json").write_text("[]", encoding="utf-8"), "holds list"),
        (lambda folder: change_manifest(folder, seed="one"), "seed is 'one'"),
        (lambda folder: change_manifest(folder, violations=[{"no": 1}]), "violations cannot be read"),
        (spoil_config, r"config\.toml: cannot be read"),
        (lambda folder: change_manifest(folder, table_version=None), "table_version is None"),
        (
            lambda folder: change_manifest(folder, table_version=99),
            "its tables have version 99, this package reads up to 2: install the version of bitcell-sim that wrote it",
        ),
    ],
)
def test_what_is_wrong_is_said(stored: RunData, spoil: Callable[[Path], object], message: str) -> None:
    spoil(folder_of(stored))
    with pytest.raises(RunStoreError, match=message):
        load(folder_of(stored))


@pytest.mark.parametrize("content", [b"", b"PAR1" + bytes(100), None])
def test_a_damaged_table_is_named(stored: RunData, content: bytes | None) -> None:
    path = folder_of(stored) / "blocks.parquet"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(RunStoreError, match=r"blocks\.parquet: this table cannot be read, the file is damaged"):
        load(folder_of(stored)).tables["blocks"]


def test_flipped_bytes_never_pass_for_the_table(stored: RunData) -> None:
    path = folder_of(stored) / "blocks.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(RunStoreError, match=r"blocks\.parquet"):
            load(folder_of(stored)).tables["blocks"]


def test_tables_of_an_older_version_become_todays(stored: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.rename(columns={"at_ms": "cast_ms"}) if name == "votes" else frame

    for module in (migrations, store):
        monkeypatch.setattr(module, "TABLE_VERSION", 3)
    monkeypatch.setitem(migrations.MIGRATIONS, 2, rename)
    monkeypatch.setitem(migrations.CONFIG_MIGRATIONS, 2, lambda config: None)
    again = load(folder_of(stored))
    assert "cast_ms" in again.tables["votes"]
    assert "at_ms" in again.tables["finals"]


def test_every_older_version_has_its_step() -> None:
    older = set(range(1, migrations.TABLE_VERSION))
    assert set(migrations.MIGRATIONS) == set(migrations.CONFIG_MIGRATIONS) == older


# ---------------------------------------------------------------------------------------------- what cannot be written


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "no space left on the disk, the run was not stored"), (errno.EIO, "the run cannot be stored here")],
)
def test_a_failing_disk_leaves_nothing(
    run: RunData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(RunStoreError, match=message):
        save(run, tmp_path, command="x", wall_s=0.0)
    assert len(calls) == 5
    assert list((tmp_path / "node-crash").iterdir()) == []


def test_an_interrupt_while_writing_leaves_nothing(
    run: RunData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(run, tmp_path, command="x", wall_s=0.0)
    assert list((tmp_path / "node-crash").iterdir()) == []


def test_a_place_that_is_no_folder(run: RunData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunStoreError, match="the run cannot be stored here"):
        save(run, tmp_path / "file", command="x", wall_s=0.0)


def test_latest_that_is_a_folder_is_left_alone(run: RunData, tmp_path: Path) -> None:
    (tmp_path / "node-crash" / "latest").mkdir(parents=True)
    with pytest.raises(RunStoreError, match=r"the run is stored, but .*latest cannot point at it"):
        save(run, tmp_path, command="x", wall_s=0.0)
    assert len(list_runs(tmp_path)) == 1
    assert not leftovers(tmp_path)


def test_a_killed_writer_leaves_no_run(stored: RunData, tmp_path: Path) -> None:
    """Kill -9 in the middle of writing: what is there is no run, and does not stand in the way of the next."""
    root = tmp_path / "killed"
    code = f"""
import os, time
from bitcell_sim.runs import store
real, calls = os.fsync, []
def fsync(descriptor):
    calls.append(descriptor)
    if len(calls) == 5:
        print("half", flush=True)
        time.sleep(60)
    real(descriptor)
os.fsync = fsync
run = store.load({str(folder_of(stored))!r})
store.save(run, {str(root)!r}, command="x", wall_s=0.0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert len(leftovers(root)) == 1
    assert list_runs(root) == []
    with pytest.raises(RunStoreError):
        load(root / "node-crash")
    again = save(load(folder_of(stored)), root, command="x", wall_s=0.0)
    assert [found.path for found in list_runs(root)] == [again.path]


# ---------------------------------------------------------------------------------------------------- many at once


def test_a_folder_of_runs_is_one_database(run: RunData, stored: RunData, tmp_path: Path) -> None:
    other = RunData.of(simulate_once(load_scenario("rc3", sets=["duration_s=200", "workload.rate_tps=1"]), seed=9))
    again = save(other, tmp_path, command="x", wall_s=0.0)
    listed = runs.list(tmp_path)
    assert set(zip(listed["run"], listed["scenario"], listed["seed"], strict=True)) == {
        (str(stored.path), "node-crash", 3),
        (str(again.path), "rc3", 9),
    }
    counted = runs.query("SELECT scenario, seed, count(*) AS n FROM transactions GROUP BY ALL ORDER BY seed", tmp_path)
    expected = [("node-crash", 3, run.counts["transactions"]), ("rc3", 9, other.counts["transactions"])]
    assert list(counted.itertuples(index=False, name=None)) == expected
    assert list(runs.query("SELECT * FROM blocks", tmp_path))[:4] == ["run", "scenario", "seed", "block"]
    assert runs.query("SELECT count(*) AS n FROM runs", tmp_path)["n"].tolist() == [2]


def test_runs_of_an_older_version_are_in_the_database(
    stored: RunData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.rename(columns={"at_ms": "cast_ms"}) if name == "votes" else frame

    for module in (migrations, database, store):
        monkeypatch.setattr(module, "TABLE_VERSION", 3)
    monkeypatch.setitem(migrations.MIGRATIONS, 2, rename)
    monkeypatch.setitem(migrations.CONFIG_MIGRATIONS, 2, lambda config: None)
    found = runs.query("SELECT seed, min(cast_ms) AS first_ms FROM votes GROUP BY seed", tmp_path)
    assert found["seed"].tolist() == [3]
    assert found["first_ms"].tolist() == [stored.tables["votes"]["at_ms"].min()]


def test_a_folder_without_runs_or_without_duckdb_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs.list(tmp_path).empty
    with pytest.raises(RunStoreError, match="holds no whole run"):
        runs.query("SELECT 1", tmp_path)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingToolError, match=r"pip install 'bitcell-sim\[duckdb\]'"):
        runs.connect(tmp_path)


# What version 1 of the tables wrote: kept as it was, so that whoever changes a column or a key of a scenario notices.
OLD = Path(__file__).parents[1] / "golden" / "run-of-version-1"


def test_a_run_of_version_1_still_loads(tmp_path: Path) -> None:
    old = bitcell_sim.load_run(OLD)
    assert old.manifest["table_version"] == 1
    assert (old.scenario.name, old.seed, old.simulated_s) == ("rc3", 1, 260.0)
    assert {name: len(old.tables[name]) for name in old.tables} == dict(old.counts)
    assert old.counts["transactions"] > 100
    assert "final" in old._repr_html_()
    assert old.plot.timeline().png().startswith(b"\x89PNG")
    home = tmp_path / "rc3"
    home.mkdir()
    (home / "old").symlink_to(OLD)
    shutil.copytree(OLD, home / "2026-11-24T18-12-00Z")
    assert runs.query("SELECT count(*) AS n FROM blocks", tmp_path)["n"].tolist() == [old.counts["blocks"]]
