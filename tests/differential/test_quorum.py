"""The quorum kernel agrees to the nanosecond with its slow twin, with the voting of the chain, and with whole runs."""

from __future__ import annotations

import heapq
import itertools
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.finality import HeightVoting, Reaction, quorum_stake
from bitcell_sim.chain.voter import _HEIGHTS_MAX, ATTEMPTS_MAX
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import LinkFault, NodeFault, Scenario
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.kernels import mail, mail_plain, quorum, quorum_plain
from bitcell_sim.kernels.mail import Mail
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths import LinkState, Paths
from bitcell_sim.kernels.quorum import Course, Height, decide, rounds_before
from bitcell_sim.kernels.voting import FINAL, FINAL_NS, FINAL_ROUND, LOCK, LOCK_NS, LOCK_ROUND, Rules
from bitcell_sim.network.transport import Kind, Transport
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import seconds_to_ns

SECOND = 10**9
SIZES = [4, 7, 20, 50]
WIRE = load_scenario("rc3").protocol.wire
VOTE_BYTES = WIRE.vote_bytes + WIRE.overhead_bytes


def rules_of(stakes: list[int], timeout_ns: int, step_ns: int) -> Rules:
    return Rules(quorum_stake(stakes), sum(stakes) // 3 + 1, timeout_ns, step_ns)


def links_of(places: int, *, loss: float = 0.0, uplink_bit_per_s: int = 10**9) -> LinkState:
    shape = (places, places)
    return LinkState(
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.int64),
        np.full(shape, loss),
        np.full(places, uplink_bit_per_s),
        np.zeros(places, np.int64),
        np.zeros(1, np.uint8),
    )


def random_case(seed: int, voters: int, places: int | None = None) -> tuple[Height, Rules, Mail, int, int]:
    """Whatever can happen: 1 to 3 blocks, late and absent validators, slow and cut links, short and long rounds."""
    chance = np.random.default_rng(seed)
    places = places or voters
    spread_ns = int(chance.choice([10**6, 3 * 10**8, 4 * SECOND]))
    base_ns = chance.integers(10**6, int(chance.choice([10**7, 3 * 10**8, 3 * SECOND])), (places, places))
    slow_ns = chance.integers(0, 10**7, (3, places, places))
    paths = Paths(base_ns, slow_ns, 3 * SECOND, np.array([7e4, 0.1, 3.1e6, 2.07, 4e8, 15.0]))
    links = links_of(places, loss=float(chance.choice([0.0, 1e-3, 0.3])))
    links.cut[chance.random((places, places)) < chance.choice([0.0, 0.0, 0.2])] = 1
    links.added_ns[:] = chance.integers(0, 10**8, (places, places)) * chance.integers(0, 2)
    blocks = int(chance.integers(1, 4))
    timeout_ns = int(chance.choice([10**8, SECOND, 10 * SECOND]))
    checked_ns = chance.integers(0, spread_ns, (blocks, voters))
    late = chance.random((blocks, voters)) < chance.choice([0.0, 0.3])
    checked_ns[late] += chance.integers(0, 4 * timeout_ns, int(late.sum()))
    checked_ns[chance.random((blocks, voters)) < chance.choice([0.0, 0.3])] = NEVER
    checked_ns[:, chance.random(voters) < chance.choice([0.0, 0.1, 0.3])] = NEVER
    begin_ns = np.where(chance.random(voters) < 0.8, 0, chance.integers(0, 2 * SECOND, voters))
    begin_ns[chance.random(voters) < chance.choice([0.0, 0.1])] = NEVER
    stakes = chance.integers(1, int(chance.choice([2, 300])) + 1, voters)
    rules = rules_of(stakes.tolist(), timeout_ns, timeout_ns // 2)
    height = Height(int(chance.integers(1, 10**6)), stakes, begin_ns, checked_ns)
    until_ns = 6 * timeout_ns + spread_ns
    post = Mail(np.uint64(stream_key(seed, "transport.vote")), VOTE_BYTES, np.arange(voters) % places, paths, links)
    return height, rules, post, rounds_before(height, rules, until_ns), until_ns


def assert_equal(found: Course, expected: tuple[Any, Any, Any]) -> None:
    for name, ours, theirs in zip(("cast_ns", "choice", "state"), found, expected, strict=True):
        assert np.array_equal(ours, theirs), name


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), voters=st.integers(1, 9), places=st.sampled_from([None, 1, 3]))
def test_kernel_is_its_twin(seed: int, voters: int, places: int | None) -> None:
    case = random_case(seed, voters, places)
    course = decide(*case)
    assert_equal(course, quorum_plain.decide(*case))
    event(f"rounds {int(course.state[FINAL_ROUND].max())}, blocks {len(set(course.state[FINAL].tolist()) - {-1})}")


