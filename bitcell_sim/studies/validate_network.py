"""Regions, quorum, distances and the chain's own arithmetic, checked without running anything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

from bitcell_sim.chain.block import proof_load, wire_bytes
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config import catalog
from bitcell_sim.config.geography import fibre_floor_rtt_ms
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import LatencySource, Link, Scenario
from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.network.latency import cloud_region
from bitcell_sim.network.topology import bootstrap_graph
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.plan import round_s
from bitcell_sim.studies.proof_rows import site_of
from bitcell_sim.studies.validate import Finding

CLOCK_SIGMAS = 6.0  # the largest of seven differences of two normal offsets is hardly ever beyond
CLOCK_SHARE_MAX = 0.1
SECONDS_PER_DAY, DAYS_PER_YEAR = 86_400.0, 365
SHOWN_MAX = 6  # names listed in one sentence


def check(scenario: Scenario) -> Iterator[Finding]:
    """Everything about places, votes, routes, rounds and proofs that the figures alone show."""
    yield from _single_regions(scenario)
    yield from _quorum(scenario)
    yield from _bootstrap(scenario)
    yield from _routes(scenario)
    yield from _throughput(scenario)
    yield from _rounds(scenario)
    yield from _proofs(scenario)
    yield from _disk(scenario)
    yield from _clocks(scenario)


# ------------------------------------------------------------------------------------------------ regions, quorum


def _members(scenario: Scenario) -> dict[str, list[int]]:
    """Nodes of each region, by index."""
    nodes = scenario.deployment.node
    return {
        region.name: [index for index, node in enumerate(nodes) if node.region == region.name]
        for region in scenario.deployment.region
    }


def _single_regions(scenario: Scenario) -> Iterator[Finding]:
    members = _members(scenario)
    for name, nodes in members.items():
        if len(nodes) <= 1:
            what = f"{name} has {len(nodes)} node: one failure is the loss of the whole region"
            yield Finding("warning", "deployment.node", what, f"add a second node to {name}, in another zone")
    if all(len(nodes) > 1 for nodes in members.values()):
        yield Finding("ok", "deployment.node", "every region has at least two nodes")


def _quorum(scenario: Scenario) -> Iterator[Finding]:
    members = _members(scenario)
    stakes = [node.stake for node in scenario.deployment.node]
    total, quorum = sum(stakes), quorum_stake(stakes)
    where = "deployment.node.*.stake"

    def left_without(lost: tuple[str, ...]) -> int:
        return total - sum(stakes[index] for name in lost for index in members[name])

    for name, nodes in members.items():
        left = left_without((name,))
        stays = f"without {name} ({len(nodes)} of {len(stakes)} nodes) {left} of {total} stake is left, quorum {quorum}"
        if left >= quorum:
            yield Finding("ok", where, f"{stays}: the chain goes on")
        else:
            yield Finding("warning", where, f"{stays}: the chain stops", "spread the stake over more regions")
    pairs = list(itertools.combinations(members, 2))
    stalled = [pair for pair in pairs if left_without(pair) < quorum]
    if stalled:
        named = ", ".join(f"{one} with {other} ({left_without((one, other))})" for one, other in stalled[:SHOWN_MAX])
        what = (
            f"{len(stalled)} of {len(pairs)} pairs of regions cannot be lost together, quorum {quorum} of {total}:"
            f" {named}"
        )
        yield Finding(
            "warning", where, what, "more than half of the nodes is not enough: more than two thirds must vote"
        )
    yield from _splits(stakes, quorum)


def _splits(stakes: list[int], quorum: int) -> Iterator[Finding]:
    """Splits into two parts of which neither can go on; with equal stakes only the number of nodes counts."""
    where = "deployment.node.*.stake"
    if len(set(stakes)) > 1:
        return
    n = len(stakes)
    dead = [k for k in range(1, n // 2 + 1) if (n - k) * stakes[0] < quorum]
    if dead:
        named = ", ".join(f"{n - k}/{k}" for k in dead)
        what = f"any split into {named} nodes stops both sides: neither has {math.ceil(quorum / stakes[0])} of {n}"
        yield Finding("warning", where, what, "expect a stop, not two chains, until such a partition heals")
    else:
        yield Finding("ok", where, f"in every split of {n} nodes one side goes on")


def _bootstrap(scenario: Scenario) -> Iterator[Finding]:
    import networkx as nx

    graph = bootstrap_graph(scenario.deployment)
    where = "deployment.node.*.bootstrap"
    seeds: list[str] = []
    for node in graph.nodes:
        rest = graph.subgraph(other for other in graph.nodes if other != node)
        if len(rest) > 1 and not nx.is_weakly_connected(rest):
            seeds.append(node)
    for node in seeds:
        asked = graph.in_degree(node)
        what = (
            f"{node} is a single seed: when it is down at a cold start the others do not find each other ({asked}"
            " dial it)"
        )
        yield Finding("warning", where, what, "give every node two peers to dial, in two regions")
    lonely = [node for node in graph.nodes if graph.out_degree(node) == 0]
    if lonely:
        what = f"{', '.join(lonely)} dials nobody: after a restart it waits until others dial it"
        yield Finding("warning", where, what, "give it two peers to dial")
    if not seeds and not lonely:
        least = min((graph.out_degree(node) for node in graph.nodes), default=0)
        yield Finding("ok", where, f"every node dials at least {least} and no node is a single seed")


# ------------------------------------------------------------------------------------------------------- distances


def link_floors(source: LatencySource) -> Iterator[tuple[Link, float]]:
    """Links of a source whose ends have places, with the round trip of light in fibre, milliseconds."""
    sites = {site.name: site for site in source.site}
    for link in source.link:
        one, other = sites.get(link.source), sites.get(link.target)
        if one is None or other is None:
            continue
        floor = fibre_floor_rtt_ms(one.latitude_deg, one.longitude_deg, other.latitude_deg, other.longitude_deg)
        if floor > 0:
            yield link, floor


@lru_cache(maxsize=1)
def lowest_stretch() -> float:
    """Smallest measured round trip over light in fibre, among all routes of the matrices that come with the package."""
    measured = []
    for name in catalog.names("latency"):
        source = load_scenario("rc3", latency=name).latency
        if source.statistic != "expected":
            measured += [link.rtt_ms / floor for link, floor in link_floors(source)]
    return min(measured)


def _routes(scenario: Scenario) -> Iterator[Finding]:
    source = scenario.latency
    where = f"latency.{source.name}"
    if source.local:
        what = "one machine, no distance: its round trips say nothing about regions"
        yield Finding("warning", where, what, "--latency aws-2025, or a matrix of your own")
        return
    floors = {(link.source, link.target): (link, floor) for link, floor in link_floors(source)}
    limits = {target.id: target.limit for target in scenario.targets.target}
    for one, other in itertools.combinations([region.name for region in scenario.deployment.region], 2):
        ends = (cloud_region(scenario.deployment, source, one), cloud_region(scenario.deployment, source, other))
        ways = [floors[pair] for pair in (ends, ends[::-1]) if pair in floors]
        if not ways:
            yield Finding("warning", where, f"{one} - {other}: no places, so nothing to hold the round trip against")
            continue
        link, floor = max(ways, key=lambda way: way[0].rtt_ms)
        what = (
            f"{one} - {other} ({ends[0]} - {ends[1]}): {link.rtt_ms:.1f} ms, {link.rtt_ms / floor:.2f} times light in"
            " fibre"
            f" ({floor:.1f} ms)"
        )
        own = limits.get(f"latency.{one}.{other}", limits.get(f"latency.{other}.{one}", math.inf))
        yield _against_limit(where, what, link.rtt_ms, floor, min(own, limits.get("latency.cross-region", math.inf)))


def _against_limit(where: str, what: str, rtt_ms: float, floor_ms: float, limit_ms: float) -> Finding:
    """One pair's round trip against its limit, and the limit against physics."""
    lowest = lowest_stretch()
    if limit_ms <= floor_ms:
        return Finding(
            "error",
            where,
            f"{what}; the limit of {limit_ms:g} ms is less than light needs",
            "another place, or another limit",
        )
    if limit_ms < lowest * floor_ms:
        fix = f"another place, or a limit of {math.ceil(lowest * floor_ms)} ms and more"
        return Finding(
            "warning",
            where,
            f"{what}; no route known comes under {lowest:.2f}, so the limit of {limit_ms:g} ms is out of reach",
            fix,
        )
    if rtt_ms >= limit_ms:
        fix = f"a route of at most {limit_ms / floor_ms:.2f} times light in fibre, another place, or another provider"
        return Finding(
            "warning", where, f"{what}; already the typical round trip is above the limit of {limit_ms:g} ms", fix
        )
    return Finding("ok", where, what)


