"""The kernel of votes under way agrees with its slow twin, whoever votes in whatever order, and with what is stated."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.kernels import ballots, ballots_plain
from bitcell_sim.kernels.mempool import NEVER

VOTERS = 5
ARRIVAL = st.one_of(st.just(-1), st.integers(0, 12))


@st.composite
def elections(draw: st.DrawFn) -> tuple[list[int], int, list[tuple[int, int, list[int]]]]:
    """Stakes, a quorum, and votes as (voter, moment of casting, arrival at each node)."""
    stakes = draw(st.lists(st.integers(1, 5), min_size=VOTERS, max_size=VOTERS))
    vote = st.tuples(st.integers(0, VOTERS - 1), st.integers(0, 9), st.lists(ARRIVAL, min_size=VOTERS, max_size=VOTERS))
    return stakes, draw(st.integers(1, sum(stakes))), draw(st.lists(vote, max_size=12))


@settings(deadline=None)
@given(elections())
def test_kernel_and_twin_agree(election: tuple[list[int], int, list[tuple[int, int, list[int]]]]) -> None:
    stakes, quorum, votes = np.array(election[0], np.int64), election[1], election[2]
    fast, slow = (np.full((VOTERS + 1, VOTERS), NEVER, np.int64) for _ in range(2))
    sooner, sooner_slow = np.zeros(VOTERS, np.int64), np.zeros(VOTERS, np.int64)
    nodes = np.arange(VOTERS)
    for voter, cast_ns, arrivals in votes:
        arrivals_ns = np.array(arrivals, np.int64)
        found = ballots.file_vote(fast, voter, cast_ns, nodes, arrivals_ns, stakes, quorum, sooner)
        assert found == ballots_plain.file_vote(slow, voter, cast_ns, nodes, arrivals_ns, stakes, quorum, sooner_slow)
        assert sooner[:found].tolist() == sooner_slow[:found].tolist()
        assert fast.tolist() == slow.tolist()
    for node in range(VOTERS):
        assert ballots.quorum_ns(fast, node, stakes, quorum) == ballots_plain.quorum_ns(slow, node, stakes, quorum)


def test_a_node_sees_a_quorum_when_the_last_vote_it_needs_arrives() -> None:
    stakes, nodes = np.full(4, 100, np.int64), np.arange(4)
    ballot, sooner = np.full((5, 4), NEVER, np.int64), np.zeros(4, np.int64)
    arrivals = np.array([[0, 10, 20, -1], [10, 1, 30, -1], [20, 30, 2, -1]], np.int64)
    for voter in range(2):
        assert ballots.file_vote(ballot, voter, voter, nodes, arrivals[voter], stakes, 300, sooner) == 0
    assert ballots.file_vote(ballot, 2, 2, nodes, arrivals[2], stakes, 300, sooner) == 3
    assert ballot[-1].tolist() == [20, 30, 30, NEVER]
