"""Batch means, stopping, families of verdicts and comparisons say what chance allows, and no more."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import bitcell_sim
from bitcell_sim.analysis.batch_means import batch_means
from bitcell_sim.analysis.comparison import compare_runs, compare_sets
from bitcell_sim.analysis.estimates import Estimate, mean_interval
from bitcell_sim.analysis.multiple import doubt, holm
from bitcell_sim.analysis.run_figures import FIGURES, figure_of
from bitcell_sim.analysis.stopping import check_ratio, is_precise, next_count
from bitcell_sim.cli import run as command
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError
from bitcell_sim.runs.run import RunData
from bitcell_sim.runs.store import save
from bitcell_sim.studies.compare import compare
from bitcell_sim.studies.verify import Request, size_of, verify


def draws(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


# ------------------------------------------------------------------------------------------------------ batch means


def autoregressive(key: int, n: int, memory: float) -> np.ndarray:
    noise = draws(key).normal(size=n)
    values = np.empty(n)
    values[0] = noise[0]
    for place in range(1, n):
        values[place] = memory * values[place - 1] + noise[place]
    return values


def test_batch_means_are_as_wide_as_the_dependence_asks() -> None:
    series = 10.0 + autoregressive(1, 40_000, 0.9)
    found = batch_means(series)
    truth = 1.0 / (1.0 - 0.9) / math.sqrt(40_000)  # standard error of the mean of an AR(1)
    assert found.estimate.ci_low is not None
    assert found.estimate.ci_high is not None
    half = (found.estimate.ci_high - found.estimate.ci_low) / 2
    assert 1.2 * truth < half < 3.5 * truth
    assert half > 3 * (mean_interval(series).ci_high - mean_interval(series).measured)  # type: ignore[operator]
    assert (found.estimate.n, len(found.means)) == (20, 20)


def test_a_series_that_remembers_too_long_has_no_interval() -> None:
    refused = [batch_means(autoregressive(key, 4000, 0.995)).estimate.ci_low is None for key in range(20)]
    assert sum(refused) >= 18
    assert batch_means(np.ones(100), warmup_count=0).estimate == Estimate(1.0, None, None, 0)
    assert batch_means(np.ones(400)).estimate == Estimate(1.0, 1.0, 1.0, 20)


def test_a_warm_up_is_cut_and_said() -> None:
    series = draws(3).normal(5.0, 1.0, 4000)
    series[:300] += 40.0 * np.exp(-np.arange(300) / 80.0)
    found = batch_means(series)
    assert found.warmup_count is not None
    assert 150 <= found.warmup_count <= 800
    assert found.estimate.measured == pytest.approx(5.0, abs=0.1)
    assert batch_means(series, warmup_count=0).estimate.measured == pytest.approx(series.mean())
    assert batch_means(np.arange(5000.0)).warmup_count is None
    assert batch_means(np.arange(5000.0)).estimate.ci_low is None


# --------------------------------------------------------------------------------------------------------- families


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_against_scipy_s_idea_of_it(values: list[float]) -> None:
    """Adjusted probabilities keep the order, are never smaller, and equal Bonferroni's for the smallest."""
    adjusted = holm(values)
    assert all(a >= v for a, v in zip(adjusted, values, strict=True))
    if values:
        assert min(adjusted) == min(1.0, len(values) * min(values))
        order = np.argsort(values, kind="stable")
        assert sorted(adjusted) == [adjusted[place] for place in order]


def test_doubt_of_a_students_interval_is_the_t_tests() -> None:
    for key in range(20):
        values = draws(key).normal(0.4, 1.0, 9)
        expected = stats.ttest_1samp(values, 0.0).pvalue
        assert doubt(mean_interval(values), 0.0) == pytest.approx(expected, rel=1e-6)


def test_doubt_at_the_edges() -> None:
    assert doubt(Estimate(5.0, 4.0, 6.0, 10), 6.0) == pytest.approx(0.05)
    assert doubt(Estimate(5.0, 5.0, 5.0, 10), 6.0) == 0.0
    assert doubt(Estimate(5.0, 5.0, 5.0, 10), 5.0) == 1.0
    assert doubt(Estimate(5.0, None, 6.0, 10), 6.0) == 1.0


# --------------------------------------------------------------------------------------------------------- stopping


def test_looks_are_set_beforehand() -> None:
    counts = [10]
    while (more := next_count(counts[-1], 100)) > counts[-1]:
        counts.append(more)
    assert counts == [10, 15, 23, 35, 53, 80, 100]


def test_precision_is_the_longer_half() -> None:
    assert is_precise(Estimate(100.0, 98.5, 101.9, 9), 0.02)
    assert not is_precise(Estimate(100.0, 97.9, 100.0, 9), 0.02)
    assert not is_precise(Estimate(100.0, None, None, 9), 0.02)
    assert is_precise(Estimate(0.0, 0.0, 0.0, 9), 0.02)
    assert is_precise(Estimate(None, None, None, 0), 0.02)
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match=r"such as 0\.02"):
            check_ratio(wrong)


def test_replications_stop_at_the_same_number_on_any_number_of_workers() -> None:
    def tps(run: bitcell_sim.Run) -> float | None:  # made here: a pool's workers cannot import this file
        from bitcell_sim.analysis.run_figures import figure_of

        return figure_of(run.data, "final_tps")

    options = {"sets": ["workload.rate_tps=2"], "duration": "6min", "measure": tps, "until": 0.02}
    one = bitcell_sim.replicate("rc3", replications=10, workers=1, **options)  # type: ignore[arg-type]
    assert bitcell_sim.replicate("rc3", replications=10, workers=2, **options) == one  # type: ignore[arg-type]
    assert len(one) in (15, 23, 35, 53)
    assert is_precise(mean_interval(one), 0.02)
    assert not is_precise(mean_interval(one[:10]), 0.02)
    with pytest.raises(InputError, match="at least 10 before"):
        bitcell_sim.replicate("rc3", replications=3, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="until: an interval needs a number"):
        bitcell_sim.replicate("rc3", until=0.02)


