"""Slow twin of ``arrivals``: clients' arrivals one by one in plain Python."""

from __future__ import annotations

import math

from bitcell_sim.kernels.draws_plain import exponential, normal

_GAP, _PRICE, _DATA = 0, 1, 2


def arrivals(
    key: int, region: int, first: int, from_ns: int, left: float, rate_per_ns: float, until_ns: int, count_max: int
) -> tuple[list[int], int, float]:
    """Times of the next arrivals of one region before a moment, nanoseconds, and the state after the last of them."""
    times: list[int] = []
    while len(times) < count_max:
        at = from_ns + int(left / rate_per_ns)
        if at >= until_ns:
            break
        times.append(at)
        from_ns, left = at, exponential(key, region, first + len(times), _GAP)
    return times, from_ns, left


def first_gap(key: int, region: int) -> float:
    """Unit exponential before a region's first arrival."""
    return exponential(key, region, 0, _GAP)


def contents(
    key: int, region: int, first: int, count: int, price_median: float, price_sigma: float, data_mean: float
) -> tuple[list[int], list[int]]:
    """Gas prices and data bytes of consecutive arrivals."""
    numbers = range(first, first + count)
    prices = [price_median * math.exp(price_sigma * normal(key, region, number, _PRICE)) for number in numbers]
    sizes = [int(data_mean * exponential(key, region, number, _DATA)) for number in numbers]
    return [max(1, int(price + 0.5)) for price in prices], sizes if data_mean > 0.0 else [0] * count
