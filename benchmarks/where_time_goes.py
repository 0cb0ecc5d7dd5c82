"""Where the processor time of one simulated hour goes: its own stack sampled by a timer, summed by what it was doing.

Run it with ``python benchmarks/where_time_goes.py [REPEATS]``; it prints the table of ``benchmarks/README.md``.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from types import FrameType

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once

INTERVAL_S = 0.002
# The first that stands in a stack, from the innermost call outwards, says what a sample was doing.
PARTS: tuple[tuple[str, frozenset[str]], ...] = (
    ("transactions: requests, flood and pools (kernel)", frozenset({"plane.py:advance", "plane.py:_take"})),
    ("transactions: blocks chosen, adopted, left (kernels)", frozenset({"plane.py:select", "plane.py:include"})),
    ("tournaments and battles", frozenset({"contest.py:fight"})),
    ("votes counted", frozenset({f"finality.py:{name}" for name in ("on_votes", "on_vote", "on_block", "begin")})),
    ("messages made and their delays (kernel)", frozenset({"transport.py:copies_ns"})),
    ("bulk messages", frozenset({"transport.py:send"})),
    ("cores and provers", frozenset({"machine.py:work", "machine.py:_on_clock", "prover.py:submit"})),
    ("tables, states and checks of the books", frozenset({"outcome.py:settle"})),
    ("samples of every node", frozenset({"simulation.py:_look_at"})),
    ("building the run", frozenset({"simulation.py:__init__"})),
    ("votes cast and answered", frozenset({"voter.py:on_quorum", "voter.py:take_vote", "voter.py:take_block"})),
    ("blocks checked, announced, followed", frozenset({"node.py:_accept", "node.py:take_block"})),
    ("rounds of the nodes", frozenset({"node.py:_live"})),
    ("event queue", frozenset({"clock.py:run_until"})),
)


def part_of(frame: FrameType | None) -> str:
    """What a stack was doing."""
    while frame is not None:
        name = f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_code.co_name}"
        for part, names in PARTS:
            if name in names:
                return part
        frame = frame.f_back
    return "rest"


def main(repeats: int) -> None:
    """Sample some runs and print the table."""
    scenario = load_scenario("rc3-capable", sets=["duration_s=3600"])
    simulate_once(scenario)  # compiles
    samples: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: samples.update([part_of(frame)]))
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    for _ in range(repeats):
        simulate_once(scenario)
    signal.setitimer(signal.ITIMER_PROF, 0.0)
    hour_s = (time.process_time() - start) / repeats
    total = sum(samples.values())
    print(f"{hour_s:.2f} s of processor time a simulated hour\n")
    print("| share | what |\n|---|---|")
    for part, count in samples.most_common():
        print(f"| {count / total:.0%} | {part} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
