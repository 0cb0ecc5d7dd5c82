"""Which chain is followed: work, then length, then hash; never away from what is final or locked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.fork_choice import fork_point, heavier, heaviest, keeps

NOBODY = np.zeros(0, np.int64)
GENESIS = Block(-1, 0, 0, -1, None, 0, NOBODY, 0, 0, 0, 0)


def on(parent: Block, index: int, work: int = 6000) -> Block:
    return Block(index, parent.height + 1, 0, index % 7, parent, index, NOBODY, 0, 0, 7, parent.work + work)


def chain(parent: Block, *indices: int, work: int = 6000) -> list[Block]:
    blocks = []
    for index in indices:
        parent = on(parent, index, work)
        blocks.append(parent)
    return blocks


A1, A2, A3 = chain(GENESIS, 1, 2, 3)
B1, B2, B3, B4 = chain(GENESIS, 11, 12, 13, 14, work=4000)
C3 = on(A2, 23)


def test_more_work_wins_over_more_blocks() -> None:
    assert A3.work == 18_000 > B4.work == 16_000
    assert heavier(A3, B4)
    assert not heavier(B4, A3)
    assert heavier(B4, A2)


def test_among_equal_work_the_longer_and_then_the_smaller_hash() -> None:
    lone = on(A3, 30, work=0)  # a lone miner fights nobody
    assert lone.work == A3.work
    assert heavier(lone, A3)
    first, second = sorted((A3, C3), key=lambda block: block.hash)
    assert heavier(first, second)
    assert not heavier(second, first)


def test_no_block_is_heavier_than_itself() -> None:
    assert not any(heavier(block, block) for block in (GENESIS, A1, A2, A3, B4, C3))


@given(st.permutations([GENESIS, A1, A2, A3, B1, B2, B3, B4, C3]))
def test_the_choice_does_not_depend_on_the_order_of_arrival(order: list[Block]) -> None:
    best = heaviest(order[1:], order[0])
    assert best is heaviest([A3, C3], GENESIS)
    assert not any(heavier(other, best) for other in order)


def test_heaviest_of_nothing_else_is_the_first() -> None:
    assert heaviest([], B1) is B1


@pytest.mark.parametrize(
    ("one", "other", "point"), [(A3, C3, A2), (A3, B4, GENESIS), (A3, A1, A1), (B2, B2, B2), (GENESIS, A3, GENESIS)]
)
def test_fork_point(one: Block, other: Block, point: Block) -> None:
    assert fork_point(one, other) is point
    assert fork_point(other, one) is point


def test_a_chain_keeps_what_it_holds() -> None:
    assert keeps(A3, GENESIS, {})
    assert keeps(A3, A1, {2: A2})
    assert not keeps(A3, B1, {})
    assert not keeps(A3, GENESIS, {1: B1})
    assert keeps(C3, A2, {}) is True
    assert not keeps(C3, A2, {3: A3})


def test_a_lock_above_a_chain_does_not_bind_it_and_a_final_block_above_does() -> None:
    assert keeps(A1, GENESIS, {2: B2})
    assert not keeps(A1, A2, {})


def test_ancestors() -> None:
    assert [block.index for block in A3.chain()] == [3, 2, 1, -1]
    assert [block.index for block in A3.chain(2)] == [3, 2]
    for block, height in itertools.product((A1, A2, A3), range(5)):
        found = block.ancestor(height)
        assert (found is None) if height > block.height else (found is not None and found.height == height)


def test_the_hash_covers_parent_builder_contents_and_time() -> None:
    plain = Block(1, 1, 0, 0, GENESIS, 5, NOBODY, 0, 0, 7, 6000)
    others = [
        Block(1, 1, 0, 0, A1, 5, NOBODY, 0, 0, 7, 6000),
        Block(1, 1, 1, 0, GENESIS, 5, NOBODY, 0, 0, 7, 6000),
        Block(1, 1, 0, 1, GENESIS, 5, NOBODY, 0, 0, 7, 6000),
        Block(1, 1, 0, 0, GENESIS, 6, NOBODY, 0, 0, 7, 6000),
        Block(1, 1, 0, 0, GENESIS, 5, np.array([1]), 0, 0, 7, 6000),
    ]
    assert len({block.hash for block in [plain, *others]}) == 6
    assert Block(9, 1, 0, 0, GENESIS, 5, NOBODY, 1, 1, 7, 1).hash == plain.hash
