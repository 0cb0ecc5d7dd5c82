"""Connections break and are found again; a node that was away hears what it missed, downloads it, and takes part."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simpy

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import BandwidthFault, Fault, LinkFault, NodeFault, Partition
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.kernels.mempool import POOLED
from bitcell_sim.network.topology import settled_peers

QUICK = (
    "workload.rate_tps=5",
    "protocol.battle.engine=sparse",
    "protocol.round.commit_s=1",
    "protocol.round.reveal_s=1",
    "protocol.round.pause_s=1",
    "protocol.round.block_timeout_s=4",
    "protocol.proof.mode=off",
    "deployment.clock_offset_sigma_ms=0",
)
ALL = list(range(7))


def watch(
    faults: list[Fault], at: dict[float, Callable[[Simulation], None]], *sets: str, duration_s: float = 120.0
) -> tuple[Simulation, Outcome]:
    scenario = load_scenario("rc3", sets=[f"duration_s={duration_s}", *QUICK, *sets])
    simulation = Simulation(scenario.model_copy(update={"fault": tuple(faults)}), seed=6)

    def looker(moment: float, look: Callable[[Simulation], None]) -> Generator[simpy.Event, Any, None]:
        yield simulation.env.timeout(int(moment * 1e9))
        look(simulation)

    def direct(running: Simulation) -> None:
        for moment, look in at.items():
            running.env.process(looker(moment, look))

    outcome = simulation.run(director=direct)
    assert outcome.violations == []
    return simulation, outcome


def stages_s(outcome: Outcome, node: str) -> dict[str, float]:
    """Seconds from the crash to each stage of a node's way back."""
    frame: pd.DataFrame = outcome.tables["recoveries"]
    own = frame[frame["node"] == node].set_index("stage")["at_ms"]
    return {str(stage): (at - own["crash"]) / 1000 for stage, at in own.items()}


# --------------------------------------------------------------------------------------------- connections


def test_bootstrap_lists_and_discovery_make_the_mesh_complete() -> None:
    deployment = load_scenario("rc3").deployment
    assert settled_peers(deployment).tolist() == (1 - np.eye(7, dtype=int)).tolist()
    ring = settled_peers(deployment.model_copy(update={"peer_limit": 4}))
    assert ring.sum(axis=1).max() <= 4
    assert np.array_equal(ring, ring.T)
    reached = np.linalg.matrix_power(ring.astype(np.int64) + np.eye(7, dtype=np.int64), 6)
    assert (reached > 0).all()


def test_nodes_that_no_bootstrap_list_joins_stay_apart() -> None:
    deployment = load_scenario("rc3").deployment
    lonely = [
        node.model_copy(update={"bootstrap": tuple(peer for peer in node.bootstrap if node.region == "us-east")})
        for node in deployment.node
    ]
    peers = settled_peers(deployment.model_copy(update={"node": tuple(lonely)}))
    assert peers[6].sum() == 0  # ap-southeast-1


def test_a_crash_breaks_every_connection_and_the_start_dials_them_within_four_trips() -> None:
    seen: dict[float, int] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: seen.update({moment: len(simulation.mesh.peers(6))})

    crash = NodeFault(kind="process-crash", node="ap-southeast-1", start_s=30.0, duration_s=10.0)
    watch([crash], {moment: look(moment) for moment in (29.9, 30.001, 39.9, 40.2, 40.6)})
    # Two round trips, TCP and the encrypted channel: 0.32 s to the nearest, 0.45 s to the farthest.
    assert seen == {29.9: 6, 30.001: 0, 39.9: 0, 40.2: 0, 40.6: 6}


def test_a_cut_path_is_found_again_at_the_next_discovery() -> None:
    seen: dict[float, int] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        return lambda simulation: seen.update({moment: int(simulation.mesh.state.peers[:2, 2:].sum())})

    split = Partition(
        kind="partition",
        groups=(("us-east",), ("us-west", "eu-central", "ap-southeast")),
        start_s=30.0,
        duration_s=10.0,
    )
    moments = {29.9: look(29.9), 31.0: look(31.0), 39.9: look(39.9), 70.6: look(70.6)}
    watch([split], moments)
    assert seen == {29.9: 10, 31.0: 0, 39.9: 0, 70.6: 10}


# ------------------------------------------------------------------------------------------------ recovery


def test_the_stages_of_a_crash_come_in_order_and_no_sooner_than_they_can() -> None:
    crash = NodeFault(kind="process-crash", node="eu-central-1", start_s=30.0, duration_s=12.0)
    simulation, outcome = watch([crash], {})
    stage = stages_s(outcome, "eu-central-1")
    assert stage["process"] == 12.0
    # Fifth of its peers by distance: two round trips to it (143 ms and what varies), and its status one way on top.
    assert 0.2 < stage["peers"] - 12.0 < 0.45
    # The nearest peer is 1 ms away: handshake, status, request, blocks.
    assert 0.004 < stage["synced"] - 12.0 < 1.0
    assert stage["synced"] <= stage["first-vote"] < 12.0 + 2 * 3.5
    assert stage["process"] < stage["first-peer"] < stage["peers"]
    frame = outcome.tables["recoveries"].set_index("stage")
    assert list(frame.index).count("first-peer") == 1
    # A block every 3.5 s: some are missed in 12 s, and at the end of the way none.
    assert 0.5 < frame.loc["process", "sync_progress_ratio"] < 1.0
    assert frame.loc["process", "height"] == frame.loc["crash", "height"]
    assert (frame.loc[["crash", "synced", "first-vote"], "sync_progress_ratio"] == 1.0).all()
    heights = [node.final.height for node in simulation.mesh.nodes]
    assert max(heights) - min(heights) <= 1


