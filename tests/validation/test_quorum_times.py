"""Votes of single heights among any number of validators: against whole runs, and against arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bitcell_sim
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.voting import FINAL_NS
from bitcell_sim.studies.quorum import Electorate


def test_seven_validators_are_the_seven_nodes_of_a_run() -> None:
    """A whole RC3 run with transactions, battles and proofs: every checked block and every final one, to the ns."""
    scenario = load_scenario("rc3", sets=["duration_s=600"])
    outcome = simulate_once(scenario, seed=4)
    nodes = [node.id for node in scenario.deployment.node]
    stakes = [node.stake for node in scenario.deployment.node]
    electorate = Electorate.of(scenario, stakes, seed=4, horizon_ns=600 * 10**9)
    tables, begin_ns, compared = outcome.tables, np.zeros(7, np.int64), 0
    for block in tables["blocks"].itertuples():
        adopted = tables["adoptions"][tables["adoptions"]["block"] == block.block].set_index("node")
        final = tables["finals"][tables["finals"]["block"] == block.block].set_index("node")
        if len(final) < 7:
            break
        built_ns = round(block.built_ms * 1e6)
        checked_ns = electorate.checked_ns(
            block.block, nodes.index(block.builder), built_ns, block.transaction_count, []
        )
        assert checked_ns.tolist() == np.rint(adopted["checked_ms"].loc[nodes] * 1e6).tolist()
        course = electorate.vote(block.height, begin_ns, checked_ns, built_ns + 10**10)
        begin_ns = course.state[FINAL_NS]
        assert begin_ns.tolist() == np.rint(final["at_ms"].loc[nodes] * 1e6).tolist()
        compared += 1
    assert compared >= 9


def weighted_quantile(arrivals_ms: np.ndarray, stakes: np.ndarray) -> np.ndarray:
    """When more than two thirds of the stake have arrived, one column a receiver."""
    order = np.argsort(arrivals_ms, axis=0, kind="stable")
    enough = np.cumsum(stakes[order], axis=0) * 3 > 2 * stakes.sum()
    return np.take_along_axis(np.take_along_axis(arrivals_ms, order, 0), enough.argmax(axis=0)[None], 0)[0]


@pytest.mark.parametrize("count", [4, 30, 150])
@pytest.mark.parametrize("sent", [True, False])
def test_finality_is_arithmetic_on_a_matrix_without_jitter(count: int, sent: bool) -> None:
    chance = np.random.default_rng(count)
    stakes = chance.integers(1, 500, count)
    absent = chance.choice(count, count // 10, replace=False).tolist()
    scenario = load_scenario("rc3", latency="seed-expected")
    times = bitcell_sim.quorum_times(
        scenario, stakes=stakes.tolist(), absent=absent, transactions=300 if sent else None, seed=2
    )
    deployment, wire, costs = scenario.deployment, scenario.protocol.wire, scenario.protocol.costs
    measured = {(link.source, link.target): link.rtt_ms for link in scenario.latency.link}
    inside = scenario.latency.intra_region
    way_ms = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            one, other = deployment.node[i % 7], deployment.node[j % 7]
            own = inside.same_zone_rtt_ms if one.zone == other.zone else inside.cross_zone_rtt_ms
            way_ms[i, j] = (own if one.region == other.region else measured[one.region, other.region]) / 2
    bit_per_ms = deployment.hardware.uplink_mbit_per_s * 1e3
    vote_ms = (wire.vote_bytes + wire.overhead_bytes) * 8 / bit_per_ms + way_ms
    np.fill_diagonal(vote_ms, 0.0)
    prevote = np.zeros(count)
    if sent:
        builder = int(times["validator"][times["builder"]].iloc[0])
        others = np.array([one for one in range(count) if one != builder and one not in absent])
        size = 429 + 300 * 194 + 6 * 171 + wire.overhead_bytes  # proofs follow when they are done
        copies = np.zeros(count)
        copies[others] = np.arange(1, len(others) + 1)
        check_ms = (costs.block_check_ms + 300 * costs.transaction_check_ms) / 4
        prevote = np.where(np.arange(count) == builder, 0, copies * size * 8 / bit_per_ms + way_ms[builder] + check_ms)
    prevote[absent] = np.inf
    locked = np.maximum(weighted_quantile(prevote[:, None] + vote_ms, stakes), prevote)
    final = np.maximum(weighted_quantile(locked[:, None] + vote_ms, stakes), prevote)
    present = ~np.isin(np.arange(count), absent)
    assert times["prevote_ms"][present].to_numpy() == pytest.approx(prevote[present], abs=2e-3)
    assert times["locked_ms"][present].to_numpy() == pytest.approx(locked[present], abs=2e-3)
    assert times["final_ms"][present].to_numpy() == pytest.approx(final[present], abs=2e-3)
    assert times.loc[~present, ["checked_ms", "prevote_ms", "final_ms"]].isna().all(axis=None)
    assert (times["vote_round"] == np.where(present, 0, -1)).all()


def test_rounds_rise_where_a_third_is_absent_until_it_is_given_up() -> None:
    times = bitcell_sim.quorum_times("rc3", validators=9, absent=[0, 1, 2], wait_s=50.0)
    assert times["final_ms"].isna().all()
    assert bitcell_sim.quorum_times("rc3", validators=10, absent=[0, 1, 2])["final_ms"].notna().sum() == 7


def test_validators_and_heights_have_their_own_draws_and_the_seed_decides_them() -> None:
    times = bitcell_sim.quorum_times("rc3", validators=30, heights=3, seed=5)
    assert times["final_ms"].nunique() == 90
    places = {"us-east": 30, "us-west": 24, "eu-central": 24, "ap-southeast": 12}
    assert times["region"].value_counts().to_dict() == places
    again = bitcell_sim.quorum_times("rc3", validators=30, heights=3, seed=5)
    pd.testing.assert_frame_equal(times, again)
    assert not times["final_ms"].equals(bitcell_sim.quorum_times("rc3", validators=30, heights=3, seed=6)["final_ms"])
    first = bitcell_sim.quorum_times("rc3", validators=30, seed=5)
    pd.testing.assert_frame_equal(times.iloc[:30], first)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"validators": 0}, "validators = 0: from 1 to 65535"),
        ({"validators": 70_000}, "from 1 to 65535"),
        ({"heights": 0}, "heights = 0"),
        ({"wait_s": 0.0}, "wait_s = 0.0"),
        ({"wait_s": float("nan")}, "wait_s = nan"),
        ({"transactions": 1001}, "transactions = 1001: from 0 to 1000"),
        ({"transactions": -1}, "transactions = -1"),
        ({"stakes": [1, 2, 3], "validators": 4}, "stakes: 4 whole numbers from 1"),
        ({"stakes": [1, 0, 3]}, "stakes: 3 whole numbers from 1"),
        ({"absent": [7]}, r"absent = \[7\]: some of the validators 0 to 6"),
        ({"absent": range(7)}, "not all of them"),
        (
            {"sets": ["protocol.finality.timeout_s=0.001", "protocol.finality.timeout_step_s=0"]},
            "1024 rounds of voting",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        bitcell_sim.quorum_times("rc3", **asked)


def test_one_validator_decides_alone() -> None:
    alone = bitcell_sim.quorum_times("rc3", validators=1)
    assert alone[["checked_ms", "locked_ms", "final_ms"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]
