"""The kernels' transaction plane and the plain one agree to the nanosecond, with faults decided while the run goes on.

Each case is run twice from the same seed: by kernels in batches, and with one SimPy process a message. Receipts at
every node, requests, pools, block contents, finality and the whole trace have to be identical.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simpy
from numba.core.registry import CPUDispatcher
from pydantic import TypeAdapter

from bitcell_sim.config.fault import Fault
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine import plain
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.kernels import arrivals_plain, mempool_plain, paths_plain
from bitcell_sim.kernels.mempool import COLLIDED, NEVER, POOLED
from bitcell_sim.kernels.transactions import NO_SERVER, REJECTED, TIMED_OUT

QUICK = ("duration_s=80", "workload.rate_tps=12")
FAST_ROUNDS = tuple(f"protocol.round.{key}=1.0" for key in ("commit_s", "reveal_s", "pause_s"))
STILL = tuple(f"latency.jitter.{key}=0.0" for key in ("fast_scale_ms", "spike_probability"))
KEYED = ("protocol.quirks.price_second_key=true", "workload.gas_price.median=3.0", "workload.rate_tps=20")
SMALL_POOL = ("protocol.mempool.capacity=40", "workload.rate_tps=20")
RING = ("deployment.peer_limit=3", "deployment.recovery.healthy_peers=1")
ONE_BALANCER = ("deployment.load_balancer.placement=us-east",)
REDISPATCH = ("deployment.load_balancer.redispatch=true",)
POLL_NS = 25_000_000
FAULT: TypeAdapter[Any] = TypeAdapter(Fault)
NODES = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-central-1", "eu-central-2", "ap-southeast-1")
REGIONS = ("us-east", "us-west", "eu-central", "ap-southeast")
COLUMNS = (
    *("draw_id", "submit_ns", "region", "price", "gas", "size_bytes"),
    *("balancer", "server", "attempt", "sent_ns", "origin", "accepted_ns", "answered_ns", "request"),
    *("arrival_ns", "parent", "pool", "included"),
)

Trigger = Callable[[Simulation], bool]


def height(least: int) -> Trigger:
    return lambda run: max(node.head.height for node in run.mesh.nodes) >= least


def final(least: int) -> Trigger:
    return lambda run: max(node.final.height for node in run.mesh.nodes) >= least


def pending(least: int, node: int = 0) -> Trigger:
    return lambda run: run.plane.pending(node, run.mesh.now) >= least


def down(node: int) -> Trigger:
    return lambda run: not run.mesh.is_up(node)


def back(node: int) -> Trigger:
    return lambda run: run.mesh.is_up(node)


def fault(kind: str, duration_s: float | None = 10.0, start_s: float = 0.0, **keys: Any) -> Fault:
    return FAULT.validate_python({"kind": kind, "start_s": start_s, "duration_s": duration_s, **keys})


def split(*groups: tuple[str, ...], duration_s: float = 10.0, one_way: bool = False) -> Fault:
    return fault("partition", duration_s, groups=groups, one_way=one_way)


@dataclass(frozen=True)
class Case:
    """A scenario, what happens in it and on which sign, and what must come of it for the case to be worth its time."""

    name: str
    script: tuple[tuple[Trigger, Fault], ...] = ()
    sets: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    seed: int = 1


US, REST = ("us-east", "us-west"), ("eu-central", "ap-southeast")

CASES = [
    Case("quiet"),
    Case("crash", ((height(2), fault("process-crash", node="us-east-1")),), seen=("retry",)),
    Case("crash with a drawn restart", ((pending(30), fault("process-crash", None, node="eu-central-2")),), seed=2),
    Case(
        "two crashes, one inside the other, the second decided by the first",
        (
            (height(2), fault("process-crash", 15.0, node="us-west-1")),
            (down(2), fault("process-crash", 5.0, start_s=1.0, node="us-east-2")),
            (back(1), fault("host-loss", 3.0, node="us-west-1")),
        ),
        seed=3,
    ),
    Case(
        "restarts quicker than a copy travels: the new process gets what was sent to the old one",
        tuple((height(1), fault("process-crash", 0.03, start_s=0.4 * i, node=NODES[i % 7])) for i in range(24)),
        sets=("workload.rate_tps=30", "duration_s=50"),
        seen=("received twice",),
    ),
    Case(
        "a copy that is longer on the wire than under way reaches the new process",
        tuple((pending(1 + i), fault("process-crash", 0.005, start_s=0.02, node=NODES[i])) for i in range(1, 6)),
        sets=(
            "latency=docker",
            *STILL,
            "latency.jitter.spike_max_ms=0.001",
            "deployment.hardware.uplink_mbit_per_s=0.05",
            "workload.rate_tps=0.3",
            "protocol.round.pause_s=50.0",
        ),
        seed=3,
        seen=("received twice",),
    ),
    Case("host loss", ((height(2), fault("host-loss", 12.0, node="us-west-2")),), seen=("retry",)),
    Case("region loss", ((final(1), fault("region-loss", 20.0, region="us-east")),), seen=("timeout",), seed=4),
    Case(
        "loss of the only balancer's region",
        ((height(2), fault("region-loss", 20.0, region="us-east")),),
        sets=ONE_BALANCER,
        seen=("timeout",),
    ),
    Case(
        "loss of another region behind one balancer, with redispatch",
        ((height(2), fault("region-loss", 20.0, region="eu-central")),),
        sets=(*ONE_BALANCER, *REDISPATCH),
        seen=("retry",),
    ),
    Case(
        "a rate limit with a burst, and a drained region that crashes",
        (
            (height(2), fault("drain", 12.0, target="us-west")),
            (height(2), fault("process-crash", 5.0, start_s=2.0, node="us-west-1")),
        ),
        sets=(
            "workload.rate_tps=20",
            "deployment.load_balancer.rate_limit_per_s=4.0",
            "deployment.load_balancer.rate_limit_burst=3",
        ),
        seen=("rejected",),
        seed=3,
    ),
    Case("partition 3-4", ((height(2), split(US, REST, duration_s=15.0)),), seen=("retry",), seed=5),
    Case(
        "partition one way",
        ((height(2), split(("us-east",), ("us-west", *REST), one_way=True)),),
        seen=("retry", "timeout"),
        seed=6,
    ),
    Case(
        "partition in three, and another one before it heals",
        (
            (height(2), split(("us-east",), ("us-west",), REST, duration_s=12.0)),
            (height(3), split(("ap-southeast",), US, duration_s=4.0, one_way=True)),
        ),
        seed=7,
    ),
    Case("latency step", ((height(2), fault("latency", 20.0, between=("us-east", "eu-central"), added_ms=500.0)),)),
    Case(
        "latency beyond the connect time-out to a node that is down",
        (
            (height(2), fault("latency", 30.0, target="ap-southeast", added_ms=6000.0)),
            (height(2), fault("process-crash", 15.0, start_s=1.0, node="ap-southeast-1")),
            (down(6), fault("region-loss", 5.0, start_s=8.0, region="us-west")),
        ),
        sets=("workload.client_timeout_s=20.0",),
        seen=("retry",),
        seed=8,
    ),
    Case("packet loss", ((height(2), fault("loss", 30.0, target="eu-central", probability=0.1)),), seed=9),
    Case(
        "packet loss of large transactions, and a crash in it",
        (
            (height(2), fault("loss", 30.0, target="us-east", probability=0.5)),
            (height(3), fault("process-crash", 5.0, node="us-east-1")),
        ),
        sets=("workload.data_bytes_mean=3000.0",),
        seed=10,
    ),
    Case(
        "bandwidth limit: small messages queue, and do not any more",
        ((height(2), fault("bandwidth", 15.0, target="eu-central-1", uplink_mbit_per_s=0.5)),),
        seen=("queueing",),
        seed=11,
    ),
    Case(
        "a region's bandwidth, a crash and a partition while messages queue",
        (
            (height(2), fault("bandwidth", 25.0, target="us-west", uplink_mbit_per_s=0.3)),
            (height(3), fault("process-crash", 0.1, node="us-west-1")),
            (height(3), split(US, REST, duration_s=3.0)),
        ),
        seen=("queueing",),
        seed=12,
    ),
    Case(
        "every message queues from the start",
        ((height(2), fault("process-crash", 6.0, node="us-east-2")),),
        sets=("deployment.hardware.uplink_mbit_per_s=1.0", *FAST_ROUNDS),
        seen=("queueing",),
        seed=13,
    ),
    Case(
        "a surge that makes messages queue",
        ((height(2), fault("load-surge", 8.0, factor=6.0)),),
        sets=("deployment.hardware.uplink_mbit_per_s=2.0", "workload.rate_tps=6", "duration_s=60"),
        seen=("queueing",),
        seed=14,
    ),
    Case(
        "processor limit under the measured engine",
        ((height(1), fault("cpu", 20.0, target="us-east", factor=0.2)),),
        sets=("protocol.battle.engine=measured", *FAST_ROUNDS),
        seed=15,
    ),
    Case("load surge", ((height(2), fault("load-surge", 12.0, factor=4.0)),), seed=16),
    Case(
        "silence, and a surge inside it",
        (
            (height(2), fault("load-surge", 15.0, factor=0.0)),
            (height(3), fault("load-surge", 20.0, factor=3.0)),
        ),
        seed=17,
    ),
    Case("full pools", sets=SMALL_POOL, seen=("rejected",), seed=18),
    Case(
        "full pools, a partition and a crash",
        (
            (height(2), split(("us-east", "eu-central"), ("us-west", "ap-southeast"), duration_s=12.0)),
            (height(3), fault("process-crash", 3.0, node="us-west-2")),
        ),
        sets=(*SMALL_POOL, *FAST_ROUNDS),
        seen=("rejected", "fork"),
        seed=19,
    ),
    Case(
        "redispatch and no patience",
        (
            (height(2), fault("process-crash", 8.0, node="us-east-1")),
            (height(2), fault("host-loss", 8.0, start_s=2.0, node="eu-central-1")),
        ),
        sets=(*REDISPATCH, "workload.client_timeout_s=0.45", "deployment.load_balancer.connect_timeout_s=0.4"),
        seen=("retry", "timeout"),
        seed=20,
    ),
    Case(
        "no retries",
        ((height(2), fault("process-crash", 8.0, node="us-west-1")),),
        sets=("deployment.load_balancer.retries=0",),
        seen=("no server",),
        seed=21,
    ),
    Case(
        "everybody is down",
        tuple((height(2), fault("process-crash", 25.0, node=node)) for node in NODES),
        sets=("duration_s=70",),
        seen=("no server",),
        seed=22,
    ),
    Case(
        "blocks too small for the load, forks by clocks that disagree",
        ((height(4), split(US, REST, duration_s=8.0)),),
        sets=("protocol.block.max_transactions=25", "deployment.clock_offset_sigma_ms=25.0", *FAST_ROUNDS),
        seen=("fork",),
        seed=23,
    ),
    Case(
        "gas limit with transactions of many sizes",
        ((height(2), fault("process-crash", 4.0, node="eu-central-1")),),
        sets=("protocol.block.gas_limit=900000", "workload.data_bytes_mean=500.0"),
        seed=24,
    ),
    Case("one of a price and second", sets=KEYED, seen=("collided",), seed=27),
    Case(
        "one of a price and second: forks, a crash, full pools, and chains that are lost with their process",
        (
            (height(2), split(("us-east", "eu-central"), ("us-west", "ap-southeast"), duration_s=12.0)),
            (height(3), fault("process-crash", 3.0, node="us-west-2")),
        ),
        sets=(*KEYED, *FAST_ROUNDS, "protocol.mempool.capacity=25", "protocol.quirks.chain_in_memory=true"),
        seen=("collided", "rejected", "fork"),
        seed=28,
    ),
    Case(
        "a new encrypted connection and credentials for each request",
        (
            (height(2), fault("process-crash", 8.0, node="us-east-1")),
            (height(3), split(("us-east", "us-west"), ("eu-central", "ap-southeast"), duration_s=6.0)),
        ),
        sets=(
            "deployment.security.client_round_trips=2",
            "deployment.security.server_round_trips=2",
            "deployment.security.handshake_ms=0.2",
            "deployment.security.authentication_ms=0.087",
            "deployment.load_balancer.placement=eu-central",
        ),
        seen=("retry",),
        seed=29,
    ),
    Case("copies over several hops", ((height(2), fault("process-crash", 8.0, node="us-west-1")),), sets=RING, seed=25),
    Case(
        "no jitter: many copies arrive at the same nanosecond",
        (
            (height(2), fault("process-crash", 6.0, node="us-east-2")),
            (height(3), split(("us-west",), ("eu-central",), duration_s=6.0)),
        ),
        sets=(*STILL, *RING, *FAST_ROUNDS),
        seed=26,
    ),
]


def drawn(seed: int) -> Case:
    """Make a case of four faults at random, each decided on another sign."""
    pick = random.Random(seed)
    kinds: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: {"kind": "process-crash", "node": pick.choice(NODES)},
        lambda: {"kind": "host-loss", "node": pick.choice(NODES)},
        lambda: {"kind": "region-loss", "region": pick.choice(REGIONS)},
        lambda: {"kind": "partition", "groups": (REGIONS[:2], REGIONS[2:]), "one_way": pick.random() < 0.5},
        lambda: {"kind": "latency", "target": pick.choice(NODES), "added_ms": pick.choice((50.0, 800.0))},
        lambda: {"kind": "loss", "between": tuple(pick.sample(REGIONS, 2)), "probability": 0.3},
        lambda: {"kind": "bandwidth", "target": pick.choice(NODES), "uplink_mbit_per_s": 0.4},
        lambda: {"kind": "load-surge", "factor": pick.choice((0.5, 2.5))},
    )
    signs = (height(1), height(2), pending(25, node=3), final(1))
    script = tuple(
        (sign, fault(duration_s=pick.choice((0.05, 2.0, 9.0)), start_s=pick.uniform(0.0, 4.0), **pick.choice(kinds)()))
        for sign in signs
    )
    pool = (f"protocol.mempool.capacity={pick.choice((40, 10_000))}",)
    return Case(f"drawn {seed}", script, (*pool, *FAST_ROUNDS), seed=seed)


CASES += [drawn(seed) for seed in range(100, 108)]
CASES += [replace(drawn(seed), name=f"drawn {seed}, keyed", sets=(*KEYED, *FAST_ROUNDS)) for seed in range(108, 110)]


@dataclass(frozen=True)
class Observed:
    """What both planes have to agree on."""

    columns: dict[str, np.ndarray]
    blocks: list[np.ndarray]
    finals: pd.DataFrame
    flood_bytes: tuple[np.ndarray, np.ndarray]
    accepted_count: int
    trace_digest: str


@dataclass
class Run:
    """One run of a case, and whether its uplinks were ever loaded."""

    simulation: Simulation
    case: Case
    queueing: bool = False

    def decide(self, simulation: Simulation) -> None:
        simulation.env.process(self._decide())

    def _decide(self) -> Generator[simpy.Event, Any, None]:
        """Look at the run now and then, and bring the script's faults about when their signs show."""
        waiting = list(enumerate(self.case.script))
        while True:
            yield self.simulation.env.timeout(POLL_NS)
            self.queueing |= bool(self.simulation.mesh.transport._links.queueing[0])
            for number, (sign, what) in [entry for entry in waiting if entry[1][0](self.simulation)]:
                waiting.remove((number, (sign, what)))
                self.simulation.injector.inject(what, number)


