"""The clock and event queue of a run: SimPy's, which also holds calls that need no event each."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL

Handler = Callable[..., None]
_CALL = 5  # parts of a call's entry in the queue: when, priority, order of asking, handler, arguments; an event's has 4


class Clock(simpy.Environment):
    """SimPy's environment, counting whole nanoseconds from 0.

    Life cycle: processes and calls enter the queue; :meth:`run_until` works off all that is due before a moment, and
    may be called again with a later one.
    """

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the start."""
        return self._now  # type: ignore[return-value]  # SimPy allows fractions

    def call_at(self, at_ns: int, handler: Handler, *arguments: Any) -> None:
        """Have a function called at a moment, through the event queue; equal moments in the order of asking."""
        heappush(self._queue, (at_ns, NORMAL, next(self._eid), handler, arguments))  # type: ignore[misc]  # one longer

    def step(self) -> None:
        """Work off the next entry of the queue: an event of SimPy's, or a call."""
        if not self._queue:
            raise EmptySchedule
        entry: tuple[Any, ...] = heappop(self._queue)
        self._now = entry[0]
        if len(entry) == _CALL:
            entry[3](*entry[4])
        else:
            _happen(entry[3])

    def run_until(self, at_ns: int) -> None:
        """Work off everything due before a moment, which then is now."""
        queue: list[tuple[Any, ...]] = self._queue
        while queue and queue[0][0] < at_ns:
            entry = heappop(queue)
            self._now = entry[0]
            if len(entry) == _CALL:
                entry[3](*entry[4])
            else:
                _happen(entry[3])
        self._now = at_ns


def _happen(event: Any) -> None:
    callbacks, event.callbacks = event.callbacks, None  # no callbacks: SimPy's sign that it has happened
    for callback in callbacks:
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value
