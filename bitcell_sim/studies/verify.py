"""The main job: every target of a deployment, run, judged, explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bitcell_sim.analysis.estimates import Estimate
from bitcell_sim.analysis.multiple import ERROR, doubt, holm
from bitcell_sim.analysis.stopping import LEAST, check_ratio, is_precise, next_count
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.config.schema import Scenario, Target
from bitcell_sim.errors import InputError
from bitcell_sim.runs.batch import Finished, replicate
from bitcell_sim.runs.kept import kept
from bitcell_sim.studies import monitoring_rows, remedies, resource_rows
from bitcell_sim.studies.chaos import chaos_row, is_chaos, tasks_of
from bitcell_sim.studies.measures import MONITORING, Kind, Measurement, Task, measure, name_of
from bitcell_sim.studies.monitoring_rows import is_monitoring, monitoring_row
from bitcell_sim.studies.plan import FULL, QUICK, Size
from bitcell_sim.studies.proof_rows import memory_gb
from bitcell_sim.studies.response import PREFIX as RESPONSES
from bitcell_sim.studies.response import is_response, response_row
from bitcell_sim.studies.rows import Evidence, Row, make_row, maker_of

Progress = Callable[[str, int, int], None]
YEARS_RUNS = 20
MOST_TIMES = 10  # how much more than usual is run at most until intervals are narrow
ALL = "*"
_KIND_ORDER: tuple[Kind, ...] = ("losses", "crashes", "overload", "at-limit", "steady", "pings", "years")


@dataclass(frozen=True)
class Request:
    """What to verify.

    Parameters
    ----------
    scenario : str
        Name or file.
    seed : int
        First seed; replication i has seed + i.
    sets : sequence of str
        ``key.path=value`` options.
    latency : str or None
        Latency source instead of the deployment's own.
    size : Size
        How much evidence.
    only : str
        Pattern of row ids.
    targets_only : bool
        Whether chaos tests, monitoring and resources are left out, unless `only` asks for some.
    changes : bool
        Whether to search for what would have to change.
    until : float or None
        Replicate until each interval reaches at most this share of its figure to either side; chaos tests excepted.
    """

    scenario: str = "rc3"
    seed: int = 1
    sets: tuple[str, ...] = ()
    latency: str | None = None
    size: Size = FULL
    only: str = ALL
    targets_only: bool = False
    changes: bool = True
    until: float | None = None

    def variant(self, more: Sequence[str] = ()) -> Scenario:
        """The scenario, with further options."""
        latency = None if any(option.startswith("latency=") for option in more) else self.latency
        keep = [o for o in self.sets if o.partition("=")[0] not in {m.partition("=")[0] for m in more}]
        return load_scenario(self.scenario, sets=[*keep, *more], latency=latency)


def size_of(quick: bool, replications: int | None) -> Size:
    """Amount of evidence, with the number of replications overridden if given."""
    size = QUICK if quick else FULL
    if replications is None:
        return size
    if replications < 1:
        raise InputError(f"replications = {replications}: at least 1")
    return replace(size, replications=replications, trials=replications)


def verify(
    request: Request,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Scorecard of a deployment.

    Parameters
    ----------
    request : Request
        What to verify, and how thoroughly.
    workers, scheduler
        See :func:`bitcell_sim.runs.batch.replicate`; the scorecard does not depend on them.
    keep : str or Path, optional
        Folder that finished runs are kept in and taken from.
    progress : callable, optional
        Called with what is being done, how many runs are done and how many there are.

    Returns
    -------
    dict
        ``scenario``, ``seed``, ``config_hash``, ``rows``; the keys are a contract.
    """
    scenario = request.variant()
    rows_of = chosen(scenario, request)
    task_of = kept(measure, keep, "measure", name_of)

    def run(title: str, tasks: Sequence[Task]) -> list[Measurement]:
        def tell(finished: Finished[Any, Any]) -> None:
            if progress is not None:
                progress(title, finished.done_count, finished.total_count)

        return replicate(task_of, tasks, workers=workers, scheduler=scheduler, progress=tell)

    rows, results = _gather(rows_of, scenario, request, run)
    family = _family(rows)
    changes = _changes(rows, scenario, request, run) if request.changes else {}
    return {
        "scenario": scenario.name,
        "seed": request.seed,
        "config_hash": config_hash(scenario),
        "latency": scenario.latency.name,
        "violations": sorted({v for result in results for v in result.violations}),
        "family": {"method": "Holm", "error_probability": ERROR, "holds_together": sum(family.values())},
        "rows": [
            _with_changes(row, changes.get(row.id, []), request.changes) | {"holds_in_family": family.get(row.id)}
            for row in rows
        ],
    }


