"""What a proof costs: seconds with an interval, memory, and whether it is possible at all."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from bitcell_sim.errors import InputError
from bitcell_sim.kernels.proof_time import CostConstants
from bitcell_sim.proving.circuits import Circuit, CircuitSize, Curve, measure, unknown_name
from bitcell_sim.proving.points import corner_seconds, interval_factor

Table = TypeVar("Table")
Estimate = Literal["low", "central", "high"]
ESTIMATES: tuple[Estimate, ...] = ("low", "central", "high")


@dataclass(frozen=True)
class Operations:
    """Operation counts of the prover: multiplications of a point addition, the window rule, transforms of a proof."""

    g1_mixed_addition_count: int
    g1_addition_count: int
    g2_mixed_addition_count: int
    g2_addition_count: int
    window_slope_percent: int
    window_offset_count: int
    transforms_count: int


@dataclass(frozen=True)
class OperationTimes:
    """Nanoseconds on one core: a base-field multiplication, a butterfly, a constraint, a non-zero coefficient."""

    multiplication_ns: float
    butterfly_ns: float
    constraint_ns: float
    synthesis_ns: float


@dataclass(frozen=True)
class Scaling:
    """Share of the one-core time that cores do not shorten, its range, and the threads that still gain something."""

    serial_ratio: float
    serial_low_ratio: float
    serial_high_ratio: float
    threads_max_count: int

    @property
    def range(self) -> tuple[float, float, float]:
        """The share at its low end, its centre and its high end."""
        return self.serial_low_ratio, self.serial_ratio, self.serial_high_ratio


@dataclass(frozen=True)
class Memory:
    """Peak resident bytes of set-up and proof, per constraint."""

    per_constraint_bytes: int


@dataclass(frozen=True)
class Uncertainty:
    """Half-width of the band around a predicted time, as a share, and the log-normal spread from proof to proof."""

    model_band_ratio: float
    noise_sigma_ratio: float


@dataclass(frozen=True)
class Calibration:
    """The prover's time of a multiplication over that of :mod:`bitcell_sim.kernels.montgomery` on the same machine."""

    multiplication_factor: float


@dataclass(frozen=True)
class ProverFamily:
    """Range of a prover's one-core time, its memory over that of arkworks, and whether it runs on cores or a card."""

    time_low_factor: float
    time_high_factor: float
    memory_factor: float
    runs_on: Literal["cores", "core", "card"]

    @property
    def time_factor(self) -> float:
        """Central factor: the geometric mean of the range, as ratios multiply."""
        return math.sqrt(self.time_low_factor * self.time_high_factor)