# ------------------------------------------------------------------------------------------------------ the chain


def capacity_tps(scenario: Scenario) -> float:
    """Transactions per second by arithmetic: what a block holds over what a round lasts."""
    block, workload = scenario.protocol.block, scenario.workload
    gas = block.transaction_gas + workload.data_bytes_mean * block.data_byte_gas
    return min(float(block.max_transactions), block.gas_limit / gas) / round_s(scenario)


def _throughput(scenario: Scenario) -> Iterator[Finding]:
    capacity, rate = capacity_tps(scenario), scenario.workload.rate_tps
    limit = next((target.limit for target in scenario.targets.target if target.id == "throughput"), 0.0)
    block = scenario.protocol.block
    words = (
        f"at most {capacity:.1f} TPS: {block.max_transactions} transactions or {block.gas_limit:,} gas a block,"
        f" a round of {round_s(scenario):.1f} s"
    )
    if rate > capacity:
        pool = scenario.protocol.mempool.capacity
        full_min = pool / (rate - capacity) / 60.0
        what = f"{words}; the workload offers {rate:g} TPS, so a pool of {pool} is full after {full_min:.0f} min"
        yield Finding(
            "warning",
            "workload.rate_tps",
            what,
            f"offer less than {capacity:.1f} TPS, or larger blocks or faster rounds",
        )
    else:
        yield Finding("ok", "workload.rate_tps", f"{words}; the workload offers {rate:g} TPS")
    if limit > capacity:
        fix = (
            f"rounds of at most {round_s(scenario) * capacity / limit:.1f} s, or blocks {limit / capacity:.1f} times"
            " as large"
        )
        yield Finding("warning", "protocol.block", f"{words}; the target is {limit:g} TPS", fix)


