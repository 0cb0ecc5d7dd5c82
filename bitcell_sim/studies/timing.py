"""Time that some work takes, and programs in C++ to compare it with."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

Content = dict[str, Any]


@dataclass(frozen=True)
class Timing:
    """Time that some work took, seconds.

    Parameters
    ----------
    wall_s, cpu_s : float
        By the wall clock, and of this process's processor time.
    """

    wall_s: float
    cpu_s: float

    def scaled(self, factor: float) -> Timing:
        """Time of so many times the work."""
        return Timing(self.wall_s * factor, self.cpu_s * factor)

    @classmethod
    def least(cls, timings: list[Timing]) -> Timing:
        """Give the least of several, by the clock and of processor time."""
        return cls(min(timing.wall_s for timing in timings), min(timing.cpu_s for timing in timings))

    def figures(self, work: float) -> Content:
        """Give both times and the rate of so much work."""
        return {"wall_s": self.wall_s, "cpu_s": self.cpu_s, "rate": work / self.wall_s}


def best_of(repeats: int, work: Callable[[], Any]) -> tuple[Timing, Any]:
    """Time some work, the least of a few times, and give what it returned last."""
    timings = []
    result = None
    for _ in range(repeats):
        result = None  # what the last time made is gone before the next begins
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        timings.append(Timing(time.perf_counter() - wall, time.process_time() - cpu))
    return Timing.least(timings), result


@contextmanager
def built_in_cpp(name: str) -> Iterator[Path | None]:
    """Build a program from a source file here by ``g++ -O3 -march=native``; None where there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        program, source = Path(folder) / "program", Path(folder) / name
        source.write_text(resources.files("bitcell_sim.studies").joinpath(name).read_text("utf-8"))
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, source], check=True, capture_output=True)
        yield program
