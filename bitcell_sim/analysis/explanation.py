"""Why one transaction or one block took as long as it did: its timeline, with the cause of each wait."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bitcell_sim.analysis.tables import Tables
from bitcell_sim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanation", "Step", "explain"]

_WHAT = re.compile(r"^(?:(tx|transaction|block)[:\s]\s*)?(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """One moment of a timeline.

    Parameters
    ----------
    at_ms : float
        When, milliseconds of the run.
    text : str
        What happened, and what the time before it went into.
    """

    at_ms: float
    text: str


@dataclass(frozen=True)
class Explanation:
    """A timeline for people.

    Parameters
    ----------
    title : str
        What it is about, and what became of it.
    steps : tuple of Step
        In the order of time.
    notes : tuple of str
        What has no moment of its own: faults that held meanwhile, why it went no further.
    """

    title: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.title]
        before = None
        for step in self.steps:
            wait = "" if before is None else f"+{(step.at_ms - before) / 1000.0:.3f} s"
            lines.append(f"{step.at_ms / 1000.0:12.3f} s {wait:>12}  {step.text}")
            before = step.at_ms
        return "\n".join([*lines, *self.notes])


def explain(tables: Tables, what: str) -> Explanation:
    """Tell the story of one transaction or one block.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    what : str
        ``tx:123`` or ``123`` for the transaction of row 123, ``block:5`` for the block numbered 5.

    Returns
    -------
    Explanation
        Printable timeline.

    Raises
    ------
    InputError
        If `what` has another form, or the run has no such transaction or block.
    """
    match = _WHAT.match(what.strip())
    if match is None:
        raise InputError(
            f"{what!r} names nothing in a run: write tx:123 (or 123) for a transaction, block:5 for a block"
        )
    kind, number = (match[1] or "tx").lower(), int(match[2])
    if kind == "block":
        _check_range("block", number, len(tables["blocks"]))
        return _explain_block(tables, number)
    _check_range("transaction", number, len(tables["transactions"]))
    return _explain_transaction(tables, number)


def _check_range(kind: str, number: int, count: int) -> None:
    if count == 0:
        raise InputError(f"{kind} {number}: the run has no {kind}s")
    if number >= count:
        raise InputError(f"{kind} {number}: the run has {kind}s 0 to {count - 1}")


def _seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1000.0:.3f} s"


def _row(frame: pd.DataFrame, **values: Any) -> pd.Series[Any] | None:
    """First row with these values."""
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame.iloc[0] if len(frame) else None


def _block(tables: Tables, number: int) -> pd.Series[Any]:
    row = _row(tables["blocks"], block=number)
    assert row is not None
    return row


def _happened(moment_ms: Any) -> bool:
    return not math.isnan(moment_ms)


# ------------------------------------------------------------------------------------------------------ transactions


def _explain_transaction(tables: Tables, number: int) -> Explanation:
    sent = tables["transactions"].iloc[number]
    steps = [
        Step(sent["submitted_ms"], f"submitted by a client in {sent['client_region']}, gas price {sent['gas_price']}")
    ]
    steps += _request(sent)
    notes: list[str] = []
    until_ms = float(steps[-1].at_ms)
    if sent["block"] >= 0:
        block = _block(tables, int(sent["block"]))
        steps += _wait_for_block(tables, sent, block)
        steps += _wait_for_final(tables, sent, block)
        until_ms = max(float(step.at_ms) for step in steps)
    if sent["state"] != "final":
        if _happened(sent["accepted_ms"]):
            steps += [] if sent["block"] >= 0 else _passed_over(tables, sent, math.inf)
            until_ms = math.inf
        notes.append(_why_not_final(tables, sent))
    notes += _faults(tables, float(sent["submitted_ms"]), until_ms)
    state = str(sent["state"])
    if state == "final":
        state = f"final after {_seconds(sent['final_ms'] - sent['submitted_ms'])}"
    ordered = sorted(steps, key=lambda step: step.at_ms)
    return Explanation(f"transaction {number}: {state}", tuple(ordered), tuple(notes))


def _tries(sent: pd.Series[Any]) -> str:
    count = int(sent["attempt_count"])
    return "at the first try" if count == 1 else f"at try {count}: the nodes tried before refused or did not answer"


def _request(sent: pd.Series[Any]) -> list[Step]:
    """From the client to a node, and the answer."""
    steps = []
    if _happened(sent["accepted_ms"]):
        steps.append(Step(sent["accepted_ms"], f"accepted by {sent['origin']} {_tries(sent)}"))
    answers = {
        "ok": "the client is told that it is accepted",
        "rejected": "the client is told that the node's pool is full",
        "no-server": "the client is told that no server takes it",
        "timeout": "the client stops waiting for an answer",
        "error": "the client is told of an error in the node",
    }
    if _happened(sent["answered_ms"]) and sent["request"] in answers:
        steps.append(Step(sent["answered_ms"], answers[sent["request"]]))
    return steps


def _wait_for_block(tables: Tables, sent: pd.Series[Any], block: pd.Series[Any]) -> list[Step]:
    """From the pool into a block: earlier blocks that did not take it, the rounds that made its own."""
    accepted_ms, built_ms = float(sent["accepted_ms"]), float(block["built_ms"])
    steps = _passed_over(tables, sent, built_ms)
    steps += _rounds(tables, block, since_ms=accepted_ms)
    text = (
        f"in block {block['block']} (height {block['height']}) of {block['builder']}, "
        f"with {block['transaction_count'] - 1} others: {_seconds(built_ms - accepted_ms)} from acceptance"
    )
    return [*steps, Step(built_ms, text)]


def _passed_over(tables: Tables, sent: pd.Series[Any], built_ms: float) -> list[Step]:
    """Blocks of the same chain that were built after it was accepted and did not hold it, in one step."""
    blocks = tables["blocks"]
    meanwhile = blocks[
        (blocks["built_ms"] > sent["accepted_ms"]) & (blocks["built_ms"] < built_ms) & (blocks["state"] != "orphaned")
    ].sort_values("built_ms", kind="stable")
    if not len(meanwhile):
        return []
    held = tables["transactions"]
    held = held[held["block"].isin(meanwhile["block"])]
    price = int(sent["gas_price"])
    numbers = ", ".join(str(number) for number in meanwhile["block"].head(4)) + (", ..." if len(meanwhile) > 4 else "")
    taken = int(meanwhile["transaction_count"].sum())
    blocks_text = f"block{'s' * (len(meanwhile) > 1)} {numbers}"
    lowest = held.groupby("block")["gas_price"].min()
    outbid = int((lowest >= price).sum())
    absent = "it was not in the builder's pool then, or its gas did not fit"
    if outbid == len(meanwhile):
        why = f"none there pays less than it does (the cheapest {int(lowest.min())}, it {price})"
    elif outbid:
        why = f"in {outbid} of them none pays less than its {price}; of the others, {absent}"
    else:
        why = absent
    text = f"passed over by {blocks_text} ({len(meanwhile)} with {taken} transactions): {why}"
    return [Step(float(meanwhile["built_ms"].iloc[-1]), text)]


def _rounds(tables: Tables, block: pd.Series[Any], *, since_ms: float = -math.inf) -> list[Step]:
    """Go through the builder's attempts at the height, phase by phase, as far as they ended after a moment."""
    rounds = tables["rounds"]
    rounds = rounds[(rounds["node"] == block["builder"]) & (rounds["height"] == block["height"])]
    rounds = rounds[rounds["battle_end_ms"] <= block["built_ms"]].sort_values("start_ms", kind="stable")
    steps: list[Step] = []
    for _, entry in rounds.iterrows():
        begin, reveal, battle = (entry[key] for key in ("start_ms", "reveal_end_ms", "battle_end_ms"))
        again = f"attempt {entry['attempt'] + 1} at " if entry["attempt"] else ""
        steps += [
            Step(begin, f"{block['builder']} begins {again}height {block['height']}"),
            Step(reveal, f"commit and reveal took {_seconds(reveal - begin)}; {entry['reveal_count']} nodes revealed"),
            Step(battle, f"battles took {_seconds(battle - reveal)}; {entry['winner']} won"),
        ]
    if steps:
        rest = f"the pause before the block took {_seconds(block['built_ms'] - steps[-1].at_ms)}"
        steps.append(Step(block["built_ms"], f"{rest} (with the proofs, if blocks wait for them)"))
    return [step for step in steps if step.at_ms >= since_ms]


