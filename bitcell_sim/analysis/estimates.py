"""Estimates with 95 % intervals, and the three-valued verdict they allow.

Every function gives an :class:`Estimate`. What cannot be said from the values given is None, never a guess: an estimate
without an interval is ``unknown`` to :func:`judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis.clusters import effective_count, rank_of, resampled_quantiles
from bitcell_sim.analysis.distributions import normal_at_most, order_statistics, student_t_quantile
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.draws_plain import normal_quantile

Comparison = Literal["<", "<=", ">", ">="]
Verdict = Literal["pass", "fail", "unknown"]
Values = Iterable[float] | npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
_CLUSTERS_FOR_BOOTSTRAP = 6  # with fewer, even the whole bootstrap range covers less than 95 %: 1 - 2 / 2**clusters
_MSER_BATCH = 5
_MSER_BATCHES_KEPT = 5


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval, all in the unit of the values it came from.

    Parameters
    ----------
    measured : float or None
        The figure; None if there is none.
    ci_low, ci_high : float or None
        Bounds of the interval; None if the values are too few to give one.
    n : int
        Number of independent units that the interval rests on: values, clusters or replications.
    """

    measured: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


def judge(estimate: Estimate | None, limit: float, comparison: Comparison) -> Verdict:
    """Verdict on an estimate: ``pass`` or ``fail`` only if the whole interval agrees.

    Parameters
    ----------
    estimate : Estimate or None
        The figure and its interval.
    limit : float
        In the unit of the estimate.
    comparison : {"<", "<=", ">", ">="}
        How the figure must stand to the limit.

    Returns
    -------
    {"pass", "fail", "unknown"}
        ``unknown`` if the interval holds the limit, or if the figure or a bound is None.

    Examples
    --------
    >>> judge(Estimate(180.0, 170.0, 190.0, 20), 200.0, "<")
    'pass'
    >>> judge(Estimate(195.0, 185.0, 205.0, 20), 200.0, "<")
    'unknown'
    """
    if comparison not in ("<", "<=", ">", ">="):
        raise InputError(f"comparison is {comparison!r}; it must be one of <, <=, >, >=")
    if not math.isfinite(limit):
        raise InputError(f"limit is {limit}; it must be a finite number")
    if estimate is None or estimate.measured is None or estimate.ci_low is None or estimate.ci_high is None:
        return "unknown"
    if not all(math.isfinite(value) for value in (estimate.measured, estimate.ci_low, estimate.ci_high)):
        return "unknown"
    ends = [_meets(value, limit, comparison) for value in (estimate.ci_low, estimate.ci_high)]
    return "pass" if all(ends) else "unknown" if any(ends) else "fail"


def _meets(value: float, limit: float, comparison: Comparison) -> bool:
    if comparison == "<":
        return value < limit
    if comparison == "<=":
        return value <= limit
    return value > limit if comparison == ">" else value >= limit


def deterministic(value: float, n: int) -> Estimate:
    """Estimate of a figure that chance does not touch: an interval of no width, over `n` replications."""
    _finite([value])
    if n < 1:
        raise InputError(f"n is {n}; a deterministic figure has been seen in at least 1 replication")
    return Estimate(float(value), float(value), float(value), n)


def mean_interval(values: Values) -> Estimate:
    """Mean of independent values, with Student's t interval.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        Independent and identically distributed.

    Returns
    -------
    Estimate
        No interval for fewer than two values.

    Notes
    -----
    mean +- t(0.975, n - 1) * s / sqrt(n). Sums are exact (``math.fsum``), so the order of the values does not matter.
    """
    array = _finite(values)
    n = len(array)
    if n == 0:
        return Estimate(None, None, None, 0)
    mean = _mean(array)
    if n == 1:
        return Estimate(mean, None, None, 1)
    variance = math.fsum((array - mean) ** 2) / (n - 1)
    return _around(mean, math.sqrt(variance / n), n)


def t_interval_of_replicates(per_replication_values: Sequence[float | None]) -> Estimate:
    """Mean of a statistic over replications, each of which gives one value (such as its own p95).

    Parameters
    ----------
    per_replication_values : sequence of float or None, length n_replications
        None where the replication has no value, because what is measured never happened in it.

    Returns
    -------
    Estimate
        As :func:`mean_interval`; no interval if a replication has no value, since those left are a selection.
    """
    present = [value for value in per_replication_values if value is not None]
    estimate = mean_interval(present)
    if len(present) == len(per_replication_values):
        return estimate
    return Estimate(estimate.measured, None, None, estimate.n)


