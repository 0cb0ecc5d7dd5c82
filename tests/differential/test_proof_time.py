"""The proof-time kernel and its plain twin give the same bits."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.kernels import proof_time, proof_time_plain
from bitcell_sim.proving.cost import ProofConstants

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ProofConstants.from_mapping(
    tomllib.loads((ROOT / "models/proofs/ark-groth16.toml").read_text(encoding="utf-8"))
).cost_constants()

RATIO = st.floats(0.0, 1.0)
POINT = st.tuples(
    st.integers(0, 2**40),
    st.integers(0, 2**30),
    st.floats(0.0, 50.0),
    RATIO,
    RATIO,
    st.floats(0.01, 200.0),
    RATIO,
    st.floats(0.001, 10.0),
)
TYPES = (np.int64, np.int64, *[np.float64] * 6)


def columns(points: list[tuple[float, ...]]) -> list[np.ndarray]:
    return [np.array([point[i] for point in points], dtype=kind) for i, kind in enumerate(TYPES)]


@settings(max_examples=300)
@given(st.lists(POINT, max_size=20))
def test_same_seconds(points: list[tuple[float, ...]]) -> None:
    arrays = columns(points)
    for fast, slow in zip(
        proof_time.proof_seconds(*arrays, CONSTANTS), proof_time_plain.proof_seconds(*arrays, CONSTANTS), strict=True
    ):
        assert fast.dtype == slow.dtype
        assert fast.tobytes() == slow.tobytes()
    for fast, slow in zip(
        proof_time.operation_counts(*arrays[:5], CONSTANTS),
        proof_time_plain.operation_counts(*arrays[:5], CONSTANTS),
        strict=True,
    ):
        assert fast.tobytes() == slow.tobytes()


def test_same_at_every_power_of_two_and_its_neighbours() -> None:
    sizes = sorted({max(2**k + off, 0) for k in range(40) for off in (-3, -2, -1, 0, 1)})
    points = [(size, 2, 3.0, full, 0.2, 4.0, 0.18, 1.0) for size in sizes for full in (0.0, 1.0)]
    arrays = columns(points)
    fast, slow = proof_time.proof_seconds(*arrays, CONSTANTS), proof_time_plain.proof_seconds(*arrays, CONSTANTS)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(fast, slow, strict=True))
    assert fast[0].tolist() == [max((int(size) + 1).bit_length(), 0) for size, *_ in points]
    assert np.isinf(fast[1]).any()
    assert np.isfinite(fast[1]).any()


@given(st.floats(0.01, 300.0), RATIO)
def test_the_machine_speeds_up_as_the_prediction_says(cores: float, serial: float) -> None:
    ratio = proof_time.amdahl_ratio(cores, serial, 48)
    assert ratio == proof_time_plain.amdahl_ratio(cores, serial, 48)
    assert core_rate(min(cores, 48.0), serial) == pytest.approx(1.0 / ratio, rel=1e-12)


def test_a_million_design_points_take_seconds_at_most() -> None:
    count = 1_000_000
    arrays = columns([(6_708_565, 65_547, 4.9, 0.0, 0.2, 4.0, 0.18, 1.0)])
    arrays = [np.repeat(array, count) for array in arrays]
    proof_time.proof_seconds(*[array[:1] for array in arrays], CONSTANTS)
    began = time.process_time()
    proof_time.proof_seconds(*arrays, CONSTANTS)
    assert time.process_time() - began < 1.0