def test_verify_runs_more_until_its_intervals_are_narrow() -> None:
    (row,) = verify(Request("rc3", size=size_of(True, None), only="throughput", until=0.002, changes=False), workers=2)[
        "rows"
    ]
    (plain,) = verify(Request("rc3", size=size_of(True, None), only="throughput", changes=False), workers=1)["rows"]
    reach = max(row["ci_high"] - row["measured"], row["measured"] - row["ci_low"])
    assert row["n"] >= plain["n"]
    assert reach <= 0.002 * row["measured"] or row["n"] == 110
    assert plain["holds_in_family"] is True


# ------------------------------------------------------------------------------------------------------- comparing


def one_run(seed: int, *sets: str, minutes: int = 30) -> RunData:
    scenario = load_scenario("rc3", sets=[f"duration_s={60 * minutes}", "workload.rate_tps=4", *sets])
    return RunData.of(simulate_once(scenario, seed=seed, sample_interval_s=15.0))


@pytest.fixture(scope="module")
def runs() -> dict[str, RunData]:
    return {
        "a": one_run(1),
        "other seed": one_run(2),
        "slower": one_run(1, "protocol.battle.engines.measured.core_s=30"),
        "more": one_run(1, "workload.rate_tps=4.6"),
    }


def test_a_run_does_not_differ_from_itself(runs: dict[str, RunData]) -> None:
    content = compare(runs["a"], runs["a"])
    assert content["identical"]
    assert [row["id"] for row in content["metrics"]] == list(FIGURES)
    assert {row["difference"] for row in content["metrics"]} == {0.0}
    assert {row["ci_low"] for row in content["metrics"]} <= {0.0, None}
    assert {row["verdict"] for row in content["metrics"]} <= {"same", "unknown"}


def test_a_difference_of_the_means_is_the_difference_of_the_runs(runs: dict[str, RunData]) -> None:
    found = {row.id: row for row in compare_runs(runs["a"], runs["more"])}
    row = found["final_tps"]
    assert row.a == figure_of(runs["a"], "final_tps")
    assert row.difference.measured == pytest.approx(0.6, abs=0.15)
    assert row.difference.ci_low is not None
    assert row.difference.ci_low > 0


def test_slower_battles_are_found_and_nothing_else_is_blamed(runs: dict[str, RunData]) -> None:
    verdicts = {row["id"]: row["verdict"] for row in compare(runs["a"], runs["slower"])["metrics"]}
    assert verdicts["block_interval_s"] == "worse"
    assert verdicts["up_ratio"] == "same"
    assert verdicts["peers_mean"] == "same"
    again = {row["id"]: row["verdict"] for row in compare(runs["slower"], runs["a"])["metrics"]}
    assert again["block_interval_s"] == "better"


def test_two_runs_of_other_seeds_cannot_tell_chance_from_change(runs: dict[str, RunData]) -> None:
    content = compare(runs["a"], runs["other seed"])
    assert not content["same_seed"]
    assert not content["identical"]
    assert {row["verdict"] for row in content["metrics"]} == {"unknown"}
    assert {row["ci_low"] for row in content["metrics"]} == {None}
    assert content["metrics"][0]["difference"] != 0.0


def test_sets_of_runs_are_paired_by_seed() -> None:
    a = [one_run(seed, minutes=12) for seed in (1, 2, 3)]
    b = [one_run(seed, "workload.rate_tps=5", minutes=12) for seed in (3, 1, 2)]
    found = {row.id: row for row in compare_sets(a, b)}
    expected = [
        figure_of(y, "final_tps") - figure_of(x, "final_tps") for x, y in zip(a, [b[1], b[2], b[0]], strict=True)
    ]  # type: ignore[operator]
    assert found["final_tps"].difference == mean_interval(expected)
    with pytest.raises(InputError, match=r"seeds \[1, 2, 3\] and \[1, 2\]"):
        compare_sets(a, b[1:])


def test_runs_without_common_time_are_refused(runs: dict[str, RunData]) -> None:
    with pytest.raises(InputError, match="no time behind the warm-up in common"):
        compare_runs(one_run(1, minutes=2), runs["a"])


def test_the_command_compares_stored_runs(
    runs: dict[str, RunData], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [str(save(runs[name], tmp_path, command="x", wall_s=0.0).path) for name in ("a", "slower")]
    plot = tmp_path / "compare.png"
    assert command(["compare", *paths, "--json", "-", "--plot", str(plot)]) == 0
    content = json.loads(capfd.readouterr().out)
    assert {"id", "a", "b", "difference", "ci_low", "ci_high"} <= set(content["metrics"][0])
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert command(["compare", *paths]) == 0
    assert "the same seed: chance is shared" in capfd.readouterr().out
    assert command(["compare", paths[0], str(tmp_path / "none")]) == 64
    comparison = bitcell_sim.compare(bitcell_sim.load_run(paths[0]), bitcell_sim.load_run(paths[1]))
    assert "block_interval_s worse" in repr(comparison)
    assert comparison.frame["id"].tolist() == list(FIGURES)