@dataclass(frozen=True)
class ProofConstants:
    """All numbers of a file of ``models/proofs/``.

    Parameters
    ----------
    name, title, date : str
        What the file is called and describes, and when its numbers were taken.
    prover, battle_circuit : str
        Default prover family, and the circuit of a battle proof.
    curve, operations, time, scaling, memory, uncertainty, calibration
        The tables of the same names.
    circuits : mapping of str to Circuit
        Circuit families by name.
    provers : mapping of str to ProverFamily
        Prover families by name.
    """

    name: str
    title: str
    date: str
    prover: str
    battle_circuit: str
    curve: Curve
    operations: Operations
    time: OperationTimes
    scaling: Scaling
    memory: Memory
    uncertainty: Uncertainty
    calibration: Calibration
    circuits: Mapping[str, Circuit]
    provers: Mapping[str, ProverFamily]

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ProofConstants:
        """Fill the constants from a mapping in the shape of the file.

        Parameters
        ----------
        mapping : mapping
            Tables and keys as in ``models/proofs/ark-groth16.toml``.

        Raises
        ------
        InputError
            If a key is missing or unknown, or a default names something the file does not have.
        """
        tables: dict[str, Any] = {
            "curve": Curve,
            "operations": Operations,
            "time": OperationTimes,
            "scaling": Scaling,
            "memory": Memory,
            "uncertainty": Uncertainty,
            "calibration": Calibration,
        }
        _check_keys(cls, mapping, "proof model")
        values: dict[str, Any] = {key: mapping[key] for key in ("name", "title", "date", "prover", "battle_circuit")}
        for key, table in tables.items():
            values[key] = _fill(table, mapping[key], key)
        values["circuits"] = {key: _fill(Circuit, row, f"circuits.{key}") for key, row in mapping["circuits"].items()}
        values["provers"] = {key: _fill(ProverFamily, row, f"provers.{key}") for key, row in mapping["provers"].items()}
        constants = cls(**values)
        constants.family(constants.prover)
        constants.circuit(constants.battle_circuit)
        return constants

    def circuit(self, name: str) -> Circuit:
        """Circuit family of that name; an ``InputError`` lists the known ones."""
        if name not in self.circuits:
            raise unknown_name("circuit", name, self.circuits)
        return self.circuits[name]

    def family(self, name: str) -> ProverFamily:
        """Prover family of that name; an ``InputError`` lists the known ones."""
        if name not in self.provers:
            raise unknown_name("prover", name, self.provers)
        return self.provers[name]

    def size(self, circuit: str, *, grid: int = 0, steps: int = 0, depth: int = 0) -> CircuitSize:
        """Size of a circuit of this file; dimensions as in :func:`bitcell_sim.proving.circuits.measure`."""
        return measure(
            self.circuit(circuit), self.curve, self.memory.per_constraint_bytes, grid=grid, steps=steps, depth=depth
        )

    def cost_constants(self) -> CostConstants:
        """Collect the scalars that the kernel takes."""
        return CostConstants(
            **dataclasses.asdict(self.time),
            scalar_bits_count=self.curve.scalar_bits_count,
            domain_log2_max_count=self.curve.domain_log2_max_count,
            **dataclasses.asdict(self.operations),
            threads_max_count=self.scaling.threads_max_count,
        )


@dataclass(frozen=True)
class ProofCost:
    """What one proof asks of a machine.

    Parameters
    ----------
    core_s : float
        Seconds on one core, before the spread from proof to proof.
    memory_bytes : int
        Peak memory, bytes.
    serial_ratio : float
        Share that further cores do not shorten; 1 for a proof that gains nothing from them.
    threads_max : int
        Cores beyond which nothing is gained.
    """

    core_s: float
    memory_bytes: int
    serial_ratio: float
    threads_max: int


@dataclass(frozen=True)
class ProofPrediction:
    """Predicted proof of one circuit by one prover on some cores.

    Parameters
    ----------
    constraints, domain : int
        Constraints and points of the evaluation domain.
    single_core_s, seconds_measured : float
        Seconds on one core, and start to finish on ``cores`` as if memory sufficed; infinite where no proof exists.
    ci_low, ci_high : float
        Interval of ``seconds_measured`` for a single proof, seconds.
    memory_bytes, proving_key_bytes : int
        Peak memory and proving key, bytes.
    feasible : bool
        Whether the curve has the domain and the machine the memory.
    why : str
        One sentence.
    cores : float
        Cores the prediction is for.
    costs : mapping of str to ProofCost
        What the prover pool needs, at the low end of the ranges, in their middle, and at the high end.
    """

    constraints: int
    domain: int
    single_core_s: float
    seconds_measured: float
    ci_low: float
    ci_high: float
    memory_bytes: int
    proving_key_bytes: int
    feasible: bool
    why: str
    cores: float
    costs: Mapping[Estimate, ProofCost]


