"""Checkers of every run, apart from what they check: the transactions add up, and nothing final contradicts itself.

What should happen at last, once all faults are over, is in :mod:`bitcell_sim.studies.liveness`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.records import FinalRecord
from bitcell_sim.errors import LabError
from bitcell_sim.kernels.mempool import NEVER, Book

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Flags, Ints


PROPERTIES = (
    "double_finality",
    "finality_reverted",
    "transaction_duplicated",
    "disagreement",
    "transaction_lost",
    "no_progress",
    "not_served",
)  # gravest first


class BooksError(LabError):
    """The transactions of a run do not add up; its figures cannot be trusted."""


@dataclass(frozen=True)
class Violation:
    """A property that did not hold.

    Parameters
    ----------
    property : str
        One of :data:`PROPERTIES`.
    detail : str
        Heights, blocks, nodes and transactions.
    """

    property: str
    detail: str


def check_books(
    book: Book,
    rows: int,
    is_final: Flags,
    final_chain: list[Block],
    final_ns: Ints,
    accepted_count: int,
    *,
    one_chain: bool = True,
) -> None:
    """Compare what was counted on the way with what the blocks and the rows say at the end.

    Parameters
    ----------
    book, rows : Book, int
        All transactions.
    is_final : ndarray of bool, shape (rows,)
        Which were given the state final.
    final_chain : list of Block
        Blocks that a node has seen final.
    final_ns : ndarray of int64, shape (rows,)
        When each became final; -1 if it did not.
    accepted_count : int
        Acceptances that the transaction plane counted as they happened.
    one_chain : bool
        Whether the final blocks form one chain that holds nothing twice; if not, which the safety checkers tell, what
        they hold is not compared.

    Raises
    ------
    BooksError
        With everything that does not add up.
    """
    faults = []
    accepted = book.origin[:rows] >= 0
    if int(accepted.sum()) != accepted_count:
        faults.append(f"{accepted_count} acceptances were counted, {int(accepted.sum())} transactions have an origin")
    included = np.concatenate([block.rows for block in final_chain]) if final_chain else np.zeros(0, np.int64)
    if one_chain:
        seen = int((final_ns[included] >= 0).sum())
        if seen != int(is_final.sum()):
            faults.append(
                f"{seen} transactions of final blocks are final for their clients, {int(is_final.sum())} in all"
            )
    if len(included) and not accepted[included].all():
        faults.append("a transaction of the final chain was never accepted")
    faults += [
        f"block {block.index} holds a transaction that was accepted after it was built"
        for block in final_chain
        if len(block.rows) and int(book.accepted_ns[block.rows].max()) > block.built_ns
    ]
    if (final_ns[is_final] < book.accepted_ns[:rows][is_final]).any():
        faults.append("a transaction is final before it was accepted")
    if faults:
        raise BooksError("the books of the run do not balance: " + "; ".join(faults))


def check_safety(mesh: Mesh, finals: Ints) -> list[Violation]:
    """Final blocks that do not form one chain, or nodes that do not follow what they hold for final.

    Parameters
    ----------
    mesh : Mesh
        Nodes and blocks at the end.
    finals : ndarray of int64, shape (blocks, nodes)
        When each node saw each block final.
    """
    seen = {block: int((finals[block.index] < NEVER).sum()) for block in mesh.blocks}
    by_height: dict[int, list[Block]] = {}
    for block in (block for block, count in seen.items() if count):
        by_height.setdefault(block.height, []).append(block)
    violations = []
    below: list[Block] = []
    for height, blocks in sorted(by_height.items()):
        if len(blocks) > 1:
            words = " and ".join(f"block {block.index} at {seen[block]} of {len(mesh.nodes)} nodes" for block in blocks)
            violations.append(Violation("double_finality", f"height {height}: final are {words}"))
        for block in blocks:
            if below and block.ancestor(below[0].height) not in below:
                detail = f"block {block.index} of height {height} does not stand on final block {below[0].index}"
                violations.append(Violation("double_finality", detail))
        below = blocks
    strays = [
        Violation("disagreement", f"node {node.index} follows a chain without its final block")
        for node in mesh.nodes
        if node.head.ancestor(node.final.height) is not node.final
    ]
    return violations + strays


def check_once(mesh: Mesh) -> list[Violation]:
    """Transactions that stand twice in the chain of a node.

    Parameters
    ----------
    mesh : Mesh
        Nodes and blocks at the end.
    """
    violations = []
    for head in dict.fromkeys(node.head for node in mesh.nodes):
        rows = np.concatenate([block.rows for block in head.chain()])
        copies = np.bincount(rows, minlength=1)
        if copies.max() > 1:
            detail = f"{int((copies > 1).sum())} stand twice in the chain of block {head.index}"
            violations.append(Violation("transaction_duplicated", f"{detail}, as transaction {int(copies.argmax())}"))
    return violations


def check_no_way_back(mesh: Mesh, finals: list[FinalRecord]) -> list[Violation]:
    """Nodes that have taken back what they had seen final.

    Parameters
    ----------
    mesh : Mesh
        Nodes at the end.
    finals : list of FinalRecord
        What each node has seen final, in the order of time.
    """
    seen: list[dict[int, int]] = [{} for _ in mesh.nodes]
    again: set[int] = set()
    for entry in finals:
        if entry.block in seen[entry.node]:
            again.add(entry.node)
        seen[entry.node][entry.block] = mesh.blocks[entry.block].height
    violations = []
    for node, heights in zip(mesh.nodes, seen, strict=True):
        highest = max(heights.values(), default=0)
        if node.final.height < highest:
            detail = f"node {node.index} had seen height {highest} final and now stands at {node.final.height}"
            violations.append(Violation("finality_reverted", detail))
        elif node.index in again:
            detail = f"node {node.index} had forgotten that blocks were final, and saw it again"
            violations.append(Violation("finality_reverted", detail))
    return violations
