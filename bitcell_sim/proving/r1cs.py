"""Rank-1 constraint systems with a witness, small ones to calibrate with, and the files that provers read.

A constraint says ``(a . w)(b . w) = c . w`` over the scalar field of BN254, with ``w`` the values of the wires. Wire 0
is 1, the public wires follow it, then the private ones.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from bitcell_sim.errors import InputError

# The scalar field of BN254: ethereum EIP-197.
FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
_FIELD_BYTES = 32
_GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0
_FIRST = 3  # start of a chain of squarings

Terms = Sequence[tuple[int, int]]
"""Wires with their coefficients."""


@dataclass
class System:
    """Constraints and the value of every wire.

    Parameters
    ----------
    public_count : int
        Public wires, beside the constant.
    witness : list of int
        Value of each wire; the first is 1.
    constraints : list of tuple
        The three linear combinations of each constraint.
    """

    public_count: int = 0
    witness: list[int] = field(default_factory=lambda: [1])
    constraints: list[tuple[Terms, Terms, Terms]] = field(default_factory=list)

    def wire(self, value: int) -> int:
        """Add a private wire of that value; its number."""
        self.witness.append(value)
        return len(self.witness) - 1

    def value(self, terms: Terms) -> int:
        """Value of a linear combination."""
        return sum(coefficient * self.witness[wire] for wire, coefficient in terms) % FIELD

    def violations(self) -> list[int]:
        """Numbers of the constraints that the witness breaks."""
        return [
            number
            for number, (a, b, c) in enumerate(self.constraints)
            if (self.value(a) * self.value(b) - self.value(c)) % FIELD
        ]

    def public_values(self) -> list[int]:
        """Values of the public wires."""
        return self.witness[1 : self.public_count + 1]

    def shape(self) -> Shape:
        """What its proof costs depends on."""
        count = len(self.constraints)
        ones = sum(value == 1 for value in self.witness[1:])
        zeros = sum(value == 0 for value in self.witness)
        return Shape(
            constraints=count,
            instance=self.public_count + 1,
            nonzeros_per_constraint=sum(len(terms) for row in self.constraints for terms in row) / count,
            full_ratio=min((len(self.witness) - 1 - ones - zeros) / count, 1.0),
            ones_ratio=min(ones / count, 1.0),
        )


@dataclass(frozen=True)
class Shape:
    """Size and witness of a circuit, as the cost model takes them.

    Parameters
    ----------
    constraints, instance : int
        Constraints; public wires with the constant.
    nonzeros_per_constraint : float
        Non-zero coefficients per constraint.
    full_ratio, ones_ratio : float
        Values that are neither 0 nor 1, and that are 1, per constraint.
    """

    constraints: int
    instance: int
    nonzeros_per_constraint: float
    full_ratio: float
    ones_ratio: float


def squarings(
    constraints: int, *, full_ratio: float = 1.0, ones_of_bits_ratio: float = 0.2, nonzeros: int = 3
) -> System:
    """Circuit of any size and any kind of witness: a chain of squarings, then bits that equal their squares.

    Parameters
    ----------
    constraints : int
        How many, at least 1.
    full_ratio : float
        Share of them in the chain; their values are as wide as the field.
    ones_of_bits_ratio : float
        Share of ones among the bits.
    nonzeros : int
        Coefficients of each constraint, at least 3; those beyond are of wires that are 0.

    Returns
    -------
    System
        With one public wire: the end of the chain, or a bit of 1 where there is none.
    """
    if constraints < 1 or nonzeros < 3:
        raise InputError(f"{constraints} constraints of {nonzeros} non-zeros: at least 1 of at least 3")
    chained = round(full_ratio * constraints)
    system = System(public_count=1, witness=[1, 1])
    root = system.wire(_FIRST) if chained else 1
    for left in range(chained - 1, -1, -1):
        value = system.witness[root] ** 2 % FIELD
        if left == 0:
            system.witness[1] = value
        square = system.wire(value) if left else 1
        _add_square(system, root, square)
        root = square
    for number in range(constraints - chained):
        one = number * _GOLDEN_RATIO % 1.0 < ones_of_bits_ratio
        bit = system.wire(int(one)) if number or chained else 1
        _add_square(system, bit, bit)
    _pad(system, nonzeros - 3)
    return system


def _add_square(system: System, root: int, square: int) -> None:
    system.constraints.append((((root, 1),), ((root, 1),), ((square, 1),)))


def _pad(system: System, terms: int) -> None:
    """Add coefficients of wires that are 0 to the first combination of every constraint, spread over all of them."""
    zeros = [wire for wire, value in enumerate(system.witness) if value == 0]
    if terms >= len(zeros) and terms > 0:
        raise InputError(f"{terms} more non-zeros a constraint need more wires that are 0 than {len(zeros)}")
    stride = len(zeros) // (terms + 1)
    for number, (a, b, c) in enumerate(system.constraints if terms else []):
        start = int(number * _GOLDEN_RATIO % 1.0 * len(zeros))
        spread = (zeros[(start + stride * i) % len(zeros)] for i in range(terms + 1))
        padding = [(wire, 1) for wire in spread if wire != a[0][0]][:terms]
        system.constraints[number] = ((*a, *padding), b, c)


def r1cs_file(system: System) -> bytes:
    """Constraints in iden3's binary form, version 1.

    Parameters
    ----------
    system : System
        What to write.

    References
    ----------
    iden3/r1csfile, doc/r1cs_bin_format.md.
    """
    wires, count = len(system.witness), len(system.constraints)
    private = wires - 1 - system.public_count
    header = _prime() + struct.pack("<IIIIQI", wires, system.public_count, 0, private, wires, count)
    rows = b"".join(_combination(terms) for row in system.constraints for terms in row)
    labels = struct.pack(f"<{wires}Q", *range(wires))
    return b"r1cs" + struct.pack("<II", 1, 3) + _section(1, header) + _section(2, rows) + _section(3, labels)


def witness_file(system: System) -> bytes:
    """Values of the wires in iden3's binary form, version 2.

    Parameters
    ----------
    system : System
        What to write.

    References
    ----------
    iden3/snarkjs, src/wtns_utils.js.
    """
    header = _prime() + struct.pack("<I", len(system.witness))
    values = b"".join(map(_element, system.witness))
    return b"wtns" + struct.pack("<II", 2, 2) + _section(1, header) + _section(2, values)


def _element(value: int) -> bytes:
    return (value % FIELD).to_bytes(_FIELD_BYTES, "little")


def _prime() -> bytes:
    return struct.pack("<I", _FIELD_BYTES) + FIELD.to_bytes(_FIELD_BYTES, "little")


def _combination(terms: Terms) -> bytes:
    return struct.pack("<I", len(terms)) + b"".join(struct.pack("<I", w) + _element(c) for w, c in terms)


def _section(kind: int, content: bytes) -> bytes:
    return struct.pack("<IQ", kind, len(content)) + content
