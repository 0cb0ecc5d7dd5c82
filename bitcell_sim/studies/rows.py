"""From measurements to the rows of the scorecard: figure, interval, verdict, and one sentence why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bitcell_sim.analysis.availability_mesh import build_mesh
from bitcell_sim.analysis.availability_theory import steady_availability
from bitcell_sim.analysis.estimates import (
    Estimate,
    clustered_quantile,
    deterministic,
    judge,
    quantile,
    quantile_interval,
    t_interval_of_replicates,
)
from bitcell_sim.analysis.outages import MONTH_MIN, cause_name, minutes_per_month, missed_months, up_share
from bitcell_sim.config.schema import Scenario, Target
from bitcell_sim.studies import proof_rows, reasons, resource_rows
from bitcell_sim.studies.measures import Kind, Measurement
from bitcell_sim.studies.plan import CRASH_SPACING_S

P95 = 0.95
KILLED_SHARE_MAX = 0.05


@dataclass
class Row:
    """One row of the scorecard; the fields are a contract."""

    id: str
    title: str
    statistic: str
    how: str
    unit: str
    limit: float
    comparison: str
    measured: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    verdict: str
    why: str
    evidence: str
    beside: dict[str, float | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What a row is made from.

    Parameters
    ----------
    scenario : Scenario
        What was run.
    seed : int
        First seed.
    measured : dict of str to list of Measurement
        By kind of run.
    """

    scenario: Scenario
    seed: int
    measured: dict[Kind, list[Measurement]]

    def command(self, target: str) -> str:
        """What repeats a row."""
        return f"bitcell-sim verify {self.scenario.name} --only '{target}' --seed {self.seed}"

    def runs(self, kind: Kind) -> str:
        """How much was run, in words."""
        runs = self.measured[kind]
        return f"{len(runs)} runs of {runs[0].simulated_s / 60:.0f} simulated minutes"


Found = tuple[Estimate, str, str, dict[str, float | None]]
Maker = Callable[[Target, Evidence], Found]


def make_row(target: Target, evidence: Evidence) -> Row:
    """Row of one target."""
    maker, _ = maker_of(target.id)
    estimate, why, how_much, beside = maker(target, evidence)
    why = "; ".join(reasons.obstacles(target.id, evidence.scenario)) or why
    verdict: str = judge(estimate, target.limit, target.comparison)
    if target.id == "proof_time" and verdict == "pass" and (beside.get("killed_share") or 0.0) > KILLED_SHARE_MAX:
        verdict = "fail"
    measured = estimate.measured
    if measured is None or (target.id.startswith("latency.") and evidence.scenario.latency.local):
        verdict = "unknown"
    return Row(
        id=target.id,
        title=target.title,
        statistic=target.statistic,
        how=target.how,
        unit=target.unit,
        limit=target.limit,
        comparison=target.comparison,
        measured=measured,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        n=estimate.n,
        verdict=verdict,
        why=why,
        evidence=f"{how_much}; {evidence.command(target.id)}",
        beside=beside,
    )


def maker_of(target_id: str) -> tuple[Maker, tuple[Kind, ...]]:
    """Who makes a target's row, and the kinds of runs it needs."""
    if target_id.startswith("latency."):
        return _latency, ("pings",)
    return MAKERS[target_id]


# ------------------------------------------------------------------------------------------------ latency


def _latency(target: Target, evidence: Evidence) -> Found:
    wanted = set(target.id.split(".")[1:]) - {"cross-region"}
    pairs = [
        ping
        for ping in evidence.measured["pings"][0].pings
        if not wanted or {ping.source_region, ping.target_region} == wanted
    ]
    if not pairs:
        return Estimate(None, None, None, 0), "the deployment has no such pair of regions", "no ping", {}
    ping = max(pairs, key=lambda ping: float(np.nanquantile(ping.rtt_ms, P95, method="inverted_cdf")))
    rtt = ping.rtt_ms[~np.isnan(ping.rtt_ms)]
    estimate = clustered_quantile([row[~np.isnan(row)] for row in ping.rtt_ms], P95, seed=evidence.seed)
    p50, p99 = (float(q) for q in np.quantile(rtt, [0.5, 0.99], method="inverted_cdf"))
    means = ping.rtt_ms.mean(axis=1)
    beside: dict[str, float | None] = {
        "p50_ms": p50,
        "p99_ms": p99,
        "ten_ping_mean_p95_ms": quantile(means[~np.isnan(means)], P95),
        "one_way_p95_ms": (estimate.measured or 0.0) / 2,
        "floor_ms": ping.floor_ms,
    }
    floor = f"; light in fibre needs {ping.floor_ms:.0f} ms" if ping.floor_ms else ""
    source = evidence.scenario.latency
    why = (
        f"{ping.source_region} to {ping.target_region}: p50 {p50:.1f}, p99 {p99:.1f} ms there and back on {source.name}"
        f" ({source.date}){floor}; one way {beside['one_way_p95_ms']:.0f} ms at p95"
    )
    if source.local:
        why += "; one machine without distance says nothing about regions"
    how_much = f"{rtt.size} pings in {ping.rtt_ms.shape[0]} states of the link, worse direction"
    return estimate, why, how_much, beside


