"""Delta debugging: the least that still shows a failure, in a fixed order of attempts.

References
----------
Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, IEEE Transactions on Software Engineering 28
(2002), the algorithm ddmin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def fewest(items: Sequence[Item], fails: Callable[[list[Item]], bool]) -> list[Item]:
    """Find a subset that still fails and of which no single item can be left out.

    Parameters
    ----------
    items : sequence
        They fail together.
    fails : callable
        Whether some of them, in their order, fail.

    Examples
    --------
    >>> fewest(range(8), lambda some: 3 in some and 6 in some)
    [3, 6]
    """
    kept = list(items)
    if kept and fails([]):
        return []
    parts = 2
    while len(kept) >= 2:
        size = -(-len(kept) // parts)
        without = (kept[:start] + kept[start + size :] for start in range(0, len(kept), size))
        smaller = next((rest for rest in without if rest and fails(rest)), None)
        if smaller is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(2 * parts, len(kept))
    return kept


def least(value: float, floor: float, fails: Callable[[float], bool], tries: int = 6) -> float:
    """Halve the way from a value that fails down to a floor, as long as it goes on failing.

    Parameters
    ----------
    value, floor : float
        A value that fails, and the least that makes sense.
    fails : callable
        Whether another value fails.
    tries : int
        Most attempts.

    Examples
    --------
    >>> least(80.0, 0.0, lambda value: value >= 15)
    15.0
    """
    passing = floor
    if value > floor and fails(floor):
        return floor
    for _ in range(tries):
        middle = float(round((value + passing) / 2, 1))
        if not passing < middle < value:
            break
        if fails(middle):
            value = middle
        else:
            passing = middle
    return value
