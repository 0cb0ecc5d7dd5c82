"""The targets' figures, read from small tables made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bitcell_sim.analysis import targets
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.proving.site import ProvingSite, proving_site


def blocks(built_s: list[float], *, counts: list[int] | None = None, final_after_s: float = 1.0) -> pd.DataFrame:
    count = len(built_s)
    return pd.DataFrame(
        {
            "block": range(count),
            "height": range(1, count + 1),
            "built_ms": [1000.0 * at for at in built_s],
            "quorum_final_ms": [1000.0 * (at + final_after_s) for at in built_s],
            "transaction_count": counts or [10] * count,
            "gas": [21_000 * c for c in (counts or [10] * count)],
            "state": ["final"] * count,
        }
    )


def requests(rows: list[tuple[float, str, str]]) -> pd.DataFrame:
    """Submitted second, client region, what the client was told."""
    return pd.DataFrame(
        {
            "submitted_ms": [1000.0 * at for at, _, _ in rows],
            "client_region": [region for _, region, _ in rows],
            "request": [told for _, _, told in rows],
        }
    )


def test_throughput_counts_whole_rounds_after_the_warm_up() -> None:
    tables = {
        "blocks": blocks([10, 20, 30, 40, 50], counts=[1, 1, 1, 100, 50]),
        "transactions": requests([(1, "a", "ok"), (2, "a", "rejected")]),
    }
    found = targets.throughput(tables, 3, 100, 21_000 * 100)
    assert found.final_tps == pytest.approx(150 / 20)
    assert found.round_s == pytest.approx(10)
    assert (found.full_share, found.gas_share, found.pool_full_share, found.blocks) == (0.5, 0.75, 0.5, 2)


def test_throughput_of_too_few_blocks_is_no_figure() -> None:
    tables = {"blocks": blocks([10, 20, 30]), "transactions": requests([(1, "a", "ok")])}
    assert np.isnan(targets.throughput(tables, 3, 100, 10**6).final_tps)


def test_finality_counts_what_is_not_final_up_to_the_end() -> None:
    frame = pd.DataFrame(
        {
            "submitted_ms": [5_000.0, 40_000.0, 50_000.0, 990_000.0],
            "accepted_ms": [5_100.0, 40_100.0, np.nan, 990_100.0],
            "final_ms": [20_000.0, np.nan, np.nan, 995_000.0],
        }
    )
    waited = targets.finality_s({"blocks": blocks([10, 20, 30, 40]), "transactions": frame}, 3, 1_000_000.0)
    assert waited.tolist() == [960.0]  # the first is warm-up, the third was not accepted, the last came too late


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        ([True] * 100, 10_000.0),  # the first whole window
        ([False] * 30 + [True] * 70, 40_000.0),  # served from second 30 on
        ([False] * 100, 100_000.0),  # never
    ],
)
def test_first_good_window(good: list[bool], expected: float) -> None:
    at = np.arange(100) * 1000.0
    assert targets.first_good_window_ms(at, np.array(good), 0.0, 100_000.0, 0.99) == expected


def test_one_failure_in_a_hundred_is_forgiven_two_are_not() -> None:
    at = np.arange(1000) * 100.0
    good = np.ones(1000, np.bool_)
    good[50] = False
    assert targets.first_good_window_ms(at, good, 0.0, 100_000.0, 0.99) == 10_000.0
    good[51] = False
    assert targets.first_good_window_ms(at, good, 0.0, 100_000.0, 0.99) == 16_000.0


def test_failover_is_over_when_clients_and_chain_are() -> None:
    rows = [(float(t), region, "ok") for t in range(40, 300) for region in ("lost", "left")]
    rows = [(t, r, "timeout" if (r == "lost" and t >= 100) or 100 <= t < 120 else "ok") for t, r, _ in rows]
    faults = pd.DataFrame({"kind": ["region-loss"], "target": ["lost"], "start_ms": [100_000.0], "end_ms": [250_000.0]})
    tables = {"transactions": requests(rows), "blocks": blocks([90, 150, 210]), "faults": faults}
    (found,) = targets.failovers(tables)
    assert found.region == "lost"
    assert found.clients_s == 30.0  # ten seconds without failure from second 120 on; the lost region's own do not count
    assert found.chain_s == 51.0
    assert (found.total_s, found.cut_off) == (51.0, False)


def test_failover_that_is_not_over_counts_until_the_region_is_back() -> None:
    rows = [(float(t), "left", "timeout" if t >= 100 else "ok") for t in range(40, 300)]
    faults = pd.DataFrame({"kind": ["region-loss"], "target": ["lost"], "start_ms": [100_000.0], "end_ms": [250_000.0]})
    (found,) = targets.failovers({"transactions": requests(rows), "blocks": blocks([90, 260]), "faults": faults})
    assert (found.total_s, found.cut_off) == (150.0, True)


def recoveries(rows: list[tuple[float, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {"node": ["n"] * len(rows), "stage": [s for _, s in rows], "at_ms": [1000.0 * t for t, _ in rows]}
    )


def test_recovery_is_the_last_of_process_peers_and_synced() -> None:
    tables = {
        "recoveries": recoveries(
            [(100, "crash"), (120, "process"), (121, "synced"), (123, "peers"), (140, "pool"), (150, "first-vote")]
        ),
        "balancers": pd.DataFrame({"node": ["n", "n"], "up": [0, 1], "at_ms": [112_000.0, 131_000.0]}),
    }
    row = targets.recovery_stages_s(tables).iloc[0]
    assert (row["process"], row["synced"], row["peers"], row["pool"], row["first-vote"]) == (20, 21, 23, 40, 50)
    assert (row["served"], row["recovered"]) == (31, 23)


def test_a_stage_that_is_not_reached_leaves_no_recovery() -> None:
    tables: dict[str, Any] = {
        "recoveries": recoveries([(100, "crash"), (120, "process"), (200, "crash"), (210, "process"), (211, "peers")]),
        "balancers": pd.DataFrame({"node": pd.Series([], dtype="str"), "up": [], "at_ms": []}),
    }
    found = targets.recovery_stages_s(tables)
    assert len(found) == 2
    assert found["recovered"].isna().all()


def proof_tables(**columns: list[Any]) -> dict[str, pd.DataFrame]:
    """A run of two nodes with blocks every 60 s, 120 s of battles, and these proofs."""
    built = [60.0 * i for i in range(1, 16)]
    frame = pd.DataFrame(columns)
    frame["farm"] = pd.Categorical(columns.get("farm", [None] * len(frame)), categories=["here", "there"])
    return {
        "blocks": blocks(built),
        "proofs": frame.assign(received_ms=frame["queued_ms"] + columns.get("transfer_ms", 0.0)),
        "samples": pd.DataFrame({"node": ["a", "b"]}),
        "rounds": pd.DataFrame({"reveal_end_ms": [200_000.0], "battle_end_ms": [320_000.0]}),
    }


def site(*sets: str) -> ProvingSite:
    scenario = load_scenario("rc3", sets=sets)
    return proving_site(scenario.deployment, scenario.protocol, scenario.proofs)


SPAN_S = 900.0 - 180.0  # from the third block, the last one not counted, to the last


def test_proofs_use_up_what_battles_leave() -> None:
    own = site()
    tables = proof_tables(
        block=[3, 3, 4],
        battle=[0, 1, 0],
        queued_ms=[241_000.0, 241_000.0, 301_000.0],
        end_ms=[250_000.0, np.nan, 890_000.0],
        outcome=["done", "unfinished", "done"],
        demanded_s=[100.0, 100.0, 50.0],
        demanded_core_s=[100.0 * own.full_rate, 100.0 * own.full_rate, 50.0 * own.full_rate],
    )
    found = targets.proofs(tables, 3, 10, own)
    assert (found.due, found.missing, found.killed) == (3, 1, 0)
    assert found.demanded_s.tolist() == [100.0, 100.0, 50.0]
    assert found.transfer_s.tolist() == [0.0, 0.0, 0.0]
    assert found.utilisation == {"nodes": pytest.approx(250.0 / (2 * SPAN_S - 120.0))}
    sixfold = site("protocol.proof.slots=6")
    used = targets.proofs(tables, 3, 10, sixfold).utilisation["nodes"]
    assert used == pytest.approx(250.0 * own.full_rate / sixfold.full_rate / (2 * SPAN_S - 120.0))
    assert used < found.utilisation["nodes"]  # less is lost to serial parts


def test_each_farm_has_its_own_utilisation() -> None:
    shared = site("deployment.prover_farm.machines=2")
    tables = proof_tables(
        block=[3, 3, 4],
        battle=[0, 1, 0],
        farm=["there", "there", "here"],
        queued_ms=[241_000.0, 241_000.0, 301_000.0],
        transfer_ms=2000.0,
        end_ms=[250_000.0, 290_000.0, 390_000.0],
        outcome=["done", "killed", "done"],
        demanded_s=[50.0, 50.0, 25.0],
        demanded_core_s=[300.0, 300.0, 150.0],
    )
    found = targets.proofs(tables, 3, 10, shared)
    each = 300.0 / shared.full_rate / (2 * SPAN_S)
    assert found.utilisation == {"here": pytest.approx(each / 2), "there": pytest.approx(2 * each)}
    assert (found.killed, found.transfer_s.tolist()) == (1, [2.0, 2.0, 2.0])


def test_cards_have_all_the_time_and_aggregates_are_made_by_nodes() -> None:
    cards = site("protocol.proof.prover=gpu", "protocol.proof.slots=2", "protocol.proof.aggregation=claimed")
    tables = proof_tables(
        block=[3, 3, 3, 4, 4],
        battle=[0, 1, -1, 0, 1],
        queued_ms=[241_000.0, 241_000.0, 245_000.0, 301_000.0, 301_000.0],
        end_ms=[244_000.0, 245_000.0, 255_000.0, 304_000.0, 305_000.0],
        outcome=["done", "done", "done", "done", "killed"],
        demanded_s=[3.0, 4.0, 10.0, 3.0, 4.0],
        demanded_core_s=[3.0, 4.0, 10.0, 3.0, 4.0],
    )
    found = targets.proofs(tables, 3, 10, cards)
    assert (found.jobs, found.killed) == (5, 1)
    assert found.utilisation["cards"] == pytest.approx(14.0 / 2 / (2 * SPAN_S))
    assert found.utilisation["nodes"] == pytest.approx(10.0 / (2 * SPAN_S - 120.0))
    assert found.demanded_s.tolist() == [3.0, 4.0, 3.0, 4.0]
    assert (found.due, found.missing) == (2, 1)  # blocks; the second never got its aggregate
