"""A node's way to its region's farm: what is under way, who waits, what is lost, and who notices."""

from __future__ import annotations

from typing import Any

import pytest

from bitcell_sim.hosts.machine import Machine, Outcome
from bitcell_sim.network.clock import Clock
from bitcell_sim.network.transport import Kind
from bitcell_sim.proving.cost import ProofCost
from bitcell_sim.proving.farm import FarmProver
from bitcell_sim.proving.prover import ProofRecord, ProverPool

S = 1_000_000_000
FARM = 7
COST = ProofCost(core_s=8.0, memory_bytes=10, serial_ratio=0.0, threads_max=48)


class Road:
    """Stands in for the transport: a second each way, unless it is cut."""

    def __init__(self, env: Clock) -> None:
        self.env = env
        self.cut = False
        self.sent: list[tuple[Kind, int, int, int]] = []

    def arrival_ns(self, kind: Kind, source: int, target: int, name: int, size_bytes: int) -> int:
        self.sent.append((kind, source, target, size_bytes))
        return -1 if self.cut else self.env.now_ns + S


class Region:
    """Two nodes and a farm of two machines with eight cores, one proof at a time each."""

    def __init__(self, memory_bytes: int = 100) -> None:
        self.env = Clock()
        self.road = Road(self.env)
        self.pool = ProverPool(self.env, [Machine(self.env, 8, memory_bytes) for _ in range(2)], 1, COST)
        self.machines = [Machine(self.env, 4, 100) for _ in range(2)]
        self.records: list[ProofRecord] = []
        self.nodes = [self.prover(node) for node in range(2)]

    def prover(self, node: int) -> FarmProver:
        road: Any = self.road
        return FarmProver(
            self.env,
            road,
            node,
            FARM,
            self.pool,
            request_bytes=1000,
            proof_bytes=192,
            machine=self.machines[node],
            record=self.records.append,
        )

    def after(self, seconds: float, action: Any) -> None:
        self.env.call_at(round(seconds * S), action)

    def times(self) -> list[tuple[Any, float, float, float]]:
        """Label, arrival at the farm, start, and return of each proof, seconds."""
        return [(r.label, r.received_ns / S, r.start_ns / S, r.end_ns / S) for r in self.records]


def test_there_and_back_and_a_queue_shared_by_the_nodes() -> None:
    region = Region()
    jobs = [region.nodes[node].submit((node, battle)) for battle in range(2) for node in range(2)]
    assert [node.open_count for node in region.nodes] == [2, 2]
    region.env.run_until(20 * S)
    assert [job.value for job in jobs] == [Outcome.DONE] * 4
    assert region.times() == [((0, 0), 1, 1, 3), ((1, 0), 1, 1, 3), ((0, 1), 1, 2, 4), ((1, 1), 1, 2, 4)]
    assert region.road.sent.count((Kind.WITNESS, 0, FARM, 1000)) == 2
    assert region.road.sent.count((Kind.PROOF, FARM, 1, 192)) == 2
    assert [node.open_count for node in region.nodes] == [0, 0]
    assert region.records[2].wait_ns == S
    assert region.records[0].demanded_s == 1.0  # on a machine of the farm, not of the node


def test_noise_and_memory_are_the_farms() -> None:
    region = Region(memory_bytes=9)
    job = region.nodes[0].submit("large", noise_factor=2.0)
    region.env.run_until(20 * S)
    assert job.value is Outcome.KILLED
    (record,) = region.records
    assert (record.demanded_core_s, record.end_ns) == (16.0, 2 * S)  # the word that there is none travels too


@pytest.mark.parametrize(("cut_s", "end_s"), [(0.0, 0.0), (1.5, 2.0)])
def test_a_path_that_is_cut_loses_the_proof(cut_s: float, end_s: float) -> None:
    region = Region()
    region.road.cut = cut_s == 0.0
    region.after(cut_s, lambda: setattr(region.road, "cut", True))
    job = region.nodes[0].submit("lost")
    region.env.run_until(20 * S)
    assert job.value is Outcome.LOST
    assert [(r.outcome, r.end_ns / S) for r in region.records] == [(Outcome.LOST, end_s)]
    assert region.pool.open_count == 0


@pytest.mark.parametrize("how", ["crash", "cancel"])
def test_what_a_node_gives_up_frees_the_farm(how: str) -> None:
    region = Region()
    jobs = [region.nodes[0].submit(battle) for battle in range(3)]
    waiting = region.nodes[1].submit("waiting")

    def give_up() -> None:
        if how == "crash":
            region.machines[0].crash()
        else:
            for job in jobs:
                region.nodes[0].cancel(job)

    region.after(1.5, give_up)
    region.env.run_until(20 * S)
    assert [job.value for job in jobs] == [Outcome.LOST] * 3
    assert waiting.value is Outcome.DONE
    assert region.times()[-1] == ("waiting", 1, 1.5, 3.5)  # its turn came when the others went
    assert region.records[0].start_ns == S
    assert region.records[2].start_ns == -1  # the third waited when it was given up


def test_a_request_still_under_way_is_dropped_on_arrival() -> None:
    region = Region()
    job = region.nodes[0].submit("early")
    region.after(0.5, lambda: region.nodes[0].cancel(job))
    region.env.run_until(20 * S)
    assert job.value is Outcome.LOST
    assert region.pool.open_count == 0
    assert [kind for kind, *_ in region.road.sent] == [Kind.WITNESS]


def test_unfinished_proofs_are_told() -> None:
    region = Region()
    for battle in range(3):
        region.nodes[0].submit(battle)
    region.env.run_until(round(1.5 * S))
    found = region.nodes[0].unfinished()
    assert [(r.label, r.start_ns, r.end_ns, r.outcome) for r in found] == [
        (0, S, -1, None),
        (1, S, -1, None),
        (2, -1, -1, None),
    ]
