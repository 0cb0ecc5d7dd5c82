"""Faults compose from what holds and heal exactly, in any order, overlapping or not."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import (
    BandwidthFault,
    ClockFault,
    Fault,
    HostFault,
    LinkFault,
    LoadSurge,
    NodeFault,
    Partition,
    RegionLoss,
)
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.errors import InputError
from bitcell_sim.faults.injector import FaultRecord
from bitcell_sim.kernels.transactions import DOWN, SILENT, UP
from bitcell_sim.network.link import healthy_links

BASE = load_scenario(
    "rc3",
    sets=[
        "duration_s=100",
        "workload.rate_tps=2",
        "protocol.battle.engine=sparse",
        "protocol.proof.mode=off",
        "deployment.recovery.restart_median_s=4",
        "deployment.recovery.restart_sigma=0",
        "deployment.recovery.discovery_interval_s=5",
    ],
)
NODES = [node.id for node in BASE.deployment.node]
REGIONS = [region.name for region in BASE.deployment.region]
E1, E2, W1, W2, C1, C2, AP = range(7)
AT_EAST, AT_WEST, AT_CENTRAL, AT_AP = range(7, 11)  # the regions' balancers
MS = 1_000_000


def watch(faults: list[Fault], at: dict[float, Callable[[Simulation], None]], duration_s: float = 100.0) -> Simulation:
    """Run with faults and look at the simulation at some moments."""
    simulation = Simulation(BASE.model_copy(update={"fault": tuple(faults), "duration_s": duration_s}), seed=2)
    seen = []

    def looker(moment: float, look: Callable[[Simulation], None]) -> Generator[simpy.Event, Any, None]:
        yield simulation.env.timeout(round(moment * 1e9))
        look(simulation)
        seen.append(moment)

    def direct(running: Simulation) -> None:
        for moment, look in at.items():
            running.env.process(looker(moment, look))

    outcome = simulation.run(director=direct)
    assert outcome.violations == []
    assert sorted(seen) == sorted(at)
    return simulation


def links_of(simulation: Simulation) -> Any:
    return simulation.injector._links


def healed(simulation: Simulation) -> None:
    """Everything is as on the first day: bytes of the links, peers, machines, load, routes, the balancers' views."""
    links, loss = links_of(simulation), BASE.latency.jitter.loss_probability
    fresh = healthy_links(len(links.cut), BASE.deployment.hardware.uplink_mbit_per_s, loss)
    for name in ("cut", "added_ns", "loss", "uplink_bit_per_s", "queueing"):
        assert getattr(links, name).tobytes() == getattr(fresh, name).tobytes(), name
    mesh = simulation.mesh
    assert mesh.state.state.tolist() == [UP] * 7
    assert mesh.state.peers.tolist() == (1 - np.eye(7, dtype=int)).tolist()
    for node in mesh.nodes:
        assert node.synced
        assert (node.machine.cores_available, node.machine.memory_available_bytes) == (4.0, 8 * 10**9)
    balancers = simulation.balancing._balancers
    assert balancers.route.tolist() == [0, 1, 2, 3]
    assert balancers.in_use.all()
    assert simulation.injector._rate_tps == BASE.workload.rate_tps
    fresh_clocks = [node.clock_offset_ns for node in Simulation(BASE, seed=2).mesh.nodes]
    assert [node.clock_offset_ns for node in mesh.nodes] == fresh_clocks


def standing(simulation: Simulation) -> tuple[Any, ...]:
    """Everything that a fault changes at once."""
    links, mesh = links_of(simulation), simulation.mesh
    arrays = [getattr(links, name).tobytes() for name in ("cut", "added_ns", "loss", "uplink_bit_per_s")]
    machines = [(node.machine.cores_available, node.machine.memory_available_bytes) for node in mesh.nodes]
    clocks = [node.clock_offset_ns for node in mesh.nodes]
    return (*arrays, mesh.state.state.tolist(), machines, clocks, simulation.injector._rate_tps)


