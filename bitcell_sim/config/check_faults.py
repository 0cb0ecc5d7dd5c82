"""Checks of faults that no single key shows: what they hit is there, is said once, and has a strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bitcell_sim.config.document import Document
from bitcell_sim.config.raw import named, number, repeated, tables, text, texts
from bitcell_sim.config.wording import KeyPath, did_you_mean, key_text
from bitcell_sim.errors import Finding

Places = list[tuple[KeyPath, dict[str, Any]]]

_AIMS = {
    "process-crash": ("node", "region", "share_ratio"),
    "host-loss": ("node", "region", "share_ratio"),
    "partition": ("groups", "share_ratio"),
    "latency": ("between", "target", "share_ratio"),
    "loss": ("between", "target", "share_ratio"),
    **dict.fromkeys(("bandwidth", "cpu", "memory", "clock-skew", "drain"), ("target", "share_ratio")),
}
_STRENGTH = {"latency": "added_ms", "loss": "probability", "clock-skew": "offset_ms"}


def check_faults(document: Document, faults: Places, deployment: Document | None) -> Iterator[Finding]:
    """Everything that is wrong with faults.

    Parameters
    ----------
    document : Document
        Where they stand.
    faults : list of (key path, table)
        The faults.
    deployment : Document or None
        What they hit; None if it could not be read.
    """
    for path, fault in faults:
        yield from _aim(document, path, fault)
        yield from _strength(document, path, fault)
        yield from _ramp(document, path, fault)
        if deployment is not None:
            yield from _references(document, path, fault, deployment)
            yield from _partition(document, path, fault, deployment)


def _aim(document: Document, path: KeyPath, fault: dict[str, Any]) -> Iterator[Finding]:
    aims = _AIMS.get(text(fault, "kind") or "", ())
    given = [key for key in aims if key in fault]
    if aims and len(given) != 1:
        said = f"neither {' nor '.join(aims)}" if not given else f"both {' and '.join(given)}"
        yield document.finding(path, f"{said}; give one of them")


def _strength(document: Document, path: KeyPath, fault: dict[str, Any]) -> Iterator[Finding]:
    kind = text(fault, "kind") or ""
    wanted = _STRENGTH.get(kind)
    if wanted is None:
        return
    for other in ("added_ms", "probability"):
        if kind in ("latency", "loss") and other != wanted and fault.get(other, 0) != 0:
            yield document.finding((*path, other), f"a {kind} fault has none; did you mean {wanted}?")
    if kind == "clock-skew":
        if number(fault, wanted) == 0:
            yield document.finding((*path, wanted), "0 ms changes nothing; above 0 the clock is early, below 0 late")
    elif wanted not in fault or number(fault, wanted) == 0:
        yield document.finding((*path, wanted), f"a {kind} fault needs one above 0")


def _ramp(document: Document, path: KeyPath, fault: dict[str, Any]) -> Iterator[Finding]:
    ramp, length = number(fault, "ramp_s"), number(fault, "duration_s")
    if not ramp:
        return
    if "node" in _AIMS.get(text(fault, "kind") or "", ()):
        if "node" in fault:
            yield document.finding((*path, "ramp_s"), "one node goes at once; nodes of a region or a share go in turn")
    elif length is not None and 2 * ramp > length:
        problem = f"{ramp:g} s up and as long down do not fit into duration_s, {length:g} s"
        yield document.finding((*path, "ramp_s"), problem)


def _references(document: Document, path: KeyPath, fault: dict[str, Any], deployment: Document) -> Iterator[Finding]:
    """Names that the deployment does not have, and shares that are none of its nodes."""
    nodes, regions = named(deployment, "node", "id"), named(deployment, "region", "name")
    both = [*regions, *nodes]
    for key, known, what in (
        ("node", nodes, "node"),
        ("region", regions, "region"),
        ("target", both, "region or node"),
    ):
        name = text(fault, key)
        if name is not None and name not in known:
            yield document.finding((*path, key), f"no {what} {name!r}{did_you_mean(name, known)}")
    between = texts(fault, "between")
    for place, name in between:
        if name not in both:
            problem = f"no region or node {name!r}{did_you_mean(name, both)}"
            yield document.finding((*path, "between", place), problem)
    if len(between) == 2 and between[0][1] == between[1][1]:
        yield document.finding((*path, "between"), f"{between[0][1]!r} twice; two regions or nodes are needed")
    share = number(fault, "share_ratio")
    if share is not None and 0 < share <= 1 and nodes and round(share * len(nodes)) == 0:
        yield document.finding((*path, "share_ratio"), f"{share:g} of {len(nodes)} nodes is none of them")


def _regions_of(deployment: Document) -> dict[str, str]:
    """Region of each node by the node's id."""
    pairs = ((text(row, "id"), text(row, "region")) for _, row in tables(deployment, "node"))
    return {node: region for node, region in pairs if node is not None and region is not None}


