"""The prover pool: order, slots, records, killed and lost proofs, inline and pipelined use."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import simpy

from bitcell_sim.errors import InputError
from bitcell_sim.hosts.machine import Machine, Outcome, Priority
from bitcell_sim.proving.cost import ProofCost
from bitcell_sim.proving.prover import ProofRecord, ProverPool

S = 1_000_000_000
GB = 1_000_000_000


def cost(core_s: float, memory_bytes: int = GB, serial_ratio: float = 0.0) -> ProofCost:
    return ProofCost(core_s, memory_bytes, serial_ratio, 48)


class Bench:
    """A machine with a pool and the records of its jobs."""

    def __init__(self, slots: int = 1, cores: int = 4, memory_bytes: int = 8 * GB, **asked: Any) -> None:
        self.env = simpy.Environment()
        self.machine = Machine(self.env, cores, memory_bytes)
        self.records: list[ProofRecord] = []
        self.pool = ProverPool(self.env, [self.machine], slots, cost(8.0, **asked), self.records.append)

    def at(self, instant_ns: int, action: Any) -> None:
        def wait() -> Generator[simpy.Event, Any, Any]:
            yield self.env.timeout(instant_ns)
            action()

        self.env.process(wait())


def test_one_slot_proves_one_after_another_in_order() -> None:
    bench = Bench()
    for battle in range(3):
        bench.pool.submit((7, battle))
    assert (bench.pool.queued_count, bench.pool.proving_count) == (2, 1)
    bench.env.run()
    assert [(r.label, r.queued_ns, r.start_ns, r.end_ns, r.wait_ns) for r in bench.records] == [
        ((7, 0), 0, 0, 2 * S, 0),
        ((7, 1), 0, 2 * S, 4 * S, 2 * S),
        ((7, 2), 0, 4 * S, 6 * S, 4 * S),
    ]
    assert (bench.pool.queued_count, bench.pool.proving_count) == (0, 0)


def test_slots_share_the_cores() -> None:
    bench = Bench(slots=2)
    for battle in range(3):
        bench.pool.submit(battle)
    bench.env.run()
    assert [(r.label, r.start_ns, r.end_ns) for r in bench.records] == [
        (0, 0, 4 * S),
        (1, 0, 4 * S),
        (2, 4 * S, 6 * S),
    ]


def test_amdahl_and_noise() -> None:
    bench = Bench(serial_ratio=0.18)
    bench.pool.submit("noisy", noise_factor=1.25)
    bench.env.run()
    (record,) = bench.records
    assert record.end_ns == round(10 * (0.18 + 0.82 / 4) * S)
    assert record.demanded_core_s == 10.0
    assert record.demanded_s == pytest.approx(10 * (0.18 + 0.82 / 4))


def test_a_battle_delays_the_end_and_not_the_start() -> None:
    bench = Bench()
    bench.pool.submit("proof")
    bench.at(S, lambda: bench.machine.work(20.0, Priority.BATTLE, serial_ratio=0.0))
    bench.env.run()
    (record,) = bench.records
    assert (record.start_ns, record.end_ns, record.demanded_s) == (0, 7 * S, 2.0)


def test_a_proof_too_large_is_killed_counted_and_the_next_one_starts() -> None:
    bench = Bench()
    large = bench.pool.submit("large", cost=cost(104.0, memory_bytes=21_467_408_000))
    small = bench.pool.submit("small")
    bench.env.run()
    assert (large.value, small.value) == (Outcome.KILLED, Outcome.DONE)
    assert [(r.label, r.killed, r.start_ns, r.end_ns) for r in bench.records] == [
        ("large", True, 0, 0),
        ("small", False, 0, 2 * S),
    ]
    assert bench.records[0].demanded_core_s == 104.0
    assert bench.machine.killed_count[Priority.PROOF] == 1


def test_two_slots_kill_what_does_not_fit_beside_the_first() -> None:
    bench = Bench(slots=2, memory_bytes=8 * GB)
    outcomes = [bench.pool.submit(i, cost=cost(8.0, memory_bytes=5 * GB)) for i in range(2)]
    bench.env.run()
    assert [job.value for job in outcomes] == [Outcome.DONE, Outcome.KILLED]


@pytest.mark.parametrize("through", ["machine", "pool"])
def test_a_crash_loses_queue_and_slots_and_the_pool_goes_on(through: str) -> None:
    bench = Bench()
    jobs = [bench.pool.submit(battle) for battle in range(2)]
    bench.at(S, bench.machine.crash if through == "machine" else bench.pool.crash)
    bench.at(3 * S, lambda: bench.pool.submit("after"))
    bench.env.run()
    assert [job.value for job in jobs] == [Outcome.LOST, Outcome.LOST]
    assert [(r.label, r.outcome, r.start_ns, r.end_ns, r.wait_ns) for r in bench.records] == [
        (0, Outcome.LOST, 0, S, 0),
        (1, Outcome.LOST, -1, S, S),
        ("after", Outcome.DONE, 3 * S, 5 * S, 0),
    ]
    assert bench.machine.memory_used_bytes == 0


def test_a_proof_that_is_due_at_the_instant_of_the_crash_is_done() -> None:
    bench = Bench()
    # Scheduled first, so the crash comes before the machine's own clock event of the same instant.
    bench.at(3 * S, bench.machine.crash)
    bench.env.run(until=S)
    due, waiting = bench.pool.submit("due"), bench.pool.submit("waiting")
    bench.env.run()
    assert (due.value, waiting.value) == (Outcome.DONE, Outcome.LOST)
    assert [(r.label, r.end_ns) for r in bench.records] == [("due", 3 * S), ("waiting", 3 * S)]


def test_a_block_waits_inline_and_not_when_pipelined() -> None:
    for inline, expected_ns in ((True, 6 * S), (False, 0)):
        bench = Bench()
        built: list[int] = []

        def block(bench: Bench = bench, inline: bool = inline, built: list[int] = built) -> Generator[Any, Any, Any]:
            jobs = [bench.pool.submit(battle) for battle in range(3)]
            if inline:
                yield bench.env.all_of(jobs)
            else:
                yield bench.env.timeout(0)
            built.append(bench.env.now)

        bench.env.process(block())
        bench.env.run()
        assert built == [expected_ns]
        assert len(bench.records) == 3


def test_a_pool_needs_a_slot() -> None:
    with pytest.raises(InputError, match="slots = 0"):
        Bench(slots=0)


def test_jobs_go_to_the_machine_with_the_fewest() -> None:
    env = simpy.Environment()
    machines = [Machine(env, 4, 8 * GB) for _ in range(2)]
    records: list[ProofRecord] = []
    pool = ProverPool(env, machines, 2, cost(8.0), records.append)
    jobs = [pool.submit(i) for i in range(5)]
    assert [job.machine for job in jobs] == [machines[0], machines[1], machines[0], machines[1], None]
    assert (pool.queued_count, pool.proving_count, pool.open_count) == (1, 4, 5)
    env.run()
    ended = {r.label: (r.start_ns, r.end_ns) for r in records}
    assert ended == {0: (0, 4 * S), 1: (0, 4 * S), 2: (0, 4 * S), 3: (0, 4 * S), 4: (4 * S, 6 * S)}


def test_a_cancelled_job_is_lost_and_makes_room() -> None:
    bench = Bench()
    jobs = [bench.pool.submit(i) for i in range(4)]
    bench.at(S, lambda: bench.pool.cancel(jobs[0]))
    bench.at(S, lambda: bench.pool.cancel(jobs[2]))
    bench.env.run()
    bench.pool.cancel(jobs[1])  # has ended: nothing happens
    assert [job.value for job in jobs] == [Outcome.LOST, Outcome.DONE, Outcome.LOST, Outcome.DONE]
    ended = {r.label: (r.start_ns, r.end_ns) for r in bench.records}
    assert ended == {0: (0, S), 1: (S, 3 * S), 2: (-1, S), 3: (3 * S, 5 * S)}
    assert bench.machine.memory_used_bytes == 0


def test_a_card_is_left_alone_by_battles_and_dies_with_its_machine() -> None:
    env = simpy.Environment()
    machine, card = Machine(env, 4, 8 * GB), Machine(env, 1, 8 * GB)
    machine.devices.append(card)
    pool = ProverPool(env, [card], 1, ProofCost(3.0, GB, 1.0, 48))
    machine.work(400.0, Priority.BATTLE, serial_ratio=0.0)
    first, second = pool.submit("first"), pool.submit("second")
    env.run(until=4 * S)
    assert (first.value, second.triggered) == (Outcome.DONE, False)
    machine.crash()
    env.run(until=5 * S)
    assert second.value is Outcome.LOST
    machine.scale(memory_factor=0.1)
    small = pool.submit("small")
    env.run(until=6 * S)
    assert small.value is Outcome.KILLED