# ------------------------------------------------------------------------------- throughput and finality


def _throughput(target: Target, evidence: Evidence) -> Found:
    runs = [run.throughput for run in evidence.measured["overload"] if run.throughput]
    estimate = t_interval_of_replicates([run.final_tps if np.isfinite(run.final_tps) else None for run in runs])
    offered = evidence.measured["overload"][0].offered_tps
    how_much = f"{evidence.runs('overload')} at {offered:.0f} TPS offered"
    if estimate.measured is None:
        never = reasons.obstacles(target.id, evidence.scenario)
        return deterministic(0.0, len(runs)) if never else estimate, "too few blocks became final", how_much, {}
    at_limit = [run.throughput.final_tps for run in evidence.measured["at-limit"] if run.throughput]
    share = float(np.mean(at_limit)) / target.limit
    round_s = float(np.mean([run.round_s for run in runs]))
    full = float(np.mean([run.full_share for run in runs]))
    gas = float(np.mean([run.gas_share for run in runs]))
    protocol = evidence.scenario.protocol
    phases = protocol.round.commit_s + protocol.round.reveal_s + protocol.round.pause_s
    if full > 0.5:
        cause = f"{full:.0%} of blocks hold the cap of {protocol.block.max_transactions} transactions"
    elif gas > 0.95:
        cause = f"blocks use {gas:.0%} of the gas limit of {protocol.block.gas_limit}"
    else:
        cause = f"blocks are not full ({full:.0%}), so {offered:.0f} TPS offered is carried"
    why = (
        f"{cause} and a round lasts {round_s:.1f} s, of which battles by the '{protocol.battle.engine}' engine take"
        f" about {max(0.0, round_s - phases):.0f} s; at {target.limit:.0f} TPS offered {share:.0%} becomes final"
        + reasons.vanished(evidence.scenario, [run.lost_share for run in evidence.measured["at-limit"]])
    )
    beside: dict[str, float | None] = {
        "final_over_offered_at_limit": share,
        "round_s": round_s,
        "full_block_share": full,
        "gas_share": gas,
        "pool_full_share": float(np.mean([run.pool_full_share for run in runs])),
    }
    return estimate, why, how_much, beside


def _finality(target: Target, evidence: Evidence) -> Found:
    runs = evidence.measured["steady"]
    estimate = clustered_quantile([run.finality_s for run in runs], P95, seed=evidence.seed)
    pooled = np.concatenate([run.finality_s for run in runs])
    blocks = np.concatenate([run.block_finality_s for run in runs])
    p50, block_p95 = quantile(pooled, 0.5), quantile(blocks, P95)
    rate = evidence.scenario.workload.rate_tps
    why = (
        f"a transaction waits for the next block (p50 {p50 or 0:.0f} s at {rate:g} TPS);"
        f" the votes on a block then take {block_p95 or 0:.2f} s at p95"
        + reasons.vanished(evidence.scenario, [run.lost_share for run in runs])
    )
    beside: dict[str, float | None] = {"p50_s": p50, "block_p95_s": block_p95}
    return estimate, why, f"{len(pooled)} transactions in {evidence.runs('steady')}", beside


# ---------------------------------------------------------------------------------------- recovery and uptime


def _node_recovery(target: Target, evidence: Evidence) -> Found:
    runs = evidence.measured["crashes"]
    limit = CRASH_SPACING_S
    recovered = [limit if np.isnan(value) else value for run in runs for value in run.stages.get("recovered", [])]
    estimate = quantile_interval(recovered, P95)  # every crash has a restart of its own, so they are independent
    beside: dict[str, float | None] = {}
    for stage in ("process", "peers", "synced", "first-vote", "served"):
        values = [value for run in runs for value in run.stages.get(stage, []) if not np.isnan(value)]
        beside[f"{stage.replace('-', '_')}_p95_s"] = quantile(values, P95) if values else None
    times = evidence.scenario.deployment.recovery
    why = (
        f"the process is back after {beside['process_p95_s'] or 0:.0f} s at p95 (restart median"
        f" {times.restart_median_s:g} s, assumed), peers and missed blocks add under {max(0.1, _gap(runs)):.1f} s; it"
        f" votes again after {beside['first_vote_p95_s'] or 0:.0f} s; a lost host takes minutes and is not in this"
        " figure"
    )
    return estimate, why, f"{len(recovered)} crashes in {evidence.runs('crashes')}", beside


