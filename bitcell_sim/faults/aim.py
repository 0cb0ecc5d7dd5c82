"""What a fault hits: its names, pairs and shares become nodes, uplinks and directed paths, and a line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.config import schema
from bitcell_sim.errors import InputError
from bitcell_sim.random_streams import Stream

if TYPE_CHECKING:
    import numpy.typing as npt

    Hits = npt.NDArray[np.bool_]

ALL = "all nodes"
_AIMS = ("node", "region", "target", "between", "groups", "share_ratio")


class Aim:
    """Finds what faults hit in one deployment; endpoints are the nodes, then one a region, its load balancer.

    Parameters
    ----------
    deployment : Deployment
        Nodes and regions.
    seed : int
        Seed of the run; shares are drawn from it.
    """

    def __init__(self, deployment: schema.Deployment, *, seed: int) -> None:
        self._ids = [node.id for node in deployment.node]
        self._home = [node.region for node in deployment.node]
        self._regions = [region.name for region in deployment.region]
        self._draws = Stream.of(seed, "faults.share")

    def region(self, name: str) -> int:
        """Index of a region."""
        return self._regions.index(name)

    def nodes(self, number: int, fault: schema.Fault) -> list[int]:
        """Nodes that a fault of nodes, machines, clocks or a region hits, ascending."""
        share = getattr(fault, "share_ratio", None)
        if share is not None:
            return self._drawn(number, share)
        names = [name for key in ("node", "region", "target") if (name := getattr(fault, key, None)) is not None]
        return sorted({end for name in names for end in self._ends(name) if end < len(self._ids)})

    def uplinks(self, number: int, fault: schema.BandwidthFault) -> list[int]:
        """Endpoints whose uplinks a fault limits: of a region its load balancer's too."""
        return self.nodes(number, fault) if fault.target is None else self._ends(fault.target)

    def paths(self, number: int, fault: schema.Partition | schema.LinkFault) -> Hits:
        """Directed paths that a fault hits.

        Returns
        -------
        ndarray of bool, shape (endpoints, endpoints)
            By source and target.
        """
        hit: Hits = np.zeros((self._count, self._count), np.bool_)
        if isinstance(fault, schema.Partition):
            groups = self._groups(number, fault)
            for place, group in enumerate(groups):
                for other in groups[:place] + groups[place + 1 :]:
                    if place == 0 or not fault.one_way:
                        hit[np.ix_(group, other)] = True
            return hit
        sources, targets = self._sides(number, fault)
        hit[np.ix_(sources, targets)] = True
        np.fill_diagonal(hit, False)
        return hit if fault.one_way else hit | hit.T

    def name(self, number: int, fault: schema.Fault) -> str:
        """What a fault hits, for people: ``us-east|eu-central``, ``us-east-1+us-west-2``, ``all nodes``."""
        if isinstance(fault, schema.LoadSurge):
            return "clients"
        if isinstance(fault, schema.Partition) and fault.groups:
            return "|".join("+".join(group) for group in fault.groups)
        if isinstance(fault, schema.LinkFault) and fault.between:
            return "|".join(fault.between)
        named = [name for key in ("node", "region", "target") if (name := getattr(fault, key, None)) is not None]
        if named:
            return str(named[0])
        nodes = self.nodes(number, fault)
        return ALL if len(nodes) == len(self._ids) else "+".join(self._ids[node] for node in nodes)

    def parts(self, number: int, fault: schema.Fault) -> list[schema.Fault]:
        """The fault itself, or one of each node where nodes go one after another.

        Raises
        ------
        InputError
            If it hits nothing, or names two things, which only a fault made in Python can.
        """
        self._check(number, fault)
        if not isinstance(fault, schema.NodeFault):
            return [fault]
        nodes = self.nodes(number, fault)
        apart = fault.ramp_s / (len(nodes) - 1) if len(nodes) > 1 else 0.0
        alone = {"region": None, "share_ratio": None, "ramp_s": 0.0}
        return [
            fault.model_copy(update=alone | {"node": self._ids[node], "start_s": fault.start_s + place * apart})
            for place, node in enumerate(nodes)
        ]

    @property
    def _count(self) -> int:
        return len(self._ids) + len(self._regions)

    def _drawn(self, number: int, share: float) -> list[int]:
        """Nodes of a share: those with the smallest draws."""
        order = sorted(range(len(self._ids)), key=lambda node: self._draws.uniform(node, number))
        return sorted(order[: round(share * len(self._ids))])

    def _ends(self, name: str) -> list[int]:
        """Endpoints of a node, or of a region: its nodes and its load balancer."""
        if name in self._ids:
            return [self._ids.index(name)]
        nodes = [node for node, home in enumerate(self._home) if home == name]
        return [*nodes, len(self._ids) + self._regions.index(name)]

    def _groups(self, number: int, fault: schema.Partition) -> list[list[int]]:
        if fault.groups:
            return [[end for name in group for end in self._ends(name)] for group in fault.groups]
        chosen = self.nodes(number, fault)
        return [chosen, [end for end in range(self._count) if end not in chosen]]

    def _sides(self, number: int, fault: schema.LinkFault) -> tuple[list[int], list[int]]:
        everyone = list(range(self._count))
        if fault.between is not None:
            return self._ends(fault.between[0]), self._ends(fault.between[1])
        if fault.target is not None:
            inside = self._ends(fault.target)
            return inside, [end for end in everyone if end not in inside]
        return self.nodes(number, fault), everyone

    def _check(self, number: int, fault: schema.Fault) -> None:
        what = f"fault {number} ({fault.kind})"
        known = {*self._ids, *self._regions}
        between, groups = getattr(fault, "between", None) or (), getattr(fault, "groups", None) or ()
        named = [getattr(fault, key, None) for key in ("node", "region", "target")]
        names = [*filter(None, named), *between, *(name for group in groups for name in group)]
        for name in names:
            if name not in known:
                raise InputError(f"{what}: no region or node {name!r}; there are {', '.join(sorted(known))}")
        given = [key for key in _AIMS if getattr(fault, key, None)]
        possible = [key for key in _AIMS if hasattr(fault, key)]
        if possible and len(given) != 1:
            raise InputError(f"{what}: hits {' and '.join(given) or 'nothing'}; give one of {', '.join(possible)}")
        if given == ["share_ratio"] and not self.nodes(number, fault):
            raise InputError(f"{what}: share_ratio {fault.share_ratio} of {len(self._ids)} nodes is none")  # type: ignore[union-attr]
        if isinstance(fault, schema.Gradual) and fault.duration_s is not None and 2 * fault.ramp_s > fault.duration_s:
            raise InputError(
                f"{what}: ramp_s {fault.ramp_s:g} up and down is longer than duration_s {fault.duration_s:g}"
            )
