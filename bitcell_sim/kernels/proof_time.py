"""Seconds of a Groth16 proof, counted operation by operation for many design points at once.

A proof is five multi-scalar multiplications (H, L, A and B in G1, B in G2), seven Fourier transforms and the
synthesis of the circuit. Times step at powers of two, because transforms and H work on the evaluation domain, and
depend on the witness as much as on the size: a scalar of 0 costs nothing, a 1 one addition, a full-width scalar one
addition a window. What first falls into a bucket is stored, not added, so few scalars are cheaper than their number.

``proof_time_plain`` holds the slow twin; the two agree bit for bit.

Notes
-----
With ``d`` the domain, ``n`` the constraints (a witness is taken to hold as many scalars), ``f`` the full-width ones
of ``m`` scalars, and ``a``, ``b`` the multiplications of a mixed and of a full addition:

    c(m) = floor(slope * ceil(log2 m) / 100) + offset ;  W(m) = ceil(scalar_bits / c)
    a window of w bits (the last has what is left): B = 2^(c-1), the last 2^w ; hits = f (1 - 2^-w)
    E = B (1 - exp(-hits / B))                                       buckets that something falls into
    MSM(m) = ones*m*a + sum over windows of ((hits - E)*a + (B + E)*b)   without buckets where f = 0
    T(1) = tau_mul * (MSM_H(d-1) + 3 MSM(n) + MSM_G2(n))
         + tau_fft * transforms * (d/2) * log2 d + tau_con * n + tau_syn * nonzeros * n
    T(p) = T(1) * (serial + (1 - serial) / min(p, threads_max))

References
----------
ark-ec 0.4 ``variable_base`` (windows with signed digits, buckets), ark-groth16 0.4 ``r1cs_to_qap`` (transforms); E is
the Poisson limit of balls in bins; Amdahl 1967.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitcell_sim.kernels.compiling import njit

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class CostConstants(NamedTuple):
    """Numbers of the cost model, in the order of the file; scalars only, so that a kernel takes them as one argument.

    Parameters
    ----------
    multiplication_ns, butterfly_ns, constraint_ns, synthesis_ns : float
        Nanoseconds of one base-field multiplication, of one butterfly, of one constraint, and of one non-zero
        coefficient.
    scalar_bits_count, domain_log2_max_count : int
        Bits of a scalar; log2 of the largest evaluation domain of the curve.
    g1_mixed_addition_count, g1_addition_count, g2_mixed_addition_count, g2_addition_count : int
        Multiplications in one point addition.
    window_slope_percent, window_offset_count : int
        The window rule of the multi-scalar multiplication.
    transforms_count : int
        Fourier transforms of the domain's size in a proof.
    threads_max_count : int
        Threads beyond which nothing is gained.
    """

    multiplication_ns: float
    butterfly_ns: float
    constraint_ns: float
    synthesis_ns: float
    scalar_bits_count: int
    domain_log2_max_count: int
    g1_mixed_addition_count: int
    g1_addition_count: int
    g2_mixed_addition_count: int
    g2_addition_count: int
    window_slope_percent: int
    window_offset_count: int
    transforms_count: int
    threads_max_count: int


@njit
def ceil_log2(value: int) -> int:
    """Smallest ``k`` with ``2**k >= value``; 0 for values below 2."""
    exponent = 0
    power = np.int64(1)
    while power < value:
        power <<= 1
        exponent += 1
    return exponent


@njit
def window_additions(scalars: float, bits: int, buckets: float) -> tuple[float, float]:
    """Mixed and full point additions of one window of ``bits`` bits over so many full-width scalars."""
    hits = scalars * (1.0 - 1.0 / float(np.int64(1) << bits))
    filled = buckets * (1.0 - math.exp(-hits / buckets))
    return hits - filled, buckets + filled


@njit
def msm_additions(size: int, full_ratio: float, ones_ratio: float, constants: CostConstants) -> tuple[float, float]:
    """Mixed and full point additions of one multi-scalar multiplication of ``size`` points."""
    mixed, full = ones_ratio * size, 0.0
    if size < 1 or full_ratio <= 0.0:
        return mixed, full
    window = constants.window_slope_percent * ceil_log2(size) // 100 + constants.window_offset_count
    windows = constants.scalar_bits_count // window
    rest = constants.scalar_bits_count % window
    if windows > 0:
        window_mixed, window_full = window_additions(full_ratio * size, window, float(np.int64(1) << (window - 1)))
        mixed += windows * window_mixed
        full += windows * window_full
    if rest > 0:
        rest_mixed, rest_full = window_additions(full_ratio * size, rest, float(np.int64(1) << rest))
        mixed += rest_mixed
        full += rest_full
    return mixed, full


@njit
def amdahl_ratio(cores: float, serial_ratio: float, threads_max: int) -> float:
    """Time on ``cores`` cores over the time on one; part of a core stretches the time."""
    threads = min(cores, float(threads_max))
    if threads <= 1.0:
        return 1.0 / threads
    return serial_ratio + (1.0 - serial_ratio) / threads


@njit
def operation_counts(
    constraints: IntArray,
    instance: IntArray,
    nonzeros_per_constraint: FloatArray,
    full_ratio: FloatArray,
    ones_ratio: FloatArray,
    constants: CostConstants,
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Operations of one proof at each design point.

    Parameters
    ----------
    constraints, instance : ndarray of int64, shape (n_points,)
        Constraints, and public inputs with the constant, of the circuit.
    nonzeros_per_constraint : ndarray of float64, shape (n_points,)
        Non-zero coefficients of the three matrices per constraint.
    full_ratio, ones_ratio : ndarray of float64, shape (n_points,)
        Share of witness scalars that are full-width, and that are exactly 1.
    constants : CostConstants
        The numbers of the model.

    Returns
    -------
    domain_log2 : ndarray of int64, shape (n_points,)
        log2 of the evaluation domain, whether or not the curve has one that large.
    multiplications, butterflies, nonzeros : ndarray of float64, shape (n_points,)
        Base-field multiplications, butterflies and coefficients; infinite where the domain is too large.
    """
    count = constraints.shape[0]
    domain_log2 = np.empty(count, np.int64)
    multiplications = np.empty(count, np.float64)
    butterflies = np.empty(count, np.float64)
    nonzeros = np.empty(count, np.float64)
    g1_mixed, g1_full = constants.g1_mixed_addition_count, constants.g1_addition_count
    g2_mixed, g2_full = constants.g2_mixed_addition_count, constants.g2_addition_count
    for i in range(count):
        size = int(constraints[i])
        log2_d = ceil_log2(size + int(instance[i]))
        domain_log2[i] = log2_d
        if log2_d > constants.domain_log2_max_count:
            multiplications[i] = np.inf
            butterflies[i] = np.inf
            nonzeros[i] = np.inf
            continue
        domain = np.int64(1) << log2_d
        h_mixed, h_full = msm_additions(int(domain) - 1, 1.0, 0.0, constants)
        mixed, full = msm_additions(size, full_ratio[i], ones_ratio[i], constants)
        multiplications[i] = h_mixed * g1_mixed + h_full * g1_full
        multiplications[i] += mixed * (3 * g1_mixed + g2_mixed) + full * (3 * g1_full + g2_full)
        butterflies[i] = float(constants.transforms_count) * float(domain) * 0.5 * log2_d
        nonzeros[i] = nonzeros_per_constraint[i] * size
    return domain_log2, multiplications, butterflies, nonzeros


