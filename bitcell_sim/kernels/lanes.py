"""Sixteen 16-bit words side by side in one vector register, which numba has no name for.

A loop over plain words is turned into vector instructions only where the compiler can prove that it may, and it keeps
nothing in registers from one turn to the next. Here the vectors are written down: `Lanes` is a type of numba's, with
`+`, `-`, `>` (signed) and `==`, all of them lane by lane; sums and products drop what does not fit into 16 bits.
The instructions are LLVM's own, not those of one processor: any machine runs them, in one register or in several.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 16
_WORDS = ir.VectorType(ir.IntType(16), LANES)
_WIDE = ir.VectorType(ir.IntType(32), LANES)
_TRUTHS = ir.VectorType(ir.IntType(1), LANES)
_WORD_BYTES = 2
_meaning_of: Any = lower_builtin


class _LanesType(types.Type):
    """Sixteen words."""


class _TruthsType(types.Type):
    """Sixteen answers to a comparison."""


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _WORDS)  # type: ignore[no-untyped-call]


@register_model(_TruthsType)
class _TruthsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _TRUTHS)  # type: ignore[no-untyped-call]


_lanes = _LanesType(name="Lanes")
_truths = _TruthsType(name="Truths")


def _define(sign: Any, result: Any, build: Callable[[Any, Any, Any], Any]) -> None:
    """Give an operator of Python's its meaning between two vectors."""

    @type_callable(sign)
    def typing(_context: Any) -> Any:
        def typer(one: Any, other: Any) -> Any:
            return result if one == other == _lanes else None

        return typer

    @_meaning_of(sign, _lanes, _lanes)
    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return build(builder, *args)


_define(operator.add, _lanes, lambda builder, one, other: builder.add(one, other))
_define(operator.sub, _lanes, lambda builder, one, other: builder.sub(one, other))
_define(operator.gt, _truths, lambda builder, one, other: builder.icmp_signed(">", one, other))
_define(operator.eq, _truths, lambda builder, one, other: builder.icmp_unsigned("==", one, other))


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Address of sixteen words of an array, from an index on."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), _WORDS.as_pointer())


def _load(typingctx: Any, words: Any, at: Any) -> Any:
    """Sixteen words of a contiguous array, from index `at` on; nobody checks that it has so many."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature, args), align=_WORD_BYTES)

    return _lanes(words, types.int64), codegen


def _store(typingctx: Any, words: Any, at: Any, value: Any) -> Any:
    """Write sixteen words into a contiguous array, from index `at` on; nobody checks that it has so many."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, signature, args), align=_WORD_BYTES)
        return context.get_dummy_value()

    return types.void(words, types.int64, _lanes), codegen


def _spread(typingctx: Any, word: Any) -> Any:
    """Sixteen times the same word."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = builder.trunc(args[0], ir.IntType(16))
        one = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, one, ir.Constant(_WIDE, [0] * LANES))

    return _lanes(types.int64), codegen


def _high_product(typingctx: Any, one: Any, other: Any) -> Any:
    """Upper sixteen bits of each product of unsigned words."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        product = builder.mul(*(builder.zext(arg, _WIDE) for arg in args))
        return builder.trunc(builder.lshr(product, ir.Constant(_WIDE, [16] * LANES)), _WORDS)

    return _lanes(_lanes, _lanes), codegen


def _where(typingctx: Any, truths: Any, one: Any, other: Any) -> Any:
    """One vector's word where a comparison held, the other's where it did not."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return _lanes(_truths, _lanes, _lanes), codegen


def _turned(by: int) -> Any:
    """Make the instruction that moves each word up by some lanes, round the ends."""
    order = ir.Constant(_WIDE, [(lane - by) % LANES for lane in range(LANES)])

    def turn(typingctx: Any, value: Any) -> Any:
        def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.shuffle_vector(args[0], args[0], order)

        return _lanes(_lanes), codegen

    return turn


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
spread: Any = intrinsic(_spread)
high_product: Any = intrinsic(_high_product)
where: Any = intrinsic(_where)
# Each lane takes the word of the lane before it, or behind it, round the ends.
turn_up: Any = intrinsic(_turned(1))
turn_down: Any = intrinsic(_turned(-1))
