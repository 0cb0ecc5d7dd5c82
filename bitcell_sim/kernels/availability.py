"""Availability of a mesh over thousands of simulated years, event by event; the twin is ``availability_plain``.

Each component (a process, a host, a zone, a region, the network as a whole) is up for an exponential time and faulty
for a lognormal one, for ever and independently of the others: it also runs, and may fail, while something else is down.
A fault takes the nodes of its mask. The mesh is up while enough nodes are up and one of them serves clients.

Times are whole microseconds, not nanoseconds: 10,000 years of nanoseconds do not fit in 64 bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bitcell_sim.kernels.compiling import njit
from bitcell_sim.kernels.draws import exponential, normal, uniform

_NEVER_US = 1 << 61
_NEVER_FLOAT_US = float(_NEVER_US)

# Last integer of a draw: which of a component's chances it is.
_UP_TIME = 0
_REPAIR = 1
_STARTS_FAULTY = 2
_LEFT_OF_REPAIR = 3
_FIRST_REPAIR = 4


@njit
def whole_us(duration_us: float) -> int:
    """Round a duration to whole microseconds: at least 1, and at most 2**61 (73,000 years), which stands for never."""
    if duration_us >= _NEVER_FLOAT_US:
        return _NEVER_US
    return max(1, math.floor(duration_us + 0.5))


@njit
def first_change(key: np.uint64, component_id: int, mtbf_us: float, median_us: float, sigma: float) -> tuple[bool, int]:
    """State of a component at time 0 and the time it leaves it, in microseconds.

    Returns
    -------
    faulty : bool
        Whether a fault is active at time 0.
    change_us : int
        When the component first changes.

    Notes
    -----
    Time 0 is a moment of the stationary process, so results have no warm-up: a fault is active with probability
    R / (M + R); what is left of it is a uniform share of a length-biased repair, which for a lognormal with
    parameters mu and s is lognormal with mu + s**2 and s.
    """
    mean_repair_us = median_us * math.exp(0.5 * sigma * sigma)
    if uniform(key, component_id, -1, _STARTS_FAULTY) < mean_repair_us / (mtbf_us + mean_repair_us):
        repair_us = median_us * math.exp(sigma * sigma + sigma * normal(key, component_id, -1, _FIRST_REPAIR))
        return True, whole_us(repair_us * uniform(key, component_id, -1, _LEFT_OF_REPAIR))
    return False, whole_us(mtbf_us * exponential(key, component_id, -1, _UP_TIME))


@njit
def next_duration(
    key: np.uint64, component_id: int, cycle: int, faulty: bool, mtbf_us: float, median_us: float, sigma: float
) -> int:
    """Microseconds that a component stays in the state it has just entered, in its given cycle."""
    if faulty:
        return whole_us(median_us * math.exp(sigma * normal(key, component_id, cycle, _REPAIR)))
    return whole_us(mtbf_us * exponential(key, component_id, cycle, _UP_TIME))


@njit
def _count_fault(step: int, node_mask: int, kind: int, faults_of_node: np.ndarray, faults_of_kind: np.ndarray) -> None:
    faults_of_kind[kind] += step
    for node in range(len(faults_of_node)):
        if (node_mask >> node) & 1:
            faults_of_node[node] += step


@njit
def _mesh_is_up(faults_of_node: np.ndarray, serving_mask: int, quorum_count: int) -> bool:
    up_count = 0
    serving_count = 0
    for node in range(len(faults_of_node)):
        if faults_of_node[node] == 0:
            up_count += 1
            serving_count += (serving_mask >> node) & 1
    return up_count >= quorum_count and serving_count >= 1


@njit
def _active_kinds(faults_of_kind: np.ndarray) -> int:
    mask = 0
    for kind in range(len(faults_of_kind)):
        if faults_of_kind[kind] > 0:
            mask |= 1 << kind
    return mask


@njit
def _add_to_months(start_us: int, end_us: int, month_us: int, down_us_by_month: np.ndarray) -> None:
    at_us = start_us
    while at_us < end_us:
        month = at_us // month_us
        until_us = min(end_us, (month + 1) * month_us)
        down_us_by_month[month] += until_us - at_us
        at_us = until_us


@njit
def _change_components(
    now_us: int,
    key: np.uint64,
    component_ids: np.ndarray,
    kinds: np.ndarray,
    node_masks: np.ndarray,
    mtbf_us: np.ndarray,
    repair_median_us: np.ndarray,
    repair_sigma: np.ndarray,
    faulty: np.ndarray,
    change_us: np.ndarray,
    cycle: np.ndarray,
    faults_of_node: np.ndarray,
    faults_of_kind: np.ndarray,
) -> None:
    for i in range(len(component_ids)):
        if change_us[i] == now_us:
            faulty[i] = not faulty[i]
            _count_fault(1 if faulty[i] else -1, node_masks[i], kinds[i], faults_of_node, faults_of_kind)
            change_us[i] = now_us + next_duration(
                key, component_ids[i], cycle[i], faulty[i], mtbf_us[i], repair_median_us[i], repair_sigma[i]
            )
            cycle[i] += 0 if faulty[i] else 1


@njit
def _observe(
    components: tuple[Any, ...],
    state: tuple[Any, ...],
    serving_mask: int,
    quorum_count: int,
    horizon_us: int,
    month_us: int,
) -> tuple[int, np.ndarray, int, int, np.ndarray]:
    _, change_us, _, faults_of_node, faults_of_kind = state
    down_us_by_causes = np.zeros(1 << len(faults_of_kind), dtype=np.int64)
    down_us_by_month = np.zeros((horizon_us + month_us - 1) // month_us, dtype=np.int64)
    now_us, up_us, episode_count, episode_us, longest_us = 0, 0, 0, 0, 0
    while now_us < horizon_us:
        until_us = min(horizon_us, change_us.min()) if len(change_us) > 0 else horizon_us
        if _mesh_is_up(faults_of_node, serving_mask, quorum_count):
            up_us += until_us - now_us
            episode_us = 0
        else:
            episode_count += 1 if episode_us == 0 else 0
            episode_us += until_us - now_us
            longest_us = max(longest_us, episode_us)
            down_us_by_causes[_active_kinds(faults_of_kind)] += until_us - now_us
            _add_to_months(now_us, until_us, month_us, down_us_by_month)
        # Everything that changes at one instant changes before the mesh is looked at again.
        _change_components(until_us, *components, *state)
        now_us = until_us
    return up_us, down_us_by_causes, episode_count, longest_us, down_us_by_month


@njit
def long_run(
    key: np.uint64,
    component_ids: np.ndarray,
    kinds: np.ndarray,
    node_masks: np.ndarray,
    mtbf_us: np.ndarray,
    repair_median_us: np.ndarray,
    repair_sigma: np.ndarray,
    kind_count: int,
    node_count: int,
    serving_mask: int,
    quorum_count: int,
    horizon_us: int,
    month_us: int,
) -> tuple[int, np.ndarray, int, int, np.ndarray]:
    """Up and down time, microseconds, of a mesh whose components fail independently.

    Parameters
    ----------
    key : uint64
        Key of the replication's draws.
    component_ids : ndarray of int64, shape (n_components,)
        Name of each component in the draws: its faults depend on the key and on this alone.
    kinds, node_masks : ndarray of int64, shape (n_components,)
        Class of each component, from 0, and the nodes that a fault of it takes: bit i for node i.
    mtbf_us, repair_median_us, repair_sigma : ndarray of float64, shape (n_components,)
        Mean microseconds from the end of a fault to the next onset (infinite: never); median microseconds of a fault,
        and the standard deviation of the logarithm of its duration.
    kind_count, node_count, serving_mask, quorum_count : int
        Number of classes and of nodes (at most 62 each); the nodes that serve clients; least number of nodes up.
    horizon_us, month_us : int
        Simulated microseconds, below 2**61, and the length of a month.

    Returns
    -------
    up_us : int
        Microseconds up; up and down add up to the horizon exactly.
    down_us_by_causes : ndarray of int64, shape (2**kind_count,)
        Microseconds down while exactly the classes of the index's bits had an active fault.
    episode_count, longest_us : int
        Number of maximal spans of down time, and the microseconds of the longest.
    down_us_by_month : ndarray of int64, shape (ceil(horizon_us / month_us),)
        Microseconds down in each month; the last may be partial.
    """
    count = len(component_ids)
    faulty = np.zeros(count, dtype=np.bool_)
    change_us = np.zeros(count, dtype=np.int64)
    faults_of_node = np.zeros(node_count, dtype=np.int64)
    faults_of_kind = np.zeros(kind_count, dtype=np.int64)
    for i in range(count):
        faulty[i], change_us[i] = first_change(key, component_ids[i], mtbf_us[i], repair_median_us[i], repair_sigma[i])
        if faulty[i]:
            _count_fault(1, node_masks[i], kinds[i], faults_of_node, faults_of_kind)
    components = (key, component_ids, kinds, node_masks, mtbf_us, repair_median_us, repair_sigma)
    state = (faulty, change_us, np.zeros(count, dtype=np.int64), faults_of_node, faults_of_kind)
    return _observe(components, state, serving_mask, quorum_count, horizon_us, month_us)
