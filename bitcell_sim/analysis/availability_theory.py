"""Long-run availability in closed form, by enumerating states: what the simulated years must come to.

Shares nothing with the kernel but the list of components, so the two check each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bitcell_sim.errors import InputError

KINDS = ("process", "host", "zone", "region", "global")
US_PER_S = 1_000_000
US_PER_H = 3600 * US_PER_S
MONTH_H = 730
_MAX_SHARED = 20
_MAX_NODES = 62


class FaultClassLike(Protocol):
    """Onsets and repairs of one class of fault, as a table of ``models/faults/`` says them."""

    @property
    def mtbf_h(self) -> float:
        """Mean hours from the end of a fault to the next onset."""

    @property
    def repair_median_s(self) -> float:
        """Median seconds of a fault."""

    @property
    def repair_sigma(self) -> float:
        """Standard deviation of the logarithm of a fault's duration."""


class FaultRatesLike(Protocol):
    """The five classes of fault."""

    @property
    def process(self) -> FaultClassLike:
        """A node's process crashes."""

    @property
    def host(self) -> FaultClassLike:
        """A node's machine is lost."""

    @property
    def zone(self) -> FaultClassLike:
        """A node's zone is lost; each node is taken to be alone in its zone."""

    @property
    def region(self) -> FaultClassLike:
        """A region is lost with all its nodes."""

    @property
    def global_(self) -> FaultClassLike:
        """The network between all regions fails: no quorum while it lasts."""


@dataclass(frozen=True)
class Component:
    """One thing that fails and is repaired, independently of every other.

    Parameters
    ----------
    kind : int
        Index into ``KINDS``.
    entity : int
        Index of the node or the region; 0 for the network as a whole. With `kind` it names the component's draws.
    nodes : tuple of int
        Indices of the nodes that its fault takes.
    mtbf_h : float
        Mean hours from the end of a fault to the next onset; infinite if it never fails.
    repair_median_s : float
        Median seconds of a fault (lognormal).
    repair_sigma : float
        Standard deviation of the logarithm of a fault's duration.
    """

    kind: int
    entity: int
    nodes: tuple[int, ...]
    mtbf_h: float
    repair_median_s: float
    repair_sigma: float

    def __post_init__(self) -> None:
        if not 0 <= self.kind < len(KINDS):
            raise InputError(f"kind is {self.kind}; it must be an index into {KINDS}")
        if not self.mtbf_h > 0:
            raise InputError(f"mtbf_h of {self.name} is {self.mtbf_h}; it must be above 0 hours")
        if not 0 < self.repair_median_s < math.inf:
            raise InputError(f"repair_median_s of {self.name} is {self.repair_median_s}; it must be above 0 seconds")
        if not 0 <= self.repair_sigma < math.inf:
            raise InputError(f"repair_sigma of {self.name} is {self.repair_sigma}; it must be 0 or more")

    @property
    def name(self) -> str:
        """Class and index, such as ``region 2``."""
        return f"{KINDS[self.kind]} {self.entity}"

    @property
    def fault_probability(self) -> float:
        """Share of time with the fault active: R / (M + R), with R = median * exp(sigma**2 / 2), a lognormal's mean."""
        mean_repair_h = self.repair_median_s / 3600 * math.exp(self.repair_sigma**2 / 2)
        return mean_repair_h / (self.mtbf_h + mean_repair_h)


@dataclass(frozen=True)
class Mesh:
    """Nodes, and when they make a working whole.

    Parameters
    ----------
    components : tuple of Component
        Everything that can fail.
    node_count : int
        Number of nodes.
    quorum_count : int
        Least number of nodes that must be up.
    serving : tuple of int
        Indices of the nodes that are backends for clients; one of them must be up.
    """

    components: tuple[Component, ...]
    node_count: int
    quorum_count: int
    serving: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.node_count <= _MAX_NODES:
            raise InputError(f"node_count is {self.node_count}; it must be from 1 to {_MAX_NODES}")
        if not 0 <= self.quorum_count <= self.node_count:
            raise InputError(f"quorum_count is {self.quorum_count}; it must be from 0 to {self.node_count} nodes")
        for index in itertools.chain(self.serving, *(component.nodes for component in self.components)):
            if not 0 <= index < self.node_count:
                raise InputError(f"node index {index} is outside the mesh of {self.node_count} nodes")

    def kernel_arguments(self, horizon_h: float, month_h: float = MONTH_H) -> tuple[object, ...]:
        """Arguments of ``kernels.availability.long_run`` after the key.

        Parameters
        ----------
        horizon_h : float
            Simulated hours.
        month_h : float
            Hours of a month of the monthly down time.

        Returns
        -------
        tuple
            The component arrays, the mesh and the times, in the kernel's order.
        """
        horizon_us, month_us = round(horizon_h * US_PER_H), round(month_h * US_PER_H)
        if not 1 <= horizon_us < 2**61:
            raise InputError(f"horizon_h is {horizon_h}; it must be above 0 and below 6e8 hours (73,000 years)")
        if month_us < 1:
            raise InputError(f"month_h is {month_h}; it must be above 0 hours")
        parts = self.components
        ids = np.array([part.kind * 2**32 + part.entity for part in parts], dtype=np.int64)
        return (
            ids,
            np.array([part.kind for part in parts], dtype=np.int64),
            np.array([_mask(part.nodes) for part in parts], dtype=np.int64),
            np.array([part.mtbf_h * US_PER_H for part in parts], dtype=np.float64),
            np.array([part.repair_median_s * US_PER_S for part in parts], dtype=np.float64),
            np.array([part.repair_sigma for part in parts], dtype=np.float64),
            len(KINDS),
            self.node_count,
            _mask(self.serving),
            self.quorum_count,
            horizon_us,
            month_us,
        )


