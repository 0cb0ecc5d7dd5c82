"""A server behind a load balancer dies and comes back: the ways of dying, and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bitcell_sim.kernels.transactions import DOWN, FAILING, HANGING

DEATHS = {"refuse": DOWN, "hang": HANGING, "http500": FAILING}  # and what a node's state is then


class Trial(NamedTuple):
    """One death of one server, and its return.

    Parameters
    ----------
    down_s, up_s : float
        Seconds from the death until the balancer has taken the server out, and from the return until it is back.
    sent_count, failed_count : int
        Requests that started between the death and the taking out, and those of them that had no good answer.
    slowest_ok_ms : float or None
        Longest time of one with a good answer, milliseconds.
    """

    down_s: float
    up_s: float
    sent_count: int
    failed_count: int
    slowest_ok_ms: float | None


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Figures of several trials: ``down_s``, ``up_s``, ``failed``, ``sent``, ``slowest_ok_ms``."""
    return {
        "down_s": [trial.down_s for trial in trials],
        "up_s": [trial.up_s for trial in trials],
        "failed": sum(trial.failed_count for trial in trials),
        "sent": sum(trial.sent_count for trial in trials),
        "slowest_ok_ms": max((t.slowest_ok_ms for t in trials if t.slowest_ok_ms is not None), default=None),
    }