def test_every_kind_begins_and_ends_to_the_nanosecond() -> None:
    groups = (("us-east",), ("us-west", "eu-central", "ap-southeast"))
    faults: list[Fault] = [
        LinkFault(kind="latency", between=("us-east", "us-west"), added_ms=5.0, start_s=5.0, duration_s=1.5),
        LinkFault(kind="loss", target="us-east-1", probability=0.1, start_s=10.0, duration_s=1.5),
        Partition(kind="partition", groups=groups, start_s=15.0, duration_s=1.5),
        BandwidthFault(kind="bandwidth", target="eu-central", uplink_mbit_per_s=9.0, start_s=20.0, duration_s=1.5),
        HostFault(kind="cpu", target="us-east-2", factor=0.5, start_s=25.0, duration_s=1.5),
        HostFault(kind="memory", share_ratio=0.3, factor=0.5, start_s=30.0, duration_s=1.5),
        ClockFault(kind="clock-skew", target="us-west", offset_ms=7.0, start_s=35.0, duration_s=1.5),
        LoadSurge(kind="load-surge", factor=2.0, start_s=40.0, duration_s=1.5),
        NodeFault(kind="process-crash", node="us-west-1", start_s=45.0, duration_s=1.5),
    ]
    seen: dict[float, tuple[Any, ...]] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: seen.update({moment: standing(simulation)})

    edges = [edge for fault in faults for edge in (fault.start_s, fault.start_s + 1.5)]
    simulation = watch(faults, {moment: look(moment) for edge in edges for moment in (edge - 1e-9, edge + 1e-9)})
    healthy = seen[5.0 - 1e-9]
    for fault in faults:
        begin, end = fault.start_s, fault.start_s + 1.5
        assert seen[begin - 1e-9] == seen[end + 1e-9] == healthy, fault.kind
        assert seen[begin + 1e-9] == seen[end - 1e-9] != healthy, fault.kind
    told = [(entry.start_ns, entry.end_ns) for entry in simulation.record.records(FaultRecord)]
    assert told == [(round(fault.start_s * 1e9), round((fault.start_s + 1.5) * 1e9)) for fault in faults]


def test_delays_add_losses_compound_and_the_slowest_uplink_counts() -> None:
    def both(simulation: Simulation) -> None:
        links = links_of(simulation)
        assert links.added_ns[C1, W1] == links.added_ns[W1, C1] == 350 * MS
        assert links.added_ns[C1, E1] == 100 * MS
        assert links.added_ns[C1, C2] == 0  # inside the region
        assert links.added_ns[C1, AT_WEST] == 350 * MS
        assert links.loss[E1, C1] == pytest.approx(1 - (1 - 1e-5) * 0.8 * 0.5, rel=1e-12)
        assert links.uplink_bit_per_s[[W1, W2, E1]].tolist() == [10_000_000, 20_000_000, 10**9]

    faults = [
        LinkFault(kind="latency", target="eu-central", added_ms=100.0, start_s=10.0, duration_s=30.0),
        LinkFault(kind="latency", between=("eu-central", "us-west"), added_ms=250.0, start_s=15.0, duration_s=40.0),
        LinkFault(kind="loss", between=("us-east", "eu-central"), probability=0.2, start_s=10.0, duration_s=30.0),
        LinkFault(kind="loss", target="us-east-1", probability=0.5, start_s=12.0, duration_s=30.0),
        BandwidthFault(kind="bandwidth", target="us-west", uplink_mbit_per_s=20.0, start_s=10.0, duration_s=30.0),
        BandwidthFault(kind="bandwidth", target="us-west-1", uplink_mbit_per_s=10.0, start_s=11.0, duration_s=30.0),
    ]

    def one_left(simulation: Simulation) -> None:
        assert links_of(simulation).added_ns[C1, W1] == 250 * MS
        assert links_of(simulation).added_ns[C1, E1] == 0

    watch(faults, {20.0: both, 50.0: one_left, 60.0: healed})


def test_machines_and_load_are_scaled_and_come_back() -> None:
    def limited(simulation: Simulation) -> None:
        machine = simulation.mesh.nodes[E1].machine
        assert machine.cores_available == pytest.approx(4 * 0.5 * 0.25)
        assert machine.memory_available_bytes == 4 * 10**9
        assert simulation.mesh.nodes[E2].machine.cores_available == 2.0
        assert simulation.injector._rate_tps == 2.0 * 3 * 2

    faults = [
        HostFault(kind="cpu", target="us-east", factor=0.5, start_s=5.0, duration_s=20.0),
        HostFault(kind="cpu", target="us-east-1", factor=0.25, start_s=6.0, duration_s=30.0),
        HostFault(kind="memory", target="us-east-1", factor=0.5, start_s=6.0, duration_s=10.0),
        LoadSurge(kind="load-surge", factor=3.0, start_s=5.0, duration_s=20.0),
        LoadSurge(kind="load-surge", factor=2.0, start_s=6.0, duration_s=30.0),
    ]
    watch(faults, {10.0: limited, 40.0: healed})


