"""Intervals: against scipy where it has them, and by their measured coverage on known distributions."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from bitcell_sim.analysis import distributions, estimates
from bitcell_sim.analysis.clusters import resampled_quantiles
from bitcell_sim.analysis.estimates import (
    Estimate,
    clustered_quantile,
    deterministic,
    judge,
    mean_interval,
    proportion_interval,
    quantile,
    quantile_interval,
    ratio_interval,
    t_interval_of_replicates,
    warmup_cut_mser5,
)
from bitcell_sim.errors import InputError
from bitcell_sim.random_streams import stream_key

FINITE = st.floats(-1e6, 1e6)


def _generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def _holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.ci_low is not None
    assert estimate.ci_high is not None
    return estimate.ci_low <= truth <= estimate.ci_high


# ------------------------------------------------------------------------------------------------ distributions


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 19, 29, 99, 999, 100_000])
@pytest.mark.parametrize("probability", [0.001, 0.025, 0.3, 0.5, 0.7, 0.95, 0.975, 0.995, 0.9999])
def test_student_t_quantile(probability: float, degrees: int) -> None:
    ours = distributions.student_t_quantile(probability, degrees)
    assert ours == pytest.approx(float(stats.t.ppf(probability, degrees)), rel=1e-8, abs=1e-12)


def test_student_t_quantile_where_it_has_a_formula() -> None:
    assert distributions.student_t_quantile(0.975, 1) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-12)
    assert distributions.student_t_quantile(0.975, 2) == pytest.approx(0.95 / math.sqrt(2 * 0.975 * 0.025), rel=1e-12)


@given(st.floats(0, 1), st.floats(0.1, 5000), st.floats(0.1, 5000))
@settings(deadline=None, max_examples=300)
def test_regularized_beta(x: float, a: float, b: float) -> None:
    assert distributions.regularized_beta(x, a, b) == pytest.approx(float(special.betainc(a, b, x)), abs=1e-11)


@pytest.mark.parametrize("trials", [1, 7, 20, 100, 5000])
def test_binomial_at_most(trials: int) -> None:
    for count in {-1, 0, trials // 2, trials - 1, trials}:
        for p in (0.05, 0.5, 0.95):
            expected = float(stats.binom.cdf(count, trials, p))
            assert distributions.binomial_at_most(count, trials, p) == pytest.approx(expected, abs=1e-11)


def test_normal_at_most() -> None:
    for x in (-8.0, -1.96, 0.0, 3.0):
        assert distributions.normal_at_most(x) == pytest.approx(float(stats.norm.cdf(x)), rel=1e-12)


@given(st.integers(1, 400), st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=200)
def test_order_statistics_are_the_tightest_that_cover(trials: int, q: float) -> None:
    low, high = distributions.order_statistics(trials, q, 0.95)
    below = stats.binom(trials, q)
    if low is not None:
        assert below.cdf(low - 1) <= 0.025 + 1e-9
    if low != trials:
        assert below.cdf(low or 0) > 0.025 - 1e-9  # the next rank would miss too often
    if high is not None:
        assert below.sf(high - 1) <= 0.025 + 1e-9
    if high != 1:
        assert below.sf((high or trials + 1) - 2) > 0.025 - 1e-9


# ------------------------------------------------------------------------------------------------ mean and ratio


def test_mean_interval_against_scipy() -> None:
    values = _generator(1).lognormal(size=37)
    estimate = mean_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert estimate.measured == pytest.approx(values.mean(), rel=1e-14)
    assert estimate.ci_low == pytest.approx(expected.low, rel=1e-9)
    assert estimate.ci_high == pytest.approx(expected.high, rel=1e-9)
    assert estimate.n == 37


def test_mean_interval_covers() -> None:
    samples = _generator(2).normal(5.0, 2.0, size=(4000, 5))
    covered = np.mean([_holds(mean_interval(row), 5.0) for row in samples])
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_mean_of_few_values() -> None:
    assert mean_interval([]) == Estimate(None, None, None, 0)
    assert mean_interval([3.0]) == Estimate(3.0, None, None, 1)
    assert mean_interval([0.1] * 3) == Estimate(0.1, 0.1, 0.1, 3)


@given(st.lists(FINITE, min_size=2, max_size=30))
@settings(deadline=None)
def test_mean_interval_ignores_order(values: list[float]) -> None:
    assert mean_interval(values) == mean_interval(values[::-1])


def test_replicates_without_a_value_leave_no_interval() -> None:
    assert t_interval_of_replicates([1.0, 2.0, 3.0]) == mean_interval([1.0, 2.0, 3.0])
    assert t_interval_of_replicates([1.0, None, 3.0]) == Estimate(2.0, None, None, 2)
    assert t_interval_of_replicates([None]) == Estimate(None, None, None, 0)


def test_ratio_interval_covers() -> None:
    draw = _generator(3)
    covered = []
    for _ in range(2000):
        offered = draw.poisson(200, size=20)
        covered.append(_holds(ratio_interval(draw.binomial(offered, 0.8).astype(float), offered.astype(float)), 0.8))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_ratio_edges() -> None:
    assert ratio_interval([1.0, 2.0], [2.0, 4.0]) == Estimate(0.5, 0.5, 0.5, 2)
    assert ratio_interval([1.0, 1.0], [0.0, 0.0]) == Estimate(None, None, None, 2)
    assert ratio_interval([1.0], [4.0]) == Estimate(0.25, None, None, 1)
    with pytest.raises(InputError, match="1 numerators and 2 denominators"):
        ratio_interval([1.0], [1.0, 2.0])


# ------------------------------------------------------------------------------------------------ proportion


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 20), (3, 20), (20, 20), (999, 1000), (1, 3)])
def test_proportion_against_scipy(successes: int, n: int) -> None:
    estimate = proportion_interval(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert estimate.ci_low == pytest.approx(expected.low, abs=1e-12)
    assert estimate.ci_high == pytest.approx(expected.high, abs=1e-12)
    assert _holds(estimate, successes / n)


def test_proportion_edges() -> None:
    assert proportion_interval(0, 0) == Estimate(None, None, None, 0)
    with pytest.raises(InputError, match="successes is 3 of 2"):
        proportion_interval(3, 2)


# ------------------------------------------------------------------------------------------------ quantile


def test_quantile_is_a_value_with_enough_at_or_below() -> None:
    assert quantile(range(1, 101), 0.07) == 7.0  # 0.07 * 100 is a little over 7
    assert quantile(range(1, 101), 0.95) == 95.0
    assert quantile([3.0], 0.01) == 3.0
    assert quantile([], 0.5) is None
    values = _generator(4).normal(size=123)
    for q in (0.01, 0.5, 0.9, 0.99):
        assert quantile(values, q) == np.quantile(values, q, method="inverted_cdf")


@pytest.mark.parametrize(("n", "q"), [(20, 0.5), (100, 0.95), (400, 0.99), (80, 0.95)])
def test_quantile_interval_covers(n: int, q: float) -> None:
    samples = _generator(5).exponential(size=(2000, n))
    covered = np.mean([_holds(quantile_interval(row, q), -math.log1p(-q)) for row in samples])
    low, high = distributions.order_statistics(n, q, 0.95)
    assert low is not None
    assert high is not None
    exact = stats.binom(n, q).cdf(high - 1) - stats.binom(n, q).cdf(low - 1)
    assert exact >= 0.95
    assert covered == pytest.approx(exact, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


def test_too_few_values_have_no_upper_bound() -> None:
    assert quantile_interval(np.arange(71.0), 0.95).ci_high is None  # 0.95**71 > 2.5 %
    assert quantile_interval(np.arange(72.0), 0.95).ci_high == 71.0
    assert quantile_interval(np.arange(5.0), 0.5) == Estimate(2.0, None, None, 5)
    assert quantile_interval(np.arange(6.0), 0.5) == Estimate(2.0, 0.0, 5.0, 6)
    assert quantile_interval([], 0.95) == Estimate(None, None, None, 0)


@given(st.lists(FINITE, min_size=1, max_size=200), st.floats(0.01, 0.99))
@settings(deadline=None)
def test_the_quantile_lies_in_its_interval(values: list[float], q: float) -> None:
    estimate = quantile_interval(values, q)
    assert estimate.measured is not None
    assert estimate.ci_low is None or estimate.ci_low <= estimate.measured
    assert estimate.ci_high is None or estimate.measured <= estimate.ci_high


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 95.0, math.nan])
def test_a_quantile_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(InputError, match="q is"):
        quantile_interval([], q)


# ------------------------------------------------------------------------------------------------ clustered quantile


@pytest.mark.parametrize(
    ("clusters", "between", "q", "least"),
    [
        (20, 0.0, 0.9, 0.94),
        (20, 0.5, 0.95, 0.92),
        (20, 1.0, 0.9, 0.92),
        (20, 1.0, 0.5, 0.93),
        (8, 0.5, 0.9, 0.93),
        (3, 0.5, 0.5, 0.92),
    ],
)
def test_clustered_quantile_covers(
    monkeypatch: pytest.MonkeyPatch, clusters: int, between: float, q: float, least: float
) -> None:
    monkeypatch.setattr(estimates, "RESAMPLES", 400)
    draw = _generator(6)
    truth = stats.norm.ppf(q) * math.hypot(1.0, between)
    ours, naive = [], []
    for run in range(300):
        values = draw.normal(size=(clusters, 60)) + between * draw.normal(size=(clusters, 1))
        estimate = clustered_quantile(list(values), q, seed=run)
        naive.append(_holds(quantile_interval(values.ravel(), q), truth))
        if estimate.ci_low is not None:
            ours.append(_holds(estimate, truth))
    assert len(ours) > 240  # an interval is refused only where the clusters are worth too few values
    assert np.mean(ours) >= least
    if between >= 1.0:
        assert np.mean(naive) < 0.7  # what taking dependent values as independent would have claimed


def test_values_that_only_repeat_their_cluster_are_worth_one_each() -> None:
    repeated = [np.full(1000, value) for value in _generator(9).normal(size=60)]
    assert clustered_quantile(repeated, 0.95, seed=1).ci_high is None  # 60 values are too few for p95
    more = [np.full(1000, value) for value in _generator(9).normal(size=120)]
    assert clustered_quantile(more, 0.95, seed=1).ci_high is not None


def test_the_bootstrap_is_that_of_pooling_resampled_clusters() -> None:
    clusters = [np.sort(_generator(key).normal(size=3 + key)) for key in range(7)]
    fast = resampled_quantiles(clusters, 0.9, 2000, 11)
    bits = np.random.Philox(key=stream_key(11, "analysis.cluster_resampling", 7)).random_raw((2000, 7))
    for row in range(0, 2000, 50):
        chosen = [clusters[(int(word) >> 32) * 7 >> 32] for word in bits[row]]
        assert fast[row] == quantile(np.concatenate(chosen), 0.9)


def test_clustered_quantile_depends_on_its_seed_alone() -> None:
    draw = _generator(8)
    values = list(draw.normal(size=(10, 50)) + draw.normal(size=(10, 1)))
    first = clustered_quantile(values, 0.5, seed=1)
    np.random.default_rng(0).normal()
    assert clustered_quantile(values, 0.5, seed=1) == first
    clusters = [np.sort(cluster) for cluster in values]
    assert (resampled_quantiles(clusters, 0.5, 50, 1) != resampled_quantiles(clusters, 0.5, 50, 2)).any()


def test_degenerate_clusters() -> None:
    assert clustered_quantile([], 0.5, seed=1) == Estimate(None, None, None, 0)
    with pytest.raises(InputError, match="q is 2"):
        clustered_quantile([[1.0], [2.0]], 2, seed=1)
    assert clustered_quantile([[], []], 0.5, seed=1) == Estimate(None, None, None, 0)
    assert clustered_quantile([np.arange(1000.0)], 0.5, seed=1) == Estimate(499.0, None, None, 1)
    assert clustered_quantile([np.full(50, 7.0)] * 9, 0.95, seed=1) == Estimate(7.0, 7.0, 7.0, 9)
    assert clustered_quantile([np.full(50, 7.0)] * 3, 0.95, seed=1) == Estimate(7.0, 7.0, 7.0, 3)
    assert clustered_quantile([[1.0], []] + [[2.0]] * 9, 0.95, seed=1) == Estimate(2.0, None, None, 10)
    unequal = clustered_quantile([np.arange(5.0)] * 10 + [np.arange(500.0), []], 0.5, seed=1)
    assert unequal.n == 11
    assert _holds(unequal, unequal.measured or math.nan)


def test_one_bad_cluster_decides_the_tail() -> None:
    good = [np.full(100, 10.0) + np.arange(100) / 100 for _ in range(20)]
    calm = clustered_quantile(good, 0.9, seed=1)
    bad = clustered_quantile([*good[1:], good[0] + 500.0], 0.9, seed=1)
    assert judge(calm, 11.0, "<") == "pass"
    assert judge(bad, 11.0, "<") == "unknown"


# ------------------------------------------------------------------------------------------------ verdict


@pytest.mark.parametrize(
    ("low", "high", "comparison", "verdict"),
    [
        (1.0, 9.9, "<", "pass"),
        (1.0, 10.0, "<", "unknown"),
        (1.0, 10.0, "<=", "pass"),
        (10.0, 12.0, "<", "fail"),
        (10.0, 12.0, "<=", "unknown"),
        (10.1, 12.0, "<=", "fail"),
        (9.0, 11.0, "<", "unknown"),
        (10.1, 12.0, ">", "pass"),
        (10.0, 12.0, ">", "unknown"),
        (10.0, 12.0, ">=", "pass"),
        (8.0, 10.0, ">", "fail"),
        (8.0, 10.0, ">=", "unknown"),
        (8.0, 9.9, ">=", "fail"),
        (None, 9.0, "<", "unknown"),
        (11.0, None, "<", "unknown"),
        (1.0, math.inf, "<", "unknown"),
    ],
)
def test_judge(low: float | None, high: float | None, comparison: str, verdict: str) -> None:
    assert judge(Estimate(10.0, low, high, 5), 10.0, comparison) == verdict  # type: ignore[arg-type]


def test_judge_without_a_figure() -> None:
    assert judge(None, 1.0, "<") == "unknown"
    assert judge(Estimate(None, None, None, 0), 1.0, "<") == "unknown"
    assert judge(Estimate(None, 0.1, 0.2, 3), 1.0, "<") == "unknown"
    with pytest.raises(InputError, match="comparison is '=='"):
        judge(None, 1.0, "==")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="limit is nan"):
        judge(None, math.nan, "<")


def test_deterministic() -> None:
    assert deterministic(44.0, 20) == Estimate(44.0, 44.0, 44.0, 20)
    assert judge(deterministic(44.0, 1), 60.0, "<") == "pass"
    with pytest.raises(InputError, match="n is 0"):
        deterministic(44.0, 0)
    with pytest.raises(InputError, match="value 0 is inf"):
        deterministic(math.inf, 3)


def test_values_must_be_finite() -> None:
    for function in (mean_interval, lambda values: quantile_interval(values, 0.5)):
        with pytest.raises(InputError, match="value 1 is nan"):
            function([1.0, math.nan])
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        mean_interval(np.ones((2, 2)))


# ------------------------------------------------------------------------------------------------ warm-up


def _mser5_slowly(series: np.ndarray) -> int:
    batches = series[: len(series) // 5 * 5].reshape(-1, 5).mean(axis=1)
    errors = [batches[cut:].var() / len(batches[cut:]) for cut in range(len(batches) - 4)]
    return 5 * int(np.argmin(errors))


def test_mser5_finds_an_added_warm_up() -> None:
    for key in range(30):
        series = _generator(key).normal(10.0, 1.0, size=1000)
        series[:120] += 30.0 * np.exp(-np.arange(120) / 30.0)
        cut = warmup_cut_mser5(series)
        assert cut == _mser5_slowly(series)
        assert cut is not None
        assert 60 <= cut <= 300


def test_mser5_on_series_that_say_little() -> None:
    assert warmup_cut_mser5(np.ones(49)) is None
    assert warmup_cut_mser5(np.full(100, 0.1)) == 0
    assert warmup_cut_mser5(np.r_[np.full(37, 5.0), np.full(963, 0.1)]) == 40
    assert warmup_cut_mser5(np.arange(500.0)) is None  # never settles


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, bitcell_sim.analysis.estimates; "
        "print(sorted({'scipy', 'numba', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
