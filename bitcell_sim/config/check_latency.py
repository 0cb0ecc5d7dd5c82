"""Checks of a latency source that no single key shows: physics, directions, spread, and what a deployment needs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from bitcell_sim.config.document import Document
from bitcell_sim.config.geography import fibre_floor_rtt_ms, great_circle_km
from bitcell_sim.config.raw import named, number, repeated, tables, text
from bitcell_sim.config.wording import KeyPath, closest, did_you_mean, key_text
from bitcell_sim.errors import Finding

LONG_KM = 1000.0
GAMMA2_MEDIAN = 1.6783469900166605  # median of the fast part at scale 1: Gamma of shape 2, (1 + x) exp(-x) = 1/2

Ends = tuple[str, str]


def links(latency: Document) -> dict[Ends, tuple[KeyPath, dict[str, Any]]]:
    """Directed pairs that a source has a table for."""
    found: dict[Ends, tuple[KeyPath, dict[str, Any]]] = {}
    for path, link in tables(latency, "link"):
        source, target = text(link, "source"), text(link, "target")
        if source is not None and target is not None:
            found.setdefault((source, target), (path, link))
    return found


def slow_scale_ms(link: dict[str, Any]) -> float | None:
    """Scale in ms of a link's exponential slow part, from its scale or its 95th percentile; None without either."""
    scale, middle, high = number(link, "slow_scale_ms"), number(link, "rtt_ms"), number(link, "rtt_p95_ms")
    if scale is not None:
        return scale
    return (high - middle) / math.log(10) if high is not None and middle is not None else None


def _ends(latency: Document) -> Iterator[Finding]:
    rows = []
    for path, link in tables(latency, "link"):
        source, target = text(link, "source"), text(link, "target")
        if source is None or target is None:
            continue
        if source == target:
            yield latency.finding(path, f"from {source!r} to itself; round trips inside a region are [intra_region]")
        rows.append((path, f"{source} -> {target}"))
    for path, pair, first in repeated(rows):
        yield latency.finding(path, f"{pair} again; it is already {key_text(first)}")
    known = links(latency)
    for (source, target), (path, link) in known.items():
        if source != target and (target, source) not in known:
            there = f"{source} -> {target} ({number(link, 'rtt_ms')} ms)"
            yield latency.finding(path, f"no way back for {there}: add a [[link]] {target} -> {source}")


def _spread(latency: Document) -> Iterator[Finding]:
    for path, link in tables(latency, "link"):
        middle, high = number(link, "rtt_ms"), number(link, "rtt_p95_ms")
        if ("rtt_p95_ms" in link) == ("slow_scale_ms" in link):
            problem = (
                "both rtt_p95_ms and slow_scale_ms: give one"
                if "rtt_p95_ms" in link
                else "no spread: give rtt_p95_ms, or slow_scale_ms (0 for none)"
            )
            yield latency.finding(path, problem)
        elif middle is not None and high is not None and high < middle:
            yield latency.finding(
                (*path, "rtt_p95_ms"),
                f"{high} ms is below rtt_ms, {middle} ms; a 95th percentile is at least the middle",
            )
        scale = slow_scale_ms(link)
        if middle is not None and scale is not None and 0 < middle <= scale * math.log(2):
            yield latency.finding(
                path, f"spread too wide: its scale of {scale:.3g} ms leaves no base under rtt_ms, {middle} ms"
            )
    jitter = latency.data.get("jitter")
    probability, scale, cut = (number(jitter, f"spike_{key}") for key in ("probability", "scale_ms", "max_ms"))
    if probability and scale is not None and cut is not None and cut < scale:
        yield latency.finding(
            ("jitter", "spike_max_ms"), f"{cut} ms is below spike_scale_ms, {scale} ms, the smallest spike"
        )


def _sites(latency: Document) -> Iterator[Finding]:
    rows = [((*path, "name"), name) for path, site in tables(latency, "site") if (name := text(site, "name"))]
    for path, name, first in repeated(rows):
        yield latency.finding(path, f"{name!r} again; it is already {key_text(first[:-1])}")
    if latency.data.get("local") is True:
        return
    known = named(latency, "site", "name")
    ends = dict.fromkeys(end for pair in links(latency) for end in pair)
    for end in ends:
        if end not in known:
            near = closest(end, known)
            hint = f"; did you mean {near!r}?" if near else ""
            yield latency.finding(
                ("site",), f"no place for {end!r}, so its links cannot be held against light in fibre{hint}"
            )


