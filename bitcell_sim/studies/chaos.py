"""The chaos tests of the RC3 documents, done many times: what recovers, how fast, and what held meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bitcell_sim.analysis.estimates import Estimate
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.config.schema import ChaosTest, Scenario, Target
from bitcell_sim.config.wording import did_you_mean
from bitcell_sim.errors import InputError
from bitcell_sim.runs.batch import Finished, replicate
from bitcell_sim.runs.kept import kept
from bitcell_sim.studies.chaos_plan import SHORT, lengths, possible
from bitcell_sim.studies.chaos_verdicts import TestVerdict, judge_test
from bitcell_sim.studies.measures import CHAOS, Kind, Measurement, Task, measure, name_of
from bitcell_sim.studies.plan import FULL, QUICK, Size
from bitcell_sim.studies.reasons import obstacles
from bitcell_sim.studies.rows import Evidence, Row

Progress = Callable[[str, int, int], None]
ALONE_TRIALS = 100  # of the command of its own; as a part of `verify` fewer


@dataclass(frozen=True)
class Request:
    """What to test.

    Parameters
    ----------
    scenario : str
        Deployment, scenario or file.
    seed : int
        First seed; run i has seed + i.
    sets : tuple of str
        ``key.path=value`` options.
    latency : str or None
        Latency source instead of the deployment's own.
    size : Size
        How much evidence.
    only : str or None
        One test by its name; all without it.
    """

    scenario: str = "rc3"
    seed: int = 1
    sets: tuple[str, ...] = ()
    latency: str | None = None
    size: Size = FULL
    only: str | None = None


def chaos(
    request: Request,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Do the chaos tests of a deployment.

    Parameters
    ----------
    request : Request
        What to test, and how thoroughly.
    workers, scheduler
        See :func:`bitcell_sim.runs.batch.replicate`; the result does not depend on them.
    keep : str or Path, optional
        Folder that finished runs are kept in and taken from.
    progress : callable, optional
        Called with what is being done, how many runs are done and how many there are.

    Returns
    -------
    dict
        ``scenarios``: name, verdict, recovery_s, expected, why, alerts of each; the keys are a contract.
    """
    scenario = load_scenario(request.scenario, sets=request.sets, latency=request.latency)
    chosen = _chosen(scenario, request.only)

    def tell(finished: Finished[Any, Any]) -> None:
        if progress is not None:
            progress("breaking things", finished.done_count, finished.total_count)

    tasks = [task for target in chosen for task in tasks_of(target, scenario, request.size, request.seed)]
    results = replicate(
        kept(measure, keep, "measure", name_of), tasks, workers=workers, scheduler=scheduler, progress=tell
    )
    measured: dict[Kind, list[Measurement]] = {}
    for task, result in zip(tasks, results, strict=True):
        measured.setdefault(task.kind, []).append(result)
    verdicts = [verdict_on(target, scenario, measured) for target in chosen]
    return {
        "scenario": scenario.name,
        "seed": request.seed,
        "config_hash": config_hash(scenario),
        "latency": scenario.latency.name,
        "alerts_why": "not asked here: `bitcell-sim alerts` runs faults against the rule engine",
        "scenarios": [_as_json(verdict) for verdict in verdicts],
    }


def _chosen(scenario: Scenario, only: str | None) -> list[Target]:
    """Targets of the tests, in the order of the tests."""
    targets = {target.id: target for target in scenario.targets.target}
    tests = {test.name: test for test in scenario.chaos.test}
    if only is not None and only not in tests:
        raise InputError(f"--scenario {only!r}: there is no such chaos test{did_you_mean(only, tests)}")
    without = [name for name in tests if CHAOS + name not in targets]
    if without:
        raise InputError(f"chaos tests without a limit: {', '.join(without)}; a target chaos.NAME gives it")
    return [targets[CHAOS + name] for name in tests if only in (None, name)]


def size_of(quick: bool, replications: int | None) -> Size:
    """How much evidence the options ask for.

    Parameters
    ----------
    quick : bool
        The fewest runs that give intervals.
    replications : int or None
        Runs of each variant and length instead.

    Raises
    ------
    InputError
        If there is to be no run.
    """
    if replications is not None and replications < 1:
        raise InputError(f"replications = {replications}: at least 1")
    return replace(FULL, trials=replications or (QUICK.trials if quick else ALONE_TRIALS))


