"""The slow twin of :mod:`bitcell_sim.kernels.proof_time`: one design point at a time, in Python numbers."""

from __future__ import annotations

import math

import numpy as np

from bitcell_sim.kernels.proof_time import CostConstants, FloatArray, IntArray


def ceil_log2(value: int) -> int:
    """Smallest ``k`` with ``2**k >= value``; 0 for values below 2."""
    return max(int(value) - 1, 0).bit_length()


def msm_additions(size: int, full_ratio: float, ones_ratio: float, constants: CostConstants) -> tuple[float, float]:
    """Mixed and full point additions of one multi-scalar multiplication of ``size`` points."""
    mixed, full = ones_ratio * size, 0.0
    if size < 1 or full_ratio <= 0:
        return mixed, full
    window = constants.window_slope_percent * ceil_log2(size) // 100 + constants.window_offset_count
    windows, rest = divmod(constants.scalar_bits_count, window)
    for count, bits, buckets in ((windows, window, 2.0 ** (window - 1)), (1, rest, 2.0**rest)):
        if count and bits:
            hits = full_ratio * size * (1 - 2.0**-bits)
            filled = buckets * (1 - math.exp(-hits / buckets))
            mixed += count * (hits - filled)
            full += count * (buckets + filled)
    return mixed, full


def amdahl_ratio(cores: float, serial_ratio: float, threads_max: int) -> float:
    """Time on ``cores`` cores over the time on one; part of a core stretches the time."""
    threads = min(float(cores), float(threads_max))
    return 1.0 / threads if threads <= 1.0 else serial_ratio + (1.0 - serial_ratio) / threads


def operation_counts(
    constraints: IntArray,
    instance: IntArray,
    nonzeros_per_constraint: FloatArray,
    full_ratio: FloatArray,
    ones_ratio: FloatArray,
    constants: CostConstants,
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Operations of one proof at each design point; arguments and results as in the kernel."""
    rows = []
    g1_mixed, g1_full = constants.g1_mixed_addition_count, constants.g1_addition_count
    g2_mixed, g2_full = constants.g2_mixed_addition_count, constants.g2_addition_count
    points = zip(
        constraints.tolist(),
        instance.tolist(),
        nonzeros_per_constraint.tolist(),
        full_ratio.tolist(),
        ones_ratio.tolist(),
        strict=True,
    )
    for size, public, per_constraint, full, ones in points:
        log2_d = ceil_log2(size + public)
        if log2_d > constants.domain_log2_max_count:
            rows.append((log2_d, math.inf, math.inf, math.inf))
            continue
        h_mixed, h_full = msm_additions(2**log2_d - 1, 1.0, 0.0, constants)
        mixed, full_additions = msm_additions(size, full, ones, constants)
        multiplications = h_mixed * g1_mixed + h_full * g1_full
        multiplications += mixed * (3 * g1_mixed + g2_mixed) + full_additions * (3 * g1_full + g2_full)
        butterflies = constants.transforms_count * 2.0**log2_d / 2 * log2_d
        rows.append((log2_d, multiplications, butterflies, per_constraint * size))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.int64), table[:, 1].copy(), table[:, 2].copy(), table[:, 3].copy()


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
    """Seconds of one proof at each design point; arguments and results as in the kernel."""
    domain_log2, multiplications, butterflies, nonzeros = operation_counts(
        constraints, instance, nonzeros_per_constraint, full_ratio, ones_ratio, constants
    )
    one_core_s = []
    seconds = []
    for i in range(len(constraints)):
        total_ns = (
            constants.multiplication_ns * float(multiplications[i])
            + constants.butterfly_ns * float(butterflies[i])
            + constants.constraint_ns * float(constraints[i])
            + constants.synthesis_ns * float(nonzeros[i])
        )
        one_core = total_ns * 1e-9 * float(time_factor[i])
        one_core_s.append(one_core)
        seconds.append(one_core * amdahl_ratio(float(cores[i]), float(serial_ratio[i]), constants.threads_max_count))
    return domain_log2, np.array(one_core_s, dtype=np.float64), np.array(seconds, dtype=np.float64)
