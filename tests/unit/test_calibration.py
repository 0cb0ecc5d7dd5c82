"""Fitting the cost model: known constants are found again, noise is bounded, ambiguous measurements are refused."""

from __future__ import annotations

import dataclasses
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError, LabError, MissingToolError
from bitcell_sim.proving.calibration import (
    BAND_MIN_RATIO,
    TimedProof,
    fit_times,
    nonnegative_least_squares,
    one_core_seconds,
    scaled_times,
)
from bitcell_sim.proving.cost import OperationTimes, ProofConstants, predict
from bitcell_sim.proving.r1cs import Shape, System
from bitcell_sim.studies import calibrate as study
from bitcell_sim.studies import real_prover

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ProofConstants.from_mapping(
    tomllib.loads((ROOT / "models/proofs/ark-groth16.toml").read_text(encoding="utf-8"))
)
TRUE = OperationTimes(multiplication_ns=20.0, butterfly_ns=31.0, constraint_ns=1500.0, synthesis_ns=120.0)
SHAPES = [
    Shape(2**log2 - 3, 2, nonzeros, full, (1 - full) * 0.2)
    for log2 in (10, 11, 12, 13)
    for full, nonzeros in ((1.0, 3.0), (0.5, 3.0), (0.0, 3.0), (0.0, 12.0))
]


def proofs(noise: float = 0.0) -> list[TimedProof]:
    draws = np.random.Generator(np.random.PCG64(3))
    seconds = one_core_seconds(CONSTANTS, TRUE, SHAPES)
    factors = np.exp(noise * draws.standard_normal(len(seconds)))
    return [TimedProof(shape, float(s * f)) for shape, s, f in zip(SHAPES, seconds, factors, strict=True)]


# ------------------------------------------------------------------------------------------------------ pure fitting


def test_one_core_seconds_are_the_prediction_s() -> None:
    size = CONSTANTS.size("battle", grid=16, steps=3)
    shape = Shape(size.constraints, size.instance, 4.9, 0.0, 0.2)
    (seconds,) = one_core_seconds(CONSTANTS, CONSTANTS.time, [shape])
    assert seconds == pytest.approx(predict(CONSTANTS, "battle", grid=16, steps=3).single_core_s, rel=1e-12)


def test_a_fit_finds_the_constants_again() -> None:
    fit = fit_times(CONSTANTS, proofs())
    assert dataclasses.astuple(fit.time) == pytest.approx(dataclasses.astuple(TRUE), rel=1e-6)
    assert fit.worst_ratio < 1e-9
    assert fit.band_ratio == BAND_MIN_RATIO


def test_noise_of_3_percent_leaves_predictions_four_times_as_large_within_10() -> None:
    fit = fit_times(CONSTANTS, proofs(0.03))
    assert 0.01 < fit.worst_ratio < 0.12
    assert fit.band_ratio == max(2 * fit.worst_ratio, BAND_MIN_RATIO)
    larger = [dataclasses.replace(shape, constraints=4 * shape.constraints) for shape in SHAPES]
    found, true = (one_core_seconds(CONSTANTS, time, larger) for time in (fit.time, TRUE))
    assert found == pytest.approx(true, rel=0.10)


def test_a_fit_does_not_depend_on_the_times_it_starts_from() -> None:
    slower = dataclasses.replace(CONSTANTS, time=scaled_times(CONSTANTS, 100.0))
    assert fit_times(slower, proofs(0.02)) == fit_times(CONSTANTS, proofs(0.02))


def test_proofs_that_are_too_few_or_too_alike_are_refused() -> None:
    with pytest.raises(InputError, match="4 proofs cannot tell apart the times of 4 operations"):
        fit_times(CONSTANTS, proofs()[:4])
    with pytest.raises(InputError, match="12 proofs cannot tell apart"):
        fit_times(CONSTANTS, [proofs()[0]] * 12)
    with pytest.raises(InputError, match="more than 0 seconds"):
        fit_times(CONSTANTS, [dataclasses.replace(proof, seconds=0.0) for proof in proofs()])


@given(st.floats(5.0, 100.0))
def test_one_multiplication_scales_all_times(multiplication_ns: float) -> None:
    times = scaled_times(CONSTANTS, multiplication_ns)
    assert times.multiplication_ns == pytest.approx(CONSTANTS.calibration.multiplication_factor * multiplication_ns)
    ratios = {round(value / getattr(CONSTANTS.time, name), 9) for name, value in dataclasses.asdict(times).items()}
    assert len(ratios) == 1


def test_a_multiplication_takes_some_time() -> None:
    with pytest.raises(InputError, match="more than 0"):
        scaled_times(CONSTANTS, 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(5, 30))
def test_least_squares_are_scipy_s(seed: int, rows: int) -> None:
    draws = np.random.Generator(np.random.PCG64(seed))
    matrix, target = draws.standard_normal((rows, 4)), draws.standard_normal(rows)
    found, (expected, _) = nonnegative_least_squares(matrix, target), nnls(matrix, target)
    assert (found >= 0.0).all()
    assert found == pytest.approx(expected, abs=1e-8)


# ---------------------------------------------------------------------------------------------- the study, faked prover