def _gap(runs: Sequence[Measurement]) -> float:
    """Largest seconds between a process that is up and a recovered node."""
    pairs = [
        (after - before)
        for run in runs
        for before, after in zip(run.stages.get("process", []), run.stages.get("recovered", []), strict=True)
        if not np.isnan(after)
    ]
    return max(pairs, default=0.0)


def _regional_failover(target: Target, evidence: Evidence) -> Found:
    runs = evidence.measured["losses"]
    worst: tuple[Estimate, str] | None = None
    beside: dict[str, float | None] = {}
    for region in evidence.scenario.deployment.region:
        times = [f.total_s for run in runs for f in run.failovers if f.region == region.name]
        estimate = quantile_interval(times, P95)  # every loss falls into a round of its own, so they are independent
        beside[f"{region.name}_p95_s"] = estimate.measured
        if worst is None or (estimate.measured or 0.0) > (worst[0].measured or 0.0):
            worst = (estimate, region.name)
    assert worst is not None
    estimate, region_name = worst
    mine = [f for run in runs for f in run.failovers if f.region == region_name]
    clients, chain = quantile([f.clients_s for f in mine], P95), quantile([f.chain_s for f in mine], P95)
    cut_off = sum(f.cut_off for f in mine)
    why = (
        f"worst region {region_name}: clients are served again after {clients or 0:.0f} s at p95, but the first block"
        f" after the loss is final only after {chain or 0:.0f} s: when the lost region would have made the block, a"
        f" time-out of {evidence.scenario.protocol.round.block_timeout_s:g} s and a whole round follow"
        + (f"; {cut_off} of {len(mine)} were not over when the region came back" if cut_off else "")
    )
    losses = sum(len(run.failovers) for run in runs)
    return estimate, why, f"{losses} losses in {evidence.runs('losses')}", beside


def _uptime(target: Target, evidence: Evidence) -> Found:
    runs = evidence.measured["years"]
    if reasons.obstacles(target.id, evidence.scenario):
        return deterministic(0.0, len(runs)), "", "the deployment's own settings", {}
    scenario = evidence.scenario
    mesh = build_mesh(scenario.deployment, scenario.fault_rates)
    outages = [run.outages for run in runs if run.outages is not None]
    minutes = minutes_per_month(outages, mesh)
    share = up_share(minutes)
    estimate = Estimate(_percent(share.measured), _percent(share.ci_low), _percent(share.ci_high), share.n)
    by_cause = {cause: minutes_per_month(outages, mesh, cause) for cause in {int(c) for o in outages for c in o.causes}}
    cause = max(by_cause, key=lambda bits: by_cause[bits].measured or 0.0, default=0)
    lost = minutes.measured or 0.0
    main = (by_cause[cause].measured or 0.0) / lost if lost else 0.0
    budget_min = (100.0 - target.limit) / 100.0 * MONTH_MIN
    missed = missed_months(outages, budget_min).measured or 0.0
    closed = 100.0 * steady_availability(mesh)
    rates = scenario.fault_rates.global_
    why = (
        f"{lost:.1f} minutes down a month on average ({closed:.4f} % in closed form), {main:.0%} of it in"
        f" '{cause_name(cause)}' faults; {missed:.1%} of months lose more than the {budget_min:.1f} minutes allowed; a"
        f" global fault comes every {rates.mtbf_h / 8760:.2g} years and is assumed to take the whole quorum"
    )
    years = sum(run.simulated_s for run in runs) / 3600.0 / 8760.0
    beside: dict[str, float | None] = {"closed_form_percent": closed, "missed_months_ratio": missed}
    return estimate, why, f"{minutes.n} outages in {years:,.0f} simulated years of faults", beside


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


MAKERS: dict[str, tuple[Maker, tuple[Kind, ...]]] = {
    "throughput": (_throughput, ("overload", "at-limit")),
    "finality": (_finality, ("steady",)),
    "proof_time": (proof_rows.proof_time, ("steady",)),
    "proof_backlog": (proof_rows.proof_backlog, ("steady",)),
    "proof_memory": (proof_rows.proof_memory, ("steady",)),
    "node_recovery": (_node_recovery, ("crashes",)),
    "regional_failover": (_regional_failover, ("losses",)),
    "uptime": (_uptime, ("years",)),
    "resources.cpu": (resource_rows.cpu, ("steady",)),
    "resources.memory": (resource_rows.memory, ("steady",)),
    "resources.disk": (resource_rows.disk, ("steady",)),
    "resources.network": (resource_rows.network, ("steady",)),
}
