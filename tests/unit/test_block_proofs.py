"""Proofs of blocks in the mesh: how many, where, when, what they weigh, what a block waits for."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import ConfigError, InputError
from bitcell_sim.proving.site import proving_site

LEAN = "protocol.proof.circuit=battle-lean"  # small enough for a node
INLINE = "protocol.proof.mode=inline"
PATIENT = "protocol.round.block_timeout_s=300.0"  # nobody tries the height again while a block waits for its proofs
FARM = "deployment.prover_farm.machines=1"
BATTLES = 6


def scenario(*sets: str) -> Scenario:
    return load_scenario("rc3", sets=["duration_s=400.0", *sets])


@cache
def outcome(*sets: str) -> Outcome:
    found = simulate_once(scenario(*sets), seed=1)
    assert found.violations == []
    return found


def proofs(*sets: str) -> pd.DataFrame:
    return outcome(*sets).tables["proofs"]


def traffic(kind: str, *sets: str) -> pd.DataFrame:
    messages = outcome(*sets).tables["messages"]
    return messages[messages["kind"] == kind]


def blocks(*sets: str) -> pd.DataFrame:
    return outcome(*sets).tables["blocks"]


# ------------------------------------------------------------------------------------------------- how many, and when


@pytest.mark.parametrize("count", [1, 4, 6])
def test_the_last_battles_of_a_block_are_proved(count: int) -> None:
    jobs = proofs(LEAN, f"protocol.proof.proofs_per_block={count}")
    proved = jobs.groupby("block")["battle"].agg(sorted)
    assert len(proved) >= 5
    assert all(battles == list(range(BATTLES - count, BATTLES)) for battles in proved)


def test_as_many_as_all_is_all() -> None:
    assert outcome(LEAN, "protocol.proof.proofs_per_block=6").trace_digest == outcome(LEAN).trace_digest


def test_more_proofs_than_battles_are_refused() -> None:
    with pytest.raises(ConfigError, match="proofs_per_block: 7, but 7 nodes fight at most 6 battles a block"):
        scenario("protocol.proof.proofs_per_block=7")


def test_one_after_another_or_in_parallel() -> None:
    one, six = (proofs(LEAN, f"protocol.proof.slots={slots}") for slots in (1, 6))
    first = [jobs[jobs["block"] == 0].sort_values("battle") for jobs in (one, six)]
    assert first[1]["start_ms"].nunique() == 1
    assert (np.diff(first[0]["start_ms"]) > 0).all()
    assert (first[0]["start_ms"].iloc[1:].to_numpy() >= first[0]["end_ms"].iloc[:-1].to_numpy() - 1e-6).all()
    # Six at once lose less to serial parts: 6 * rate(4/6) = 4 cores busy, not 1 / (0.18 + 0.82 / 4) = 2.6.
    alone, all_busy = (proving_site(s.deployment, s.protocol, s.proofs) for s in map(_with_slots, (1, 6)))
    assert all_busy.full_rate == pytest.approx(4.0)
    assert alone.full_rate == pytest.approx(1 / (0.18 + 0.82 / 4))
    span_ms = 1000.0 * first[1]["demanded_core_s"].sum() / 4.0
    # Battles of the next round interrupt after ten seconds of phases.
    assert first[1]["end_ms"].max() - first[1]["start_ms"].min() >= span_ms - 1e-6


def _with_slots(slots: int) -> Scenario:
    return scenario(LEAN, f"protocol.proof.slots={slots}")


def test_the_ends_of_the_range() -> None:
    low, central, high = (
        proofs("protocol.proof.prover=gnark", f"protocol.proof.estimate={end}") for end in ("low", "central", "high")
    )
    ratio = high["demanded_core_s"].to_numpy() / low["demanded_core_s"].to_numpy()
    assert ratio == pytest.approx(0.30 / 0.15)
    middle = np.sqrt(high["demanded_core_s"].to_numpy() * low["demanded_core_s"].to_numpy())
    assert central["demanded_core_s"].to_numpy() == pytest.approx(middle)
    assert (high["demanded_s"] / high["demanded_core_s"]).to_numpy() == pytest.approx(0.30 + 0.70 / 4)


def test_cards_do_not_wait_for_battles() -> None:
    jobs = proofs("protocol.proof.prover=gpu", "deployment.hardware.memory_gb=32.0")
    done = jobs[jobs["outcome"] == "done"]
    assert len(done) >= 5 * BATTLES
    assert (done["end_ms"] - done["start_ms"]).to_numpy() == pytest.approx(1000.0 * done["demanded_s"].to_numpy())
    cores = proofs("protocol.proof.prover=gnark", "deployment.hardware.memory_gb=32.0")
    paused = cores["end_ms"] - cores["start_ms"] > 1000.0 * cores["demanded_s"] + 1.0
    assert paused.any()
    samples = outcome("protocol.proof.prover=gpu", "deployment.hardware.memory_gb=32.0").tables["samples"]
    assert samples["proof_core_s"].max() > 0.0
    assert samples["memory_used_bytes"].max() == 21_467_408_000


def test_what_no_proof_can_hold_is_refused_before_the_run() -> None:
    impossible = scenario("protocol.proof.grid=1024", "protocol.proof.steps=1000")
    with pytest.raises(InputError, match=r"grid = 1024, .*steps = 1000: .* no single proof can hold them"):
        simulate_once(impossible, seed=1)


# ------------------------------------------------------------------------------------------------- what a proof weighs


def test_a_block_carries_its_battles_and_its_proofs_only_if_it_waits() -> None:
    late, inline, off = (
        blocks(LEAN, PATIENT, f"protocol.proof.mode={mode}") for mode in ("pipelined", "inline", "off")
    )
    transactions = 194

    def rest(frame: pd.DataFrame) -> set[int]:
        return set(frame["size_bytes"] - 429 - transactions * frame["transaction_count"])

    assert rest(late) == rest(off) == {BATTLES * 171}
    assert rest(inline) == {BATTLES * (171 + 192)}


def test_late_proofs_reach_every_peer_and_are_checked() -> None:
    jobs = proofs(LEAN)
    done = int((jobs["outcome"] == "done").sum())
    sent = traffic("proof", LEAN)
    assert sent["message_count"].sum() == 6 * done
    assert sent["message_bytes"].sum() == 6 * done * (192 + 66)
    assert traffic("proof")["message_count"].sum() == 0  # none is done
    checked = [
        outcome(*sets).tables["samples"].groupby("node", observed=True)["validation_core_s"].max().sum()
        for sets in ((LEAN,), (LEAN, "protocol.costs.proof_check_ms=0.0"))
    ]
    late = 6 * done * 0.004
    assert checked[0] - checked[1] == pytest.approx(late, rel=0.1)


def test_a_block_waits_for_its_proofs() -> None:
    frame = blocks(LEAN, INLINE)
    adoptions = outcome(LEAN, INLINE).tables["adoptions"]
    jobs = proofs(LEAN, INLINE)
    for _, block in frame[frame["state"] == "final"].iterrows():
        mine = jobs[jobs["block"] == block["block"]]
        own = adoptions[(adoptions["block"] == block["block"]) & (adoptions["node"] == block["builder"])].iloc[0]
        assert own["received_ms"] == pytest.approx(mine["end_ms"].max())
        assert own["received_ms"] - block["built_ms"] > 20_000.0  # six proofs of about 5 s


def test_without_memory_no_block_is_ever_complete() -> None:
    assert (blocks(INLINE)["state"] == "orphaned").all()
    assert (proofs(INLINE)["outcome"] == "killed").all()


def test_proofs_of_a_height_that_has_its_block_are_given_up() -> None:
    sets = (INLINE, "deployment.hardware.memory_gb=32.0", "protocol.battle.engine=sparse", "duration_s=900.0")
    jobs = proofs(*sets)
    assert {"done", "lost"} <= set(jobs["outcome"])
    frame = blocks(*sets)
    for _, job in jobs[jobs["outcome"] == "lost"].iterrows():
        block = frame[frame["block"] == job["block"]].iloc[0]
        rivals = frame[(frame["height"] == block["height"]) & (frame["state"] == "final")]
        assert block["state"] == "orphaned"
        assert len(rivals) == 1


# --------------------------------------------------------------------------------------------------------- aggregation


def test_one_aggregate_goes_out_in_the_place_of_six_proofs() -> None:
    sets = (LEAN, "protocol.proof.aggregation=snarkpack")
    jobs, sent = proofs(*sets), traffic("proof", *sets)
    aggregates = jobs[jobs["battle"] < 0]
    assert len(aggregates) >= 3
    assert set(aggregates["outcome"]) <= {"done", "unfinished"}
    assert sent["message_count"].sum() == 6 * (aggregates["outcome"] == "done").sum()
    assert sent["message_bytes"].sum() == sent["message_count"].sum() * (41_391 + 66)
    for _, one in aggregates.iterrows():
        parts = jobs[(jobs["block"] == one["block"]) & (jobs["battle"] >= 0)]
        assert one["queued_ms"] == pytest.approx(parts["end_ms"].max())
        assert one["demanded_core_s"] == pytest.approx(BATTLES * 0.031)


def test_an_aggregate_too_large_for_a_node_is_killed() -> None:
    jobs = proofs(LEAN, "protocol.proof.aggregation=claimed")
    aggregates = jobs[jobs["battle"] < 0]
    assert len(aggregates) >= 3
    assert set(aggregates["outcome"]) == {"killed"}
    assert traffic("proof", LEAN, "protocol.proof.aggregation=claimed")["message_count"].sum() == 0


def test_a_block_waits_for_its_aggregate_and_carries_it() -> None:
    sets = (LEAN, INLINE, PATIENT, "protocol.proof.aggregation=claimed", "deployment.hardware.memory_gb=16.0")
    jobs, frame = proofs(*sets), blocks(*sets)
    first = jobs[jobs["block"] == 0]
    assert first[first["battle"] < 0]["demanded_s"].tolist() == [10.0]
    assert (frame["size_bytes"] - 429 - 194 * frame["transaction_count"] == BATTLES * 171 + 1000).all()
    own = outcome(*sets).tables["adoptions"].query("block == 0").sort_values("received_ms").iloc[0]
    assert own["received_ms"] == pytest.approx(first["end_ms"].max())


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(ConfigError, match="no way to aggregate 'snarkpak'; did you mean 'snarkpack'"):
        scenario("protocol.proof.aggregation=snarkpak")


# ---------------------------------------------------------------------------------------------------------------- farm


def test_proofs_go_to_the_farm_of_the_builders_region_and_come_back() -> None:
    jobs = proofs(FARM)
    region_of = {node.id: node.region for node in load_scenario("rc3").deployment.node}
    assert len(jobs) >= 5 * BATTLES
    assert (jobs["farm"].astype(str) == jobs["node"].map(region_of).astype(str)).all()
    assert set(jobs["outcome"]) <= {"done", "unfinished"}
    witness = 171 + 32 * 6_708_565
    sent = traffic("witness", FARM)
    assert sent["message_bytes"].sum() == len(jobs) * (witness + 66)
    assert (sent["node"].astype(str) == sent["source"].map(region_of).astype(str) + ".farm").all()
    first = jobs[jobs["block"] == 0].sort_values("battle")
    turn_ms = (witness + 66) * 8 / 1e9 * 1000.0
    under_way = (first["received_ms"] - first["queued_ms"]).to_numpy()
    # Each takes its turn on the uplink: a multiple of 1.72 s, and some round trips for the windows.
    assert under_way == pytest.approx(turn_ms * np.arange(1, 7), abs=400.0)
    assert (under_way > turn_ms * np.arange(1, 7)).all()


def test_a_farm_proves_one_after_another_for_all_its_nodes() -> None:
    jobs = proofs(FARM).dropna(subset=["end_ms"])
    for _, mine in jobs.groupby("farm", observed=True):
        ordered = mine.sort_values("start_ms")
        starts, ends = ordered["start_ms"].to_numpy(), ordered["end_ms"].to_numpy()
        assert (starts[1:] > ends[:-1] - 10.0).all()  # the proof before is done, and on its way back
        assert np.diff(starts).mean() > 15_000.0
        assert (ordered["received_ms"].diff().dropna() >= 0).all()  # first come first served
    two = proofs("deployment.prover_farm.machines=2")
    first = two[two["block"] == 0].sort_values("battle")
    assert first["start_ms"].iloc[1] == first["received_ms"].iloc[1]  # a machine of its own


def test_the_farm_makes_the_witness_itself() -> None:
    small = (FARM, "deployment.prover_farm.witness_bytes_per_constraint=0.0")
    assert (traffic("witness", *small)["message_bytes"] == traffic("witness", *small)["message_count"] * 237).all()
    under_way = proofs(*small)["received_ms"] - proofs(*small)["queued_ms"]
    assert under_way.max() < 30.0


def test_a_farm_leaves_the_nodes_their_cores() -> None:
    samples = outcome(FARM).tables["samples"]
    assert (samples["proof_core_s"] == 0.0).all()
    assert samples["proof_queue_count"].max() >= BATTLES


def test_a_node_that_crashes_gives_up_its_proofs_in_the_farm() -> None:
    crash = 'fault=[{kind="process-crash", node="us-east-2", start_s=100.0, duration_s=60.0}]'
    builder = blocks(FARM)["builder"].iloc[0]
    assert builder == "us-east-2"
    jobs = proofs(FARM, crash)
    mine = jobs[(jobs["block"] == 0) & (jobs["outcome"] == "lost")]
    assert len(mine) == 5  # one of six was done
    assert (mine["end_ms"] == 100_000.0).all()


@pytest.mark.parametrize("sets", [(FARM,), (LEAN, INLINE), (LEAN, "protocol.proof.aggregation=snarkpack")], ids=str)
def test_a_run_is_a_function_of_its_seed(sets: tuple[str, ...]) -> None:
    assert simulate_once(scenario(*sets), seed=1).trace_digest == outcome(*sets).trace_digest
    assert simulate_once(scenario(*sets), seed=2).trace_digest != outcome(*sets).trace_digest
