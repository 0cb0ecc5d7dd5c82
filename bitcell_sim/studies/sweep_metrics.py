"""What a sweep can measure at a point: the targets, each by runs of its own kind, and the figures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bitcell_sim.analysis.run_figures import FIGURES, figure_of
from bitcell_sim.config.schema import Scenario
from bitcell_sim.config.sweep import SweepSize
from bitcell_sim.config.wording import did_you_mean, quoted
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError
from bitcell_sim.runs.run import RunData
from bitcell_sim.studies.baseline import SIZE, kind_of, target_ids, target_value
from bitcell_sim.studies.measures import Kind, Measurement, Task, measure

RUN = "run."
SAMPLE_INTERVAL_S = 15.0


def known_metrics(scenario: Scenario) -> list[str]:
    """Names of all that can be measured of a scenario."""
    return [*target_ids(scenario), *(RUN + name for name in FIGURES)]


def check_metrics(metrics: Sequence[str], scenario: Scenario) -> None:
    """Refuse what cannot be measured.

    Raises
    ------
    InputError
        Naming it, and what was probably meant.
    """
    known = known_metrics(scenario)
    for metric in metrics:
        if metric not in known:
            hint = did_you_mean(metric, known) or f"; metrics are {', '.join(known)}"
            raise InputError(f"metric {quoted(metric)} is not known{hint}")
    if len(set(metrics)) < len(metrics):
        raise InputError(f"metric: {', '.join(metrics)}: each once")


def measure_metrics(metrics: Sequence[str], scenario: Scenario, seed: int, size: SweepSize) -> dict[str, float | None]:
    """Measure a point once.

    Parameters
    ----------
    metrics : sequence of str
        Some of :func:`known_metrics`.
    scenario : Scenario
        The point.
    seed : int
        Seed of every run.
    size : SweepSize
        How much is run for a target's figure.

    Returns
    -------
    dict of str to float or None
        Each metric's figure; None where there was nothing to measure.
    """
    own = replace(SIZE, **size.model_dump())
    limit = next((target.limit for target in scenario.targets.target if target.id == "throughput"), 1.0)
    done: dict[Kind | None, Measurement] = {}
    run: RunData | None = None
    found: dict[str, float | None] = {}
    for metric in metrics:
        if metric.startswith(RUN):
            if run is None:
                run = RunData.of(simulate_once(scenario, seed=seed, sample_interval_s=SAMPLE_INTERVAL_S))
            found[metric] = figure_of(run, metric.removeprefix(RUN))
            continue
        kind = kind_of(metric)
        assert kind is not None
        if kind not in done:
            done[kind] = measure(Task(kind, scenario, seed, own, limit))
        found[metric] = target_value(metric, scenario, done[kind])
    return found
