"""Most transactions a second against arithmetic, arrivals against Poisson, retries against what a real HAProxy did."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bitcell_sim.analysis.targets import Throughput, throughput
from bitcell_sim.chain.workload import Arrivals, Clients
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import NodeFault, Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.studies import plan

PHASES_S = 15.0  # commit, reveal, pause
SEEDS = (1, 2, 3)


@cache
def overloaded(*sets: str, rate_tps: float = 150.0) -> tuple[list[Throughput], Outcome]:
    scenario = plan.loaded(load_scenario("rc3", sets=list(sets)), rate_tps, blocks=12)
    block = scenario.protocol.block
    outcomes = [simulate_once(scenario, seed=seed) for seed in SEEDS]
    limits = (scenario.warmup_blocks, block.max_transactions, block.gas_limit)
    return [throughput(outcome.tables, *limits) for outcome in outcomes], outcomes[0]


@pytest.mark.parametrize(
    ("cores", "battle_s"), [(4, 23.6 * (0.0847 + 0.9153 / 4)), (2, 23.6 * (0.0847 + 0.9153 / 2)), (1, 23.6)]
)
def test_measured_engine_is_the_cap_over_phases_and_six_battles(cores: int, battle_s: float) -> None:
    found, _ = overloaded(f"deployment.hardware.cores={cores}")
    expected = 1000 / (PHASES_S + 6 * battle_s)
    assert [one.full_share for one in found] == [1.0] * len(SEEDS)
    for one in found:
        assert one.final_tps == pytest.approx(expected, rel=0.02)
    if cores == 4:
        assert expected == pytest.approx(16.84, abs=0.01)
    if cores == 2:
        assert battle_s == pytest.approx(12.8, abs=0.01)  # as measured on two threads


def test_claimed_engine_is_five_seconds_a_battle_whatever_the_cores() -> None:
    found, _ = overloaded("protocol.battle.engine=claimed")
    assert [one.final_tps for one in found] == pytest.approx([1000 / 45.0] * len(SEEDS), rel=0.02)


def test_free_battles_leave_the_cap_over_the_phases_less_the_network() -> None:
    found, outcome = overloaded("protocol.battle.engine=sparse")
    mean_tps = float(np.mean([one.final_tps for one in found]))
    assert mean_tps == pytest.approx(1000 / PHASES_S, rel=0.02)
    # The network takes its share: a block has to reach the next builder, and be checked there, before the next round.
    blocks = outcome.tables["blocks"]
    blocks = blocks[blocks["state"] == "final"].sort_values("height")
    adopted = outcome.tables["adoptions"].set_index(["block", "node"])["adopted_ms"]
    way_ms = [
        adopted[(before, builder)] - built
        for before, built, builder in zip(
            blocks["block"].iloc[:-1], blocks["built_ms"].iloc[:-1], blocks["builder"].iloc[1:], strict=True
        )
    ]
    gaps_ms = np.diff(blocks["built_ms"])
    assert gaps_ms == pytest.approx(PHASES_S * 1000 + np.array(way_ms) + 6 * 0.27, abs=0.01)


def test_the_gas_limit_takes_over_from_the_cap() -> None:
    found, _ = overloaded("protocol.battle.engine=sparse", "protocol.block.max_transactions=5000")
    whole = 30_000_000 // 21_000
    assert whole == 1428
    assert [one.final_tps for one in found] == pytest.approx([whole / PHASES_S] * len(SEEDS), rel=0.025)
    assert [one.gas_share for one in found] == pytest.approx([whole * 21_000 / 30e6] * len(SEEDS), rel=1e-9)


def test_a_block_every_ten_minutes_carries_less_than_two_transactions_a_second() -> None:
    found, _ = overloaded("protocol.battle.engine=sparse", "protocol.round.block_interval_s=600", rate_tps=5.0)
    assert [one.final_tps for one in found] == pytest.approx([1000 / 600] * len(SEEDS), rel=0.001)


def test_below_the_cap_everything_offered_becomes_final() -> None:
    found, outcome = overloaded("protocol.battle.engine=sparse", rate_tps=40.0)
    counts = outcome.tables["transactions"]["state"].value_counts()
    assert set(counts[counts > 0].index) <= {"final", "pending"}
    assert float(np.mean([one.final_tps for one in found])) == pytest.approx(40.0, rel=0.05)


# ------------------------------------------------------------------------------------------------ arrivals


def taken(until_s: float, parts: int = 1, rate_tps: float = 50.0, arrivals: str = "poisson") -> Arrivals:
    scenario = load_scenario("rc3", sets=[f"workload.rate_tps={rate_tps}", f"workload.arrivals={arrivals}"])
    clients = Clients(scenario.workload, scenario.deployment, seed=9)
    pieces = [clients.take(int(until_s * 1e9 * (part + 1) / parts)) for part in range(parts)]
    columns = ("draw_id", "submit_ns", "region", "price", "data_bytes")
    return Arrivals(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in columns))


def test_arrivals_are_poisson() -> None:
    until_s, rate = 2000.0, 50.0
    arrivals = taken(until_s)
    at_s = arrivals.submit_ns / 1e9
    assert (np.diff(arrivals.submit_ns) >= 0).all()
    assert abs(len(at_s) - rate * until_s) < 4 * np.sqrt(rate * until_s)
    assert stats.kstest(np.diff(at_s), stats.expon(scale=1 / rate).cdf).pvalue > 0.01
    counts = np.histogram(at_s, bins=int(until_s))[0]  # by second: mean and variance agree, and the shape fits
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(counts)))
    edges = np.arange(30, 72, 3)
    seen = np.histogram(counts, bins=[0, *edges, 1000])[0]
    law = stats.poisson(rate).cdf(np.array([-1, *(edges - 1), 10_000]))
    assert stats.chisquare(seen, np.diff(law) / np.diff(law).sum() * len(counts)).pvalue > 0.01


def test_regions_share_the_load_independently() -> None:
    arrivals = taken(1000.0)
    shares = np.bincount(arrivals.region, minlength=4) / len(arrivals.region)
    assert shares == pytest.approx([0.25] * 4, abs=0.01)
    by_second = [np.histogram(arrivals.submit_ns[arrivals.region == region], bins=1000)[0] for region in range(4)]
    correlation = np.corrcoef(by_second) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(1000)


def test_steady_arrivals_come_at_even_gaps_from_a_first_one_anywhere() -> None:
    arrivals = taken(1000.0, arrivals="steady", rate_tps=20.0)
    firsts = []
    for region in range(4):
        at_ns = arrivals.submit_ns[arrivals.region == region]
        assert set(np.diff(at_ns).tolist()) == {200_000_000}  # 5 a second each
        firsts.append(int(at_ns[0]))
    assert len(set(firsts)) == 4
    assert 0 <= min(firsts) <= max(firsts) < 200_000_000


def test_a_new_rate_of_steady_arrivals_keeps_what_is_left_of_the_gap() -> None:
    scenario = load_scenario("rc3", sets=["workload.rate_tps=4", "workload.arrivals=steady"])
    clients = Clients(scenario.workload, scenario.deployment, seed=9)
    before = clients.take(10 * 10**9)
    clients.set_rate(8.0, 9_700_000_000)
    after = clients.take(20 * 10**9)
    for region in range(4):
        old, new = before.submit_ns[before.region == region], after.submit_ns[after.region == region]
        last = int(old[old < 9_700_000_000][-1])
        left_ns = last + 10**9 - 9_700_000_000
        assert abs(int(new[0]) - (9_700_000_000 + left_ns // 2)) <= 2
        assert set(np.diff(new).tolist()) == {500_000_000}


@pytest.mark.parametrize("arrivals", ["poisson", "steady"])
def test_cutting_time_into_calls_changes_nothing(arrivals: str) -> None:
    whole, cut = taken(300.0, arrivals=arrivals), taken(300.0, parts=97, arrivals=arrivals)
    for name in ("draw_id", "submit_ns", "region", "price"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name))


# ------------------------------------------------------------------------------------------------- retries


@cache
def crashed(*sets: str, rate_tps: float = 40.0) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Requests and balancers of a run in which us-east-1 refuses connections for 40 s, and when it began."""
    scenario: Scenario = load_scenario("rc3", sets=["duration_s=160", f"workload.rate_tps={rate_tps}", *sets])
    crash = NodeFault(kind="process-crash", node="us-east-1", start_s=101.0, duration_s=40.0)
    outcome = simulate_once(scenario.model_copy(update={"fault": (crash,)}), seed=4)
    return outcome.tables["transactions"], outcome.tables["balancers"], 101_000.0


