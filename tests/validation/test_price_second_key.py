"""What a pool keyed by price and whole second keeps, against balls in boxes: m prices are m boxes a second.

Of n transactions in a second with m equally likely prices m (1 - (1 - 1/m)^n) are kept on average, and of a Poisson
stream of rate r a second m (1 - exp(-r/m)).

References
----------
BitCell, crates/bitcell-node/src/tx_pool.rs:30-37, 83-89 at commit 116dda5. A run of that ordering rule at 100
transactions a second kept 1.0, 10.0, 43.1 and 64.2 with 1, 10, 50 and 100 prices (2026-11).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.kernels import mempool
from bitcell_sim.kernels.mempool import POOLED, Book, Pools, new_book, new_pools
from bitcell_sim.units import NS_PER_S

RATE, SECONDS = 100, 400
OF_UPSTREAMS_RULE = {1: 1.0, 10: 10.0, 50: 43.1, 100: 64.2}
CHANCE = np.random.default_rng(20261124)


@njit
def admit_all(book: Book, pools: Pools, count: int) -> None:
    for tx in range(count):
        mempool.admit(book, pools, tx, 0, book.arrival_ns[tx, 0])


def kept_a_second(times_ns: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """Transactions that one pool keeps of those received in each second."""
    count = len(times_ns)
    book, pools = new_book(count, 1), new_pools(1, 2 * count, price_second_key=True)
    book.arrival_ns[:, 0], book.price[:] = times_ns, prices
    admit_all(book, pools, count)
    seconds = times_ns[book.pool[:, 0] == POOLED] // NS_PER_S
    return np.bincount(seconds, minlength=SECONDS)


@pytest.mark.parametrize("levels", OF_UPSTREAMS_RULE)
def test_of_a_given_number_a_second(levels: int) -> None:
    times = np.arange(RATE * SECONDS) * (NS_PER_S // RATE)
    kept = kept_a_second(times, CHANCE.integers(1, levels + 1, len(times)))
    expected = levels * (1 - (1 - 1 / levels) ** RATE)
    assert abs(kept.mean() - expected) <= 4 * kept.std() / math.sqrt(SECONDS) + 0.01
    assert OF_UPSTREAMS_RULE[levels] == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("levels", OF_UPSTREAMS_RULE)
def test_of_a_poisson_stream(levels: int) -> None:
    count = CHANCE.poisson(RATE * SECONDS)
    times = np.sort(CHANCE.integers(0, SECONDS * NS_PER_S, count))
    kept = kept_a_second(times, CHANCE.integers(1, levels + 1, count))
    expected = levels * (1 - math.exp(-RATE / levels))
    assert abs(kept.mean() - expected) <= 4 * kept.std() / math.sqrt(SECONDS) + 0.01


ONE_PRICE = ("workload.rate_tps=100", "workload.gas_price.median=1.0", "workload.gas_price.sigma=0.0", "duration_s=55")


def test_in_the_mesh_each_pool_keeps_one_a_second_of_one_price_and_all_clients_are_told_yes() -> None:
    """Before the first block, so that nothing has left the pools."""
    simulation = Simulation(load_scenario("rc3", sets=[*ONE_PRICE, "protocol.quirks.price_second_key=true"]), seed=1)
    outcome = simulation.run()
    assert len(outcome.tables["blocks"]) == 0
    pending = [simulation.plane.pending(node, simulation.duration_ns) for node in range(7)]
    assert set(pending) <= {54, 55}
    sent = outcome.tables["transactions"]
    answered = sent[sent["request"] != "open"]
    assert set(answered["request"]) == {"ok"}
    states = sent["state"].value_counts()
    assert states["lost"] > 0.9 * len(sent)
    assert 55 <= states["pending"] <= 7 * 55 + len(sent) - len(answered)
    assert states.sum() == len(sent)


def test_in_the_mesh_with_the_usual_prices_it_is_the_sum_over_them() -> None:
    """Prices differ in likelihood: each second keeps 1 - exp(-rate times its share) of each price."""
    sets = ["workload.rate_tps=100", "duration_s=55", "protocol.quirks.price_second_key=true"]
    simulation = Simulation(load_scenario("rc3", sets=sets), seed=1)
    prices = simulation.run().tables["transactions"]["gas_price"]
    shares = prices.value_counts(normalize=True).to_numpy()
    expected = 55 * (1 - np.exp(-RATE * shares)).sum()
    pending = [simulation.plane.pending(node, simulation.duration_ns) for node in range(7)]
    assert pending == pytest.approx([expected] * 7, rel=0.03)


def test_without_the_key_all_are_kept() -> None:
    simulation = Simulation(load_scenario("rc3", sets=ONE_PRICE), seed=1)
    outcome = simulation.run()
    sent = outcome.tables["transactions"]
    assert not (sent["state"] == "lost").any()
    assert simulation.plane.pending(0, simulation.duration_ns) > 0.99 * len(sent)
