"""Proof jobs: a queue, machines with slots that prove, and what became of each job.

A job waits for a slot first come first served, then runs on a machine as work of the last class, and ends done, killed
(its memory was not there) or lost (a machine crashed, or nobody wants it any more). Who waits for it (a block that
carries its proofs) yields the job; who does not (pipelined proofs) lets it go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import simpy

from bitcell_sim.errors import InputError
from bitcell_sim.hosts.machine import Machine, Outcome, Priority, Work, core_rate
from bitcell_sim.proving.cost import ProofCost


@dataclass(frozen=True)
class ProofRecord:
    """What became of one proof job.

    Parameters
    ----------
    label : hashable
        What the caller named it, such as (height, battle).
    queued_ns, received_ns, start_ns, end_ns : int
        Instants of submission, of its arrival at the prover (elsewhere, or at once), of the start in a slot, and of the
        end, which is where the proof is back; nanoseconds, -1 for what never happened.
    outcome : Outcome or None
        Done, killed or lost; None while it waits or proves.
    demanded_core_s : float
        Seconds it asks of one core, whether it ran or not.
    demanded_s : float
        Seconds it asks of a whole machine, unlimited and alone on it, whether it ran or not.
    memory_bytes : int
        Memory it asks for, bytes.
    """

    label: Hashable
    queued_ns: int
    received_ns: int
    start_ns: int
    end_ns: int
    outcome: Outcome | None
    demanded_core_s: float
    demanded_s: float
    memory_bytes: int

    @property
    def wait_ns(self) -> int:
        """Nanoseconds in the prover's queue."""
        return (self.end_ns if self.start_ns < 0 else self.start_ns) - self.received_ns

    @property
    def killed(self) -> bool:
        """Whether it was killed for want of memory."""
        return self.outcome is Outcome.KILLED


class ProofJob(simpy.Event):
    """One proof asked for; yields an :class:`Outcome`."""

    def __init__(self, env: simpy.Environment, label: Hashable, cost: ProofCost, core_s: float) -> None:
        super().__init__(env)
        self.label = label
        self.cost = cost
        self.core_s = core_s
        self.queued_ns = self.received_ns = int(env.now)
        self.start_ns = -1
        self.machine: Machine | None = None
        self.work: Work | None = None

    def record(self, end_ns: int, outcome: Outcome | None, machine_cores: int) -> ProofRecord:
        """What became of it; `machine_cores` are those of a machine that proves."""
        cores = min(float(machine_cores), float(self.cost.threads_max))
        return ProofRecord(
            label=self.label,
            queued_ns=self.queued_ns,
            received_ns=self.received_ns,
            start_ns=self.start_ns,
            end_ns=end_ns,
            outcome=outcome,
            demanded_core_s=self.core_s,
            demanded_s=self.core_s / core_rate(cores, self.cost.serial_ratio),
            memory_bytes=self.cost.memory_bytes,
        )


Record = Callable[[ProofRecord], None]


class Prover(Protocol):
    """Who proves for a node: a pool on its own machine, or the way to a farm."""

    @property
    def open_count(self) -> int:
        """Jobs that have not ended."""

    def submit(self, label: Hashable, *, noise_factor: float = 1.0, cost: ProofCost | None = None) -> ProofJob:
        """Ask for one proof."""

    def cancel(self, job: ProofJob) -> None:
        """Give up a job, which ends as lost unless it has ended."""

    def unfinished(self) -> list[ProofRecord]:
        """Jobs that have not ended, as records without an end."""


