"""Keys and streams of random draws: the only way in this package to obtain chance.

A key is a pure function of the seed, the name of the purpose and integer ids; a draw is a pure function of the key and
three integers. Nothing has state, so adding a draw, renaming a node or reordering events changes no other draw.

A kernel is given ``np.uint64(stream_key(seed, "link.jitter", source, target))``; slow code uses :class:`Stream`.
"""

from __future__ import annotations

import hashlib
import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import SupportsIndex

import numpy as np

from bitcell_sim.errors import InputError
from bitcell_sim.kernels import draws


@lru_cache(maxsize=65_536, typed=True)
def stream_key(seed: SupportsIndex, name: str, *ids: SupportsIndex) -> int:
    """64-bit key of a stream of draws.

    Parameters
    ----------
    seed : int
        Seed of the run or of the replication; any size, negative too.
    name : str
        What the draws are for, such as ``"link.jitter"``.
    *ids : int
        Indices of the entities concerned, such as source and target.

    Returns
    -------
    int
        Key in [0, 2**64): the same in every process and on every machine; pass it to a kernel as ``np.uint64(key)``.

    Notes
    -----
    First 8 bytes, big endian, of BLAKE2b over the integers in decimal, separated by commas, then ``|`` and the name.

    Examples
    --------
    >>> stream_key(1, "link.jitter", 0, 3) == stream_key(1, "link.jitter", 0, 3)
    True
    >>> stream_key(1, "link.jitter", 0, 3) == stream_key(1, "link.jitter", 3, 0)
    False
    """
    numbers = ",".join(str(int(operator.index(number))) for number in (seed, *ids))
    return int.from_bytes(hashlib.blake2b(f"{numbers}|{name}".encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Stream:
    """Draws under one key, for code outside the kernels; a draw is named by up to three integers.

    Parameters
    ----------
    key : int
        64-bit key from :func:`stream_key`.

    Notes
    -----
    Draws of different distributions with the same ``(a, b, c)`` come from the same bits: use distinct integers, or a
    stream each. The values are those of ``bitcell_sim.kernels.draws``, bit for bit.

    Examples
    --------
    >>> clock = Stream.of(7, "node.clock")
    >>> clock.normal(3) == clock.normal(3)
    True
    """

    key: int

    @classmethod
    def of(cls, seed: int, name: str, *ids: int) -> Stream:
        """Stream of a seed, a purpose and ids."""
        return cls(stream_key(seed, name, *ids))

    def bits(self, a: int = 0, b: int = 0, c: int = 0) -> int:
        """64 random bits, as an int in [0, 2**64)."""
        return int(draws.hash4(np.uint64(self.key), a, b, c))

    def uniform(self, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Uniform draw in the open interval (0, 1)."""
        return float(draws.uniform(np.uint64(self.key), a, b, c))

    def below(self, count: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        """Integer drawn uniformly from ``range(count)``; the bias is under count / 2**64."""
        if count < 1:
            raise InputError(f"count is {count}; it must be at least 1")
        return (self.bits(a, b, c) * count) >> 64

    def exponential(self, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Exponential draw with mean 1."""
        return float(draws.exponential(np.uint64(self.key), a, b, c))

    def normal(self, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Draw a standard normal."""
        return float(draws.normal(np.uint64(self.key), a, b, c))

    def lognormal(self, median: float, sigma: float, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Lognormal draw in the unit of `median`: ``median * exp(sigma * normal)``."""
        return median * math.exp(sigma * self.normal(a, b, c))

    def gamma2(self, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Gamma draw with shape 2 and scale 1 (mean 2)."""
        return float(draws.gamma2(np.uint64(self.key), a, b, c))

    def pareto(self, alpha: float, a: int = 0, b: int = 0, c: int = 0) -> float:
        """Pareto draw, at least 1, with tail index `alpha`."""
        return float(draws.pareto(np.uint64(self.key), a, b, c, alpha))
