"""Multiplication in the base field of BN254, as provers do it: four limbs of 64 bits, in Montgomery's form.

A proof is mostly such multiplications, so how long one takes says how fast a machine proves. Operands and results are
below the modulus and stand for ``x * 2**256``; a limb is a uint64, the lowest first.

``montgomery_plain`` holds the slow twin, Python's own integers; the two agree on every bit.

Notes
-----
Products of two limbs need 128 bits, which numba has no type for: ``multiply_add`` emits them as LLVM instructions.
Row by row, ``t = (t + a * b[i] + m * p) / 2**64`` with ``m = -(t + a * b[i]) / p mod 2**64``. As the modulus leaves
its two highest bits free, the two carries of a row fit one limb, and ``t`` stays below twice the modulus.

References
----------
Montgomery 1985, doi:10.1090/S0025-5718-1985-0777282-X; Koc, Acar, Kaliski 1996, doi:10.1109/40.502403 (CIOS). The
modulus is that of the curve's definition, ethereum EIP-197.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from bitcell_sim.kernels.compiling import kernel, part

Limbs = NDArray[np.uint64]
Number = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583
LIMB_BITS = 64
LIMBS = 4

_P0, _P1, _P2, _P3 = (np.uint64(MODULUS >> LIMB_BITS * i & (1 << LIMB_BITS) - 1) for i in range(LIMBS))
_MINUS_P_INVERSE = np.uint64(-pow(MODULUS, -1, 1 << LIMB_BITS) % (1 << LIMB_BITS))
_ZERO = np.uint64(0)
_WIDE = ir.IntType(2 * LIMB_BITS)
_LIMB = ir.IntType(LIMB_BITS)
_PAIR: Any = types.UniTuple(types.uint64, 2)  # type: ignore[no-untyped-call]


def _halves(context: Any, builder: Any, wide: Any) -> Any:
    """Low and high limb of a 128-bit value, as the tuple that numba expects."""
    high = builder.lshr(wide, ir.Constant(_WIDE, LIMB_BITS))
    return context.make_tuple(builder, _PAIR, [builder.trunc(wide, _LIMB), builder.trunc(high, _LIMB)])


def _multiply_add(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Low and high limb of ``a * b + c + d``, which always fits two."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        a, b, c, d = (builder.zext(argument, _WIDE) for argument in arguments)
        total = builder.add(builder.add(builder.mul(a, b), c), d)
        return _halves(context, builder, total)

    return _PAIR(types.uint64, types.uint64, types.uint64, types.uint64), generate


def _subtract(_: Any, a: Any, b: Any, borrow: Any) -> Any:
    """Low limb of ``a - b - borrow``, and all bits set where it went below zero."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        a, b, borrow = (builder.zext(argument, _WIDE) for argument in arguments)
        taken = builder.and_(borrow, ir.Constant(_WIDE, 1))
        return _halves(context, builder, builder.sub(builder.sub(a, b), taken))

    return _PAIR(types.uint64, types.uint64, types.uint64), generate


multiply_add: Any = intrinsic(_multiply_add)
subtract: Any = intrinsic(_subtract)


@part
def _row(a: Number, b: np.uint64, t: Number) -> Number:
    """Add ``a * b`` to ``t`` and divide by 2**64 modulo the modulus."""
    t0, carry = multiply_add(a[0], b, t[0], _ZERO)
    m = t0 * _MINUS_P_INVERSE
    _, reduced = multiply_add(m, _P0, t0, _ZERO)
    t1, carry = multiply_add(a[1], b, t[1], carry)
    t0, reduced = multiply_add(m, _P1, t1, reduced)
    t2, carry = multiply_add(a[2], b, t[2], carry)
    t1, reduced = multiply_add(m, _P2, t2, reduced)
    t3, carry = multiply_add(a[3], b, t[3], carry)
    t2, reduced = multiply_add(m, _P3, t3, reduced)
    return t0, t1, t2, carry + reduced


@part
def montgomery_product(a: Number, b: Number) -> Number:
    """``a * b / 2**256`` modulo the modulus, of limbs."""
    t = _row(a, b[0], (_ZERO, _ZERO, _ZERO, _ZERO))
    t = _row(a, b[1], t)
    t = _row(a, b[2], t)
    t = _row(a, b[3], t)
    s0, borrow = subtract(t[0], _P0, _ZERO)
    s1, borrow = subtract(t[1], _P1, borrow)
    s2, borrow = subtract(t[2], _P2, borrow)
    s3, borrow = subtract(t[3], _P3, borrow)
    if borrow == _ZERO:
        return s0, s1, s2, s3
    return t


@kernel
def products(a: Limbs, b: Limbs, out: Limbs) -> None:
    """Write the Montgomery product of each pair.

    Parameters
    ----------
    a, b : ndarray of uint64, shape (n, 4)
        Factors in Montgomery's form, below the modulus, lowest limb first.
    out : ndarray of uint64, shape (n, 4)
        ``a * b / 2**256`` modulo the modulus.
    """
    for i in range(a.shape[0]):
        product = montgomery_product((a[i, 0], a[i, 1], a[i, 2], a[i, 3]), (b[i, 0], b[i, 1], b[i, 2], b[i, 3]))
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = product


@kernel
def chain(value: Limbs, factor: Limbs, count: int) -> None:
    """Multiply ``value`` by ``factor`` so many times, in place; each product waits for the one before.

    Parameters
    ----------
    value, factor : ndarray of uint64, shape (4,)
        In Montgomery's form, below the modulus, lowest limb first.
    count : int
        Multiplications.
    """
    current = (value[0], value[1], value[2], value[3])
    by = (factor[0], factor[1], factor[2], factor[3])
    for _ in range(count):
        current = montgomery_product(current, by)
    value[0], value[1], value[2], value[3] = current
