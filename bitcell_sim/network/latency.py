"""From a measured matrix to the round trips of a deployment's endpoints.

Endpoints are the nodes in their order, then one per region: its load balancer, its clients, its probes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.config.schema import Deployment, LatencySource
from bitcell_sim.kernels import paths as kernel
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import NS_PER_MS, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Floats, Ints

GAMMA2_MEDIAN = 1.6783469900166605  # median of Gamma(shape 2, scale 1): the root of (1 + x) exp(-x) = 1/2
LN_2 = math.log(2.0)
LN_10 = math.log(10.0)


def cloud_region(deployment: Deployment, source: LatencySource, region: str) -> str:
    """Name that a latency source uses for a region of the deployment."""
    for entry in deployment.region:
        if entry.name == region:
            return entry.cloud.get(source.provider, region)
    raise KeyError(region)


def slow_scale_ms(rtt_ms: float, rtt_p95_ms: float | None, scale_ms: float | None) -> float:
    """Mean of the slow state of a link, milliseconds.

    Notes
    -----
    A shifted exponential has p95 - p50 = scale * ln 10; where the 95th percentile was not measured, the scale is given.
    """
    if rtt_p95_ms is not None:
        return (rtt_p95_ms - rtt_ms) / LN_10
    return scale_ms or 0.0


def base_rtt_ms(rtt_p50_ms: float, scale_ms: float, fast_scale_ms: float) -> float:
    """Constant part of a round trip, milliseconds, such that the sum's median is the measured one.

    Notes
    -----
    ``p50 - scale ln 2 - median of the fast part``. Within a data centre the fast part alone is longer than the
    published round trip; where half of the median would not be left, the median itself is the base (as the source of
    the intra-region figures proposes: "0.1 + Gamma").
    """
    base = rtt_p50_ms - scale_ms * LN_2 - GAMMA2_MEDIAN * fast_scale_ms
    return base if base >= rtt_p50_ms / 2 else rtt_p50_ms


def endpoint_regions(deployment: Deployment) -> list[str]:
    """Region of every endpoint."""
    return [node.region for node in deployment.node] + [region.name for region in deployment.region]


def matrices(deployment: Deployment, source: LatencySource) -> tuple[Floats, Floats, Ints]:
    """Base round trip and slow scale of every pair of endpoints, and the link each pair rides on.

    Returns
    -------
    base_ms : ndarray of float64, shape (n, n)
        Milliseconds.
    scale_ms : ndarray of float64, shape (n, n)
        Milliseconds.
    link : ndarray of int64, shape (n, n)
        Directed pair of regions.
    """
    regions = endpoint_regions(deployment)
    zones = [f"{node.region}/{node.zone}" for node in deployment.node] + [
        f"{r.name}/balancer" for r in deployment.region
    ]
    order = {region.name: index for index, region in enumerate(deployment.region)}
    measured = {(link.source, link.target): link for link in source.link}
    n = len(regions)
    base_ms, scale_ms, link = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, n), np.int64)
    for i in range(n):
        for j in range(n):
            link[i, j] = order[regions[i]] * len(order) + order[regions[j]]
            if regions[i] == regions[j]:
                inside = source.intra_region
                rtt = inside.same_zone_rtt_ms if zones[i] == zones[j] else inside.cross_zone_rtt_ms
                base_ms[i, j] = base_rtt_ms(rtt, 0.0, source.jitter.fast_scale_ms)
                continue
            ends = (cloud_region(deployment, source, regions[i]), cloud_region(deployment, source, regions[j]))
            pair = measured[ends]
            scale_ms[i, j] = slow_scale_ms(pair.rtt_ms, pair.rtt_p95_ms, pair.slow_scale_ms)
            base_ms[i, j] = base_rtt_ms(pair.rtt_ms, scale_ms[i, j], source.jitter.fast_scale_ms)
    return base_ms, scale_ms, link


def build_paths(
    deployment: Deployment, source: LatencySource, *, seed: int, horizon_ns: int, retransmissions_max: int
) -> kernel.Paths:
    """Round trips of every pair of endpoints, with their slow states up to a horizon.

    Parameters
    ----------
    deployment, source : Deployment, LatencySource
        Who stands where, and what was measured between those places.
    seed : int
        Seed of the run.
    horizon_ns : int
        End of the run, nanoseconds; the last dwell goes on beyond it.
    retransmissions_max : int
        Most rounds of loss recovery of one message.
    """
    base_ms, scale_ms, link = matrices(deployment, source)
    jitter = source.jitter
    dwell_ns = seconds_to_ns(jitter.slow_dwell_s)
    key = np.uint64(stream_key(seed, "network.slow"))
    slow = kernel.slow_table(key, scale_ms * NS_PER_MS, link, horizon_ns // dwell_ns + 2)
    parameters = [
        jitter.fast_scale_ms * NS_PER_MS,
        jitter.spike_probability,
        jitter.spike_scale_ms * NS_PER_MS,
        jitter.spike_alpha,
        jitter.spike_max_ms * NS_PER_MS,
        float(retransmissions_max),
    ]
    base_ns = np.rint(base_ms * NS_PER_MS).astype(np.int64)
    return kernel.Paths(base_ns, slow, dwell_ns, np.array(parameters, np.float64))


def longest_message_ns(paths: kernel.Paths, links: kernel.LinkState) -> int:
    """Upper bound of one small message's time under way, nanoseconds: the largest draw of every part at once.

    Notes
    -----
    Uniform draws have 53 bits, so an exponential is at most 53 ln 2, and the number of recovery rounds that loss
    probability p can reach is bounded by p**k >= 2**-53 (times a few packets) and by the limit.
    """
    largest_exponential = 53 * LN_2
    standing = int(paths.base_ns.max()) + int(paths.slow_ns.max(initial=0)) + 2 * int(links.added_ns.max())
    fast = int(2 * largest_exponential * paths.jitter[kernel.FAST_SCALE_NS])
    spike = int(paths.jitter[kernel.SPIKE_MAX_NS])
    loss = float(links.loss.max())
    limit = int(paths.jitter[kernel.RETRANSMISSIONS_MAX])
    rounds = limit if loss >= 1.0 else min(limit, math.ceil(60 * LN_2 / -math.log(loss))) if loss > 0.0 else 0
    return (rounds + 1) * standing + fast + spike