@pytest.mark.parametrize(("voters", "seeds"), [(20, range(12)), (50, (0, 1))])
def test_kernel_is_its_twin_with_many(voters: int, seeds: range) -> None:
    for seed in seeds:
        case = random_case(seed, voters, 11)
        assert_equal(decide(*case), quorum_plain.decide(*case))


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), voters=st.integers(2, 7), blocks=st.integers(1, 2))
def test_equal_moments(seed: int, voters: int, blocks: int) -> None:
    """Delays of a few nanoseconds: votes, blocks and time-outs meet at the same moment all the time."""
    chance = np.random.default_rng(seed)
    shape = (voters, voters)
    paths = Paths(2 * chance.integers(1, 5, shape), np.zeros((1, *shape), np.int64), 10**9, np.zeros(6))
    checked_ns = chance.choice([0, 1, 2, 5, 20, NEVER], (blocks, voters))
    height = Height(1, chance.integers(1, 4, voters), chance.integers(0, 4, voters), checked_ns)
    rules = rules_of(height.stakes.tolist(), int(chance.integers(1, 12)), int(chance.integers(0, 3)))
    links = links_of(voters, uplink_bit_per_s=2**62)
    case = (height, rules, Mail(np.uint64(1), 1, np.arange(voters), paths, links), rounds_before(height, rules, 60), 60)
    assert_equal(decide(*case), quorum_plain.decide(*case))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), window=st.sampled_from([0, 1000, 70_000]), size=st.integers(1, 300_000))
def test_spreading_a_block(seed: int, window: int, size: int) -> None:
    _, _, post, _, _ = random_case(seed, 6, 3)
    post = post._replace(size_bytes=size)
    targets = [4, 0, 3, 1]
    found = mail.spread_ns(post, 5, 2, 1_234_567, window, np.array(targets))
    assert found.tolist() == mail_plain.spread_ns(post, 5, 2, 1_234_567, window, targets)


# ------------------------------------------------------------------------------------ the chain's own rules

GENESIS = Block(-1, 0, 0, -1, None, 0, np.zeros(0, np.int64), 0, 0, 0, 0)


class MessageByMessage:
    """Nodes that vote by the chain's rules, one event a message, each delay from the network's own transport."""

    def __init__(self, height: Height, rules: Rules, post: Mail, seed: int) -> None:
        self.env: Any = SimpleNamespace(now=0)
        self.transport = Transport(self.env, post.paths, post.links, lambda node: True, WIRE, seed=seed)
        self.rules, self.number = rules, height.number
        stakes = height.stakes.tolist()
        nobody = np.zeros(0, np.int64)
        count = len(height.checked_ns)
        self.blocks = [Block(i, height.number, 0, 0, GENESIS, i, nobody, 0, 0, 7, count - i) for i in range(count)]
        self.nodes = [HeightVoting(me, height.number, stakes) for me in range(len(stakes))]
        self.cast: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.locks: dict[int, tuple[int, int, int]] = {}
        self.finals: dict[int, tuple[int, int, int]] = {}
        self.events: list[tuple[int, int, int, Any]] = []
        self.order = itertools.count()
        for me, at in enumerate(height.begin_ns.tolist()):
            self.push(at, me, lambda node: node.begin(GENESIS))
        for block, times in zip(self.blocks, height.checked_ns.tolist(), strict=True):
            for me, at in enumerate(times):
                self.push(at, me, lambda node, block=block: node.on_block(block))

    def push(self, at: int, me: int, what: Any) -> None:
        heapq.heappush(self.events, (at, next(self.order), me, what))

    def run(self, until_ns: int) -> None:
        while self.events and self.events[0][0] < until_ns:
            self.env.now, _, me, what = heapq.heappop(self.events)
            node = self.nodes[me]
            self.react(me, node, what(node))

    def react(self, me: int, node: HeightVoting, reaction: Reaction) -> None:
        now = self.env.now
        for vote in reaction.votes:
            assert (vote.round, vote.kind, me) not in self.cast
            self.cast[vote.round, int(vote.kind), me] = now, vote.block.index
            targets = [other for other in range(len(self.nodes)) if other != me]
            name = ((me * _HEIGHTS_MAX + vote.height) * ATTEMPTS_MAX + vote.round) * 2 + int(vote.kind)
            arrivals = self.transport.arrivals_ns(Kind.VOTE, me, targets, name, WIRE.vote_bytes)
            for target, at in zip(targets, arrivals, strict=True):
                if at >= 0:
                    self.push(at, target, lambda node, vote=vote: node.on_vote(vote))
        if reaction.timer_round is not None:
            after = self.rules.timeout_ns + self.rules.timeout_step_ns * reaction.timer_round
            self.push(now + after, me, lambda node, number=reaction.timer_round: node.on_timeout(number))
        if reaction.locked is not None:
            self.locks[me] = now, reaction.locked.index, node.lock_round
        if reaction.final is not None:
            self.finals[me] = now, reaction.final.index, node.final_round


