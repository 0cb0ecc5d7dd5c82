"""What of a deployment can fail, what each fault takes, and when the mesh is in service."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config.deployment import Deployment, Node
from bitcell_sim.config.fault import FaultClass, FaultRates
from bitcell_sim.errors import InputError

KINDS = ("process", "host", "zone", "region", "global", "region_pair", "balancer")
US_PER_S = 1_000_000
US_PER_H = 3600 * US_PER_S
MONTH_H = 730
PER_REGION = "per-region"
_MAX_UNITS = 62
_ID_STEP = 1 << 16  # more than a deployment has nodes, regions or zones

Row = tuple[str, FaultClass, int, Sequence[int]]  # class, rate, which of its kind, units it takes


@dataclass(frozen=True)
class Component:
    """One thing that fails and is repaired, independently of every other.

    Parameters
    ----------
    kind : int
        Index into ``KINDS``.
    entity : int
        Which of its kind. With `kind` it names the component's draws, so it must not depend on what else there is.
    units : tuple of int
        Indices of the units (nodes and balancers) that its fault takes.
    mtbf_h : float
        Mean hours from the end of a fault to the next onset; infinite if it never fails.
    repair_median_s : float
        Median seconds of a fault (lognormal).
    repair_sigma : float
        Standard deviation of the logarithm of a fault's duration.
    """

    kind: int
    entity: int
    units: tuple[int, ...]
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
        """Class and number, such as ``region 2``."""
        return f"{KINDS[self.kind]} {self.entity}"

    @property
    def mean_repair_s(self) -> float:
        """Mean seconds of a fault, median * exp(sigma**2 / 2)."""
        return self.repair_median_s * math.exp(self.repair_sigma**2 / 2)

    @property
    def met_repair_s(self) -> float:
        """Mean seconds of the fault that a random moment of down time falls into, median * exp(1.5 * sigma**2)."""
        return self.repair_median_s * math.exp(1.5 * self.repair_sigma**2)

    @property
    def fault_probability(self) -> float:
        """Share of time with the fault active: R / (M + R), with R the mean repair and M the mean time between."""
        mean_repair_h = self.mean_repair_s / 3600
        return mean_repair_h / (self.mtbf_h + mean_repair_h)


@dataclass(frozen=True)
class Mesh:
    """Units (nodes, then balancers), and when they make a service.

    Parameters
    ----------
    components : tuple of Component
        Everything that can fail.
    stakes : tuple of int
        Voting stake of each unit; 0 for one that does not vote.
    quorum_stake : int
        Least stake that must be up.
    groups : tuple of tuple of int
        Of each group of units one must be up: the backends, the balancers.
    """

    components: tuple[Component, ...]
    stakes: tuple[int, ...]
    quorum_stake: int
    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.stakes) <= _MAX_UNITS:
            raise InputError(f"{len(self.stakes)} nodes and balancers; there must be from 1 to {_MAX_UNITS}")
        if not 0 <= self.quorum_stake <= sum(self.stakes):
            raise InputError(f"quorum_stake is {self.quorum_stake}; it must be from 0 to {sum(self.stakes)}")
        for index in itertools.chain(*self.groups, *(component.units for component in self.components)):
            if not 0 <= index < len(self.stakes):
                raise InputError(f"unit {index} is outside the mesh of {len(self.stakes)}")

    def of_kinds(self, kinds: Iterable[str]) -> Mesh:
        """The same mesh if only these classes of fault occurred."""
        kept = {KINDS.index(kind) for kind in kinds}
        parts = tuple(part for part in self.components if part.kind in kept)
        return Mesh(parts, self.stakes, self.quorum_stake, self.groups)

    def kernel_arguments(self, horizon_h: float) -> tuple[object, ...]:
        """Arguments of ``kernels.availability.down_pieces`` after the key, for some simulated hours."""
        horizon_us = round(horizon_h * US_PER_H)
        if not 1 <= horizon_us < 2**61:
            raise InputError(f"horizon_h is {horizon_h}; it must be above 0 and below 6e8 hours (73,000 years)")
        parts = self.components
        return (
            np.array([part.kind << 32 | part.entity for part in parts], dtype=np.int64),
            np.array([part.kind for part in parts], dtype=np.int64),
            np.array([mask_of(part.units) for part in parts], dtype=np.int64),
            np.array([part.mtbf_h * US_PER_H for part in parts], dtype=np.float64),
            np.array([part.repair_median_s * US_PER_S for part in parts], dtype=np.float64),
            np.array([part.repair_sigma for part in parts], dtype=np.float64),
            len(KINDS),
            np.array(self.stakes, dtype=np.int64),
            self.quorum_stake,
            np.array([mask_of(group) for group in self.groups], dtype=np.int64),
            horizon_us,
        )


def mask_of(units: Iterable[int]) -> int:
    """Units as bits: bit i for unit i."""
    return sum(1 << unit for unit in set(units))


def build_mesh(deployment: Deployment, rates: FaultRates) -> Mesh:
    """Components of a deployment, and the quorum, the backend and the balancer that its service needs.

    Parameters
    ----------
    deployment : Deployment
        Nodes with their regions, zones, machines and stakes, and where load balancers stand.
    rates : FaultRates
        How often each class of fault comes and how long it lasts.

    Returns
    -------
    Mesh
        What the kernel and the closed form both take.

    Notes
    -----
    A balancer stands on a machine of its own in the zone of its region's first node (assumed). Clients reach any
    balancer that is up, and each of them every node: which clients a balancer serves makes no difference to whether
    some are served.
    """
    count = len(deployment.node)
    balanced = _balanced(deployment)
    rows = [*_machines(deployment.node, balanced, rates), *_places(deployment, balanced, rates)]
    rows.append(("global", rates.global_, 0, range(count + len(balanced))))
    parts = tuple(
        Component(KINDS.index(kind), entity, tuple(units), rate.mtbf_h, rate.repair_median_s, rate.repair_sigma)
        for kind, rate, entity, units in rows
        if units
    )
    stakes = tuple(node.stake for node in deployment.node)
    groups = (tuple(range(count)), tuple(range(count, count + len(balanced))))
    return Mesh(parts, stakes + (0,) * len(balanced), quorum_stake(stakes), groups)


def _balanced(deployment: Deployment) -> list[int]:
    """Regions with a load balancer; the first one's is the unit after the nodes."""
    placement = deployment.load_balancer.placement
    return [place for place, region in enumerate(deployment.region) if placement in (PER_REGION, region.name)]


