"""Predictions made before a real prover runs on this machine: four times beyond the fit, and a battle's own circuit."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.proving.calibration import one_core_seconds
from bitcell_sim.proving.cost import ProofConstants
from bitcell_sim.proving.r1cs import r1cs_file, witness_file
from bitcell_sim.studies.calibrate import by_multiplication, calibrate, reference
from bitcell_sim.studies.real_prover import filling, load_prover, timed_proof

file = Path(__file__).resolve().parents[1] / "unit" / "battle_gadgets.py"
spec = importlib.util.spec_from_file_location("battle_gadgets", file)
assert spec is not None
assert spec.loader is not None
gadgets = importlib.util.module_from_spec(spec)
sys.modules["battle_gadgets"] = gadgets
spec.loader.exec_module(gadgets)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prover() -> ModuleType:
    pytest.importorskip("groth16py", reason="needs groth16py (GPL-3.0): pip install groth16py")
    return load_prover()


@pytest.fixture(scope="module")
def calibrated(prover: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A calibration of this machine, with its proof model as constants."""
    path = tmp_path_factory.mktemp("calibrated") / "here.toml"
    content = calibrate(real=True, check=True, out=path)
    model = load_scenario("rc3", sets=[f"proofs={str(path)!r}"]).proofs
    return {**content, "constants": ProofConstants.from_mapping(model.model_dump(by_alias=True))}


def test_a_proof_holds_for_its_own_public_values_only(prover: ModuleType, tmp_path: Path) -> None:
    for recipe in filling(7):
        system = recipe.system()
        circuit, witness = tmp_path / "c.r1cs", tmp_path / "c.wtns"
        circuit.write_bytes(r1cs_file(system))
        witness.write_bytes(witness_file(system))
        proving_key, verifying_key = prover.setup(str(circuit))
        verifier = prover.Verifier(verifying_key)
        proof = prover.prove_wtns(proving_key, str(witness))
        assert verifier.verify(proof, system.public_values())
        assert not verifier.verify(proof, [system.public_values()[0] + 1])


def test_proofs_four_times_as_large_within_10_percent(calibrated: dict[str, Any]) -> None:
    largest = max(row["constraints"] for row in calibrated["fitted"])
    assert max(row["constraints"] for row in calibrated["checked"]) > 3.99 * largest
    for row in calibrated["checked"]:
        assert abs(row["error_ratio"]) < 0.10, row
        assert row["ci_low_s"] < row["measured_s"] < row["ci_high_s"]


@pytest.mark.parametrize("steps", [1, 3])
def test_the_battle_s_own_gadgets_within_10_percent(prover: ModuleType, calibrated: dict[str, Any], steps: int) -> None:
    draws = random.Random(steps)
    cells = [[draws.choice([0, 0, 0, 0, 0, 1, 255]) for _ in range(8)] for _ in range(8)]
    system = gadgets.battle(cells, steps).system
    constants = calibrated["constants"]
    (predicted,) = one_core_seconds(constants, constants.time, [system.shape()])
    measured = timed_proof(prover, system).seconds
    print(f"battle of 8 x 8 cells and {steps} steps, {len(system.constraints)} constraints:", predicted, measured)
    assert predicted == pytest.approx(measured, rel=0.10)


def test_one_multiplication_predicts_within_its_band(calibrated: dict[str, Any]) -> None:
    constants = reference()
    found = by_multiplication(constants)
    recipes = filling(14)
    predicted = one_core_seconds(constants, found.time, [recipe.system().shape() for recipe in recipes])
    by_recipe = {(row["constraints"], row["witness"]): row["measured_s"] for row in calibrated["fitted"]}
    measured = [by_recipe[recipe.constraints, recipe.witness] for recipe in recipes]
    print("by one multiplication:", [round(p / m - 1, 3) for p, m in zip(predicted, measured, strict=True)])
    assert predicted == pytest.approx(measured, rel=found.band_ratio)
