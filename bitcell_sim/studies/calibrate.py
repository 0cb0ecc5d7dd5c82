"""The proof model of this machine: one multiplication timed, or a real prover run on circuits made here."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.writing import toml_value
from bitcell_sim.errors import InputError
from bitcell_sim.proving.calibration import TimedProof, fit_times, one_core_seconds, scaled_times
from bitcell_sim.proving.cost import OperationTimes, ProofConstants, predict
from bitcell_sim.runs.files import write_whole
from bitcell_sim.studies.real_prover import Progress, Recipe, filling, load_prover, outgrown, timed_proofs
from bitcell_sim.version import __version__

Content = dict[str, Any]

OUT = "calibrated.toml"
REFERENCE = "ark-groth16"
NS_PER_S = 1e9
CHAIN_MULTIPLICATIONS = 20_000
FITTED_LOG2 = (10, 11, 12, 13, 14)
CHECKED_LOG2 = FITTED_LOG2[-1] + 2


@dataclass(frozen=True)
class Calibration:
    """What was found out about this machine.

    Parameters
    ----------
    multiplication_ns : float
        One multiplication by this program, nanoseconds.
    time : OperationTimes
        Times of the prover's operations.
    band_ratio : float
        Half-width of the band around a predicted time.
    source, how : str
        What measured them; a sentence on how.
    fitted, checked : tuple of dict
        Rows of the proofs that were fitted, and of those predicted before they were measured.
    """

    multiplication_ns: float
    time: OperationTimes
    band_ratio: float
    source: str
    how: str
    fitted: tuple[Content, ...] = ()
    checked: tuple[Content, ...] = ()

    @property
    def kappa(self) -> float:
        """The prover's time of a multiplication over this program's."""
        return self.time.multiplication_ns / self.multiplication_ns


def multiplication_ns(seconds: float = 1.0) -> float:
    """Time of one multiplication in the base field here, nanoseconds: the quickest of many chains.

    Parameters
    ----------
    seconds : float
        How long to measure, about.
    """
    from bitcell_sim.kernels.montgomery import chain
    from bitcell_sim.kernels.montgomery_plain import to_limbs

    value, factor = to_limbs(3), to_limbs(5)
    chain(value, factor, 1)  # compiles
    quickest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.process_time()
        chain(value, factor, CHAIN_MULTIPLICATIONS)
        quickest = min(quickest, time.process_time() - start)
    return quickest / CHAIN_MULTIPLICATIONS * NS_PER_S


def reference() -> ProofConstants:
    """Constants of the model that calibrations start from."""
    scenario = load_scenario("rc3", sets=[f"proofs={REFERENCE}"])
    return ProofConstants.from_mapping(scenario.proofs.model_dump(by_alias=True))


def by_multiplication(constants: ProofConstants) -> Calibration:
    """Scale the reference's times by one multiplication on this machine; takes a second.

    Parameters
    ----------
    constants : ProofConstants
        The reference.
    """
    measured_ns = multiplication_ns()
    factor = constants.calibration.multiplication_factor
    return Calibration(
        multiplication_ns=measured_ns,
        time=scaled_times(constants, measured_ns),
        band_ratio=constants.uncertainty.model_band_ratio,
        source="compiled multiplication",
        how=f"{REFERENCE}'s times by one factor: a multiplication takes {measured_ns:.1f} ns here, "
        f"a prover's {factor:g} times as long",
    )


def by_proofs(constants: ProofConstants, *, check: bool = False, progress: Progress | None = None) -> Calibration:
    """Fit all times on proofs of a real prover on this machine.

    Parameters
    ----------
    constants : ProofConstants
        What counts operations.
    check : bool
        Then predict proofs of four times the size, and measure them.
    progress : callable, optional
        Called with a title, how many proofs are done, and how many there are.
    """
    prover = load_prover()
    measured_ns = multiplication_ns()
    recipes = [recipe for log2 in FITTED_LOG2 for recipe in (*filling(log2), outgrown(log2))]
    proofs = timed_proofs(prover, recipes, title="proofs to fit", progress=progress)
    fit = fit_times(constants, proofs)
    checked: list[Content] = []
    if check:
        beyond = [*filling(CHECKED_LOG2), outgrown(CHECKED_LOG2 - 1)]
        predicted = one_core_seconds(constants, fit.time, [recipe.system().shape() for recipe in beyond])
        larger = timed_proofs(prover, beyond, title="proofs to check", progress=progress)
        checked = _rows(beyond, predicted, larger, fit.band_ratio)
    fitted_s = one_core_seconds(constants, fit.time, [proof.shape for proof in proofs])
    sizes = f"2^{FITTED_LOG2[0]} to 2^{FITTED_LOG2[-1]}"
    return Calibration(
        multiplication_ns=measured_ns,
        time=fit.time,
        band_ratio=fit.band_ratio,
        source=f"groth16py {prover.__version__}",
        how=f"Proofs of {len(proofs)} circuits of {sizes} constraints, the quickest of each, processor seconds; "
        f"least squares of relative errors, the largest {fit.worst_ratio:.1%}",
        fitted=tuple(_rows(recipes, fitted_s, proofs, fit.band_ratio)),
        checked=tuple(checked),
    )


def _rows(
    recipes: Sequence[Recipe], predicted_s: Sequence[float], proofs: Sequence[TimedProof], band: float
) -> list[Content]:
    """One row a proof: predicted seconds with their band, and measured ones."""
    return [
        {
            "witness": recipe.witness,
            "constraints": recipe.constraints,
            "predicted_s": predicted,
            "ci_low_s": predicted / (1.0 + band),
            "ci_high_s": predicted * (1.0 + band),
            "measured_s": proof.seconds,
            "error_ratio": predicted / proof.seconds - 1.0,
        }
        for recipe, predicted, proof in zip(recipes, predicted_s, proofs, strict=True)
    ]


def machine() -> str:
    """Name the processor and count the cores that this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def proof_model(found: Calibration) -> str:
    """Write a proof model that differs from the reference in what was found out here.

    Parameters
    ----------
    found : Calibration
        What was measured.
    """
    where, today = machine(), datetime.now(UTC).date().isoformat()
    times = dataclasses.asdict(found.time)
    lines = [
        f"# Proof model of one machine, written by bitcell-sim {__version__} calibrate. Everything that is not here is",
        f"# {REFERENCE}'s. To use it: --set proofs=FILE",
        f'extends = "{REFERENCE}"',
        'name = "calibrated"',
        f"title = {toml_value(f'Groth16 on BN254 on {where}, by {found.source}')}",
        f'date = "{today}"',
        "",
        "[time]",
        f"# One core of {where}. {found.how}. Measured {today}.",
        *(f"{name} = {float(f'{value:.5g}')}" for name, value in times.items()),
        "",
        "[uncertainty]",
        "# Half-width of the band around a predicted one-core time; of fitted times twice the largest error, at least",
        "# a fifth, as predictions reach far beyond the sizes fitted: assumed.",
        f"model_band_ratio = {found.band_ratio:.3f}",
        "",
        "[calibration]",
        f"# multiplication_ns over the {found.multiplication_ns:.2f} ns of one multiplication by this program.",
        f"multiplication_factor = {found.kappa:.4f}",
    ]
    return "\n".join(lines) + "\n"


