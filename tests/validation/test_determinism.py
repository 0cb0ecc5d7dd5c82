"""Same seed and scenario, same bytes, whichever process and however many workers; and chance keeps to its place.

A draw is a function of the seed and of what it is for. So a name, a probe or a heavier load changes what follows from
it and no other draw: two variants of a scenario share their noise.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bitcell_sim.config.loader import load_scenario, scenario_to_toml
from bitcell_sim.engine.outcome import Outcome, digest_tables
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.runs.batch import replicate
from bitcell_sim.runs.run import RunData
from bitcell_sim.runs.store import load, save

Case = tuple[str, tuple[str, ...]]

# Blocks, votes and gossip without faults; faults that begin and end on the way; loaded uplinks, message by message.
CASES: list[Case] = [
    ("rc3", ("duration_s=240",)),
    ("node-crash", ("duration_s=420", "workload.rate_tps=5")),
    ("partition-3-4", ("duration_s=500", "workload.rate_tps=5")),
    ("rc3-capable", ("duration_s=60",)),
    ("rc3", ("duration_s=130", "deployment.hardware.uplink_mbit_per_s=0.2")),
]
ids = [f"{name}-{number}" for number, (name, _) in enumerate(CASES)]


def outcome(case: Case, seed: int = 1) -> Outcome:
    name, sets = case
    return simulate_once(load_scenario(name, sets=sets), seed=seed)


def in_another_process(case: Case, seed: int, hash_seed: str) -> str:
    """Digest from a fresh interpreter, whose sets and dicts of strings are in another order."""
    name, sets = case
    code = f"""
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
print(simulate_once(load_scenario({name!r}, sets={sets!r}), seed={seed}).trace_digest)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return result.stdout.strip()


# --------------------------------------------------------------------------------------------------------- same bytes


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_same_seed_same_run(case: Case) -> None:
    first, second = outcome(case), outcome(case)
    assert first.trace_digest == second.trace_digest
    for name, frame in first.tables.items():
        pd.testing.assert_frame_equal(frame, second.tables[name], check_exact=True)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_other_seed_other_run(case: Case) -> None:
    assert outcome(case, 1).trace_digest != outcome(case, 2).trace_digest


@pytest.mark.parametrize("case", CASES[1:3], ids=ids[1:3])
def test_another_process_gives_the_same(case: Case) -> None:
    assert in_another_process(case, 5, "1") == in_another_process(case, 5, "2") == outcome(case, 5).trace_digest


def test_one_worker_and_two_give_the_same() -> None:
    def digest(item: tuple[str, tuple[str, ...], int]) -> str:
        from bitcell_sim.config.loader import load_scenario
        from bitcell_sim.engine.simulation import simulate_once

        name, sets, seed = item
        return simulate_once(load_scenario(name, sets=sets), seed=seed).trace_digest

    items = [(name, sets, seed) for seed in (1, 2) for name, sets in CASES[:4]]
    alone = replicate(digest, items, workers=1)
    assert replicate(digest, items, workers=2) == alone
    assert len(set(alone)) == len(items)


def test_runs_before_it_do_not_matter() -> None:
    first = outcome(CASES[0]).trace_digest
    for case in CASES[1:]:
        outcome(case)
    assert outcome(CASES[0]).trace_digest == first


def test_a_stored_config_runs_again_to_the_same_bytes(tmp_path: Path) -> None:
    first = outcome(CASES[1], 4)
    stored = load(save(RunData.of(first), tmp_path, command="x", wall_s=0.0).path or "")
    assert simulate_once(stored.scenario, seed=stored.seed).trace_digest == first.trace_digest == stored.trace_digest


def test_the_digest_sees_every_value() -> None:
    """One changed value, name, row or column is another run."""
    tables = outcome(CASES[0]).tables
    base = digest_tables(tables)
    votes, blocks = tables["votes"], tables["blocks"]
    renamed = blocks.assign(builder=blocks["builder"].cat.rename_categories({"us-east-1": "us-east-9"}))
    later = votes.assign(at_ms=votes["at_ms"].where(votes.index != 7, votes["at_ms"] + 1e-6))
    changed = [
        tables | {"votes": later},
        tables | {"votes": votes.assign(kind=votes["kind"].where(votes.index != 3, "prevot"))},
        tables | {"votes": votes.iloc[:-1]},
        tables | {"votes": votes.rename(columns={"at_ms": "at"})},
        tables | {"blocks": renamed},
        {name: frame for name, frame in tables.items() if name != "balancers"},
    ]
    digests = {digest_tables(variant) for variant in changed}
    assert len(digests) == len(changed)
    assert base not in digests


