"""The checkers notice every way in which transactions do not add up, and finality that contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.records import AdoptionRecord, FinalRecord, VoteRecord
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine import outcome as outcome_module
from bitcell_sim.engine.simulation import Simulation, simulate_once
from bitcell_sim.errors import LabError
from bitcell_sim.faults.checkers import (
    BooksError,
    Violation,
    check_books,
    check_followed,
    check_no_way_back,
    check_once,
    check_safety,
    check_votes,
)
from bitcell_sim.kernels.mempool import NEVER, Book, new_book

SHORT = ("duration_s=40", "workload.rate_tps=5")
GENESIS = Block(-1, 0, 0, -1, None, 0, np.zeros(0, np.int64), 0, 0, 0, 0)


def block(index: int, parent: Block, rows: list[int], *, built_ns: int = 500, builder: int = 0) -> Block:
    return Block(
        index, parent.height + 1, 0, builder, parent, built_ns, np.array(rows, np.int64), 0, 0, 2, parent.work + 1000
    )


@dataclass
class Books:
    """Ten transactions: seven accepted, five of them final in two blocks."""

    book: Book
    is_final: np.ndarray
    chain: list[Block]
    final_ns: np.ndarray
    accepted_count: int = 7
    rows: int = 10

    def check(self) -> None:
        check_books(self.book, self.rows, self.is_final, self.chain, self.final_ns, self.accepted_count)


def sound() -> Books:
    book = new_book(16, 3)
    book.origin[:7] = [0, 1, 2, 0, 1, 2, 0]
    book.accepted_ns[:7] = np.arange(100, 107)
    first = block(0, GENESIS, [0, 1, 2])
    second = block(1, first, [4, 3], built_ns=700)
    is_final = np.array([True] * 5 + [False] * 5)
    return Books(book, is_final, [first, second], np.where(is_final, 900, -1).astype(np.int64))


def test_sound_books_pass() -> None:
    sound().check()


def test_books_without_a_final_block_pass() -> None:
    nothing = np.zeros(10, np.bool_)
    replace(sound(), chain=[], is_final=nothing, final_ns=np.full(10, -1, np.int64)).check()


def broken(change: str) -> Books:
    books = sound()
    first, second = books.chain
    if change == "an acceptance was counted twice":
        books.accepted_count += 1
    elif change == "an acceptance was not counted":
        books.accepted_count -= 1
    elif change == "a transaction stands in two blocks":
        books.chain[1] = block(1, first, [4, 3, 0])
    elif change == "a transaction stands twice in one block":
        books.chain[1] = block(1, first, [4, 3, 3])
    elif change == "a transaction is called final that stands in no block":
        books.is_final[6], books.final_ns[6] = True, 900
    elif change == "a transaction of a final block is not called final":
        books.is_final[3] = False
    elif change == "a block holds what no node accepted":
        books.chain[1] = block(1, first, [4, 3, 9])
    elif change == "a block is older than what it holds":
        books.chain[1] = replace(second, built_ns=102)
    elif change == "final before it was accepted":
        books.final_ns[2] = 101
    return books


IMBALANCES = {
    "an acceptance was counted twice": "8 acceptances were counted, 7 transactions have an origin",
    "an acceptance was not counted": "6 acceptances were counted, 7 transactions have an origin",
    "a transaction stands in two blocks": "6 transactions of final blocks are final .* 5 in all",
    "a transaction stands twice in one block": "6 transactions of final blocks are final .* 5 in all",
    "a transaction is called final that stands in no block": "5 transactions of final blocks are final .* 6 in all",
    "a transaction of a final block is not called final": "5 transactions of final blocks are final .* 4 in all",
    "a block holds what no node accepted": "holds a transaction that was never accepted",
    "a block is older than what it holds": "block 1 holds a transaction that was accepted after it was built",
    "final before it was accepted": "a transaction is final before it was accepted",
}


@pytest.mark.parametrize("change", IMBALANCES)
def test_an_imbalance_is_noticed(change: str) -> None:
    with pytest.raises(BooksError, match=IMBALANCES[change]):
        broken(change).check()


def test_everything_that_does_not_add_up_is_said_at_once() -> None:
    books = broken("a transaction stands in two blocks")
    books.accepted_count = 1
    books.final_ns[1] = 3
    with pytest.raises(BooksError) as caught:
        books.check()
    assert str(caught.value).count(";") == 2
    assert isinstance(caught.value, LabError)


def test_rows_beyond_the_last_transaction_do_not_count() -> None:
    books = sound()
    books.book.origin[12] = 1
    books.check()


@pytest.mark.parametrize("change", ["origin", "accepted later", "second block"])
def test_a_run_whose_books_are_tampered_with_does_not_end_well(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = outcome_module.settle

    def tampered(scenario: Any, seed: int, mesh: Any, plane: Any, record: Any, end_ns: int) -> Any:
        rows = mesh.blocks[0].rows
        if change == "origin":
            plane.book.origin[np.flatnonzero(plane.book.origin < 0)[0]] = 0  # a row that no node accepted
        elif change == "accepted later":
            plane.book.accepted_ns[rows[0]] = end_ns
        else:
            object.__setattr__(mesh.blocks[1], "rows", np.append(mesh.blocks[1].rows, rows[:1]))
        return settle(scenario, seed, mesh, plane, record, end_ns)

    scenario = load_scenario(
        "rc3-capable", sets=["duration_s=40", "workload.rate_tps=5", "protocol.mempool.capacity=9"]
    )
    simulate_once(scenario, seed=2)
    monkeypatch.setattr("bitcell_sim.engine.simulation.settle", tampered)
    if change == "second block":
        found = simulate_once(scenario, seed=2).violations
        assert {violation.property for violation in found} == {"transaction_duplicated"}
        return
    with pytest.raises(BooksError):
        simulate_once(scenario, seed=2)


def world(heads: list[Block], finals: list[Block], blocks: list[Block]) -> Any:
    nodes = [
        SimpleNamespace(index=i, head=head, final=done)
        for i, (head, done) in enumerate(zip(heads, finals, strict=True))
    ]
    return SimpleNamespace(nodes=nodes, blocks=blocks)


def seen_final(blocks: int, *seen: tuple[int, int]) -> np.ndarray:
    times = np.full((blocks, 2), NEVER, np.int64)
    for number, node in seen:
        times[number, node] = 1000 + number
    return times


ONE, OTHER = block(0, GENESIS, [0]), block(1, GENESIS, [1], builder=1)
CHILD = block(2, ONE, [2])
BLOCKS = [ONE, OTHER, CHILD]


def test_one_final_chain_is_safe() -> None:
    mesh = world([CHILD, CHILD], [CHILD, ONE], BLOCKS)
    assert check_safety(mesh, seen_final(3, (0, 0), (0, 1), (2, 0))) == []


def test_final_blocks_of_two_heights_that_form_no_chain_are_double_finality() -> None:
    mesh = world([CHILD, OTHER], [CHILD, OTHER], BLOCKS)
    assert check_safety(mesh, seen_final(3, (2, 0), (1, 1))) == [
        Violation("double_finality", "block 2 of height 2 does not stand on final block 1")
    ]


def test_two_final_blocks_of_one_height_are_double_finality() -> None:
    mesh = world([CHILD, OTHER], [ONE, OTHER], BLOCKS)
    assert check_safety(mesh, seen_final(3, (0, 0), (1, 1))) == [
        Violation("double_finality", "height 1: final are block 0 at 1 of 2 nodes and block 1 at 1 of 2 nodes")
    ]


def test_a_node_that_leaves_its_final_block_disagrees() -> None:
    mesh = world([OTHER, CHILD], [ONE, ONE], BLOCKS)
    assert check_safety(mesh, seen_final(3, (0, 0), (0, 1))) == [
        Violation("disagreement", "node 0 follows a chain without its final block")
    ]


def test_a_transaction_twice_in_a_chain_is_told_once_a_chain() -> None:
    twice = block(3, CHILD, [7, 0])
    assert check_once(world([CHILD, OTHER], [ONE, OTHER], BLOCKS)) == []
    assert check_once(world([twice, twice], [ONE, ONE], [*BLOCKS, twice])) == [
        Violation("transaction_duplicated", "1 stand twice in the chain of block 3, as transaction 0")
    ]


def test_a_node_that_takes_back_what_was_final_is_told() -> None:
    went = [FinalRecord(0, 0, 10, 0), FinalRecord(0, 2, 20, 0), FinalRecord(1, 0, 11, 0)]
    assert check_no_way_back(world([CHILD, CHILD], [CHILD, ONE], BLOCKS), went) == []
    assert check_no_way_back(world([ONE, ONE], [ONE, ONE], BLOCKS), went) == [
        Violation("finality_reverted", "node 0 had seen height 2 final and now stands at 1")
    ]
    again = [*went, FinalRecord(1, 0, 30, 0)]
    assert check_no_way_back(world([CHILD, CHILD], [CHILD, ONE], BLOCKS), again) == [
        Violation("finality_reverted", "node 1 had forgotten that blocks were final, and saw it again")
    ]


def test_heights_that_a_node_sees_final_out_of_order_are_told() -> None:
    mesh = world([CHILD, CHILD], [CHILD, CHILD], BLOCKS)
    down = [FinalRecord(0, 2, 10, 0), FinalRecord(0, 0, 20, 0)]
    assert check_no_way_back(mesh, down) == [Violation("finality_reverted", "node 0 saw height 2 final after height 0")]
    other = [FinalRecord(1, 0, 10, 0), FinalRecord(1, 1, 20, 0), FinalRecord(1, 2, 30, 0)]
    assert check_no_way_back(mesh, other) == [], "two blocks of one height are double finality, and told as that"


def test_a_block_taken_without_what_was_final_is_told() -> None:
    """Also where the node has found its way by the end."""
    mesh = world([CHILD, CHILD], [ONE, ONE], BLOCKS)
    finals = [FinalRecord(0, 0, 100, 0), FinalRecord(1, 0, 300, 0)]
    follows = [AdoptionRecord(1, 1, 150, 150, 200), AdoptionRecord(0, 2, 400, 400, 400)]
    assert check_followed(mesh, follows, finals) == []
    strays = [*follows, AdoptionRecord(0, 1, 450, 450, 500)]
    assert check_followed(mesh, strays, finals) == [
        Violation("disagreement", "node 0 took block 1 without block 0, which it had seen final")
    ]


def test_double_finality_says_where_a_third_of_the_stake_votes_twice() -> None:
    mesh = world([CHILD, OTHER], [ONE, OTHER], BLOCKS)
    mesh.deployment = SimpleNamespace(node=[SimpleNamespace(stake=stake) for stake in (100, 200)])
    seen = seen_final(3, (0, 0), (1, 1))
    (found,) = check_safety(mesh, seen, offenders={0})
    assert found.detail.endswith("; 100 of 300 stake votes twice, which no protocol bears")
    mesh.deployment.node[1].stake = 201
    (found,) = check_safety(mesh, seen, offenders={0})
    assert "votes twice" not in found.detail
    (found,) = check_safety(mesh, seen)
    assert "votes twice" not in found.detail


def cast(*votes: str) -> list[VoteRecord]:
    """Votes at height 1, such as ``0 prevote 1 A``: node, kind, round, block."""
    found = []
    for at_ns, vote in enumerate(votes):
        node, kind, vote_round, name = vote.split()
        found.append(VoteRecord(int(node), 1, int(vote_round), kind, "ABC".index(name), at_ns))
    return found


LOCKED = ("0 prevote 0 A", "1 prevote 0 A", "2 prevote 0 A", "3 prevote 0 B", "0 precommit 0 A")
RELEASED = (*LOCKED, "1 prevote 1 B", "2 prevote 1 B", "3 prevote 1 B", "0 prevote 1 B")


@pytest.mark.parametrize("votes", [LOCKED, (*LOCKED, "0 prevote 1 A"), RELEASED, (*RELEASED, "0 precommit 1 B")])
def test_votes_that_keep_their_promise_pass(votes: tuple[str, ...]) -> None:
    assert check_votes(cast(*votes), [1] * 4) == []


@pytest.mark.parametrize(
    ("votes", "wrong"),
    [
        ((*LOCKED, "0 prevote 1 B"), "node 0 prevoted block 1 in round 1 of height 1, having precommitted block 0"),
        (LOCKED[2:], "node 0 precommitted block 0 in round 0 of height 1 without a majority of prevotes"),
        (LOCKED[1:], "node 0 precommitted block 0 in round 0 of height 1 without a majority of prevotes"),
        ((*LOCKED, "3 prevote 0 A"), "node 3 prevoted block 0 in round 0 of height 1, and another block too"),
    ],
)
def test_votes_that_do_not_are_told(votes: tuple[str, ...], wrong: str) -> None:
    (found,) = check_votes(cast(*votes), [1] * 4)
    assert found.property == "disagreement"
    assert found.detail.startswith(wrong)


def test_a_run_says_when_its_finality_contradicts_itself() -> None:
    scenario = load_scenario("rc3-capable", sets=SHORT)

    def contradict(simulation: Simulation) -> None:
        def rebel() -> Any:
            while simulation.mesh.nodes[0].final.height < 2:
                yield simulation.env.timeout(100_000_000)
            node = simulation.mesh.nodes[0]
            rival = replace(node.final, index=len(simulation.mesh.blocks), builder=1, rows=np.zeros(0, np.int64))
            simulation.mesh.blocks.append(rival)
            node.final = node.final.parent
            node.finalise(rival, 0)

        simulation.env.process(rebel())

    found = simulate_once(scenario, seed=1, director=contradict).violations
    assert "double_finality" in {violation.property for violation in found}
    assert simulate_once(scenario, seed=1).violations == []