def of(course: Course, when: int, what: int, round_number: int) -> dict[int, tuple[int, int, int]]:
    rows = zip(course.state[when], course.state[what], course.state[round_number], strict=True)
    return {me: (int(at), int(block), int(number)) for me, (at, block, number) in enumerate(rows) if at < NEVER}


def cast_of(course: Course) -> dict[tuple[int, int, int], tuple[int, int]]:
    places = np.argwhere(course.cast_ns < NEVER).tolist()
    return {tuple(at): (int(course.cast_ns[*at]), int(course.choice[*at])) for at in places}


@pytest.mark.parametrize("voters", SIZES)
def test_kernel_is_the_chain_s_voting(voters: int) -> None:
    final = rounds = 0
    for seed in range(1000, 1000 + max(40, 400 // voters)):
        case = random_case(seed, voters)
        height, rules, post, _, until_ns = case
        course = decide(*case)
        slow = MessageByMessage(height, rules, post, seed)
        slow.run(until_ns)
        assert cast_of(course) == slow.cast
        assert of(course, FINAL_NS, FINAL, FINAL_ROUND) == slow.finals
        assert of(course, LOCK_NS, LOCK, LOCK_ROUND) == slow.locks
        final += len(slow.finals)
        rounds += sum(number > 0 for _, _, number in slow.finals.values())
    assert final > 30
    assert rounds > 10  # heights that needed more than one round were among them


# --------------------------------------------------------------------------------------------- whole runs


def many(nodes: int, *sets: str) -> Scenario:
    """RC3 with any number of nodes of unequal stake, on short rounds."""
    quick = ["commit_s=1", "reveal_s=1", "pause_s=1", "block_timeout_s=9"]
    options = [f"protocol.round.{one}" for one in quick] + ["protocol.battle.engine=sparse", "protocol.proof.mode=off"]
    scenario = load_scenario("rc3", sets=["workload.rate_tps=1", "duration_s=30", *options, *sets])
    pattern = scenario.deployment.node
    chosen = [
        pattern[i % len(pattern)].model_copy(
            update={"id": f"node-{i}", "stake": 50 + 37 * i % 101, "bootstrap": ("node-0",) if i else ()}
        )
        for i in range(nodes)
    ]
    return scenario.model_copy(update={"deployment": scenario.deployment.model_copy(update={"node": tuple(chosen)})})


def run_and_compare(scenario: Scenario, seed: int) -> tuple[int, int]:
    """Vote again on each height of a run, given what it began with; heights compared, and finals of later rounds."""
    simulation = Simulation(scenario, seed=seed)
    outcome = simulation.run()
    assert outcome.violations == []
    tables, deployment, finality = outcome.tables, scenario.deployment, scenario.protocol.finality
    names = {node.id: index for index, node in enumerate(deployment.node)}
    stakes = np.array([node.stake for node in deployment.node])
    rules = rules_of(stakes.tolist(), seconds_to_ns(finality.timeout_s), seconds_to_ns(finality.timeout_step_s))
    shared = simulation.mesh.transport
    key = np.uint64(stream_key(seed, "transport.vote"))
    post = Mail(key, VOTE_BYTES, np.arange(len(names)), shared._paths, shared._links)
    frames = {
        name: tables[name].assign(me=tables[name]["node"].map(names)) for name in ("adoptions", "finals", "votes")
    }
    until_ns = simulation.duration_ns
    blocks = tables["blocks"]
    begin_ns, heights, finals = np.zeros(len(names), np.int64), 0, 0
    for height, siblings in blocks.groupby("height"):
        if len(siblings) > 1 or siblings["built_ms"].iloc[0] * 1e6 > until_ns - SECOND:
            break
        block = siblings["block"].iloc[0]
        adopted = frames["adoptions"][frames["adoptions"]["block"] == block]
        checked_ns = np.full((1, len(names)), NEVER)
        checked_ns[0, adopted["me"]] = np.rint(adopted["checked_ms"] * 1e6)
        asked = Height(int(height), stakes, begin_ns, checked_ns)
        course = decide(asked, rules, post, rounds_before(asked, rules, until_ns), until_ns)
        votes = frames["votes"][frames["votes"]["height"] == height]
        kinds = votes["kind"].map({"prevote": 0, "precommit": 1})
        moments = np.rint(votes["at_ms"] * 1e6).astype(np.int64)
        cast = dict(zip(zip(votes["vote_round"], kinds, votes["me"], strict=True), moments, strict=True))
        assert {vote: at for vote, (at, _) in cast_of(course).items()} == cast
        seen = frames["finals"][frames["finals"]["block"] == block]
        begin_ns = np.full(len(names), NEVER)
        begin_ns[seen["me"]] = np.rint(seen["at_ms"] * 1e6)
        assert course.state[FINAL_NS].tolist() == begin_ns.tolist()
        numbers = dict(zip(seen["me"], seen["vote_round"], strict=True))
        assert {me: number for me, (_, _, number) in of(course, FINAL_NS, FINAL, FINAL_ROUND).items()} == numbers
        heights, finals = heights + 1, finals + int((seen["vote_round"] > 0).sum())
    return heights, finals


@pytest.mark.parametrize("nodes", SIZES)
def test_kernel_is_the_simulated_mesh(nodes: int) -> None:
    heights, later = run_and_compare(many(nodes), seed=nodes)
    assert heights >= 5
    assert later == 0


@pytest.mark.parametrize(("nodes", "timeout_s"), [(7, 0.13), (20, 0.11)])
def test_kernel_is_the_simulated_mesh_with_absent_late_and_hasty_nodes(nodes: int, timeout_s: float) -> None:
    """Time-outs below a round's length, one node lost, two whose blocks and votes come late."""
    sets = (f"protocol.finality.timeout_s={timeout_s}", "protocol.finality.timeout_step_s=0.05")
    absent = NodeFault(kind="host-loss", node="node-3", start_s=0.01, duration_s=100.0)
    late = [
        LinkFault(kind="latency", target=f"node-{node}", added_ms=added_ms, start_s=0.01, duration_s=100.0)
        for node, added_ms in ((1, 400.0), (5, 150.0))
    ]
    scenario = many(nodes, *sets).model_copy(update={"fault": (absent, *late)})
    heights, later = run_and_compare(scenario, seed=3)
    assert heights >= 5
    assert later >= 10


# ---------------------------------------------------------------------------------------------- and scale


def test_a_thousand_validators_take_about_a_second() -> None:
    """Twice the validators take four times as long: one draw a vote and receiver. The first call compiles."""
    took_s = {}
    for voters in (500, 1000):
        chance = np.random.default_rng(5)
        base_ns = chance.integers(10**6, 3 * 10**8, (7, 7))
        paths = Paths(base_ns, np.zeros((1, 7, 7), np.int64), SECOND, np.array([7e4, 0.0035, 3.1e6, 2.07, 4e8, 15.0]))
        stakes = np.full(voters, 100)
        height = Height(1, stakes, np.zeros(voters, np.int64), chance.integers(0, 10**8, (1, voters)))
        rules = rules_of(stakes.tolist(), 10 * SECOND, 5 * SECOND)
        post = Mail(np.uint64(1), VOTE_BYTES, np.arange(voters) % 7, paths, links_of(7, loss=1e-5))
        best = []
        for _ in range(3):
            start = time.process_time()
            course = decide(height, rules, post, 2, 20 * SECOND)
            best.append(time.process_time() - start)
        took_s[voters] = min(best)
        assert (course.state[FINAL_NS] < SECOND).all()
    assert took_s[1000] < 3.0
    assert took_s[1000] < 8 * took_s[500]


def test_rounds_that_can_begin() -> None:
    at = np.array([[5 * SECOND, NEVER, 2 * SECOND]])
    height = Height(1, np.ones(3, np.int64), np.array([0, 0, 3 * SECOND]), at)
    rules = rules_of([1, 1, 1], SECOND, SECOND)
    assert [rounds_before(height, rules, until * SECOND) for until in (1, 3, 4, 5, 6, 7, 9, 10)] == [
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
    ]
    assert rounds_before(height, rules_of([1, 1, 1], 0, 0), NEVER) == quorum.ROUNDS_MAX
