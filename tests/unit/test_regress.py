"""A comparison says nothing where nothing changed, names any change, and fails only on what got worse."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitcell_sim.analysis.trend import change_points, trends
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError, MissingToolError
from bitcell_sim.report.trend import plot_trends
from bitcell_sim.studies import baseline as base
from bitcell_sim.studies import regress as study
from bitcell_sim.studies.baseline import Baseline, Series
from bitcell_sim.studies.history import append, read
from bitcell_sim.studies.plan import Size
from bitcell_sim.studies.speed import reference_loop, speed_ratios

IDS = ("latency.us-east.us-west", "throughput", "finality", "proof_memory", "uptime", "trace")
SMALL = Size(replications=1, blocks=4, losses=1, ping_repeats=20, years=5)
SLOWER = "protocol.battle.engines.measured.core_s=24.78"  # 5 % more than 23.6
FASTER = "protocol.battle.engines.measured.core_s=20.0"


@pytest.fixture(scope="module")
def small() -> Baseline:
    return base.make_baseline("rc3", ids=IDS, seeds=(1, 2, 3), size=SMALL, workers=1)


@pytest.fixture
def file(small: Baseline, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    base.write_baseline(small, path)
    return path


def verdicts(content: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in content["metrics"]}


def series(values: list[Any], *, metric: str = "finality", better: str = "lower", tolerance: float = 1.0) -> Series:
    return Series(metric, "A title", "s", better, tolerance, tuple(values))  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------- whole calls


def test_what_is_written_is_what_is_read(small: Baseline, file: Path) -> None:
    assert base.read_baseline(file) == small
    assert [row.id for row in small.metrics] == list(IDS)


def test_unchanged_runs_raise_no_alarm(file: Path, tmp_path: Path) -> None:
    out, history = tmp_path / "out", tmp_path / "kept" / "history.jsonl"
    for _ in range(2):
        content = study.regress(against=file, history=history, out=out, seed=1, workers=1)
        assert set(verdicts(content).values()) == {"same"}
        assert {row["difference"] for row in content["metrics"]} == {0.0}
    lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    assert [list(line["metrics"]) for line in lines] == [list(IDS), list(IDS)]
    assert (out / "regress.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((out / "regress.json").read_text(encoding="utf-8")) == content
    assert base.read_baseline(out / "baseline.json") == base.read_baseline(file)
    assert "6 same" in (out / "summary.md").read_text(encoding="utf-8")


def test_a_regression_of_five_percent_is_found(file: Path) -> None:
    content = study.regress(against=file, sets=[SLOWER], workers=1)
    found = verdicts(content)
    assert found["throughput"] == "worse"
    assert found["finality"] == "worse"
    assert found["trace"] == "changed"
    assert [found[metric] for metric in ("latency.us-east.us-west", "proof_memory", "uptime")] == ["same"] * 3
    row = next(row for row in content["metrics"] if row["id"] == "throughput")
    assert row["ci_low"] <= row["difference"] <= row["ci_high"] < -row["tolerance"]
    assert "The configuration is another one" in study.summary(content)


def test_an_improvement_is_called_one(file: Path) -> None:
    found = verdicts(study.regress(against=file, sets=[FASTER], workers=1))
    assert (found["throughput"], found["finality"]) == ("better", "better")


def test_any_change_of_an_exact_figure_is_named(file: Path, small: Baseline) -> None:
    memory = next(row for row in small.metrics if row.id == "proof_memory")
    moved = dataclasses.replace(memory, values=tuple(np.nextafter(float(value), 99) for value in memory.values))  # type: ignore[arg-type]
    assert study.compare(memory, moved)["verdict"] == "changed"


def test_other_seeds_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match="--seed 7: the baseline's runs begin at seed 1"):
        study.regress(against=file, seed=7)


def test_the_number_of_workers_changes_nothing(small: Baseline) -> None:
    again = base.make_baseline("rc3", ids=IDS, seeds=(1, 2, 3), size=SMALL, workers=2)
    assert again == small


@pytest.mark.slow
def test_twenty_unchanged_runs_raise_no_alarm(tmp_path: Path) -> None:
    path, history = tmp_path / "baseline.json", tmp_path / "history.jsonl"
    base.write_baseline(base.make_baseline("rc3", ids=(*IDS, "speed"), seeds=(1, 2, 3), size=SMALL, workers=1), path)
    for _ in range(20):
        content = study.regress(against=path, history=history, workers=1)
        assert set(verdicts(content).values()) == {"same"}
    assert {trend["id"]: trend["changes"] for trend in content["trends"] if trend["id"] != "speed"} == {
        metric: [] for metric in IDS
    }


# ------------------------------------------------------------------------------------------------------- the history


def test_a_regression_of_five_percent_is_a_change_of_level_in_the_history(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("ruptures", reason="pip install 'bitcell-sim[regress]'")
    out, history = tmp_path / "out", tmp_path / "history.jsonl"
    good = study.regress(against=file, workers=1)
    for _ in range(6):
        append(history, good)
    for _ in range(2):
        content = study.regress(against=file, history=history, out=out, sets=[SLOWER], workers=1)
    found = {trend["id"]: trend["changes"] for trend in content["trends"]}
    assert [change["direction"] for change in found["throughput"]] == ["worse"]
    assert found["throughput"][0]["after"] < 0.98 * found["throughput"][0]["before"]
    assert found["latency.us-east.us-west"] == []
    assert (out / "trend.png").read_bytes().startswith(b"\x89PNG")
    assert "Changes of level over the history:" in (out / "summary.md").read_text(encoding="utf-8")
    assert json.loads((out / "regress.json").read_text(encoding="utf-8")) == content


def test_levels_are_found_in_noise_and_none_where_there_is_none() -> None:
    pytest.importorskip("ruptures", reason="pip install 'bitcell-sim[regress]'")
    draw = np.random.default_rng(1)
    assert sum(bool(change_points(draw.normal(1.0, 0.05, 20))) for _ in range(100)) <= 10
    shifted = [np.r_[draw.normal(1.0, 0.01, 12), draw.normal(1.05, 0.01, 8)] for _ in range(50)]
    assert sum(change_points(series) == [12] for series in shifted) >= 43
    assert change_points([5.0] * 12) == []
    assert change_points([5.0] * 7 + [5.25] * 5) == [7]
    assert change_points([1.0, 2.0, 3.0]) == []


def test_without_ruptures_the_trend_is_drawn_unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    rows = [{"id": "throughput", "title": "t", "unit": "TPS", "better": "higher"}]
    (trend,) = trends([{"at": "now", "metrics": {"throughput": {"current": 16.8}}}] * 8, rows)
    assert trend.changes is None
    assert plot_trends([trend], "rc3").png().startswith(b"\x89PNG")
    with pytest.raises(MissingToolError, match=r"pip install 'bitcell-sim\[regress\]'"):
        change_points([1.0] * 8)


def test_a_history_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"at": "now", "metrics": {}}\n{"at": 3}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"history\.jsonl: line 2 is none of a history"):
        read(path)


def test_of_many_metrics_that_differ_by_chance_none_is_called_worse() -> None:
    draws = np.random.default_rng(8).normal(size=(300, 20, 10)) * 20.0
    old = [series([50.0] * 10, metric=f"m{number}") for number in range(20)]
    alarms = 0
    for family in draws:
        rows = [
            study.compare(row, series(list(50.0 + new), metric=row.id)) for row, new in zip(old, family, strict=True)
        ]
        alarms += any(row["verdict"] == "worse" for row in study.together(rows))
    assert alarms <= 0.05 * 300


# ----------------------------------------------------------------------------------------------------- one metric


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ([10.0, 11.0, 12.0], [10.0, 11.0, 12.0], "same"),
        ([10.0, 11.0, 12.0], [13.0, 14.1, 15.0], "worse"),
        ([10.0, 11.0, 12.0], [7.0, 8.1, 9.0], "better"),
        ([10.0, 11.0, 12.0], [10.5, 11.6, 12.5], "changed"),  # within the tolerance
        ([10.0, 11.0, 12.0], [10.0, 21.0, 12.0], "changed"),  # far, but the seeds do not agree
        ([10.0], [20.0], "changed"),  # one seed has no interval
        ([10.0, 11.0, 12.0], [10.0, None, 12.0], "worse"),  # no longer happens
        ([10.0, None, 12.0], [10.0, 11.0, 12.0], "better"),
        ([10.0, None, 12.0], [10.0, None, 12.0], "same"),
    ],
)
def test_verdicts(old: list[Any], new: list[Any], verdict: str) -> None:
    assert study.compare(series(old), series(new))["verdict"] == verdict


def test_higher_may_be_better() -> None:
    old, new = [10.0, 11.0, 12.0], [13.0, 14.1, 15.0]
    assert study.compare(series(old, better="higher"), series(new, better="higher"))["verdict"] == "better"
    assert study.compare(series(new, better="higher"), series(old, better="higher"))["verdict"] == "worse"


def test_a_metric_that_is_gone_is_named() -> None:
    row = study.compare(series([1.0, 2.0]), None)
    assert (row["verdict"], row["current"], row["difference"]) == ("changed", None, None)


def test_noise_alone_rarely_looks_worse() -> None:
    draws = np.random.default_rng(5).normal(size=(400, 10)) * 20.0
    old = series([50.0] * 10)
    alarms = sum(study.compare(old, series(list(50.0 + row)))["verdict"] == "worse" for row in draws)
    assert alarms <= 0.05 * len(draws)  # 2.5 % are expected


def test_a_shift_beyond_the_noise_is_found() -> None:
    draws = np.random.default_rng(6).normal(size=(100, 10))
    old = series([50.0] * 10)
    assert all(study.compare(old, series(list(52.5 + row)))["verdict"] == "worse" for row in draws)


def test_speed_is_judged_beyond_its_noise_only() -> None:
    draw = np.random.default_rng(7)

    def speed(level: float) -> Series:
        values = list(level * draw.normal(1.0, 0.1, 6))
        return series(values, metric="speed", better="higher", tolerance=0.25)

    assert {study.compare(speed(1.0), speed(1.0))["verdict"] for _ in range(20)} == {"same"}
    assert study.compare(speed(1.0), speed(0.5))["verdict"] == "worse"
    assert study.compare(speed(1.0), speed(2.0))["verdict"] == "better"


def test_speed_is_a_ratio_of_two_times_of_this_process() -> None:
    assert reference_loop(1000) == reference_loop(1000)
    ratios = speed_ratios(load_scenario("rc3", sets=["duration_s=130"]), groups=3, turns=2)
    assert len(ratios) == 3
    assert all(0.001 < ratio < 1000 for ratio in ratios)


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "format: 'list', not 1"),
        ("{}", "format: None, not 1"),
        ('{"format": 1}', "no whole baseline: 'metrics'"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"mine.json: {says}.*write one with"):
        base.read_baseline(path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("values", [1.0], "1 values for 3 seeds"),
        ("values", [1.0, "a", 2.0], "'a' is no value of this metric"),
        ("better", "more", "better = 'more': write higher or lower"),
    ],
)
def test_a_broken_metric_is_named(file: Path, key: str, value: Any, says: str) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    content["metrics"][1][key] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"throughput: {says}"):
        base.read_baseline(file)


def test_a_baseline_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        base.read_baseline(tmp_path / "none.json")


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(InputError, match="no metric 'speeed'; metrics are latency"):
        base.make_baseline("rc3", ids=["speeed"], seeds=(1,), size=SMALL, workers=1)


def test_the_module_writes_a_baseline_or_says_why_not(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="usage: "):
        base.main([])
    with pytest.raises(SystemExit, match=r"error: .*rc4"):
        base.main([str(tmp_path / "b.json"), "rc4"])


# --------------------------------------------------------------------------------------------- the package's own


def test_the_packages_own_baseline_holds_every_metric() -> None:
    own = base.read_baseline(base.default_path())
    assert [row.id for row in own.metrics] == base.metric_ids(load_scenario("rc3"))
    assert len(own.seeds) == base.SEEDS
    assert own.size == base.SIZE


@pytest.mark.slow
def test_nothing_is_worse_than_the_packages_own_baseline(tmp_path: Path) -> None:
    content = study.regress(out=tmp_path)
    assert "worse" not in verdicts(content).values(), study.summary(content)
