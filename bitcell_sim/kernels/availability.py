"""Down time of a mesh over thousands of simulated years, event by event; the twin is ``availability_plain``.

Each component (a process, a host, a zone, a region, the network as a whole) is up for an exponential time and faulty
for a lognormal one, for ever and independently of the others: it also runs, and may fail, while something else is down.
A fault takes the units of its mask. The mesh is in service while the units up have the quorum's stake and each group
(the backends, the balancers) has one up.

Times are whole microseconds, not nanoseconds: 10,000 years of nanoseconds do not fit in 64 bits.
"""

from __future__ import annotations

import math

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
def _serves(lost: int, stakes: np.ndarray, quorum_stake: int, group_masks: np.ndarray) -> bool:
    """Whether the mesh is in service with these units lost."""
    stake = 0
    for unit in range(len(stakes)):
        if not (lost >> unit) & 1:
            stake += stakes[unit]
    served = 0
    for group in group_masks:
        served += 1 if group & ~lost else 0
    return stake >= quorum_stake and served == len(group_masks)


@njit
def _lost_to(classes: int, faulty: np.ndarray, kinds: np.ndarray, unit_masks: np.ndarray) -> int:
    """Units lost to the active faults of some classes."""
    lost = 0
    for i in range(len(faulty)):
        if faulty[i] and (classes >> kinds[i]) & 1:
            lost |= unit_masks[i]
    return lost


@njit
def _fewest_classes(
    kind_count: int,
    faulty: np.ndarray,
    kinds: np.ndarray,
    unit_masks: np.ndarray,
    stakes: np.ndarray,
    quorum_stake: int,
    group_masks: np.ndarray,
) -> int:
    """Smallest set of classes whose active faults alone put the mesh out of service; of equal ones the first."""
    active = 0
    for i in range(len(faulty)):
        if faulty[i]:
            active |= 1 << kinds[i]
    best, fewest = active, kind_count + 1
    for classes in range(1 << kind_count):
        if classes & ~active:
            continue
        count = 0
        for kind in range(kind_count):
            count += (classes >> kind) & 1
        if count < fewest:
            lost = _lost_to(classes, faulty, kinds, unit_masks)
            if not _serves(lost, stakes, quorum_stake, group_masks):
                best, fewest = classes, count
    return best


@njit
def _doubled(array: np.ndarray) -> np.ndarray:
    grown = np.zeros(2 * len(array), dtype=np.int64)
    grown[: len(array)] = array
    return grown


@njit
def down_pieces(
    key: np.uint64,
    component_ids: np.ndarray,
    kinds: np.ndarray,
    unit_masks: np.ndarray,
    mtbf_us: np.ndarray,
    repair_median_us: np.ndarray,
    repair_sigma: np.ndarray,
    kind_count: int,
    stakes: np.ndarray,
    quorum_stake: int,
    group_masks: np.ndarray,
    horizon_us: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time out of service, microseconds, of a mesh whose components fail independently, in pieces of one cause.

    Parameters
    ----------
    key : uint64
        Key of the replication's draws.
    component_ids : ndarray of int64, shape (n_components,)
        Name of each component in the draws: its faults depend on the key and on this alone.
    kinds, unit_masks : ndarray of int64, shape (n_components,)
        Class of each component, from 0, and the units that a fault of it takes: bit i for unit i.
    mtbf_us, repair_median_us, repair_sigma : ndarray of float64, shape (n_components,)
        Mean microseconds from the end of a fault to the next onset (infinite: never); median microseconds of a fault,
        and the standard deviation of the logarithm of its duration.
    kind_count, quorum_stake : int
        Number of classes, few, as all their subsets are looked at while the mesh is down; least stake up.
    stakes : ndarray of int64, shape (n_units,)
        Stake of each unit, at most 62 of them.
    group_masks : ndarray of int64, shape (n_groups,)
        Units of each group, of which one must be up.
    horizon_us : int
        Simulated microseconds, below 2**61.

    Returns
    -------
    start_us, end_us, causes : ndarray of int64, shape (n_pieces,)
        Pieces of down time in the order of time; adjacent ones differ in cause, the smallest set of classes (bit i for
        class i) whose faults alone account for the piece; of several as small, the first in binary order.
    """
    count = len(component_ids)
    faulty = np.zeros(count, dtype=np.bool_)
    change_us, cycle = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for i in range(count):
        faulty[i], change_us[i] = first_change(key, component_ids[i], mtbf_us[i], repair_median_us[i], repair_sigma[i])
    start_us, end_us, causes = np.zeros(64, dtype=np.int64), np.zeros(64, dtype=np.int64), np.zeros(64, dtype=np.int64)
    pieces, now_us, every = 0, 0, (1 << kind_count) - 1
    while now_us < horizon_us:
        until_us = min(horizon_us, change_us.min()) if count > 0 else horizon_us
        if not _serves(_lost_to(every, faulty, kinds, unit_masks), stakes, quorum_stake, group_masks):
            cause = _fewest_classes(kind_count, faulty, kinds, unit_masks, stakes, quorum_stake, group_masks)
            if pieces > 0 and end_us[pieces - 1] == now_us and causes[pieces - 1] == cause:
                end_us[pieces - 1] = until_us
            else:
                if pieces == len(start_us):
                    start_us, end_us, causes = _doubled(start_us), _doubled(end_us), _doubled(causes)
                start_us[pieces], end_us[pieces], causes[pieces] = now_us, until_us, cause
                pieces += 1
        # Everything that changes at one instant changes before the mesh is looked at again.
        for i in range(count):
            if change_us[i] == until_us:
                faulty[i] = not faulty[i]
                times = (mtbf_us[i], repair_median_us[i], repair_sigma[i])
                change_us[i] += next_duration(key, component_ids[i], cycle[i], faulty[i], *times)
                cycle[i] += 0 if faulty[i] else 1
        now_us = until_us
    return start_us[:pieces], end_us[:pieces], causes[:pieces]
