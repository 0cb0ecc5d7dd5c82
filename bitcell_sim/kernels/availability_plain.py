"""Slow twin of ``availability``: list every fault, cut time where anything changes, look at each piece from scratch."""

from __future__ import annotations

import itertools
import math

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


def long_run(
    key: int,
    component_ids: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    node_masks: npt.NDArray[np.int64],
    mtbf_us: npt.NDArray[np.float64],
    repair_median_us: npt.NDArray[np.float64],
    repair_sigma: npt.NDArray[np.float64],
    kind_count: int,
    node_count: int,
    serving_mask: int,
    quorum_count: int,
    horizon_us: int,
    month_us: int,
) -> tuple[int, npt.NDArray[np.int64], int, int, npt.NDArray[np.int64]]:
    """Up and down time of a mesh whose components fail independently; arguments and results as of the kernel."""
    components = range(len(component_ids))
    ids, means, medians, sigmas = (array.tolist() for array in (component_ids, mtbf_us, repair_median_us, repair_sigma))
    faults = [fault_intervals(key, ids[i], means[i], medians[i], sigmas[i], horizon_us) for i in components]
    month_count = -(-horizon_us // month_us)
    cuts = {0, horizon_us} | {month * month_us for month in range(month_count)}
    cuts |= {moment for intervals in faults for interval in intervals for moment in interval if moment < horizon_us}
    moments = sorted(cuts)

    up_us = 0
    down_us_by_causes = [0] * 2**kind_count
    down_us_by_month = [0] * month_count
    episodes: list[tuple[int, int]] = []
    for start_us, end_us in itertools.pairwise(moments):
        active = [i for i in components if any(onset <= start_us < end for onset, end in faults[i])]
        up_nodes = [node for node in range(node_count) if not any((int(node_masks[i]) >> node) & 1 for i in active)]
        if len(up_nodes) >= quorum_count and any((serving_mask >> node) & 1 for node in up_nodes):
            up_us += end_us - start_us
            continue
        down_us_by_causes[sum(2**kind for kind in {int(kinds[i]) for i in active})] += end_us - start_us
        down_us_by_month[start_us // month_us] += end_us - start_us
        if episodes and episodes[-1][1] == start_us:
            episodes[-1] = (episodes[-1][0], end_us)
        else:
            episodes.append((start_us, end_us))
    return (
        up_us,
        np.array(down_us_by_causes, dtype=np.int64),
        len(episodes),
        max((end_us - start_us for start_us, end_us in episodes), default=0),
        np.array(down_us_by_month, dtype=np.int64),
    )
