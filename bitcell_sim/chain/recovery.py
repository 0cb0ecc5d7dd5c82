"""How a node comes back: the stages of its way, and how it catches up.

It hears of blocks it lacks, asks a peer for them, checks them and follows. A peer that connects tells its head and what
is final (a certificate: the precommits). A node that is behind downloads the missing blocks of that chain from it, some
at a time, over the real link, and checks each. An answer that does not come within the dial time-out is asked of
another peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.mempool import lacking
from bitcell_sim.chain.records import RecoveryRecord
from bitcell_sim.network.transport import Kind
from bitcell_sim.units import seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.chain.node import Node

NOBODY = -1


class WayBack:
    """Stages that a node's process reaches after it has started again, each noted once.

    Parameters
    ----------
    node : Node
        Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mesh = node.mesh
        self._due: set[str] = set()

    def crash(self) -> None:
        """Note the end of the process."""
        self._note("crash")

    def begin(self) -> None:
        """Note that the process is up: all other stages are ahead."""
        self._due = {"first-peer", "peers", "synced", "pool", "first-vote"}
        self._note("process")

    def reach(self, stage: str) -> None:
        """Note a stage, the first time that it is reached."""
        if stage in self._due:
            self._due.discard(stage)
            self._note(stage)

    def count_peers(self) -> None:
        """Note the first peer, and when there are enough."""
        if "peers" in self._due:
            self.reach("first-peer")
            if len(self._mesh.peers(self._node.index)) >= self._mesh.deployment.recovery.healthy_peers:
                self.reach("peers")

    def look_at_pool(self) -> None:
        """Note when the pool lacks nothing that waited elsewhere when the process started.

        No message asks a peer for its pool: what was sent meanwhile comes in blocks, what is sent from now on by
        gossip.
        """
        if "pool" in self._due and self._node.synced:
            index, now = self._node.index, self._mesh.now
            if not lacking(self._mesh.plane, index, int(self._mesh.state.boot_ns[index]), now):
                self.reach("pool")

    def _note(self, stage: str) -> None:
        heights = [node.head.height for node in self._mesh.nodes if self._mesh.is_up(node.index)]
        own = self._node.head.height
        progress = own / max(1, own, *heights)
        self._mesh.record(RecoveryRecord(self._node.index, stage, self._mesh.now, own, progress))