def test_partitions_cut_between_groups_only_and_one_way_if_asked() -> None:
    def cut(simulation: Simulation) -> None:
        links = links_of(simulation).cut
        assert links[E1, W1]
        assert links[W1, E1]
        assert links[AT_EAST, W1]  # a region's balancer goes with it
        assert not links[E1, C1]  # in no group
        assert not links[E1, E2]
        assert links[AP, C2]
        assert not links[C2, AP]
        assert simulation.mesh.state.peers[E1, W1] == 0
        assert simulation.mesh.state.peers[AP, C2] == 0  # a connection needs both directions

    faults = [
        Partition(kind="partition", groups=(("us-east",), ("us-west",)), start_s=5.0, duration_s=20.0),
        Partition(
            kind="partition", groups=(("ap-southeast-1",), ("eu-central-2",)), one_way=True, start_s=6.0, duration_s=9.0
        ),
    ]
    watch(faults, {10.0: cut, 70.0: healed})


def test_a_crashed_process_refuses_and_a_lost_machine_is_silent() -> None:
    states: dict[float, list[int]] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: states.update({moment: simulation.mesh.state.state.tolist()})

    faults = [
        NodeFault(kind="process-crash", node="us-east-1", start_s=5.0, duration_s=10.0),
        NodeFault(kind="host-loss", node="us-west-1", start_s=5.0, duration_s=10.0),
        RegionLoss(kind="region-loss", region="ap-southeast", start_s=5.0, duration_s=10.0),
    ]
    watch(faults, {moment: look(moment) for moment in (4.0, 6.0, 17.0, 20.0)} | {60.0: healed})
    assert states[4.0] == [UP] * 7
    assert states[6.0] == [DOWN, UP, SILENT, UP, UP, UP, SILENT]
    assert states[17.0] == [UP, UP, DOWN, UP, UP, UP, DOWN]  # machines are back, their processes start (4 s)
    assert states[20.0] == [UP] * 7


def test_a_node_is_back_when_the_last_cause_is_gone() -> None:
    up: dict[float, bool] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: up.update({moment: bool(simulation.mesh.is_up(AP))})

    faults = [
        NodeFault(kind="process-crash", node="ap-southeast-1", start_s=5.0, duration_s=30.0),
        RegionLoss(kind="region-loss", region="ap-southeast", start_s=10.0, duration_s=10.0),
        NodeFault(kind="host-loss", node="ap-southeast-1", start_s=21.0, duration_s=3.0),
        NodeFault(kind="host-loss", node="ap-southeast-1", start_s=36.0, duration_s=2.0),  # back at 42
        NodeFault(kind="host-loss", node="ap-southeast-1", start_s=39.0, duration_s=2.0),  # while it starts: at 45
    ]
    moments = (4.0, 22.0, 28.5, 34.0, 35.5, 40.0, 43.5, 45.5)
    simulation = watch(faults, {moment: look(moment) for moment in moments} | {95.0: healed})
    assert up == dict(zip(moments, (True, False, False, False, True, False, False, True), strict=True))
    stages = [record.stage for record in simulation.record.records(_recovery()) if record.node == AP]
    assert [stage for stage in stages if stage in ("crash", "process")] == ["crash", "process"] * 2


def _recovery() -> type[Any]:
    from bitcell_sim.chain.records import RecoveryRecord

    return RecoveryRecord


def test_two_losses_of_one_region_end_with_the_later() -> None:
    routes: dict[float, int] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: routes.update({moment: int(simulation.balancing._balancers.route[2])})

    faults = [
        RegionLoss(kind="region-loss", region="eu-central", start_s=5.0, duration_s=40.0),
        RegionLoss(kind="region-loss", region="eu-central", start_s=20.0, duration_s=50.0),
    ]
    watch(faults, {moment: look(moment) for moment in (4.0, 34.0, 36.0, 46.0, 69.0, 71.0)} | {99.0: healed})
    nearest = 0  # us-east
    assert routes == {4.0: 2, 34.0: -1, 36.0: nearest, 46.0: nearest, 69.0: nearest, 71.0: 2}


def test_a_fault_without_an_end_holds_to_the_end_of_the_run() -> None:
    fault = LinkFault(kind="latency", target="us-east", added_ms=50.0, start_s=5.0)
    simulation = watch([fault], {}, duration_s=30.0)
    assert links_of(simulation).added_ns[E1, W1] == 50 * MS
    (record,) = list(simulation.record.records(_fault_record()))
    assert (record.start_ns, record.end_ns) == (5 * 10**9, 30 * 10**9)