def _wait_for_final(tables: Tables, sent: pd.Series[Any], block: pd.Series[Any]) -> list[Step]:
    """From the block to final at the node the client asked."""
    steps = []
    adopted = _row(tables["adoptions"], node=sent["origin"], block=block["block"])
    if adopted is not None and sent["origin"] != block["builder"]:
        took = _seconds(adopted["checked_ms"] - adopted["received_ms"])
        text = f"{sent['origin']} has checked block {block['block']}, {took} after it received it"
        steps.append(Step(adopted["checked_ms"], text))
    steps += _voting(tables, block)
    if _happened(sent["final_ms"]):
        seen = _row(tables["finals"], node=sent["origin"], block=block["block"])
        by_origin = seen is not None and seen["at_ms"] == sent["final_ms"]
        text = f"{sent['origin']} sees it final" if by_origin else f"a quorum sees it final, {sent['origin']} is down"
        if by_origin and seen is not None and seen["vote_round"] > 0:
            text += f", {seen['vote_round']} voting rounds came to no end before"
        steps.append(Step(sent["final_ms"], text))
    return steps


def _voting(tables: Tables, block: pd.Series[Any]) -> list[Step]:
    """First prevote, first precommit, and the last ones cast."""
    votes = tables["votes"]
    votes = votes[votes["block"] == block["block"]]
    meaning = {
        "prevote": "the first node has checked it",
        "precommit": "the first node has seen more than two thirds prevote it",
    }
    steps = []
    for kind, why in meaning.items():
        cast = votes[votes["kind"] == kind].sort_values("at_ms", kind="stable")
        if len(cast):
            first = cast.iloc[0]
            steps.append(Step(first["at_ms"], f"first {kind} for block {block['block']}, by {first['node']}: {why}"))
    return steps


