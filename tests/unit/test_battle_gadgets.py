"""Constraints of a battle's cell-step, derived anew by emulating the gadgets, and those of the lean what-if."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
import tomllib
from pathlib import Path

import pytest

from bitcell_sim.proving.cost import ProofConstants

spec = importlib.util.spec_from_file_location("battle_gadgets", Path(__file__).with_name("battle_gadgets.py"))
assert spec is not None
assert spec.loader is not None
gadgets = importlib.util.module_from_spec(spec)
sys.modules["battle_gadgets"] = gadgets
spec.loader.exec_module(gadgets)

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ProofConstants.from_mapping(
    tomllib.loads((ROOT / "models/proofs/ark-groth16.toml").read_text(encoding="utf-8"))
)
PARTS = {
    "is-alive of the neighbours": 56,
    "is-alive of the cell": 7,
    "increments": 42,
    "selects": 35,
    "compare with 2 and 3": 14,
    "rule": 4,
}


def soup(side: int, seed: int) -> list[list[int]]:
    draws = random.Random(seed)
    return [[draws.choice([0, 0, 0, 0, 0, 1, 255]) for _ in range(side)] for _ in range(side)]


def test_158_a_cell_and_step_part_by_part() -> None:
    assert sum(PARTS.values()) == 158 == CONSTANTS.circuit("battle").constraints_per_cell_step_count
    # Cells as allocated, and cells after a step, whose eight bits are one and the same: upstream pays for them all.
    for steps in (1, 2):
        spent = gadgets.battle(soup(8, 1), steps).spent
        assert {part: spent[part] / (64 * steps) for part in PARTS} == PARTS


def test_the_ors_over_eight_equal_bits_are_the_redundant_63() -> None:
    circuit = gadgets.Gadgets()
    cells = [circuit.input(bool(i % 2)) for i in range(9)]
    circuit.spent.clear()
    gadgets.upstream_cell(circuit, [cells[0]], [[cell] for cell in cells[1:]])
    assert circuit.spent.total() == 158 - 63


def test_57_and_a_half_a_cell_and_the_public_inputs() -> None:
    small, large = (gadgets.battle(soup(side, 2), 1) for side in (8, 12))
    grown = len(large.system.constraints) - len(small.system.constraints)
    assert grown == (158 + CONSTANTS.circuit("battle").constraints_per_cell_count) * (144 - 64)
    # The commitments' two and the winner's eight bits are not emulated; the constant is counted by upstream's 11.
    for circuit, side in ((small, 8), (large, 12)):
        assert circuit.system.shape().instance + 2 + 8 == CONSTANTS.size("battle", grid=side, steps=1).instance


@pytest.mark.parametrize("steps", [1, 3])
def test_the_emulated_circuit_is_the_game_of_life(steps: int) -> None:
    circuit = gadgets.battle(soup(8, 3), steps)
    assert circuit.system.violations() == []
    shape, model = circuit.system.shape(), CONSTANTS.circuit("battle")
    assert shape.full_ratio == 0.0
    assert shape.nonzeros_per_constraint == pytest.approx(model.nonzeros_per_constraint_count, rel=0.06)
    assert shape.ones_ratio == pytest.approx(model.witness_ones_ratio, abs=0.06)


def test_another_end_does_not_satisfy_it() -> None:
    circuit = gadgets.battle(soup(8, 4), 1)
    last = 64 * gadgets.CELL_BITS + 5
    circuit.system.witness[last] ^= 1
    assert circuit.system.violations()


def test_the_lean_cell_step_takes_8_and_is_right_in_every_neighbourhood() -> None:
    for cells in itertools.product((False, True), repeat=9):
        circuit = gadgets.Gadgets()
        bits = [circuit.input(cell) for cell in cells]
        before = len(circuit.system.constraints)
        after = gadgets.lean_cell(circuit, bits[0], bits[1:])
        spent = len(circuit.system.constraints) - before
        assert spent == 8 == CONSTANTS.circuit("battle-lean").constraints_per_cell_step_count
        assert circuit.system.violations() == []
        alive = sum(cells[1:])
        assert after.value == (alive == 3 or (alive == 2 and cells[0]))


def test_the_lean_cell_step_takes_no_other_witness() -> None:
    """With the cells given, every other assignment of its wires breaks a constraint; so its result is forced."""
    for cells in [(False,) * 9, (True,) * 9, (True, True, True, *(False,) * 6), (False, *(True,) * 3, *(False,) * 5)]:
        circuit = gadgets.Gadgets()
        bits = [circuit.input(cell) for cell in cells]
        first = len(circuit.system.witness)
        gadgets.lean_cell(circuit, bits[0], bits[1:])
        honest = circuit.system.witness[first:]
        accepted = []
        for values in itertools.product((0, 1), repeat=len(honest)):
            circuit.system.witness[first:] = values
            if not circuit.system.violations():
                accepted.append(list(values))
        assert accepted == [honest]
