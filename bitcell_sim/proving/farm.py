"""A region's prover farm, and a node's way to it over the network.

A node sends what a proof needs to the farm of its own region, as a bulk message that takes its turn on the node's
uplink; the farm's pool proves for all nodes of the region, first come first served; the proof comes back. A path that
is cut loses the job, and so does a crash of the node, whose jobs the farm drops.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import TYPE_CHECKING

import simpy

from bitcell_sim.hosts.machine import Machine, Outcome
from bitcell_sim.network.transport import Kind, Transport
from bitcell_sim.proving.prover import ProofJob, ProofRecord, ProverPool, Record

if TYPE_CHECKING:
    from bitcell_sim.network.clock import Clock
    from bitcell_sim.proving.cost import ProofCost


class FarmProver:
    """A node's proofs in its region's farm.

    Parameters
    ----------
    env : Clock
        Clock and event queue.
    transport : Transport
        Messages.
    node, farm : int
        Endpoints of the node and of the farm.
    pool : ProverPool
        The farm's, shared by the nodes of the region.
    request_bytes, proof_bytes : int
        Bytes of what is sent there for a proof, and of the proof that comes back.
    machine : Machine
        The node's; a crash of it gives up its jobs.
    record : callable
        Called with the :class:`ProofRecord` of each job when it ends: when its proof is back.
    """

    def __init__(
        self,
        env: Clock,
        transport: Transport,
        node: int,
        farm: int,
        pool: ProverPool,
        *,
        request_bytes: int,
        proof_bytes: int,
        machine: Machine,
        record: Record,
    ) -> None:
        self._env = env
        self._transport = transport
        self._node = node
        self._farm = farm
        self._pool = pool
        self._request_bytes = request_bytes
        self._proof_bytes = proof_bytes
        self._record = record
        self._open: dict[ProofJob, ProofJob | None] = {}  # the farm's own job, once the request is there
        self._asked_count = 0
        machine.on_crash.append(self._crash)

    @property
    def open_count(self) -> int:
        """Jobs that have not ended: under way, waiting or proved."""
        return len(self._open)

    def submit(self, label: Hashable, *, noise_factor: float = 1.0, cost: ProofCost | None = None) -> ProofJob:
        """Send one proof's request to the farm; see :meth:`ProverPool.submit`."""
        asked = self._pool.cost if cost is None else cost
        job = ProofJob(self._env, label, asked, asked.core_s * noise_factor)
        self._open[job] = None
        self._asked_count += 1
        number = self._asked_count
        at_ns = self._transport.arrival_ns(Kind.WITNESS, self._node, self._farm, number, self._request_bytes)
        self._at(at_ns, job, partial(self._receive, job, number, noise_factor))
        return job

    def cancel(self, job: ProofJob) -> None:
        """Give up a job, which ends as lost unless it has ended; the farm drops it."""
        if job in self._open:
            self._close(job, Outcome.LOST)

    def unfinished(self) -> list[ProofRecord]:
        """Jobs that have not ended, as records without an end."""
        for job, own in self._open.items():
            job.start_ns = own.start_ns if own is not None else -1
        return [job.record(-1, None, self._pool.machines[0].cores) for job in self._open]

    def _at(self, at_ns: int, job: ProofJob, then: partial[None]) -> None:
        """Go on where a message arrives; its job is lost where the path is cut."""
        if at_ns < 0:
            self._close(job, Outcome.LOST)
        else:
            self._env.call_at(at_ns, then)

    def _receive(self, job: ProofJob, number: int, noise_factor: float) -> None:
        if job not in self._open:
            return
        job.received_ns = self._env.now_ns
        own = self._pool.submit(job.label, noise_factor=noise_factor, cost=job.cost)
        self._open[job] = own
        assert own.callbacks is not None
        own.callbacks.append(partial(self._proved, job, number))

    def _proved(self, job: ProofJob, number: int, own: simpy.Event) -> None:
        """Send back the proof, or the word that there is none."""
        if job in self._open:
            at_ns = self._transport.arrival_ns(Kind.PROOF, self._farm, self._node, number, self._proof_bytes)
            self._at(at_ns, job, partial(self._end, job, own.value))

    def _end(self, job: ProofJob, outcome: Outcome | None) -> None:
        if job in self._open and outcome is not None:
            self._close(job, outcome)

    def _close(self, job: ProofJob, outcome: Outcome) -> None:
        """Record a job, let the farm drop what is left of it, and tell those who wait."""
        own = self._open.pop(job)
        if own is not None:
            job.start_ns = own.start_ns
            self._pool.cancel(own)
        self._record(job.record(self._env.now_ns, outcome, self._pool.machines[0].cores))
        job.succeed(outcome)

    def _crash(self) -> None:
        for job in list(self._open):
            self._close(job, Outcome.LOST)