def is_chaos(target: Target) -> bool:
    """Whether a target is a chaos test's."""
    return target.id.startswith(CHAOS)


def test_of(target: Target, scenario: Scenario) -> ChaosTest:
    """Test that a target is the limit of.

    Raises
    ------
    InputError
        If the scenario has none of that name.
    """
    for test in scenario.chaos.test:
        if CHAOS + test.name == target.id:
            return test
    known = ", ".join(test.name for test in scenario.chaos.test)
    raise InputError(
        f"target {target.id!r}: the chaos tests {scenario.chaos.name!r} have no such test; they have {known}"
    )


def kinds_of(target: Target, scenario: Scenario) -> list[Kind]:
    """Kinds of runs that a target needs; none if the deployment lacks what the test names."""
    test = test_of(target, scenario)
    return [f"{target.id}.{length}" for length in lengths(test)] if possible(scenario, test) else []


def tasks_of(target: Target, scenario: Scenario, size: Size, seed: int) -> list[Task]:
    """Runs that a target needs, long ones first."""
    kinds = sorted(kinds_of(target, scenario), key=lambda kind: kind.endswith(SHORT))
    titles = {variant.title for variant in possible(scenario, test_of(target, scenario))}
    count = size.trials * len(titles)
    return [Task(kind, scenario, seed + number, size, target.limit) for kind in kinds for number in range(count)]


def verdict_on(target: Target, scenario: Scenario, measured: Mapping[Kind, Sequence[Measurement]]) -> TestVerdict:
    """Verdict of a target from what was measured."""
    test = test_of(target, scenario)
    runs = {length: measured.get(f"{target.id}.{length}", []) for length in lengths(test)}
    return judge_test(test, target, runs, scenario.chaos.sustained_s, obstacles(target.id, scenario))


def chaos_row(target: Target, evidence: Evidence) -> Row:
    """Row of the scorecard: the worse of the two lengths."""
    verdict = verdict_on(target, evidence.scenario, evidence.measured)
    worse = verdict.worse
    estimate = worse.worst.recovery_s if worse else Estimate(None, None, None, 0)
    runs = [f"{len(at.events)} of {at.fault_s:g} s" for at in verdict.lengths]
    return Row(
        id=target.id,
        title=target.title,
        statistic=target.statistic,
        how=target.how,
        unit=target.unit,
        limit=target.limit,
        comparison=target.comparison,
        measured=estimate.measured,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        n=estimate.n,
        verdict=verdict.verdict,
        why=verdict.why,
        evidence=f"runs: {' and '.join(runs) or 'none'}; {evidence.command(target.id)}",
        beside={f"{at.length}_p95_s": at.worst.recovery_s.measured for at in verdict.lengths},
    )


def _as_json(verdict: TestVerdict) -> dict[str, Any]:
    worse = verdict.worse
    estimate = worse.worst.recovery_s if worse else Estimate(None, None, None, 0)
    return {
        "name": verdict.test.name,
        "title": verdict.test.title,
        "verdict": verdict.verdict,
        "recovery_s": _figures(estimate) | {"limit": verdict.target.limit},
        "expected": verdict.target.words,
        "why": verdict.why,
        "alerts": [],
        "lengths": [
            {
                "length": at.length,
                "fault_s": at.fault_s,
                "n": at.worst.recovery_s.n,
                "slowest": at.worst.variant,
                "verdict": at.verdict,
                "recovery_s": _figures(at.worst.recovery_s) | {"limit": verdict.target.limit},
                "cut_off": sum(event.cut_off for event in at.events),
                "parts": at.worst.parts(),
                "final_ratio": _figures(at.final_ratio),
                "final_blocks": at.mean("final_count"),
                "orphaned_blocks": at.mean("orphaned_count"),
                "shut_out_share": at.shut_out(),
                "variants": [variant.figures() for variant in at.variants],
                "reasons": list(at.reasons),
                "recoveries_s": [event.total_s for event in at.worst.events],
            }
            for at in verdict.lengths
        ],
    }


def _figures(estimate: Estimate) -> dict[str, float | None]:
    return {"measured": estimate.measured, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}
