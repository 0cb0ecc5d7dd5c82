"""A node's machine: who gets cores, what preemption keeps, memory, limits and crashes; and how few events it takes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.errors import InputError
from bitcell_sim.hosts.machine import Machine, Outcome, Priority, Work

S = 1_000_000_000
GB = 1_000_000_000
BATTLE, VALIDATION, PROOF = Priority.BATTLE, Priority.VALIDATION, Priority.PROOF


def machine(cores: int = 4, memory_bytes: int = 8 * GB) -> tuple[simpy.Environment, Machine]:
    env = simpy.Environment()
    return env, Machine(env, cores, memory_bytes)


def ends(work: Work) -> list[tuple[int, Outcome]]:
    """A list that gets the instant and the outcome of a piece of work when it ends."""
    seen: list[tuple[int, Outcome]] = []
    work.callbacks.append(lambda event: seen.append((event.env.now, event.value)))
    return seen


def at(env: simpy.Environment, instant_ns: int, action: Any) -> None:
    """Call ``action`` at an instant."""

    def wait() -> Generator[simpy.Event, Any, Any]:
        yield env.timeout(instant_ns)
        action()

    env.process(wait())


def test_upstream_battle_on_one_two_and_four_cores() -> None:
    # 23.6 core-seconds, 12.8 s on two threads: the serial share is 2 * 12.8 / 23.6 - 1.
    serial = 2 * 12.8 / 23.6 - 1
    for cores, expected_s in ((1, 23.6), (2, 12.8), (4, 7.4)):
        env, node = machine(cores)
        end = ends(node.work(23.6, BATTLE, serial_ratio=serial))
        env.run()
        assert end == [(pytest.approx(expected_s * S, rel=1e-3), Outcome.DONE)]


def test_work_alone_ends_at_the_exact_nanosecond() -> None:
    env, node = machine(1)
    end = ends(node.work(23.6, BATTLE))
    env.run()
    assert end == [(23_600_000_000, Outcome.DONE)]
    assert isinstance(env.now, int)


def test_a_proof_is_paused_by_a_battle_and_loses_nothing() -> None:
    env, node = machine()
    proof = ends(node.work(40.0, PROOF, serial_ratio=0.0))
    at(env, 4 * S, lambda: node.work(12.0, BATTLE, serial_ratio=0.0))
    env.run(until=5 * S)
    assert node.busy_core_s(PROOF) == 16.0
    assert node.busy_core_s(BATTLE) == 4.0
    env.run()
    assert proof == [(13 * S, Outcome.DONE)]
    assert (node.busy_core_s(BATTLE), node.busy_core_s(PROOF)) == (12.0, 40.0)


def test_classes_go_in_order_and_serial_work_leaves_cores() -> None:
    env, node = machine()
    proof = ends(node.work(9.0, PROOF, serial_ratio=0.0))
    check = ends(node.work(1.0, VALIDATION))
    env.run()
    # One core checks for a second while three prove; then four prove the 6 core-seconds left.
    assert check == [(S, Outcome.DONE)]
    assert proof == [(2_500_000_000, Outcome.DONE)]


def test_validation_waits_for_a_battle_that_takes_all_cores() -> None:
    env, node = machine()
    node.work(8.0, BATTLE, serial_ratio=0.0)
    check = ends(node.work(0.5, VALIDATION))
    env.run()
    assert check == [(2_500_000_000, Outcome.DONE)]


def test_one_class_shares_equally_and_spare_cores_go_round() -> None:
    env, node = machine()
    first, second = (ends(node.work(8.0, PROOF, serial_ratio=0.0)) for _ in range(2))
    env.run()
    assert first == second == [(4 * S, Outcome.DONE)]
    env, node = machine()
    single = ends(node.work(3.0, PROOF))
    wide = ends(node.work(9.0, PROOF, serial_ratio=0.0))
    env.run()
    assert single == wide == [(3 * S, Outcome.DONE)]


def test_threads_beyond_the_limit_stay_free() -> None:
    env, node = machine(8)
    proof = ends(node.work(12.0, PROOF, serial_ratio=0.0, threads_max=6))
    env.run()
    assert proof == [(2 * S, Outcome.DONE)]


@pytest.mark.parametrize(("memory_bytes", "proof_end_s"), [(0, 9), (2 * GB, 4)])
def test_work_that_is_due_when_other_work_arrives_has_ended(memory_bytes: int, proof_end_s: int) -> None:
    env, node = machine(1, GB)
    # This arrival (a battle, or one that is killed) is scheduled first, so it comes before the machine's own clock.
    at(env, 2 * S, lambda: node.work(5.0, BATTLE, memory_bytes=memory_bytes))
    env.run(until=S)
    check = ends(node.work(1.0, VALIDATION))
    proof = ends(node.work(2.0, PROOF))
    env.run()
    assert check == [(2 * S, Outcome.DONE)]
    assert proof == [(proof_end_s * S, Outcome.DONE)]


def test_zero_work_ends_at_once() -> None:
    env, node = machine(1)
    end = ends(node.work(0.0, BATTLE))
    env.run()
    assert end == [(0, Outcome.DONE)]
    assert node.running_count(BATTLE) == 0


def test_too_much_memory_is_killed_at_once_and_counted() -> None:
    env, node = machine()
    killed = ends(node.work(104.0, PROOF, memory_bytes=21_467_408_000))
    env.run()
    assert killed == [(0, Outcome.KILLED)]
    assert node.killed_count[PROOF] == 1
    assert node.memory_used_bytes == node.memory_peak_bytes == 0
    assert node.busy_core_s(PROOF) == 0.0


def test_memory_is_shared_and_given_back() -> None:
    env, node = machine()
    assert node.reserve(3 * GB)
    first = ends(node.work(4.0, PROOF, memory_bytes=4 * GB))
    second = ends(node.work(4.0, PROOF, memory_bytes=2 * GB))
    assert node.memory_used_bytes == 7 * GB
    env.run()
    third = ends(node.work(4.0, PROOF, memory_bytes=5 * GB))
    assert not node.reserve(1)
    env.run()
    assert [outcome for _, outcome in first + second + third] == [Outcome.DONE, Outcome.KILLED, Outcome.DONE]
    assert node.memory_used_bytes == 3 * GB
    assert node.memory_peak_bytes == 8 * GB
    node.release(3 * GB)
    with pytest.raises(InputError, match="released"):
        node.release(1)


def test_a_memory_limit_kills_the_last_class_and_the_largest_first() -> None:
    env, node = machine()
    battle = ends(node.work(10.0, BATTLE, memory_bytes=3 * GB))
    small = ends(node.work(10.0, PROOF, memory_bytes=1 * GB))
    large = ends(node.work(10.0, PROOF, memory_bytes=2 * GB))
    at(env, S, lambda: node.scale(memory_factor=0.5))
    env.run()
    assert large == [(S, Outcome.KILLED)]
    assert [outcome for _, outcome in battle + small] == [Outcome.DONE, Outcome.DONE]


def test_a_processor_limit_slows_pauses_and_restores() -> None:
    env, node = machine()
    proof = ends(node.work(40.0, PROOF, serial_ratio=0.0))
    at(env, 2 * S, lambda: node.scale(cpu_factor=0.5))  # 32 left at 2 cores
    at(env, 4 * S, lambda: node.scale(cpu_factor=0.0))  # 28 left, paused
    at(env, 9 * S, lambda: node.scale(cpu_factor=0.125))  # half a core
    at(env, 11 * S, lambda: node.scale(cpu_factor=1.0))  # 27 left at 4 cores
    env.run()
    assert proof == [(11 * S + 6_750_000_000, Outcome.DONE)]


def test_a_crash_loses_everything_and_the_machine_goes_on() -> None:
    env, node = machine()
    node.reserve(GB)
    lost = [ends(node.work(40.0, priority, serial_ratio=0.0, memory_bytes=GB)) for priority in Priority]
    at(env, 3 * S, node.crash)
    env.run(until=4 * S)
    assert lost == [[(3 * S, Outcome.LOST)]] * 3
    assert node.lost_count == [1, 1, 1]
    assert node.memory_used_bytes == 0
    assert node.busy_core_s(BATTLE) == 12.0
    again = ends(node.work(8.0, BATTLE, serial_ratio=0.0, memory_bytes=8 * GB))
    env.run()
    assert again == [(6 * S, Outcome.DONE)]


def test_cancelled_work_leaves_its_cores_to_others() -> None:
    env, node = machine()
    battle = node.work(40.0, BATTLE, serial_ratio=0.0)
    proof = ends(node.work(4.0, PROOF, serial_ratio=0.0))
    at(env, 2 * S, lambda: node.cancel(battle))
    env.run()
    assert battle.value is Outcome.LOST
    assert proof == [(3 * S, Outcome.DONE)]
    assert not node.cancel(battle)


def test_reading_the_use_changes_nothing() -> None:
    def run(read: bool) -> list[tuple[int, Outcome]]:
        env, node = machine(3)
        seen = [ends(node.work(1.1 + 0.37 * i, PROOF, serial_ratio=0.18)) for i in range(5)]
        at(env, S // 3, lambda: node.work(1 / 3, BATTLE, serial_ratio=0.0847))
        for instant in range(7, 5 * S if read else 0, S // 7):
            at(env, instant, lambda: node.busy_core_s(PROOF))
        env.run()
        return [event for events in seen for event in events]

    assert run(read=True) == run(read=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"core_seconds": -1.0}, "core_seconds = -1.0"),
        ({"core_seconds": float("inf")}, "core_seconds = inf"),
        ({"core_seconds": 1.0, "serial_ratio": 1.5}, "serial_ratio = 1.5"),
        ({"core_seconds": 1.0, "memory_bytes": -1}, "memory_bytes = -1"),
    ],
)
def test_bad_work_is_refused(arguments: dict[str, Any], says: str) -> None:
    _, node = machine()
    with pytest.raises(InputError, match=says):
        node.work(priority=PROOF, **arguments)


def test_bad_machines_and_limits_are_refused() -> None:
    with pytest.raises(InputError, match="cores = 0"):
        Machine(simpy.Environment(), 0, GB)
    _, node = machine()
    with pytest.raises(InputError, match=r"cpu_factor = -0\.5"):
        node.scale(cpu_factor=-0.5)
    with pytest.raises(InputError, match="memory_factor = nan"):
        node.scale(memory_factor=float("nan"))


# A slow, obvious machine to compare with: everything is recomputed at every arrival, change and end.


def fair_cores(free: float, limits: list[float]) -> list[float]:
    """Equal shares, filled level by level: nobody above its limit, and no core idle that somebody could use."""
    given_cores = [0.0] * len(limits)
    open_ones = list(range(len(limits)))
    while open_ones and free > 1e-12:
        level = min(free / len(open_ones), *(limits[i] - given_cores[i] for i in open_ones))
        for i in open_ones:
            given_cores[i] += level
        free -= level * len(open_ones)
        open_ones = [i for i in open_ones if limits[i] - given_cores[i] > 1e-12]
    return given_cores


def plain_ends_s(
    jobs: list[tuple[float, float, int, float]], limits: list[tuple[float, float]], cores: int
) -> list[float]:
    """Ends of jobs (arrival s, core-seconds, class, serial share) under core limits (instant s, factor)."""
    left = {i: job[1] for i, job in enumerate(jobs)}
    result = [0.0] * len(jobs)
    now, factor = 0.0, 1.0
    changes = sorted({job[0] for job in jobs} | {instant for instant, _ in limits})
    while left:
        factor = next((f for instant, f in reversed(limits) if instant <= now), 1.0)
        free, rate = cores * factor, dict.fromkeys(left, 0.0)
        for priority in range(3):
            present = [i for i in left if jobs[i][2] == priority and jobs[i][0] <= now]
            shares = fair_cores(free, [1.0 if jobs[i][3] == 1.0 else float("inf") for i in present])
            free -= sum(shares)
            for i, share in zip(present, shares, strict=True):
                serial = jobs[i][3]
                rate[i] = share if share <= 1 else 1 / (serial + (1 - serial) / share)
        ends_at = min([now + left[i] / rate[i] for i in left if rate[i] > 1e-9] + [t for t in changes if t > now])
        for i in list(left):
            left[i] -= rate[i] * (ends_at - now)
            if jobs[i][0] <= now and left[i] < 1e-9:
                result[i] = ends_at
                del left[i]
        now = ends_at
    return result


JOB = st.tuples(
    st.integers(0, 8000).map(lambda ms: ms / 1000),
    st.integers(1, 9000).map(lambda ms: ms / 1000),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.0847, 0.18, 1.0]),
)
LIMIT = st.tuples(st.integers(0, 9000).map(lambda ms: ms / 1000), st.sampled_from([0.0, 0.25, 0.5, 0.9]))


@given(st.lists(JOB, min_size=1, max_size=12), st.lists(LIMIT, max_size=3), st.integers(1, 8))
def test_ends_as_the_plain_machine(
    jobs: list[tuple[float, float, int, float]], limits: list[tuple[float, float]], cores: int
) -> None:
    limits = [*sorted(dict(limits).items()), (10.0, 1.0)]
    env, node = machine(cores)
    seen: dict[int, list[tuple[int, Outcome]]] = {}

    def start(index: int) -> None:
        _, core_s, priority, serial = jobs[index]
        seen[index] = ends(node.work(core_s, Priority(priority), serial_ratio=serial))

    for instant, factor in limits:
        at(env, round(instant * S), lambda factor=factor: node.scale(cpu_factor=factor))
    for index, job in enumerate(jobs):
        at(env, round(job[0] * S), lambda index=index: start(index))
    env.run()
    expected = plain_ends_s(jobs, limits, cores)
    for index, end_s in enumerate(expected):
        assert seen[index] == [(pytest.approx(end_s * S, abs=30), Outcome.DONE)]
    done_s = sum(node.busy_core_s(priority) for priority in Priority)
    assert done_s == pytest.approx(sum(job[1] for job in jobs), rel=1e-9)


class CountingEnvironment(simpy.Environment):
    """An environment that counts what is scheduled."""

    scheduled = 0

    def schedule(self, *args: Any, **kwargs: Any) -> None:
        self.scheduled += 1
        super().schedule(*args, **kwargs)


def test_a_busy_hour_takes_few_events_a_job() -> None:
    env = CountingEnvironment()
    node = Machine(env, 4, 8 * GB)
    blocks = 360

    def rounds() -> Generator[simpy.Event, Any, Any]:
        for _ in range(blocks):
            node.work(0.003, VALIDATION)
            node.work(12.0, PROOF, serial_ratio=0.18)
            yield env.timeout(3 * S)
            node.work(2.0, BATTLE, serial_ratio=0.0847)
            yield env.timeout(7 * S)

    env.process(rounds())
    env.run()
    own = 2 * blocks + 2
    assert node.killed_count == node.lost_count == [0, 0, 0]
    # One clock event and one end a job, and one more for each proof that a battle put off.
    assert env.scheduled - own <= 7 * blocks
