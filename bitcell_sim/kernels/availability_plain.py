"""Slow twin of ``availability``: list every fault, cut time where anything changes, look at each piece from scratch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bitcell_sim.kernels.draws_plain import exponential, normal, uniform

_NEVER_US = 2**61


def whole_us(duration_us: float) -> int:
    """Round a duration to whole microseconds, from 1 to 2**61."""
    return _NEVER_US if duration_us >= _NEVER_US else max(1, math.floor(duration_us + 0.5))


def fault_intervals(
    key: int, component_id: int, mtbf_us: float, median_us: float, sigma: float, horizon_us: int
) -> list[tuple[int, int]]:
    """Start and end, microseconds, of each fault of one component that starts before the horizon."""
    intervals = []
    mean_us = median_us * math.exp(0.5 * sigma * sigma)
    if uniform(key, component_id, -1, 2) < mean_us / (mtbf_us + mean_us):
        biased_us = median_us * math.exp(sigma * sigma + sigma * normal(key, component_id, -1, 4))
        end_us = whole_us(biased_us * uniform(key, component_id, -1, 3))
        intervals.append((0, end_us))
        start_us = end_us + whole_us(mtbf_us * exponential(key, component_id, 0, 0))
        cycle = 1
    else:
        start_us = whole_us(mtbf_us * exponential(key, component_id, -1, 0))
        cycle = 0
    while start_us < horizon_us:
        end_us = start_us + whole_us(median_us * math.exp(sigma * normal(key, component_id, cycle, 1)))
        intervals.append((start_us, end_us))
        start_us = end_us + whole_us(mtbf_us * exponential(key, component_id, cycle, 0))
        cycle += 1
    return intervals


def serves(lost: set[int], stakes: list[int], quorum_stake: int, groups: list[set[int]]) -> bool:
    """Whether the mesh is in service with these units lost."""
    up = {unit for unit in range(len(stakes)) if unit not in lost}
    return sum(stakes[unit] for unit in up) >= quorum_stake and all(up & group for group in groups)


def down_pieces(
    key: int,
    component_ids: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    unit_masks: npt.NDArray[np.int64],
    mtbf_us: npt.NDArray[np.float64],
    repair_median_us: npt.NDArray[np.float64],
    repair_sigma: npt.NDArray[np.float64],
    kind_count: int,
    stakes: npt.NDArray[np.int64],
    quorum_stake: int,
    group_masks: npt.NDArray[np.int64],
    horizon_us: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pieces of time out of service and their causes; arguments and results as of the kernel."""
    components = range(len(component_ids))
    ids, means, medians, sigmas = (array.tolist() for array in (component_ids, mtbf_us, repair_median_us, repair_sigma))
    faults = [fault_intervals(key, ids[i], means[i], medians[i], sigmas[i], horizon_us) for i in components]
    taken = [_units(int(mask)) for mask in unit_masks]
    groups = [_units(int(mask)) for mask in group_masks]
    stake_of = stakes.tolist()

    def lost(active: Iterable[int]) -> set[int]:
        return {unit for i in active for unit in taken[i]}

    cuts = {0, horizon_us}
    cuts |= {moment for intervals in faults for interval in intervals for moment in interval if moment < horizon_us}
    pieces: list[tuple[int, int, int]] = []
    for start_us, end_us in itertools.pairwise(sorted(cuts)):
        active = [i for i in components if any(onset <= start_us < end for onset, end in faults[i])]
        if serves(lost(active), stake_of, quorum_stake, groups):
            continue
        candidates = [
            set(classes)
            for count in range(kind_count + 1)
            for classes in itertools.combinations(range(kind_count), count)
            if not serves(lost(i for i in active if kinds[i] in classes), stake_of, quorum_stake, groups)
        ]
        fewest = min(len(classes) for classes in candidates)
        cause = min(sum(2**kind for kind in classes) for classes in candidates if len(classes) == fewest)
        if pieces and pieces[-1][1:] == (start_us, cause):
            pieces[-1] = (pieces[-1][0], end_us, cause)
        else:
            pieces.append((start_us, end_us, cause))
    columns = np.array(pieces, dtype=np.int64).reshape(-1, 3).T
    return columns[0], columns[1], columns[2]


def _units(mask: int) -> set[int]:
    return {unit for unit in range(mask.bit_length()) if mask >> unit & 1}
