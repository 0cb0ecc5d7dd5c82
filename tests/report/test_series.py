"""Short series from whole tables: nothing is lost on the way, and long runs stay short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bitcell_sim.errors import InputError
from bitcell_sim.report import series
from bitcell_sim.runs.run import RunData

Runs = Callable[..., RunData]


@pytest.mark.parametrize("name", ["rc3", "node-crash", "region-loss-ap-southeast"])
def test_windows_hold_every_transaction_once(run_of: Runs, name: str) -> None:
    run = run_of(name)
    transactions = run.tables["transactions"]
    flow = series.throughput(transactions, run.simulated_s)
    assert flow.window_s == 10.0
    assert len(flow.time_s) == run.simulated_s / 10
    assert (flow.submitted_tps * 10).sum() == pytest.approx(len(transactions))
    assert (flow.final_tps * 10).sum() == pytest.approx((transactions["state"] == "final").sum())


def test_the_running_mean_is_what_came_in_the_last_minute(run_of: Runs) -> None:
    transactions = run_of("rc3").tables["transactions"]
    flow = series.throughput(transactions, 1200.0)
    final_s = transactions["final_ms"].dropna().to_numpy() / 1000
    for index in (0, 3, 6, 50, 119):
        end = (index + 1) * 10.0
        start = max(0.0, end - 60)
        inside = ((final_s >= start) & (final_s < end)).sum()
        assert flow.mean_tps[index] == pytest.approx(inside / (end - start))


@pytest.mark.parametrize("end_s", [5.0, 95.0, 4000.0, 4010.0, 86_400.0])
def test_any_length_has_at_most_400_windows(end_s: float) -> None:
    times = np.linspace(0.0, end_s * 1000, 999)
    frame = pd.DataFrame({"submitted_ms": times, "final_ms": times})
    flow = series.throughput(frame, end_s)
    assert len(flow.time_s) <= 400
    widths = np.full(len(flow.time_s), flow.window_s)
    widths[-1] = end_s - flow.window_s * (len(widths) - 1)
    assert (flow.final_tps * widths).sum() == pytest.approx(999)


def test_thinned_samples_keep_the_peak() -> None:
    counts = np.zeros(5000, np.int64)
    counts[4321] = 77
    frame = pd.DataFrame({"at_ms": np.arange(5000) * 15_000.0, "up": 1, "pending_count": counts})
    waiting = series.pending(frame)
    assert len(waiting.time_s) <= 400
    assert waiting.largest_count.max() == 77


def test_a_node_that_is_down_has_no_mempool() -> None:
    frame = pd.DataFrame({"at_ms": [0.0, 0.0, 15.0], "up": [1, 0, 1], "pending_count": [3, 900, 5]})
    assert series.pending(frame).largest_count.tolist() == [3.0, 5.0]


def test_what_was_not_final_waits_for_ever(run_of: Runs) -> None:
    transactions = run_of("node-crash").tables["transactions"]
    groups = series.finality_s(transactions)
    accepted = transactions[transactions["accepted_ms"].notna()]
    assert sum(len(values) for values in groups.values()) == len(accepted)
    assert sum(np.isinf(values).sum() for values in groups.values()) == accepted["final_ms"].isna().sum() > 0
    for values in groups.values():
        shares = series.share_at_most(values, np.array([-1.0, 1e9]))
        assert shares[0] == 0.0
        assert shares[1] == np.isfinite(values).mean() < 1.0


@pytest.mark.parametrize("name", ["rc3", "node-crash", "region-loss-ap-southeast"])
def test_books_balance(run_of: Runs, name: str) -> None:
    transactions = run_of(name).tables["transactions"]
    counted = series.books(transactions)
    assert sum(counted.values()) == len(transactions)
    assert counted["final"] == transactions["final_ms"].notna().sum()


def test_lanes_show_the_crash_and_cover_the_run(run_of: Runs) -> None:
    run = run_of("node-crash")
    nodes = [node.id for node in run.scenario.deployment.node]
    found = series.lanes(run.tables["samples"], nodes, run.simulated_s)
    assert [lane.node for lane in found] == nodes
    for lane in found:
        assert lane.states[0].start_s == 0.0
        assert lane.states[-1].end_s == run.simulated_s
        assert all(
            a.end_s == b.start_s and a.state != b.state for a, b in zip(lane.states, lane.states[1:], strict=False)
        )
    down = [(part.start_s, part.end_s) for part in found[0].states if part.state == "down"]
    assert down == [(300.0, 315.0)]
    assert all(part.state != "down" for lane in found[1:] for part in lane.states)


def test_a_partition_sets_nodes_apart(run_of: Runs) -> None:
    run = run_of("partition-3-4")
    found = series.lanes(run.tables["samples"], [node.id for node in run.scenario.deployment.node], run.simulated_s)
    for lane in found:
        apart = [part for part in lane.states if part.state == "apart"]
        assert len(apart) == 1
        assert apart[0].start_s == 300.0
        assert apart[0].end_s >= 420.0


def test_faults_become_bands(run_of: Runs) -> None:
    bands = series.fault_bands(run_of("region-loss-ap-southeast"))
    assert bands == [series.Band(300.0, 600.0, "region-loss: ap-southeast")]


def test_a_ramp_is_a_band_of_growing_strength(run_of: Runs) -> None:
    (band,) = series.fault_bands(run_of("slow-world"))
    assert (band.start_s, band.end_s, band.label) == (300.0, 720.0, "latency: all nodes +500 ms one way, ramp 60 s")
    starts, ends, strengths = (list(column) for column in zip(*band.profile, strict=True))
    assert (starts[0], ends[-1]) == (300.0, 720.0)
    assert starts[1:] == ends[:-1]
    assert (strengths[0], strengths[20], strengths[-1]) == (0.025, 1.0, 0.025)
    assert (starts[20], ends[20]) == (360.0, 660.0)
    older = {name: frame for name, frame in run_of("slow-world").tables.items() if name != "fault_steps"}
    assert series.fault_bands(replace(run_of("slow-world"), tables=older)) == [series.Band(300.0, 720.0, band.label)]


def test_recovery_stages_count_from_the_crash(run_of: Runs) -> None:
    recoveries = run_of("node-crash").tables["recoveries"]
    (crash,) = series.recovery_stages(recoveries)
    assert (crash["node"], crash["crash_s"]) == ("us-east-1", 300.0)
    at_ms = dict(zip(recoveries["stage"], recoveries["at_ms"], strict=True))
    assert crash["stages"] == {s: pytest.approx(t / 1000 - 300) for s, t in at_ms.items() if s != "crash"}
    assert {"process", "peers", "synced", "first-vote"} <= set(crash["stages"])


def test_a_second_crash_is_its_own() -> None:
    frame = pd.DataFrame(
        {"node": ["a", "a", "b", "a"], "stage": ["crash", "process", "crash", "crash"], "at_ms": [1e3, 3e3, 4e3, 9e3]}
    )
    found = [(crash["node"], crash["crash_s"], crash["stages"]) for crash in series.recovery_stages(frame)]
    assert found == [("a", 1.0, {"process": 2.0}), ("b", 4.0, {}), ("a", 9.0, {})]


def test_the_worse_direction_counts() -> None:
    samples = {("a", "b"): [1.0, 2.0, 3.0], ("b", "a"): [5.0, 6.0, np.nan]}
    for pair in (("a", "b"), ("b", "a")):
        worse = series.worse_direction(samples, pair)
        assert worse is not None
        assert worse.tolist() == [5.0, 6.0]
    assert series.worse_direction(samples, ("a", "c")) is None


def test_probes_are_read_from_their_table(run_of: Runs) -> None:
    run = run_of("rc3")
    assert series.probe_samples(run) == {}
    frame = pd.DataFrame(
        {"source_region": ["a", "a", "b"], "target_region": ["b", "b", "a"], "rtt_ms": [1.0, 2.0, 3.0]}
    )
    probed = RunData(run.scenario, 1, {"probes": frame}, "", {}, 1.0)
    found = {pair: values.tolist() for pair, values in series.probe_samples(probed).items()}
    assert found == {("a", "b"): [1.0, 2.0], ("b", "a"): [3.0]}


def test_a_missing_table_says_which_there_are(run_of: Runs) -> None:
    with pytest.raises(InputError, match=r"no table 'block'; it has .*blocks"):
        series.table(run_of("rc3"), "block")


def test_every_pair_of_regions_has_its_limit(run_of: Runs) -> None:
    scenario = run_of("rc3").scenario
    pairs = series.region_pairs(scenario)
    assert len(pairs) == 6
    for pair in pairs:
        assert series.pair_limit_ms(scenario, pair) == series.pair_limit_ms(scenario, pair[::-1]) is not None