def build_mesh(
    rates: FaultRatesLike, region_of_node: Sequence[int], quorum_count: int, serving: Iterable[int] | None = None
) -> Mesh:
    """Components of a deployment: process, host and zone for each node, each region, and the network.

    Parameters
    ----------
    rates : FaultRatesLike
        The five classes; ``config.schema.FaultRates`` is one.
    region_of_node : sequence of int, length n_nodes
        Index of each node's region.
    quorum_count : int
        Least number of nodes that must be up.
    serving : iterable of int, optional
        Nodes that are backends; all of them by default.

    Returns
    -------
    Mesh
        What the kernel and the closed form both take.
    """
    count = len(region_of_node)
    targets: list[tuple[int, FaultClassLike, int, tuple[int, ...]]] = []
    for kind, one_node in enumerate((rates.process, rates.host, rates.zone)):
        targets += [(kind, one_node, node, (node,)) for node in range(count)]
    for region in sorted(set(region_of_node)):
        nodes = tuple(node for node in range(count) if region_of_node[node] == region)
        targets.append((3, rates.region, region, nodes))
    targets.append((4, rates.global_, 0, tuple(range(count))))
    components = tuple(
        Component(kind, entity, nodes, rate.mtbf_h, rate.repair_median_s, rate.repair_sigma)
        for kind, rate, entity, nodes in targets
    )
    return Mesh(components, count, quorum_count, tuple(range(count)) if serving is None else tuple(serving))


def steady_availability(mesh: Mesh) -> float:
    """Share of time that a mesh is up in the long run, by enumeration of states.

    Parameters
    ----------
    mesh : Mesh
        Components, quorum and backends.

    Returns
    -------
    float
        Probability that the quorum and a backend are up.

    Notes
    -----
    Every state of the components that take several nodes (regions, the network) is enumerated; given one, the nodes
    left are independent, and the number up is summed exactly, node by node.

    Raises
    ------
    InputError
        If more than 20 components take several nodes each.
    """
    shared = [part for part in mesh.components if len(part.nodes) > 1]
    if len(shared) > _MAX_SHARED:
        raise InputError(f"{len(shared)} components take several nodes each; at most {_MAX_SHARED} can be enumerated")
    node_up = np.ones(mesh.node_count)
    for part in mesh.components:
        if len(part.nodes) == 1:
            node_up[part.nodes[0]] *= 1.0 - part.fault_probability
    terms = []
    for state in itertools.product((False, True), repeat=len(shared)):
        weight = 1.0
        left = node_up.copy()
        for part, faulty in zip(shared, state, strict=True):
            weight *= part.fault_probability if faulty else 1.0 - part.fault_probability
            if faulty:
                left[list(part.nodes)] = 0.0
        terms.append(weight * _works(left, mesh))
    return math.fsum(terms)


def _works(node_up: npt.NDArray[np.float64], mesh: Mesh) -> float:
    """Probability of quorum and a backend for independent nodes: a sum over (number up, whether a backend is up)."""
    states = np.zeros((mesh.node_count + 1, 2))
    states[0, 0] = 1.0
    for node, probability in enumerate(node_up):
        after = states * (1.0 - probability)
        if node in mesh.serving:
            after[1:, 1] += (states[:-1, 0] + states[:-1, 1]) * probability
        else:
            after[1:] += states[:-1] * probability
        states = after
    return float(states[mesh.quorum_count :, 1].sum())


def _mask(nodes: Iterable[int]) -> int:
    return sum(1 << node for node in set(nodes))
