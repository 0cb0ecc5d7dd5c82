"""Checkers of what has to happen once all faults are over: blocks become final everywhere, and what waits is served.

Apart from what they check, as those of :mod:`bitcell_sim.faults.checkers`: they read what a run has left behind.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.config.schema import LoadBalancer, RegionLoss, Scenario
from bitcell_sim.faults.checkers import Violation
from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.kernels.mempool import NEVER, POOLED, REFUSED
from bitcell_sim.kernels.transactions import NO_SERVER, TIMED_OUT
from bitcell_sim.operations.health_check import CheckTimes
from bitcell_sim.units import NS_PER_S, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.chain.block import Block
    from bitcell_sim.engine.outcome import Outcome
    from bitcell_sim.engine.simulation import Simulation
    from bitcell_sim.kernels.arrays import Flags, Ints

ATTEMPTS = 10  # at a height, that may all fail by bad luck
VOTING_ROUNDS = 3  # that may pass once everybody is there
RESTART_SIGMAS = 4.0


@dataclass(frozen=True)
class Bounds:
    """How long things may take once all faults are over.

    Parameters
    ----------
    healed_s : float
        Seconds from the start of the run to the end of the last fault; infinite for one that does not end.
    settle_s : float
        Seconds after that until all processes run, are connected and have caught up, and the balancers know it.
    progress_s : float
        Seconds from one final block to the next, and from a block to its finality.
    """

    healed_s: float
    settle_s: float
    progress_s: float

    @property
    def needed_s(self) -> float:
        """Seconds that a run has to last so that something is checked."""
        return self.healed_s + self.settle_s + 2 * self.progress_s


def bounds_of(scenario: Scenario) -> Bounds:
    """Bounds of a scenario, from its own times.

    Parameters
    ----------
    scenario : Scenario
        With faults whose ends are said.

    Notes
    -----
    A round of voting that could not end for the whole time of the faults has risen to the number whose time-outs add up
    to that time; its own time-out has to pass before another begins.
    """
    ends = [math.inf if fault.duration_s is None else fault.start_s + fault.duration_s for fault in scenario.fault]
    healed_s = max(ends, default=0.0)
    timing, battle, recovery = scenario.protocol.round, scenario.protocol.battle, scenario.deployment.recovery
    engine = battle.engines[battle.engine]
    rate = core_rate(scenario.deployment.hardware.cores, engine.serial_fraction)
    battle_s = engine.core_s * (len(scenario.deployment.node) - 1) / rate
    attempt_s = timing.commit_s + timing.reveal_s + battle_s + timing.pause_s + timing.block_timeout_s
    attempt_s += timing.block_interval_s
    voting_s = VOTING_ROUNDS * _highest_timeout_s(scenario, healed_s)
    delays_ms = sum(getattr(fault, "added_ms", 0.0) + abs(getattr(fault, "offset_ms", 0.0)) for fault in scenario.fault)
    restart_s = recovery.restart_median_s * math.exp(RESTART_SIGMAS * recovery.restart_sigma)
    catch_up_s = recovery.discovery_interval_s + 2 * recovery.dial_timeout_s + attempt_s
    known_s = _taken_back_s(scenario.deployment.load_balancer)
    if any(isinstance(fault, RegionLoss) for fault in scenario.fault):
        known_s += scenario.deployment.load_balancer.dns_failover_s
    return Bounds(
        healed_s, restart_s + delays_ms / 1000.0 + max(catch_up_s + voting_s, known_s), ATTEMPTS * attempt_s + voting_s
    )


def _taken_back_s(balancer: LoadBalancer) -> float:
    """Seconds until a server that answers again is in use: a check under way fails, and then `rise` in a row pass."""
    times = CheckTimes.of(balancer)
    return (times.longest_ns + balancer.rise * (times.interval_ns + times.longest_ns)) / NS_PER_S


def _highest_timeout_s(scenario: Scenario, faulty_s: float) -> float:
    rules = scenario.protocol.finality
    timeout_s, passed_s = rules.timeout_s, 0.0
    while passed_s < faulty_s < math.inf:
        passed_s += timeout_s
        timeout_s += rules.timeout_step_s
    return timeout_s


def check_liveness(simulation: Simulation, outcome: Outcome, bounds: Bounds) -> list[Violation]:
    """What did not happen although all faults were over.

    Parameters
    ----------
    simulation, outcome
        A run at its end.
    bounds : Bounds
        How long things may take.
    """
    end_s = outcome.simulated_s
    if end_s < bounds.needed_s:
        return []
    final = max((node.final for node in simulation.mesh.nodes), key=lambda block: block.height)
    return [
        *_no_progress(outcome, bounds),
        *_disagreements(simulation, outcome, bounds),
        *_unanswered(simulation, bounds),
        *_left_out(simulation, list(final.chain(1))),
    ]


def _no_progress(outcome: Outcome, bounds: Bounds) -> list[Violation]:
    """Pauses between final blocks that are too long, and blocks that wait too long to become final."""
    start_s, end_s = bounds.healed_s + bounds.settle_s, outcome.simulated_s
    blocks = outcome.tables["blocks"]
    final_s = np.sort(blocks["quorum_final_ms"].dropna().to_numpy()) / 1000.0
    moments = [start_s, *final_s[final_s > start_s].tolist(), end_s]
    longest_s = max(after - before for before, after in itertools.pairwise(moments))
    if longest_s > bounds.progress_s:
        detail = f"none became final for {longest_s:.1f} s, all faults being over; enough are {bounds.progress_s:.1f} s"
        return [Violation("no_progress", detail)]
    waiting = blocks[(blocks["state"] == "pending") & (blocks["built_ms"] / 1000.0 < end_s - bounds.progress_s)]
    if len(waiting):
        detail = f"block {int(waiting['block'].iloc[0])} is not final after {bounds.progress_s:.1f} s"
        return [Violation("no_progress", detail)]
    return []


def _disagreements(simulation: Simulation, outcome: Outcome, bounds: Bounds) -> list[Violation]:
    """Nodes whose chain does not hold what the others have long seen final."""
    blocks = outcome.tables["blocks"]
    limit_ms = 1000.0 * (outcome.simulated_s - bounds.progress_s)
    old = blocks["block"][blocks["quorum_final_ms"] < limit_ms].tolist()
    if not old:
        return []
    block = max((simulation.mesh.blocks[index] for index in old), key=lambda at: at.height)
    return [
        Violation("disagreement", f"node {node.index} has not seen block {block.index} of height {block.height} final")
        for node in simulation.mesh.nodes
        if node.final.ancestor(block.height) is not block
    ]


def _unanswered(simulation: Simulation, bounds: Bounds) -> list[Violation]:
    """Requests that no node answered, all faults being over."""
    book, rows = simulation.plane.book, simulation.plane.rows
    late = book.submit_ns[:rows] > seconds_to_ns(bounds.healed_s + bounds.settle_s)
    failed = late & np.isin(book.request[:rows], (NO_SERVER, TIMED_OUT))
    if not failed.any():
        return []
    detail = f"{int(failed.sum())} unanswered, all faults being over, as transaction {int(failed.argmax())}"
    return [Violation("not_served", detail)]


def _left_out(simulation: Simulation, chain: list[Block]) -> list[Violation]:
    """Pending transactions that a node held when it built a final block with room for them."""
    mesh, book, rows = simulation.mesh, simulation.plane.book, simulation.plane.rows
    limits = mesh.protocol.block
    held = _held(simulation)
    included = np.zeros(rows, np.bool_)
    for block in chain:
        included[block.rows] = True
    gas_max = int(book.gas[:rows].max(initial=0))
    for block in chain:
        if len(block.rows) >= limits.max_transactions or block.gas + gas_max > limits.gas_limit:
            continue
        at = block.builder
        left = held[:, at] & (book.arrival_ns[:rows, at] < block.built_ns) & ~included
        if left.any():
            first = int(left.argmax())
            detail = f"block {block.index} has room and leaves out {int(left.sum())}, as transaction {first}"
            return [Violation("not_served", detail)]
    return []


def _held(simulation: Simulation) -> Flags:
    """Which transactions wait in the pool of each node that runs, shape (transactions, nodes)."""
    up = np.array([simulation.mesh.is_up(node.index) for node in simulation.mesh.nodes])
    book, rows = simulation.plane.book, simulation.plane.rows
    held: Flags = (book.pool[:rows] == POOLED) & up
    return held


def check_nothing_lost(simulation: Simulation) -> list[Violation]:
    """Transactions that clients were told are accepted, and that are nowhere though a node that had them never died.

    A pool is memory: what only nodes had that died since is not counted; nor is what a full pool has turned away from
    another node, as long as the node that accepted it died.

    Parameters
    ----------
    simulation : Simulation
        A run at its end.
    """
    mesh, book, rows = simulation.mesh, simulation.plane.book, simulation.plane.rows
    gone = (book.origin[:rows] >= 0) & ~_held(simulation).any(axis=1)
    for block in {node.head for node in mesh.nodes} | {node.final for node in mesh.nodes}:
        for below in block.chain(1):
            gone[below.rows] = False
    gone &= _witnesses(simulation).any(axis=1)
    if not gone.any():
        return []
    first = int(gone.argmax())
    origin = int(book.origin[first])
    detail = f"{int(gone.sum())} accepted are nowhere, as transaction {first}, which node {origin} took"
    return [Violation("transaction_lost", detail)]


def _witnesses(simulation: Simulation) -> Flags:
    """Which nodes have had which transactions ever since they received them, shape (transactions, nodes)."""
    mesh, book, rows = simulation.mesh, simulation.plane.book, simulation.plane.rows
    nodes = len(mesh.nodes)
    boot_ns: Ints = np.where([mesh.is_up(node) for node in range(nodes)], mesh.state.boot_ns, NEVER)
    arrival_ns = book.arrival_ns[:rows]
    origin = book.origin[:rows, None] == np.arange(nodes)
    received = (boot_ns <= arrival_ns) & (arrival_ns < simulation.duration_ns)
    witness: Flags = received & (origin | (book.pool[:rows] != REFUSED))
    return witness
