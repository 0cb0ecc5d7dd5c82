"""The clients' kernels agree with plain Python, and neither cutting the time nor looking ahead changes an arrival."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.workload import REGION_SHIFT, Arrivals, Clients
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.scenario import Scenario
from bitcell_sim.kernels import arrivals, arrivals_plain
from bitcell_sim.kernels.sorting import stable_order
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import NS_PER_S

KEY = stream_key(4, "test.arrivals")
END_NS = 60 * NS_PER_S


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("rc3", sets=["workload.rate_tps=40", "workload.data_bytes_mean=300.0"])


@given(
    region=st.integers(0, 5),
    first=st.integers(0, 10**6),
    from_ns=st.integers(0, 10**12),
    left=st.floats(0.0, 40.0),
    rate_tps=st.floats(0.01, 10_000.0),
    span_ns=st.integers(0, 10**11),
    room=st.integers(1, 300),
)
def test_times(region: int, first: int, from_ns: int, left: float, rate_tps: float, span_ns: int, room: int) -> None:
    rate, until_ns = rate_tps / NS_PER_S, from_ns + span_ns
    at_ns = np.empty(room, np.int64)
    count, *state = arrivals.arrivals(np.uint64(KEY), region, first, from_ns, left, rate, until_ns, at_ns)
    times, *plain_state = arrivals_plain.arrivals(KEY, region, first, from_ns, left, rate, until_ns, room)
    assert at_ns[:count].tolist() == times
    assert state == plain_state


@given(st.integers(0, 2**40), st.integers(0, 2**30))
def test_first_gap(region: int, first: int) -> None:
    assert arrivals.first_gap(np.uint64(KEY), region) == arrivals_plain.first_gap(KEY, region)


@pytest.mark.parametrize(("median", "sigma", "data_mean"), [(10.0, 1.0, 0.0), (1.0, 2.5, 300.0), (1000.0, 0.0, 1e-3)])
def test_contents(median: float, sigma: float, data_mean: float) -> None:
    out = np.empty((2, 5000), np.int64)
    arrivals.contents(np.uint64(KEY), 2, 17, median, sigma, data_mean, out)
    prices, sizes = arrivals_plain.contents(KEY, 2, 17, 5000, median, sigma, data_mean)
    assert out.tolist() == [prices, sizes]
    assert min(prices) >= 1


@given(st.lists(st.integers(0, 20) | st.integers(0, 2**62), max_size=300))
def test_stable_order(values: list[int]) -> None:
    keys = np.array(values, np.int64)
    assert stable_order(keys).tolist() == np.argsort(keys, kind="stable").tolist()


def rows(batch: Arrivals) -> list[tuple[int, ...]]:
    columns = (batch.draw_id, batch.submit_ns, batch.region, batch.price, batch.data_bytes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def expected(scenario: Scenario, seed: int, changes: list[tuple[int, float]]) -> list[tuple[int, ...]]:
    """All arrivals up to the end, one by one in plain Python; `changes` are moments and the rates from then on."""
    workload, count = scenario.workload, len(scenario.deployment.region)
    key = stream_key(seed, "workload")
    found: list[tuple[int, ...]] = []
    for region in range(count):
        number, from_ns, left = 0, 0, arrivals_plain.first_gap(key, region)
        rate = workload.rate_tps / count / NS_PER_S
        for until_ns, next_rate_tps in [*changes, (END_NS, 0.0)]:
            times: list[int] = []
            if rate > 0.0:
                times, from_ns, left = arrivals_plain.arrivals(
                    key, region, number, from_ns, left, rate, until_ns, 10**6
                )
            price = workload.gas_price
            contents = arrivals_plain.contents(
                key, region, number, len(times), price.median, price.sigma, workload.data_bytes_mean
            )
            for i, (at_ns, gas_price, data) in enumerate(zip(times, *contents, strict=True)):
                found.append(((region << REGION_SHIFT) + number + i, at_ns, region, gas_price, data))
            number += len(times)
            left, from_ns = max(0.0, left - (until_ns - from_ns) * rate), until_ns
            rate = next_rate_tps / count / NS_PER_S
    return sorted(found, key=lambda row: (row[1], row[2]))


@given(st.integers(0, 10), st.lists(st.integers(0, END_NS), max_size=12))
@settings(max_examples=15)
def test_clients_cut_into_any_pieces(scenario: Scenario, seed: int, cuts: list[int]) -> None:
    clients = Clients(scenario.workload, scenario.deployment, seed=seed)
    taken = [row for until_ns in [*sorted(cuts), END_NS] for row in rows(clients.take(until_ns))]
    assert taken == expected(scenario, seed, [])


RATES = st.sampled_from([0.0, 3.0, 200.0])


@given(st.integers(0, 10), st.lists(st.tuples(st.integers(0, END_NS), RATES), max_size=4), st.integers(0, 10**10))
@settings(max_examples=25)
def test_a_change_of_rate_withdraws_what_was_taken_ahead(
    scenario: Scenario, seed: int, drawn: list[tuple[int, float]], ahead_ns: int
) -> None:
    changes = sorted(drawn, key=lambda change: change[0])
    clients = Clients(scenario.workload, scenario.deployment, seed=seed)
    taken: list[tuple[int, ...]] = []
    for at_ns, rate_tps in changes:
        taken += [row for row in rows(clients.take(at_ns + ahead_ns)) if row[1] < at_ns]
        clients.set_rate(rate_tps, at_ns)
    taken += rows(clients.take(END_NS))
    assert taken == expected(scenario, seed, changes)


def test_the_number_of_arrivals_is_what_the_rate_says(scenario: Scenario) -> None:
    clients = Clients(scenario.workload, scenario.deployment, seed=1)
    mean = scenario.workload.rate_tps * END_NS / NS_PER_S
    assert abs(len(rows(clients.take(END_NS))) - mean) < 5 * math.sqrt(mean)
