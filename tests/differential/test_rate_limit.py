"""The kernel's rate limit and a plain bucket of tokens let the same requests through."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from bitcell_sim.kernels.arrays import Flags, Ints
from bitcell_sim.kernels.compiling import kernel
from bitcell_sim.kernels.rate_limit import within_rate
from bitcell_sim.kernels.rate_limit_plain import PlainLimiter

GAPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2_000)), max_size=80)


@kernel
def answers(due_ns: Ints, rows: Ints, at_ns: Ints, gap_ns: int, burst_ns: int, told: Flags) -> None:
    for i in range(rows.shape[0]):
        told[i] = within_rate(due_ns, rows[i], at_ns[i], gap_ns, burst_ns)


def passed(requests: list[tuple[int, int]], gap_ns: int, burst_ns: int) -> list[bool]:
    rows = np.array([row for row, _ in requests], np.int64)
    at_ns = np.cumsum(np.array([after for _, after in requests], np.int64))
    told = np.zeros(len(requests), np.uint8)
    answers(np.zeros(4, np.int64), rows, at_ns, gap_ns, burst_ns, told)
    return [bool(value) for value in told]


@rules(deadline=None, max_examples=150)
@given(GAPS, st.integers(1, 3_000), st.integers(0, 9_000))
def test_kernel_and_bucket_agree(requests: list[tuple[int, int]], gap_ns: int, burst_ns: int) -> None:
    plain, now, wanted = PlainLimiter(gap_ns, burst_ns), 0, []
    for row, after in requests:
        now += after
        wanted.append(plain.lets_through(row, now))
    assert passed(requests, gap_ns, burst_ns) == wanted


def test_no_limit_lets_everything_through() -> None:
    requests = [(0, 0)] * 50
    assert all(passed(requests, 0, 0))
    plain = PlainLimiter(0, 0)
    assert all(plain.lets_through(0, 0) for _ in range(50))


def test_a_steady_overload_gets_the_rate_and_one_burst() -> None:
    assert sum(passed([(0, 10)] * 1000, 100, 400)) == 100 + 4