@njit
def proof_seconds(
    constraints: IntArray,
    instance: IntArray,
    nonzeros_per_constraint: FloatArray,
    full_ratio: FloatArray,
    ones_ratio: FloatArray,
    cores: FloatArray,
    serial_ratio: FloatArray,
    time_factor: FloatArray,
    constants: CostConstants,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Seconds of one proof at each design point, on one core and on ``cores`` cores.

    Parameters
    ----------
    constraints, instance, nonzeros_per_constraint, full_ratio, ones_ratio
        As in :func:`operation_counts`.
    cores : ndarray of float64, shape (n_points,)
        Cores the proof may use, more than 0; may be a fraction.
    serial_ratio : ndarray of float64, shape (n_points,)
        Share of the one-core time that further cores do not shorten.
    time_factor : ndarray of float64, shape (n_points,)
        The prover's one-core time over that of arkworks.
    constants : CostConstants
        The numbers of the model.

    Returns
    -------
    domain_log2 : ndarray of int64, shape (n_points,)
        log2 of the evaluation domain.
    one_core_s, seconds : ndarray of float64, shape (n_points,)
        Seconds on one core and on ``cores``; infinite where the curve has no domain that large.
    """
    domain_log2, multiplications, butterflies, nonzeros = operation_counts(
        constraints, instance, nonzeros_per_constraint, full_ratio, ones_ratio, constants
    )
    count = constraints.shape[0]
    one_core_s = np.empty(count, np.float64)
    seconds = np.empty(count, np.float64)
    for i in range(count):
        total_ns = constants.multiplication_ns * multiplications[i] + constants.butterfly_ns * butterflies[i]
        total_ns = total_ns + constants.constraint_ns * constraints[i] + constants.synthesis_ns * nonzeros[i]
        one_core_s[i] = total_ns * 1e-9 * time_factor[i]
        seconds[i] = one_core_s[i] * amdahl_ratio(cores[i], serial_ratio[i], constants.threads_max_count)
    return domain_log2, one_core_s, seconds
