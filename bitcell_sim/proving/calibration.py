"""From measured times to the constants of the cost model: scaled by one multiplication, or fitted on proofs.

Pure arithmetic; what measures stands in ``studies/calibrate.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bitcell_sim.errors import InputError
from bitcell_sim.kernels.proof_time import operation_counts
from bitcell_sim.proving.cost import OperationTimes, ProofConstants
from bitcell_sim.proving.r1cs import Shape

FloatArray = NDArray[np.float64]
NS_PER_S = 1e9
# Predictions reach far beyond the sizes of a fit: twice its largest error, and at least a fifth; assumed.
BAND_OVER_ERROR, BAND_MIN_RATIO = 2.0, 0.2


@dataclass(frozen=True)
class TimedProof:
    """A circuit and the seconds of its proof on one core."""

    shape: Shape
    seconds: float


@dataclass(frozen=True)
class Fit:
    """Times of operations fitted on proofs.

    Parameters
    ----------
    time : OperationTimes
        The constants.
    errors : tuple of float
        Fitted over measured seconds of each proof, less 1.
    """

    time: OperationTimes
    errors: tuple[float, ...]

    @property
    def worst_ratio(self) -> float:
        """Largest error, as a share."""
        return max(map(abs, self.errors))

    @property
    def band_ratio(self) -> float:
        """Half-width of the band around a predicted time, as a share."""
        return max(BAND_OVER_ERROR * self.worst_ratio, BAND_MIN_RATIO)


def scaled_times(constants: ProofConstants, multiplication_ns: float) -> OperationTimes:
    """Times of operations on a machine of which only one multiplication is known.

    Parameters
    ----------
    constants : ProofConstants
        Constants of the reference machine.
    multiplication_ns : float
        Nanoseconds of one multiplication of :mod:`bitcell_sim.kernels.montgomery` there.

    Returns
    -------
    OperationTimes
        The reference's, all by one factor: the multiplication, times the reference's ratio of a prover's to it.
    """
    if not multiplication_ns > 0.0:
        raise InputError(f"multiplication_ns = {multiplication_ns}: a multiplication takes more than 0")
    factor = constants.calibration.multiplication_factor * multiplication_ns / constants.time.multiplication_ns
    return OperationTimes(**{name: factor * value for name, value in dataclasses.asdict(constants.time).items()})


def operations(constants: ProofConstants, shapes: Sequence[Shape]) -> FloatArray:
    """Operations of proofs, in the order of the fields of :class:`OperationTimes`.

    Parameters
    ----------
    constants : ProofConstants
        What counts them; its times do not matter.
    shapes : sequence of Shape
        Circuits.

    Returns
    -------
    ndarray of float64, shape (n_circuits, 4)
        Multiplications, butterflies, constraints and coefficients.
    """
    count = np.array([shape.constraints for shape in shapes], np.int64)
    _, multiplications, butterflies, nonzeros = operation_counts(
        count,
        np.array([shape.instance for shape in shapes], np.int64),
        np.array([shape.nonzeros_per_constraint for shape in shapes], np.float64),
        np.array([shape.full_ratio for shape in shapes], np.float64),
        np.array([shape.ones_ratio for shape in shapes], np.float64),
        constants.cost_constants(),
    )
    return np.stack([multiplications, butterflies, count.astype(np.float64), nonzeros], axis=1)


def one_core_seconds(constants: ProofConstants, time: OperationTimes, shapes: Sequence[Shape]) -> list[float]:
    """Predict the seconds of proofs on one core.

    Parameters
    ----------
    constants : ProofConstants
        What counts the operations.
    time : OperationTimes
        What each takes.
    shapes : sequence of Shape
        Circuits.
    """
    seconds: list[float] = (operations(constants, shapes) @ np.array(dataclasses.astuple(time)) / NS_PER_S).tolist()
    return seconds


def fit_times(constants: ProofConstants, proofs: Sequence[TimedProof]) -> Fit:
    """Times of operations that give the least squares of the relative errors, none of them negative.

    Parameters
    ----------
    constants : ProofConstants
        What counts the operations.
    proofs : sequence of TimedProof
        Measured proofs, of different sizes and witnesses.

    Returns
    -------
    Fit
        Constants and errors.

    Raises
    ------
    InputError
        If the proofs are too few or too alike to tell the operations apart.
    """
    counts = operations(constants, [proof.shape for proof in proofs])
    seconds = np.array([proof.seconds for proof in proofs])
    if not (seconds > 0.0).all():
        raise InputError("a proof takes more than 0 seconds")
    relative = counts / seconds[:, None]
    if (
        len(proofs) <= counts.shape[1]
        or np.linalg.matrix_rank(relative / np.abs(relative).max(axis=0)) < counts.shape[1]
    ):
        raise InputError(f"{len(proofs)} proofs cannot tell apart the times of {counts.shape[1]} operations")
    times = nonnegative_least_squares(relative, np.ones(len(proofs)))
    if not (times[:2] > 0.0).all():
        raise InputError("the proofs leave no time to multiplications or to butterflies: measure on a quieter machine")
    errors = relative @ times - 1.0
    return Fit(OperationTimes(*(times * NS_PER_S).tolist()), tuple(errors.tolist()))


def nonnegative_least_squares(matrix: FloatArray, target: FloatArray) -> FloatArray:
    """Solve ``matrix @ x = target`` for the least squares among all ``x`` without a negative part.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, k)
        Few columns: all subsets of them are tried.
    target : ndarray of float64, shape (n,)
        What to come near.

    Notes
    -----
    The solution is the plain one over some subset of the columns, with the others at 0.

    Examples
    --------
    >>> nonnegative_least_squares(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -3.0])).tolist()
    [2.0, 0.0]
    """
    columns = matrix.shape[1]
    best, least = np.zeros(columns), float(target @ target)
    for size in range(1, columns + 1):
        for subset in map(list, combinations(range(columns), size)):
            part, *_ = np.linalg.lstsq(matrix[:, subset], target, rcond=None)
            miss = matrix[:, subset] @ part - target
            if (part >= 0.0).all() and float(miss @ miss) < least:
                best, least = np.zeros(columns), float(miss @ miss)
                best[subset] = part
    return best
