"""Ports, load balancing and health checks, checked without running anything."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from bitcell_sim.config.schema import Scenario
from bitcell_sim.operations.health_check import CheckTimes
from bitcell_sim.operations.load_balancer import PER_REGION, SERVED_HEALTH_PATH, SERVED_HEALTH_PORT
from bitcell_sim.studies.validate import Finding
from bitcell_sim.units import NS_PER_S, seconds_to_ns

PORTS = ("p2p_port", "rpc_port", "metrics_port")
PORT_MAX = 65_535
BALANCER = "haproxy"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def check(scenario: Scenario) -> Iterator[Finding]:
    """Everything about ports and the load balancer that the figures alone show."""
    yield from _ports(scenario)
    yield _addresses(scenario)
    yield _urls(scenario)
    yield _health(scenario)
    yield _check_time(scenario)
    yield from _retries(scenario)
    yield from _placement(scenario)


def _wanted(scenario: Scenario) -> list[tuple[int, str, str]]:
    """Every port with its key and its owner."""
    rows = []
    for index, node in enumerate(scenario.deployment.node):
        for name in PORTS:
            owner = f"{node.id} ({name.removesuffix('_port')})"
            rows.append((int(getattr(node, name)), f"deployment.node.{index}.{name}", owner))
    for index, service in enumerate(scenario.deployment.service):
        for place, port in enumerate(service.ports):
            rows.append((port, f"deployment.service.{index}.ports.{place}", service.name))
    return rows


def _ports(scenario: Scenario) -> Iterator[Finding]:
    """Ports that would collide if all of them were published on one machine, as the documents' Compose file does."""
    rows = _wanted(scenario)
    taken = {port for port, _, _ in rows}
    first: dict[int, str] = {}
    clashes = 0
    for port, key, owner in rows:
        other = first.setdefault(port, owner)
        if other == owner:
            continue
        clashes += 1
        free = next(number for number in range(port + 1, PORT_MAX + 1) if number not in taken)
        taken.add(free)
        yield Finding(
            "warning",
            key,
            f"port {port} is {other}'s and {owner}'s: published on one Docker host, only one of them can start",
            f"keep them on machines of their own, or publish {owner} on {free} (with its url)",
        )
    if not clashes:
        yield Finding("ok", "deployment.*.ports", f"{len(rows)} ports, all different even on one machine")


