"""One node's machine: cores and memory shared by battles, validation and proofs, in that order.

A piece of work is put in with :meth:`Machine.work`, runs as cores allow, and ends as an event whose value is an
:class:`Outcome`. Higher classes hold their cores; lower ones take what is left, are paused without loss when nothing
is, and go on afterwards. Work of one class shares equally. The invariant: every piece of work has the exact instant at
which it ends if nothing changes, so a clock event is needed only at the earliest of these and nothing is polled.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections.abc import Callable

import simpy

from bitcell_sim.errors import InputError
from bitcell_sim.units import NS_PER_S

_NEVER_NS = 1 << 62


class Priority(enum.IntEnum):
    """Class of a piece of work; the lower number goes first."""

    BATTLE = 0
    VALIDATION = 1
    PROOF = 2


class Outcome(enum.StrEnum):
    """How a piece of work ended: done, killed for want of memory, or lost in a crash or a cancellation."""

    DONE = "done"
    KILLED = "killed"
    LOST = "lost"


def core_rate(cores: float, serial_ratio: float) -> float:
    """One-core seconds of work done in a second on ``cores`` cores (Amdahl; part of a core does its part).

    >>> core_rate(4.0, 0.0), core_rate(4.0, 1.0), core_rate(0.5, 0.3)
    (4.0, 1.0, 0.5)
    """
    return cores if cores <= 1.0 else 1.0 / (serial_ratio + (1.0 - serial_ratio) / cores)


class Work(simpy.Event):
    """A piece of work on a machine; yields an :class:`Outcome`.

    Parameters
    ----------
    env : simpy.Environment
        The simulation.
    priority : Priority
        Its class.
    remaining_ns : float
        Work left, nanoseconds of one core.
    serial_ratio : float
        Share that further cores do not shorten.
    cores_max : float
        Cores beyond which it gains nothing.
    memory_bytes : int
        Memory it holds until it ends, bytes.
    """

    def __init__(
        self,
        env: simpy.Environment,
        priority: Priority,
        remaining_ns: float,
        serial_ratio: float,
        cores_max: float,
        memory_bytes: int,
    ) -> None:
        super().__init__(env)
        self.priority = priority
        self.remaining_ns = remaining_ns
        self.serial_ratio = serial_ratio
        self.cores_max = cores_max
        self.memory_bytes = memory_bytes
        self.rate = 0.0
        self.changed_ns = 0
        self.end_ns = _NEVER_NS
        self.outcome: Outcome | None = None


class Machine:
    """Cores and memory of one node.

    Parameters
    ----------
    env : simpy.Environment
        The simulation; its clock counts whole nanoseconds.
    cores : int
        Cores when nothing limits them.
    memory_bytes : int
        Memory when nothing limits it, bytes.

    Attributes
    ----------
    devices : list of Machine
        Machines inside this one whose "cores" are graphics cards: they crash with it, and a limit of its memory is one
        of theirs; no other work of it takes from them.

    Notes
    -----
    A class holds the cores it was given for its work's whole length, serial parts included. An Amdahl speed-up does
    not add work, so busy core-seconds equal the one-core seconds done.
    """

    def __init__(self, env: simpy.Environment, cores: int, memory_bytes: int) -> None:
        if cores < 1 or memory_bytes < 1:
            raise InputError(f"cores = {cores}, memory_bytes = {memory_bytes}: a machine needs at least 1 of each")
        self.env = env
        self.cores = cores
        self.memory_bytes = memory_bytes
        self.cores_available = float(cores)
        self.memory_available_bytes = memory_bytes
        self.memory_used_bytes = 0
        self.memory_peak_bytes = 0
        self.killed_count = [0] * len(Priority)
        self.lost_count = [0] * len(Priority)
        self.devices: list[Machine] = []
        self.on_crash: list[Callable[[], None]] = []
        self._running: tuple[list[Work], ...] = tuple([] for _ in Priority)
        self._busy_ns = [0.0] * len(Priority)
        self._clock_ns: list[int] = []
        self._nearest_ns = _NEVER_NS

    def work(
        self,
        core_seconds: float,
        priority: Priority,
        *,
        serial_ratio: float = 1.0,
        threads_max: int | None = None,
        memory_bytes: int = 0,
    ) -> Work:
        """Put in a piece of work; it starts at once if its class gets cores.

        Parameters
        ----------
        core_seconds : float
            Seconds it takes on one core.
        priority : Priority
            Its class.
        serial_ratio : float
            Share that further cores do not shorten; 1 keeps it on one core.
        threads_max : int, optional
            Cores beyond which it gains nothing; all without it.
        memory_bytes : int
            Memory it holds until it ends, bytes; it is killed at once if the machine does not have that free.

        Returns
        -------
        Work
            An event: done, killed or lost.
        """
        if not (math.isfinite(core_seconds) and core_seconds >= 0.0):
            raise InputError(f"core_seconds = {core_seconds}: work takes a finite time of 0 or more")
        if not 0.0 <= serial_ratio <= 1.0:
            raise InputError(f"serial_ratio = {serial_ratio}: a share lies between 0 and 1")
        self._settle()
        cores_max = 1.0 if serial_ratio >= 1.0 else float(threads_max if threads_max is not None else _NEVER_NS)
        work = Work(self.env, priority, core_seconds * NS_PER_S, serial_ratio, cores_max, memory_bytes)
        if not self.reserve(memory_bytes):
            work.memory_bytes = 0
            self._end(work, Outcome.KILLED)
        elif core_seconds == 0.0:
            self._end(work, Outcome.DONE)
        else:
            work.changed_ns = int(self.env.now)
            self._running[priority].append(work)
            self._share()
        return work

    def reserve(self, memory_bytes: int) -> bool:
        """Hold memory outside any work, such as the node process itself; False, and nothing held, if it is not free."""
        if memory_bytes < 0:
            raise InputError(f"memory_bytes = {memory_bytes}: memory is 0 or more")
        if memory_bytes and self.memory_used_bytes + memory_bytes > self.memory_available_bytes:
            return False
        self.memory_used_bytes += memory_bytes
        self.memory_peak_bytes = max(self.memory_peak_bytes, self.memory_used_bytes)
        return True

    def release(self, memory_bytes: int) -> None:
        """Give back memory held by :meth:`reserve`."""
        if not 0 <= memory_bytes <= self.memory_used_bytes:
            held = self.memory_used_bytes
            raise InputError(f"memory_bytes = {memory_bytes}: only what is held ({held}) can be released")
        self.memory_used_bytes -= memory_bytes

    def scale(self, *, cpu_factor: float | None = None, memory_factor: float | None = None) -> None:
        """Limit cores or memory to a share of what the machine has, now, also under running work; 1 restores.

        Parameters
        ----------
        cpu_factor : float, optional
            Cores over nominal cores, 0 or more; 0 pauses everything. Unchanged without it.
        memory_factor : float, optional
            Memory over nominal memory. Work is killed until the rest fits: last class first, the largest in it first.
        """
        for name, factor in (("cpu_factor", cpu_factor), ("memory_factor", memory_factor)):
            if factor is not None and not (math.isfinite(factor) and factor >= 0.0):
                raise InputError(f"{name} = {factor}: a limit is a finite share of 0 or more")
        self._settle()
        if memory_factor is not None:
            self.memory_available_bytes = round(self.memory_bytes * memory_factor)
            self._kill_excess()
            for device in self.devices:
                device.scale(memory_factor=memory_factor)
        if cpu_factor is not None:
            self.cores_available = self.cores * cpu_factor
        self._share()

    def cancel(self, work: Work) -> bool:
        """Drop one piece of work, which ends as lost; False if it had ended already."""
        self._settle()
        if work not in self._running[work.priority]:
            return False
        self._drop(work, Outcome.LOST)
        self._share()
        return True

    def crash(self) -> None:
        """Drop all work, which ends as lost, and all memory; limits set by :meth:`scale` stay."""
        for listener in self.on_crash:
            listener()
        for device in self.devices:
            device.crash()
        self._finish_due()
        for running in self._running:
            for work in tuple(running):
                self._drop(work, Outcome.LOST)
        self.memory_used_bytes = 0

    def busy_core_s(self, priority: Priority) -> float:
        """Core-seconds that a class has used until now, those of work in progress included."""
        now = int(self.env.now)
        busy_ns = self._busy_ns[priority]
        for work in self._running[priority]:
            busy_ns += work.rate * (min(now, work.end_ns) - work.changed_ns)
        return busy_ns / NS_PER_S

    def running_count(self, priority: Priority) -> int:
        """Pieces of work of a class that have not ended, paused ones included."""
        return len(self._running[priority])

    def _share(self) -> None:
        """Give cores to the classes in turn, and to the work of a class in equal shares that none exceeds."""
        free = self.cores_available
        for running in self._running:
            waiting = len(running)
            if waiting == 1:
                cores = min(free, running[0].cores_max)
                self._set_cores(running[0], cores)
                free -= cores
            elif waiting:
                for work in sorted(running, key=_cores_max):
                    cores = min(free / waiting, work.cores_max)
                    self._set_cores(work, cores)
                    free -= cores
                    waiting -= 1
        self._set_clock()

    def _set_cores(self, work: Work, cores: float) -> None:
        """Let work go on at the speed of so many cores, and work out when it ends."""
        rate = core_rate(cores, work.serial_ratio)
        if rate == work.rate:
            return
        now = int(self.env.now)
        self._account(work, now)
        work.rate = rate
        work.end_ns = now + max(round(work.remaining_ns / rate), 0) if rate > 0.0 else _NEVER_NS

    def _account(self, work: Work, now: int) -> None:
        """Book what was done since the last change of speed."""
        done_ns = min(work.rate * (now - work.changed_ns), work.remaining_ns)
        work.remaining_ns -= done_ns
        self._busy_ns[work.priority] += done_ns
        work.changed_ns = now

    def _set_clock(self) -> None:
        """Make sure that a clock event comes no later than the first end; an earlier one looks again."""
        nearest_ns = _NEVER_NS
        for running in self._running:
            for work in running:
                nearest_ns = min(nearest_ns, work.end_ns)
        self._nearest_ns = nearest_ns
        if nearest_ns < _NEVER_NS and not (self._clock_ns and self._clock_ns[0] <= nearest_ns):
            heapq.heappush(self._clock_ns, nearest_ns)
            clock = self.env.timeout(nearest_ns - self.env.now)
            clock.callbacks.append(self._on_clock)

    def _on_clock(self, _: simpy.Event) -> None:
        """End what is due and share again; a clock event that came too early only sets the next."""
        heapq.heappop(self._clock_ns)
        if not self._settle():
            self._set_clock()

    def _settle(self) -> bool:
        """End all work whose instant has come and share the cores it held; True if there was any."""
        ended = self._finish_due()
        if ended:
            self._share()
        return ended

    def _finish_due(self) -> bool:
        """End all work whose instant has come, by class and then by arrival; True if there was any."""
        now = int(self.env.now)
        if now < self._nearest_ns:
            return False
        ended = False
        for running in self._running:
            for work in [work for work in running if work.end_ns <= now]:
                ended = True
                running.remove(work)
                self._busy_ns[work.priority] += work.remaining_ns
                work.remaining_ns = 0.0
                self._end(work, Outcome.DONE)
        return ended

    def _drop(self, work: Work, outcome: Outcome) -> None:
        """Take running work off the machine before its end."""
        self._account(work, int(self.env.now))
        self._running[work.priority].remove(work)
        self._end(work, outcome)

    def _end(self, work: Work, outcome: Outcome) -> None:
        """Free the memory, count, and tell those who wait."""
        self.memory_used_bytes -= work.memory_bytes
        if outcome is Outcome.KILLED:
            self.killed_count[work.priority] += 1
        elif outcome is Outcome.LOST:
            self.lost_count[work.priority] += 1
        work.outcome = outcome
        work.succeed(outcome)

    def _kill_excess(self) -> None:
        """Kill work that holds memory until the rest fits: last class, largest, latest first."""
        for running in reversed(self._running):
            holders = [(work.memory_bytes, rank, work) for rank, work in enumerate(running) if work.memory_bytes]
            for _, _, work in sorted(holders, reverse=True):
                if self.memory_used_bytes <= self.memory_available_bytes:
                    return
                self._drop(work, Outcome.KILLED)


def _cores_max(work: Work) -> float:
    """Sort key: cores beyond which work gains nothing."""
    return work.cores_max
