"""How fast the simulator is, over a loop that does not change, so that a slow machine gives the same figure."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once

PAIRS = 25
REFERENCE_EVENTS = 40_000
SAMPLE_INTERVAL_S = 60.0


def reference_loop(events: int = REFERENCE_EVENTS) -> int:
    """A plain event loop: a heap of timers that each set the next one; gives a checksum.

    >>> reference_loop(1000)
    756
    """
    heap = [(i, i) for i in range(64)]
    total = 0
    for _ in range(events):
        at, name = heapq.heappop(heap)
        total = (total * 31 + name + at) % 1_000_003
        heapq.heappush(heap, (at + 1 + total % 97, name))
    return total % 1000


def speed_ratios(
    scenario: Scenario, *, pairs: int = PAIRS, progress: Callable[[str, int, int], None] | None = None
) -> list[float]:
    """Processor time of the reference loop over that of one run, measured in turns.

    Parameters
    ----------
    scenario : Scenario
        What is run; always with seed 1.
    pairs : int
        Turns.
    progress : callable, optional
        Called with a title, how many turns are done, and how many there are.
    """
    simulate_once(scenario, seed=1, sample_interval_s=SAMPLE_INTERVAL_S)  # compiles
    ratios = []
    for number in range(pairs):
        start = time.process_time()
        reference_loop()
        between = time.process_time()
        simulate_once(scenario, seed=1, sample_interval_s=SAMPLE_INTERVAL_S)
        end = time.process_time()
        ratios.append((between - start) / (end - between))
        if progress is not None:
            progress("speed", number + 1, pairs)
    return ratios
