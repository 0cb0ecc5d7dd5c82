"""The documents' measurement plan, simulated: ten pings from a node to every other, in ever new states of the links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitcell_sim.config.geography import fibre_floor_rtt_ms
from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.paths import pings_ns
from bitcell_sim.network.latency import build_paths, cloud_region
from bitcell_sim.network.link import healthy_links
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import NS_PER_MS, NS_PER_S, seconds_to_ns

COUNT = 10  # the plan's `ping -c 10`: one a second


@dataclass(frozen=True)
class Ping:
    """Pings from one node to another.

    Parameters
    ----------
    source, target : str
        Nodes.
    source_region, target_region : str
        Their regions.
    rtt_ms : ndarray of float64, shape (repeats, count)
        Round trips, milliseconds; NaN for a lost packet. Pings of one repeat share the slow state of the link.
    floor_ms : float
        Light in fibre along the great circle, there and back; 0 within a region or without a place.
    """

    source: str
    target: str
    source_region: str
    target_region: str
    rtt_ms: npt.NDArray[np.float64]
    floor_ms: float

    def summary(self) -> dict[str, object]:
        """The row of `bitcell-sim ping`."""
        answered = np.sort(self.rtt_ms[~np.isnan(self.rtt_ms)])
        found: dict[str, object] = {"source": self.source, "target": self.target, "n": len(answered)}
        if not len(answered):
            return {
                **found,
                **dict.fromkeys(("min_ms", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "max_ms")),
                "floor_ms": self.floor_ms,
            }
        p50, p95, p99 = np.quantile(answered, [0.5, 0.95, 0.99], method="inverted_cdf")
        found |= {"min_ms": float(answered[0]), "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99)}
        return {**found, "mean_ms": float(answered.mean()), "max_ms": float(answered[-1]), "floor_ms": self.floor_ms}


def floor_ms(scenario: Scenario, source_region: str, target_region: str) -> float:
    """Fibre floor of a pair of regions, milliseconds of round trip; 0 within one or where places are not known."""
    sites = {site.name: site for site in scenario.latency.site}
    ends = [sites.get(cloud_region(scenario.deployment, scenario.latency, r)) for r in (source_region, target_region)]
    if source_region == target_region or None in ends:
        return 0.0
    one, other = ends
    assert one is not None and other is not None  # noqa: PT018
    return fibre_floor_rtt_ms(one.latitude_deg, one.longitude_deg, other.latitude_deg, other.longitude_deg)


def pings(
    scenario: Scenario, sources: list[int], targets: list[int], *, seed: int, count: int = COUNT, repeat: int = 1
) -> Iterator[Ping]:
    """Pings of each source to each target, nodes by index.

    Parameters
    ----------
    scenario : Scenario
        Who stands where, and the latency source.
    sources, targets : list of int
        Nodes.
    seed : int
        Seed of the links' states.
    count : int
        Pings of one repeat, one a second.
    repeat : int
        Repeats, each in a new dwell of the slow state.
    """
    if count < 1 or repeat < 1:
        raise InputError(f"count = {count}, repeat = {repeat}: at least one ping in at least one repeat")
    deployment, latency = scenario.deployment, scenario.latency
    dwell_ns = seconds_to_ns(latency.jitter.slow_dwell_s)
    limit = scenario.protocol.wire.retransmissions_max
    paths = build_paths(deployment, latency, seed=seed, horizon_ns=repeat * dwell_ns, retransmissions_max=limit)
    endpoints = len(deployment.node) + len(deployment.region)
    links = healthy_links(endpoints, deployment.hardware.uplink_mbit_per_s, latency.jitter.loss_probability)
    at_ns = (np.arange(repeat)[:, None] * dwell_ns + np.arange(count)[None, :] * NS_PER_S).ravel()
    key = np.uint64(stream_key(seed, "studies.ping"))
    for source in sources:
        for target in targets:
            if source == target:
                continue
            one, other = deployment.node[source], deployment.node[target]
            times = pings_ns(key, source, target, at_ns, paths, links)
            rtt_ms = np.where(times < 0, np.nan, times / NS_PER_MS).reshape(repeat, count)
            floor = floor_ms(scenario, one.region, other.region)
            yield Ping(one.id, other.id, one.region, other.region, rtt_ms, floor)


def ping_pairs(scenario: Scenario, *, seed: int, count: int = COUNT, repeat: int) -> list[Ping]:
    """Pings of every directed pair of regions, between their first nodes."""
    first: dict[str, int] = {}
    for index, node in enumerate(scenario.deployment.node):
        first.setdefault(node.region, index)
    nodes = list(first.values())
    return list(pings(scenario, nodes, nodes, seed=seed, count=count, repeat=repeat))
