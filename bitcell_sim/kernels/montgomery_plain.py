"""The slow twin of :mod:`bitcell_sim.kernels.montgomery`: Python's own integers, and the way to limbs and back."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.montgomery import LIMB_BITS, LIMBS, MODULUS, Limbs

RADIX = 1 << LIMB_BITS * LIMBS
_RADIX_INVERSE = pow(RADIX, -1, MODULUS)


def to_limbs(value: int) -> Limbs:
    """Four limbs of a number below 2**256, the lowest first.

    >>> to_limbs(2**64 + 5).tolist()
    [5, 1, 0, 0]
    """
    return np.frombuffer(value.to_bytes(LIMBS * LIMB_BITS // 8, "little"), "<u8").astype(np.uint64)


def from_limbs(limbs: Limbs) -> int:
    """Give the number of four limbs.

    >>> from_limbs(to_limbs(MODULUS)) == MODULUS
    True
    """
    return int.from_bytes(limbs.astype("<u8").tobytes(), "little")


def montgomery_product(a: int, b: int) -> int:
    """``a * b / 2**256`` modulo the modulus."""
    return a * b * _RADIX_INVERSE % MODULUS


def products(a: Limbs, b: Limbs, out: Limbs) -> None:
    """Write the Montgomery product of each pair; arguments as in the kernel."""
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
        out[i] = to_limbs(montgomery_product(from_limbs(one), from_limbs(other)))


def chain(value: Limbs, factor: Limbs, count: int) -> None:
    """Multiply ``value`` by ``factor`` so many times, in place; arguments as in the kernel."""
    current, by = from_limbs(value), from_limbs(factor)
    for _ in range(count):
        current = montgomery_product(current, by)
    value[:] = to_limbs(current)
