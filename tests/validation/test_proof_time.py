"""Predicted proof times against measured ones: dense chains, sparse witnesses, upstream's battle, published anchors."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from bitcell_sim.proving.circuits import Circuit
from bitcell_sim.proving.cost import ProofConstants, ProofPrediction, predict

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ProofConstants.from_mapping(
    tomllib.loads((ROOT / "models/proofs/ark-groth16.toml").read_text(encoding="utf-8"))
)

# Squaring chains of 2^k - 2 constraints, all scalars full-width, arkworks 0.4 on one core of an AVX-512 server CPU at
# about 3.6 GHz, CPU seconds, medians of 3. The model was fitted on those up to 2^14.
DENSE_S = {10: 0.098, 12: 0.335, 13: 0.627, 14: 1.257, 15: 2.192, 16: 3.938}
# The same machine at 16,382 constraints: share of boolean witness scalars (half of them ones) to seconds.
SPARSE_S = {0.5: 0.724, 0.9: 0.436, 1.0: 0.248}


def with_witness(circuit: str, **changes: float) -> ProofConstants:
    """The constants with another witness in one circuit."""
    changed: Circuit = dataclasses.replace(CONSTANTS.circuit(circuit), **changes)
    return dataclasses.replace(CONSTANTS, circuits={**CONSTANTS.circuits, circuit: changed})


def in_interval(prediction: ProofPrediction, seconds: float) -> bool:
    return prediction.ci_low <= seconds <= prediction.ci_high


@pytest.mark.parametrize("log2", [15, 16])
def test_dense_chains_beyond_the_fit_within_10_percent(log2: int) -> None:
    prediction = predict(CONSTANTS, "squaring-chain", depth=2**log2 - 2)
    assert prediction.domain == 2**log2
    assert prediction.seconds_measured == pytest.approx(DENSE_S[log2], rel=0.10)
    assert in_interval(prediction, DENSE_S[log2])


@pytest.mark.parametrize("log2", [10, 12, 13, 14])
def test_dense_chains_of_the_fit_within_10_percent(log2: int) -> None:
    prediction = predict(CONSTANTS, "squaring-chain", depth=2**log2 - 2)
    assert prediction.seconds_measured == pytest.approx(DENSE_S[log2], rel=0.10)
    assert in_interval(prediction, DENSE_S[log2])


@pytest.mark.parametrize("boolean", sorted(SPARSE_S))
def test_sparse_witnesses_within_10_percent(boolean: float) -> None:
    constants = with_witness("squaring-chain", witness_full_ratio=1 - boolean, witness_ones_ratio=boolean / 2)
    prediction = predict(constants, "squaring-chain", depth=16_382)
    assert prediction.seconds_measured == pytest.approx(SPARSE_S[boolean], rel=0.10)


def test_a_sparse_witness_is_worth_four_times() -> None:
    dense = predict(CONSTANTS, "squaring-chain", depth=16_382)
    sparse = predict(
        with_witness("squaring-chain", witness_full_ratio=0.0, witness_ones_ratio=0.5), "squaring-chain", depth=16_382
    )
    assert dense.seconds_measured / sparse.seconds_measured > 4.0


@pytest.mark.parametrize(("steps", "seconds"), [(1, 0.236), (3, 0.812)])
def test_upstream_battle_circuit_within_10_percent(steps: int, seconds: float) -> None:
    # Real proofs of the compiled circuit, grid 8 x 8, on the same core; never fitted on.
    prediction = predict(CONSTANTS, "battle", grid=8, steps=steps)
    assert prediction.seconds_measured == pytest.approx(seconds, rel=0.10)
    assert in_interval(prediction, seconds)


def test_times_step_at_powers_of_two() -> None:
    below, above = (predict(CONSTANTS, "squaring-chain", depth=2**16 - 2 + extra) for extra in (0, 1))
    assert above.domain == 2 * below.domain
    assert above.seconds_measured > 1.15 * below.seconds_measured


# aptos-core PR 18032 (2025-11), ark-groth16 on BN254, MacBook M1 Max. Its circuit is v * 1 = v on 1,406,686 variables,
# all of them 1: 3 non-zeros a constraint, and in B no point but one, so that of the 11 + 11 + 11 + 29 multiplications a
# scalar only those of A and L remain.
@pytest.mark.parametrize(("cores", "seconds"), [(1, 20.132), (10, 5.177)])
def test_anchor_aptos_within_25_percent(cores: int, seconds: float) -> None:
    constants = with_witness("squaring-chain", witness_full_ratio=0.0, witness_ones_ratio=22 / 62)
    prediction = predict(constants, "squaring-chain", depth=1_438_805, cores=cores)
    assert prediction.seconds_measured == pytest.approx(seconds, rel=0.25)
    assert in_interval(prediction, seconds)


def test_anchor_keyless_rapidsnark_within_25_percent() -> None:
    # alinush.github.io/keyless-groth16: 1.3 M constraints on GCP t2d-standard-4 (4 cores), 6.21 s.
    # Witness as in the battle: assumed.
    battle = CONSTANTS.circuit("battle")
    constants = with_witness(
        "squaring-chain", witness_full_ratio=battle.witness_full_ratio, witness_ones_ratio=battle.witness_ones_ratio
    )
    prediction = predict(constants, "squaring-chain", depth=1_300_000, cores=4, prover="rapidsnark")
    assert prediction.seconds_measured == pytest.approx(6.21, rel=0.25)
    assert in_interval(prediction, 6.21)


@pytest.mark.parametrize(("cores", "seconds"), [(4, 34.203), (20, 23.99), (40, 18.319)])
def test_core_scaling_of_the_arkworks_issue(cores: int, seconds: float) -> None:
    # arkworks-rs/groth16 issue 11 (2020-11): 2 M constraints, 93.78 s on one core; hardware unstated, so only ratios.
    many = predict(CONSTANTS, "squaring-chain", depth=2_000_000, cores=cores)
    assert many.seconds_measured / many.single_core_s == pytest.approx(seconds / 93.78, rel=0.25)
    scaling = CONSTANTS.scaling
    low, high = (f + (1 - f) / cores for f in (scaling.serial_low_ratio, scaling.serial_high_ratio))
    assert low <= seconds / 93.78 <= high


def test_no_gain_past_48_threads() -> None:
    times = [predict(CONSTANTS, "battle", grid=64, steps=10, cores=n).seconds_measured for n in (40, 48, 96)]
    assert times[0] > times[1] == times[2]


def test_the_default_battle_misses_ten_seconds_at_any_core_count() -> None:
    one = predict(CONSTANTS, "battle", grid=64, steps=10)
    assert one.seconds_measured == pytest.approx(100.6, rel=0.01)
    assert predict(CONSTANTS, "battle", grid=64, steps=10, cores=64).seconds_measured > 10
    assert predict(CONSTANTS, "battle", grid=32, steps=10, cores=4).seconds_measured < 15
