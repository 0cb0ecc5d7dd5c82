"""What a sweep's machinery costs beside its points: `python benchmarks/sweep_efficiency.py [--points N] [--workers N]`.

Two figures, as a busy machine spoils each in its own way. Points that sleep for 1 s measure what waits between them:
seconds of points over workers times seconds by the clock. Points that simulate for about 1 s measure what work the
machinery adds: processor seconds of the points over those of all processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from bitcell_sim.runs.batch import replicate
from bitcell_sim.studies import sweep as study

FILE = """
title = "Efficiency"
method = "grid"
metric = ["run.final_tps"]
set = ["duration_s={duration}", "workload.rate_tps=100", "protocol=rc3-capable"]
[[factor]]
key = "workload.gas_price.median"
low = 10.0
high = 20.0
count = {points}
"""
POINT_S = 1.0
DURATION_S = 3000


def sleeping(item: Any) -> dict[str, Any]:
    """Point of 1 s that needs no processor."""
    time.sleep(POINT_S)
    return {"values": [1.0], "error": None}


def working(item: Any) -> dict[str, Any]:
    """Point that simulates; its figure is the processor time it took."""
    start = time.process_time()
    original(item)
    return {"values": [time.process_time() - start], "error": None}


original = study._measure


def cpu_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def run(points: int, workers: int, measure: Any) -> tuple[float, list[float]]:
    """Seconds by the clock of a sweep, its pool warm, and its column."""
    replicate(abs, range(workers), workers=workers)
    study._measure = measure
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "efficiency.toml"
        file.write_text(FILE.format(points=points, duration=DURATION_S), encoding="utf-8")
        start = time.perf_counter()
        result = study.run_sweep(file, out=folder, workers=workers)
        return time.perf_counter() - start, result.frame["run.final_tps"].tolist()


def main() -> None:
    """Measure and print."""
    from joblib.externals.loky import get_reusable_executor

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    run(2 * options.workers, options.workers, sleeping)  # processes start and import, once in their lives
    wall, _ = run(options.points, options.workers, sleeping)
    print(f"{options.points} points of {POINT_S:g} s asleep on {options.workers} workers: {wall:.2f} s by the clock,")
    print(f"  efficiency {options.points * POINT_S / (options.workers * wall):.3f}")
    run(options.workers, options.workers, working)  # compiles
    before = cpu_s()
    get_reusable_executor().shutdown(wait=True)  # its past is counted when it ends, so it ends before and after
    before = cpu_s()
    wall, seconds = run(options.points, options.workers, working)
    get_reusable_executor().shutdown(wait=True)
    spent = cpu_s() - before
    busy = sum(seconds)
    print(f"{options.points} points that simulate, {busy / options.points:.2f} s of processor each:")
    print(f"  {busy:.1f} of {spent:.1f} processor seconds are theirs, {busy / spent:.3f}; the rest includes starting")
    print(f"  {options.workers} processes; by the clock {busy / (options.workers * wall):.3f} of what the cores have")


if __name__ == "__main__":
    main()