def _machines(nodes: Sequence[Node], balanced: Sequence[int], rates: FaultRates) -> Iterator[Row]:
    """Processes and machines."""
    hosts: dict[str, list[int]] = {}
    for unit, node in enumerate(nodes):
        yield "process", rates.process, unit, (unit,)
        hosts.setdefault(node.host or node.address, []).append(unit)
    for units in hosts.values():
        yield "host", rates.host, units[0], units
    for unit, region in enumerate(balanced, start=len(nodes)):
        yield "balancer", rates.balancer, region, (unit,)
        yield "host", rates.host, _ID_STEP + region, (unit,)


def _places(deployment: Deployment, balanced: Sequence[int], rates: FaultRates) -> Iterator[Row]:
    """Zones, regions and pairs of regions, each with all that stands in it."""
    standing: list[list[int]] = []
    for index, region in enumerate(deployment.region):
        zones: dict[str, list[int]] = {}
        for unit, node in enumerate(deployment.node):
            if node.region == region.name:
                zones.setdefault(node.zone, []).append(unit)
        if index in balanced:
            first = next(iter(zones), "")
            zones.setdefault(first, []).append(len(deployment.node) + list(balanced).index(index))
        for number, units in enumerate(zones.values()):
            yield "zone", rates.zone, index * _ID_STEP + number, units
        standing.append(sorted(itertools.chain(*zones.values())))
        yield "region", rates.region, index, standing[-1]
    for one, other in itertools.combinations(range(len(standing)), 2):
        yield "region_pair", rates.region_pair, one * _ID_STEP + other, standing[one] + standing[other]
