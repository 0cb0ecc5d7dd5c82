"""Long-run availability in closed form, by enumerating states: what the simulated years must come to.

Shares nothing with the kernel but the list of components, so the two check each other.
"""

from __future__ import annotations

import math

from bitcell_sim.analysis.availability_mesh import Mesh, mask_of
from bitcell_sim.errors import InputError

_MAX_STATES = 1 << 16


def steady_availability(mesh: Mesh) -> float:
    """Share of time that a mesh is in service in the long run.

    Parameters
    ----------
    mesh : Mesh
        Components, quorum and groups.

    Returns
    -------
    float
        Probability that the quorum and one of each group are up.

    Notes
    -----
    What components that take several units (zones, regions, the network) leave standing is enumerated exactly, set by
    set; given one, the other components take one unit each, so the units are independent and are summed one by one
    over (stake up, groups with one up).

    Raises
    ------
    InputError
        If there are more than 65,536 sets.
    """
    alone = [1.0] * len(mesh.stakes)
    lost = {0: 1.0}  # probability of each set of units that shared components have taken
    for part in mesh.components:
        fault = part.fault_probability
        if len(part.units) == 1:
            alone[part.units[0]] *= 1.0 - fault
            continue
        taken = mask_of(part.units)
        after: dict[int, float] = {}
        for units, weight in lost.items():
            after[units] = after.get(units, 0.0) + weight * (1.0 - fault)
            after[units | taken] = after.get(units | taken, 0.0) + weight * fault
        lost = after
        if len(lost) > _MAX_STATES:
            raise InputError(f"more than {_MAX_STATES} sets of units can be lost together; the closed form ends there")
    return math.fsum(weight * _works(mesh, alone, units) for units, weight in lost.items() if weight > 0.0)


def _works(mesh: Mesh, alone: list[float], lost: int) -> float:
    """Probability of quorum and groups for independent units, some of them lost for certain."""
    states = {(0, 0): 1.0}
    for unit, stake in enumerate(mesh.stakes):
        if lost >> unit & 1:
            continue
        groups = sum(1 << place for place, group in enumerate(mesh.groups) if unit in group)
        after: dict[tuple[int, int], float] = {}
        for (up, served), weight in states.items():
            after[up, served] = after.get((up, served), 0.0) + weight * (1.0 - alone[unit])
            risen = (up + stake, served | groups)
            after[risen] = after.get(risen, 0.0) + weight * alone[unit]
        states = after
    every = (1 << len(mesh.groups)) - 1
    return math.fsum(weight for (up, served), weight in states.items() if up >= mesh.quorum_stake and served == every)
