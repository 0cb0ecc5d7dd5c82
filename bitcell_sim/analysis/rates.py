"""How often something happens: a count over what was watched, with its exact interval."""

from __future__ import annotations

import math

from bitcell_sim.analysis.estimates import CONFIDENCE, Estimate


def rate_interval(count: int, exposure: float, runs: int) -> Estimate:
    """Events per unit of exposure, with the exact interval of a Poisson count.

    Parameters
    ----------
    count : int
        Events seen.
    exposure : float
        How much was watched, in the unit of the rate.
    runs : int
        In how many runs.

    Notes
    -----
    Each bound is the mean at which a count as far out, or farther, has probability 2.5 %.

    References
    ----------
    Garwood: Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437-442.
    """
    if exposure <= 0:
        return Estimate(None, None, None, 0)
    tail = (1 - CONFIDENCE) / 2
    low = _poisson_mean(count - 1, 1 - tail) if count else 0.0
    return Estimate(count / exposure, low / exposure, _poisson_mean(count, tail) / exposure, runs)


def _poisson_mean(count: int, probability: float) -> float:
    """Mean of the Poisson distribution that is at most `count` with a probability, by bisection."""

    def at_most(mean: float) -> float:
        return math.exp(-mean) * math.fsum(mean**k / math.factorial(k) for k in range(count + 1))

    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(middle) > probability else (low, middle)
    return (low + high) / 2
