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
    trust = mesh.ledger.trust
    for block in (mesh.genesis, *final_chain):
        at_ns = int(finals[block.index].min()) if block.height else 0
        for node, standing in enumerate(mesh.ledger.at(block).standings):
            score = trust.score(standing)
            yield TrustRecord(
                node=node,
                height=block.height,
                block=block.index,
                evidence=" ".join(kind for who, kind in block.evidence if who == node),
                positive=standing.positive,
                negative=standing.negative,
                trust=score,
                status=trust.status(score),
                ban_end_height=standing.ban_end,
                suggested_ban_epochs=trust.suggested_ban_epochs(score),
                stake=mesh.deployment.node[node].stake * standing.stake_ratio,
                at_ns=at_ns,
            )
