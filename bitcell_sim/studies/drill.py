"""A drill: a fault happens, monitoring notices it, people on call work through the runbook, recovery is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.config import catalog
from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.config.wording import did_you_mean
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.errors import InputError
from bitcell_sim.operations.rota import DAY_S, HOUR_S
from bitcell_sim.studies.alerts import files_of
from bitcell_sim.studies.responders import Pass, Story, read_runbooks, respond

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
PREFIX = "drill-"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WELL_LAG, WELL_PENDING = 2, 1000  # blocks behind, and transactions that wait, of a mesh that is well
WELL_FINAL_S = 240.0  # and since when something was final


@dataclass(frozen=True)
class Request:
    """What is drilled.

    Parameters
    ----------
    name : str
        Page of docs/runbooks, such as ``node-down``.
    seed : int
        Of the run.
    at : str
        Day and hour (UTC) at which the run begins, such as ``Tue 15:00``.
    runbooks : Path or None
        Folder of the runbooks; the project's own without it.
    sets : tuple of str
        ``key.path=value`` options.
    latency : str or None
        Latency source instead of the deployment's own.
    """

    name: str
    seed: int = 1
    at: str = "Tue 15:00"
    runbooks: Path | None = None
    sets: tuple[str, ...] = ()
    latency: str | None = None


def drills() -> list[str]:
    """Names of all drills."""
    return [name.removeprefix(PREFIX) for name in catalog.names("scenarios") if name.startswith(PREFIX)]


def starts_s(at: str) -> float:
    """Seconds since Monday 00:00 of a day and an hour.

    >>> starts_s("Tue 15:00")
    140400.0
    """
    day, _, clock = at.partition(" ")
    hour, _, minute = clock.partition(":")
    if day not in DAYS or not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise InputError(f"--at {at!r}: a day and a time, such as 'Tue 15:00'; days are {', '.join(DAYS)}")
    return DAYS.index(day) * DAY_S + int(hour) * HOUR_S + int(minute) * 60.0


def runbook_folder(given: Path | None) -> Path:
    """Folder of the runbooks."""
    return given or models_dir().parent / "docs" / "runbooks"


def scenario_of(request: Request) -> Scenario:
    """Scenario of a drill.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    known = drills()
    if request.name not in known:
        raise InputError(
            f"{request.name!r}: there is no such drill{did_you_mean(request.name, known)}; there are {', '.join(known)}"
        )
    return load_scenario(PREFIX + request.name, sets=request.sets, latency=request.latency)


def run_drill(request: Request, *, progress: Progress | None = None) -> Story:
    """Do a drill and keep everything."""
    scenario = scenario_of(request)
    runbooks = read_runbooks(runbook_folder(request.runbooks), request.name)
    return respond(
        scenario,
        files_of(None),
        runbooks,
        seed=request.seed,
        starts_s=starts_s(request.at),
        onset_s=onset_s(scenario),
        progress=progress,
    )


def drill(request: Request, *, progress: Progress | None = None) -> dict[str, Any]:
    """Do a drill.

    Parameters
    ----------
    request : Request
        What is drilled.
    progress : callable, optional
        Called with what is being done, how much is done and how much there is.

    Returns
    -------
    dict
        ``onset_s``; ``times_s``: seconds from the onset until it was ``detected`` (people told), ``acknowledged``,
        ``mitigated`` (the first runbook's last action) and ``recovered`` (the mesh is well); ``without_people``: the
        same without anybody; ``responses``, ``steps``, ``alerts``; ``verdict`` and ``why``.

    Raises
    ------
    MissingToolError
        If promtool is not installed.
    """
    story = run_drill(request, progress=progress)
    scenario = scenario_of(request)
    begin_s = onset_s(scenario)
    last, alone = story.last, story.without
    times = _times(last, begin_s)
    recovered = recovered_s(last.outcome, begin_s)
    without = recovered_s(alone.outcome, begin_s)
    times["recovered"] = None if recovered is None else recovered - begin_s
    verdict, why = _verdict(story, times, scenario)
    return {
        "drill": request.name,
        "scenario": scenario.name,
        "seed": request.seed,
        "at": request.at,
        "onset_s": begin_s,
        "passes": len(story.passes),
        "converged": story.converged,
        "times_s": times,
        "without_people": {"recovered": None if without is None else without - begin_s},
        "responses": [_finite(record._asdict()) for record in last.responses],
        "steps": [_finite(record._asdict()) for record in last.actions],
        "alerts": [
            {"labels": dict(alert.labels), "first_s": alert.first_s, "last_s": alert.last_s} for alert in last.alerts
        ],
        "verdict": verdict,
        "why": why,
    }


