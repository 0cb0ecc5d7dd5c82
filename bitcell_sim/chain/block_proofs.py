"""The proofs of the blocks that one node builds: asked for, waited for or sent after, and checked by who gets them.

A block that carries its proofs (``inline``) is complete when they are; one that does not (``pipelined``) is sent at
once, and each proof, or the one aggregate of them, follows to the builder's peers when it is done. What is not done
(killed, lost) is not sent; nothing but the count of missing proofs comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import simpy

from bitcell_sim.chain.block import Block, proof_load
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.chain.voter import ATTEMPTS_MAX
from bitcell_sim.hosts.machine import Outcome, Priority
from bitcell_sim.network.transport import Kind
from bitcell_sim.proving.prover import ProofJob, ProofRecord, Prover, ProverPool
from bitcell_sim.proving.site import aggregate_cost
from bitcell_sim.random_streams import Stream

AGGREGATE = -1  # in the place of a battle's number
_BATTLES_MAX = 1 << 16  # names of messages: block, then battle


class BlockProofs:
    """Proofs of one builder's blocks.

    Parameters
    ----------
    mesh : Mesh
        What it shares with the others.
    node : int
        The builder.
    prover : Prover
        Who proves battles.
    aggregator : ProverPool or None
        Who makes one proof of them, on the builder's own cores; none where they stay single.
    noise : callable
        Factor on a proof's time for a standard normal draw.
    """

    def __init__(
        self,
        mesh: Mesh,
        node: int,
        prover: Prover,
        aggregator: ProverPool | None,
        noise: Callable[[float], float],
    ) -> None:
        self._mesh = mesh
        self._node = node
        self._prover = prover
        self._aggregator = aggregator
        self._noise = noise
        self._draws = Stream.of(mesh.seed, "proving.noise")

    @property
    def open_count(self) -> int:
        """Jobs that have not ended."""
        return self._prover.open_count + (self._aggregator.open_count if self._aggregator else 0)

    def unfinished(self) -> list[ProofRecord]:
        """Jobs that have not ended, as records without an end."""
        return [*self._prover.unfinished(), *(self._aggregator.unfinished() if self._aggregator else [])]

    def complete(self, block: Block) -> Generator[simpy.Event, Any, bool]:
        """Have a new block proved if it carries its proofs; yields until it can be sent.

        Returns
        -------
        bool
            Whether it can: not if it has to carry proofs and one of them was killed or lost.
        """
        if self._mesh.protocol.proof.mode != "inline":
            return True
        return (yield from self._wait(block, self._ask(block)))

    def follow(self, block: Block) -> None:
        """Have a block that was just sent proved, if it did not wait for that; the proofs follow it."""
        if self._mesh.protocol.proof.mode != "pipelined":
            return
        jobs = self._ask(block)
        if self._aggregator is None:
            for job in jobs:
                assert job.callbacks is not None
                job.callbacks.append(partial(self._on_end, block, job))
        elif jobs:
            self._mesh.env.process(self._aggregate_late(block, jobs))

    def _ask(self, block: Block) -> list[ProofJob]:
        """Ask for a proof of each battle that is proved, the last ones of the tournament."""
        battles = block.miner_count - 1
        jobs = []
        for battle in range(battles - proof_load(self._mesh.protocol, battles).count, battles):
            noise = self._noise(self._draws.normal(block.height * ATTEMPTS_MAX + block.attempt, battle))
            jobs.append(self._prover.submit((block.index, battle), noise_factor=noise))
        return jobs

    def _wait(self, block: Block, jobs: list[ProofJob]) -> Generator[simpy.Event, Any, bool]:
        """Wait for all proofs of a block, then for the aggregate of them; False if one of these is not done."""
        last: ProofJob | None = None
        try:
            yield simpy.AllOf(self._mesh.env, jobs)
            if any(job.value is not Outcome.DONE for job in jobs):
                return False
            if self._aggregator is None or not jobs:
                return True
            proof = self._mesh.protocol.proof
            cost = aggregate_cost(proof.aggregations[proof.aggregation], len(jobs))
            last = self._aggregator.submit((block.index, AGGREGATE), cost=cost)
            yield last
            return last.value is Outcome.DONE
        except simpy.Interrupt:  # the height has its block
            for job in jobs:
                self._prover.cancel(job)
            if self._aggregator is not None and last is not None:
                self._aggregator.cancel(last)
            raise

    def _aggregate_late(self, block: Block, jobs: list[ProofJob]) -> Generator[simpy.Event, Any, None]:
        if (yield from self._wait(block, jobs)):
            self._send(block, AGGREGATE)

    def _on_end(self, block: Block, job: ProofJob, _: simpy.Event) -> None:
        if job.value is Outcome.DONE:
            assert isinstance(job.label, tuple), "proofs are named (block, battle)"
            self._send(block, job.label[1])

    def _send(self, block: Block, battle: int) -> None:
        """Send a late proof to all peers, who check it."""
        load = proof_load(self._mesh.protocol, block.miner_count - 1)
        name = block.index * _BATTLES_MAX + battle + 1
        for peer in self._mesh.peers(self._node):
            self._mesh.transport.send(
                Kind.PROOF, self._node, peer, name, load.each_bytes, self._check, load.each_check_ms / 1000.0
            )

    def _check(self, target: int, core_s: float) -> None:
        self._mesh.nodes[target].machine.work(core_s, Priority.VALIDATION)
