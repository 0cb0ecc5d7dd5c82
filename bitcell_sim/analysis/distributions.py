"""The few distribution functions that interval estimates need, without the second that scipy takes to import."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_STEPS_MAX = 100_000


def regularized_beta(x: float, a: float, b: float) -> float:
    """Probability that a beta variable with parameters `a` and `b` is at most `x`.

    Parameters
    ----------
    x : float
        From 0 to 1.
    a, b : float
        Above 0.

    Returns
    -------
    float
        I_x(a, b), with an absolute error below 1e-12 for a, b up to 1e5.

    Notes
    -----
    The continued fraction of the incomplete beta function, evaluated from the front by Lentz's method, on the side of
    the mean where it converges in about sqrt(max(a, b)) steps.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.17.22; Lentz, Applied Optics 15 (1976) 668-671.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, _STEPS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        change = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            c = 1.0 + term / c
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            change = c * d
            value *= change
        if abs(change - 1.0) < 1e-16:
            break
    return value


@lru_cache(maxsize=4096)
def student_t_quantile(probability: float, degrees: int) -> float:
    """Value that a Student t variable stays below with the given probability.

    Parameters
    ----------
    probability : float
        In the open interval (0, 1).
    degrees : int
        Degrees of freedom, at least 1.

    Returns
    -------
    float
        Quantile, found by bisection to the last bits of the distribution function.
    """
    if probability == 0.5:
        return 0.0
    if probability < 0.5:
        return -student_t_quantile(1.0 - probability, degrees)
    tail = 1.0 - probability
    low, high = 0.0, 1.0
    while student_t_tail(high, degrees) > tail:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if student_t_tail(middle, degrees) > tail:
            low = middle
        else:
            high = middle


def student_t_tail(t: float, degrees: int) -> float:
    """Probability that a Student t variable exceeds `t`, for `t` of 0 or more."""
    return 0.5 * regularized_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)


def binomial_at_most(count: int, trials: int, probability: float) -> float:
    """Probability of at most `count` successes in `trials` independent trials."""
    if count < 0:
        return 0.0
    if count >= trials:
        return 1.0
    return regularized_beta(1.0 - probability, trials - count, count + 1.0)


def normal_at_most(x: float) -> float:
    """Probability that a standard normal variable is at most `x`."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@lru_cache(maxsize=4096)
def order_statistics(trials: int, q: float, confidence: float) -> tuple[int | None, int | None]:
    """Ranks of the order statistics that enclose the q-quantile of `trials` independent values.

    Parameters
    ----------
    trials : int
        Number of values.
    q : float
        Probability of the quantile, in the open interval (0, 1).
    confidence : float
        Coverage, in the open interval (0, 1); each side misses with at most half of the rest.

    Returns
    -------
    low, high : int or None
        Ranks from 1; None where the values are too few for that side.

    Notes
    -----
    The number of values at or below the quantile is binomial(trials, q), whatever the distribution: `low` is the
    largest rank l with P(B < l) <= tail, and `high` the smallest rank h with P(B >= h) <= tail.
    """
    tail = (1.0 - confidence) / 2.0
    low = _first(trials, lambda rank: binomial_at_most(rank - 1, trials, q) > tail) - 1
    high = _first(trials, lambda rank: 1.0 - binomial_at_most(rank - 1, trials, q) <= tail)
    return (low if low >= 1 else None, high if high <= trials else None)


def _first(trials: int, holds: Callable[[int], bool]) -> int:
    """Smallest rank from 1 to trials + 1 for which a condition, false then true, holds; trials + 1 if none before."""
    low, high = 1, trials + 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def gamma_at_most(x: float, shape: float) -> float:
    """Probability that a gamma variable of the given shape and scale 1 is at most `x`.

    Parameters
    ----------
    x : float
        Any; 0 or less gives 0.
    shape : float
        Above 0.

    Notes
    -----
    The power series of the lower incomplete gamma function below shape + 1, the continued fraction of the upper one
    above it, by Lentz's method; both have positive terms only.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.7.1 and 8.9.2; Lentz, Applied Optics 15 (1976) 668-671.
    """
    if x <= 0.0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        return min(1.0, front * _gamma_series(x, shape))
    return max(0.0, 1.0 - front * _gamma_fraction(x, shape))


def _gamma_series(x: float, shape: float) -> float:
    term = total = 1.0 / shape
    for step in range(1, _STEPS_MAX):
        term *= x / (shape + step)
        total += term
        if term < total * 1e-17:
            break
    return total


def _gamma_fraction(x: float, shape: float) -> float:
    b = x + 1.0 - shape
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for step in range(1, _STEPS_MAX):
        term = -step * (step - shape)
        b += 2.0
        d, c = term * d + b, b + term / c
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return value


def gamma_quantile(probability: float, shape: float) -> float:
    """Value that a gamma variable of the given shape and scale 1 stays below with a probability in (0, 1)."""
    low, high = 0.0, max(1.0, shape)
    while gamma_at_most(high, shape) < probability:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if gamma_at_most(middle, shape) < probability:
            low = middle
        else:
            high = middle
