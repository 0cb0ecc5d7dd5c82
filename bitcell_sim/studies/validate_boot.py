"""The nine checks of the documents' validation script, asked of a deployment that has just booted in the simulator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.config.schema import Scenario, Service
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.errors import InputError
from bitcell_sim.network.topology import settled_peers
from bitcell_sim.network.transport import Kind
from bitcell_sim.studies.ping import pings
from bitcell_sim.studies.plan import round_s
from bitcell_sim.studies.validate import Finding
from bitcell_sim.units import NS_PER_MS

if TYPE_CHECKING:
    from bitcell_sim.engine.outcome import Outcome

SAMPLE_S = 15.0
MARGIN_S = 30.0  # beyond the first round
SERVICES = ("prometheus", "grafana", "alertmanager", "haproxy")
ANSWERED_SHARE_MIN = 0.8
PING_COUNT = 10
PROBE, PROBE_BYTES = 0, 100  # one small message; the run is over, so its name meets no other


@dataclass(frozen=True)
class Boot:
    """A deployment after its first round.

    Parameters
    ----------
    scenario : Scenario
        What was booted, with those of its faults that begin before the end.
    simulation : Simulation
        Its state at the end.
    outcome : Outcome
        What happened.
    seed : int
        Seed of the boot.
    """

    scenario: Scenario
    simulation: Simulation
    outcome: Outcome
    seed: int

    def round_trip_ms(self, source: int, target: int) -> float | None:
        """Milliseconds of one message there and one back between two endpoints; None if either is cut off."""
        mesh = self.simulation.mesh
        total_ns = 0
        for one, other in ((source, target), (target, source)):
            (arrival_ns,) = mesh.transport.arrivals_ns(Kind.ANNOUNCE, one, [other], PROBE, PROBE_BYTES)
            if arrival_ns < 0:
                return None
            total_ns += arrival_ns - mesh.now
        return total_ns / NS_PER_MS


def boot(scenario: Scenario, *, seed: int) -> Boot:
    """Run a deployment from a cold start through its first round."""
    length = round_s(scenario) + MARGIN_S
    early = tuple(fault for fault in scenario.fault if fault.start_s < length)
    short = scenario.model_copy(update={"duration_s": length, "fault": early})
    simulation = Simulation(short, seed=seed, sample_interval_s=SAMPLE_S)
    return Boot(short, simulation, simulation.run(), seed)


def check(scenario: Scenario, *, seed: int) -> Iterator[Finding]:
    """Nine findings, in the order of the documents."""
    try:
        booted = boot(scenario, seed=seed)
    except InputError as error:
        yield Finding("error", "boot: simulator ready", f"does not boot: {error}", "what the finding above says")
        return
    yield _ready(booted)
    yield _running(booted)
    yield _health(booted)
    yield _metrics(booted)
    for name in SERVICES:
        yield _service(booted, name)
    yield _network(booted)


def _ready(booted: Boot) -> Finding:
    """Stands for "Docker and Docker Compose installed"."""
    outcome = booted.outcome
    where = "boot: simulator ready"
    if outcome.violations:
        return Finding(
            "error", where, "; ".join(f"{v.property}: {v.detail}" for v in outcome.violations), "a fault of the chain"
        )
    counts = outcome.counts
    faults = f", {len(booted.scenario.fault)} faults of the scenario among it" if booted.scenario.fault else ""
    what = (
        f"{outcome.simulated_s:.0f} s simulated{faults}: {counts['transactions']} transactions sent and accounted for,"
        f" {counts['blocks']} blocks, no safety violation"
    )
    return Finding("ok", where, what)


def _names(booted: Boot, indices: list[int]) -> str:
    return ", ".join(booted.scenario.deployment.node[index].id for index in indices)


def _running(booted: Boot) -> Finding:
    where = "boot: infrastructure running"
    mesh = booted.simulation.mesh
    down = [node.index for node in mesh.nodes if not mesh.is_up(node.index)]
    total = len(mesh.nodes)
    if down:
        what = f"{total - len(down)} of {total} nodes are up; {_names(booted, down)} is not"
        return Finding("error", where, what, "look at the faults of the scenario")
    heights = sorted({node.head.height for node in mesh.nodes})
    final = min(node.final.height for node in mesh.nodes)
    if heights[-1] < 1:
        what = f"all {total} nodes are up, but none has a block after {booted.outcome.simulated_s:.0f} s"
        return Finding("error", where, what, "look at the round's phases and at the quorum")
    spread = f"height {heights[0]}" if len(heights) == 1 else f"heights {heights[0]} to {heights[-1]}"
    return Finding("ok", where, f"all {total} nodes are up, at {spread}, final up to {final}")


def _health(booted: Boot) -> Finding:
    where = "boot: health endpoints responding"
    deployment = booted.scenario.deployment
    total = len(deployment.node)
    down = [index for index in range(total) if not booted.simulation.balancing.serves(index)]
    if down:
        what = f"the load balancers take {total - len(down)} of {total} nodes for up; not {_names(booted, down)}"
        return Finding("error", where, what, "look at health_port, health_path and the faults of the scenario")
    balancer = deployment.load_balancer
    asked = f"{balancer.health_path} on the {balancer.health_port} port"
    return Finding("ok", where, f"every load balancer takes all {total} nodes for up ({asked})")


def _metrics(booted: Boot) -> Finding:
    where = "boot: metrics endpoints available"
    samples = booted.outcome.tables["samples"]
    answered = samples[samples["up"] == 1].groupby("node", observed=False).size()
    wanted = math.ceil(booted.scenario.duration_s / SAMPLE_S)
    silent = [str(name) for name, count in answered.items() if count == 0]
    gaps = [f"{name} {count} of {wanted}" for name, count in answered.items() if 0 < count < wanted]
    if silent:
        return Finding("error", where, f"no sample from {', '.join(silent)}", "look at the faults of the scenario")
    if gaps:
        return Finding(
            "warning", where, f"samples are missing: {', '.join(gaps)}", "look at the faults of the scenario"
        )
    return Finding("ok", where, f"{wanted} samples from each of {len(answered)} nodes, one every {SAMPLE_S:g} s")


def _service(booted: Boot, name: str) -> Finding:
    where = f"boot: {name} accessible"
    deployment = booted.scenario.deployment
    found = [service for service in deployment.service if service.name == name]
    if not found:
        known = ", ".join(service.name for service in deployment.service) or "none"
        return Finding(
            "error", where, f"no service {name!r} is declared; declared: {known}", f"add a [[service]] {name!r}"
        )
    service = found[0]
    ports = [port for other in deployment.service if other.host == service.host for port in other.ports]
    twice = sorted({port for port in service.ports if ports.count(port) > 1})
    if twice:
        return Finding("error", where, f"port {twice[0]} of {service.host} is wanted twice", "another port")
    reached, unreached, longest_ms = _ways_to(booted, service)
    stands = f"{service.url} on {service.host} in {service.region}"
    if unreached:
        what = f"{stands} cannot be reached from {_names(booted, unreached)}"
        return Finding("error", where, what, "look at the partitions of the scenario")
    return Finding("ok", where, f"{stands}, reached from {reached} nodes, {longest_ms:.0f} ms and less")


def _ways_to(booted: Boot, service: Service) -> tuple[int, list[int], float]:
    """Nodes that reach a service's region, those that do not, and the longest round trip, milliseconds."""
    deployment = booted.scenario.deployment
    n = len(deployment.node)
    there = n + [region.name for region in deployment.region].index(service.region)
    times_ms = [booted.round_trip_ms(node, there) for node in range(n)]
    answered = [time for time in times_ms if time is not None]
    return len(answered), [node for node, time in enumerate(times_ms) if time is None], max(answered, default=0.0)


