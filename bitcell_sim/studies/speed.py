"""How fast the simulator is, over a loop that does not change, so that a slow machine gives the same figure."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np

from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once

GROUPS = 6
TURNS = 5  # of a group; the fastest counts
REFERENCE_EVENTS = 20_000
SAMPLE_INTERVAL_S = 60.0


def reference_loop(events: int = REFERENCE_EVENTS) -> int:
    """Do what a simulator does: a heap of timers, a record an event, tables of them, a sort; gives a checksum.

    >>> reference_loop(1000)
    753
    """
    heap = [(i, i) for i in range(64)]
    total = 0
    records: list[dict[str, int]] = []
    for _ in range(events):
        at, name = heapq.heappop(heap)
        total = (total * 31 + name + at) % 1_000_003
        records.append({"at": at, "name": name, "total": total})
        heapq.heappush(heap, (at + 1 + total % 97, name))
    columns = {key: np.array([record[key] for record in records], np.int64) for key in records[0]}
    order = np.lexsort((columns["total"], columns["name"]))
    wide = np.repeat(columns["total"][order], 16)
    return (total + int(np.sort(wide)[::7].sum()) + int(np.cumsum(wide[::-1])[-1])) % 1000


def speed_ratios(
    scenario: Scenario,
    *,
    groups: int = GROUPS,
    turns: int = TURNS,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[float]:
    """Processor time of the reference loop over that of one run, measured in turns; one ratio a group.

    Parameters
    ----------
    scenario : Scenario
        What is run; always with seed 1.
    groups, turns : int
        Ratios, and turns of each; the fastest of a group's turns count, so that a busy neighbour counts little.
    progress : callable, optional
        Called with a title, how many groups are done, and how many there are.
    """
    simulate_once(scenario, seed=1, sample_interval_s=SAMPLE_INTERVAL_S)  # compiles
    ratios = []
    for number in range(groups):
        taken = [_turn(scenario) for _ in range(turns)]
        ratios.append(min(reference for reference, _ in taken) / min(run for _, run in taken))
        if progress is not None:
            progress("speed", number + 1, groups)
    return ratios


def _turn(scenario: Scenario) -> tuple[float, float]:
    """Processor seconds of the reference loop and of one run, one after the other."""
    start = time.process_time()
    reference_loop()
    between = time.process_time()
    simulate_once(scenario, seed=1, sample_interval_s=SAMPLE_INTERVAL_S)
    return between - start, time.process_time() - between