def _family(rows: Sequence[Row]) -> dict[str, bool]:
    """Whether each pass or fail would stand if all of them had to be right together."""
    judged = [row for row in rows if row.verdict != "unknown"]
    doubts = [doubt(Estimate(row.measured, row.ci_low, row.ci_high, row.n), row.limit) for row in judged]
    return {row.id: adjusted <= ERROR for row, adjusted in zip(judged, holm(doubts), strict=True)}


def chosen(scenario: Scenario, request: Request) -> list[Target]:
    """Targets that a request asks for.

    Raises
    ------
    InputError
        If there are none.
    """
    left_out = request.targets_only and request.only == ALL
    asked = [target for target in scenario.targets.target if not (left_out and is_extra(target))]
    found = [target for target in asked if fnmatchcase(target.id, request.only)]
    if not found:
        known = ", ".join(target.id for target in scenario.targets.target)
        raise InputError(f"--only {request.only!r} names no row; rows are {known}")
    return found


def is_extra(target: Target) -> bool:
    """Whether a row is left out where only the documents' targets are asked for: chaos, monitoring, resources."""
    return is_chaos(target) or about_monitoring(target) or target.id.startswith(resource_rows.PREFIX)


def about_monitoring(target: Target) -> bool:
    """Whether a row is about alerts or about people on call."""
    return is_monitoring(target) or is_response(target)


def _row(target: Target, evidence: Evidence) -> Row:
    if is_response(target):
        return response_row(target, evidence)
    if is_monitoring(target):
        return monitoring_row(target, evidence)
    return chaos_row(target, evidence) if is_chaos(target) else make_row(target, evidence)


def _own_limit(target: Target, scenario: Scenario) -> Target:
    """The memory of the machine that proves is the limit of a proof's."""
    if target.id != "proof_memory":
        return target
    return target.model_copy(update={"limit": memory_gb(scenario)})


def _gather(
    rows_of: Sequence[Target],
    scenario: Scenario,
    request: Request,
    run: Callable[[str, Sequence[Task]], list[Measurement]],
) -> tuple[list[Row], list[Measurement]]:
    """Rows and the runs behind them: one stage, or as many as it takes until the intervals are narrow."""
    if request.until is not None and check_ratio(request.until) and request.size.replications < LEAST:
        raise InputError(f"replications = {request.size.replications}: at least {LEAST} before intervals are looked at")
    counts = dict.fromkeys(_KIND_ORDER, request.size.replications)
    counts |= {"pings": request.size.ping_repeats, "years": YEARS_RUNS}
    most = {kind: MOST_TIMES * count for kind, count in counts.items()}
    known: dict[tuple[Kind, int, int], Measurement] = {}
    while True:
        tasks = {
            (task.kind, task.seed, task.size.ping_repeats): task for task in _tasks(rows_of, scenario, request, counts)
        }
        left = [key for key in tasks if key not in known]
        known |= zip(left, run("measuring", [tasks[key] for key in left]), strict=True)
        measured: dict[Kind, list[Measurement]] = {}
        for key in tasks:
            measured.setdefault(key[0], []).append(known[key])
        evidence = Evidence(scenario, request.seed, measured)
        rows = [_row(_own_limit(target, scenario), evidence) for target in rows_of]
        more = _more(rows, counts, most, request.until)
        if not more:
            return rows, [known[key] for key in tasks]
        counts |= more


