"""Slow, obvious twin of ``ballots``: it goes through the votes in the order of their arrival."""

from __future__ import annotations

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.mempool import NEVER


def quorum_ns(ballot: Ints, node: int, stakes: Ints, quorum: int) -> int:
    """When the stake of the votes that have arrived at a node reaches a quorum, nanoseconds; NEVER if it does not."""
    stake = 0
    for at_ns, voter in sorted((int(ballot[voter, node]), voter) for voter in range(len(stakes))):
        stake += int(stakes[voter])
        if at_ns < NEVER and stake >= quorum:
            return at_ns
    return NEVER


def file_vote(
    ballot: Ints, voter: int, cast_ns: int, nodes: Ints, arrivals_ns: Ints, stakes: Ints, quorum: int, sooner: Ints
) -> int:
    """Note when a vote arrives, and find the nodes that now see a quorum sooner; see the kernel."""
    ballot[voter, voter] = min(ballot[voter, voter], cast_ns)
    for node, at_ns in zip(nodes.tolist(), arrivals_ns.tolist(), strict=True):
        if at_ns >= 0:
            ballot[voter, node] = min(ballot[voter, node], at_ns)
    times = [quorum_ns(ballot, node, stakes, quorum) for node in range(len(stakes))]
    changed = [node for node, at_ns in enumerate(times) if at_ns < ballot[-1, node]]
    for place, node in enumerate(changed):
        ballot[-1, node] = times[node]
        sooner[place] = node
    return len(changed)