class Download:
    """Blocks that one node lacks, and the peer it is asking.

    Parameters
    ----------
    node : Node
        Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._mesh = node.mesh
        self._goals: dict[int, Block] = {}  # heads that peers have told
        self._expected: dict[Block, list[int]] = {}  # heard of, not here yet
        self._source = NOBODY
        self._told_final = node.mesh.genesis
        self._ask_number = 0  # an answer to an older question is late and ignored
        self._batch: set[Block] = set()  # received from the source, not checked yet

    def stop(self) -> None:
        """Forget everything: the process has died."""
        self._ask_number += 1
        self._source = NOBODY
        self._goals.clear()
        self._expected.clear()
        self._batch.clear()

    def hear_of(self, block: Block, peer: int, at_ns: int) -> None:
        """A peer's message that names a block arrives at a moment; for a block expected already, it adds the peer."""
        if block in self._expected:
            self._expected[block].append(peer)
        elif not self._knows(block):
            self._mesh.env.call_at(at_ns, self._expect, block, peer)

    def _knows(self, block: Block) -> bool:
        """Whether a block need not be asked for: it is there, or final ones have made it moot."""
        return block.height <= self._node.final.height or self._node.knows(block)

    def _expect(self, block: Block, peer: int) -> None:
        """Hear of a block from a peer: it may be under way; if it is not here soon, ask for it."""
        if self._knows(block) or not self._mesh.is_up(self._node.index):
            return
        if block in self._expected:
            self._expected[block].append(peer)
            return
        self._expected[block] = [peer]
        wait_ns = seconds_to_ns(self._mesh.deployment.recovery.dial_timeout_s)
        boot_ns = int(self._mesh.state.boot_ns[self._node.index])
        self._mesh.env.call_at(self._mesh.now + wait_ns, self._overdue, block, boot_ns)

    def hear(self, peer: int, head: Block, final: Block) -> None:
        """A peer tells its head and its final block."""
        self._goals[peer] = head
        if final in self._node.checked:
            self._node.finalise(final, 0)
        self._go_on()

    def on_checked(self, block: Block) -> None:
        """Go on when the last block of a batch, or the goal, has been checked."""
        if block in self._batch:
            self._batch.discard(block)
            if not self._batch:
                self._end_batch()
        self._go_on()

    def _end_batch(self) -> None:
        """All that the source sent is checked: take its word on what is final."""
        self._source = NOBODY
        if self._told_final in self._node.checked:
            self._node.finalise(self._told_final, 0)

    def _go_on(self) -> None:
        """Ask for the next goal that is missing; with none left, a node that came back has caught up."""
        if self._source != NOBODY:
            return
        for peer, goal in list(self._goals.items()):
            if self._node.lacks(goal):
                self._ask(peer)
                if self._source != NOBODY:
                    return
        if not self._node.synced and self._goals and all(goal in self._node.checked for goal in self._goals.values()):
            self._node.caught_up()

    def _overdue(self, block: Block, boot_ns: int) -> None:
        same_process = self._mesh.state.boot_ns[self._node.index] == boot_ns
        if not (same_process and self._mesh.is_up(self._node.index)):
            return
        peers = self._expected.pop(block, [])
        if self._node.knows(block):
            return
        self._node.voter.compare_notes(block.height)
        if self._source != NOBODY:
            return
        for peer in peers:
            if self._mesh.state.peers[self._node.index, peer]:
                self._goals[peer] = block
                self._ask(peer)
                return

    def _ask(self, peer: int) -> None:
        """Ask a peer for the blocks of its chain that this node lacks."""
        if not self._mesh.state.peers[self._node.index, peer]:
            self._goals.pop(peer, None)
            return
        self._source = peer
        self._ask_number += 1
        size = self._mesh.protocol.wire.announce_bytes
        ask = (self._goals[peer], self._ask_number)
        self._mesh.transport.send(Kind.REQUEST, self._node.index, peer, self._mesh.now, size, self._on_request, *ask)
        patience_ns = seconds_to_ns(self._mesh.deployment.recovery.dial_timeout_s)
        self._mesh.env.call_at(self._mesh.now + patience_ns, self._give_up, self._ask_number)

    def _on_request(self, peer: int, goal: Block, ask_number: int) -> None:
        """The peer answers with the oldest blocks that the asker lacks, unless it does not have the goal itself."""
        if not self._mesh.nodes[peer].knows(goal):
            return
        missing = [block for block in goal.chain(1) if block not in self._node.checked]
        some = missing[::-1][: self._mesh.deployment.recovery.blocks_per_request]
        size = self._mesh.protocol.wire.announce_bytes + sum(block.size_bytes for block in some)
        name = self._mesh.now
        answer = (some, self._mesh.nodes[peer].final, ask_number)
        self._mesh.transport.send(Kind.DOWNLOAD, peer, self._node.index, name, size, self._on_blocks, *answer)

    def _on_blocks(self, target: int, blocks: list[Block], final: Block, ask_number: int) -> None:
        if ask_number != self._ask_number or self._source == NOBODY:
            return
        self._ask_number += 1
        peer, self._told_final = self._source, final
        self._batch = {block for block in blocks if block not in self._node.checked}
        if not self._batch:
            self._end_batch()
            self._go_on()
        for block in blocks:
            self._node.take_block(block, peer)

    def _give_up(self, ask_number: int) -> None:
        """The answer did not come: ask another."""
        if ask_number != self._ask_number or self._source == NOBODY:
            return
        self._goals.pop(self._source, None)
        self._source = NOBODY
        self._go_on()