def _fault_record() -> type[Any]:
    from bitcell_sim.faults.injector import FaultRecord

    return FaultRecord


def test_every_small_message_queues_where_the_load_is_heavy_for_the_slowest_uplink() -> None:
    def queues(expected: int) -> Callable[[Simulation], None]:
        def look(simulation: Simulation) -> None:
            assert links_of(simulation).queueing[0] == expected

        return look

    # 2 TPS x 260 bytes x 8 x 6 peers = 25 kbit/s: a tenth of an uplink of a quarter of a megabit.
    faults = [
        BandwidthFault(kind="bandwidth", target="us-west-1", uplink_mbit_per_s=0.3, start_s=5.0, duration_s=20.0),
        BandwidthFault(kind="bandwidth", target="us-west-1", uplink_mbit_per_s=0.2, start_s=10.0, duration_s=5.0),
    ]
    watch(faults, {7.0: queues(0), 12.0: queues(1), 16.0: queues(0), 60.0: healed})


def steps_of(simulation: Simulation) -> list[tuple[int, float, float]]:
    """Fault, second and strength of every step."""
    from bitcell_sim.faults.injector import FaultStepRecord

    records = simulation.record.records(FaultStepRecord)
    return [(record.fault, record.at_ns / 1e9, record.strength_ratio) for record in records]


def test_a_ramp_grows_and_shrinks_around_a_straight_line() -> None:
    seen: dict[float, tuple[float, float, float, float]] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        def note(simulation: Simulation) -> None:
            links = links_of(simulation)
            cores = simulation.mesh.nodes[E1].machine.cores_available
            rate, uplink = simulation.injector._rate_tps, links.uplink_bit_per_s[W1]
            seen[moment] = (links.added_ns[C1, W1] / MS, cores, rate, uplink / 1e6)

        return note

    times = {"start_s": 10.0, "duration_s": 50.0, "ramp_s": 20.0}
    faults = [
        LinkFault(kind="latency", target="eu-central", added_ms=200.0, **times),
        HostFault(kind="cpu", target="us-east-1", factor=0.5, **times),
        LoadSurge(kind="load-surge", factor=3.0, **times),
        BandwidthFault(kind="bandwidth", target="us-west-1", uplink_mbit_per_s=100.0, **times),
        ClockFault(kind="clock-skew", share_ratio=1.0, offset_ms=-400.0, **times),
    ]
    moments = (10.5, 20.5, 29.5, 35.0, 40.5, 59.5)
    simulation = watch(faults, {moment: look(moment) for moment in moments} | {70.0: healed})
    full = (200.0, 2.0, 6.0, 100.0)
    none = (0.0, 4.0, 2.0, 1000.0)
    for moment, share in zip(moments, (0.025, 0.525, 0.975, 1.0, 0.975, 0.025), strict=True):
        expected = [before + share * (after - before) for before, after in zip(none, full, strict=True)]
        assert seen[moment] == pytest.approx(expected, rel=1e-9), moment
    steps = [(at_s, strength) for fault, at_s, strength in steps_of(simulation) if fault == 0]
    assert steps[0] == (10.0, 0.025)
    assert steps[-1] == (60.0, 0.0)
    assert len(steps) == 42
    area = sum(s * (b - a) for (a, s), (b, _) in pairwise(steps))
    assert area == pytest.approx(10 * 1.0 + 2 * 20 * 0.5)  # as of the straight lines


def test_a_share_is_drawn_by_the_seed_and_hits_every_path_of_its_nodes() -> None:
    found: list[tuple[int, ...]] = []

    def look(simulation: Simulation) -> None:
        links = links_of(simulation)
        slow = tuple(node for node in range(7) if (links.added_ns[node, 7:] == 70 * MS).all())
        rest = [node for node in range(7) if node not in slow]
        assert not links.added_ns[np.ix_(rest, rest)].any()
        assert (links.added_ns[7:, list(slow)] == 70 * MS).all()
        among = links.added_ns[np.ix_(slow, range(7))]
        assert (among == 70 * MS).sum() == len(slow) * 6
        assert not np.diag(links.added_ns).any()
        found.append(slow)

    fault = LinkFault(kind="latency", share_ratio=0.4, added_ms=70.0, start_s=5.0, duration_s=10.0)
    again = fault.model_copy(update={"start_s": 20.0})
    for _ in range(2):
        watch([fault, again], {10.0: look, 25.0: look, 60.0: healed})
    assert [len(slow) for slow in found] == [3] * 4  # 0.4 of 7, rounded
    assert found[:2] == found[2:]  # the same seed
    assert found[0] != found[1]  # each fault draws anew


