"""Gamma functions against scipy, and the intervals of rare events against those of a Poisson count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from bitcell_sim.analysis.distributions import gamma_at_most, gamma_quantile
from bitcell_sim.analysis.estimates import Estimate
from bitcell_sim.analysis.outages import MONTH_US, Outages, cause_name
from bitcell_sim.analysis.rare_events import difference, rate_of_sum
from bitcell_sim.errors import InputError


@given(st.floats(1e-3, 1e5), st.floats(-6.0, 6.0))
@settings(deadline=None, max_examples=200)
def test_the_gamma_distribution(shape: float, deviations: float) -> None:
    x = max(1e-6, shape + deviations * shape**0.5)
    assert gamma_at_most(x, shape) == pytest.approx(float(special.gammainc(shape, x)), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("shape", [0.5, 1.0, 7.3, 200.0, 2e4])
@pytest.mark.parametrize("probability", [0.025, 0.5, 0.975])
def test_its_quantiles(shape: float, probability: float) -> None:
    assert gamma_quantile(probability, shape) == pytest.approx(float(stats.gamma(shape).ppf(probability)), rel=1e-8)
    assert gamma_at_most(0.0, shape) == 0.0


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_equal_sizes_have_the_exact_bounds_of_a_poisson_count(count: int) -> None:
    found = rate_of_sum([3.0] * count, 10.0, 3.0)
    low = stats.chi2(2 * count).ppf(0.025) / 2 if count else 0.0
    high = stats.chi2(2 * count + 2).ppf(0.975) / 2
    assert (found.measured, found.n) == (pytest.approx(0.3 * count), count)
    assert found.ci_low == pytest.approx(0.3 * low, rel=1e-8)
    assert found.ci_high == pytest.approx(0.3 * high, rel=1e-8)


def test_none_seen_is_no_zero() -> None:
    assert rate_of_sum([], 100.0, 60.0).ci_high == pytest.approx(60.0 * 3.6889 / 100.0, rel=1e-4)
    with pytest.raises(InputError, match="above 0"):
        rate_of_sum([], 0.0, 60.0)
    with pytest.raises(InputError, match="above 0"):
        rate_of_sum([0.0], 1.0, 60.0)


def test_a_difference_takes_each_side_from_its_own_interval() -> None:
    a, b = Estimate(5.0, 4.0, 9.0, 3), Estimate(2.0, 2.0, 5.0, 4)
    assert difference(a, b) == Estimate(3.0, pytest.approx(3.0 - 10.0**0.5), pytest.approx(7.0), 7)
    assert difference(a, Estimate(1.0, None, None, 1)) == Estimate(4.0, None, None, 4)
    assert difference(Estimate(None, None, None, 0), b).measured is None


def test_months_and_outages_from_pieces() -> None:
    start = np.array([10, 20, MONTH_US - 60_000_000], dtype=np.int64)
    end = np.array([20, 30, MONTH_US + 120_000_000], dtype=np.int64)
    run = Outages(3 * MONTH_US + 5, start, end, np.array([1, 8, 1], dtype=np.int64))
    assert run.down_us == 20 + 180_000_000
    assert run.episodes_min() == pytest.approx([20 / 6e7, 3.0])
    assert run.episodes_min(1) == pytest.approx([10 / 6e7, 3.0])
    assert run.episodes_min(8) == pytest.approx([10 / 6e7])
    assert run.months_min() == pytest.approx([1 + 20 / 6e7, 2.0, 0.0])
    assert [cause_name(bits) for bits in (0, 1, 0b1100)] == ["none", "process", "zone+region"]