def simulate(case: Case, plane: str, seed: int | None = None) -> tuple[Run, Outcome, Observed]:
    scenario = load_scenario("rc3-capable", sets=[*QUICK, *case.sets])
    run = Run(Simulation(scenario, seed=case.seed if seed is None else seed, plane=plane), case)  # type: ignore[arg-type]
    outcome = run.simulation.run(director=run.decide)
    run.simulation.plane.freeze(run.simulation.duration_ns)  # receipts after the end are none
    return run, outcome, observe(run.simulation, outcome)


def observe(simulation: Simulation, outcome: Outcome) -> Observed:
    book = simulation.plane.book
    columns = {name: getattr(book, name)[: simulation.plane.rows].copy() for name in COLUMNS}
    columns["collided"] = columns["pool"] == COLLIDED
    columns["pool"] = columns["pool"] == POOLED
    columns["parent"][columns["arrival_ns"] == NEVER] = -1
    return Observed(
        columns,
        [block.rows for block in simulation.mesh.blocks],
        outcome.tables["finals"],
        simulation.plane.flood_bytes,
        simulation.plane.accepted_count,
        outcome.trace_digest,
    )


def differences(one: Observed, other: Observed) -> list[str]:
    """Say in which parts two runs are not the same, most telling first."""
    parts = [f"column {name}" for name, values in one.columns.items() if not same(values, other.columns[name])]
    blocks = len(one.blocks) == len(other.blocks) and all(map(same, one.blocks, other.blocks))
    parts += [] if blocks else ["blocks"]
    parts += [] if one.finals.equals(other.finals) else ["finals"]
    parts += [] if all(map(same, one.flood_bytes, other.flood_bytes)) else ["flood bytes"]
    parts += [] if one.accepted_count == other.accepted_count else ["accepted count"]
    parts += [] if one.trace_digest == other.trace_digest else ["trace"]
    return parts


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def signs_seen(run: Run, outcome: Outcome, observed: Observed) -> set[str]:
    """Name what a case has really brought about."""
    book = observed.columns
    seen = {"queueing"} if run.queueing else set()
    codes = {REJECTED: "rejected", NO_SERVER: "no server", TIMED_OUT: "timeout"}
    seen |= {name for code, name in codes.items() if (book["request"] == code).any()}
    seen |= {"collided"} if book["collided"].any() else set()
    seen |= {"retry"} if (book["attempt"] > 0).any() else set()
    seen |= {"fork"} if (outcome.tables["blocks"]["state"] == "orphaned").any() else set()
    for node, name in enumerate(NODES):
        stages = outcome.tables["recoveries"][outcome.tables["recoveries"].node == name]
        crashes, boots = (stages[stages.stage == stage].at_ms * 1e6 for stage in ("crash", "process"))
        for crash_ns, boot_ns in zip(crashes, boots, strict=False):
            old = (book["accepted_ns"] >= 0) & (book["accepted_ns"] < crash_ns)
            arrival_ns = book["arrival_ns"][:, node]
            seen |= {"received twice"} if (old & (arrival_ns >= boot_ns) & (arrival_ns < NEVER)).any() else set()
    return seen


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_planes_make_the_same_run(case: Case) -> None:
    run, outcome, kernel = simulate(case, "kernel")
    assert len(outcome.tables["faults"]) == len(case.script), "a sign never showed, or its fault came after the end"
    assert set(case.seen) <= signs_seen(run, outcome, kernel)
    assert len(kernel.blocks) > 0
    _, _, plain_one = simulate(case, "plain")
    assert differences(kernel, plain_one) == []


