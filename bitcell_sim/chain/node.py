"""One node: it mines in rounds, checks blocks, votes, proves, crashes and comes back.

Life cycle: ``start`` (process up, peers dialled) - ``live`` (round after round for the height above its head) - any
block that it adopts interrupts the round and begins the next height - ``crash`` ends the process and what was in
memory. The chain, the lock and the votes it has cast are on its disk and survive.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import simpy

from bitcell_sim.chain.block import Block, check_core_s
from bitcell_sim.chain.block_proofs import BlockProofs
from bitcell_sim.chain.contest import Contest
from bitcell_sim.chain.fork_choice import fork_point, heavier, heaviest, keeps
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.miners import halves
from bitcell_sim.chain.records import AdoptionRecord, FinalRecord, RoundRecord
from bitcell_sim.chain.recovery import NOBODY, Download, WayBack
from bitcell_sim.chain.voter import ATTEMPTS_MAX, Voter
from bitcell_sim.hosts.machine import Machine, Outcome, Priority, core_rate
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.network.transport import Kind
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import ms_to_ns, seconds_to_ns

Steps = Generator[simpy.Event, Any, None]


class Node:
    """A validator that also mines, proves and serves.

    Parameters
    ----------
    mesh : Mesh
        What it shares with the others.
    index : int
        Its place in the deployment.
    machine : Machine
        Cores and memory.
    proofs : BlockProofs or None
        The proofs of its blocks; none where the protocol has none.
    """

    def __init__(self, mesh: Mesh, index: int, machine: Machine, proofs: BlockProofs | None) -> None:
        self.mesh = mesh
        self.index = index
        self.machine = machine
        self.proofs = proofs
        self.head = self.final = mesh.genesis
        self.checked: set[Block] = {mesh.genesis}
        self.download = Download(self)
        self.synced = True
        self.way_back = WayBack(self)
        self.voter = Voter(self)
        self._recent: list[Block] = []  # checked blocks above the final height
        self._checking: dict[Block, int] = {}  # when each was received
        self._orphans: dict[Block, list[Block]] = {}
        self._waiting: set[Block] = set()  # orphans
        self._reveals: dict[tuple[int, int], dict[int, int]] = {}  # arrival by miner
        self._commits: dict[tuple[int, int], tuple[int, ...]] = {}  # peers that this node has committed to
        self.accused: set[int] = set()  # nodes that this one can prove to have equivocated
        self._process: simpy.Process | None = None
        clock = Stream.of(mesh.seed, "hosts.clock")
        self.clock_offset_ns = ms_to_ns(mesh.deployment.clock_offset_sigma_ms * clock.normal(index))

    # ------------------------------------------------------------------------------------------ life

    def start(self, delay_ns: int = 0) -> None:
        """Begin to mine after a delay."""
        self._process = self.mesh.env.process(self._live(delay_ns))

    def crash(self) -> None:
        """Lose the process and its memory; the caller has set the node's state."""
        if self._process is not None and self._process.is_alive:
            self._process.interrupt("crash")
        self._process = None
        self.machine.crash()
        self.download.stop()
        self.voter.crash()
        self._reveals.clear()
        self._checking.clear()
        self._orphans.clear()
        self._waiting.clear()
        self.mesh.plane.crash(self.index, self.mesh.now)

    def reboot(self) -> None:
        """The process is up again, empty, with its chain from disk; its peers are being dialled."""
        if self.mesh.protocol.quirks.chain_in_memory:
            self._lose_chain()
        self.synced = False
        self.mesh.plane.boot(self.index, self.mesh.now)
        self.way_back.begin()
        self.voter.reboot()

    def _lose_chain(self) -> None:
        """Begin at the genesis again, without votes and lock: they were in the memory of the process."""
        for block in self.head.chain(1):
            self.mesh.plane.restore(self.index, block.rows, self.mesh.now)
        self.head = self.final = self.mesh.genesis
        self.checked = {self.mesh.genesis}
        self._recent = []
        self.voter.forget()

    def caught_up(self) -> None:
        """The head is the network's: take part again."""
        self.synced = True
        self.way_back.reach("synced")
        self.way_back.look_at_pool()
        for block in sorted(filter(self._stands_on_final, self._recent), key=lambda at: (at.height, at.index)):
            self.voter.take_block(block)
        for peer in self.mesh.peers(self.index):
            self.voter.repeat(peer)
        if self._process is None:
            self.start(self._round_ns())  # the round that is going on has its reveals: join at the next head

    def _live(self, delay_ns: int) -> Steps:
        try:
            yield self.mesh.env.timeout(delay_ns)
        except simpy.Interrupt as interrupt:
            if interrupt.cause == "crash":
                return
        while True:
            height, attempt = self.head.height + 1, 0
            try:
                while self.head.height == height - 1:
                    yield from self._round(height, attempt)
                    attempt += 1
            except simpy.Interrupt as interrupt:
                if interrupt.cause == "crash":
                    return

    # ----------------------------------------------------------------------------------------- rounds

    def _round(self, height: int, attempt: int) -> Steps:
        """One attempt at a height: commit, reveal, battle, pause, and either the block or the wait for it."""
        timing, env, start = self.mesh.protocol.round, self.mesh.env, self.mesh.now
        name = height * ATTEMPTS_MAX + attempt
        enters = self.index in self.mesh.ledger.at(self.head).eligible
        if enters:
            self._commit(height, attempt, name)
        yield env.timeout(seconds_to_ns(timing.commit_s))
        if enters and self.mesh.miners.reveals(height, attempt, self.index):
            self._reveal(height, attempt, name)
        yield env.timeout(seconds_to_ns(timing.reveal_s))
        reveal_end = self.mesh.now
        miners = self._revealed(height, attempt)
        contest = self.mesh.arena.fight(height, attempt, miners) if miners else None
        yield from self._battle(max(len(miners) - 1, 0))
        battle_end, winner = self.mesh.now, contest.winner if contest else NOBODY
        self.mesh.record(RoundRecord(self.index, height, attempt, start, reveal_end, battle_end, winner, len(miners)))
        yield env.timeout(seconds_to_ns(timing.pause_s) + self._until_interval(timing.pause_s))
        if contest and winner == self.index and self.mesh.miners.publishes(height, attempt, self.index):
            yield from self._make_block(height, attempt, contest)
            if self.head.height >= height:
                return
        yield env.timeout(seconds_to_ns(timing.block_timeout_s))

    def _round_ns(self) -> int:
        """Longest that a round of all nodes takes, nanoseconds."""
        timing, battle = self.mesh.protocol.round, self.mesh.protocol.battle
        engine = battle.engines[battle.engine]
        battle_s = engine.core_s * (len(self.mesh.nodes) - 1) / core_rate(self.machine.cores, engine.serial_fraction)
        phases_s = timing.commit_s + timing.reveal_s + timing.pause_s + timing.block_timeout_s
        return seconds_to_ns(phases_s + max(battle_s, timing.block_interval_s))

    def _until_interval(self, pause_s: float) -> int:
        """Nanoseconds to the next multiple of the block interval on the node's own clock, after the pause."""
        interval = seconds_to_ns(self.mesh.protocol.round.block_interval_s)
        if interval == 0:
            return 0
        clock = self.mesh.now + seconds_to_ns(pause_s) + self.clock_offset_ns
        return -clock % interval

    def _commit(self, height: int, attempt: int, name: int) -> None:
        """Commit to all peers; nobody waits for it, and at the end of the reveal phase it is there."""
        peers = self._commits[height, attempt] = self.mesh.peers(self.index)
        if peers:
            self.mesh.transport.notify(Kind.COMMIT, self.index, peers, name, self.mesh.protocol.wire.commit_bytes)

    def _reveal(self, height: int, attempt: int, name: int) -> None:
        """Reveal to all peers; each keeps when it arrived, and asks at the end of its own reveal phase."""
        self._reveals.setdefault((height, attempt), {})[self.index] = self.mesh.now
        peers = self.mesh.peers(self.index)
        if not peers:
            return
        size = self.mesh.protocol.wire.reveal_bytes
        arrivals = self.mesh.transport.arrivals_ns(Kind.REVEAL, self.index, peers, name, size)
        for peer, at_ns in zip(peers, arrivals, strict=True):
            if at_ns >= 0:
                self.mesh.nodes[peer].take_reveal(height, attempt, self.index, at_ns)

    def take_reveal(self, height: int, attempt: int, miner: int, at_ns: int) -> None:
        """Note a reveal that is under way to this node; a crash before it arrives forgets it."""
        if height > self.head.height:
            self._reveals.setdefault((height, attempt), {})[miner] = at_ns

    def _revealed(self, height: int, attempt: int) -> tuple[int, ...]:
        boot_ns = int(self.mesh.state.boot_ns[self.index])
        arrived = self._reveals.get((height, attempt), {})
        eligible = self.mesh.ledger.at(self.head).eligible
        return tuple(miner for miner in eligible if boot_ns <= arrived.get(miner, NEVER) <= self.mesh.now)

    def _committed(self, height: int, attempt: int) -> list[int]:
        """Nodes whose commitment this one has."""
        place, nodes = (height, attempt), self.mesh.nodes
        return [node.index for node in nodes if self.index in node._commits.get(place, ())]

    def _battle(self, battle_count: int) -> Steps:
        if battle_count == 0:
            return
        battle = self.mesh.protocol.battle
        engine = battle.engines[battle.engine]
        work = self.machine.work(engine.core_s * battle_count, Priority.BATTLE, serial_ratio=engine.serial_fraction)
        try:
            yield work
        except simpy.Interrupt:
            self.machine.cancel(work)
            raise

    def _make_block(self, height: int, attempt: int, contest: Contest) -> Steps:
        if self.mesh.protocol.quirks.signature_mismatch and self.mesh.plane.pending(self.index, self.mesh.now):
            return
        miner_count = len(contest.miners)
        evidence = self.mesh.ledger.testimony(self.head, contest, self._committed(height, attempt), self.accused)
        place = (height, attempt, self.index, self.head, miner_count, evidence)
        block = self.mesh.build(*place)
        if self.proofs is not None and not (yield from self.proofs.complete(block)):
            return  # no proofs, no block: the attempt lapses
        peers = self.mesh.peers(self.index)
        if self.mesh.miners.equivocates(height, self.index):
            one, other = halves(peers)
            self._publish(block, one)
            self._publish(self.mesh.build(*place, twin=True), other)
        else:
            self._publish(block, peers)
        if self.proofs is not None:
            self.proofs.follow(block)

    def _publish(self, block: Block, peers: Sequence[int]) -> None:
        for peer in peers:
            self.mesh.transport.send(
                Kind.BLOCK, self.index, peer, block.index, block.size_bytes, self._on_block_sent, block, self.index
            )
        self._checking[block] = self.mesh.now
        self._accept(block)

    # ----------------------------------------------------------------------------------------- blocks

    def _on_block_sent(self, target: int, block: Block, source: int) -> None:
        self.mesh.nodes[target].take_block(block, source)

    def knows(self, block: Block) -> bool:
        """Whether it has the block, checked or not."""
        return block in self.checked or block in self._checking or block in self._waiting

    def lacks(self, block: Block) -> bool:
        """Whether the block, or one that it waits for, is neither checked nor being checked."""
        while block in self._waiting and block.parent is not None:
            block = block.parent
        return block not in self.checked and block not in self._checking

    def take_block(self, block: Block, source: int) -> None:
        """Check a block that has arrived, once its parent has been."""
        if self.knows(block):
            return
        assert block.parent is not None
        if block.parent not in self.checked:
            self._orphans.setdefault(block.parent, []).append(block)
            self._waiting.add(block)
            if self.lacks(block):  # again with every block on top of what is missing: the last question may be lost
                self.download.hear(source, block, self.final)
            return
        self._checking[block] = self.mesh.now
        work = self.machine.work(self.check_core_s(block), Priority.VALIDATION, serial_ratio=0.0)
        assert work.callbacks is not None
        work.callbacks.append(lambda _: self._on_checked(work.outcome, block))

    def check_core_s(self, block: Block) -> float:
        """Core-seconds to check a block."""
        return check_core_s(self.mesh.protocol, len(block.rows), block.miner_count - 1)

    def _on_checked(self, outcome: Outcome | None, block: Block) -> None:
        if outcome is Outcome.DONE and block in self._checking:
            self._accept(block)

    def _accept(self, block: Block) -> None:
        """Take a checked block: tell those who lack it, vote, follow it if it is the better chain."""
        received = self._checking.pop(block)
        self.checked.add(block)
        if block.height > self.final.height:
            self._recent.append(block)
        self._announce(block)
        checked_at = self.mesh.now
        if self._compatible(block):
            if heavier(block, self.head):
                self._adopt(block)
            self.mesh.record(AdoptionRecord(self.index, block.index, received, checked_at, self.mesh.now))
        if self.synced and self._stands_on_final(block):
            self.voter.take_block(block)  # also one beside the lock, which a later majority may move to it
        for child in self._orphans.pop(block, []):
            self._waiting.discard(child)
            self.take_block(child, child.builder)
        self.download.on_checked(block)

    def _announce(self, block: Block) -> None:
        """Offer the block to peers; to those who have it already the offer is counted and changes nothing."""
        peers = tuple(peer for peer in self.mesh.peers(self.index) if peer != block.builder)
        if not peers:
            return
        size = self.mesh.protocol.wire.announce_bytes
        if all(self.mesh.nodes[peer].knows(block) for peer in peers):
            self.mesh.transport.notify(Kind.ANNOUNCE, self.index, peers, block.index, size)
            return
        arrivals = self.mesh.transport.arrivals_ns(Kind.ANNOUNCE, self.index, peers, block.index, size)
        for peer, at_ns in zip(peers, arrivals, strict=True):
            if at_ns >= 0:
                self.mesh.nodes[peer].download.hear_of(block, self.index, at_ns)

    def _compatible(self, block: Block) -> bool:
        """Whether a chain keeps what is final and what is locked."""
        return keeps(block, self.final, self.voter.locks(self.final.height))

    def _stands_on_final(self, block: Block) -> bool:
        return block.height > self.final.height and block.ancestor(self.final.height) is self.final

    def _adopt(self, block: Block) -> None:
        """Make a block the head: give back what the old branch held, take out what the new one holds."""
        fork = fork_point(self.head, block)
        now = self.mesh.now
        for left in self.head.chain(fork.height + 1):
            self.mesh.plane.restore(self.index, left.rows, now)
        for joined in reversed(list(block.chain(fork.height + 1))):
            self.mesh.plane.include(self.index, joined.rows, now)
        other_height = block.height != self.head.height  # lower where the chain that must be kept is shorter
        self.head = block
        self.way_back.look_at_pool()
        for key in [key for key in self._reveals if key[0] <= block.height]:
            del self._reveals[key]
        if other_height and self._process is not None and self.mesh.env.active_process is not self._process:
            self._process.interrupt("head")

    # ----------------------------------------------------------------------------------------- peers

    def on_connected(self, peer: int) -> None:
        """Tell a new peer where this node stands, and repeat the votes that it may lack."""
        self.way_back.count_peers()
        self.tell(peer)
        if self.synced:
            self.voter.repeat(peer)

    def tell(self, peer: int) -> None:
        """Tell a peer this node's head and what is final, with the precommits that show it."""
        size, now = self.mesh.protocol.wire.announce_bytes, self.mesh.now
        status = (self.index, self.head, self.final)
        self.mesh.transport.send(Kind.STATUS, self.index, peer, now, size, self._on_status, *status)

    def _on_status(self, target: int, source: int, head: Block, final: Block) -> None:
        self.mesh.nodes[target].download.hear(source, head, final)

    def finalise(self, block: Block, vote_round: int) -> None:
        """A block, and with it its ancestors, cannot be undone any more."""
        if block.height <= self.final.height:
            return
        newly_final = reversed(list(block.chain(self.final.height + 1)))
        for ancestor in newly_final:
            self.mesh.record(FinalRecord(self.index, ancestor.index, self.mesh.now, vote_round))
        self.final = block
        self._recent = [other for other in self._recent if other.height > block.height]
        self._commits = {place: peers for place, peers in self._commits.items() if place[0] > block.height}
        self.voter.forget_below(block.height)
        self.follow(block)
        self.voter.begin()

    def follow(self, kept: Block) -> None:
        """Move to the best chain that keeps a block just locked or final, if the head does not."""
        if not self._compatible(self.head):
            self._adopt(heaviest(filter(self._compatible, self._recent), kept))
