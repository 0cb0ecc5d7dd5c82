"""Clients' arrivals: a Poisson process per region, its sizes and gas prices, as pure functions of their numbers."""

from __future__ import annotations

import math

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.draws import exponential, normal

_GAP, _PRICE, _DATA = 0, 1, 2


@njit
def arrivals(
    key: np.uint64, region: int, first: int, from_ns: int, left: float, rate_per_ns: float, until_ns: int, at_ns: Ints
) -> tuple[int, int, float]:
    """Times of the arrivals of one region before a moment.

    Parameters
    ----------
    key : uint64
        Key of the workload.
    region : int
        Whose clients.
    first : int
        Number of the next arrival.
    from_ns : int64
        The last arrival, or the last change of the rate.
    left : float
        What is left of the next arrival's unit exponential at `from_ns`.
    rate_per_ns : float
        Arrivals per nanosecond, above 0.
    until_ns : int64
        Arrivals at or after it are left for the next call.
    at_ns : ndarray of int64
        Filled from its start; its length is the most that one call gives.

    Returns
    -------
    count, from_ns, left
        Arrivals written, and the state after the last of them. Cutting the time into more calls changes nothing.
    """
    count = 0
    while count < at_ns.shape[0]:
        at = from_ns + int(left / rate_per_ns)
        if at >= until_ns:
            break
        at_ns[count] = at
        count += 1
        from_ns = at
        left = exponential(key, region, first + count, _GAP)
    return count, from_ns, left


@njit
def first_gap(key: np.uint64, region: int) -> float:
    """Unit exponential before a region's first arrival."""
    return exponential(key, region, 0, _GAP)


@njit
def contents(
    key: np.uint64, region: int, first: int, price_median: float, price_sigma: float, data_mean: float, out: Ints
) -> None:
    """Gas price (row 0) and data bytes (row 1) of consecutive arrivals, into `out` of shape (2, n)."""
    for i in range(out.shape[1]):
        price = price_median * math.exp(price_sigma * normal(key, region, first + i, _PRICE))
        out[0, i] = max(1, int(price + 0.5))
        out[1, i] = int(data_mean * exponential(key, region, first + i, _DATA)) if data_mean > 0.0 else 0
