"""The scorecard: its contract, its verdicts, and that nothing but the seed and the configuration decides them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError
from bitcell_sim.studies import plan
from bitcell_sim.studies.plan import Size
from bitcell_sim.studies.verify import Request, size_of, verify

SMALL = Size(replications=3, blocks=4, losses=1, ping_repeats=120, years=50, trials=2, alert_runs=0)
KEYS = {"id", "title", "statistic", "unit", "limit", "comparison", "measured", "ci_low", "ci_high", "n"}
KEYS |= {"verdict", "why", "evidence"}


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return verify(Request(size=SMALL), workers=2)


def row(card: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in card["rows"] if row["id"] == name)


def test_the_contract_of_the_rows(card: dict[str, Any]) -> None:
    assert {"scenario", "seed", "config_hash", "rows"} <= set(card)
    assert [entry["id"] for entry in card["rows"]] == [t.id for t in load_scenario("rc3").targets.target]
    for entry in card["rows"]:
        assert set(entry) >= KEYS
        assert entry["verdict"] in ("pass", "fail", "unknown")
        assert entry["measured"] is not None or entry["verdict"] == "unknown"
        if entry["ci_low"] is not None and entry["ci_high"] is not None:
            assert entry["ci_low"] <= entry["measured"] <= entry["ci_high"]
        else:
            assert entry["verdict"] == "unknown"
        assert f"--only '{entry['id']}'" in entry["evidence"]
    json.dumps(card, allow_nan=False)
    assert card["violations"] == []


def test_what_is_known_of_rc3(card: dict[str, Any]) -> None:
    assert row(card, "latency.us-east.ap-southeast")["verdict"] == "fail"
    assert row(card, "latency.us-east.us-west")["verdict"] == "pass"
    throughput = row(card, "throughput")
    assert throughput["verdict"] == "fail"
    assert throughput["measured"] == pytest.approx(16.8, abs=0.2)
    assert row(card, "proof_memory")["measured"] == pytest.approx(21.5, abs=0.1)
    assert row(card, "uptime")["beside"]["closed_form_percent"] == pytest.approx(99.9875, abs=0.0001)
    assert 0.0 < row(card, "uptime")["beside"]["missed_months_ratio"] < 0.1


def test_too_few_losses_are_unknown_not_pass(card: dict[str, Any]) -> None:
    assert row(card, "regional_failover")["verdict"] == "unknown"
    assert row(card, "node_recovery")["verdict"] == "unknown"


def test_a_fail_says_what_would_have_to_change_and_that_was_run(card: dict[str, Any]) -> None:
    changes = {change["change"]: change for change in row(card, "throughput")["changes"]}
    assert changes["the sparse battle engine"]["verdict"] == "fail"  # 66 TPS: the cap is the next limit
    assert changes["the sparse battle engine"]["measured"] == pytest.approx(66.3, abs=1.0)
    good = [change for change in changes.values() if change["verdict"] == "pass"]
    assert good
    assert all(change["measured"] >= 100 for change in good)
    assert "would pass with" in row(card, "throughput")["why"]
    assert row(card, "latency.us-east.us-west")["changes"] == []


def test_proof_rows_name_what_would_pass_found_and_run(card: dict[str, Any]) -> None:
    entry = row(card, "proof_time")
    assert entry["verdict"] == "fail"
    assert entry["ci_low"] < entry["measured"] < entry["ci_high"]
    assert "100% of the jobs were killed" in entry["why"]
    good = [change for change in entry["changes"] if change["verdict"] == "pass"]
    assert good[0]["change"].startswith("a grid of ")
    assert all(change["measured"] < 10.0 for change in good)
    assert f"would pass with {good[0]['change']}" in entry["why"]
    assert {"proof_time", "proof_backlog", "proof_memory"} == {
        entry["id"] for entry in card["rows"] if any("grid of" in c["change"] for c in entry["changes"])
    }
    backlog = row(card, "proof_backlog")
    assert backlog["ci_low"] < backlog["measured"] < backlog["ci_high"]
    assert backlog["ci_high"] / backlog["measured"] > 1.25  # the cost model's doubt, not only that over seeds


def test_rows_of_a_farm_and_of_cards() -> None:
    sets = ("deployment.prover_farm.machines=2", "protocol.proof.prover=gpu")
    found = verify(Request(size=SMALL, sets=sets, only="proof_*", changes=False), workers=1)
    time, backlog, memory = found["rows"]
    assert time["verdict"] == "pass"
    assert "on a card of its own with gpu" in time["why"]
    assert "under way at p95" in time["why"]
    assert time["beside"]["transfer_p95_s"] > 1.7  # 215 MB at 1 Gbit/s
    assert "the farm of " in backlog["why"]
    assert {"us-east_ratio", "ap-southeast_ratio"} <= set(backlog["beside"])
    assert (memory["limit"], memory["verdict"]) == (128.0, "pass")
    assert "a machine of the farm has 128 GB" in memory["why"]


def test_an_aggregate_without_memory_fails_the_row_and_names_what_would_do() -> None:
    sets = ("protocol.proof.grid=24", "protocol.proof.aggregation=claimed")
    (entry,) = verify(Request(size=SMALL, sets=sets, only="proof_time"), workers=1)["rows"]
    assert entry["verdict"] == "fail"
    assert entry["ci_high"] < 10.0  # the battle proofs themselves are fine
    assert entry["beside"]["killed_share"] == pytest.approx(1 / 7, abs=0.02)
    assert "an aggregate needs 16, a node has 8" in entry["why"]
    assert entry["changes"][0]["change"] == "32 GB a node"
    assert entry["changes"][0]["verdict"] == "pass"


def test_nothing_that_passes_is_said_so() -> None:
    sets = ("targets.target.proof_time.limit=0.000001",)
    (entry,) = verify(Request(size=SMALL, sets=sets, only="proof_time"), workers=1)["rows"]
    assert entry["changes"] == []
    assert entry["why"].endswith("nothing within three changed settings is predicted to pass")


def test_workers_do_not_change_the_scorecard(card: dict[str, Any]) -> None:
    assert verify(Request(size=SMALL), workers=1) == card


def test_a_local_network_proves_nothing() -> None:
    found = verify(Request(size=SMALL, latency="docker", only="latency.cross-region"), workers=1)
    (entry,) = found["rows"]
    assert entry["verdict"] == "unknown"
    assert entry["measured"] == pytest.approx(1.0, abs=0.1)


def test_only_and_replications_are_checked() -> None:
    with pytest.raises(InputError, match=r"--only 'nothing' names no row; rows are latency\.us-east"):
        verify(Request(size=SMALL, only="nothing"))
    with pytest.raises(InputError, match="replications = 0"):
        size_of(quick=True, replications=0)
    assert size_of(quick=False, replications=7).replications == 7


def test_every_region_and_node_is_hit_in_turn() -> None:
    scenario = load_scenario("rc3")
    losses = plan.region_losses(scenario, 1, 2)
    starts = [fault.start_s for fault in losses.fault]
    assert [fault.region for fault in losses.fault] == [r.name for r in scenario.deployment.region] * 2
    apart = [after - before for before, after in itertools.pairwise(starts)]
    assert min(apart) >= plan.LOSS_S + plan.LOSS_SETTLE_S
    crashes = plan.crashes(scenario, 1)
    assert len(crashes.fault) == plan.CRASH_TURNS * len(scenario.deployment.node)
    assert crashes.duration_s > max(fault.start_s for fault in crashes.fault)


def test_phases_are_spread_over_the_round() -> None:
    scenario = load_scenario("rc3")
    length = plan.round_s(scenario)
    first = [plan.region_losses(scenario, seed, 1).fault[0].start_s for seed in range(200)]
    assert max(first) - min(first) == pytest.approx(length, rel=0.05)
    assert plan.round_s(load_scenario("rc3", sets=["protocol.round.block_interval_s=60.0"])) == 60.0
