"""Single machine instructions on 64-bit words that numba has no public name for."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _popcount(typingctx: Any, word: Any) -> Any:
    """Count the set bits of a 64-bit word."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


def _trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Index of the lowest set bit of a 64-bit word; 64 for zero."""

    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), codegen


def _leading_zeros(typingctx: Any, word: Any) -> Any:
    """Count of zero bits above the highest set bit of a 64-bit word; 64 for zero."""

    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), codegen


# The flag that is false above makes the scan of a zero word well defined.
popcount: Any = intrinsic(_popcount)
trailing_zeros: Any = intrinsic(_trailing_zeros)
leading_zeros: Any = intrinsic(_leading_zeros)