def test_nodes_of_a_share_go_one_after_another_over_the_ramp() -> None:
    fault = NodeFault(kind="process-crash", share_ratio=0.6, ramp_s=9.0, start_s=10.0, duration_s=20.0)
    simulation = watch([fault], {90.0: healed})
    records = list(simulation.record.records(_fault_record()))
    assert [record.start_ns / 1e9 for record in records] == [10.0, 13.0, 16.0, 19.0]
    assert [record.end_ns / 1e9 for record in records] == [30.0, 33.0, 36.0, 39.0]
    assert len({record.target for record in records} & set(NODES)) == 4


def test_a_region_s_processes_can_crash_while_its_balancer_lives() -> None:
    def down(simulation: Simulation) -> None:
        assert simulation.mesh.state.state.tolist() == [UP, UP, DOWN, DOWN, UP, UP, UP]
        assert simulation.balancing._balancers.route.tolist() == [0, 1, 2, 3]

    fault = NodeFault(kind="process-crash", region="us-west", start_s=5.0, duration_s=20.0)
    watch([fault], {10.0: down, 90.0: healed})


def test_delays_and_losses_can_hold_one_way_and_between_nodes() -> None:
    def look(simulation: Simulation) -> None:
        links = links_of(simulation)
        assert links.added_ns[E1, C2] == 30 * MS
        assert links.added_ns[C2, E1] == 0
        assert links.added_ns[E1, C1] == 0
        assert links.loss[AP, E1] > 0.4
        assert links.loss[E1, AP] < 0.1
        assert links.added_ns[W1, E1] == 20 * MS
        assert links.added_ns[E1, W1] == 0

    faults = [
        LinkFault(kind="latency", between=("us-east-1", "eu-central-2"), one_way=True, added_ms=30.0, start_s=5.0),
        LinkFault(kind="loss", target="ap-southeast", one_way=True, probability=0.5, start_s=5.0),
        LinkFault(kind="latency", between=("us-west", "us-east"), one_way=True, added_ms=20.0, start_s=5.0),
    ]
    watch(faults, {10.0: look}, duration_s=20.0)


def test_a_share_can_be_cut_off_and_go_unheard() -> None:
    def look(simulation: Simulation) -> None:
        cut = links_of(simulation).cut
        (target,) = [record.target for record in simulation.record.records(_fault_record())]
        chosen = [NODES.index(name) for name in target.split("+")]
        rest = [end for end in range(11) if end not in chosen]
        assert len(chosen) == 2
        assert cut[np.ix_(chosen, rest)].all()
        assert cut.sum() == len(chosen) * len(rest)  # one way, and not among each other

    fault = Partition(kind="partition", share_ratio=0.3, one_way=True, start_s=5.0, duration_s=10.0)
    watch([fault], {10.0: look, 80.0: healed})


def test_a_wrong_clock_moves_blocks_made_at_fixed_times() -> None:
    """With blocks at multiples of 20 s, a builder whose clock is 4 s late makes its block 4 s late."""
    fixed = BASE.model_copy(
        update={
            "protocol": BASE.protocol.model_copy(
                update={"round": BASE.protocol.round.model_copy(update={"block_interval_s": 20.0})}
            ),
            "duration_s": 400.0,
        }
    )
    fault = ClockFault(kind="clock-skew", share_ratio=1.0, offset_ms=-4000.0, start_s=1.0)
    for faults, late in (((), 0.0), ((fault,), 4.0)):
        simulation = Simulation(fixed.model_copy(update={"fault": faults}), seed=2)
        built = simulation.run().tables["blocks"]["built_ms"].to_numpy() / 1000.0
        assert len(built) > 10
        assert (built - late) % 20.0 == pytest.approx([0.0] * len(built), abs=0.05) or (
            np.minimum((built - late) % 20.0, -(built - late) % 20.0) < 0.05
        ).all()