def _partition(document: Document, path: KeyPath, fault: dict[str, Any], deployment: Document) -> Iterator[Finding]:
    region_of = _regions_of(deployment)
    groups = fault.get("groups")
    if fault.get("kind") != "partition" or not isinstance(groups, (list, tuple)):
        return
    if len(groups) < 2:
        yield document.finding((*path, "groups"), f"has {len(groups)} group; a partition needs two or more")
    place_of: dict[str, KeyPath] = {}
    for place, group in enumerate(groups):
        if isinstance(group, (list, tuple)):
            if not group:
                problem = "is empty; every group needs a region or a node"
                yield document.finding((*path, "groups", place), problem)
            yield from _group(document, (*path, "groups", place), group, (region_of, deployment), place_of)


def _group(
    document: Document,
    path: KeyPath,
    group: list[Any] | tuple[Any, ...],
    where: tuple[dict[str, str], Document],
    place_of: dict[str, KeyPath],
) -> Iterator[Finding]:
    """Members of one group; `place_of` keeps where each node was met first."""
    region_of, deployment = where
    both = [*named(deployment, "region", "name"), *region_of]
    for member, name in enumerate(group):
        here = (*path, member)
        if not isinstance(name, str):
            continue
        if name not in both:
            yield document.finding(here, f"no region or node {name!r}{did_you_mean(name, both)}")
            continue
        for node in [name] if name in region_of else [key for key, value in region_of.items() if value == name]:
            first = place_of.setdefault(node, here)
            if first != here:
                problem = f"{name!r} puts node {node!r} into two places; it is already in {key_text(first)}"
                yield document.finding(here, problem)
                break


def check_chaos(chaos: Document) -> Iterator[Finding]:
    """Everything that is wrong with chaos tests in themselves; what they hit is looked for when they are done.

    Parameters
    ----------
    chaos : Document
        The tests.
    """
    tests = tables(chaos, "test")
    for path, name, first in repeated(
        [((*path, "name"), name) for path, test in tests if (name := text(test, "name"))]
    ):
        yield chaos.finding(path, f"{name!r} again; it is already {key_text(first)}")
    for path, test in tests:
        for place, variant in enumerate(test.get("variant", [])):
            if isinstance(variant, dict):
                yield from _variant(chaos, (*path, "variant", place), variant)


def _variant(chaos: Document, path: KeyPath, variant: dict[str, Any]) -> Iterator[Finding]:
    faults = variant.get("fault", [])
    if not faults and not variant.get("miner"):
        yield chaos.finding(path, "neither fault nor miner; a variant breaks something")
    places = [((*path, "fault", i), fault) for i, fault in enumerate(faults) if isinstance(fault, dict)]
    yield from check_faults(chaos, places, None)
    for at, fault in places:
        if "duration_s" not in fault:
            yield chaos.finding((*at, "duration_s"), "missing, a number of seconds: the short length of the test")
    for i, miner in enumerate(variant.get("miner", [])):
        if isinstance(miner, dict) and "node" not in miner:
            yield chaos.finding((*path, "miner", i, "node"), "missing: which node misbehaves")