def until_down(requests: pd.DataFrame, balancers: pd.DataFrame, crash_ms: float) -> pd.DataFrame:
    """Requests that left their client between the crash and the moment their balancer knew."""
    down = balancers[balancers["up"] == 0].set_index("balancer")["at_ms"]
    known = requests["client_region"].map(down).astype(float)
    return requests[(requests["submitted_ms"] > crash_ms) & (requests["submitted_ms"] < known)]


def test_a_refused_request_fails_after_three_pauses_of_a_second() -> None:
    requests, balancers, crash_ms = crashed()
    failed = until_down(requests, balancers, crash_ms).query("request == 'no-server'")
    assert (failed["attempt_count"] == 4).all()
    took_ms = (failed["answered_ms"] - failed["submitted_ms"])[failed["client_region"] == "us-east"]
    # Access there and back 10 ms, four round trips of 1 ms within the region, three pauses.
    assert took_ms.median() == pytest.approx(3014.0, abs=1.0)
    assert took_ms.between(3013.0, 3014.0 + 40.0).all()  # now and then a delay spike


def test_a_seventh_of_the_requests_fails_until_the_balancer_knows() -> None:
    requests, balancers, crash_ms = crashed("protocol.mempool.capacity=100000", rate_tps=200.0)
    window = until_down(requests, balancers, crash_ms)
    failed = (window["request"] == "no-server").to_numpy()
    assert len(window) > 1500
    assert failed.mean() == pytest.approx(1 / 7, abs=3 / len(window) ** 0.5 / 2)
    for _, one in window.groupby("client_region", observed=True):  # round robin: every seventh
        turns = np.flatnonzero((one["request"] == "no-server").to_numpy())
        assert set(np.diff(turns)) <= {6, 7, 8}
    outside = requests[(requests["submitted_ms"] < crash_ms - 5000) | (requests["submitted_ms"] > crash_ms + 16_000)]
    assert set(outside["request"]) <= {"ok", "open"}