# --------------------------------------------------------------------------------------- chance keeps to its place


def test_a_name_is_only_a_name(tmp_path: Path) -> None:
    """Rename a node everywhere: the run is the same but for the name."""
    old, new = "eu-central-2", "zurich"
    case = ("node-crash", ("duration_s=420", "workload.rate_tps=5", f"fault.0.node={old}"))
    scenario = load_scenario(case[0], sets=case[1])
    path = tmp_path / "renamed.toml"
    path.write_text(scenario_to_toml(scenario).replace(f'"{old}"', f'"{new}"'), encoding="utf-8")
    renamed = simulate_once(load_scenario(path), seed=1)
    assert new in [node.id for node in renamed.scenario.deployment.node]
    before = simulate_once(scenario, seed=1).tables
    mapped = {}
    for name, frame in before.items():
        columns = {}
        for column in frame.columns:
            values = frame[column]
            if values.dtype.name == "category":
                values = values.cat.rename_categories({old: new})
            elif (name, column) == ("faults", "target"):
                values = values.replace(old, new)
            columns[column] = values
        mapped[name] = pd.DataFrame(columns)
    assert digest_tables(mapped) == renamed.trace_digest != digest_tables(before)


def test_looking_changes_nothing() -> None:
    """Sample the nodes more often: every other table is the same."""
    name, sets = CASES[1]
    scenario = load_scenario(name, sets=sets)
    often, seldom = (dict(simulate_once(scenario, seed=1, sample_interval_s=s).tables) for s in (1.0, 60.0))
    assert len(often.pop("samples")) > len(seldom.pop("samples"))
    assert digest_tables(often) == digest_tables(seldom)


def test_load_does_not_change_battles_and_lots() -> None:
    """Twice the load: the same tournaments with the same winners, and the same network, if nothing is late."""
    light, heavy = (outcome(("rc3", ("duration_s=400", f"workload.rate_tps={rate}"))).tables for rate in (4.0, 8.0))
    assert len(heavy["transactions"]) > 1.5 * len(light["transactions"])
    assert len(light["battles"]) > 30
    pd.testing.assert_frame_equal(light["battles"], heavy["battles"], check_exact=True)
    for column in ("height", "attempt", "builder", "miner_count"):
        assert light["blocks"][column].equals(heavy["blocks"][column])
    for column in ("node", "block", "battle", "demanded_core_s"):
        assert light["proofs"].sort_values(["block", "battle"])[column].tolist() == (
            heavy["proofs"].sort_values(["block", "battle"])[column].tolist()
        )


def test_the_network_does_not_change_the_workload() -> None:
    """Another latency source, another protocol: clients send the same at the same moments."""
    name, sets = CASES[0]
    base = outcome((name, sets)).tables["transactions"]
    for change in ("latency=gcp-2022", "protocol.round.pause_s=1.0", "deployment.hardware.cores=16"):
        other = outcome((name, (*sets, change))).tables["transactions"]
        for column in ("client_region", "submitted_ms", "gas_price", "gas", "size_bytes"):
            assert base[column].equals(other[column]), (change, column)
        assert not base["final_ms"].equals(other["final_ms"])


def test_a_fault_changes_nothing_before_it() -> None:
    """Until a fault begins, the run is the one without it."""
    name, sets = CASES[2]
    scenario = load_scenario(name, sets=sets)
    calm = simulate_once(scenario.model_copy(update={"fault": ()}), seed=1).tables
    split = simulate_once(scenario, seed=1).tables
    begin_ms = scenario.fault[0].start_s * 1000.0
    for table, moment in (("votes", "at_ms"), ("finals", "at_ms"), ("blocks", "built_ms"), ("samples", "at_ms")):
        columns = [column for column in calm[table].columns if column not in {"state", "quorum_final_ms"}]
        one, two = (tables[table][tables[table][moment] < begin_ms][columns] for tables in (calm, split))
        assert len(one) >= 4
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert digest_tables(calm) != digest_tables(split)
