"""Circuit sizes: exact counts, the domain staircase, the curve's limit, and what is refused."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.errors import InputError
from bitcell_sim.proving.cost import ProofConstants, noise_factor, predict

ROOT = Path(__file__).resolve().parents[2]
MAPPING = tomllib.loads((ROOT / "models/proofs/ark-groth16.toml").read_text(encoding="utf-8"))
CONSTANTS = ProofConstants.from_mapping(MAPPING)
EVEN_GRID = st.integers(4, 600).map(lambda half: 2 * half)


@pytest.mark.parametrize(
    ("grid", "steps", "constraints", "instance", "log2_domain"),
    [
        (8, 1, 15_157, 1_035, 14),  # compiled
        (8, 3, 35_381, 1_035, 16),  # compiled
        (64, 10, 6_708_565, 65_547, 23),  # compiled: the upstream default
        (1024, 1000, 165_735_302_485, 16_777_227, 38),
    ],
)
def test_battle_circuit(grid: int, steps: int, constraints: int, instance: int, log2_domain: int) -> None:
    size = CONSTANTS.size("battle", grid=grid, steps=steps)
    assert (size.constraints, size.instance, size.domain) == (constraints, instance, 2**log2_domain)


def test_fixed_circuits() -> None:
    assert CONSTANTS.size("state").constraints == 358
    assert CONSTANTS.size("nullifier").constraints == 197
    assert [CONSTANTS.size("merkle-path", depth=depth).constraints for depth in (1, 2, 32)] == [244, 487, 7777]


@given(EVEN_GRID, st.integers(1, 2000))
def test_battle_count_is_the_published_polynomial_and_a_whole_number(grid: int, steps: int) -> None:
    size = CONSTANTS.size("battle", grid=grid, steps=steps)
    cells = grid * grid
    assert 2 * size.constraints == 316 * steps * cells + 115 * cells + 2730
    assert size.instance == 16 * cells + 11
    held = size.constraints + size.instance
    assert size.domain // 2 < held <= size.domain
    assert size.domain & (size.domain - 1) == 0
    assert size.feasible == (held <= 2**28)


def test_the_largest_domain_is_still_possible_and_one_more_is_not() -> None:
    assert CONSTANTS.size("squaring-chain", depth=2**28 - 2).feasible
    refused = CONSTANTS.size("squaring-chain", depth=2**28 - 1)
    assert not refused.feasible
    assert "2^28" in refused.why


def test_the_full_battle_is_refused_with_the_reason() -> None:
    prediction = predict(CONSTANTS, "battle", grid=1024, steps=1000, cores=4)
    assert not prediction.feasible
    assert "617.5 times" in prediction.why
    assert prediction.seconds_measured == float("inf")


def test_memory_and_key_of_the_default_battle() -> None:
    size = CONSTANTS.size("battle", grid=64, steps=10)
    assert size.memory_bytes == 6_708_565 * 3200
    # A and B1 and L: 64 bytes, B2: 128, for each variable; H: 64 for each point of the domain but one.
    assert size.proving_key_bytes == 6_708_565 * 320 + (2**23 - 1) * 64
    killed = predict(CONSTANTS, "battle", grid=64, steps=10, memory_limit_bytes=8 * 10**9)
    assert not killed.feasible
    assert "21.5 GB" in killed.why
    assert "8.0 GB" in killed.why
    assert 100 < killed.seconds_measured < 110
    assert predict(CONSTANTS, "battle", grid=64, steps=10, memory_limit_bytes=22 * 10**9).feasible


def test_the_lean_battle_is_declared_and_smaller() -> None:
    assert CONSTANTS.circuit("battle-lean").status == "derived"
    lean, upstream = (CONSTANTS.size(name, grid=64, steps=10).constraints for name in ("battle-lean", "battle"))
    assert upstream - lean == 150 * 10 * 64 * 64


@pytest.mark.parametrize(
    ("circuit", "dimensions", "says"),
    [
        ("battle", {"grid": 63, "steps": 1}, "multiple of 2 from 8"),
        ("battle", {"grid": 6, "steps": 1}, "from 8 on"),
        ("battle", {"grid": 8}, "steps = 0"),
        ("battle", {"grid": 8, "steps": -1}, "0 or more"),
        ("battle", {"grid": 8, "steps": 1, "depth": 3}, "fixed depth"),
        ("state", {"grid": 8}, "no grid"),
        ("state", {"depth": 32}, "fixed depth"),
        ("merkle-path", {}, "depth = 0"),
        ("batle", {"grid": 8, "steps": 1}, "did you mean 'battle'"),
    ],
)
def test_bad_dimensions_are_refused(circuit: str, dimensions: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        CONSTANTS.size(circuit, **dimensions)


def test_prediction_refuses_bad_arguments() -> None:
    with pytest.raises(InputError, match="rapidsnark"):
        predict(CONSTANTS, "state", prover="rapidsnrk")
    for cores in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="cores"):
            predict(CONSTANTS, "state", cores=cores)


@given(
    EVEN_GRID.filter(lambda grid: grid <= 128),
    st.integers(1, 20),
    st.integers(1, 64),
    st.sampled_from(sorted(CONSTANTS.provers)),
)
def test_intervals_hold_the_prediction(grid: int, steps: int, cores: int, prover: str) -> None:
    prediction = predict(CONSTANTS, "battle", grid=grid, steps=steps, cores=cores, prover=prover)
    assert 0 < prediction.ci_low < prediction.seconds_measured < prediction.ci_high
    assert prediction.seconds_measured <= prediction.single_core_s
    assert prediction.ci_high / prediction.seconds_measured >= 1.25


def test_a_prover_that_gains_nothing_from_cores() -> None:
    one, many = (predict(CONSTANTS, "battle", grid=64, steps=10, cores=cores, prover="gpu") for cores in (1, 16))
    assert one.seconds_measured == many.seconds_measured == many.single_core_s
    assert many.costs["central"].serial_ratio == 1.0


def test_noise_is_log_normal_around_one() -> None:
    assert noise_factor(CONSTANTS, 0.0) == 1.0
    assert noise_factor(CONSTANTS, 2.0) * noise_factor(CONSTANTS, -2.0) == pytest.approx(1.0)
    assert noise_factor(CONSTANTS, 1.0) == pytest.approx(1.051, abs=0.001)


def test_every_key_of_the_file_is_used_and_needed() -> None:
    for table in ("curve", "operations", "time", "scaling", "memory", "uncertainty"):
        fields = {field.name for field in dataclasses.fields(getattr(CONSTANTS, table))}
        assert fields == set(MAPPING[table])
        with pytest.raises(InputError, match=f"{table}: missing keys .*, unknown keys \\['bogus'\\]"):
            ProofConstants.from_mapping(MAPPING | {table: {"bogus": 1}})
    with pytest.raises(InputError, match="proof model: missing keys"):
        ProofConstants.from_mapping({key: value for key, value in MAPPING.items() if key != "time"})
    with pytest.raises(InputError, match="'none' is not a prover"):
        ProofConstants.from_mapping(MAPPING | {"prover": "none"})
    with pytest.raises(InputError, match="'none' is not a circuit"):
        ProofConstants.from_mapping(MAPPING | {"battle_circuit": "none"})
