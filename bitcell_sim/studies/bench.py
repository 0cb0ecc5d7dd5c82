"""The program's own speed, beside a reference that does the same work in the same call; the results have to agree."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitcell_sim.errors import InputError, LabError
from bitcell_sim.studies.bench_battle import bench_battle
from bitcell_sim.studies.bench_dense import bench_dense
from bitcell_sim.studies.timing import Content, Timing, best_of, built_in_cpp

if TYPE_CHECKING:
    from bitcell_sim.engine.outcome import Outcome

BENCHED_SCENARIO = "rc3-capable"
_SEED = 1


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


def summary(figures: Content) -> str:
    """Put the figures of one piece of work into words."""
    times = f"{figures['wall_s']:.3g} s wall, {figures['cpu_s']:.3g} s CPU"
    each_s = figures["cpu_s"] / (figures["rate"] * figures["wall_s"])
    text = f"{figures['work']}: {times}, rate {figures['rate']:.4g}, {_short(each_s)} CPU each"
    if "reference" in figures:
        reference = figures["reference"]
        ratio = figures.get("ratio", figures["rate"] / reference["rate"])
        text += f"\n  {reference['name']}: rate {reference['rate']:.4g}; {ratio:.1f} times as fast"
    return text


def _short(seconds: float) -> str:
    """Write a time in the largest unit that leaves a digit before the point, nanoseconds at the least."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


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
    with built_in_cpp("montgomery.cpp") as program:
        if program is None:
            return None
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