def _private(address: str) -> bool:
    """Whether an address is one of a private network; a name is not."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def _addresses(scenario: Scenario) -> Finding:
    """Private addresses do not cross regions by themselves."""
    where = "deployment.node.*.address"
    nodes = scenario.deployment.node
    private = [node for node in nodes if _private(node.address)]
    regions = len({node.region for node in private})
    if regions < 2:
        return Finding("ok", where, f"{len(nodes)} addresses, {len(private)} of them private")
    what = f"{len(private)} private addresses stand in {regions} regions: they do not reach each other by themselves"
    return Finding("warning", where, what, "a VPN or peering between the regions, or public addresses")


def _urls(scenario: Scenario) -> Finding:
    """Pages that open on their own machine only."""
    where = "deployment.service.*.url"
    services = scenario.deployment.service
    local = [service for service in services if urlsplit(service.url).hostname in LOCAL_NAMES]
    if not local:
        return Finding("ok", where, f"{len(services)} services have addresses of their own")
    named = ", ".join(service.name for service in local)
    hosts = ", ".join(sorted({service.host for service in local}))
    return Finding(
        "warning", where, f"{named} at localhost open on {hosts} only", f"names that resolve, such as {hosts}"
    )


def _health(scenario: Scenario) -> Finding:
    balancer = scenario.deployment.load_balancer
    where = "deployment.load_balancer.health_port"
    asked = f"health checks ask {balancer.health_path} on the {balancer.health_port} port"
    if balancer.health_port != SERVED_HEALTH_PORT:
        what = (
            f"{asked}, which serves no such path: every check is a 404, all {len(scenario.deployment.node)} servers"
            " are down"
        )
        return Finding("error", where, what, f"health_port = {SERVED_HEALTH_PORT!r}")
    if balancer.health_path != SERVED_HEALTH_PATH:
        what = f"{asked}, which answers only {SERVED_HEALTH_PATH}: all {len(scenario.deployment.node)} servers are down"
        return Finding("error", "deployment.load_balancer.health_path", what, f"health_path = {SERVED_HEALTH_PATH!r}")
    return Finding("ok", where, f"{asked}, which answers it")


def _check_time(scenario: Scenario) -> Finding:
    """Time-outs of health checks against the longest round trip: one connects, a second one asks."""
    times = CheckTimes.of(scenario.deployment.load_balancer)
    where = "deployment.load_balancer.check_interval_s"
    longest_s = max(link.rtt_ms for link in scenario.latency.link) / 1000.0
    may_take_s = times.end_ns(0, seconds_to_ns(longest_s)) / NS_PER_S
    words = f"a check may take {may_take_s:g} s, two of the longest round trips {2 * longest_s:.3g} s"
    if 2 * longest_s >= may_take_s or longest_s >= times.connect_ns / NS_PER_S:
        return Finding("error", where, f"{words}: far servers are always down", f"more than {3 * longest_s:.3g} s")
    if 3 * longest_s >= may_take_s:
        return Finding("warning", where, f"{words}: one lost packet fails it", f"more than {3 * longest_s:.3g} s")
    return Finding("ok", where, words)


def _retries(scenario: Scenario) -> Iterator[Finding]:
    """How long clients meet a dead server before the balancer takes it out."""
    balancer = scenario.deployment.load_balancer
    nodes = len(scenario.deployment.node)
    refused_s = balancer.fall * balancer.check_interval_s
    silent_s = refused_s + balancer.fall * CheckTimes.of(balancer).longest_ns / NS_PER_S
    words = (
        f"a dead server is out after {refused_s - balancer.check_interval_s:g} to {refused_s:g} s, a silent one after"
        f" {silent_s - balancer.check_interval_s:g} to {silent_s:g} s"
    )
    limit = next((t.limit for t in scenario.targets.target if t.id == "regional_failover"), None)
    where = "deployment.load_balancer"
    if limit is not None and silent_s + balancer.dns_failover_s >= limit:
        what = (
            f"{words}, and DNS takes {balancer.dns_failover_s:g} s: together not under the {limit:g} s of a regional"
            " failover"
        )
        yield Finding("warning", where, what, "check more often, fewer failures, or a shorter time to live")
    else:
        yield Finding("ok", where, words)
    retried_s = balancer.retries * min(balancer.retry_pause_s, balancer.connect_timeout_s)
    if not balancer.redispatch and retried_s < refused_s:
        what = (
            f"no redispatch: {balancer.retries} retries over {retried_s:g} s go to the same dead server, so until it"
            f" is out one request in {nodes} fails"
        )
        yield Finding("warning", f"{where}.redispatch", what, f"--set {where}.redispatch=true")


def _placement(scenario: Scenario) -> Iterator[Finding]:
    deployment = scenario.deployment
    placement = deployment.load_balancer.placement
    where = "deployment.load_balancer.placement"
    declared = sum(service.name.startswith(BALANCER) for service in deployment.service)
    regions = len(deployment.region)
    if placement != PER_REGION:
        what = f"one balancer, in {placement}: the loss of that region takes every client"
        yield Finding("warning", where, what, f"--set {where}={PER_REGION}")
    elif declared < regions:
        what = (
            f"the simulator stands one balancer in each of {regions} regions, {declared} {BALANCER} is declared as a"
            " service"
        )
        yield Finding("warning", where, what, f"declare one a region, or judge the single one: --set {where}=us-east")
    else:
        yield Finding("ok", where, f"a balancer in each of {regions} regions")
