"""Circuits made here, their witnesses, and the files: every byte where iden3's descriptions put it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.errors import InputError
from bitcell_sim.proving.r1cs import FIELD, System, r1cs_file, squarings, witness_file


def sections(content: bytes, magic: bytes, version: int) -> dict[int, bytes]:
    """Read a file of iden3's container."""
    assert content[:4] == magic
    found_version, count = struct.unpack_from("<II", content, 4)
    assert found_version == version
    at, found = 12, {}
    for _ in range(count):
        kind, length = struct.unpack_from("<IQ", content, at)
        found[kind] = content[at + 12 : at + 12 + length]
        assert len(found[kind]) == length
        at += 12 + length
    assert at == len(content)
    return found


def read_constraints(rows: bytes, count: int) -> list[tuple[tuple[tuple[int, int], ...], ...]]:
    at, constraints = 0, []
    for _ in range(count):
        row = []
        for _ in range(3):
            (terms,) = struct.unpack_from("<I", rows, at)
            at += 4
            combination = []
            for _ in range(terms):
                wire = struct.unpack_from("<I", rows, at)[0]
                combination.append((wire, int.from_bytes(rows[at + 4 : at + 36], "little")))
                at += 36
            row.append(tuple(combination))
        constraints.append(tuple(row))
    assert at == len(rows)
    return constraints


def test_the_field_is_the_curve_s() -> None:
    # BN254's group order from its parameter: r(t) = 36 t^4 + 36 t^3 + 18 t^2 + 6 t + 1; 2-adicity 28.
    t = 4965661367192848881
    assert 36 * t**4 + 36 * t**3 + 18 * t**2 + 6 * t + 1 == FIELD
    assert (FIELD - 1) % 2**28 == 0
    assert (FIELD - 1) % 2**29 != 0


@given(st.integers(1, 200), st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.sampled_from([0.0, 0.2, 1.0]))
def test_squarings_are_satisfied_and_of_the_asked_shape(constraints: int, full: float, ones: float) -> None:
    system = squarings(constraints, full_ratio=full, ones_of_bits_ratio=ones)
    assert system.violations() == []
    shape = system.shape()
    assert (shape.constraints, shape.instance, shape.nonzeros_per_constraint) == (constraints, 2, 3.0)
    assert shape.full_ratio == pytest.approx(full, abs=2 / constraints)
    assert shape.ones_ratio == pytest.approx((1 - full) * ones, abs=3 / constraints**0.5)
    assert system.public_values() == [system.witness[1]]


@given(st.integers(40, 200), st.integers(3, 12))
def test_padding_adds_nonzeros_and_changes_no_value(constraints: int, nonzeros: int) -> None:
    system = squarings(constraints, full_ratio=0.0, ones_of_bits_ratio=0.2, nonzeros=nonzeros)
    assert system.violations() == []
    assert system.shape().nonzeros_per_constraint == nonzeros
    for a, _, _ in system.constraints:
        assert len({wire for wire, _ in a}) == nonzeros - 2


def test_a_wrong_witness_is_seen() -> None:
    system = squarings(5)
    system.witness[3] += 1
    assert system.violations() == [0, 1]


@pytest.mark.parametrize(("full", "nonzeros"), [(1.0, 3), (0.0, 3), (0.5, 5)])
def test_files_hold_what_was_written(full: float, nonzeros: int) -> None:
    system = squarings(40, full_ratio=full, nonzeros=nonzeros)
    found = sections(r1cs_file(system), b"r1cs", 1)
    assert set(found) == {1, 2, 3}
    size, prime = struct.unpack_from("<I", found[1])[0], int.from_bytes(found[1][4:36], "little")
    wires = len(system.witness)
    assert (size, prime) == (32, FIELD)
    assert struct.unpack_from("<IIIIQI", found[1], 36) == (wires, 1, 0, wires - 2, wires, 40)
    assert read_constraints(found[2], 40) == [tuple(map(tuple, row)) for row in system.constraints]
    assert struct.unpack(f"<{wires}Q", found[3]) == tuple(range(wires))
    values = sections(witness_file(system), b"wtns", 2)
    assert set(values) == {1, 2}
    assert struct.unpack_from("<I", values[1], 36)[0] == wires
    read = [int.from_bytes(values[2][i : i + 32], "little") for i in range(0, 32 * wires, 32)]
    assert read == system.witness


def test_negative_coefficients_are_written_modulo_the_field() -> None:
    system = System(public_count=1, witness=[1, 1])
    system.constraints.append((((1, 1),), ((0, 1), (1, -1)), ()))
    assert system.violations() == []
    rows = sections(r1cs_file(system), b"r1cs", 1)[2]
    assert read_constraints(rows, 1) == [(((1, 1),), ((0, 1), (1, FIELD - 1)), ())]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((0, 0.5, 3), "0 constraints"), ((5, 0.5, 2), "2 non-zeros"), ((5, 1.0, 4), "wires that are 0 than 0")],
)
def test_impossible_circuits_are_refused(arguments: tuple[int, float, int], says: str) -> None:
    constraints, full, nonzeros = arguments
    with pytest.raises(InputError, match=says):
        squarings(constraints, full_ratio=full, nonzeros=nonzeros)
