"""Rows of the scorecard about what a node's machine has to have: cores, memory, disk, uplink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.analysis.estimates import Estimate, quantile, t_interval_of_replicates
from bitcell_sim.analysis.resources import DAYS_PER_YEAR, Resources
from bitcell_sim.analysis.targets import Floats
from bitcell_sim.config.schema import Target

if TYPE_CHECKING:
    from bitcell_sim.studies.rows import Evidence, Found

P95 = 0.95
PREFIX = "resources."


def cpu(target: Target, evidence: Evidence) -> Found:
    """Cores that a node's work demands on average, whether it gets them or not."""
    runs = _runs(evidence)
    estimate = _over_nodes([run.cores for run in runs])
    shares = {
        "battles": float(np.mean([run.battle_cores for run in runs])),
        "checks": float(np.mean([run.check_cores for run in runs])),
        "proofs": float(np.mean([run.proof_cores for run in runs])),
    }
    has = evidence.scenario.deployment.hardware.cores
    parts = ", ".join(f"{what} {cores:.2f}" for what, cores in shares.items() if np.isfinite(cores))
    total = sum(cores for cores in shares.values() if np.isfinite(cores))
    why = (
        f"{total:.2f} of a node's {has} cores on average over nodes ({parts or 'nothing'}); the builder of a block asks"
        " for all its proofs, so in a score of blocks some node has more than its share of them"
    )
    if evidence.scenario.protocol.proof.mode != "off":
        why += "; proofs count as they are asked for, also those killed for memory"
    beside: dict[str, float | None] = {f"{what}_cores": _finite(cores) for what, cores in shares.items()}
    return estimate, why, evidence.runs("steady"), beside


def memory(target: Target, evidence: Evidence) -> Found:
    """Most memory that a node's work holds or asks for."""
    runs = _runs(evidence)
    estimate = _over_nodes([run.memory_gb for run in runs])
    has = evidence.scenario.deployment.hardware.memory_gb
    why = (
        f"the work of a node asks for {estimate.measured or 0.0:.1f} GB at most, and has {has:g}; the battle"
        " proof is all of it, as the node's own process is not counted"
    )
    return estimate, why, evidence.runs("steady"), {"node_gb": has}


def disk(target: Target, evidence: Evidence) -> Found:
    """Growth of the chain in a year."""
    runs = _runs(evidence)
    estimate = t_interval_of_replicates([_finite(run.disk_gb_per_year) for run in runs])
    beside: dict[str, float | None] = {"days_until_full": None}
    if estimate.measured is None:
        return estimate, "too few blocks became final", evidence.runs("steady"), beside
    has = evidence.scenario.deployment.hardware.disk_gb
    days = beside["days_until_full"] = DAYS_PER_YEAR * has / estimate.measured
    why = (
        f"{evidence.scenario.workload.rate_tps:g} TPS grow the chain by"
        f" {1000 * estimate.measured / DAYS_PER_YEAR:.0f} MB a day, which fills {has:g} GB in"
        f" {days / DAYS_PER_YEAR:.1f} years; indices, state and logs are not counted, and nothing is pruned"
    )
    return estimate, why, evidence.runs("steady"), beside


def network(target: Target, evidence: Evidence) -> Found:
    """Mean rate that a node sends."""
    runs = _runs(evidence)
    estimate = _over_nodes([run.sent_mbit_per_s for run in runs])
    burst_s = max((run.burst_s for run in runs), default=0.0)
    has = evidence.scenario.deployment.hardware.uplink_mbit_per_s
    why = (
        f"a node sends {estimate.measured or 0.0:.2f} of {has:g} Mbit/s on average at"
        f" {evidence.scenario.workload.rate_tps:g} TPS; the largest block to all peers takes the uplink whole for"
        f" {1000 * burst_s:.0f} ms"
    )
    return estimate, why, evidence.runs("steady"), {"burst_s": burst_s, "node_mbit_per_s": has}


def _runs(evidence: Evidence) -> list[Resources]:
    return [run.resources for run in evidence.measured["steady"] if run.resources is not None]


def _over_nodes(runs: list[Floats]) -> Estimate:
    """95th percentile over the nodes of each run, averaged over runs."""
    return t_interval_of_replicates([quantile(run, P95) if np.isfinite(run).all() else None for run in runs])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
