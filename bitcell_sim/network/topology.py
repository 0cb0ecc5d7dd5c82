"""Who is whose peer: bootstrap lists, discovery, and the mesh that comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.config.schema import Deployment

if TYPE_CHECKING:
    import networkx as nx

    from bitcell_sim.kernels.arrays import Flags


def bootstrap_graph(deployment: Deployment) -> nx.DiGraph[str]:
    """Who dials whom at first start."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(node.id for node in deployment.node)
    graph.add_edges_from((node.id, target) for node in deployment.node for target in node.bootstrap)
    return graph


def settled_peers(deployment: Deployment) -> Flags:
    """Connections once discovery has settled: everyone who can be found, up to the peer limit.

    Returns
    -------
    ndarray of uint8, shape (nodes, nodes)
        Symmetric. Nodes of one connected part of the bootstrap graph find each other; with more nodes than the limit
        each keeps its neighbours on a ring of growing steps, so that the mesh stays connected.
    """
    import networkx as nx

    index = {node.id: i for i, node in enumerate(deployment.node)}
    n = len(index)
    peers = np.zeros((n, n), np.uint8)
    for part in nx.weakly_connected_components(bootstrap_graph(deployment)):
        members = sorted(index[name] for name in part)
        size = len(members)
        reach = min(size - 1, deployment.peer_limit)
        for position, node in enumerate(members):
            for step in range(1, size // 2 + 1):
                if 2 * step - 1 > reach:
                    break
                other = members[(position + step) % size]
                peers[node, other] = peers[other, node] = 1
    np.fill_diagonal(peers, 0)
    return peers