class FakeProver:
    """A prover that takes the time that the true constants say, by a clock of its own."""

    __version__ = "9.9"

    def __init__(self, verifies: bool = True) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self.verifies = verifies
        self.seconds = 0.0

    def setup(self, path: str) -> tuple[str, str]:
        self.calls.append(Path(path).name)
        assert Path(path).read_bytes().startswith(b"r1cs")
        return "proving key", "verifying key"

    def prove_wtns(self, key: str, path: str) -> bytes:
        assert key == "proving key"
        assert Path(path).read_bytes().startswith(b"wtns")
        # Every second proof is disturbed.
        self.now += self.seconds * (1.3 if len(self.calls) % 2 == 0 else 1.0)
        self.calls.append("proof")
        return b"proof"

    def Verifier(self, key: str) -> SimpleNamespace:
        assert key == "verifying key"
        return SimpleNamespace(verify=lambda proof, public: self.verifies and proof == b"proof" and len(public) == 1)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProver:
    prover = FakeProver()

    def r1cs_file(system: System) -> bytes:
        (prover.seconds,) = one_core_seconds(CONSTANTS, TRUE, [system.shape()])
        return b"r1cs"

    monkeypatch.setattr(real_prover, "r1cs_file", r1cs_file)
    monkeypatch.setattr(real_prover, "time", SimpleNamespace(process_time=lambda: prover.now))
    monkeypatch.setitem(sys.modules, "groth16py", prover)
    monkeypatch.setattr(study, "multiplication_ns", lambda: 12.5)
    monkeypatch.setattr(study, "FITTED_LOG2", (6, 7, 8, 9))
    monkeypatch.setattr(study, "CHECKED_LOG2", 11)
    return prover


def test_the_multiplication_is_measured() -> None:
    measured = study.multiplication_ns(0.05)
    assert 3.0 < measured < 1000.0


def test_a_second_s_calibration_writes_a_model_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "multiplication_ns", lambda: 43.2)
    monkeypatch.chdir(tmp_path)
    content = study.calibrate(out="mine.toml")
    assert (content["mult_ns"], content["source"]) == (43.2, "compiled multiplication")
    assert content["kappa"] == pytest.approx(CONSTANTS.calibration.multiplication_factor)
    # 43.2 ns is twice the reference's 21.6, from which its factor follows.
    assert content["time"]["multiplication_ns"] == pytest.approx(2 * CONSTANTS.time.multiplication_ns, rel=0.01)
    loaded = load_scenario("rc3", sets=["proofs=mine.toml"]).proofs
    assert loaded.name == "calibrated"
    assert loaded.time.butterfly_ns == pytest.approx(content["time"]["butterfly_ns"], rel=1e-4)
    assert loaded.circuits == load_scenario("rc3").proofs.circuits
    reference = predict(CONSTANTS, "battle", grid=64, steps=10)
    assert content["battle_s"]["measured"] == pytest.approx(2 * reference.seconds_measured, rel=0.01)
    assert content["battle_s"]["ci_low"] < content["battle_s"]["measured"] < content["battle_s"]["ci_high"]


def test_real_proofs_are_fitted_and_checked_beyond(fake: FakeProver, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    file = tmp_path / "new" / "mine.toml"
    content = study.calibrate(real=True, check=True, out=file, progress=lambda *said: told.append(said))
    assert content["source"] == "groth16py 9.9"
    assert content["kappa"] == pytest.approx(TRUE.multiplication_ns / 12.5, rel=1e-6)
    assert content["time"] == pytest.approx(dataclasses.asdict(TRUE), rel=1e-6)
    largest = max(row["constraints"] for row in content["fitted"])
    assert max(row["constraints"] for row in content["checked"]) == 4 * (largest - 1) - real_prover.MARGIN
    for row in content["fitted"] + content["checked"]:
        assert row["ci_low_s"] < row["measured_s"] < row["ci_high_s"]
        assert row["error_ratio"] == pytest.approx(0.0, abs=1e-6)
    assert [said for said in told if said[1] == said[2]] == [
        ("proofs to fit", len(content["fitted"]), len(content["fitted"])),
        ("proofs to check", len(content["checked"]), len(content["checked"])),
    ]
    model = tomllib.loads(file.read_text(encoding="utf-8"))
    assert model["time"] == pytest.approx(dataclasses.asdict(TRUE), rel=1e-4)
    assert model["uncertainty"]["model_band_ratio"] == BAND_MIN_RATIO
    assert "groth16py 9.9" in model["title"]


def test_disturbed_proofs_are_repeated_until_two_agree(fake: FakeProver) -> None:
    proof = real_prover.timed_proof(fake, real_prover.filling(10)[0].system())  # type: ignore[arg-type]
    assert proof.seconds == pytest.approx(one_core_seconds(CONSTANTS, TRUE, [proof.shape])[0])
    assert fake.calls.count("proof") == 3


def test_a_proof_that_does_not_verify_is_no_measurement(fake: FakeProver, tmp_path: Path) -> None:
    fake.verifies = False
    with pytest.raises(LabError, match="does not verify"):
        study.calibrate(real=True, out=tmp_path / "mine.toml")
    assert not list(tmp_path.iterdir())


def test_without_the_prover_it_says_what_to_install_and_why_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "groth16py", None)
    with pytest.raises(MissingToolError, match=r"GPL-3.0.*pip install groth16py"):
        study.calibrate(real=True, out=tmp_path / "mine.toml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"check": True}, "add --real"),
        ({"out": "mine.txt"}, "ends in .toml"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        study.calibrate(**options)  # type: ignore[arg-type]
