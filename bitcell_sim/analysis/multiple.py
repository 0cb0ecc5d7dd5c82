"""Many verdicts at once: how sure each is alone, and which of them hold together.

A verdict at 95 % is wrong once in forty on each side. Of twenty such verdicts one may well be: what a whole scorecard
may claim is asked here, by Holm's method, which needs no independence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bitcell_sim.analysis.distributions import student_t_quantile, student_t_tail
from bitcell_sim.analysis.estimates import CONFIDENCE, Estimate

ERROR = 1.0 - CONFIDENCE  # probability of at least one wrong verdict in a family


def doubt(estimate: Estimate, limit: float) -> float:
    """Probability of an interval this far from a limit if the figure were at the limit, two-sided.

    Parameters
    ----------
    estimate : Estimate
        Figure and 95 % interval.
    limit : float
        In its unit.

    Returns
    -------
    float
        0.05 where an end of the interval touches the limit; 0 for a figure without chance that is not at its limit; 1
        without an interval.

    Notes
    -----
    The distance to the limit over the half of the interval on that side, read on the scale of Student's t with n - 1
    degrees of freedom. Exact for intervals that are Student's own; for quantiles and shares it is an approximation by
    their intervals, which are not symmetric.
    """
    measured, low, high = estimate.measured, estimate.ci_low, estimate.ci_high
    if measured is None or low is None or high is None:
        return 1.0
    distance = abs(limit - measured)
    half = (measured - low) if limit < measured else (high - measured)
    if distance == 0.0:
        return 1.0
    if half <= 0.0:
        return 0.0
    degrees = max(1, estimate.n - 1)
    t = student_t_quantile((1.0 + CONFIDENCE) / 2.0, degrees) * distance / half
    return 2.0 * student_t_tail(t, degrees) if math.isfinite(t) else 0.0


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities adjusted for being looked at together, in the same order.

    Parameters
    ----------
    probabilities : sequence of float
        One a verdict.

    Returns
    -------
    list of float
        Verdicts whose adjusted one is at most 0.05 hold together with 95 % confidence.

    References
    ----------
    Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(probabilities)), key=lambda place: probabilities[place])
    adjusted = [1.0] * len(probabilities)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * probabilities[place]))
        adjusted[place] = largest
    return adjusted