def quantile(values: Values, q: float) -> float | None:
    """Smallest of the values at or below which at least a share `q` of them lies; None if there are none."""
    array = np.sort(_finite(values))
    return float(array[rank_of(len(array), _open_unit(q)) - 1]) if len(array) else None


def quantile_interval(values: Values, q: float) -> Estimate:
    """Quantile of independent values, with the interval between two order statistics.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        Independent and identically distributed, of any distribution. A value that was cut off (a recovery that had not
        ended when the run did) goes in as the time it was cut off at; leaving it out would flatter.
    q : float
        Probability of the quantile, in the open interval (0, 1).

    Returns
    -------
    Estimate
        A bound is None where the values are too few: p95 has an upper bound from 72 values on, the median from 6.

    Notes
    -----
    Coverage is at least 95 % by the binomial law of the number of values below the quantile.
    """
    array = np.sort(_finite(values))
    n = len(array)
    if n == 0:
        _open_unit(q)
        return Estimate(None, None, None, 0)
    low, high = order_statistics(n, _open_unit(q), CONFIDENCE)
    return Estimate(
        float(array[rank_of(n, q) - 1]),
        None if low is None else float(array[low - 1]),
        None if high is None else float(array[high - 1]),
        n,
    )


def clustered_quantile(values_by_cluster: Sequence[Values], q: float, *, seed: int) -> Estimate:
    """Quantile of all values together, with an interval over the clusters they came in.

    Parameters
    ----------
    values_by_cluster : sequence of array_like of float
        Values of each cluster (replication, repeat): dependent inside one, independent between them. Values that were
        cut off go in as :func:`quantile_interval` says; a cluster without values is left out.
    q : float
        Probability of the quantile, in the open interval (0, 1).
    seed : int
        Seed of the resampling.

    Returns
    -------
    Estimate
        `n` is the number of clusters with values. No interval for one cluster, nor if the values are worth too few
        independent ones: about 72 for p95, 35 for p90, 6 for the median.

    Notes
    -----
    The interval holds two, so that it is honest in both ways clusters can mislead. One comes from resampling whole
    clusters, 2000 times: percentiles of the resampled quantile, moved outwards as Student's t is wider than the normal
    (fewer than 6 clusters cannot cover 95 % so: then Student's, from the spread of the clusters' own quantiles). The
    other is between two order statistics, for as many independent values as the clustered ones are worth: their number
    over the design effect, which compares the spread of the clusters' shares below the quantile with the binomial.

    References
    ----------
    Davison, Hinkley: Bootstrap Methods and their Application (1997), 3.8. Hesterberg: What teachers should know about
    the bootstrap, American Statistician 69 (2015) 371-386 (expanded percentiles). Korn, Graubard: Confidence intervals
    for proportions with small expected number of positive counts, Survey Methodology 24 (1998) 193-201 (effective n).
    """
    clusters = [cluster for cluster in (np.sort(_finite(values)) for values in values_by_cluster) if len(cluster)]
    n = len(clusters)
    pooled = np.sort(np.concatenate(clusters)) if n else np.empty(0)
    measured = float(pooled[rank_of(len(pooled), q) - 1]) if n and _open_unit(q) else None
    if n < 2 or measured is None:
        return Estimate(measured, None, None, n)
    t = student_t_quantile((1 + CONFIDENCE) / 2, n - 1)
    worth = effective_count(clusters, measured)
    if n < _CLUSTERS_FOR_BOOTSTRAP:
        own = _finite([cluster[rank_of(len(cluster), q) - 1] for cluster in clusters])
        half = t * float(own.std(ddof=1)) / math.sqrt(n)
        low, high = measured - half, measured + half
    else:
        worth *= (normal_quantile((1 + CONFIDENCE) / 2) / t) ** 2
        resampled = np.sort(resampled_quantiles(clusters, q, RESAMPLES, seed))
        cut = math.floor(normal_at_most(-math.sqrt(n / (n - 1)) * t) * len(resampled))
        low, high = float(resampled[cut]), float(resampled[-1 - cut])
    count = math.floor(worth)
    first, last = order_statistics(count, q, CONFIDENCE)
    if first is None or last is None:
        return Estimate(measured, None, None, n)
    order_low, order_high = (float(pooled[rank_of(len(pooled), (rank - 0.5) / count) - 1]) for rank in (first, last))
    return Estimate(measured, min(low, order_low), max(high, order_high), n)


