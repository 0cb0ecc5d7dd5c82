"""The battle circuit's gadgets, emulated: what costs a constraint, what is folded away, and the values of the wires.

Bits are constants, wires, or wires inverted; only an operation on two wires costs a constraint. Cells are eight bits,
as upstream's. Source: github.com/Steake/BitCell, crates/bitcell-zkp/src/battle_constraints.rs; the booleans of
ark-r1cs-std 0.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bitcell_sim.proving.r1cs import System, Terms

CELL_BITS = 8
ENERGY_BITS = 16
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


@dataclass(frozen=True)
class Bit:
    """A boolean with its value; without a wire it is a constant."""

    value: bool
    wire: int | None = None
    inverted: bool = False

    def __invert__(self) -> Bit:
        return Bit(not self.value, self.wire, self.wire is not None and not self.inverted)

    @property
    def terms(self) -> Terms:
        if self.wire is None:
            return ((0, 1),) if self.value else ()
        return ((0, 1), (self.wire, -1)) if self.inverted else ((self.wire, 1),)

    def is_constant(self, value: bool) -> bool:
        return self.wire is None and self.value == value


FALSE, TRUE = Bit(False), Bit(True)
Bits = Sequence[Bit]
Grid = list[list[Bits]]


def scaled(terms: Terms, factor: int) -> Terms:
    return tuple((wire, factor * coefficient) for wire, coefficient in terms)


def total(*combinations: Terms) -> Terms:
    """Sum of linear combinations, one coefficient a wire."""
    summed: Counter[int] = Counter()
    for terms in combinations:
        for wire, coefficient in terms:
            summed[wire] += coefficient
    return tuple((wire, coefficient) for wire, coefficient in sorted(summed.items()) if coefficient)


class Gadgets:
    """Operations on bits that write their constraints into a system and count them by what they are for."""

    def __init__(self) -> None:
        self.system = System()
        self.spent: Counter[str] = Counter()
        self._purpose = "other"

    @contextmanager
    def purpose(self, name: str) -> Iterator[None]:
        before, self._purpose = self._purpose, name
        yield
        self._purpose = before

    def constrain(self, a: Terms, b: Terms, c: Terms) -> None:
        self.system.constraints.append((a, b, c))
        self.spent[self._purpose] += 1

    def boolean(self, terms: Terms) -> None:
        self.constrain(terms, total(((0, 1),), scaled(terms, -1)), ())

    def input(self, value: bool) -> Bit:
        bit = Bit(value, self.system.wire(int(value)))
        self.boolean(bit.terms)
        return bit

    def _fresh(self, value: bool) -> Bit:
        return Bit(value, self.system.wire(int(value)))

    def land(self, a: Bit, b: Bit) -> Bit:
        for one, other in ((a, b), (b, a)):
            if one.wire is None:
                return other if one.value else FALSE
        result = self._fresh(a.value and b.value)
        self.constrain(a.terms, b.terms, result.terms)
        return result

    def lor(self, a: Bit, b: Bit) -> Bit:
        if a.wire is None or b.wire is None or a.inverted or b.inverted:
            return ~self.land(~a, ~b)
        result = self._fresh(a.value or b.value)
        self.constrain((~a).terms, (~b).terms, (~result).terms)
        return result

    def xor(self, a: Bit, b: Bit) -> Bit:
        for one, other in ((a, b), (b, a)):
            if one.wire is None:
                return ~other if one.value else other
        result = self._fresh(a.value != b.value)
        self.constrain(scaled(a.terms, 2), b.terms, total(a.terms, b.terms, scaled(result.terms, -1)))
        return result

    def select(self, condition: Bit, yes: Bit, no: Bit) -> Bit:
        if no.wire is None:
            return self.lor(~condition, yes) if no.value else self.land(condition, yes)
        if yes.wire is None:
            return self.lor(condition, no) if yes.value else self.land(~condition, no)
        result = self._fresh(yes.value if condition.value else no.value)
        minus = scaled(no.terms, -1)
        self.constrain(condition.terms, total(yes.terms, minus), total(result.terms, minus))
        return result

    def is_equal(self, bits: Bits, number: int) -> Bit:
        """Compare with a constant: the comparisons are free, their conjunction is not."""
        result = TRUE
        for place, bit in enumerate(bits):
            result = self.land(result, bit if number >> place & 1 else ~bit)
        return result

    def add(self, a: Bits, b: Bits) -> list[Bit]:
        """Ripple-carry sum, as wide as the longer of both."""
        carry, result = FALSE, []
        for place in range(max(len(a), len(b))):
            one, other = (bits[place] if place < len(bits) else FALSE for bits in (a, b))
            result.append(self.xor(self.xor(one, other), carry))
            pairs = self.land(one, other), self.land(one, carry), self.land(other, carry)
            carry = self.lor(self.lor(pairs[0], pairs[1]), pairs[2])
        return result

    def any_of(self, bits: Bits) -> Bit:
        result = FALSE
        for bit in bits:
            result = self.lor(result, bit)
        return result


def upstream_cell(gadgets: Gadgets, cell: Bits, neighbours: Sequence[Bits]) -> Bits:
    """One cell's step by upstream's gadgets."""
    count: Bits = [FALSE] * CELL_BITS
    one: Bits = [TRUE] + [FALSE] * (CELL_BITS - 1)
    for neighbour in neighbours:
        with gadgets.purpose("is-alive of the neighbours"):
            alive = gadgets.any_of(neighbour)
        with gadgets.purpose("increments"):
            more = gadgets.add(count, one)
        with gadgets.purpose("selects"):
            count = [gadgets.select(alive, yes, no) for yes, no in zip(more, count, strict=True)]
    with gadgets.purpose("is-alive of the cell"):
        alive = gadgets.any_of(cell)
    with gadgets.purpose("compare with 2 and 3"):
        two, three = (gadgets.is_equal(count, number) for number in (2, 3))
    with gadgets.purpose("rule"):
        survives = gadgets.land(alive, gadgets.lor(two, three))
        born = gadgets.land(~alive, three)
        lives = gadgets.lor(survives, born)
    return [gadgets.select(lives, TRUE, FALSE)] * CELL_BITS


def lean_cell(gadgets: Gadgets, cell: Bit, neighbours: Sequence[Bit]) -> Bit:
    """One cell's step with a bit a cell: twice the living neighbours, and the cell itself, is 5, 6 or 7.

    The five bits of that number (at most 17) are boolean, the highest one not a wire but what the others leave; the
    number is 5, 6 or 7 if its highest two bits are 0, which never are 1 together, the next is 1, and one of the rest.
    """
    number = total(cell.terms, *(scaled(neighbour.terms, 2) for neighbour in neighbours))
    value = int(cell.value) + 2 * sum(neighbour.value for neighbour in neighbours)
    low = [gadgets.input(bool(value >> place & 1)) for place in range(4)]
    lowered = [scaled(bit.terms, -(2**place)) for place, bit in enumerate(low)]
    sixteen_high = total(number, *lowered)  # 16 times the highest bit
    gadgets.constrain(sixteen_high, total(((0, 16),), scaled(sixteen_high, -1)), ())
    # 16 (1 - bit 3 - bit 4) * bit 2 = 16 * small
    small = Bit(4 <= value < 8, gadgets.system.wire(int(4 <= value < 8)))
    high_free = total(((0, 16),), scaled(low[3].terms, -16), scaled(sixteen_high, -1))
    gadgets.constrain(high_free, low[2].terms, scaled(small.terms, 16))
    return gadgets.land(small, gadgets.lor(low[0], low[1]))


def energy(gadgets: Gadgets, cells: Sequence[Bits]) -> Bits:
    """Sum of a region's cells in sixteen bits."""
    summed: Bits = [FALSE] * ENERGY_BITS
    for cell in cells:
        summed = gadgets.add(summed, cell)
    return summed


