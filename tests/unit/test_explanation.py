"""A timeline agrees with the tables it was made from, and every way a transaction can end is told."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from bitcell_sim.analysis.explanation import Explanation, explain
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError

Tables = dict[str, pd.DataFrame]


def tables_of(name: str, *sets: str) -> Tables:
    return simulate_once(load_scenario(name, sets=list(sets)), seed=1).tables


@pytest.fixture(scope="module")
def calm() -> Tables:
    return tables_of("rc3", "duration_s=300")


@pytest.fixture(scope="module")
def crowded() -> Tables:
    """Four times what the chain carries, and small pools."""
    return tables_of("rc3", "duration_s=420", "workload.rate_tps=40", "protocol.mempool.capacity=5000")


@pytest.fixture(scope="module")
def split() -> Tables:
    return tables_of("partition-3-4", "duration_s=700", "workload.rate_tps=3")


@pytest.fixture(scope="module")
def crash() -> Tables:
    return tables_of("node-crash", "duration_s=420", "workload.rate_tps=5")


def text_of(tables: Tables, what: str) -> str:
    return str(explain(tables, what))


def check_order(story: Explanation) -> None:
    times = [step.at_ms for step in story.steps]
    assert times == sorted(times)
    assert all(time == time and time >= 0 for time in times)  # noqa: PLR0124 - no NaN


def first_in(tables: Tables, state: str) -> int:
    sent = tables["transactions"]
    return int(sent.index[sent["state"] == state][0])


# ------------------------------------------------------------------------------------------------------ what is asked


def test_forms_of_the_question(calm: Tables) -> None:
    stories = {text_of(calm, what) for what in ("7", "tx:7", "tx 7", "TX: 7", " transaction:7 ")}
    assert len(stories) == 1
    assert text_of(calm, "block:1") == text_of(calm, "Block 1") != text_of(calm, "1")


@pytest.mark.parametrize("what", ["", "tx", "block", "tx:", "-1", "tx:-1", "1.5", "node:1", "tx:1 2", "block5", "0x10"])
def test_other_forms_are_refused(calm: Tables, what: str) -> None:
    with pytest.raises(InputError, match=r"names nothing in a run: write tx:123 \(or 123\) .* block:5"):
        explain(calm, what)


def test_numbers_beyond_the_run_are_refused(calm: Tables) -> None:
    count = len(calm["transactions"])
    with pytest.raises(InputError, match=rf"^transaction {count}: the run has transactions 0 to {count - 1}$"):
        explain(calm, str(count))
    explain(calm, str(count - 1))
    with pytest.raises(InputError, match=r"^block 99: the run has blocks 0 to \d+$"):
        explain(calm, "block:99")
    none = calm | {"blocks": calm["blocks"].iloc[:0]}
    with pytest.raises(InputError, match="the run has no blocks"):
        explain(none, "block:0")


# ------------------------------------------------------------------------------------------------------- transactions


def test_a_final_transaction_from_end_to_end(calm: Tables) -> None:
    sent = calm["transactions"]
    for number in sent.index[sent["state"] == "final"][::301]:
        row, story = sent.loc[number], explain(calm, str(number))
        check_order(story)
        block = calm["blocks"].loc[row["block"]]
        assert story.steps[0].at_ms == row["submitted_ms"]
        assert story.steps[-1].at_ms == row["final_ms"]
        assert story.steps[-1].text == f"{row['origin']} sees it final"
        at = {step.text: step.at_ms for step in story.steps}
        assert at[f"accepted by {row['origin']} at the first try"] == row["accepted_ms"]
        (built,) = (text for text in at if text.startswith(f"in block {row['block']} "))
        assert at[built] == block["built_ms"]
        assert f"of {block['builder']}, with {block['transaction_count'] - 1} others" in built
        seconds = (row["final_ms"] - row["submitted_ms"]) / 1000.0
        assert story.title == f"transaction {number}: final after {seconds:.3f} s"


def test_the_round_explains_the_wait(calm: Tables) -> None:
    """Five seconds each to commit, reveal and pause; six battles at 23.6 core-seconds on four cores, 8.47 % serial."""
    battles_s = 6 * 23.6 * (0.0847 + (1 - 0.0847) / 4)
    text = text_of(calm, "block:1")
    assert "commit and reveal took 10.000 s; 7 nodes revealed" in text
    assert f"battles took {battles_s:.3f} s" in text
    assert "the pause before the block took 5.000 s" in text


def test_times_and_waits_are_printed(calm: Tables) -> None:
    story = explain(calm, "0")
    lines = str(story).splitlines()
    assert lines[0] == story.title
    for before, step, line in zip(story.steps, story.steps[1:], lines[2:], strict=False):
        at, wait = re.match(r"^ *(\d+\.\d{3}) s +\+(\d+\.\d{3}) s  \S", line).groups()  # type: ignore[union-attr]
        assert float(at) == pytest.approx(step.at_ms / 1000.0, abs=0.0006)
        assert float(wait) == pytest.approx((step.at_ms - before.at_ms) / 1000.0, abs=0.0006)


def test_outbid(crowded: Tables) -> None:
    sent, blocks = crowded["transactions"], crowded["blocks"]
    waited = (sent["final_ms"] - sent["submitted_ms"]).idxmax()
    row = sent.loc[waited]
    between = blocks[(blocks["built_ms"] > row["accepted_ms"]) & (blocks["block"] < row["block"])]
    assert len(between) > 1
    cheapest = sent[sent["block"].isin(between["block"])]["gas_price"].min()
    numbers = ", ".join(map(str, between["block"].head(4))) + (", ..." if len(between) > 4 else "")
    assert (
        f"passed over by blocks {numbers} ({len(between)} with {between['transaction_count'].sum()} transactions): "
        f"none there pays less than it does (the cheapest {cheapest}, it {row['gas_price']})"
    ) in text_of(crowded, str(waited))


def test_rejected_and_pending(crowded: Tables) -> None:
    text = text_of(crowded, str(first_in(crowded, "rejected")))
    assert "the client is told that the node's pool is full" in text
    assert "rejected: the pool of the node it was sent to was full" in text
    sent = crowded["transactions"]
    waiting = sent.index[(sent["state"] == "pending") & sent["accepted_ms"].notna() & (sent["block"] < 0)][0]
    text = text_of(crowded, str(waiting))
    assert re.search(r"pending: in no block when the run ended; at the last look \d+ transactions waited at ", text)
    assert "passed over by block" in text
    under_way = sent.index[(sent["state"] == "pending") & sent["accepted_ms"].isna()][-1]
    assert "pending: its request was still under way when the run ended" in text_of(crowded, str(under_way))


def test_in_a_block_that_is_not_final_yet(calm: Tables) -> None:
    number = first_in(calm, "final")
    sent = calm["transactions"].copy()
    sent.loc[number, "state"] = "pending"
    sent.loc[number, "final_ms"] = float("nan")
    story = explain(calm | {"transactions": sent}, str(number))
    assert story.title == f"transaction {number}: pending"
    assert f"pending: block {sent.loc[number, 'block']} was not final when the run ended" in story.notes


def test_dropped_by_a_balancer_without_servers(crash: Tables) -> None:
    number = first_in(crash, "dropped")
    assert crash["transactions"].loc[number, "request"] == "no-server"
    text = text_of(crash, str(number))
    assert "the client is told that no server takes it" in text
    assert f"dropped: no server took it in {crash['transactions'].loc[number, 'attempt_count']} tries" in text
    assert "meanwhile: process-crash us-east-1 from 300.000 s to " in text


def test_dropped_when_the_client_stopped_waiting(split: Tables) -> None:
    sent = split["transactions"]
    number = sent.index[(sent["state"] == "dropped") & (sent["request"] == "timeout")][0]
    text = text_of(split, str(number))
    assert "dropped: no node had accepted it when the client stopped waiting" in text
    assert "meanwhile: partition eu-central+ap-southeast|us-east+us-west from 300.000 s to 420.000 s" in text


def test_a_later_try() -> None:
    crash = tables_of("node-crash", "duration_s=420", "deployment.load_balancer.redispatch=true")
    sent = crash["transactions"]
    tried = sent[(sent["attempt_count"] > 1) & (sent["state"] == "final")]
    number, count = tried.index[0], tried["attempt_count"].iloc[0]
    assert f"at try {count}: the nodes tried before refused or did not answer" in text_of(crash, str(number))


def test_lost(crash: Tables) -> None:
    """No scenario here loses one, so a transaction is taken out of its block by hand."""
    sent = crash["transactions"].copy()
    number = sent.index[(sent["state"] == "final") & (sent["accepted_ms"] < 300_000.0) & (sent["block"] >= 0)][-1]
    sent.loc[number, ["state", "block", "final_ms"]] = ["lost", -1, float("nan")]
    text = text_of(crash | {"transactions": sent}, str(number))
    assert f"lost: accepted by {sent.loc[number, 'origin']}, and at the end no node that is up holds it" in text
    assert "nodes crashed after it was accepted: us-east-1 at 300.000 s" in text


def test_every_transaction_has_a_story(crowded: Tables, split: Tables, crash: Tables) -> None:
    for tables in (crowded, split, crash):
        for number in range(0, len(tables["transactions"]), 131):
            story = explain(tables, f"tx:{number}")
            check_order(story)
            state = tables["transactions"].loc[number, "state"]
            assert story.title.startswith(f"transaction {number}: {state}")
            assert (state == "final") != any(note.startswith(f"{state}: ") for note in story.notes)


# ------------------------------------------------------------------------------------------------------------- blocks


def test_every_block_has_a_story(calm: Tables, split: Tables) -> None:
    for tables in (calm, split):
        for number in tables["blocks"]["block"]:
            story = explain(tables, f"block:{number}")
            check_order(story)
            row = tables["blocks"].loc[number]
            texts = [step.text for step in story.steps]
            assert story.title.startswith(f"block {number}: height {row['height']}, {row['state']}")
            for table, words in (("finals", "sees it final"), ("votes", "casts its ")):
                count = int((tables[table]["block"] == number).sum())
                assert sum(words in text for text in texts) == count
            others = tables["adoptions"]
            others = others[(others["block"] == number) & (others["node"] != row["builder"])]
            assert sum(text.endswith("has received it") for text in texts) == len(others)
            assert sum(note.startswith("battle of round") for note in story.notes) == row["miner_count"] - 1


def test_an_orphan_says_what_stands_in_its_place(split: Tables) -> None:
    blocks = split["blocks"]
    orphan = blocks[blocks["state"] == "orphaned"].iloc[0]
    other = blocks[(blocks["height"] == orphan["height"]) & (blocks["state"] == "final")].iloc[0]
    text = text_of(split, f"block:{orphan['block']}")
    assert f"orphaned: block {other['block']}, built by {other['builder']} at " in text
    assert "in voting round 2" in text


def test_a_block_that_waits_says_for_how_long() -> None:
    sets = ("duration_s=200", "protocol.proof.circuit=battle-lean", "protocol.proof.mode=inline")
    inline = tables_of("rc3", *sets, "protocol.round.block_timeout_s=100.0", "protocol.proof.aggregation=snarkpack")
    jobs, block = inline["proofs"], inline["blocks"].iloc[0]
    waited_s = (jobs[jobs["block"] == 0]["end_ms"].max() - block["built_ms"]) / 1000.0
    assert waited_s > 20.0
    assert f"block 0 has its proofs after {waited_s:.3f} s, and is sent" in text_of(inline, "block:0")
    assert "aggregates done: 1, each" in text_of(inline, "block:0")
    number = int(inline["transactions"].query("block == 0").index[0])
    assert f"block 0 has its proofs after {waited_s:.3f} s" in text_of(inline, f"tx:{number}")


def test_a_farm_is_named() -> None:
    farm = tables_of("rc3", "duration_s=200", "deployment.prover_farm.machines=1")
    assert "proofs done: 6 in the farm of us-east, each" in text_of(farm, "block:0")


def test_proofs_are_counted(calm: Tables) -> None:
    assert "proofs killed: 6" in text_of(calm, "block:0")
    lean = tables_of("rc3", "duration_s=200", "protocol.proof.circuit=battle-lean")
    jobs = lean["proofs"][lean["proofs"]["outcome"] == "done"]
    number = int(jobs["block"].iloc[0])
    mine = jobs[jobs["block"] == number]
    mean_s = (mine["end_ms"] - mine["start_ms"]).mean() / 1000.0
    assert f"proofs done: {len(mine)}, each {mean_s:.3f} s on average" in text_of(lean, f"block:{number}")
