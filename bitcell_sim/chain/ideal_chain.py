"""The chain as a perfect network would make it: everyone hears everything at once, thousands of heights a second.

Tournaments, evidence and trust are those of the simulated nodes; times, forks and votes are left out. It answers what
depends on many heights: who wins how often, and when trust shuts someone out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bitcell_sim.chain.block import Block
from bitcell_sim.chain.contest import Arena, Contest
from bitcell_sim.chain.miners import Miners
from bitcell_sim.chain.trust import Ledger, State
from bitcell_sim.config.schema import Scenario

ATTEMPTS_MAX = 1000  # at one height, without a block
NO_ROWS = np.zeros(0, np.int64)


def ideal_chain(scenario: Scenario, heights: int, *, seed: int = 1) -> Iterator[tuple[Block, Contest, State]]:
    """Make blocks until a height, or until nobody may mine any more or no attempt brings a block.

    Parameters
    ----------
    scenario : Scenario
        Miners and rules.
    heights : int
        Blocks at most.
    seed : int
        Seed; the same one gives the tournaments of a simulated run.

    Yields
    ------
    block : Block
        With its attempt, builder and evidence; no transactions, and its height for a time.
    contest : Contest
        Its tournament.
    state : State
        Standings after it, and who may mine next.
    """
    nodes = [node.id for node in scenario.deployment.node]
    quirks = scenario.protocol.quirks
    miners = Miners(scenario.miner, nodes, seed=seed, same_gliders=quirks.same_gliders)
    arena = Arena(lambda _: None, miners.glider, seed=seed, quirks=quirks)
    ledger = Ledger(scenario.protocol.trust, len(nodes))
    head = Block(-1, 0, 0, -1, None, 0, NO_ROWS, 0, 0, 0, 0)
    state, attempt = ledger.at(head), 0
    caught: set[int] = set()  # at the heights before: votes follow a block, evidence stands in the next
    while head.height < heights and state.eligible and attempt < ATTEMPTS_MAX:
        height = head.height + 1
        revealed = tuple(miner for miner in state.eligible if miners.reveals(height, attempt, miner))
        contest = arena.fight(height, attempt, revealed) if revealed else None
        if contest is None or not miners.publishes(height, attempt, contest.winner):
            attempt += 1
            continue
        builder, count = contest.winner, len(revealed)
        evidence = ledger.testimony(head, contest, state.eligible, caught - {builder})
        head = Block(head.height, height, attempt, builder, head, height, NO_ROWS, 0, 0, count, 0, evidence)
        state, attempt = ledger.at(head), 0
        caught |= {miner for miner in range(len(nodes)) if miners.equivocates(height, miner)}
        yield head, contest, state