def onset_s(scenario: Scenario) -> float:
    """When the first fault begins, seconds; the start of the run where miners misbehave."""
    return min((fault.start_s for fault in scenario.fault), default=0.0)


def _times(last: Pass, begin_s: float) -> dict[str, float | None]:
    """Seconds from the onset; of the incident that was told first."""
    real = sorted((r for r in last.responses if r.notified_s >= begin_s), key=lambda r: (r.notified_s, r.number))
    acted = [r for r in real if not math.isnan(r.mitigated_s)]
    return {
        "detected": real[0].notified_s - begin_s if real else None,
        "acknowledged": min((r.acknowledged_s for r in real), default=math.nan) - begin_s if real else None,
        "mitigated": min(r.mitigated_s for r in acted) - begin_s if acted else None,
        "resolved": min(r.resolved_s for r in acted) - begin_s if acted else None,
    }


def _verdict(story: Story, times: dict[str, float | None], scenario: Scenario) -> tuple[str, str]:
    """Whether the drill went as it should, and a sentence."""
    if times["detected"] is None:
        return "fail", "nobody was told: no alert began after the fault and reached people within the run"
    if times["recovered"] is None:
        return "fail", "the mesh was not well again at the end of the run"
    limits = {response.severity: response.target_s for response in scenario.on_call.response}
    late = [
        record
        for record in story.last.responses
        if (limit := limits.get(record.severity)) and record.acknowledged_s - record.notified_s >= limit  # type: ignore[call-overload]
    ]
    escalated = [record for record in story.last.responses if record.outcome in ("escalated", "given up")]
    if late:
        return "fail", f"{late[0].alert} was acknowledged too late"
    if escalated:
        return "fail", f"the runbook of {escalated[0].alert} did not end well: {escalated[0].outcome}"
    if not story.converged:
        return "unknown", f"people still did something new in pass {len(story.passes)}"
    return "pass", "noticed, acknowledged in time, worked through, and the mesh was well again"


def recovered_s(outcome: Outcome, begin_s: float) -> float | None:
    """First moment after which the mesh was well and stayed so, seconds; None if it was not at the end.

    Notes
    -----
    Well: every node that is not cut off on purpose is up, has four peers and is at most two blocks behind; most have at
    most 1000 transactions waiting; and something became final within four minutes. (What a node accepted while it was
    alone waits there until it makes a block itself.)
    """
    samples = outcome.tables["samples"]
    isolated = _isolated(outcome)
    kept = samples[~samples["node"].isin(isolated) & (samples["at_ms"] >= begin_s * 1000.0)]
    frame = kept.assign(behind=kept.groupby("at_ms")["height"].transform("max") - kept["height"])
    well = (frame["up"] == 1) & (frame["peers"] >= 4 - len(isolated)) & (frame["behind"] <= WELL_LAG)
    by_time: pd.Series[bool] = well.groupby(frame["at_ms"]).all() & _finals_follow(outcome, frame)
    by_time &= frame.groupby("at_ms")["pending_count"].median() <= WELL_PENDING
    if not len(by_time) or not by_time.iloc[-1]:
        return None
    bad = by_time[~by_time]
    return float(by_time.index[0] if bad.empty else by_time.index[by_time.index > bad.index[-1]][0]) / 1000.0


def _isolated(outcome: Outcome) -> set[str]:
    """Nodes that somebody has cut off to the end of the run, after the scenario's own faults."""
    faults = outcome.tables["faults"].iloc[len(outcome.scenario.fault) :]
    return {
        str(target).partition("|")[0]
        for kind, target in zip(faults["kind"], faults["target"], strict=True)
        if kind == "partition"
    }


def _finals_follow(outcome: Outcome, frame: pd.DataFrame) -> pd.Series[bool]:
    """Whether something became final shortly before each moment."""
    import numpy as np
    import pandas as pd

    moments = np.sort(frame["at_ms"].unique())
    finals = np.sort(outcome.tables["finals"]["at_ms"].to_numpy())
    place = np.searchsorted(finals, moments, side="right") - 1
    age_ms = (
        np.where(place >= 0, moments - finals[np.maximum(place, 0)], np.inf)
        if len(finals)
        else np.full(len(moments), np.inf)
    )
    return pd.Series(age_ms <= WELL_FINAL_S * 1000.0, index=moments)


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """A record for JSON: what did not happen is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in record.items()}