def _why_not_final(tables: Tables, sent: pd.Series[Any]) -> str:
    """Why a transaction went no further."""
    state, request = str(sent["state"]), str(sent["request"])
    tries = int(sent["attempt_count"])
    if state == "rejected":
        return "rejected: the pool of the node it was sent to was full"
    if state == "dropped":
        if request == "no-server":
            return f"dropped: no server took it in {tries} {'try' if tries == 1 else 'tries'}"
        if request == "error":
            return "dropped: the node it was sent to answered with an error, or not at all"
        return "dropped: no node had accepted it when the client stopped waiting"
    if state == "lost":
        return f"lost: {_loss(tables, sent)}"
    if not _happened(sent["accepted_ms"]):
        return "pending: its request was still under way when the run ended"
    if sent["block"] >= 0:
        return f"pending: block {sent['block']} was not final when the run ended"
    samples = tables["samples"]
    seen = samples[samples["node"] == sent["origin"]]
    waiting = (
        f"; at the last look {seen['pending_count'].iloc[-1]} transactions waited at {sent['origin']}"
        if len(seen)
        else ""
    )
    return f"pending: in no block when the run ended{waiting}"


def _loss(tables: Tables, sent: pd.Series[Any]) -> str:
    recoveries = tables["recoveries"]
    crashed = recoveries[(recoveries["stage"] == "crash") & (recoveries["at_ms"] >= sent["accepted_ms"])]
    shown = [f"{row['node']} at {_seconds(row['at_ms'])}" for _, row in crashed.head(7).iterrows()]
    cause = f"; nodes crashed after it was accepted: {', '.join(shown)}" if shown else ""
    return f"accepted by {sent['origin']}, and at the end no node that is up holds it in its pool or chain{cause}"


