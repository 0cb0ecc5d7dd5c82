"""The clock and event queue of a run: SimPy's, with a loop of its own and calls that need no time-out each."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Any

import simpy

Handler = Callable[..., None]


class Call(simpy.Event):
    """An entry of the event queue that calls a function when its time comes.

    Parameters
    ----------
    handler : callable
        What is called.
    arguments : tuple
        With what.
    """

    def __init__(self, handler: Handler, arguments: tuple[Any, ...]) -> None:
        self._ok = True
        self._value = None
        self.callbacks = [_make_call]
        self.handler = handler
        self.arguments = arguments


def _make_call(call: Call) -> None:
    call.handler(*call.arguments)


def call_at(env: simpy.Environment, at_ns: int, handler: Handler, *arguments: Any) -> None:
    """Have a function called at a moment, through the event queue; equal moments in the order of asking."""
    env.schedule(Call(handler, arguments), delay=at_ns - env.now)


class Clock(simpy.Environment):
    """SimPy's environment, counting whole nanoseconds from 0.

    Life cycle: processes and calls enter the queue; :meth:`run_until` works off all that is due before a moment, and
    may be called again with a later one.
    """

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    def run_until(self, at_ns: int) -> None:
        """Work off everything due before a moment, which then is now."""
        queue = self._queue
        while queue and queue[0][0] < at_ns:
            self._now, _, _, event = heappop(queue)
            callbacks = event.callbacks
            event.callbacks = None  # type: ignore[assignment]  # SimPy's sign that it has happened
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value
        self._now = at_ns
