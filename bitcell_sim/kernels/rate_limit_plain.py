"""The rate limit as a bucket of tokens, in whole nanoseconds of filling: the plain twin of `kernels.rate_limit`."""

from __future__ import annotations


class PlainLimiter:
    """A bucket a row; a request takes a gap's worth of filling out, and is refused if there is less.

    Parameters
    ----------
    gap_ns, burst_ns : int
        See :func:`bitcell_sim.kernels.rate_limit.within_rate`.
    """

    def __init__(self, gap_ns: int, burst_ns: int) -> None:
        self._gap_ns = gap_ns
        self._size_ns = gap_ns + burst_ns
        self._filled: dict[int, tuple[int, int]] = {}

    def lets_through(self, row: int, now: int) -> bool:
        """Whether a request of a row at a moment, nanoseconds, is let through."""
        level, at = self._filled.get(row, (self._size_ns, now))
        level = min(self._size_ns, level + now - at)
        passes = level >= self._gap_ns
        self._filled[row] = (level - self._gap_ns * passes, now)
        return passes
