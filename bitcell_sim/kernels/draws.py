"""Random draws that are pure functions of a key and three integers: no state, no order, no global generator.

A kernel that needs chance takes a 64-bit key (from :func:`bitcell_sim.random_streams.stream_key`) and asks for the draw
``(key, a, b, c)``, where ``a, b, c`` name the entity, the event and the sequence number. The same four numbers always
give the same draw, in any order, on any number of workers. ``draws_plain`` holds the slow twin.

Two distributions asked with the same ``(key, a, b, c)`` are functions of the same 64 bits, hence dependent: give each
purpose its own key or its own ``c``.

Notes
-----
The hash chains the splitmix64 finalizer (a bijection of 64 bits with full avalanche) over key, a, b and c. All
arithmetic is on uint64: numba turns ``uint64 + int64`` into float64, so every constant here is a ``np.uint64``.

References
----------
Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014 (mix64, variant 13 of Stafford).
Wichura: Algorithm AS 241, Applied Statistics 37 (1988) 477-484 (the normal quantile, about 1e-16).
"""

from __future__ import annotations

import math

import numpy as np

from bitcell_sim.kernels.compiling import njit

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_SHIFT_11 = np.uint64(11)
_SHIFT_27 = np.uint64(27)
_SHIFT_30 = np.uint64(30)
_SHIFT_31 = np.uint64(31)
_TO_UNIT = 2.0**-53


@njit
def mix64(x: np.uint64) -> np.uint64:
    """64 mixed bits of 64 bits: the splitmix64 finalizer, a bijection with mix64(0) = 0."""
    z = np.uint64(x)
    z = (z ^ (z >> _SHIFT_30)) * _MIX_1
    z = (z ^ (z >> _SHIFT_27)) * _MIX_2
    return z ^ (z >> _SHIFT_31)


@njit
def hash4(key: np.uint64, a: int, b: int, c: int) -> np.uint64:
    """64 random bits of a key and three integers.

    Parameters
    ----------
    key : uint64
        Key of the stream.
    a, b, c : int64
        Names of the draw inside the stream; negative values are allowed.

    Returns
    -------
    uint64
        Uniform bits; a pure function of the four arguments.
    """
    h = mix64(np.uint64(key) + _GAMMA)
    h = mix64((h ^ np.uint64(a)) + _GAMMA)
    h = mix64((h ^ np.uint64(b)) + _GAMMA)
    return mix64((h ^ np.uint64(c)) + _GAMMA)


@njit
def unit_interval(bits: np.uint64) -> float:
    """Map 64 bits to the open interval (0, 1): the odd multiples of 2**-53, so never 0 and never 1."""
    return np.float64((np.uint64(bits) >> _SHIFT_11) | _ONE) * _TO_UNIT


@njit
def uniform(key: np.uint64, a: int, b: int, c: int) -> float:
    """Uniform draw in the open interval (0, 1)."""
    return unit_interval(hash4(key, a, b, c))


@njit
def exponential(key: np.uint64, a: int, b: int, c: int) -> float:
    """Exponential draw with mean 1; at most 36.7 (53 bits)."""
    return -math.log(uniform(key, a, b, c))


@njit
def gamma2(key: np.uint64, a: int, b: int, c: int) -> float:
    """Gamma draw with shape 2 and scale 1 (mean 2): the sum of two exponentials."""
    bits = hash4(key, a, b, c)
    return -math.log(unit_interval(bits) * unit_interval(mix64(bits + _GAMMA)))


@njit
def pareto(key: np.uint64, a: int, b: int, c: int, alpha: float) -> float:
    """Pareto draw, at least 1, with tail index `alpha`: P(X > x) = x**-alpha."""
    return math.exp(-math.log(uniform(key, a, b, c)) / alpha)


@njit
def normal(key: np.uint64, a: int, b: int, c: int) -> float:
    """Draw a standard normal: the normal quantile of the uniform draw with the same four numbers."""
    return normal_quantile(uniform(key, a, b, c))


@njit
def normal_quantile(probability: float) -> float:
    """Give the standard deviations below which a standard normal variable lies with the given probability.

    Parameters
    ----------
    probability : float
        In the open interval (0, 1).

    Returns
    -------
    float
        Quantile, with a relative error of about 1e-16.

    Notes
    -----
    AS 241: three rational approximations of degree 7, for the middle, the tails and the far tails.
    """
    q = probability - 0.5
    if abs(q) <= 0.425:
        return q * _centre(0.180625 - q * q)
    r = math.sqrt(-math.log(min(probability, 1.0 - probability)))
    x = _tail(r - 1.6) if r <= 5.0 else _far_tail(r - 5.0)
    return -x if q < 0.0 else x


@njit
def _centre(r: float) -> float:
    top = 33430.575583588128105 + r * 2509.0809287301226727
    top = 45921.953931549871457 + r * (67265.770927008700853 + r * top)
    top = 1971.5909503065514427 + r * (13731.693765509461125 + r * top)
    top = 3.387132872796366608 + r * (133.14166789178437745 + r * top)
    low = 28729.085735721942674 + r * 5226.495278852854561
    low = 21213.794301586595867 + r * (39307.89580009271061 + r * low)
    low = 687.1870074920579083 + r * (5394.1960214247511077 + r * low)
    low = 1.0 + r * (42.313330701600911252 + r * low)
    return top / low


@njit
def _tail(r: float) -> float:
    top = 2.27238449892691845833e-2 + r * 7.7454501427834140764e-4
    top = 1.27045825245236838258 + r * (2.4178072517745061177e-1 + r * top)
    top = 5.7694972214606914055 + r * (3.64784832476320460504 + r * top)
    top = 1.42343711074968357734 + r * (4.6303378461565452959 + r * top)
    low = 5.475938084995344946e-4 + r * 1.05075007164441684324e-9
    low = 1.4810397642748007459e-1 + r * (1.51986665636164571966e-2 + r * low)
    low = 1.6763848301838038494 + r * (6.8976733498510000455e-1 + r * low)
    low = 1.0 + r * (2.05319162663775882187 + r * low)
    return top / low


@njit
def _far_tail(r: float) -> float:
    top = 2.71155556874348757815e-5 + r * 2.01033439929228813265e-7
    top = 2.6532189526576123093e-2 + r * (1.2426609473880784386e-3 + r * top)
    top = 1.7848265399172913358 + r * (2.9656057182850489123e-1 + r * top)
    top = 6.6579046435011037772 + r * (5.4637849111641143699 + r * top)
    low = 1.4215117583164458887e-7 + r * 2.04426310338993978564e-15
    low = 7.868691311456132591e-4 + r * (1.8463183175100546818e-5 + r * low)
    low = 1.3692988092273580531e-1 + r * (1.48753612908506148525e-2 + r * low)
    low = 1.0 + r * (5.9983220655588793769e-1 + r * low)
    return top / low