class ProverPool:
    """Machines that prove, behind one queue: those of a node, or of a farm.

    Parameters
    ----------
    env : simpy.Environment
        The simulation.
    machines : sequence of Machine
        Where proofs run, all alike; a crash of one loses the pool's jobs.
    slots : int
        Proofs at a time on each machine; a job goes to the machine with the fewest.
    cost : ProofCost
        What a proof asks for unless its submission says otherwise.
    record : callable, optional
        Called with the :class:`ProofRecord` of each job when it ends.
    """

    def __init__(
        self,
        env: simpy.Environment,
        machines: Sequence[Machine],
        slots: int,
        cost: ProofCost,
        record: Record | None = None,
    ) -> None:
        if slots < 1 or not machines:
            raise InputError(f"slots = {slots} on {len(machines)} machines: a prover pool needs 1 or more of each")
        self.env = env
        self.machines = tuple(machines)
        self.slots = slots
        self.cost = cost
        self._record = record
        self._queue: deque[ProofJob] = deque()
        self._proving: list[ProofJob] = []
        for machine in machines:
            machine.on_crash.append(self.crash)

    @property
    def open_count(self) -> int:
        """Jobs that wait or prove."""
        return len(self._queue) + len(self._proving)

    @property
    def queued_count(self) -> int:
        """Jobs that wait for a slot."""
        return len(self._queue)

    @property
    def proving_count(self) -> int:
        """Jobs in a slot, paused ones included."""
        return len(self._proving)

    def submit(self, label: Hashable, *, noise_factor: float = 1.0, cost: ProofCost | None = None) -> ProofJob:
        """Queue one proof.

        Parameters
        ----------
        label : hashable
            Name of the job in its record.
        noise_factor : float
            Factor on its core-seconds, from :func:`bitcell_sim.proving.cost.noise_factor`.
        cost : ProofCost, optional
            What this proof asks for; the pool's cost without it.

        Returns
        -------
        ProofJob
            An event: done, killed or lost.
        """
        asked = self.cost if cost is None else cost
        job = ProofJob(self.env, label, asked, asked.core_s * noise_factor)
        self._queue.append(job)
        self._fill_slots()
        return job

    def cancel(self, job: ProofJob) -> None:
        """Give up a job, which ends as lost unless it has ended; the next in the queue takes its slot."""
        if job in self._queue:
            self._queue.remove(job)
            self._close(job)
        elif job in self._proving and job.machine is not None and job.work is not None:
            job.machine.cancel(job.work)

    def crash(self) -> None:
        """Lose all jobs, queued and proving; called by a machine's own crash."""
        lost = [*self._proving, *self._queue]
        self._queue.clear()
        self._proving.clear()
        for job in lost:
            if job.machine is not None and job.work is not None:
                job.machine.cancel(job.work)
            self._close(job)

    def unfinished(self) -> list[ProofRecord]:
        """Jobs that wait or prove now, as records without an end."""
        return [job.record(-1, None, self.machines[0].cores) for job in [*self._proving, *self._queue]]

    def _free_machine(self) -> Machine | None:
        """Machine with a free slot and the fewest proofs, the first of equals."""
        busy = [sum(job.machine is machine for job in self._proving) for machine in self.machines]
        fewest = min(busy)
        return self.machines[busy.index(fewest)] if fewest < self.slots else None

    def _fill_slots(self) -> None:
        """Start waiting jobs while slots are free."""
        while self._queue and (machine := self._free_machine()) is not None:
            job = self._queue.popleft()
            job.start_ns = int(self.env.now)
            job.machine = machine
            job.work = machine.work(
                job.core_s,
                Priority.PROOF,
                serial_ratio=job.cost.serial_ratio,
                threads_max=job.cost.threads_max,
                memory_bytes=job.cost.memory_bytes,
            )
            if job.work.outcome is not None:
                self._close(job)  # killed at once: no memory for it
            else:
                self._proving.append(job)
                job.work.callbacks.append(partial(self._on_end, job))

    def _on_end(self, job: ProofJob, _: simpy.Event) -> None:
        """Close a job whose work ended and start the next; a crash has closed it before."""
        if job not in self._proving:
            return
        self._proving.remove(job)
        self._close(job)
        self._fill_slots()

    def _close(self, job: ProofJob) -> None:
        """Record a job and tell those who wait."""
        outcome = (job.work.outcome if job.work is not None else None) or Outcome.LOST
        if self._record is not None:
            self._record(job.record(int(self.env.now), outcome, self.machines[0].cores))
        job.succeed(outcome)
