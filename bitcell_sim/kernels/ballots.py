"""Votes under way: when what arrives at each node reaches a quorum. ``ballots_plain`` holds the slow twin."""

from __future__ import annotations

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import kernel
from bitcell_sim.kernels.mempool import NEVER


@kernel
def quorum_ns(ballot: Ints, node: int, stakes: Ints, quorum: int) -> int:
    """When the stake of the votes that have arrived at a node reaches a quorum, nanoseconds; NEVER if it does not."""
    count = stakes.shape[0]
    sent = 0
    for voter in range(count):
        if ballot[voter, node] < NEVER:
            sent += stakes[voter]
    if sent < quorum:
        return NEVER
    earliest = NEVER
    for last in range(count):
        at = ballot[last, node]
        if at >= earliest:
            continue
        stake = 0
        for voter in range(count):
            if ballot[voter, node] <= at:
                stake += stakes[voter]
        if stake >= quorum:
            earliest = at
    return earliest


@kernel
def file_vote(
    ballot: Ints, voter: int, cast_ns: int, nodes: Ints, arrivals_ns: Ints, stakes: Ints, quorum: int, sooner: Ints
) -> int:
    """Note when a vote arrives, and find the nodes that now see a quorum sooner.

    Parameters
    ----------
    ballot : ndarray of int64, shape (voters + 1, nodes)
        When each vote for one block arrives at each node, nanoseconds, NEVER where none is under way; the last row says
        when each node sees a quorum. Changed in place.
    voter : int
        Whose vote.
    cast_ns : int
        When it is cast, and so counted by its voter.
    nodes, arrivals_ns : ndarray of int64, shape (n,)
        Where it arrives, and when; -1 for never.
    stakes : ndarray of int64, shape (voters,)
        Weight of each vote.
    quorum : int
        Stake that decides.
    sooner : ndarray of int64, shape (nodes,)
        Takes the nodes.

    Returns
    -------
    int
        How many nodes `sooner` names.
    """
    count = stakes.shape[0]
    ballot[voter, voter] = min(ballot[voter, voter], cast_ns)
    for i in range(nodes.shape[0]):
        if arrivals_ns[i] >= 0:
            ballot[voter, nodes[i]] = min(ballot[voter, nodes[i]], arrivals_ns[i])
    found = 0
    for node in range(count):
        if ballot[voter, node] < ballot[count, node]:
            at = quorum_ns(ballot, node, stakes, quorum)
            if at < ballot[count, node]:
                ballot[count, node] = at
                sooner[found] = node
                found += 1
    return found