def test_there_are_thirty_cases_of_different_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30


CRASH = CASES[1]


@pytest.fixture(scope="module")
def crash_run() -> Observed:
    return simulate(CRASH, "kernel")[2]


def test_another_seed_is_noticed(crash_run: Observed) -> None:
    other = simulate(CRASH, "plain", seed=CRASH.seed + 1)[2]
    rows = min(len(crash_run.columns["region"]), len(other.columns["region"]))
    one, two = (
        replace(run, columns={key: values[:rows] for key, values in run.columns.items()}) for run in (crash_run, other)
    )
    found = differences(one, two)
    assert {"column submit_ns", "column arrival_ns", "blocks", "finals", "trace"} <= set(found)


def test_one_changed_entry_of_any_column_is_noticed(crash_run: Observed) -> None:
    for name, values in crash_run.columns.items():
        changed = values.copy()
        changed.flat[changed.size // 2] = not changed.flat[changed.size // 2] if changed.dtype == bool else 77
        altered = replace(crash_run, columns=crash_run.columns | {name: changed})
        assert differences(crash_run, altered) == [f"column {name}"]


def test_one_nanosecond_is_noticed(crash_run: Observed) -> None:
    arrival_ns = crash_run.columns["arrival_ns"].copy()
    arrival_ns[len(arrival_ns) // 2, 3] += 1
    altered = replace(crash_run, columns=crash_run.columns | {"arrival_ns": arrival_ns})
    assert differences(crash_run, altered) == ["column arrival_ns"]


def test_two_transactions_of_a_block_in_the_other_order_are_noticed(crash_run: Observed) -> None:
    blocks = [rows.copy() for rows in crash_run.blocks]
    blocks[1][[0, 1]] = blocks[1][[1, 0]]
    assert differences(crash_run, replace(crash_run, blocks=blocks)) == ["blocks"]
    assert differences(crash_run, replace(crash_run, blocks=blocks[:-1])) == ["blocks"]


def test_a_later_finality_and_a_lost_byte_are_noticed(crash_run: Observed) -> None:
    finals = crash_run.finals.copy()
    finals.loc[3, "at_ms"] += 1e-6
    assert differences(crash_run, replace(crash_run, finals=finals)) == ["finals"]
    sent, received = crash_run.flood_bytes
    fewer = received.copy()
    fewer[2] -= 1
    assert differences(crash_run, replace(crash_run, flood_bytes=(sent, fewer))) == ["flood bytes"]
    assert differences(crash_run, replace(crash_run, accepted_count=0)) == ["accepted count"]
    assert differences(crash_run, replace(crash_run, trace_digest="0")) == ["trace"]


@pytest.mark.parametrize("interval_ns", [9_000_011, 700_000_000])
def test_the_kernel_may_be_asked_at_any_moment(crash_run: Observed, interval_ns: int) -> None:
    scenario = load_scenario("rc3-capable", sets=QUICK)
    run = Run(Simulation(scenario, seed=CRASH.seed), CRASH)

    def look(simulation: Simulation) -> Generator[simpy.Event, Any, None]:
        while True:
            yield simulation.env.timeout(interval_ns)
            simulation.plane.freeze(simulation.mesh.now)

    def direct(simulation: Simulation) -> None:
        run.decide(simulation)
        simulation.env.process(look(simulation))

    outcome = run.simulation.run(director=direct)
    run.simulation.plane.freeze(run.simulation.duration_ns)
    assert differences(crash_run, observe(run.simulation, outcome)) == []


@pytest.mark.parametrize("preview_ns", [50_000_000, 100_000_000_000])
def test_how_far_the_plain_feeder_looks_ahead_does_not_show(preview_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    surge = (height(1), fault("load-surge", 3.0, factor=3.0))
    case = Case("surge", (surge,), sets=("duration_s=25", "workload.rate_tps=6"))
    usual = simulate(case, "plain")[2]
    monkeypatch.setattr(plain, "_PREVIEW_NS", preview_ns)
    assert differences(usual, simulate(case, "plain")[2]) == []


def test_the_plain_plane_calls_no_kernel() -> None:
    for module in (plain, paths_plain, mempool_plain, arrivals_plain):
        assert not [name for name, value in vars(module).items() if isinstance(value, CPUDispatcher)]