def test_with_redispatch_no_request_fails_and_none_waits() -> None:
    requests, balancers, crash_ms = crashed("deployment.load_balancer.redispatch=true")
    window = until_down(requests, balancers, crash_ms)
    assert len(window) > 300
    assert set(window["request"]) == {"ok"}
    assert set(window["attempt_count"]) == {1, 2}
    # HAProxy pauses only before the same server again: another one costs the refusal's round trip, and no more.
    took_ms = window["answered_ms"] - window["submitted_ms"]
    assert took_ms.max() < 2 * 230.0 + 10.0
    in_region = window[(window["client_region"] == "us-east") & (window["origin"] == "us-east-2")]
    assert (in_region["answered_ms"] - in_region["submitted_ms"]).max() < 18.0


def test_a_silent_server_costs_a_connect_timeout_each_time() -> None:
    scenario = load_scenario("rc3", sets=["duration_s=140", "workload.rate_tps=40", "workload.client_timeout_s=60"])
    lost = NodeFault(kind="host-loss", node="us-east-1", start_s=101.0, duration_s=1000.0)
    requests = simulate_once(scenario.model_copy(update={"fault": (lost,)}), seed=4).tables["transactions"]
    failed = requests[(requests["request"] == "no-server") & (requests["client_region"] == "us-east")]
    assert len(failed) >= 5
    took_ms = failed["answered_ms"] - failed["submitted_ms"]
    assert took_ms.to_numpy() == pytest.approx(4 * 5000.0 + 10.0, abs=1.0)