def step(gadgets: Gadgets, grid: Grid) -> Grid:
    """One step of the whole torus by upstream's gadgets."""
    side = len(grid)
    return [
        [
            upstream_cell(gadgets, grid[y][x], [grid[(y + dy) % side][(x + dx) % side] for dy, dx in NEIGHBOURS])
            for x in range(side)
        ]
        for y in range(side)
    ]


def battle(cells: Sequence[Sequence[int]], steps: int) -> Gadgets:
    """The battle circuit but for the players' commitments and the winner's code, which do not grow with the grid.

    All cells of both ends are public, as upstream's.
    """
    gadgets = Gadgets()
    side = len(cells)

    def allocate(rows: Sequence[Sequence[int]]) -> Grid:
        return [[[gadgets.input(bool(v >> place & 1)) for place in range(CELL_BITS)] for v in row] for row in rows]

    with gadgets.purpose("grids"):
        first = allocate(cells)
        last = allocate(life(cells, steps))
    gadgets.system.public_count = len(gadgets.system.witness) - 1
    grid = first
    for _ in range(steps):
        grid = step(gadgets, grid)
    with gadgets.purpose("equality"):
        for ours, theirs in zip(grid, last, strict=True):
            for cell, other in zip(ours, theirs, strict=True):
                for bit, same in zip(cell, other, strict=True):
                    gadgets.constrain(((0, 1),), bit.terms, same.terms)
    with gadgets.purpose("energy"):
        half = range(side // 2)
        energy(gadgets, [last[y][x] for y in half for x in half])
        energy(gadgets, [last[side // 2 + y][side // 2 + x] for y in half for x in half])
    return gadgets


def life(cells: Sequence[Sequence[int]], steps: int) -> list[list[int]]:
    """Steps of the game of life on a torus; what lives has all bits set after the first."""
    side = len(cells)
    grid = [list(row) for row in cells]
    for _ in range(steps):
        counts = [
            [sum(grid[(y + dy) % side][(x + dx) % side] > 0 for dy, dx in NEIGHBOURS) for x in range(side)]
            for y in range(side)
        ]
        grid = [
            [255 if counts[y][x] == 3 or (counts[y][x] == 2 and grid[y][x]) else 0 for x in range(side)]
            for y in range(side)
        ]
    return grid
