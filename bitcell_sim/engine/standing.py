"""What the final chain holds of every miner, as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.records import TrustRecord

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints


def trust_records(mesh: Mesh, final_chain: Sequence[Block], finals: Ints) -> Iterator[TrustRecord]:
    """Every miner at the start and after every final block.

    Parameters
    ----------
    mesh : Mesh
        Ledger and deployment.
    final_chain : sequence of Block
        Blocks that a node has seen final.
    finals : ndarray of int64, shape (blocks, nodes)
        When each node saw each block final, nanoseconds.
    """
    trust, stakes = mesh.ledger.trust, [node.stake for node in mesh.deployment.node]
    for block in (mesh.genesis, *final_chain):
        at_ns = int(finals[block.index].min()) if block.height else 0
        said: list[list[str]] = [[] for _ in stakes]
        for node, kind in block.evidence:
            said[node].append(kind)
        state = mesh.ledger.at(block)
        for node, (standing, score) in enumerate(zip(state.standings, state.scores, strict=True)):
            yield TrustRecord(
                node,
                block.height,
                block.index,
                " ".join(said[node]),
                standing.positive,
                standing.negative,
                score,
                trust.status(score),
                standing.ban_end,
                trust.suggested_ban_epochs(score),
                stakes[node] * standing.stake_ratio,
                at_ns,
            )