def test_what_faults_say_of_themselves() -> None:
    faults = [
        LinkFault(
            kind="latency", target="us-east", added_ms=5.0, one_way=True, ramp_s=3.0, start_s=1.0, duration_s=9.0
        ),
        LinkFault(kind="loss", between=("us-east", "us-west"), probability=0.2, start_s=2.0, duration_s=9.0),
        ClockFault(kind="clock-skew", share_ratio=1.0, offset_ms=-250.0, start_s=3.0, duration_s=9.0),
        Partition(kind="partition", groups=(("us-east",), ("us-west", "eu-central")), start_s=4.0, duration_s=9.0),
    ]
    simulation = watch(faults, {})
    said = [(record.target, record.detail) for record in simulation.record.records(_fault_record())]
    assert said == [
        ("us-east", "+5 ms one way, only what it sends, ramp 3 s"),
        ("us-east|us-west", "20.00% lost"),
        ("all nodes", "-250 ms"),
        ("us-east|us-west+eu-central", ""),
    ]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (LinkFault(kind="latency", added_ms=5.0, start_s=1.0), r"fault 0 \(latency\): hits nothing; give one of"),
        (HostFault(kind="cpu", target="mars", factor=0.5, start_s=1.0), "no region or node 'mars'; there are"),
        (NodeFault(kind="host-loss", node="us-east-1", region="us-east", start_s=1.0), "hits node and region"),
        (NodeFault(kind="host-loss", share_ratio=0.01, start_s=1.0), r"share_ratio 0\.01 of 7 nodes is none"),
        (
            LoadSurge(kind="load-surge", factor=2.0, ramp_s=6.0, start_s=1.0, duration_s=10.0),
            "ramp_s 6 up and down is longer than duration_s 10",
        ),
    ],
)
def test_faults_made_in_python_are_checked_before_the_run(fault: Fault, message: str) -> None:
    simulation = Simulation(BASE.model_copy(update={"fault": (fault,)}), seed=1)
    with pytest.raises(InputError, match=message):
        simulation.run()


ENDS = st.sampled_from(REGIONS + NODES)
TIMES = {"start_s": st.floats(1.0, 40.0), "duration_s": st.floats(0.1, 15.0)}
RAMP = {"start_s": st.floats(1.0, 40.0), "duration_s": st.floats(2.0, 15.0), "ramp_s": st.floats(0.0, 1.0)}
SHARES = st.floats(0.1, 1.0)
PAIRS = st.permutations(REGIONS).map(lambda order: (order[0], order[1]))
FAULTS = st.one_of(
    st.builds(NodeFault, kind=st.sampled_from(["process-crash", "host-loss"]), node=st.sampled_from(NODES), **TIMES),
    st.builds(NodeFault, kind=st.just("process-crash"), share_ratio=SHARES, ramp_s=st.floats(0.0, 3.0), **TIMES),
    st.builds(RegionLoss, kind=st.just("region-loss"), region=st.sampled_from(REGIONS), **TIMES),
    st.builds(
        Partition,
        kind=st.just("partition"),
        groups=st.tuples(st.permutations(NODES), st.integers(1, 6)).map(
            lambda cut: (tuple(cut[0][: cut[1]]), tuple(cut[0][cut[1] :]))
        ),
        one_way=st.booleans(),
        **TIMES,
    ),
    st.builds(Partition, kind=st.just("partition"), share_ratio=SHARES, one_way=st.booleans(), **TIMES),
    st.builds(
        LinkFault,
        kind=st.just("latency"),
        target=ENDS,
        added_ms=st.floats(0.0, 900.0),
        one_way=st.booleans(),
        **RAMP,
    ),
    st.builds(LinkFault, kind=st.just("loss"), between=PAIRS, probability=st.floats(0.0, 0.9), **RAMP),
    st.builds(LinkFault, kind=st.just("loss"), share_ratio=SHARES, probability=st.floats(0.0, 0.9), **RAMP),
    st.builds(BandwidthFault, kind=st.just("bandwidth"), target=ENDS, uplink_mbit_per_s=st.floats(0.1, 500), **RAMP),
    st.builds(HostFault, kind=st.sampled_from(["cpu", "memory"]), target=ENDS, factor=st.floats(0.01, 1.0), **RAMP),
    st.builds(ClockFault, kind=st.just("clock-skew"), share_ratio=SHARES, offset_ms=st.floats(-9e3, 9e3), **RAMP),
    st.builds(LoadSurge, kind=st.just("load-surge"), factor=st.floats(0.1, 5.0), **RAMP),
)


@settings(max_examples=20)
@given(st.lists(FAULTS, min_size=1, max_size=6))
def test_any_faults_heal_exactly(faults: list[Fault]) -> None:
    """All have ended by 55 s; processes, connections and health checks need a little longer."""
    watch(faults, {99.0: healed})
