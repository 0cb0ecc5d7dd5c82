"""Checkers, apart from what they check: the transactions add up, and nothing final contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.errors import LabError
from bitcell_sim.kernels.mempool import NEVER, Book

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Flags, Ints


class BooksError(LabError):
    """The transactions of a run do not add up; its figures cannot be trusted."""


@dataclass(frozen=True)
class Violation:
    """A property that did not hold.

    Parameters
    ----------
    property : str
        ``double_finality`` or ``disagreement``.
    detail : str
        Heights, blocks and nodes.
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
        Whether the final blocks form one chain; if not, which the safety checker tells, what they hold is not compared.

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
        if np.bincount(included, minlength=1).max() > 1:
            faults.append("a transaction stands twice in the final chain")
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
