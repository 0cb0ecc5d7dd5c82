"""Votes of first rounds under way: nodes are woken when the votes that have arrived can change something.

Most votes change nothing when they arrive: one more for a block that lacks a quorum yet, or that has one already. So a
vote of a first round is no event of its own. It is noted here when it arrives where, and a node is woken at the moment
at which a quorum has arrived; then it counts all that has. What nodes do is the same as if each vote were an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import Vote, VoteKind, quorum_stake
from bitcell_sim.kernels.ballots import file_vote, quorum_ns
from bitcell_sim.kernels.compiling import entry
from bitcell_sim.kernels.mempool import NEVER

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints


class Ballots:
    """Who gets which vote of a first round when.

    Parameters
    ----------
    stakes : sequence of int
        Stake of every node.
    """

    def __init__(self, stakes: Sequence[int]) -> None:
        self._stakes = np.array(stakes, np.int64)
        self._quorum = quorum_stake(stakes)
        self._ballots: dict[int, dict[Block, Ints]] = {}  # by height and block: kind, voter (and the quorum), node
        self._sooner = np.empty(len(stakes), np.int64)
        some = np.empty(0, np.int64)
        self._file = entry(file_vote, self._new()[0], 0, 0, some, some, self._stakes, self._quorum, self._sooner)

    def file(
        self, kind: VoteKind, block: Block, voter: int, now_ns: int, nodes: Ints, arrivals_ns: Ints
    ) -> list[tuple[int, int]]:
        """Note a vote that has been cast.

        Parameters
        ----------
        kind, block, voter
            The vote.
        now_ns : int
            When it is cast, nanoseconds.
        nodes, arrivals_ns : ndarray of int64, shape (n,)
            Where it arrives, and when; -1 for never.

        Returns
        -------
        list of (int, int)
            Nodes that see a quorum sooner than before, and when.
        """
        at_height = self._ballots.setdefault(block.height, {})
        if block not in at_height:
            at_height[block] = self._new()
        ballot = at_height[block][kind]
        found = self._file(ballot, voter, now_ns, nodes, arrivals_ns, self._stakes, self._quorum, self._sooner)
        return [(node, ballot.item(-1, node)) for node in self._sooner[:found].tolist()] if found else []

    def first_only(self, kind: VoteKind, block: Block, voter: int) -> list[tuple[Block, int, int, int]]:
        """Take back, node by node, the later of two votes of one voter for different blocks: it counts for nothing.

        Parameters
        ----------
        kind, block, voter
            A vote just noted.

        Returns
        -------
        list of (Block, int, int, int)
            What was taken back: its block, the node, and when it arrives there and the earlier one did, nanoseconds.
        """
        back = []
        at_height = self._ballots[block.height]
        for other in at_height:
            if other is block:
                continue
            one, two = at_height[block][kind], at_height[other][kind]
            for node in np.flatnonzero((one[voter] < NEVER) & (two[voter] < NEVER)).tolist():
                later, ballot = (block, one) if one[voter, node] >= two[voter, node] else (other, two)
                first_ns, at_ns = sorted((one.item(voter, node), two.item(voter, node)))
                self._drop(ballot, node, [voter])
                back.append((later, node, at_ns, first_ns))
        return back

    def blocks(self, height: int) -> list[Block]:
        """Blocks of a height that have been voted on."""
        return list(self._ballots.get(height, ()))

    def heights(self, above: int) -> list[int]:
        """Heights above one that have been voted on, ascending."""
        return sorted(height for height in self._ballots if height > above)

    def arrived(self, kind: VoteKind, block: Block, node: int, now_ns: int) -> list[int]:
        """Voters whose vote has arrived at a node by now, in the order of arrival."""
        ballot = self._ballots.get(block.height, {}).get(block)
        if ballot is None:
            return []
        arrivals = ballot[kind, :-1, node].tolist()
        return [voter for at, voter in sorted(zip(arrivals, range(len(arrivals)), strict=True)) if at <= now_ns]

    def quorum_ns(self, kind: VoteKind, block: Block, node: int) -> int:
        """When a node sees a quorum, nanoseconds; NEVER without enough votes under way, or for a forgotten block."""
        ballot = self._ballots.get(block.height, {}).get(block)
        return NEVER if ballot is None else int(ballot.item(kind, -1, node))

    def votes(self, height: int, node: int, now_ns: int) -> list[Vote]:
        """Votes of the first round at a height that have arrived at a node by now."""
        return [
            Vote(kind, height, 0, block, voter)
            for block in self.blocks(height)
            for kind in VoteKind
            for voter in self.arrived(kind, block, node, now_ns)
        ]

    def due(self, block: Block, node: int, now_ns: int) -> list[tuple[int, int]]:
        """Voters whose votes will arrive at a node, and when, nanoseconds."""
        kinds = self._ballots[block.height][block][:, :-1, node].tolist()
        return [(voter, at) for arrivals in kinds for voter, at in enumerate(arrivals) if now_ns < at < NEVER]

    def lose(self, kind: VoteKind, block: Block, node: int, voters: Sequence[int]) -> int:
        """Votes that came while a node was down never arrived: give when it sees a quorum without them."""
        ballot = self._ballots[block.height][block][kind]
        self._drop(ballot, node, voters)
        return int(ballot[-1, node])

    def _drop(self, ballot: Ints, node: int, voters: Sequence[int]) -> None:
        ballot[list(voters), node] = NEVER
        ballot[-1, node] = quorum_ns(ballot, node, self._stakes, self._quorum)

    def forget_below(self, height: int) -> None:
        """Drop the heights below one."""
        for old in [at for at in self._ballots if at < height]:
            del self._ballots[old]

    def _new(self) -> Ints:
        count = len(self._stakes)
        return np.full((len(VoteKind), count + 1, count), NEVER, np.int64)
