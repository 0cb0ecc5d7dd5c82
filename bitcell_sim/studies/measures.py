"""One run and what is kept of it: small enough to come back from another process."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis import targets
from bitcell_sim.analysis.availability_mesh import build_mesh
from bitcell_sim.analysis.chaos import Event, first_double_vote_s, observe
from bitcell_sim.analysis.outages import Outages, simulate_outages
from bitcell_sim.analysis.resources import Resources, resources
from bitcell_sim.config.loader import config_hash
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.proving.site import proving_site
from bitcell_sim.random_streams import stream_key
from bitcell_sim.studies import plan
from bitcell_sim.studies.alert_runs import Heard
from bitcell_sim.studies.chaos_plan import plan_trial
from bitcell_sim.studies.ping import Ping, ping_pairs

Floats = npt.NDArray[np.float64]
Kind = str  # pings, overload, at-limit, steady, crashes, losses, years; a chaos test's is its target's id and length
CHAOS = "chaos."
MONITORING = "monitoring."
HOURS_PER_YEAR = 8760.0
SAMPLE_INTERVAL_S = 60.0  # no figure here reads the samples finer than that


@dataclass(frozen=True, eq=False)
class Task:
    """One run to do.

    Parameters
    ----------
    kind : str
        Which figures it is for: pings, overload, at-limit, steady, crashes, losses, years, or a chaos test's target and
        length, such as ``chaos.node_failure.short``.
    scenario : Scenario
        The deployment as it is, or as it might be.
    seed : int
        Seed of the run.
    size : Size
        How much of it.
    limit : float
        Limit of the target where the run depends on it: offered load, how long a chaos test is watched.
    """

    kind: Kind
    scenario: Scenario
    seed: int
    size: plan.Size
    limit: float = 0.0


def name_of(task: Task) -> str:
    """Name of a task: equal for those that are the same run."""
    size = replace(task.size, replications=0, trials=0)  # how many there are is nothing to each of them
    return f"{task.kind} {task.seed} {task.limit} {size} {config_hash(task.scenario)}"


@dataclass
class Measurement:
    """What one run gave; only what its kind measures is filled.

    Parameters
    ----------
    pings : list of Ping
        Round trips of every pair of regions.
    throughput : Throughput or None
        Final rate and what limits it.
    offered_tps : float
        Offered load of the throughput run.
    finality_s, block_finality_s : ndarray of float64
        Seconds.
    lost_share : float
        Share of the accepted transactions that no node held any more.
    proofs : Proofs or None
        Proof jobs.
    resources : Resources or None
        What the nodes' machines were asked for.
    stages : dict of str to list of float
        Seconds from a crash to each stage, one entry a crash.
    failovers : list of Failover
        One a loss of a region.
    chaos : Event or None
        One chaos test.
    outages : Outages or None
        Simulated years.
    heard : Heard or None
        Alerts of a fault, or of a quiet run.
    violations : list of str
        What the safety checkers found.
    simulated_s : float
        Length of the run, seconds.
    """

    pings: list[Ping] = field(default_factory=list)
    throughput: targets.Throughput | None = None
    offered_tps: float = 0.0
    finality_s: Floats = field(default_factory=lambda: np.zeros(0))
    block_finality_s: Floats = field(default_factory=lambda: np.zeros(0))
    lost_share: float = 0.0
    proofs: targets.Proofs | None = None
    resources: Resources | None = None
    stages: dict[str, list[float]] = field(default_factory=dict)
    failovers: list[targets.Failover] = field(default_factory=list)
    chaos: Event | None = None
    outages: Outages | None = None
    heard: Heard | None = None
    violations: list[str] = field(default_factory=list)
    simulated_s: float = 0.0


def measure(task: Task) -> Measurement:
    """Do one run and keep what its kind asks for."""
    if task.kind == "pings":
        return Measurement(pings=ping_pairs(task.scenario, seed=task.seed, repeat=task.size.ping_repeats))
    if task.kind == "years":
        return _years(task)
    if task.kind.startswith(CHAOS):
        return _chaos(task)
    if task.kind.startswith(MONITORING):
        from bitcell_sim.studies import monitoring_rows

        return monitoring_rows.measure(task)
    return _simulated(task)


def _years(task: Task) -> Measurement:
    mesh = build_mesh(task.scenario.deployment, task.scenario.fault_rates)
    hours = task.size.years * HOURS_PER_YEAR
    outages = simulate_outages(mesh, stream_key(task.seed, "studies.years"), hours)
    return Measurement(outages=outages, simulated_s=hours * 3600.0)


def _chaos(task: Task) -> Measurement:
    _, name, length = task.kind.split(".")
    test = next(entry for entry in task.scenario.chaos.test if entry.name == name)
    trial = plan_trial(task.scenario, test, length, task.seed, task.limit)
    outcome = simulate_once(trial.scenario, seed=task.seed, sample_interval_s=SAMPLE_INTERVAL_S)
    window = trial.window
    if trial.offender is not None:
        start_s = first_double_vote_s(outcome.tables, trial.offender, trial.first_height)
        start_s = window.start_s if math.isnan(start_s) else start_s
        end_s = start_s + task.scenario.chaos.sustained_s
        window = replace(window, start_s=start_s, end_s=end_s, service_s=start_s, nodes_s=start_s)
    return Measurement(
        simulated_s=outcome.simulated_s,
        violations=[f"{v.property}: {v.detail}" for v in outcome.violations],
        chaos=observe(outcome.tables, window, test.judged),
    )


def _scenario(task: Task) -> Scenario:
    if task.kind == "overload":
        return plan.loaded(task.scenario, plan.OVERLOAD * task.limit, task.size.blocks)
    if task.kind == "at-limit":
        return plan.loaded(task.scenario, task.limit, task.size.blocks)
    if task.kind == "crashes":
        return plan.crashes(task.scenario, task.seed)
    if task.kind == "losses":
        return plan.region_losses(task.scenario, task.seed, task.size.losses)
    return plan.steady(task.scenario, task.size.blocks)


def _simulated(task: Task) -> Measurement:
    scenario = _scenario(task)
    outcome = simulate_once(scenario, seed=task.seed, sample_interval_s=SAMPLE_INTERVAL_S)
    tables, warmup = outcome.tables, scenario.warmup_blocks
    result = Measurement(
        simulated_s=outcome.simulated_s, violations=[f"{v.property}: {v.detail}" for v in outcome.violations]
    )
    result.lost_share = targets.lost_share(tables)
    if task.kind in ("overload", "at-limit"):
        block = scenario.protocol.block
        result.throughput = targets.throughput(tables, warmup, block.max_transactions, block.gas_limit)
        result.offered_tps = scenario.workload.rate_tps
    elif task.kind == "steady":
        result.finality_s = targets.finality_s(tables, warmup, scenario.duration_s * 1000.0)
        result.block_finality_s = targets.block_finality_s(tables, warmup)
        site = proving_site(scenario.deployment, scenario.protocol, scenario.proofs)
        result.resources = resources(
            tables,
            warmup,
            tuple(node.id for node in scenario.deployment.node),
            end_ms=scenario.duration_s * 1000.0,
            overhead_bytes=scenario.protocol.wire.overhead_bytes,
            uplink_mbit_per_s=scenario.deployment.hardware.uplink_mbit_per_s,
        )
        result.proofs = targets.proofs(tables, warmup, scenario.protocol.proof.missing_after_blocks, site)
    elif task.kind == "crashes":
        frame = targets.recovery_stages_s(tables)
        result.stages = {name: frame[name].tolist() for name in frame.columns if name not in ("node", "crash_ms")}
    else:
        result.failovers = targets.failovers(tables)
    return result