def predict(
    constants: ProofConstants,
    circuit: str,
    *,
    grid: int = 0,
    steps: int = 0,
    depth: int = 0,
    cores: float = 1.0,
    prover: str | None = None,
    memory_limit_bytes: int | None = None,
) -> ProofPrediction:
    """Seconds, memory and feasibility of one proof.

    Parameters
    ----------
    constants : ProofConstants
        The numbers of a file of ``models/proofs/``.
    circuit : str
        Name of a circuit of that file.
    grid, steps, depth : int
        Dimensions of the circuit, as in :func:`bitcell_sim.proving.circuits.measure`.
    cores : float
        Cores the proof may use, more than 0.
    prover : str, optional
        Prover family; the file's default without it.
    memory_limit_bytes : int, optional
        Memory of the machine, bytes; without it memory is not judged.

    Returns
    -------
    ProofPrediction
        The central prediction and its interval.

    Notes
    -----
    The interval multiplies the corners of the ranges (prover family, and serial share when there is more than one
    core) by exp(+-h), h = sqrt(log(1 + band)^2 + (1.96 sigma)^2): the model's band and the spread of a single proof
    are taken as independent.
    """
    if not (math.isfinite(cores) and cores > 0):
        raise InputError(f"cores = {cores}: a proof needs more than 0")
    family = constants.family(constants.prover if prover is None else prover)
    size = constants.size(circuit, grid=grid, steps=steps, depth=depth)
    scaling = constants.scaling
    sizes = np.array([size.constraints], np.int64), np.array([size.instance], np.int64)
    corners = corner_seconds(constants, constants.circuit(circuit), family, *sizes, np.array([cores], np.float64))
    one_core, seconds = (values[:, 0].tolist() for values in corners)
    half_width = interval_factor(constants)
    memory_bytes = round(size.memory_bytes * family.memory_factor)
    fits = memory_limit_bytes is None or memory_bytes <= memory_limit_bytes
    return ProofPrediction(
        constraints=size.constraints,
        domain=size.domain,
        single_core_s=one_core[1],
        seconds_measured=seconds[1],
        ci_low=seconds[0] / half_width,
        ci_high=seconds[2] * half_width,
        memory_bytes=memory_bytes,
        proving_key_bytes=size.proving_key_bytes,
        feasible=size.feasible and fits,
        why=_why(size, memory_bytes, memory_limit_bytes, fits),
        cores=cores,
        costs={
            end: ProofCost(core_s, memory_bytes, ratio if family.runs_on == "cores" else 1.0, scaling.threads_max_count)
            for end, core_s, ratio in zip(ESTIMATES, one_core, scaling.range, strict=True)
        },
    )


def noise_factor(constants: ProofConstants, standard_normal: float) -> float:
    """Factor on the time of one proof for a standard normal draw: log-normal with median 1 (assumed)."""
    return math.exp(constants.uncertainty.noise_sigma_ratio * standard_normal)


def _why(size: CircuitSize, memory_bytes: int, limit_bytes: int | None, fits: bool) -> str:
    """One sentence on feasibility; the curve's limit before the machine's."""
    if not size.feasible or limit_bytes is None:
        return size.why
    asked, has = memory_bytes / 1e9, limit_bytes / 1e9
    if fits:
        return f"{size.why}; {asked:.1f} GB of memory fit the machine's {has:.1f} GB"
    need = f"{size.constraints:,} constraints need {asked:.1f} GB of memory"
    return f"{need} and the machine has {has:.1f} GB: the proof is killed"


def _check_keys(table: type[Any], mapping: Mapping[str, Any], where: str) -> None:
    """Refuse a mapping whose keys are not exactly the fields of a dataclass."""
    expected = {field.name for field in dataclasses.fields(table)}
    missing, unknown = sorted(expected - set(mapping)), sorted(set(mapping) - expected)
    if missing or unknown:
        raise InputError(
            f"{where}: missing keys {missing}, unknown keys {unknown}; it has exactly {', '.join(sorted(expected))}"
        )


def _fill(table: type[Table], mapping: Mapping[str, Any], where: str) -> Table:
    """One dataclass from one table of the file."""
    _check_keys(table, mapping, where)
    return table(**mapping)
