"""Waiting times through the real pool and machine against the closed forms of queueing theory."""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import pytest
import simpy
from scipy import stats

from bitcell_sim.hosts.machine import Machine, Priority
from bitcell_sim.kernels.draws import exponential, normal, uniform
from bitcell_sim.proving.cost import ProofCost
from bitcell_sim.proving.prover import ProofRecord, ProverPool
from bitcell_sim.random_streams import stream_key

S = 1_000_000_000
REPLICATIONS = 16
JOBS = 5000
WARM_UP = 300
ARRIVALS, SERVICES, CHECKS, CHECK_TIMES, SIZES = range(5)
LEVEL = 0.99
# An interval wider than this share of the closed form would let a wrong program pass.
WIDTH_LIMIT = 0.15

KEY = np.uint64(stream_key(2026, "queueing-test"))

Service = Callable[[int, int], float]


def draw(replication: int, purpose: int, index: int) -> float:
    """Exponential draw of mean 1 that depends on nothing but its names."""
    return float(exponential(KEY, replication, purpose, index))


def arrivals(env: simpy.Environment, gaps_s: Sequence[float], act: Callable[[int], object]) -> None:
    """Call ``act`` with 0, 1, ... after each gap."""

    def source() -> Generator[simpy.Event, Any, Any]:
        for index, gap_s in enumerate(gaps_s):
            yield env.timeout(round(gap_s * S))
            act(index)

    env.process(source())