def test_the_pool_is_refilled_by_blocks_and_gossip_alone() -> None:
    """What waited elsewhere at the start of the process reaches the node in blocks; until then its pool lacks it."""
    crash = NodeFault(kind="process-crash", node="eu-central-1", start_s=30.0, duration_s=12.0)
    missing: dict[float, int] = {}

    def look(moment: float) -> Callable[[Simulation], None]:
        def count(simulation: Simulation) -> None:
            book, rows, boot_ns = simulation.plane.book, simulation.plane.rows, int(42e9)
            old = (book.accepted_ns[:rows] >= 0) & (book.accepted_ns[:rows] < boot_ns)
            peer, own = (book.pool[:rows, node] == POOLED for node in (0, 4))
            missing[moment] = int((old & peer & ~own).sum())

        return count

    _, outcome = watch([crash], {moment: look(moment) for moment in (42.5, 60.0)}, "protocol.round.pause_s=3")
    stage = stages_s(outcome, "eu-central-1")
    assert missing[42.5] > 0
    assert missing[60.0] == 0
    assert 0.5 < stage["pool"] - 12.0 < 60.0 - 42.0
    built_ms = outcome.tables["blocks"]["built_ms"]
    assert ((30e3 + stage["pool"] * 1e3 - built_ms).abs() < 300.0).any()  # with a block, just made


def test_a_long_absence_is_downloaded_in_batches() -> None:
    crash = NodeFault(kind="process-crash", node="us-west-1", start_s=15.0, duration_s=80.0)
    simulation, outcome = watch([crash], {}, "deployment.recovery.blocks_per_request=5")
    messages = outcome.tables["messages"]
    downloads = messages[(messages["kind"] == "download") & (messages["node"] == "us-west-1")]
    assert 5 <= downloads["message_count"].sum() <= 9  # some 26 blocks
    assert stages_s(outcome, "us-west-1")["synced"] < 81.5
    assert simulation.mesh.nodes[2].final.height >= 30


def test_a_slow_uplink_slows_the_download() -> None:
    crash = NodeFault(kind="process-crash", node="us-west-1", start_s=15.0, duration_s=80.0)
    sets = ("workload.rate_tps=50", "deployment.recovery.blocks_per_request=100")
    _, quick = watch([crash], {}, *sets)
    thin = BandwidthFault(kind="bandwidth", target="us-west-2", uplink_mbit_per_s=2.0, start_s=90.0)
    _, slow = watch([crash, thin], {}, *sets)
    synced = [stages_s(outcome, "us-west-1")["synced"] - 80.0 for outcome in (quick, slow)]
    # 80 s x 50 transactions x 194 bytes = 0.8 MB: 6 ms and some round trips at 1 Gbit/s, 3 s at 2 Mbit/s.
    assert synced[0] < 1.0
    assert synced[1] > 2.5


def test_a_source_that_falls_silent_is_given_up_for_another() -> None:
    crash = NodeFault(kind="process-crash", node="us-west-1", start_s=15.0, duration_s=80.0)
    dies = NodeFault(kind="host-loss", node="us-west-2", start_s=95.004, duration_s=1000.0)  # after its status arrived
    _, outcome = watch([crash, dies], {}, duration_s=130.0)
    assert stages_s(outcome, "us-west-1")["synced"] < 80.0 + 3.0 + 1.5  # the dial time-out, then another peer


def test_all_nodes_crash_and_the_chain_goes_on() -> None:
    faults: list[Fault] = [
        NodeFault(kind="process-crash", node=node.id, start_s=30.0 + i, duration_s=20.0 - i)
        for i, node in enumerate(load_scenario("rc3").deployment.node)
    ]
    simulation, outcome = watch(faults, {}, duration_s=150.0)
    finals = outcome.tables["finals"]
    assert (finals["at_ms"] > 60_000).any()
    assert min(node.final.height for node in simulation.mesh.nodes) >= 25


def test_a_waiting_orphan_s_parents_are_asked_for() -> None:
    """Delays of seconds while the mesh is split leave blocks whose parents never came; they have to be fetched."""
    faults: list[Fault] = [
        LinkFault(kind="latency", target="us-east-2", added_ms=4200.0, start_s=10.0, duration_s=25.0),
        Partition(
            kind="partition",
            groups=(("eu-central-1", "ap-southeast-1", "us-west-1"), ("us-east", "eu-central-2", "us-west-2")),
            start_s=40.0,
            duration_s=24.0,
        ),
        NodeFault(kind="process-crash", node="eu-central-1", start_s=45.0, duration_s=28.0),
    ]
    simulation, _ = watch(faults, {}, duration_s=180.0)
    final = [node.final.height for node in simulation.mesh.nodes]
    assert max(final) - min(final) <= 1
    assert min(final) >= 35


@pytest.mark.parametrize("node", ["us-east-1", "ap-southeast-1"])
def test_what_was_in_memory_is_lost_and_what_was_on_disk_is_not(node: str) -> None:
    index = [entry.id for entry in load_scenario("rc3").deployment.node].index(node)
    before: dict[str, Any] = {}

    def look(simulation: Simulation) -> None:
        own = simulation.mesh.nodes[index]
        before.update(head=own.head, final=own.final)

    def after(simulation: Simulation) -> None:
        own = simulation.mesh.nodes[index]
        assert own.head is before["head"]
        assert own.final is before["final"]
        assert simulation.plane.pending(index, simulation.mesh.now) == 0
        assert not own.synced

    crash = NodeFault(kind="process-crash", node=node, start_s=30.0, duration_s=10.0)
    watch([crash], {29.999: look, 40.0005: after})
