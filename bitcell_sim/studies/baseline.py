"""The figures that later ones are compared with: what is measured, once a seed, and the file that keeps it.

``python -m bitcell_sim.studies.baseline FILE [SCENARIO] [KEY.PATH=VALUE ...]`` writes one.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bitcell_sim.analysis.estimates import quantile
from bitcell_sim.config import catalog
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.runs.batch import Finished, replicate
from bitcell_sim.studies.measures import Kind, Measurement, Task, measure
from bitcell_sim.studies.plan import CRASH_SPACING_S, QUICK, Size, steady
from bitcell_sim.studies.proof_rows import site_of
from bitcell_sim.studies.rows import P95
from bitcell_sim.studies.speed import speed_ratios
from bitcell_sim.version import __version__

Progress = Callable[[str, int, int], None]
Value = float | str | None
FORMAT = 1
DEFAULT = "rc3"
SEEDS = 10
SIZE = replace(QUICK, losses=4)
TOLERANCE = 0.02  # share of the baseline's mean
TOLERANCES = {"uptime": 0.005, "speed": 0.25}  # uptime in percentage points of the figure itself, speed as a share
TRACE_BLOCKS = 4
ORDER: tuple[Kind, ...] = ("losses", "crashes", "overload", "steady", "pings", "years")
KIND_OF: dict[str, Kind] = {
    "throughput": "overload",
    "finality": "steady",
    "block_finality": "steady",
    "proof_time": "steady",
    "proof_backlog": "steady",
    "proof_memory": "steady",
    "node_recovery": "crashes",
    "regional_failover": "losses",
    "uptime": "years",
}
OWN = {  # beside the targets
    "block_finality": ("Block to final", "s", "lower"),
    "trace": ("Runs whose every table is the same", "runs", "higher"),
    "speed": ("Simulation speed over a reference loop", "ratio", "higher"),
}


@dataclass(frozen=True)
class Series:
    """One metric: what it is, and its values, one a seed.

    Parameters
    ----------
    id, title, unit : str
        As in the scorecard.
    better : {"higher", "lower"}
        Direction of improvement.
    tolerance : float
        How much worse is let pass, in the unit of the values.
    values : tuple
        One a seed: numbers, digests for ``trace``, None where there was nothing to measure.
    """

    id: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    tolerance: float
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Baseline:
    """Figures of one state of the program and its models.

    Parameters
    ----------
    scenario : str
        What was run.
    sets : tuple of str
        ``key.path=value`` options it was run with.
    config_hash, version, python : str
        Of the configuration, the program and the interpreter.
    seeds : tuple of int
        One run of each kind a seed.
    size : Size
        How much of it.
    metrics : tuple of Series
        What was measured.
    """

    scenario: str
    sets: tuple[str, ...]
    config_hash: str
    version: str
    python: str
    seeds: tuple[int, ...]
    size: Size
    metrics: tuple[Series, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The baseline as its file has it."""
        return {"format": FORMAT, **asdict(self)}


# ------------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class _Trace:
    """A run of which only the digest is kept."""

    scenario: Scenario
    seed: int


def _work(item: Task | _Trace) -> Measurement | str:
    if isinstance(item, _Trace):
        return simulate_once(steady(item.scenario, TRACE_BLOCKS), seed=item.seed).trace_digest
    return measure(item)


def target_ids(scenario: Scenario) -> list[str]:
    """Targets that have a figure a run, and the one that stands beside them."""
    known = [t.id for t in scenario.targets.target if t.id.startswith("latency.") or t.id in KIND_OF]
    return [*known, "block_finality"]


def metric_ids(scenario: Scenario) -> list[str]:
    """All that can be measured: every target, and what stands beside them."""
    return [*target_ids(scenario), *(name for name in OWN if name not in KIND_OF)]