def proportion_interval(successes: int, n: int) -> Estimate:
    """Share of `n` independent trials that succeeded, with Wilson's interval.

    References
    ----------
    Wilson: Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes is {successes} of {n} trials; it must be from 0 to the number of trials")
    if n == 0:
        return Estimate(None, None, None, 0)
    z = normal_quantile((1 + CONFIDENCE) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n successes the bound is 0 or 1 exactly; rounding must not put it on the other side of the share.
    return Estimate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), n)


def ratio_interval(numerators: Values, denominators: Values) -> Estimate:
    """Ratio of two sums over independent replications, such as final over offered transactions.

    Parameters
    ----------
    numerators, denominators : array_like of float, shape (n,)
        Both of each replication; they may depend on each other.

    Returns
    -------
    Estimate
        None if the denominators sum to zero; no interval for fewer than two replications.

    Notes
    -----
    R = sum(a) / sum(b), with R +- t(0.975, n - 1) * s / (mean(b) * sqrt(n)) and s the standard deviation of a - R b.

    References
    ----------
    Cochran: Sampling Techniques, 3rd edition (1977), 2.11 and 6.4.
    """
    above, below = _finite(numerators), _finite(denominators)
    n = len(above)
    if n != len(below):
        raise InputError(f"{n} numerators and {len(below)} denominators; each replication needs both")
    total = math.fsum(below)
    if total == 0.0:
        return Estimate(None, None, None, n)
    ratio = math.fsum(above) / total
    if n == 1:
        return Estimate(ratio, None, None, 1)
    variance = math.fsum((above - ratio * below) ** 2) / (n - 1)
    return _around(ratio, math.sqrt(variance / n) / abs(total / n), n)


def warmup_cut_mser5(series: Values) -> int | None:
    """Count the observations to cut off the start of a series, by the MSER-5 rule.

    Parameters
    ----------
    series : array_like of float, shape (n,)
        In the order of time.

    Returns
    -------
    int or None
        A multiple of 5; None if there are fewer than 50 observations, or if the best cut lies in the second half: the
        series is then too short to tell its warm-up from the rest.

    Notes
    -----
    The cut d, in batches of five, is the first that minimises the squared standard error of the mean of what is left,
    sum over j >= d of (y_j - mean)**2 / (k - d)**2; at least five batches are left.

    References
    ----------
    White: An effective truncation heuristic for bias reduction in simulation output, Simulation 69 (1997) 323-334.
    Hoad, Robinson, Davies: Automating warm-up length estimation, JORS 61 (2010) 1389-1403.
    """
    array = _finite(series)
    count = len(array) // _MSER_BATCH
    if count < 2 * _MSER_BATCHES_KEPT:
        return None
    batches = array[: count * _MSER_BATCH].reshape(count, _MSER_BATCH).mean(axis=1)
    # Sums from the end, about a typical late value: a flat end then has a spread of exactly zero.
    late = batches - np.median(batches[count // 2 :])
    left = np.arange(count, 0, -1)
    squares = np.cumsum(late[::-1] ** 2)[::-1] - np.cumsum(late[::-1])[::-1] ** 2 / left
    best = int(np.argmin((squares / left**2)[: count - _MSER_BATCHES_KEPT + 1]))
    return best * _MSER_BATCH if best <= count // 2 else None


def _around(centre: float, standard_error: float, n: int) -> Estimate:
    half = student_t_quantile((1 + CONFIDENCE) / 2, n - 1) * standard_error
    return Estimate(centre, centre - half, centre + half, n)


def _mean(array: npt.NDArray[np.float64]) -> float:
    # Equal values give that value: the division of a rounded sum could miss it by a bit and open an interval.
    return float(array[0]) if array.min() == array.max() else math.fsum(array) / len(array)


def _open_unit(q: float) -> float:
    if not 0.0 < q < 1.0:
        raise InputError(f"q is {q}; it must be above 0 and below 1, such as 0.95")
    return q


def _finite(values: Values) -> npt.NDArray[np.float64]:
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"values have shape {array.shape}; one dimension is needed")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise InputError(
            f"value {bad[0]} is {array[bad[0]]}; every value must be finite (one cut off goes in as it stood then)"
        )
    return array
