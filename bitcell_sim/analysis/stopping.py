"""Sequential stopping: replicate until intervals are narrow enough, the same on any number of workers.

Whether to go on is asked at set numbers of replications only, each about half as many again as the one before, with
all of them finished; who computed them, and in which order, has no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from bitcell_sim.analysis.estimates import Estimate
from bitcell_sim.errors import InputError

GROWTH = 1.5
LEAST = 10  # replications before the first look: fewer have intervals that are too often narrow by chance


def check_ratio(half_width_ratio: float) -> float:
    """Refuse a precision that is none.

    Raises
    ------
    InputError
        If it is not between 0 and 1.
    """
    if not 0.0 < half_width_ratio < 1.0:
        raise InputError(f"half width {half_width_ratio:g}: a share of the figure above 0 and below 1, such as 0.02")
    return half_width_ratio


def next_count(done: int, most: int) -> int:
    """Replications at the next look; `done` itself where there are no more to make.

    >>> next_count(10, 100), next_count(90, 100), next_count(100, 100)
    (15, 100, 100)
    """
    return max(done, min(most, math.ceil(GROWTH * done)))


def is_precise(estimate: Estimate, half_width_ratio: float) -> bool:
    """Whether an interval reaches at most this share of its figure to either side.

    Parameters
    ----------
    estimate : Estimate
        Figure and interval; one without a figure never gets narrower, and counts as precise.
    half_width_ratio : float
        Such as 0.02.
    """
    if estimate.measured is None:
        return True
    if estimate.ci_low is None or estimate.ci_high is None:
        return False
    reach = max(estimate.measured - estimate.ci_low, estimate.ci_high - estimate.measured)
    return reach <= half_width_ratio * abs(estimate.measured)


def all_precise(estimates: Iterable[Estimate], half_width_ratio: float) -> bool:
    """Whether every interval is narrow enough."""
    return all(is_precise(estimate, half_width_ratio) for estimate in estimates)