def measure_series(
    scenario: Scenario,
    ids: Sequence[str],
    *,
    seeds: Sequence[int],
    size: Size,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Series]:
    """Measure metrics, once a seed.

    Parameters
    ----------
    scenario : Scenario
        What is run.
    ids : sequence of str
        Metrics; only the runs they need are made.
    seeds : sequence of int
        Seeds.
    size : Size
        How much of each kind of run.
    workers : int, optional
        Processes.
    progress : callable, optional
        Called with a title, how many runs are done, and how many there are.
    """
    limit = next((t.limit for t in scenario.targets.target if t.id == "throughput"), 1.0)
    kinds = [kind for kind in ORDER if any(kind_of(metric) == kind for metric in ids)]
    items: list[Task | _Trace] = [Task(kind, scenario, seed, size, limit) for kind in kinds for seed in seeds]
    if "trace" in ids:
        items += [_Trace(scenario, seed) for seed in seeds]

    def tell(finished: Finished[Any, Any]) -> None:
        if progress is not None:
            progress("measuring", finished.done_count, finished.total_count)

    results = replicate(_work, items, workers=workers, progress=tell)
    found: dict[str, list[Any]] = {}
    for item, result in zip(items, results, strict=True):
        found.setdefault("trace" if isinstance(item, _Trace) else item.kind, []).append(result)
    return [_series(metric, scenario, found, progress) for metric in ids]


def kind_of(metric: str) -> Kind | None:
    """Kind of run that a metric is read from; None for those that need none."""
    return "pings" if metric.startswith("latency.") else KIND_OF.get(metric)


def _series(metric: str, scenario: Scenario, found: dict[str, list[Any]], progress: Progress | None) -> Series:
    title, unit, better = _words(metric, scenario)
    values: list[Value]
    if metric == "trace":
        values = list(found["trace"])
    elif metric == "speed":
        values = list(speed_ratios(steady(scenario, TRACE_BLOCKS), progress=progress))
    else:
        values = [target_value(metric, scenario, run) for run in found[str(kind_of(metric))]]
    return Series(metric, title, unit, better, _tolerance(metric, values), tuple(values))


def _words(metric: str, scenario: Scenario) -> tuple[str, str, Literal["higher", "lower"]]:
    if metric in OWN:
        title, unit, direction = OWN[metric]
        return title, unit, "higher" if direction == "higher" else "lower"
    target = next((t for t in scenario.targets.target if t.id == metric), None)
    if target is None or kind_of(metric) is None:
        raise InputError(f"no metric {metric!r}; metrics are {', '.join(metric_ids(scenario))}")
    return target.title, target.unit, "higher" if target.comparison.startswith(">") else "lower"


def _tolerance(metric: str, values: Sequence[Value]) -> float:
    numbers = [value for value in values if isinstance(value, float)]
    share = TOLERANCES.get(metric, TOLERANCE)
    return share if metric == "uptime" else share * abs(float(np.mean(numbers))) if numbers else 0.0