def _faults(tables: Tables, from_ms: float, to_ms: float) -> list[str]:
    faults = tables["faults"]
    held = faults[(faults["start_ms"] <= to_ms) & (faults["end_ms"] >= from_ms)]
    return [
        f"meanwhile: {' '.join(filter(None, [row['kind'], row['target'], row['detail']]))} "
        f"from {_seconds(row['start_ms'])} to {_seconds(row['end_ms'])}"
        for _, row in held.iterrows()
    ]


# ------------------------------------------------------------------------------------------------------------ blocks


def _explain_block(tables: Tables, number: int) -> Explanation:
    block = _block(tables, number)
    steps = _rounds(tables, block)
    text = f"built by {block['builder']}: {block['transaction_count']} transactions, {block['gas']} gas"
    steps.append(Step(block["built_ms"], f"{text}, {block['size_bytes']} bytes, on block {block['parent']}"))
    for _, row in tables["adoptions"][tables["adoptions"]["block"] == number].iterrows():
        if row["node"] != block["builder"]:
            check = _seconds(row["checked_ms"] - row["received_ms"])
            steps.append(Step(row["received_ms"], f"{row['node']} has received it"))
            steps.append(Step(row["checked_ms"], f"{row['node']} has checked it, which took {check}"))
    for _, row in tables["votes"][tables["votes"]["block"] == number].iterrows():
        again = f" in voting round {row['vote_round'] + 1}" if row["vote_round"] else ""
        steps.append(Step(row["at_ms"], f"{row['node']} casts its {row['kind']}{again}"))
    for _, row in tables["finals"][tables["finals"]["block"] == number].iterrows():
        steps.append(Step(row["at_ms"], f"{row['node']} sees it final"))
    if _happened(block["quorum_final_ms"]):
        steps.append(Step(block["quorum_final_ms"], "nodes with more than two thirds of the stake have seen it final"))
    ordered = sorted(steps, key=lambda step: step.at_ms)
    title = f"block {number}: height {block['height']}, {block['state']}"
    if _happened(block["quorum_final_ms"]):
        title += f" {_seconds(block['quorum_final_ms'] - block['built_ms'])} after it was built"
    notes = [*_battles(tables, block), *_proofs(tables, number), *_rival(tables, block)]
    last_ms = float(ordered[-1].at_ms) if block["state"] == "final" else math.inf
    return Explanation(title, tuple(ordered), (*notes, *_faults(tables, float(ordered[0].at_ms), last_ms)))


def _battles(tables: Tables, block: pd.Series[Any]) -> list[str]:
    battles = tables["battles"]
    for name in ("height", "attempt", "miner_count"):
        battles = battles[battles[name] == block[name]]
    lines = []
    for _, row in battles.iterrows():
        first = row["winner"] == row["miner_a"]
        loser, energies = (row["miner_b"], (row["energy_a"], row["energy_b"]))
        if not first:
            loser, energies = (row["miner_a"], (row["energy_b"], row["energy_a"]))
        by = f"by {row['decided_by']}, energy {energies[0]} to {energies[1]}"
        lines.append(f"battle of round {row['round'] + 1}: {row['winner']} beat {loser} {by}")
    return lines


def _proofs(tables: Tables, number: int) -> list[str]:
    jobs = tables["proofs"][tables["proofs"]["block"] == number]
    lines = []
    for outcome, some in jobs.groupby("outcome", sort=True):
        started = some[some["start_ms"].notna()]
        took = ""
        if outcome == "done" and len(started):
            took = f", each {_seconds((started['end_ms'] - started['start_ms']).mean())} on average, the last at "
            took += _seconds(started["end_ms"].max())
        lines.append(f"proofs {outcome}: {len(some)}{took}")
    return lines


def _rival(tables: Tables, block: pd.Series[Any]) -> list[str]:
    """Say what stands at the height of an orphaned block."""
    if block["state"] != "orphaned":
        return []
    blocks = tables["blocks"]
    others = blocks[(blocks["height"] == block["height"]) & (blocks["state"] != "orphaned")]
    if not len(others):
        return ["orphaned: no head of a living node stands on it"]
    other = others.iloc[0]
    built = f"built by {other['builder']} at {_seconds(other['built_ms'])}"
    return [f"orphaned: block {other['block']}, {built}, stands at its height"]