def _rounds(scenario: Scenario) -> Iterator[Finding]:
    timing, battle = scenario.protocol.round, scenario.protocol.battle
    engine = battle.engines[battle.engine]
    battles = len(scenario.deployment.node) - 1
    battle_s = battles * engine.core_s / core_rate(scenario.deployment.hardware.cores, engine.serial_fraction)
    phases = timing.commit_s + timing.reveal_s + timing.pause_s
    own = phases + battle_s
    words = (
        f"a round needs {own:.1f} s: {phases:g} s of phases and {battles} battles by the {battle.engine!r} engine in"
        f" {battle_s:.1f} s"
    )
    interval = timing.block_interval_s
    if interval and own > interval:
        what = f"{words}; the block interval is {interval:g} s, so blocks come every {round_s(scenario):g} s"
        yield Finding(
            "warning", "protocol.round.block_interval_s", what, f"an interval of {math.ceil(own)} s, or a faster engine"
        )
    elif battle_s > phases:
        what = f"{words}, which is most of it"
        yield Finding("warning", "protocol.battle.engine", what, "a faster engine, or more cores")
    else:
        yield Finding("ok", "protocol.round", words)


def _proofs(scenario: Scenario) -> Iterator[Finding]:
    proof, site = scenario.protocol.proof, site_of(scenario)
    if proof.mode == "off":
        yield Finding("ok", "protocol.proof.mode", "no proofs")
        return
    predicted, has_gb = site.prediction, site.memory_bytes / BYTES_PER_GB
    if not math.isfinite(predicted.seconds_measured):
        yield Finding("error", "protocol.proof", predicted.why, "a smaller grid or fewer steps")
        return
    owner, key = ("a machine of the farm", "prover_farm") if site.farm else ("a node", "hardware")
    needs_gb = predicted.memory_bytes / BYTES_PER_GB * site.slots
    fix = f"{math.ceil(needs_gb)} GB, a smaller grid, or a leaner circuit"
    size = f"of {predicted.constraints:,} constraints at a time"
    words = f"1 proof {size} needs" if site.slots == 1 else f"{site.slots} proofs {size} need"
    yield _fits(
        scenario,
        f"deployment.{key}.memory_gb",
        f"{words} {needs_gb:.1f} GB",
        needs_gb,
        f"{owner} has {has_gb:g}",
        has_gb,
        fix,
    )
    if site.aggregated:
        way, node_gb = proof.aggregations[proof.aggregation], scenario.deployment.hardware.memory_gb
        words = f"an aggregate ({proof.aggregation}) needs {way.memory_gb:g} GB"
        has = f"a node has {node_gb:g}"
        yield _fits(scenario, "deployment.hardware.memory_gb", words, way.memory_gb, has, node_gb, "more memory a node")


