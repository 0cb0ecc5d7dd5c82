"""Slow twin of ``draws``: the same draws in plain Python integers and ``math``, to be compared bit by bit."""

from __future__ import annotations

import math

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15

# AS 241, coefficients of rising powers: (numerator, denominator).
_CENTRE = (
    (
        3.387132872796366608,
        133.14166789178437745,
        1971.5909503065514427,
        13731.693765509461125,
        45921.953931549871457,
        67265.770927008700853,
        33430.575583588128105,
        2509.0809287301226727,
    ),
    (
        1.0,
        42.313330701600911252,
        687.1870074920579083,
        5394.1960214247511077,
        21213.794301586595867,
        39307.89580009271061,
        28729.085735721942674,
        5226.495278852854561,
    ),
)
_TAIL = (
    (
        1.42343711074968357734,
        4.6303378461565452959,
        5.7694972214606914055,
        3.64784832476320460504,
        1.27045825245236838258,
        2.4178072517745061177e-1,
        2.27238449892691845833e-2,
        7.7454501427834140764e-4,
    ),
    (
        1.0,
        2.05319162663775882187,
        1.6763848301838038494,
        6.8976733498510000455e-1,
        1.4810397642748007459e-1,
        1.51986665636164571966e-2,
        5.475938084995344946e-4,
        1.05075007164441684324e-9,
    ),
)
_FAR_TAIL = (
    (
        6.6579046435011037772,
        5.4637849111641143699,
        1.7848265399172913358,
        2.9656057182850489123e-1,
        2.6532189526576123093e-2,
        1.2426609473880784386e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.9983220655588793769e-1,
        1.3692988092273580531e-1,
        1.48753612908506148525e-2,
        7.868691311456132591e-4,
        1.8463183175100546818e-5,
        1.4215117583164458887e-7,
        2.04426310338993978564e-15,
    ),
)


def mix64(x: int) -> int:
    """64 mixed bits of 64 bits.

    >>> hex(mix64(0x9E3779B97F4A7C15))
    '0xe220a8397b1dcdaf'
    """
    z = x & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def hash4(key: int, a: int, b: int, c: int) -> int:
    """64 random bits of a key and three integers (two's complement when negative)."""
    h = mix64(key + _GAMMA)
    for name in (a, b, c):
        h = mix64((h ^ (name & _MASK)) + _GAMMA)
    return h


def unit_interval(bits: int) -> float:
    """Map 64 bits to the open interval (0, 1)."""
    return ((bits >> 11) | 1) / 2**53


def uniform(key: int, a: int, b: int, c: int) -> float:
    """Uniform draw in the open interval (0, 1)."""
    return unit_interval(hash4(key, a, b, c))


def exponential(key: int, a: int, b: int, c: int) -> float:
    """Exponential draw with mean 1."""
    return -math.log(uniform(key, a, b, c))


def gamma2(key: int, a: int, b: int, c: int) -> float:
    """Gamma draw with shape 2 and scale 1."""
    first = hash4(key, a, b, c)
    second = mix64(first + _GAMMA)
    return -math.log(unit_interval(first) * unit_interval(second))


def pareto(key: int, a: int, b: int, c: int, alpha: float) -> float:
    """Pareto draw, at least 1, with tail index `alpha`."""
    return math.exp(-math.log(uniform(key, a, b, c)) / alpha)


def normal(key: int, a: int, b: int, c: int) -> float:
    """Draw a standard normal."""
    return normal_quantile(uniform(key, a, b, c))


def normal_quantile(probability: float) -> float:
    """Give the standard deviations below which a standard normal variable lies with the given probability (AS 241)."""
    q = probability - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-math.log(min(probability, 1.0 - probability)))
    x = _ratio(_TAIL, r - 1.6) if r <= 5.0 else _ratio(_FAR_TAIL, r - 5.0)
    return math.copysign(x, q)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: float) -> float:
    values = []
    for rising in coefficients:
        value = rising[-1]
        for coefficient in reversed(rising[:-1]):
            value = coefficient + r * value
        values.append(value)
    return values[0] / values[1]
