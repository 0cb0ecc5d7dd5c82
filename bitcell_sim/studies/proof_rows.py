"""Rows of the scorecard about proofs: time of one, whether they keep up with blocks, memory of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.analysis.estimates import Estimate, clustered_quantile, deterministic, mean_interval, quantile
from bitcell_sim.analysis.targets import Proofs
from bitcell_sim.config.schema import Scenario, Target
from bitcell_sim.proving.site import BYTES_PER_GB, ProvingSite, proving_site
from bitcell_sim.studies import reasons

if TYPE_CHECKING:
    from bitcell_sim.studies.rows import Evidence, Found

P95 = 0.95


def site_of(scenario: Scenario) -> ProvingSite:
    """Where a scenario's battle proofs are computed."""
    return proving_site(scenario.deployment, scenario.protocol, scenario.proofs)


def memory_gb(scenario: Scenario) -> float:
    """Memory of a machine that proves, GB."""
    return site_of(scenario).memory_bytes / BYTES_PER_GB


def proof_time(target: Target, evidence: Evidence) -> Found:
    """One battle proof alone on a machine of those that prove, as if memory sufficed."""
    runs = _proofs_of(evidence)
    demanded = [run.demanded_s for run in runs if len(run.demanded_s)]
    jobs = sum(len(values) for values in demanded)
    if not jobs:
        return Estimate(None, None, None, 0), reasons.no_proof(evidence.scenario), evidence.runs("steady"), {}
    site, proof = site_of(evidence.scenario), evidence.scenario.protocol.proof
    predicted = site.prediction
    spread = clustered_quantile(demanded, P95, seed=evidence.seed)
    low = min(spread.ci_low or np.inf, predicted.ci_low)
    high = max(spread.ci_high or 0.0, predicted.ci_high)
    killed = sum(run.killed for run in runs) / sum(run.jobs for run in runs)
    transfer_s = quantile(np.concatenate([run.transfer_s for run in runs]), P95) or 0.0
    cores = f"{predicted.single_core_s:.3g} s on one core and {predicted.seconds_measured:.3g} s on {site.cores}"
    took = f"{predicted.seconds_measured:.3g} s on a card of its own" if site.card else cores
    there = f"; what the farm needs for it is {transfer_s:.1f} s under way at p95" if site.farm else ""
    why = (
        f"{predicted.constraints:,} constraints ({proof.circuit}, {proof.grid} x {proof.grid} x {proof.steps}) take"
        f" {took} with {proof.prover}{there}; {killed:.0%} of the jobs were killed: {_needs(evidence.scenario)};"
        " the interval is the cost model's"
    )
    beside: dict[str, float | None] = {
        "killed_share": killed,
        "single_core_s": predicted.single_core_s,
        "constraints": float(predicted.constraints),
        "transfer_p95_s": transfer_s,
    }
    estimate = Estimate(spread.measured, low, high, jobs)
    return estimate, why, f"{jobs} jobs in {evidence.runs('steady')}", beside


def proof_backlog(target: Target, evidence: Evidence) -> Found:
    """Demanded time of proofs over the time that is there, of the provers that have least of it."""
    runs = _proofs_of(evidence)
    groups = sorted({name for run in runs if len(run.demanded_s) for name in run.utilisation})
    shares = {name: [run.utilisation[name] for run in runs if np.isfinite(run.utilisation[name])] for name in groups}
    shares = {name: values for name, values in shares.items() if values}
    if not shares:
        return Estimate(None, None, None, 0), reasons.no_proof(evidence.scenario), evidence.runs("steady"), {}
    worst = max(shares, key=lambda name: float(np.mean(shares[name])))
    site = site_of(evidence.scenario)
    estimate = _with_model(mean_interval(shares[worst]), site)
    missing = sum(run.missing for run in runs) / max(1, sum(run.due for run in runs))
    why = (
        f"{_demand(evidence.scenario, worst)} {estimate.measured or 0:.2f} times over; {missing:.0%} of the proofs were"
        f" still missing {evidence.scenario.protocol.proof.missing_after_blocks} blocks later; the interval is that of"
        " the cost model too"
    )
    beside: dict[str, float | None] = {"missing_share": missing}
    beside |= {f"{name}_ratio": float(np.mean(values)) for name, values in shares.items() if len(shares) > 1}
    return estimate, why, evidence.runs("steady"), beside


def proof_memory(target: Target, evidence: Evidence) -> Found:
    """Memory of one battle proof beside what a machine that proves has."""
    if evidence.scenario.protocol.proof.mode == "off":
        return Estimate(None, None, None, 0), reasons.no_proof(evidence.scenario), evidence.runs("steady"), {}
    site = site_of(evidence.scenario)
    predicted = site.prediction
    estimate = deterministic(predicted.memory_bytes / BYTES_PER_GB, max(1, len(evidence.measured["steady"])))
    each_kb = predicted.memory_bytes / max(1, predicted.constraints) / 1000
    why = f"{predicted.constraints:,} constraints at {each_kb:.1f} kB each; {_has(site)}"
    if site.slots > 1:
        why += f"; {site.slots} at a time need {site.slots * predicted.memory_bytes / BYTES_PER_GB:.1f}"
    return estimate, why, "size of the circuit, exact", {"constraints": float(predicted.constraints)}


def _proofs_of(evidence: Evidence) -> list[Proofs]:
    return [run.proofs for run in evidence.measured["steady"] if run.proofs]


def _has(site: ProvingSite) -> str:
    owner = "a machine of the farm" if site.farm else "a node"
    return f"{owner} has {site.memory_bytes / BYTES_PER_GB:g} GB"


def _needs(scenario: Scenario) -> str:
    site, proof = site_of(scenario), scenario.protocol.proof
    needs = f"a proof needs {site.prediction.memory_bytes / BYTES_PER_GB:.1f} GB, {_has(site)}"
    if not site.aggregated:
        return needs
    node_gb = scenario.deployment.hardware.memory_gb
    return f"{needs}; an aggregate needs {proof.aggregations[proof.aggregation].memory_gb:g}, a node has {node_gb:g}"


def _with_model(estimate: Estimate, site: ProvingSite) -> Estimate:
    """The interval over runs, and in proportion the cost model's: demand grows as proofs do."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return estimate
    predicted = site.prediction
    low, high = (end / predicted.seconds_measured for end in (predicted.ci_low, predicted.ci_high))
    return Estimate(estimate.measured, max(0.0, estimate.ci_low) * low, estimate.ci_high * high, estimate.n)


def _demand(scenario: Scenario, provers: str) -> str:
    """Who has to prove what, and what of their time it takes."""
    site, proof, timing = site_of(scenario), scenario.protocol.proof, scenario.protocol.round
    nodes = scenario.deployment.node
    battles = proof.proofs_per_block or len(nodes) - 1
    asked = f"each block demands {battles} proofs"
    if provers == "nodes":
        phases_s = timing.commit_s + timing.reveal_s + timing.pause_s
        return (
            f"{asked}, and battles go before proofs on the same cores; what is left of a round ({phases_s:g} s of"
            " phases) is used"
        )
    if provers == "cards":
        return f"{asked}, and the cards of the builders, which battles leave alone, are used"
    own = sum(node.region == provers for node in nodes)
    machines = f"{site.machines} machine{'s' if site.machines > 1 else ''}"
    return (
        f"{asked}; the farm of {provers} proves those of {own} of {len(nodes)} nodes, and its {machines} would be used"
    )