def calibrate(
    *, real: bool = False, check: bool = False, out: str | Path = OUT, progress: Progress | None = None
) -> Content:
    """Measure this machine and write a proof model for it.

    Parameters
    ----------
    real : bool
        Run a real prover and fit all times; else one multiplication scales the reference's.
    check : bool
        Also predict proofs of four times the size, then measure them.
    out : str or Path
        File to write, for ``--set proofs=FILE``.
    progress : callable, optional
        Called with a title, how many proofs are done, and how many there are.

    Returns
    -------
    dict
        ``mult_ns``, ``kappa``, ``source``, ``machine``, ``time``, ``band_ratio``, ``fitted``, ``checked``, ``file``,
        and ``battle_s``: the protocol's battle proof on one core here, with its interval.

    Raises
    ------
    MissingToolError
        If `real` and groth16py is not installed.
    InputError
        If `check` without `real`, or the file has another ending or cannot be written.
    """
    path = Path(out)
    if check and not real:
        raise InputError("--check compares with a real prover: add --real")
    if path.suffix != ".toml":
        raise InputError(f"{path}: a proof model is a file that ends in .toml")
    constants = reference()
    found = by_proofs(constants, check=check, progress=progress) if real else by_multiplication(constants)
    write_whole(path, proof_model(found).encode())
    return {
        "mult_ns": found.multiplication_ns,
        "kappa": found.kappa,
        "source": found.source,
        "machine": machine(),
        "time": dataclasses.asdict(found.time),
        "band_ratio": found.band_ratio,
        "fitted": list(found.fitted),
        "checked": list(found.checked),
        "battle_s": _battle(path),
        "file": str(path),
    }


def _battle(path: Path) -> Content:
    """Seconds of the protocol's battle proof on one core by the model just written."""
    scenario = load_scenario("rc3", sets=[f"proofs={toml_value(str(path))}"])
    constants, own = ProofConstants.from_mapping(scenario.proofs.model_dump(by_alias=True)), scenario.protocol.proof
    prediction = predict(constants, constants.battle_circuit, grid=own.grid, steps=own.steps)
    return {
        "measured": prediction.seconds_measured,
        "ci_low": prediction.ci_low,
        "ci_high": prediction.ci_high,
    }
