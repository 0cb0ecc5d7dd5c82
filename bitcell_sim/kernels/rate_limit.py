"""A rate limit: one request a gap, with a burst of some at once.

References
----------
ITU-T I.371, generic cell rate algorithm (virtual scheduling), which is a token bucket that fills at the rate.
"""

from __future__ import annotations

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import part


@part
def within_rate(due_ns: Ints, row: int, now: int, gap_ns: int, burst_ns: int) -> bool:
    """Whether a request keeps to the limit of its row; if so its turn is used up.

    Parameters
    ----------
    due_ns : ndarray of int64, shape (rows,)
        When the next request of each row is due, in place, nanoseconds.
    row, now : int
        Which limit; the moment, nanoseconds, which never falls.
    gap_ns, burst_ns : int
        Gap between two requests at the rate, 0 for no limit; how far ahead of its turn one may come, nanoseconds.
    """
    if gap_ns == 0:
        return True
    due = max(due_ns[row], now)
    if due - now > burst_ns:
        return False
    due_ns[row] = due + gap_ns
    return True