def waits_s(
    replication: int, utilisation: float, servers: int, service_s: Service, jobs: int = JOBS, *, apart: bool = False
) -> list[float]:
    """Wait of each proof of mean 1 s in a pool of one-core slots: of one machine, or each on a machine of its own."""
    env = simpy.Environment()
    machines = [Machine(env, 1 if apart else servers, memory_bytes=1) for _ in range(servers if apart else 1)]
    records: list[ProofRecord] = []
    pool = ProverPool(env, machines, servers // len(machines), ProofCost(1.0, 0, 1.0, 1), records.append)
    gaps_s = [draw(replication, ARRIVALS, i) / (utilisation * servers) for i in range(jobs)]
    arrivals(env, gaps_s, lambda i: pool.submit(i, noise_factor=service_s(replication, i)))
    env.run()
    assert len(records) == jobs
    waits = {r.label: r.wait_ns / S for r in records}
    return [waits[i] for i in range(jobs)]


def mean_wait_s(
    replication: int, utilisation: float, servers: int, service_s: Service, *, apart: bool = False
) -> float:
    """Mean wait after the warm-up."""
    return statistics.fmean(waits_s(replication, utilisation, servers, service_s, apart=apart)[WARM_UP:])


def assert_interval_holds(values: Sequence[float], expected: float) -> None:
    """The interval over replications holds the closed form and is narrow enough to tell."""
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    assert abs(mean - expected) <= half, (mean, half, expected)
    assert half < WIDTH_LIMIT * expected, (half, expected)


def exponential_service(replication: int, index: int) -> float:
    return draw(replication, SERVICES, index)


def constant_service(_replication: int, _index: int) -> float:
    return 1.0


def either_service(replication: int, index: int) -> float:
    """A short proof or a long one: 0.25 with probability 0.8, else 4; mean 1, second moment 3.25."""
    return 4.0 if float(uniform(KEY, replication, SIZES, index)) < 0.2 else 0.25


def noisy_service(replication: int, index: int) -> float:
    """The noise of proofs, ten times as wide: log-normal of mean 1, sigma 0.5, second moment exp(0.25)."""
    return math.exp(0.5 * float(normal(KEY, replication, SIZES, index)) - 0.125)


def crommelin_s(servers: int, utilisation: float) -> float:
    """Mean wait in M/D/c with a service of 1 s (Crommelin 1932)."""
    load, total, term, i = servers * utilisation, 0.0, 1.0, 0
    while abs(term) > 1e-13:
        i += 1
        at_least, more = stats.poisson.sf([i * servers - 1, i * servers], i * load)
        term = float(at_least - more / utilisation)
        total += term
    return total


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits in M/M/c at ``load`` erlangs."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("utilisation", [0.5])
def test_m_m_1(utilisation: float) -> None:
    waits = [mean_wait_s(r, utilisation, 1, exponential_service) for r in range(REPLICATIONS)]
    assert_interval_holds(waits, utilisation / (1 - utilisation))


@pytest.mark.parametrize("utilisation", [0.5])
def test_m_d_1(utilisation: float) -> None:
    waits = [mean_wait_s(r, utilisation, 1, constant_service) for r in range(REPLICATIONS)]
    assert_interval_holds(waits, utilisation / (2 * (1 - utilisation)))


def test_m_m_3() -> None:
    waits = [mean_wait_s(r, 0.7, 3, exponential_service) for r in range(REPLICATIONS)]
    assert_interval_holds(waits, erlang_c(3, 2.1) / (3 - 2.1))


def test_crommelin_is_pollaczek_and_khinchine_with_one_server() -> None:
    assert crommelin_s(1, 0.5) == pytest.approx(0.5, rel=1e-9)
    assert crommelin_s(1, 0.8) == pytest.approx(2.0, rel=1e-9)


def test_m_d_3_on_three_machines() -> None:
    waits = [mean_wait_s(r, 0.7, 3, constant_service, apart=True) for r in range(REPLICATIONS)]
    expected = crommelin_s(3, 0.7)
    assert expected == pytest.approx(0.55 * erlang_c(3, 2.1) / (3 - 2.1), rel=0.05)  # about half of M/M/3
    assert_interval_holds(waits, expected)


@pytest.mark.parametrize(("service_s", "second_moment"), [(either_service, 3.25), (noisy_service, math.exp(0.25))])
def test_m_g_1(service_s: Service, second_moment: float) -> None:
    # Pollaczek and Khinchine: the arrival rate times the second moment, over 2 (1 - utilisation).
    waits = [mean_wait_s(r, 0.4, 1, service_s) for r in range(REPLICATIONS)]
    assert_interval_holds(waits, 0.4 * second_moment / (2 * (1 - 0.4)))


@pytest.mark.parametrize("service_s", [exponential_service, constant_service, either_service])
@pytest.mark.parametrize(("servers", "apart"), [(1, False), (3, False), (3, True)])
def test_every_wait_follows_the_recursion(servers: int, apart: bool, service_s: Service) -> None:
    # Kiefer and Wolfowitz (Lindley with one server): each job takes the server that is free first.
    waits = waits_s(0, 0.9, servers, service_s, jobs=1000, apart=apart)
    free_s = [0.0] * servers
    now_s = 0.0
    for index, wait_s in enumerate(waits):
        now_s += draw(0, ARRIVALS, index) / (0.9 * servers)
        start_s = max(now_s, heapq.heappop(free_s))
        heapq.heappush(free_s, start_s + service_s(0, index))
        assert wait_s == pytest.approx(start_s - now_s, abs=5e-6)
    assert max(waits) > 2.0


def stays_s(replication: int, high: float, low: float) -> tuple[float, float]:
    """Mean stay of checks and of proofs on one core, with these arrivals a second and mean 1 s of work each."""
    env = simpy.Environment()
    machine = Machine(env, cores=1, memory_bytes=1)
    proofs: list[ProofRecord] = []
    pool = ProverPool(env, [machine], 1, ProofCost(1.0, 0, 1.0, 1), proofs.append)
    inbox = simpy.Store(env)
    checks: list[float] = []

    def checker() -> Generator[simpy.Event, Any, Any]:
        while True:
            index, arrived_ns = yield inbox.get()
            yield machine.work(draw(replication, CHECK_TIMES, index), Priority.VALIDATION)
            checks.append((env.now - arrived_ns) / S)

    env.process(checker())
    count = int(JOBS * low / high)
    arrivals(env, [draw(replication, CHECKS, i) / high for i in range(JOBS)], lambda i: inbox.put((i, env.now)))
    arrivals(
        env,
        [draw(replication, ARRIVALS, i) / low for i in range(count)],
        lambda i: pool.submit(i, noise_factor=draw(replication, SERVICES, i)),
    )
    env.run()
    assert (len(checks), len(proofs)) == (JOBS, count)
    return (
        statistics.fmean(checks[WARM_UP:]),
        statistics.fmean((proof.end_ns - proof.queued_ns) / S for proof in proofs[WARM_UP:]),
    )


def test_preemptive_priority_on_one_core() -> None:
    # M/M/1 preemptive-resume, both classes of mean 1 s: T1 = 1/(1 - a), T2 = 1/((1 - a)(1 - a - b)).
    high, low = 0.2, 0.3
    stays = [stays_s(r, high, low) for r in range(REPLICATIONS)]
    assert_interval_holds([check for check, _ in stays], 1 / (1 - high))
    assert_interval_holds([proof for _, proof in stays], 1 / ((1 - high) * (1 - high - low)))
