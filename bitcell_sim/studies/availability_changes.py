"""What might be changed about a deployment for its uptime: nodes, regions, restarts, load balancers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitcell_sim.analysis.availability_mesh import PER_REGION
from bitcell_sim.config.deployment import Deployment, Node, Region
from bitcell_sim.config.schema import Scenario

RECOVERY = "node_recovery"
BALANCER = "haproxy"
_NEW_REGION = "another-region"


@dataclass(frozen=True)
class Change:
    """One change, and the scenario with it.

    Parameters
    ----------
    name : str
        Short name.
    words : str
        What is changed, for people.
    scenario : Scenario
        As it would be, for long-run availability only: a new region has no measured latencies.
    """

    name: str
    words: str
    scenario: Scenario


def changes_of(scenario: Scenario) -> list[Change]:
    """Every change worth asking for, each alone."""
    return [*_restarts(scenario), *_nodes(scenario), *_balancers(scenario)]


def _restarts(scenario: Scenario) -> list[Change]:
    limit_s = next((target.limit for target in scenario.targets.target if target.id == RECOVERY), None)
    if limit_s is None:
        return []
    host = scenario.fault_rates.host
    faster = host.model_copy(update={"repair_median_s": min(limit_s, host.repair_median_s)})
    words = f"a lost machine is replaced in {limit_s:g} s instead of {host.repair_median_s:g} s (median)"
    rates = scenario.fault_rates.model_copy(update={"host": faster})
    return [Change(f"machines back in {limit_s:g} s", words, scenario.model_copy(update={"fault_rates": rates}))]


def _nodes(scenario: Scenario) -> list[Change]:
    deployment = scenario.deployment
    count = {region.name: sum(node.region == region.name for node in deployment.node) for region in deployment.region}
    smallest, largest = (min(count, key=lambda name: count[name]), max(count, key=lambda name: count[name]))
    title = next(region.title for region in deployment.region if region.name == smallest)
    fifth = (*deployment.region, Region(name=_NEW_REGION, title="Another region"))
    last = [node for node in deployment.node if node.region == largest][-1]
    moved = tuple(node.model_copy(update={"region": _NEW_REGION}) if node is last else node for node in deployment.node)
    here, there = _new_node(deployment, smallest, 1), _new_node(deployment, _NEW_REGION, 1)
    two = (there, _new_node(deployment, _NEW_REGION, 2))
    place = f"a region more ({len(fifth)})"
    variants: dict[str, tuple[str, dict[str, Any]]] = {
        f"a node more in {title}": (f"one node more in {title}", {"node": (*deployment.node, here)}),
        "a region more, one node": (f"{place} with one new node", {"node": (*deployment.node, there), "region": fifth}),
        "a region more, two nodes": (
            f"{place} with two new nodes",
            {"node": (*deployment.node, *two), "region": fifth},
        ),
        f"a region more, {last.id}": (f"{place} with {last.id}, moved there", {"node": moved, "region": fifth}),
        "a region for each node": ("every node in a region of its own", _each_alone(deployment)),
    }
    return [
        Change(name, words, scenario.model_copy(update={"deployment": deployment.model_copy(update=update)}))
        for name, (words, update) in variants.items()
    ]


def _each_alone(deployment: Deployment) -> dict[str, Any]:
    """Nodes that are not the first of their region, each moved to a new one."""
    nodes, regions = [], list(deployment.region)
    for place, node in enumerate(deployment.node):
        first = all(node.region != before.region for before in deployment.node[:place])
        nodes.append(node if first else node.model_copy(update={"region": f"{_NEW_REGION}-{node.id}"}))
        if not first:
            regions.append(Region(name=nodes[-1].region, title="Another region"))
    return {"node": tuple(nodes), "region": tuple(regions)}


def _new_node(deployment: Deployment, region: str, number: int) -> Node:
    """A node like the first, in a zone and on a machine of its own."""
    name = f"{region}-new-{number}"
    return deployment.node[0].model_copy(
        update={"id": name, "region": region, "zone": f"new-{number}", "host": name, "bootstrap": ()}
    )


def _balancers(scenario: Scenario) -> list[Change]:
    deployment = scenario.deployment
    balancer = deployment.load_balancer
    if balancer.placement == PER_REGION:
        own = (service.region for service in deployment.service if service.name == BALANCER)
        place = next(own, deployment.region[0].name)
        name, words = "a single load balancer", f"one load balancer, in {place}, instead of one in each region"
    else:
        place = PER_REGION
        name, words = "a balancer per region", f"a load balancer in each region instead of one in {balancer.placement}"
    update = {"load_balancer": balancer.model_copy(update={"placement": place})}
    return [Change(name, words, scenario.model_copy(update={"deployment": deployment.model_copy(update=update)}))]
