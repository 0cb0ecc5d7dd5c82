"""What moves in the plain transaction plane: transactions, and the moments at which their messages do something."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import simpy
from simpy.events import EventPriority

from bitcell_sim.kernels.world import OPEN
from bitcell_sim.network.clock import Clock

_AFTER_CONTROL = 2  # SimPy's own priorities are 0 (urgent) and 1 (normal)
NOBODY = -1


class Step(enum.IntEnum):
    """What a message is about to do, in the order of equal moments."""

    SUBMIT = 0
    AT_BALANCER = 1
    AT_SERVER = 2
    TRY_AGAIN = 3
    RECEIVE = 4


class Moment(simpy.Event):
    """A time-out that waits for everything the control plane does at its moment.

    Parameters
    ----------
    env : Clock
        Clock.
    at_ns : int
        When it happens.
    step, row, source, target : Step, int, int, int
        Its place among the messages of that moment.
    """

    def __init__(self, env: Clock, at_ns: int, step: Step, row: int, source: int = 0, target: int = 0) -> None:
        super().__init__(env)
        assert at_ns >= env.now, "a message would arrive before it was sent"
        self._ok = True
        self._value = None
        place = (((int(step) << 40) + row << 20) + source << 20) + target
        env.schedule(self, EventPriority(_AFTER_CONTROL + place), at_ns - env.now)


@dataclass
class Transaction:
    """One transaction's way; the columns of `kernels.mempool.Book` as plain values.

    Parameters
    ----------
    row, draw_id, submit_ns, region, size_bytes
        Its number, the name of its draws, when and where the client sends it, bytes in a block.
    """

    row: int
    draw_id: int
    submit_ns: int
    region: int
    size_bytes: int
    balancer: int = NOBODY
    server: int = NOBODY
    attempt: int = 0
    origin: int = NOBODY
    sent_ns: int = -1
    accepted_ns: int = -1
    answered_ns: int = -1
    request: int = OPEN
    arrival_ns: dict[int, int] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)
