"""Which chain a node follows: the heaviest that keeps what is final and what is locked."""

from __future__ import annotations

from collections.abc import Iterable

from bitcell_sim.chain.block import Block


def heavier(candidate: Block, head: Block) -> bool:
    """Whether a chain is preferred: more work, then more blocks (a lone miner adds no work), then the smaller hash."""
    if candidate.work != head.work:
        return candidate.work > head.work
    if candidate.height != head.height:
        return candidate.height > head.height
    return candidate.hash < head.hash


def heaviest(blocks: Iterable[Block], first: Block) -> Block:
    """The block that fork choice prefers among `first` and some others."""
    best = first
    for block in blocks:
        if heavier(block, best):
            best = block
    return best


def fork_point(one: Block, other: Block) -> Block:
    """Last common block of two chains."""
    while one is not other:
        if one.height >= other.height:
            assert one.parent is not None, "two chains without a common genesis"
            one = one.parent
        else:
            assert other.parent is not None, "two chains without a common genesis"
            other = other.parent
    return one


def keeps(block: Block, final: Block, locks: dict[int, Block]) -> bool:
    """Whether a chain holds the final block and every locked block up to its height."""
    if block.ancestor(final.height) is not final:
        return False
    return all(height > block.height or block.ancestor(height) is lock for height, lock in locks.items())
