"""Checkers of every run, apart from what they check: the transactions add up, and nothing final contradicts itself.

What should happen at last, once all faults are over, is in :mod:`bitcell_sim.studies.liveness`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.records import AdoptionRecord, FinalRecord, VoteRecord
from bitcell_sim.errors import LabError
from bitcell_sim.kernels.mempool import NEVER, Book

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Flags, Ints


PRECOMMIT = "precommit"
_PAST = {"prevote": "prevoted", PRECOMMIT: "precommitted"}
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
    all_blocks: list[Block] | None = None,
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
    all_blocks : list of Block, optional
        Blocks that may hold only what was accepted before they were built; the final ones without it.
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
    for block in final_chain if all_blocks is None else all_blocks:
        if not accepted[block.rows].all():
            faults.append(f"block {block.index} holds a transaction that was never accepted")
        if len(block.rows) and int(book.accepted_ns[block.rows].max()) > block.built_ns:
            faults.append(f"block {block.index} holds a transaction that was accepted after it was built")
    if (final_ns[is_final] < book.accepted_ns[:rows][is_final]).any():
        faults.append("a transaction is final before it was accepted")
    if faults:
        raise BooksError("the books of the run do not balance: " + "; ".join(faults))


def check_safety(mesh: Mesh, finals: Ints, offenders: Collection[int] = ()) -> list[Violation]:
    """Final blocks that do not form one chain, or nodes that do not follow what they hold for final.

    Where a third of the stake or more votes twice, no protocol keeps one chain; the detail says so.

    Parameters
    ----------
    mesh : Mesh
        Nodes and blocks at the end.
    finals : ndarray of int64, shape (blocks, nodes)
        When each node saw each block final.
    offenders : collection of int
        Nodes of which there are two votes for different blocks in one height, round and kind.
    """
    beyond = _beyond_a_third(mesh, offenders)
    seen = {block: int((finals[block.index] < NEVER).sum()) for block in mesh.blocks}
    by_height: dict[int, list[Block]] = {}
    for block in (block for block, count in seen.items() if count):
        by_height.setdefault(block.height, []).append(block)
    violations = []
    below: list[Block] = []
    for height, blocks in sorted(by_height.items()):
        if len(blocks) > 1:
            words = " and ".join(f"block {block.index} at {seen[block]} of {len(mesh.nodes)} nodes" for block in blocks)
            violations.append(Violation("double_finality", f"height {height}: final are {words}{beyond}"))
        for block in blocks:
            if below and block.ancestor(below[0].height) not in below:
                detail = (
                    f"block {block.index} of height {height} does not stand on final block {below[0].index}{beyond}"
                )
                violations.append(Violation("double_finality", detail))
        below = blocks
    strays = [
        Violation("disagreement", f"node {node.index} follows a chain without its final block")
        for node in mesh.nodes
        if node.head.ancestor(node.final.height) is not node.final
    ]
    return violations + strays


def _beyond_a_third(mesh: Mesh, offenders: Collection[int]) -> str:
    """Words on the stake that votes twice, if it is a third or more."""
    if not offenders:
        return ""
    stakes = [node.stake for node in mesh.deployment.node]
    twice = sum(stakes[node] for node in set(offenders))
    words = f"; {twice} of {sum(stakes)} stake votes twice, which no protocol bears"
    return words if 3 * twice >= sum(stakes) else ""


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
    """Nodes that have taken back what they had seen final, or have seen it in another order than that of heights.

    Parameters
    ----------
    mesh : Mesh
        Nodes at the end.
    finals : list of FinalRecord
        What each node has seen final, in the order of time. Another block of a height that is final already is double
        finality, and not told here.
    """
    seen: list[dict[int, set[int]]] = [{} for _ in mesh.nodes]
    violations: dict[int, str] = {}
    for entry in finals:
        heights, height = seen[entry.node], mesh.blocks[entry.block].height
        if entry.block in heights.get(height, ()):
            violations.setdefault(entry.node, "had forgotten that blocks were final, and saw it again")
        elif height not in heights and height != len(heights) + 1:
            violations.setdefault(entry.node, f"saw height {height} final after height {max(heights, default=0)}")
        heights.setdefault(height, set()).add(entry.block)
    for node, heights in zip(mesh.nodes, seen, strict=True):
        if node.final.height < max(heights, default=0):
            violations[node.index] = f"had seen height {max(heights)} final and now stands at {node.final.height}"
    return [Violation("finality_reverted", f"node {node} {what}") for node, what in sorted(violations.items())]


def check_followed(mesh: Mesh, adoptions: list[AdoptionRecord], finals: list[FinalRecord]) -> list[Violation]:
    """Nodes that have taken a block without what they had long seen final: their chain went back.

    Parameters
    ----------
    mesh : Mesh
        Nodes and blocks.
    adoptions, finals : list of records
        What each node has taken, and seen final, in the order of time.
    """
    final: dict[int, Block] = {}
    violations: dict[int, Violation] = {}
    waiting = iter([*finals, None])
    entry = next(waiting)
    for adoption in adoptions:
        while entry is not None and entry.at_ns < adoption.adopted_ns:
            block = mesh.blocks[entry.block]
            if entry.node not in final or block.height > final[entry.node].height:
                final[entry.node] = block
            entry = next(waiting)
        kept, taken = final.get(adoption.node), mesh.blocks[adoption.block]
        if kept is not None and taken.ancestor(kept.height) is not kept:
            what = f"node {adoption.node} took block {taken.index} without block {kept.index}, which it had seen final"
            violations.setdefault(adoption.node, Violation("disagreement", what))
    return [violations[node] for node in sorted(violations)]


def check_votes(votes: Sequence[VoteRecord], stakes: Sequence[int]) -> list[Violation]:
    """Nodes that vote against what they have promised: what two final blocks of one height would come from.

    Parameters
    ----------
    votes : sequence of VoteRecord
        All votes that were cast, in the order of time.
    stakes : sequence of int
        Stake of each node.

    Notes
    -----
    A node votes once in a round and kind. It precommits what more than two thirds of the stake prevoted in the same
    round, and from then on prevotes nothing else, unless as many prevoted that in a later round.
    """
    prevoted: dict[tuple[int, int, int], set[int]] = {}
    cast: dict[tuple[int, int, int, str], int] = {}
    promised: dict[tuple[int, int], tuple[int, int]] = {}
    violations: dict[int, Violation] = {}

    def majority(height: int, vote_round: int, block: int) -> bool:
        return 3 * sum(stakes[node] for node in prevoted.get((height, vote_round, block), ())) > 2 * sum(stakes)

    for vote in votes:
        said = (
            f"node {vote.node} {_PAST[vote.kind]} block {vote.block} in round {vote.vote_round} of height {vote.height}"
        )
        wrong = None
        if cast.setdefault((vote.node, vote.height, vote.vote_round, vote.kind), vote.block) != vote.block:
            wrong = f"{said}, and another block too"
        elif vote.kind == PRECOMMIT:
            if not majority(vote.height, vote.vote_round, vote.block):
                wrong = f"{said} without a majority of prevotes"
            promised[vote.node, vote.height] = (vote.vote_round, vote.block)
        else:
            since, block = promised.get((vote.node, vote.height), (-1, vote.block))
            later = range(since + 1, vote.vote_round + 1)
            if block != vote.block and not any(majority(vote.height, at, vote.block) for at in later):
                wrong = f"{said}, having precommitted block {block} in round {since}"
            prevoted.setdefault((vote.height, vote.vote_round, vote.block), set()).add(vote.node)
        if wrong is not None:
            violations.setdefault(vote.node, Violation("disagreement", wrong))
    return [violations[node] for node in sorted(violations)]