def _places(latency: Document) -> dict[str, tuple[float, float]]:
    places = {}
    for _, site in tables(latency, "site"):
        name, latitude, longitude = text(site, "name"), number(site, "latitude_deg"), number(site, "longitude_deg")
        if name and latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
            places[name] = (latitude, longitude)
    return places


def _floors(latency: Document) -> Iterator[tuple[str, KeyPath, dict[str, Any], float, bool]]:
    """Walk links with a known place at both ends: pair, key path, table, floor in ms, and whether it is a long one."""
    places = _places(latency)
    for (source, target), (path, link) in links(latency).items():
        if source in places and target in places and (number(link, "rtt_ms") or 0.0) > 0:
            ends = (*places[source], *places[target])
            yield f"{source} -> {target}", path, link, fibre_floor_rtt_ms(*ends), great_circle_km(*ends) >= LONG_KM


def _floor(latency: Document) -> Iterator[Finding]:
    """Refuse what light in fibre cannot do; hint at one-way values when every long link looks halved."""
    if latency.data.get("local") is True or latency.data.get("measures") == "one-way":
        return
    fast = GAMMA2_MEDIAN * (number(latency.data.get("jitter"), "fast_scale_ms") or 0.0)
    long_above = long_below = 0
    found = []
    for pair, path, link, floor_ms, is_long in _floors(latency):
        middle = number(link, "rtt_ms") or 0.0
        base = middle - (slow_scale_ms(link) or 0.0) * math.log(2) - fast
        light = f"faster than light in fibre, which takes {floor_ms:.2f} ms"
        if middle < floor_ms:
            long_below += is_long
            found.append(latency.finding((*path, "rtt_ms"), f"{pair} in {middle} ms is {light}"))
        else:
            long_above += is_long
            if base < floor_ms:
                found.append(
                    latency.finding(
                        path, f"{pair}: {middle} ms less its spread leaves a base of {base:.2f} ms, {light}"
                    )
                )
    if long_below and not long_above:
        yield latency.finding(
            ("measures",),
            "every long link is below its fibre floor: these look like one-way delays, a matrix holds round trips; "
            "double the values if they are one-way",
        )
    yield from found


def _direction(latency: Document) -> Iterator[Finding]:
    if latency.data.get("measures") == "one-way":
        yield latency.finding(
            ("measures",),
            '"one-way" is refused: a matrix holds round trips; double the values and write measures = "rtt"',
        )


def check_latency(latency: Document) -> list[Finding]:
    """Everything that is wrong with a latency source beyond its single keys."""
    checks = (_direction, _ends, _spread, _sites, _floor)
    return [finding for check in checks for finding in check(latency)]


def _names_at(provider: str, deployment: Document) -> dict[str, tuple[KeyPath, str]]:
    """Key path and the provider's name of each region of a deployment."""
    names: dict[str, tuple[KeyPath, str]] = {}
    for path, region in tables(deployment, "region"):
        name = text(region, "name")
        if name is not None:
            there = text(region.get("cloud"), provider)
            names.setdefault(name, ((*path, "cloud", provider) if there else path, there or name))
    return names


def check_coverage(latency: Document, deployment: Document) -> list[Finding]:
    """List the round trips a deployment needs and a source does not have.

    Notes
    -----
    A region is looked up by the name its cloud mapping has for the source's provider, else by its own name.
    """
    provider = text(latency.data, "provider")
    if provider is None:
        return []
    known = links(latency)
    ends = sorted({end for pair in known for end in pair})
    findings = []
    names = _names_at(provider, deployment)
    for path, there in names.values():
        if there not in ends:
            problem = f"{there!r} is not in the latency source{did_you_mean(there, ends)}"
            findings.append(deployment.finding(path, problem))
    for (one, (path, here)), (other, (_, there)) in itertools.combinations(names.items(), 2):
        if here == there:
            problem = f"{one!r} and {other!r} stand in one region of {provider}, {here!r}"
            findings.append(deployment.finding(path, problem))
        elif here in ends and there in ends and (here, there) not in known and (there, here) not in known:
            problem = f"no round trips between {here!r} and {there!r}, which {one} and {other} need"
            findings.append(latency.finding(("link",), problem))
    return findings
