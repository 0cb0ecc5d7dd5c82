"""One server as a load balancer sees it: what its health checks add up to, and how long one of them may take.

References
----------
HAProxy 2.6 configuration manual, `inter`, `fall`, `rise`, `timeout check`, `timeout connect`; counters and time-outs as
the real program shows them (``tests/validation/test_haproxy.py``).
"""

from __future__ import annotations

from typing import NamedTuple

from bitcell_sim.config.schema import LoadBalancer
from bitcell_sim.units import seconds_to_ns


class HealthCheck:
    """Fall and rise of one server, counted as HAProxy does: up from `rise` points on.

    Parameters
    ----------
    fall, rise : int
        Failures in a row that take it out, successes in a row that bring it back.

    Notes
    -----
    A server starts with `rise` points: in use, and out at its first failure. A success is worth a point and, once in
    use, fills up to ``rise + fall - 1``; a failure costs a point and, once out of use, empties to 0.
    """

    def __init__(self, fall: int, rise: int) -> None:
        self._rise = rise
        self._full = rise + fall - 1
        self._points = rise

    @property
    def up(self) -> bool:
        """Whether the balancer takes the server for up."""
        return self._points >= self._rise

    @property
    def steady(self) -> bool:
        """Whether no result speaks against the present state."""
        return self._points in (0, self._full)

    def result(self, passed: bool) -> bool:
        """Count one check; True if the server has just been taken out or back."""
        before = self.up
        points = self._points + 1 if passed else self._points - 1
        if passed:
            self._points = self._full if points >= self._rise else points
        else:
            self._points = points if points >= self._rise else 0
        return self.up != before


class CheckTimes(NamedTuple):
    """How often a server is checked, and how long a check may take; nanoseconds.

    Parameters
    ----------
    interval_ns : int
        From the end of a check to the start of the next.
    connect_ns : int
        Longest time until the connection stands.
    answer_ns : int
        Longest time from there to the answer; 0 where only the check as a whole is limited, to `connect_ns`.
    """

    interval_ns: int
    connect_ns: int
    answer_ns: int

    @classmethod
    def of(cls, settings: LoadBalancer) -> CheckTimes:
        """Times of a deployment's balancers: without `timeout check` a whole check may take `inter`."""
        interval_ns = seconds_to_ns(settings.check_interval_s)
        if settings.check_timeout_s is None:
            return cls(interval_ns, interval_ns, 0)
        connect_ns = min(interval_ns, seconds_to_ns(settings.connect_timeout_s))
        return cls(interval_ns, connect_ns, seconds_to_ns(settings.check_timeout_s))

    def end_ns(self, started_ns: int, connected_ns: int) -> int:
        """Moment at which a check is given up that has its connection; never sooner than one without would be."""
        return max(started_ns + self.connect_ns, connected_ns + self.answer_ns if self.answer_ns else 0)

    @property
    def longest_ns(self) -> int:
        """Longest time that a check of a server takes which accepts at once and never answers."""
        return self.end_ns(0, 0)