def _network(booted: Boot) -> Finding:
    """Stands for "Docker network configured": peers, pings, and nothing faster than light."""
    where = "boot: network configured"
    scenario, mesh = booted.scenario, booted.simulation.mesh
    wanted = settled_peers(scenario.deployment)
    short = [node.index for node in mesh.nodes if len(mesh.peers(node.index)) < int(wanted[node.index].sum())]
    if short:
        counts = ", ".join(
            f"{scenario.deployment.node[i].id} {len(mesh.peers(i))} of {int(wanted[i].sum())}" for i in short
        )
        return Finding("error", where, f"peers are missing: {counts}", "look at the bootstrap lists and the faults")
    n = len(scenario.deployment.node)
    worst_share, fastest = 1.0, math.inf
    for ping in pings(scenario, list(range(n)), list(range(n)), seed=booted.seed, count=PING_COUNT):
        answered = ping.rtt_ms[~np.isnan(ping.rtt_ms)]
        worst_share = min(worst_share, answered.size / ping.rtt_ms.size)
        if ping.floor_ms and answered.size:
            fastest = min(fastest, float(answered.min()) / ping.floor_ms)
    pairs = n * (n - 1)
    if fastest < 1.0:
        return Finding(
            "error", where, f"a ping took {fastest:.2f} of what light in fibre needs", "another latency matrix"
        )
    if worst_share < ANSWERED_SHARE_MIN:
        return Finding(
            "warning", where, f"a pair answered only {worst_share:.0%} of its pings", "look at loss_probability"
        )
    light = (
        f"none under {fastest:.2f} times light in fibre"
        if math.isfinite(fastest)
        else "no distances to hold them against"
    )
    what = (
        f"all {int(wanted.sum()) // 2} connections stand, {PING_COUNT} pings on each of {pairs} pairs answered, {light}"
    )
    return Finding("ok", where, what)
