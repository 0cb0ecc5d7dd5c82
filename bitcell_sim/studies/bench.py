"""The program's own speed, beside a reference that does the same work in the same call; the results have to agree."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.errors import InputError, LabError

if TYPE_CHECKING:
    from bitcell_sim.engine.outcome import Outcome
    from bitcell_sim.kernels.ships import Energies

Content = dict[str, Any]
BENCHED_SCENARIO = "rc3-capable"
_SOUP_DENSITY = 96  # live cells in 256: close to the density at which most cells change
_SEED = 1


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

    def figures(self, work: float) -> Content:
        """Give both times and the rate of so much work."""
        return {"wall_s": self.wall_s, "cpu_s": self.cpu_s, "rate": work / self.wall_s}


def best_of(repeats: int, work: Callable[[], Any]) -> tuple[Timing, Any]:
    """Time some work, the quickest of a few times, and give what it returned last."""
    timings = []
    result = None
    for _ in range(repeats):
        result = None  # what the last time made is gone before the next begins
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        timings.append(Timing(time.perf_counter() - wall, time.process_time() - cpu))
    return min(timings, key=lambda timing: timing.wall_s), result


def run_bench(name: str) -> Content:
    """Measure one thing by its name.

    Raises
    ------
    InputError
        If there is no such benchmark.
    """
    if name not in BENCHES:
        raise InputError(f"no benchmark {name!r}: there are {', '.join(BENCHES)}")
    return BENCHES[name]()


def bench_hour(*, simulated_s: float = 3600.0, reference_s: float = 600.0, repeats: int = 3) -> Content:
    """Simulated seconds a second: a mesh that carries 100 TPS, all tables in memory.

    Parameters
    ----------
    simulated_s : float
        Length of the run.
    reference_s : float
        Length of the run by the plain plane; its time is scaled to `simulated_s`.
    repeats : int
        Runs, of which the quickest counts.

    Raises
    ------
    LabError
        If the two planes do not agree on the reference's span.
    """
    from bitcell_sim.config.loader import load_scenario
    from bitcell_sim.engine.simulation import simulate_once

    long, short = (
        load_scenario(BENCHED_SCENARIO, sets=[f"duration_s={length}"]) for length in (simulated_s, reference_s)
    )
    quick = simulate_once(short, seed=_SEED)  # compiles, or loads what was compiled
    plain_timing, plain = best_of(1, lambda: simulate_once(short, seed=_SEED, plane="plain"))
    _demand_same_run(quick, plain)
    timing, outcome = best_of(repeats, lambda: simulate_once(long, seed=_SEED))
    rows, scale = outcome.counts["transactions"], simulated_s / reference_s
    return {
        "name": "hour",
        "work": f"{simulated_s:g} s of {BENCHED_SCENARIO}, {rows} transactions, tables in memory",
        **timing.figures(simulated_s),
        "reference": {
            "name": f"plain plane, {reference_s:g} s scaled by {scale:g}; both digests agree on that span",
            **plain_timing.scaled(scale).figures(simulated_s),
        },
    }


def _demand_same_run(one: Outcome, other: Outcome) -> None:
    if one.trace_digest != other.trace_digest:
        raise LabError(f"the two planes disagree: digests {one.trace_digest[:16]} and {other.trace_digest[:16]}")


def bench_battle(*, battle_count: int = 1000, reference_count: int = 6, repeats: int = 12) -> Content:
    """Battles a second: 1000 steps, no history, one thread.

    Parameters
    ----------
    battle_count : int
        Battles that the exact sparse stepper fights.
    reference_count : int
        The first of them, fought by the plain twin; its time is scaled.
    repeats : int
        Times, of which the quickest counts.

    Raises
    ------
    LabError
        If a battle has another end in the plain twin.
    """
    from bitcell_sim.chain.battle import BATTLE_STEPS
    from bitcell_sim.kernels.automaton_plain import fight_plain
    from bitcell_sim.kernels.battle_stepper import fight_by_steps
    from bitcell_sim.kernels.ships import DEFAULT_ENERGIES

    draws = np.random.Generator(np.random.PCG64(_SEED))
    pairs = draws.integers(0, len(DEFAULT_ENERGIES), (battle_count, 2)).tolist()
    seeds = [draws.bytes(32) for _ in range(battle_count)]

    def fight_all() -> list[tuple[int, int]]:
        scores = []
        for (a, b), seed in zip(pairs, seeds, strict=True):
            one, other = DEFAULT_ENERGIES[a], DEFAULT_ENERGIES[b]
            figures = fight_by_steps(a, one, 0, 0, b, other, 0, 0, seed, BATTLE_STEPS, False, False)
            scores.append((int(figures[4]), int(figures[5])))
        return scores

    def fight_some_plainly() -> list[tuple[int, int]]:
        scores = []
        for (a, b), seed in zip(pairs[:reference_count], seeds, strict=False):
            energies = DEFAULT_ENERGIES[a], DEFAULT_ENERGIES[b]
            end = fight_plain((a, b), energies, ((0, 0), (0, 0)), seed, BATTLE_STEPS, False)["energy_final"]
            scores.append((end[0], end[1]))
        return scores

    fight_all()
    timing, scores = best_of(repeats, fight_all)
    plain_timing, plain_scores = best_of(1, fight_some_plainly)
    if scores[:reference_count] != plain_scores:
        raise LabError(f"the sparse stepper and its plain twin disagree: {scores[:reference_count]}, {plain_scores}")
    return {
        "name": "battle",
        "work": f"{battle_count} battles of {BATTLE_STEPS} steps by the exact sparse stepper, no history, one thread",
        **timing.figures(battle_count),
        "reference": {
            "name": f"plain Python, the first {reference_count} of them scaled; the same energies",
            **plain_timing.scaled(battle_count / reference_count).figures(battle_count),
        },
    }


def bench_dense(*, side: int = 1024, steps: int = 256, repeats: int = 10) -> Content:
    """Cell-steps a second of the dense automaton, one thread, beside the same loop in C++.

    Parameters
    ----------
    side : int
        Cells along one side of the torus.
    steps : int
        Steps.
    repeats : int
        Times, of which the quickest counts.

    Raises
    ------
    LabError
        If the two grids differ.
    """
    from bitcell_sim.kernels.dense_automaton import soup, step_dense

    grid = soup(np.uint64(_SEED), _SOUP_DENSITY, side)
    step_dense(grid, steps)
    timing, after = best_of(repeats, lambda: step_dense(grid, steps))
    name, reference, expected = _dense_in_cpp(grid, steps, repeats) or _dense_in_numpy(grid, steps)
    if not np.array_equal(after, expected):
        raise LabError(f"the dense automaton and {name} disagree after {steps} steps")
    work = float(side * side * steps)
    return {
        "name": "dense",
        "work": f"{steps} steps of a {side} x {side} torus, one thread",
        **timing.figures(work),
        "reference": {"name": name, **reference.figures(work)},
    }


def _dense_in_cpp(grid: Energies, steps: int, repeats: int) -> tuple[str, Timing, Energies] | None:
    """Build and run the loop in C++; None where there is no compiler. Its time is that of the steps alone."""
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "dense_step"
        source = Path(folder) / "dense_step.cpp"
        source.write_text(resources.files("bitcell_sim.studies").joinpath("dense_step.cpp").read_text("utf-8"))
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, source], check=True, capture_output=True)
        command = [str(program), str(len(grid)), str(steps), str(repeats)]
        ran = subprocess.run(command, input=grid.tobytes(), capture_output=True, check=True)
    after = np.frombuffer(ran.stdout, np.uint8).reshape(grid.shape)
    seconds = float(ran.stderr)
    return "the same loop in C++, one step a pass (g++ -O3 -march=native)", Timing(seconds, seconds), after


def _dense_in_numpy(grid: Energies, steps: int) -> tuple[str, Timing, Energies]:
    """Step the plain twin."""
    from bitcell_sim.kernels.automaton_plain import step_grid

    def step_all() -> Energies:
        after = grid
        for _ in range(steps):
            after = step_grid(after)
        return after

    timing, after = best_of(1, step_all)
    return "the plain twin in numpy (no g++ here)", timing, after


def bench_multiplication(*, count: int = 20_000, repeats: int = 500, plain_count: int = 20_000) -> Content:
    """Multiplications a second in the base field of BN254, one thread, beside the same loop in C++.

    Parameters
    ----------
    count : int
        Multiplications of one chain, each waiting for the one before.
    repeats : int
        Chains, of which the quickest counts.
    plain_count : int
        Multiplications of the plain twin, where there is no compiler; its time is scaled.

    Raises
    ------
    LabError
        If the last products differ.
    """
    from bitcell_sim.kernels import montgomery, montgomery_plain

    start, factor = (montgomery_plain.to_limbs(montgomery.MODULUS - value) for value in (3, 5))

    def multiply(chain: Callable[[Any, Any, int], None], times: int) -> list[int]:
        value = start.copy()
        chain(value, factor, times)
        return [int(limb) for limb in value]

    multiply(montgomery.chain, 1)  # compiles
    native = _chain_in_cpp([*start.tolist(), *factor.tolist()], count, repeats)
    timing, last = best_of(repeats, lambda: multiply(montgomery.chain, count))
    if native is not None:
        name, reference, expected = "the same loop in C++, unsigned __int128 (g++ -O3 -march=native)", *native
    else:
        name = f"Python's integers, {plain_count} of them scaled (no g++ here)"
        plain, expected = best_of(1, lambda: multiply(montgomery_plain.chain, plain_count))
        reference, last = plain.scaled(count / plain_count), multiply(montgomery.chain, plain_count)
    if last != expected:
        raise LabError(f"the compiled multiplication and {name} disagree: {last}, {expected}")
    return {
        "name": "multiplication",
        "work": f"a chain of {count} Montgomery products in the base field of BN254, one thread",
        **timing.figures(count),
        "reference": {"name": name, **reference.figures(count)},
    }


def _chain_in_cpp(limbs: list[int], count: int, repeats: int) -> tuple[Timing, list[int]] | None:
    """Build and run the chain in C++; None where there is no compiler. Its time is that of the loop alone."""
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program, source = Path(folder) / "montgomery", Path(folder) / "montgomery.cpp"
        source.write_text(resources.files("bitcell_sim.studies").joinpath("montgomery.cpp").read_text("utf-8"))
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, source], check=True, capture_output=True)
        command = [str(program), *map(str, limbs), str(count), str(repeats)]
        ran = subprocess.run(command, capture_output=True, check=True, text=True)
    wall_s, cpu_s = map(float, ran.stderr.split())
    return Timing(wall_s, cpu_s), [int(limb) for limb in ran.stdout.split()]


BENCHES: dict[str, Callable[[], Content]] = {
    "hour": bench_hour,
    "battle": bench_battle,
    "dense": bench_dense,
    "multiplication": bench_multiplication,
}
