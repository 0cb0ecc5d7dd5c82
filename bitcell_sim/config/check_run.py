"""Checks across models: faults against the deployment, the workload, the protocol and its proofs, the targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bitcell_sim.config.check_faults import check_chaos, check_faults
from bitcell_sim.config.document import Document
from bitcell_sim.config.raw import named, number, repeated, tables, text, value_at
from bitcell_sim.config.wording import KeyPath, did_you_mean, key_text
from bitcell_sim.errors import Finding


def _times(run: Document) -> Iterator[Finding]:
    end = number(run.data, "duration_s")
    for path, fault in tables(run, "fault"):
        start = number(fault, "start_s")
        if start is not None and end is not None and start >= end:
            yield run.finding((*path, "start_s"), f"{start:g} s is not before the run's end, {end:g} s (duration_s)")


def _miners(run: Document, deployment: Document) -> Iterator[Finding]:
    nodes = named(deployment, "node", "id")
    rows: list[tuple[KeyPath, str]] = []
    shares = 0.0
    for path, miner in tables(run, "miner"):
        node, share = text(miner, "node"), number(miner, "share_ratio")
        if ("node" in miner) == ("share_ratio" in miner):
            said = "both node and share_ratio" if "node" in miner else "neither node nor share_ratio"
            yield run.finding(path, f"{said}; give one of them")
        if node is not None and node not in nodes:
            yield run.finding((*path, "node"), f"no node {node!r}{did_you_mean(node, nodes)}")
        rows += [((*path, "node"), node)] if node is not None else []
        shares += share or 0.0
        if share is not None and round(share * len(nodes)) == 0:
            yield run.finding((*path, "share_ratio"), f"{share:g} of {len(nodes)} nodes is none of them")
        elif shares > 1:
            yield run.finding((*path, "share_ratio"), f"{share:g}: the shares are {shares:g} together, more than all")
    for path, name, first in repeated(rows):
        yield run.finding(path, f"{name!r} again; it is already {key_text(first)}")


def _workload(workload: Document, deployment: Document) -> Iterator[Finding]:
    weights = workload.data.get("region_weight")
    if not isinstance(weights, dict) or not weights:
        return
    regions = named(deployment, "region", "name")
    for name in weights:
        if name not in regions:
            yield workload.finding(("region_weight", name), f"no region {name!r}{did_you_mean(name, regions)}")
    if all(number(weights, name) == 0 for name in weights):
        yield workload.finding(("region_weight",), "all weights are 0; at least one region must send")


def _protocol(protocol: Document, proofs: Document) -> Iterator[Finding]:
    battle: Any = protocol.data.get("battle")
    engine, engines = text(battle, "engine"), battle.get("engines") if isinstance(battle, dict) else None
    if engine is not None and isinstance(engines, dict) and engine not in engines:
        yield protocol.finding(("battle", "engine"), f"no engine {engine!r}{did_you_mean(engine, engines)}")
    trust: Any = protocol.data.get("trust")
    eligible, killed = number(trust, "eligible_min"), number(trust, "killed_below")
    if eligible is not None and killed is not None and eligible < killed:
        yield protocol.finding(
            ("trust", "eligible_min"), f"{eligible:g} is below killed_below, {killed:g}; a killed miner could enter"
        )
    block: Any = protocol.data.get("block")
    limit, one = number(block, "gas_limit"), number(block, "transaction_gas")
    if limit is not None and one is not None and limit < one:
        yield protocol.finding(
            ("block", "gas_limit"),
            f"{limit:g} is less than one transaction's {one:g} (transaction_gas); no block could hold one",
        )
    yield from _proof(protocol, proofs)


def _proof(protocol: Document, proofs: Document) -> Iterator[Finding]:
    proof: Any = protocol.data.get("proof")
    circuits, provers = proofs.data.get("circuits"), proofs.data.get("provers")
    for table, key, known in (("proof", "prover", provers), ("proof", "circuit", circuits)):
        name = text(proof, key)
        if name is not None and isinstance(known, dict) and name not in known:
            yield protocol.finding((table, key), f"no {key} {name!r} in the proof model{did_you_mean(name, known)}")
    for key, known in (("prover", provers), ("battle_circuit", circuits)):
        name = text(proofs.data, key)
        if name is not None and isinstance(known, dict) and name not in known:
            yield proofs.finding((key,), f"no {key.split('_')[-1]} {name!r}{did_you_mean(name, known)}")
    circuit = value_at(proofs, ("circuits", text(proof, "circuit") or ""))
    grid, least, multiple = (
        number(proof, "grid"),
        number(circuit, "grid_min_count"),
        number(circuit, "grid_multiple_count"),
    )
    if least == 0:
        yield protocol.finding(("proof", "circuit"), f"{text(proof, 'circuit')!r} has no grid, so it proves no battle")
    elif grid is not None and least and multiple and (grid < least or grid % multiple):
        yield protocol.finding(
            ("proof", "grid"), f"{grid:g} does not fit the circuit: a multiple of {multiple:g}, at least {least:g}"
        )
    ways = proof.get("aggregations") if isinstance(proof, dict) else None
    way = text(proof, "aggregation")
    if way is not None and isinstance(ways, dict) and way not in ("none", *ways):
        yield protocol.finding(
            ("proof", "aggregation"), f"no way to aggregate {way!r}{did_you_mean(way, ['none', *ways])}"
        )
    low, high, middle = (number(proofs.data.get("scaling"), f"serial_{key}ratio") for key in ("low_", "high_", ""))
    if low is not None and high is not None and middle is not None and not low <= middle <= high:
        yield proofs.finding(("scaling", "serial_ratio"), f"{middle} is outside its own range, {low} to {high}")


def _proofs_per_block(protocol: Document, deployment: Document) -> Iterator[Finding]:
    count = number(protocol.data.get("proof"), "proofs_per_block")
    battles = len(named(deployment, "node", "id")) - 1
    if count is not None and count > battles > 0:
        yield protocol.finding(
            ("proof", "proofs_per_block"),
            f"{count:g}, but {battles + 1} nodes fight at most {battles} battles a block; 0 proves all of them",
        )


def _targets(targets: Document) -> Iterator[Finding]:
    rows = [((*path, "id"), name) for path, row in tables(targets, "target") if (name := text(row, "id"))]
    for path, name, first in repeated(rows):
        yield targets.finding(path, f"{name!r} again; it is already {key_text(first)}")


def check_run(run: Document, models: dict[str, Document]) -> list[Finding]:
    """Everything that is wrong between the models of a scenario.

    Parameters
    ----------
    run : Document
        The scenario's own keys, with its faults.
    models : dict of str to Document
        Its models, by their keys in a scenario.
    """
    findings: list[Finding] = []
    findings += [*check_faults(run, tables(run, "fault"), models.get("deployment")), *_times(run)]
    if "deployment" in models:
        findings += _miners(run, models["deployment"])
    if "chaos" in models:
        findings += check_chaos(models["chaos"])
    if "workload" in models and "deployment" in models:
        findings += _workload(models["workload"], models["deployment"])
    if "protocol" in models and "proofs" in models:
        findings += _protocol(models["protocol"], models["proofs"])
    if "protocol" in models and "deployment" in models:
        findings += _proofs_per_block(models["protocol"], models["deployment"])
    if "targets" in models:
        findings += _targets(models["targets"])
    return findings