def _more(
    rows: Sequence[Row], counts: Mapping[Kind, int], most: Mapping[Kind, int], until: float | None
) -> dict[Kind, int]:
    """Kinds of runs of which more are needed, and how many."""
    if until is None:
        return {}
    wide = [
        row.id
        for row in rows
        if not row.id.startswith(("chaos.", MONITORING))
        and not is_precise(Estimate(row.measured, row.ci_low, row.ci_high, row.n), until)
    ]
    kinds = {kind for row_id in wide for kind in maker_of(row_id)[1]}
    return {kind: more for kind in kinds if (more := next_count(counts[kind], most[kind])) > counts[kind]}


def _tasks(rows_of: Sequence[Target], scenario: Scenario, request: Request, counts: Mapping[Kind, int]) -> list[Task]:
    """Runs for all rows, each kind once; the longest first, so that no worker is left with one at the end."""
    broken = [target for target in rows_of if is_chaos(target)]
    meshed = [target for target in rows_of if target not in broken and not about_monitoring(target)]
    watched = [target for target in rows_of if is_monitoring(target)]
    kinds = {kind for target in meshed for kind in maker_of(target.id)[1]}
    limit = next((target.limit for target in rows_of if target.id == "throughput"), 0.0)
    size = replace(request.size, ping_repeats=counts["pings"])
    steady = [
        Task(kind, scenario, request.seed + number, size if kind == "pings" else request.size, limit)
        for kind in _KIND_ORDER
        if kind in kinds
        for number in range(1 if kind == "pings" else counts[kind])
    ]
    faults = [task for target in broken for task in tasks_of(target, scenario, request.size, request.seed)]
    return [*monitoring_rows.tasks_of(watched, request.variant, request.size, request.seed), *steady, *faults]


def _changes(
    rows: Sequence[Row], scenario: Scenario, request: Request, run: Callable[[str, Sequence[Task]], list[Measurement]]
) -> dict[str, list[remedies.Change]]:
    """What was tried for each failing row."""
    failing = [row for row in rows if row.verdict == "fail" and not row.id.startswith(RESPONSES)]
    variant = _each_once(request.variant)
    tried = {row.id: remedies.candidates(row, scenario, variant) for row in failing}
    size = replace(
        request.size,
        replications=max(2, request.size.replications // 5),
        blocks=max(6, request.size.blocks // 2),
        ping_repeats=min(request.size.ping_repeats, QUICK.ping_repeats),
    )
    own = {row.id: remedies.tasks_of(row, tried[row.id], size, request.seed, row.limit) for row in failing}
    unique: dict[str, Task] = {}
    for tasks in own.values():
        for task in tasks:
            unique.setdefault(name_of(task), task)
    results = (
        dict(zip(unique, run("looking for what would pass", list(unique.values())), strict=True)) if unique else {}
    )
    return {
        row.id: remedies.judge_changes(
            row, tried[row.id], {task: results[name_of(task)] for task in own[row.id]}, own[row.id], request.seed
        )
        for row in failing
    }


def _each_once(variant: remedies.Variant) -> remedies.Variant:
    """The same variants, each loaded once: rows that fail for related reasons ask for the same changes."""
    loaded: dict[tuple[str, ...], Scenario] = {}

    def load(sets: Sequence[str]) -> Scenario:
        key = tuple(sets)
        if key not in loaded:
            loaded[key] = variant(key)
        return loaded[key]

    return load


def _with_changes(row: Row, changes: Sequence[remedies.Change], tried: bool) -> dict[str, Any]:
    """JSON of a row, with what would have to change in its sentence and listed beside it."""
    content = row.as_dict()
    if changes:
        content["why"] = f"{row.why}; {remedies.sentence(row, changes)}"
    elif tried and row.verdict == "fail" and row.id in remedies.SEARCHED:
        content["why"] = f"{row.why}; {remedies.NOTHING_FOUND}"
    content["changes"] = [{"change": c.change, "measured": c.measured, "verdict": c.verdict} for c in changes]
    return content
