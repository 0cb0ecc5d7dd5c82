"""The proof jobs of one node: a queue, slots that prove, and what became of each job.

A job waits for a slot first come first served, then runs on the machine as work of the last class, and ends done,
killed (its memory was not there) or lost (the node crashed). Who waits for it (a block that carries its proofs) yields
the job; who does not (pipelined proofs) lets it go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

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
    queued_ns, start_ns, end_ns : int
        Instants of submission, of the start in a slot, and of the end, nanoseconds; a job lost in the queue never
        started: its start is -1, and one that has not ended has -1 as its end.
    outcome : Outcome or None
        Done, killed or lost; None while it waits or proves.
    demanded_core_s : float
        Seconds it asks of one core, whether it ran or not.
    demanded_s : float
        Seconds it asks of the whole machine, unlimited and alone on it, whether it ran or not.
    memory_bytes : int
        Memory it asks for, bytes.
    """

    label: Hashable
    queued_ns: int
    start_ns: int
    end_ns: int
    outcome: Outcome | None
    demanded_core_s: float
    demanded_s: float
    memory_bytes: int

    @property
    def wait_ns(self) -> int:
        """Nanoseconds in the queue."""
        return (self.end_ns if self.start_ns < 0 else self.start_ns) - self.queued_ns

    @property
    def killed(self) -> bool:
        """Whether it was killed for want of memory."""
        return self.outcome is Outcome.KILLED


class ProofJob(simpy.Event):
    """One proof in a pool; yields an :class:`Outcome`."""

    def __init__(self, env: simpy.Environment, label: Hashable, cost: ProofCost, core_s: float) -> None:
        super().__init__(env)
        self.label = label
        self.cost = cost
        self.core_s = core_s
        self.queued_ns = int(env.now)
        self.start_ns = -1
        self.work: Work | None = None


class ProverPool:
    """The provers of one node (or of a farm, on a machine of its own).

    Parameters
    ----------
    env : simpy.Environment
        The simulation.
    machine : Machine
        Where proofs run; a crash of it loses the pool's jobs.
    slots : int
        Proofs at a time.
    cost : ProofCost
        What a proof asks for unless its submission says otherwise.
    record : callable
        Called with the :class:`ProofRecord` of each job when it ends.
    """

    def __init__(
        self,
        env: simpy.Environment,
        machine: Machine,
        slots: int,
        cost: ProofCost,
        record: Callable[[ProofRecord], None],
    ) -> None:
        if slots < 1:
            raise InputError(f"slots = {slots}: a prover pool needs 1 or more")
        self.env = env
        self.machine = machine
        self.slots = slots
        self.cost = cost
        self._record = record
        self._queue: deque[ProofJob] = deque()
        self._proving: list[ProofJob] = []
        machine.on_crash.append(self.crash)

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

    def crash(self) -> None:
        """Lose all jobs, queued and proving; called by the machine's own crash."""
        lost = [*self._proving, *self._queue]
        self._queue.clear()
        self._proving.clear()
        for job in lost:
            if job.work is not None:
                self.machine.cancel(job.work)
            self._close(job)

    def _fill_slots(self) -> None:
        """Start waiting jobs while slots are free."""
        while self._queue and len(self._proving) < self.slots:
            job = self._queue.popleft()
            job.start_ns = int(self.env.now)
            job.work = self.machine.work(
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

    def unfinished(self) -> list[ProofRecord]:
        """Jobs that wait or prove now, as records without an end."""
        return [self._record_of(job, -1, None) for job in [*self._proving, *self._queue]]

    def _close(self, job: ProofJob) -> None:
        """Record a job and tell those who wait."""
        outcome = (job.work.outcome if job.work is not None else None) or Outcome.LOST
        self._record(self._record_of(job, int(self.env.now), outcome))
        job.succeed(outcome)

    def _record_of(self, job: ProofJob, end_ns: int, outcome: Outcome | None) -> ProofRecord:
        cores = min(float(self.machine.cores), float(job.cost.threads_max))
        return ProofRecord(
            label=job.label,
            queued_ns=job.queued_ns,
            start_ns=job.start_ns,
            end_ns=end_ns,
            outcome=outcome,
            demanded_core_s=job.core_s,
            demanded_s=job.core_s / core_rate(cores, job.cost.serial_ratio),
            memory_bytes=job.cost.memory_bytes,
        )
