"""Checks of a deployment that no single key shows: names, addresses, ports, reachability."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from bitcell_sim.config.document import Document
from bitcell_sim.config.raw import named, number, repeated, tables, text, texts
from bitcell_sim.config.wording import KeyPath, did_you_mean, key_text
from bitcell_sim.errors import Finding

PORTS = ("p2p_port", "rpc_port", "metrics_port")
LABELS = {"region": "name", "node": "id", "service": "name"}


def _names(deployment: Document) -> Iterator[Finding]:
    for kind, label in LABELS.items():
        rows = [((*path, label), name) for path, row in tables(deployment, kind) if (name := text(row, label))]
        for path, name, first in repeated(rows):
            yield deployment.finding(path, f"{name!r} again; it is already {key_text(first)}")
    regions = named(deployment, "region", "name")
    for path, row in tables(deployment, "node"):
        name = text(row, "id")
        if name in regions:
            yield deployment.finding(
                (*path, "id"), f"{name!r} is a region's name too; faults could not tell them apart"
            )
    for kind in ("node", "service"):
        for path, row in tables(deployment, kind):
            region = text(row, "region")
            if region is not None and region not in regions:
                yield deployment.finding((*path, "region"), f"no region {region!r}{did_you_mean(region, regions)}")


def _addresses(deployment: Document) -> Iterator[Finding]:
    rows = [((*path, "address"), value) for path, row in tables(deployment, "node") if (value := text(row, "address"))]
    for path, value, first in repeated(rows):
        yield deployment.finding(path, f"{value!r} again; it is already {key_text(first)}")


def _ports(deployment: Document) -> Iterator[Finding]:
    """Find two programs that want one port of one machine."""
    taken: dict[tuple[str, int], tuple[str, KeyPath]] = {}
    for path, owner, host, port in _wanted(deployment):
        other = taken.setdefault((host, port), (owner, path))
        if other[1] != path:
            yield deployment.finding(
                path,
                f"port {port} on {host} is wanted by {owner} and {other[0]} ({key_text(other[1])}); only one can start",
            )


def _wanted(deployment: Document) -> Iterator[tuple[KeyPath, str, str, int]]:
    for path, row in tables(deployment, "node"):
        host = text(row, "host") or text(row, "address")
        for key in PORTS:
            port = row.get(key)
            if host is not None and isinstance(port, int):
                yield (*path, key), f"node {text(row, 'id') or path[-1]} ({key.removesuffix('_port')})", host, port
    for path, row in tables(deployment, "service"):
        host = text(row, "host")
        ports = row.get("ports")
        for place, port in enumerate(ports if isinstance(ports, (list, tuple)) else ()):
            if host is not None and isinstance(port, int):
                yield (*path, "ports", place), f"service {text(row, 'name') or path[-1]}", host, port


def _port_of(url: str) -> int | None:
    """Port of a URL, or None if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return (port or {"http": 80, "https": 443}.get(parts.scheme)) if parts.hostname else None


def _urls(deployment: Document) -> Iterator[Finding]:
    for path, row in tables(deployment, "service"):
        url, ports = text(row, "url"), row.get("ports")
        if url is None:
            continue
        port = _port_of(url)
        if port is None:
            yield deployment.finding((*path, "url"), f"{url!r} is not an address: write http://host:port")
        elif isinstance(ports, (list, tuple)) and port not in ports:
            listed = ", ".join(map(str, ports))
            yield deployment.finding((*path, "url"), f"port {port} of {url!r} is not among its ports: {listed}")


def _bootstrap(deployment: Document) -> Iterator[Finding]:
    ids = named(deployment, "node", "id")
    near: dict[str, set[str]] = {node: set() for node in ids}
    for path, row in tables(deployment, "node"):
        node = text(row, "id")
        seen: set[str] = set()
        for place, peer in texts(row, "bootstrap"):
            at = (*path, "bootstrap", place)
            if peer == node:
                yield deployment.finding(at, f"{peer!r} is the node itself")
            elif peer not in near:
                yield deployment.finding(at, f"no node {peer!r}{did_you_mean(peer, ids)}")
            elif peer in seen:
                yield deployment.finding(at, f"{peer!r} again")
            elif node is not None:
                near[node].add(peer)
                near[peer].add(node)
            seen.add(peer)
    yield from _unreachable(deployment, near)


def _unreachable(deployment: Document, near: dict[str, set[str]]) -> Iterator[Finding]:
    islands: list[set[str]] = []
    for node in near:
        if any(node in island for island in islands):
            continue
        island, front = {node}, [node]
        while front:
            new = near[front.pop()] - island
            island |= new
            front.extend(new)
        islands.append(island)
    main = max(islands, key=len, default=set())
    for path, row in tables(deployment, "node"):
        name = text(row, "id")
        if name is not None and name not in main:
            yield deployment.finding(
                (*path, "bootstrap"),
                f"{name!r} is unreachable: no bootstrap list joins it to {', '.join(sorted(main)[:3])}",
            )


def _placement(deployment: Document) -> Iterator[Finding]:
    balancer = deployment.data.get("load_balancer")
    placement = text(balancer, "placement")
    regions = named(deployment, "region", "name")
    if placement is not None and placement not in ("per-region", *regions):
        hint = did_you_mean(placement, ["per-region", *regions])
        yield deployment.finding(("load_balancer", "placement"), f"no region {placement!r}{hint}")
    asked = text(balancer, "health_path")
    if asked is not None and not asked.startswith("/"):
        yield deployment.finding(("load_balancer", "health_path"), f"{asked!r} is not a path: write /{asked}")


def _peers(deployment: Document) -> Iterator[Finding]:
    recovery: Any = deployment.data.get("recovery")
    others = len(tables(deployment, "node")) - 1
    limit, healthy = number(deployment.data, "peer_limit"), number(recovery, "healthy_peers")
    if healthy is not None and limit is not None and others >= 0 and healthy > min(others, limit):
        yield deployment.finding(
            ("recovery", "healthy_peers"),
            f"{healthy:g} peers can never be had: there are {others} other nodes and peer_limit is {limit:g}",
        )


def check_deployment(deployment: Document) -> list[Finding]:
    """Everything that is wrong with a deployment beyond its single keys."""
    checks = (_names, _addresses, _ports, _urls, _bootstrap, _placement, _peers)
    return [finding for check in checks for finding in check(deployment)]
