"""Years of faults in seconds, beside the closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bitcell_sim.analysis.availability_theory import MONTH_H
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError
from bitcell_sim.runs.batch import replicate
from bitcell_sim.studies.measures import Task, measure
from bitcell_sim.studies.plan import QUICK, Size

US_PER_MIN = 60_000_000


def availability(
    scenario: str = "rc3",
    *,
    years: int = 10_000,
    replications: int = 20,
    seed: int = 1,
    sets: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Long-run availability of a deployment.

    Parameters
    ----------
    scenario : str
        Name or file.
    years : int
        Simulated years in all.
    replications : int
        Independent parts of them; the interval is over these.
    seed : int
        First seed.
    sets : sequence of str
        ``key.path=value`` options.
    workers : int, optional
        Processes.
    progress : callable, optional
        Called with a title, how many parts are done, and how many there are.

    Returns
    -------
    dict
        ``availability``, ``ci_low``, ``ci_high``, ``closed_form``, ``minutes_down_per_month``, ``by_cause`` (minutes a
        month while exactly these classes of fault were active).
    """
    if years < replications:
        raise InputError(f"--years {years} in {replications} replications: give at least one year to each")
    resolved = load_scenario(scenario, sets=sets)
    size = Size(replications, QUICK.blocks, QUICK.losses, QUICK.ping_repeats, years // replications)
    tasks = [Task("years", resolved, seed + number, size) for number in range(replications)]

    def tell(finished: Any) -> None:
        if progress is not None:
            progress("years", finished.done_count, finished.total_count)

    runs = replicate(measure, tasks, workers=workers, progress=tell)
    estimate = mean_interval([1.0 - run.down_share for run in runs])
    months = sum(run.simulated_s for run in runs) / 3600.0 / MONTH_H
    by_cause: dict[str, float] = {}
    for run in runs:
        for cause, microseconds in run.down_by_cause.items():
            by_cause[cause] = by_cause.get(cause, 0.0) + microseconds / US_PER_MIN / months
    return {
        "scenario": resolved.name,
        "years": years // replications * replications,
        "availability": estimate.measured,
        "ci_low": estimate.ci_low,
        "ci_high": min(1.0, estimate.ci_high or 1.0),
        "closed_form": runs[0].closed_form,
        "minutes_down_per_month": sum(by_cause.values()),
        "by_cause": dict(sorted(by_cause.items(), key=lambda item: -item[1])),
    }
