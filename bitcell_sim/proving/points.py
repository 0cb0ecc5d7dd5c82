"""Proofs of many designs at once: the same numbers as one prediction each, in a single call of the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bitcell_sim.kernels.proof_time import proof_seconds

if TYPE_CHECKING:
    from bitcell_sim.proving.circuits import Circuit
    from bitcell_sim.proving.cost import ProofConstants, ProverFamily

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ProofPoints:
    """Proofs of many designs.

    Parameters
    ----------
    constraints, memory_bytes : ndarray of int64, shape (n,)
        Size, and peak memory in bytes.
    seconds, ci_low, ci_high : ndarray of float64, shape (n,)
        Start to finish as if memory sufficed, and its interval for a single proof, seconds; infinite where no proof
        exists.
    """

    constraints: Ints
    memory_bytes: Ints
    seconds: Floats
    ci_low: Floats
    ci_high: Floats


def proof_points(
    constants: ProofConstants, circuit: str, prover: str, grid: Ints, steps: Ints, cores: Floats, depth: int = 0
) -> ProofPoints:
    """Predict proofs, one a design, each as :func:`bitcell_sim.proving.cost.predict` does.

    Parameters
    ----------
    constants : ProofConstants
        The numbers of a file of ``models/proofs/``.
    circuit, prover : str
        Of all designs.
    grid, steps : ndarray of int64, shape (n,)
        Side of the grid, and steps: those that the circuit can have, or 0 where it has none.
    cores : ndarray of float64, shape (n,)
        Cores of the machine.
    depth : int
        Levels, of all designs.
    """
    family, shape = constants.family(prover), constants.circuit(circuit)
    counts = shape.counts((grid * grid).astype(np.float64), steps.astype(np.float64), np.full(len(grid), float(depth)))
    constraints, instance = (np.rint(count).astype(np.int64) for count in counts)
    _, seconds = corner_seconds(constants, shape, family, constraints, instance, cores)
    wider = interval_factor(constants)
    memory = np.rint(constraints * constants.memory.per_constraint_bytes * family.memory_factor).astype(np.int64)
    return ProofPoints(constraints, memory, seconds[1], seconds[0] / wider, seconds[2] * wider)


def interval_factor(constants: ProofConstants) -> float:
    """Factor by which the interval of one proof is wider than the ranges, on either side."""
    spread = constants.uncertainty
    return math.exp(math.hypot(math.log1p(spread.model_band_ratio), 1.96 * spread.noise_sigma_ratio))


def corner_seconds(
    constants: ProofConstants,
    circuit: Circuit,
    family: ProverFamily,
    constraints: Ints,
    instance: Ints,
    cores: Floats,
) -> tuple[Floats, Floats]:
    """Seconds of proofs on one core and on `cores`, at the low, central and high corner of the ranges.

    Parameters
    ----------
    constants, circuit, family : ProofConstants, Circuit, ProverFamily
        Numbers, circuit and prover.
    constraints, instance : ndarray of int64, shape (n,)
        Sizes.
    cores : ndarray of float64, shape (n,)
        Cores each may use.

    Returns
    -------
    one_core_s, seconds : ndarray of float64, shape (3, n)
        Infinite where the curve has no domain that large.
    """
    count, ends = len(constraints), len(constants.scaling.range)
    used = cores if family.runs_on == "cores" else np.ones(count)
    factors = (family.time_low_factor, family.time_factor, family.time_high_factor)
    _, one_core_s, seconds = proof_seconds(
        np.tile(constraints, ends),
        np.tile(instance, ends),
        np.full(ends * count, circuit.nonzeros_per_constraint_count, np.float64),
        np.full(ends * count, circuit.witness_full_ratio, np.float64),
        np.full(ends * count, circuit.witness_ones_ratio, np.float64),
        np.tile(used, ends),
        np.repeat(np.array(constants.scaling.range, np.float64), count),
        np.repeat(np.array(factors, np.float64), count),
        constants.cost_constants(),
    )
    return one_core_s.reshape(ends, count), seconds.reshape(ends, count)
