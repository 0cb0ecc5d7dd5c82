"""Units: whole nanoseconds inside the simulation, named units everywhere else."""

from __future__ import annotations

import re

from bitcell_sim.errors import InputError

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

_DURATION_NS = {
    "ns": 1,
    "us": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|min|h|d)\s*$")


def seconds_to_ns(seconds: float) -> int:
    """Nanoseconds in a number of seconds, rounded to the nearest.

    >>> seconds_to_ns(0.25)
    250000000
    """
    return round(seconds * NS_PER_S)


def ms_to_ns(milliseconds: float) -> int:
    """Nanoseconds in a number of milliseconds, rounded to the nearest.

    >>> ms_to_ns(1.5)
    1500000
    """
    return round(milliseconds * NS_PER_MS)


def parse_duration_ns(text: str) -> int:
    """Nanoseconds in a duration written with its unit.

    Parameters
    ----------
    text : str
        A number and one of ns, us, ms, s, min, h, d.

    Raises
    ------
    InputError
        If the number or the unit is missing or unknown.

    Examples
    --------
    >>> parse_duration_ns("10min")
    600000000000
    """
    match = _DURATION.match(text)
    if match is None:
        units = ", ".join(_DURATION_NS)
        raise InputError(f"{text!r} is not a duration: write a number and a unit ({units}), such as 10min")
    return round(float(match[1]) * _DURATION_NS[match[2]])