def _fits(scenario: Scenario, where: str, needs: str, needs_gb: float, has: str, has_gb: float, fix: str) -> Finding:
    """Whether a block's proofs have their memory, and what comes of it if not."""
    words = f"{needs}, {has}"
    if needs_gb <= has_gb:
        return Finding("ok", where, words)
    if scenario.protocol.proof.mode == "inline":
        return Finding("error", where, f"{words}: every proof is killed and every block waits for one", fix)
    return Finding("warning", where, f"{words}: every proof is killed", fix)


def _disk(scenario: Scenario) -> Iterator[Finding]:
    """Days until the blocks alone fill a disk: headers, proofs, and as many transactions as the chain can carry."""
    block, workload = scenario.protocol.block, scenario.workload
    carried_tps = min(workload.rate_tps, capacity_tps(scenario))
    battles = len(scenario.deployment.node) - 1
    load = proof_load(scenario.protocol, battles)
    late_bytes = load.messages * load.each_bytes if scenario.protocol.proof.mode == "pipelined" else 0
    bytes_per_s = carried_tps * (block.transaction_bytes + workload.data_bytes_mean)
    bytes_per_s += (wire_bytes(scenario.protocol, 0, battles) + late_bytes) / round_s(scenario)
    disk_gb = scenario.deployment.hardware.disk_gb
    days = disk_gb * BYTES_PER_GB / (bytes_per_s * SECONDS_PER_DAY)
    words = f"{carried_tps:.3g} TPS fill {disk_gb:g} GB with blocks in {days:,.0f} days, indices and logs not counted"
    if days >= DAYS_PER_YEAR:
        yield Finding("ok", "deployment.hardware.disk_gb", words)
    else:
        yield Finding("warning", "deployment.hardware.disk_gb", words, "a larger disk, or old blocks pruned")


def _clocks(scenario: Scenario) -> Iterator[Finding]:
    timing = scenario.protocol.round
    shortest_ms = 1000.0 * min(timing.commit_s, timing.reveal_s)
    apart_ms = CLOCK_SIGMAS * scenario.deployment.clock_offset_sigma_ms
    one_way_ms = max((link.rtt_ms for link in scenario.latency.link), default=0.0) / 2
    words = (
        f"clocks up to {apart_ms:.0f} ms apart and {one_way_ms:.0f} ms one way, the shortest phase lasts"
        f" {shortest_ms:.0f} ms"
    )
    if apart_ms + one_way_ms > shortest_ms:
        fix = "better clocks, or longer phases"
        yield Finding("error", "deployment.clock_offset_sigma_ms", f"{words}: nodes miss each other's reveals", fix)
    elif apart_ms > CLOCK_SHARE_MAX * shortest_ms:
        what = f"{words}: reveals near the end reach some nodes too late"
        yield Finding("warning", "deployment.clock_offset_sigma_ms", what, "better clocks, or longer phases")
    else:
        yield Finding("ok", "deployment.clock_offset_sigma_ms", words)
