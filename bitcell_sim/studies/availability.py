"""Years of faults in seconds, beside the closed form: how much is lost, to what, and what would save most of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bitcell_sim.analysis.availability_mesh import KINDS, Mesh, build_mesh
from bitcell_sim.analysis.availability_theory import steady_availability
from bitcell_sim.analysis.estimates import Estimate
from bitcell_sim.analysis.outages import (
    MONTH_MIN,
    Outages,
    cause_name,
    minutes_per_month,
    minutes_saved,
    missed_months,
    up_share,
)
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.runs.batch import replicate
from bitcell_sim.studies.availability_changes import changes_of
from bitcell_sim.studies.measures import Task, measure
from bitcell_sim.studies.plan import QUICK, Size
from bitcell_sim.studies.reasons import obstacles

UPTIME = "uptime"


def availability(
    scenario: str = "rc3",
    *,
    years: int = 10_000,
    replications: int = 20,
    changes: bool = False,
    seed: int = 1,
    sets: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Long-run availability of a deployment: the share of time with a quorum, a backend and a load balancer up.

    Parameters
    ----------
    scenario : str
        Name or file.
    years : int
        Simulated years in all.
    replications : int
        Independent parts of them.
    changes : bool
        Whether to ask what each of some changes would save.
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
        ``availability``, ``ci_low``, ``ci_high``, ``closed_form``, ``minutes_down_per_month``; ``by_cause``, minutes a
        month by the fewest classes of fault that account for them, and ``causes``, the same with intervals, also for
        single classes that never were the cause; ``missed_months``, the share of months beyond the budget of the
        target ``uptime``; with `changes`, ``changes``, minutes a month that each saves, the best first.
    """
    if years < replications:
        raise InputError(f"--years {years} in {replications} replications: give at least one year to each")
    resolved = load_scenario(scenario, sets=sets)
    head = {"scenario": resolved.name, "years": years // replications * replications}
    never = obstacles(UPTIME, resolved)
    if never:
        return head | _never(never)
    variants = [("", "", resolved)]
    variants += [(change.name, change.words, change.scenario) for change in changes_of(resolved)] if changes else []
    size = Size(replications, QUICK.blocks, QUICK.losses, QUICK.ping_repeats, years // replications)
    tasks = [Task("years", variant, seed + i, size) for *_, variant in variants for i in range(replications)]

    def tell(finished: Any) -> None:
        if progress is not None:
            progress("years", finished.done_count, finished.total_count)

    results = replicate(measure, tasks, workers=workers, progress=tell)
    outages = [result.outages for result in results if result.outages is not None]
    by_variant = [outages[place : place + replications] for place in range(0, len(outages), replications)]
    meshes = [build_mesh(variant.deployment, variant.fault_rates) for *_, variant in variants]
    answer = head | _figures(by_variant[0], meshes[0], resolved)
    if changes:
        rows = [
            _change(name, words, (by_variant[0], runs), (meshes[0], mesh))
            for (name, words, _), runs, mesh in zip(variants[1:], by_variant[1:], meshes[1:], strict=True)
        ]
        answer["changes"] = sorted(rows, key=lambda row: -row["minutes_saved_per_month"])
    return answer


def _figures(runs: Sequence[Outages], mesh: Mesh, scenario: Scenario) -> dict[str, Any]:
    minutes = minutes_per_month(runs, mesh)
    share = up_share(minutes)
    singles = {1 << place for place in range(len(KINDS))}
    seen = {int(cause) for run in runs for cause in run.causes}
    causes = {cause: minutes_per_month(runs, mesh, cause) for cause in singles | seen}
    order = sorted(causes, key=lambda cause: (-(causes[cause].measured or 0.0), cause))
    answer = {
        "availability": share.measured,
        "ci_low": share.ci_low,
        "ci_high": share.ci_high,
        "closed_form": steady_availability(mesh),
        "minutes_down_per_month": minutes.measured,
        "by_cause": {cause_name(cause): causes[cause].measured for cause in order if cause in seen},
        "causes": [{"cause": cause_name(cause), **_row(causes[cause], "minutes_per_month")} for cause in order],
    }
    limit = next((target.limit for target in scenario.targets.target if target.id == UPTIME), None)
    if limit is not None:
        budget_min = (1.0 - limit / 100.0) * MONTH_MIN
        answer["missed_months"] = {"budget_min": budget_min, **_row(missed_months(runs, budget_min), "share")}
    return answer


def _change(
    name: str, words: str, runs: tuple[Sequence[Outages], Sequence[Outages]], meshes: tuple[Mesh, Mesh]
) -> dict[str, Any]:
    saved = minutes_saved(*runs, meshes)
    before, after = (steady_availability(mesh) for mesh in meshes)
    return {
        "change": name,
        "words": words,
        **_row(saved, "minutes_saved_per_month"),
        "closed_form": after,
        "closed_form_saved": (after - before) * MONTH_MIN,
    }


def _row(estimate: Estimate, figure: str) -> dict[str, Any]:
    return {figure: estimate.measured, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high, "n": estimate.n}


def _never(why: Sequence[str]) -> dict[str, Any]:
    """Figures of a deployment that its own settings keep from serving at all."""
    return {
        "availability": 0.0,
        "ci_low": 0.0,
        "ci_high": 0.0,
        "closed_form": 0.0,
        "minutes_down_per_month": float(MONTH_MIN),
        "by_cause": {reason: float(MONTH_MIN) for reason in why[:1]},
    }


def summary(content: dict[str, Any]) -> str:
    """Figures of :func:`availability` for people."""
    low, high = 100 * content["ci_low"], 100 * content["ci_high"]
    lines = [
        f"availability {100 * content['availability']:.4f} % [{low:.4f}, {high:.4f}],"
        f" closed form {100 * content['closed_form']:.4f} %",
        f"{content['minutes_down_per_month']:.2f} minutes down a month:",
    ]
    lines += [
        f"  {_minutes(row, 'minutes_per_month')}  {row['cause']} ({row['n']} outages)"
        for row in content.get("causes", ())
    ]
    if "causes" not in content:
        lines += [f"  {minutes:9.4f}  {cause}" for cause, minutes in content["by_cause"].items()]
    if "missed_months" in content:
        missed = content["missed_months"]
        lines.append(
            f"{missed['share']:.2%} of months [{missed['ci_low']:.2%}, {missed['ci_high']:.2%}] lose more than"
            f" {missed['budget_min']:.1f} minutes"
        )
    if "changes" in content:
        lines.append("minutes a month that a change saves, on the same faults, and in closed form:")
        lines += [
            f"  {_minutes(row, 'minutes_saved_per_month')} {row['closed_form_saved']:9.4f}  {row['words']}"
            for row in content["changes"]
        ]
    return "\n".join(lines)


def _minutes(row: dict[str, Any], figure: str) -> str:
    return f"{row[figure]:9.4f} [{row['ci_low']:9.4f}, {row['ci_high']:9.4f}]"