def target_value(metric: str, scenario: Scenario, run: Measurement) -> float | None:
    """One run's figure; None where nothing was there to measure.

    Parameters
    ----------
    metric : str
        One of :func:`target_ids`.
    scenario : Scenario
        What was run.
    run : Measurement
        A run of the kind that the metric is read from, :func:`kind_of`.
    """
    if metric.startswith("latency."):
        wanted = set(metric.split(".")[1:]) - {"cross-region"}
        pairs = [p for p in run.pings if not wanted or {p.source_region, p.target_region} == wanted]
        highest = [quantile(p.rtt_ms[~np.isnan(p.rtt_ms)], P95) for p in pairs]
        return max((value for value in highest if value is not None), default=None)
    proofs = run.proofs
    if metric == "throughput":
        return _finite(run.throughput.final_tps if run.throughput else None)
    if metric == "finality":
        return quantile(run.finality_s, P95)
    if metric == "block_finality":
        return quantile(run.block_finality_s, P95)
    if metric == "proof_time":
        return quantile(proofs.demanded_s, P95) if proofs else None
    if metric == "proof_backlog":
        return _finite(max(proofs.utilisation.values()) if proofs else None)
    if metric == "proof_memory":
        return site_of(scenario).prediction.memory_bytes / BYTES_PER_GB
    if metric == "node_recovery":
        return quantile([CRASH_SPACING_S if np.isnan(s) else s for s in run.stages.get("recovered", [])], P95)
    if metric == "regional_failover":
        return quantile([failover.total_s for failover in run.failovers], P95)
    return 100.0 * (1.0 - run.outages.down_share) if run.outages else None


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def make_baseline(
    scenario: str = DEFAULT,
    *,
    sets: Sequence[str] = (),
    ids: Sequence[str] | None = None,
    seeds: Sequence[int] = tuple(range(1, SEEDS + 1)),
    size: Size = SIZE,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Baseline:
    """Measure a new baseline.

    Parameters
    ----------
    scenario : str
        Deployment, scenario or file.
    sets : sequence of str
        ``key.path=value`` options; the baseline keeps them.
    ids : sequence of str, optional
        Metrics; all without it.
    seeds, size, workers, progress
        See :func:`measure_series`.
    """
    resolved = load_scenario(scenario, sets=sets)
    wanted = metric_ids(resolved) if ids is None else ids
    metrics = measure_series(resolved, wanted, seeds=seeds, size=size, workers=workers, progress=progress)
    python = platform.python_version()
    return Baseline(
        str(scenario), tuple(sets), config_hash(resolved), __version__, python, tuple(seeds), size, tuple(metrics)
    )


# ---------------------------------------------------------------------------------------------------------- on disk


def default_path() -> Path:
    """Baseline that comes with the package."""
    return catalog.models_dir() / "baselines" / f"{DEFAULT}.json"


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline whole or not at all."""
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(baseline.as_dict(), indent=1, allow_nan=False) + "\n"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises
    ------
    InputError
        If the file is not there or is no baseline; says what is wrong.
    """
    how = "write one with: python -m bitcell_sim.studies.baseline FILE"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; {how}") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}; {how}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        said = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: format: {said!r}, not {FORMAT}; {how}")
    try:
        metrics = tuple(Series(**{**row, "values": tuple(row["values"])}) for row in content["metrics"])
        baseline = Baseline(
            scenario=content["scenario"],
            sets=tuple(content["sets"]),
            config_hash=content["config_hash"],
            version=content["version"],
            python=content["python"],
            seeds=tuple(content["seeds"]),
            size=Size(**content["size"]),
            metrics=metrics,
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: no whole baseline: {error}; {how}") from error
    _check(baseline, path)
    return baseline


def _check(baseline: Baseline, path: Path) -> None:
    if not baseline.seeds or not baseline.metrics:
        raise InputError(f"{path}: seeds and metrics: at least one of each is needed")
    for row in baseline.metrics:
        if row.id != "speed" and len(row.values) != len(baseline.seeds):
            raise InputError(f"{path}: {row.id}: {len(row.values)} values for {len(baseline.seeds)} seeds")
        wanted = str if row.id == "trace" else (int, float)
        bad = [value for value in row.values if value is not None and not isinstance(value, wanted)]
        if bad:
            raise InputError(f"{path}: {row.id}: {bad[0]!r} is no value of this metric")
        if row.better not in ("higher", "lower"):
            raise InputError(f"{path}: {row.id}: better = {row.better!r}: write higher or lower")


def main(arguments: Sequence[str]) -> None:
    """Write a baseline: the file, then the scenario, then options."""
    if not arguments:
        raise SystemExit("usage: python -m bitcell_sim.studies.baseline FILE [SCENARIO] [KEY.PATH=VALUE ...]")
    target, rest = Path(arguments[0]), list(arguments[1:])
    scenario = rest.pop(0) if rest and "=" not in rest[0] else DEFAULT
    try:
        write_baseline(make_baseline(scenario, sets=rest), target)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
