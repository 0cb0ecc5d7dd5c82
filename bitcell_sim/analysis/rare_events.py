"""Intervals for sums of rare events of unequal size, honest down to none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bitcell_sim.analysis.distributions import gamma_quantile
from bitcell_sim.analysis.estimates import CONFIDENCE, Estimate
from bitcell_sim.errors import InputError


def rate_of_sum(sizes: Iterable[float], exposure: float, size_if_none: float) -> Estimate:
    """Sum of the sizes of independent events a unit of exposure, such as minutes of outage a month.

    Parameters
    ----------
    sizes : iterable of float
        Size of each event seen, above 0.
    exposure : float
        How long was watched, above 0.
    size_if_none : float
        What one event more might add at least: used for the upper bound where it is above the largest size seen, so
        that none seen still gives an upper bound above 0.

    Returns
    -------
    Estimate
        In size a unit of exposure; `n` is the number of events.

    Notes
    -----
    Each size is the weight of a Poisson count, of which 1 was seen. With y the sum of the weights, v that of their
    squares and w the larger of the largest weight and `size_if_none`, the bounds are quantiles of gamma variables:
    the lower of shape y**2 / v and scale v / y, the upper of shape (y + w)**2 / (v + w**2) and scale
    (v + w**2) / (y + w). For equal sizes these are the exact bounds of a Poisson count; for none the upper one is
    3.69 w.

    References
    ----------
    Fay, Feuer: Confidence intervals for directly standardized rates: a method based on the gamma distribution,
    Statistics in Medicine 16 (1997) 791-801.
    """
    weights = [float(size) for size in sizes]
    if not exposure > 0.0 or not size_if_none > 0.0 or any(not 0.0 < weight < math.inf for weight in weights):
        raise InputError(f"exposure {exposure}, size_if_none {size_if_none} and every size must be above 0")
    tail = (1.0 - CONFIDENCE) / 2.0
    total, squares = math.fsum(weights), math.fsum(weight * weight for weight in weights)
    more = max([size_if_none, *weights])
    low = gamma_quantile(tail, total**2 / squares) * squares / total if weights else 0.0
    above, above_squares = total + more, squares + more * more
    high = gamma_quantile(1.0 - tail, above**2 / above_squares) * above_squares / above
    return Estimate(total / exposure, low / exposure, high / exposure, len(weights))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Difference `a` - `b` of two independent figures, from their own intervals, which need not be symmetric.

    References
    ----------
    Zou, Donner: Construction of confidence limits about effect measures, Statistics in Medicine 27 (2008) 1693-1702.
    """
    if a.measured is None or b.measured is None:
        return Estimate(None, None, None, a.n + b.n)
    middle = a.measured - b.measured
    if a.ci_low is None or a.ci_high is None or b.ci_low is None or b.ci_high is None:
        return Estimate(middle, None, None, a.n + b.n)
    low = middle - math.hypot(a.measured - a.ci_low, b.ci_high - b.measured)
    high = middle + math.hypot(a.ci_high - a.measured, b.measured - b.ci_low)
    return Estimate(middle, low, high, a.n + b.n)
