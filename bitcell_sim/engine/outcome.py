"""What a run came to: every transaction and every block in exactly one state, and books that balance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.records import AdoptionRecord, EvidenceRecord, FinalRecord, RecoveryRecord
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.recorder import Recorder, named, to_ms
from bitcell_sim.engine.standing import trust_records
from bitcell_sim.faults.checkers import (
    Violation,
    check_books,
    check_followed,
    check_no_way_back,
    check_once,
    check_safety,
)
from bitcell_sim.kernels.mempool import NEVER, POOLED, Book
from bitcell_sim.kernels.transactions import OPEN, REJECTED

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.kernels.arrays import Ints

STATES = ["final", "pending", "rejected", "dropped", "lost"]
FINAL, PENDING, REFUSED, DROPPED, LOST = range(5)
REQUESTS = ["open", "ok", "rejected", "no-server", "timeout", "error"]
BLOCK_STATES = ["final", "pending", "orphaned"]


@dataclass
class Outcome:
    """A run's tables and figures.

    Parameters
    ----------
    scenario, seed
        What ran.
    tables : dict of str to DataFrame
        See docs/reference/tables.md.
    violations : list of Violation
        What the safety checkers found; empty in a sound run.
    simulated_s : float
        Length, seconds.
    """

    scenario: Scenario
    seed: int
    tables: dict[str, pd.DataFrame]
    violations: list[Violation]
    simulated_s: float
    flood_bytes: tuple[Ints, Ints] = field(repr=False)

    @cached_property
    def trace_digest(self) -> str:
        """SHA-256 over all tables: equal digests are equal runs."""
        return digest_tables(self.tables)

    @property
    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        return {name: len(frame) for name, frame in sorted(self.tables.items())}


def digest_tables(tables: dict[str, pd.DataFrame]) -> str:
    """SHA-256 over names, columns and values of tables, in the order of their names."""
    digest = hashlib.sha256()
    for name, frame in sorted(tables.items()):
        digest.update(f"{name} {len(frame)}\n".encode())
        for column in frame.columns:
            values = frame[column]
            digest.update(f"{column}\n".encode())
            if values.dtype.name == "category":
                digest.update("\n".join(map(str, values.cat.categories)).encode())
                values = values.cat.codes
            if values.dtype.kind in "ifub":
                digest.update(np.ascontiguousarray(values.to_numpy()).tobytes())
            else:
                digest.update("\n".join(map(str, values)).encode())
    return digest.hexdigest()


def settle(scenario: Scenario, seed: int, mesh: Mesh, plane: Any, record: Recorder, end_ns: int) -> Outcome:
    """Close a run: states, tables, checks.

    Raises
    ------
    BooksError
        If the transactions do not add up: a fault of this program.
    """
    book: Book = plane.book
    rows = plane.rows
    finals = _final_times(mesh, record)
    quorum_ns = _quorum_times(mesh, finals)
    final_chain = _final_chain(mesh, finals)
    block_of = np.full(rows, -1, np.int64)
    for block in _best_chain(mesh):
        block_of[block.rows] = block.index
    for block in final_chain:
        block_of[block.rows] = block.index
    final_ns = _transaction_finals(mesh, record, book, rows, final_chain, finals, quorum_ns)
    state = _states(mesh, book, rows, block_of, final_ns)
    violations = _violations(mesh, record, finals)
    one_chain = all(found.property not in ("double_finality", "transaction_duplicated") for found in violations)
    is_final = state == FINAL
    check_books(
        book,
        rows,
        is_final,
        final_chain,
        final_ns,
        plane.accepted_count,
        all_blocks=mesh.blocks,
        one_chain=one_chain,
    )
    for entry in trust_records(mesh, final_chain, finals):
        record(entry)
    tables = record.tables()
    tables["transactions"] = _transaction_table(scenario, book, rows, block_of, final_ns, state)
    tables["blocks"] = _block_table(mesh, quorum_ns, final_chain)
    return Outcome(scenario, seed, tables, violations, end_ns / 1e9, plane.flood_bytes)


def _violations(mesh: Mesh, record: Recorder, finals: Ints) -> list[Violation]:
    """What the checkers of safety say of a run."""
    seen, taken = record.records(FinalRecord), record.records(AdoptionRecord)
    offenders = {entry.offender for entry in record.records(EvidenceRecord)}
    return [
        *check_safety(mesh, finals, offenders),
        *check_once(mesh),
        *check_no_way_back(mesh, seen),
        *check_followed(mesh, taken, seen),
    ]


def _final_times(mesh: Mesh, record: Recorder) -> Ints:
    """When each node saw each block final, shape (blocks, nodes); NEVER where it did not."""
    times = np.full((len(mesh.blocks), len(mesh.nodes)), NEVER, np.int64)
    for entry in record.records(FinalRecord):
        times[entry.block, entry.node] = min(times[entry.block, entry.node], entry.at_ns)
    return times


def _quorum_times(mesh: Mesh, finals: Ints) -> Ints:
    """When nodes with more than two thirds of the stake had seen each block final (the fifth of seven)."""
    stakes = np.array([node.stake for node in mesh.deployment.node])
    order = np.argsort(finals, axis=1, kind="stable")
    reached = np.cumsum(stakes[order], axis=1) >= quorum_stake(stakes.tolist())
    place = np.argmax(reached, axis=1)
    return np.take_along_axis(np.take_along_axis(finals, order, axis=1), place[:, None], axis=1)[:, 0]


def _final_chain(mesh: Mesh, finals: Ints) -> list[Block]:
    """Blocks that a node has seen final, lowest first."""
    seen = [block for block in mesh.blocks if finals[block.index].min(initial=NEVER) < NEVER]
    return sorted(seen, key=lambda block: (block.height, block.index))


def _best_chain(mesh: Mesh) -> list[Block]:
    """Chain of the heaviest head of a living node."""
    heads = [node.head for node in mesh.nodes if mesh.is_up(node.index)] or [node.head for node in mesh.nodes]
    best = max(heads, key=lambda block: (block.work, -block.hash))
    return list(best.chain(1))


def _transaction_finals(
    mesh: Mesh, record: Recorder, book: Book, rows: int, chain: list[Block], finals: Ints, quorum_ns: Ints
) -> Ints:
    """When each transaction became final for its client, nanoseconds; -1 if it did not.

    The node it was submitted to sees its block final; if that node is down when a quorum has, the quorum's time counts.
    """
    result = np.full(rows, -1, np.int64)
    down = _down_intervals(mesh, record)
    for block in chain:
        at = int(quorum_ns[block.index])
        when = finals[block.index].copy()
        for node, intervals in enumerate(down):
            if any(start <= at < end for start, end in intervals):
                when[node] = at
        times = when[book.origin[block.rows]]
        result[block.rows[times < NEVER]] = times[times < NEVER]
    return result


def _down_intervals(mesh: Mesh, record: Recorder) -> list[list[tuple[int, int]]]:
    intervals: list[list[tuple[int, int]]] = [[] for _ in mesh.nodes]
    for entry in record.records(RecoveryRecord):
        if entry.stage == "crash":
            intervals[entry.node].append((entry.at_ns, NEVER))
        elif entry.stage == "process":
            start, _ = intervals[entry.node].pop()
            intervals[entry.node].append((start, entry.at_ns))
    return intervals


def _states(mesh: Mesh, book: Book, rows: int, block_of: Ints, final_ns: Ints) -> np.ndarray[Any, np.dtype[np.int8]]:
    """State of each transaction at the end."""
    up = np.array([mesh.is_up(node.index) for node in mesh.nodes])
    accepted = book.origin[:rows] >= 0
    held = (book.pool[:rows] == POOLED)[:, up].any(axis=1)
    state = np.full(rows, LOST, np.int8)
    state[held | (block_of >= 0)] = PENDING
    state[final_ns >= 0] = FINAL
    request = book.request[:rows]
    state[~accepted] = DROPPED
    state[~accepted & (request == REJECTED)] = REFUSED
    state[~accepted & (request == OPEN)] = PENDING
    return state


def _transaction_table(
    scenario: Scenario, book: Book, rows: int, block_of: Ints, final_ns: Ints, state: np.ndarray[Any, np.dtype[np.int8]]
) -> pd.DataFrame:
    import pandas as pd

    deployment = scenario.deployment
    return pd.DataFrame(
        {
            "client_region": named(book.region[:rows], [region.name for region in deployment.region]),
            "submitted_ms": to_ms(book.submit_ns[:rows]),
            "request": named(book.request[:rows], REQUESTS),
            "answered_ms": to_ms(book.answered_ns[:rows]),
            "attempt_count": book.attempt[:rows].astype(np.int64) + 1,
            "origin": named(book.origin[:rows], [node.id for node in deployment.node]),
            "accepted_ms": to_ms(book.accepted_ns[:rows]),
            "gas_price": book.price[:rows].copy(),
            "gas": book.gas[:rows].astype(np.int64),
            "size_bytes": book.size_bytes[:rows].astype(np.int64),
            "block": block_of,
            "final_ms": to_ms(final_ns),
            "state": named(state, STATES),
        },
        copy=False,
    )


def _block_table(mesh: Mesh, quorum_ns: Ints, final_chain: list[Block]) -> pd.DataFrame:
    import pandas as pd

    final = {block.index for block in final_chain}
    waiting = {block.index for block in _best_chain(mesh)}
    states = [0 if b.index in final else 1 if b.index in waiting else 2 for b in mesh.blocks]
    names = [node.id for node in mesh.deployment.node]
    whole = {
        "block": [b.index for b in mesh.blocks],
        "height": [b.height for b in mesh.blocks],
        "attempt": [b.attempt for b in mesh.blocks],
        "parent": [b.parent.index if b.parent else -1 for b in mesh.blocks],
        "transaction_count": [len(b.rows) for b in mesh.blocks],
        "gas": [b.gas for b in mesh.blocks],
        "size_bytes": [b.size_bytes for b in mesh.blocks],
        "miner_count": [b.miner_count for b in mesh.blocks],
        "work": [b.work for b in mesh.blocks],
    }
    columns: dict[str, Any] = {name: np.array(values, np.int64) for name, values in whole.items()}
    columns["builder"] = named(np.array([b.builder for b in mesh.blocks], np.int64), names)
    columns["built_ms"] = to_ms(np.array([b.built_ns for b in mesh.blocks], np.int64))
    columns["quorum_final_ms"] = to_ms(np.where(quorum_ns < NEVER, quorum_ns, -1))
    columns["state"] = named(np.array(states, np.int64), BLOCK_STATES)
    return pd.DataFrame(columns)
