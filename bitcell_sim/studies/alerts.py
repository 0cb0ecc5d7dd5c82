"""Would the monitoring notice? Simulated faults, judged by the real rule engine on what it would have scraped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bitcell_sim.analysis import alerts as analysis
from bitcell_sim.analysis.rule_faults import NEVER, RuleFault, find_faults
from bitcell_sim.analysis.scraped import exposes
from bitcell_sim.config.alerting import FOLDER, AlertTest, AlertTests, load_alert_tests
from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.native import Rule, load_rules, load_targets
from bitcell_sim.config.wording import did_you_mean
from bitcell_sim.errors import InputError
from bitcell_sim.judges.rules import Firing, check_rules
from bitcell_sim.runs.batch import Finished, replicate
from bitcell_sim.studies.alert_routes import told
from bitcell_sim.studies.alert_runs import ALERTMANAGER, PROMETHEUS, RULES, Files, Heard, Task, listen

Progress = Callable[[str, int, int], None]
ALL, QUIET = "all", "quiet"
ALWAYS = "vector("  # an expression that begins so fires at all times, on purpose
RUNS = 3


@dataclass(frozen=True)
class Request:
    """What to judge.

    Parameters
    ----------
    fault : str
        One fault of models/monitoring/expected.toml, or ``all``.
    rules : Path or None
        A rule file; the lab's own without it. A prometheus.yml or alertmanager.yml beside it is used with it.
    scenario : str
        Deployment, scenario or file.
    seed, runs : int
        First seed, and runs of each fault.
    sets : tuple of str
        ``key.path=value`` options.
    """

    fault: str = ALL
    rules: Path | None = None
    scenario: str = "rc3"
    seed: int = 1
    runs: int = RUNS
    sets: tuple[str, ...] = ()


class RuleSet:
    """The rules that are judged, and what reading them shows.

    Parameters
    ----------
    files : Files
        Where they stand.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self.rules: list[Rule] = load_rules(files.rules)
        self.alerts = [rule for rule in self.rules if not rule.recorded]
        self.names = [rule.name for rule in self.alerts]
        self.always = {rule.name for rule in self.alerts if rule.expr.startswith(ALWAYS)}

    @cached_property
    def faults(self) -> list[RuleFault]:
        """What is wrong with the rules by reading them."""
        targets = load_targets(self.files.prometheus)
        exported = {at.address: exposes(at.address.partition("-")[0], at.path) for at in targets}
        return find_faults(self.rules, targets, exported)


def files_of(rules: Path | None) -> Files:
    """Native files that belong to a rule file; the lab's own where none stands beside it.

    Raises
    ------
    InputError
        If there is no such file.
    """
    own = models_dir() / FOLDER
    if rules is None:
        return Files(own / PROMETHEUS, own / RULES, own / ALERTMANAGER)
    if not rules.is_file():
        raise InputError(f"--rules {rules}: no such file")
    beside = {name: rules.parent / name for name in (PROMETHEUS, ALERTMANAGER)}
    found = {name: path if path.is_file() else own / name for name, path in beside.items()}
    return Files(found[PROMETHEUS], rules, found[ALERTMANAGER])


def titles() -> list[tuple[str, str]]:
    """The lab's own alerts with what they say, then the faults that they are judged by."""
    rules = [rule for rule in load_rules(files_of(None).rules) if not rule.recorded]
    said = [(rule.name, f"{rule.labels.get('severity', '')} {rule.expr}, {rule.for_s:g} s") for rule in rules]
    return said + [(test.name, test.title) for test in load_alert_tests().test]


def chosen(tests: AlertTests, fault: str) -> list[AlertTest]:
    """Tests of a name, or all of them.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    names = [test.name for test in tests.test]
    if fault not in (ALL, QUIET, *names):
        raise InputError(f"--fault {fault!r}: there is no such fault{did_you_mean(fault, [ALL, QUIET, *names])}")
    return [test for test in tests.test if fault in (ALL, test.name)]


def alerts(
    request: Request, *, workers: int | None = None, scheduler: str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Judge a set of alert rules by faults.

    Parameters
    ----------
    request : Request
        Which rules, which faults, how many runs.
    workers, scheduler
        See :func:`bitcell_sim.runs.batch.replicate`; the result does not depend on them.
    progress : callable, optional
        Called with what is being done, how many runs are done and how many there are.

    Returns
    -------
    dict
        ``faults``, ``rules``, ``quiet`` and what the rules were; the keys are a contract.

    Raises
    ------
    MissingToolError
        If promtool is not installed.
    """
    tests = load_alert_tests()
    picked = chosen(tests, request.fault)
    files = files_of(request.rules)
    check_rules(files.rules)
    rule_set = RuleSet(files)
    tasks = tasks_of(request, tests, picked, files)

    def tell(finished: Finished[Any, Any]) -> None:
        if progress is not None:
            progress("listening for alerts", finished.done_count, finished.total_count)

    heard = replicate(listen, tasks, workers=workers, scheduler=scheduler, progress=tell)
    pairs = list(zip(tasks, heard, strict=True))
    faults = [_fault_as_json(test, [pair for pair in pairs if pair[0].test is test], rule_set) for test in picked]
    quiet = [result for task, result in pairs if task.test is None]
    return {
        "scenario": request.scenario,
        "seed": request.seed,
        "runs": request.runs,
        "rules_file": str(files.rules),
        "prometheus_file": str(files.prometheus),
        "faults": faults,
        "quiet": _quiet_as_json(quiet, tests, rule_set),
        "rules": _rules_as_json(rule_set, heard, faults, everything=request.fault == ALL),
        "uncaught": [fault["name"] for fault in faults if not fault["detected_runs"]],
    }


def tasks_of(request: Request, tests: AlertTests, picked: Sequence[AlertTest], files: Files) -> list[Task]:
    """Runs to do, the longest first; without faults where all, or quiet, is asked for."""
    load = f"workload.rate_tps={tests.rate_tps}"

    def task(test: AlertTest | None, number: int) -> Task:
        sets = [load, *(test.sets if test else ()), *request.sets]
        return Task(load_scenario(request.scenario, sets=sets), test, tests, request.seed + number, files)

    quiet = [task(None, number) for number in range(request.runs)] if request.fault in (ALL, QUIET) else []
    runs = [task(test, number) for test in picked for number in range(request.runs)]
    return quiet + sorted(runs, key=lambda run: -((run.test and run.test.duration_s) or tests.fault_s))


def judged(test: AlertTest, pairs: Sequence[tuple[Task, Heard]], rule_set: RuleSet) -> list[analysis.Noticed]:
    """Judge all runs of a fault; those in which it never came about count as not noticed."""
    known = {name for other in load_alert_tests().test for name in (*other.expects, *other.follows)}
    return [
        analysis.judge(test, task.seed, heard.onset_s, heard.firings, have=rule_set.names, known=known)
        for task, heard in pairs
    ]


def _fault_as_json(test: AlertTest, pairs: Sequence[tuple[Task, Heard]], rule_set: RuleSet) -> dict[str, Any]:
    noticed = judged(test, pairs, rule_set)
    first = noticed[0]
    share = analysis.detection(noticed)
    begun = {firing.alert for run in noticed for firing in run.fired}
    return {
        "name": test.name,
        "title": test.title,
        "incident": test.incident,
        "expects": list(test.expects),
        "onset_s": None if math.isnan(first.onset_s) else first.onset_s,
        "standing": sorted({name for run in noticed for name in run.standing}),
        "fired": _fired_as_json(first.fired, pairs[0][1].firings, rule_set.files),
        "missed": sorted({name for name in test.expects if all(name in run.missed for run in noticed)}),
        "false": sorted({name for run in noticed for name in run.false}),
        "detected_runs": sum(run.detected for run in noticed),
        "n": len(noticed),
        "detected_share": {"measured": share.measured, "ci_low": share.ci_low, "ci_high": share.ci_high},
        "delay_s": analysis.spread([run.delay_s for run in noticed if run.detected]),
        "alerts": {name: analysis.spread(analysis.delays_s(noticed, name)) for name in rule_set.names if name in begun},
    }


def _fired_as_json(fired: Sequence[Firing], everything: Sequence[Firing], files: Files) -> list[dict[str, Any]]:
    """What began in one run, with who is told and what is silenced."""
    return [
        {
            "alert": firing.alert,
            "labels": dict(firing.labels),
            "first_s": firing.first_s,
            "last_s": firing.last_s,
            **heard_of,
        }
        for firing, heard_of in zip(fired, told(files.alertmanager, fired, everything), strict=True)
    ]


def _quiet_as_json(quiet: Sequence[Heard], tests: AlertTests, rule_set: RuleSet) -> dict[str, Any]:
    """False alarms in runs without faults: alerts that begin after the lead, a month."""
    if not quiet:
        return {"hours": 0.0, "false_alarms_per_month": {}, "standing": []}
    rates: dict[str, float] = {}
    standing: set[str] = set()
    for heard in quiet:
        before = {firing.alert for firing in heard.firings if firing.first_s <= tests.lead_s}
        standing |= before - rule_set.always
        counted = analysis.false_alarms_per_month(
            heard.firings, from_s=tests.lead_s, to_s=heard.until_s, always=before | rule_set.always
        )
        for alert, rate in counted.items():
            rates[alert] = rates.get(alert, 0.0) + rate / len(quiet)
    hours = sum(heard.until_s - tests.lead_s for heard in quiet) / 3600.0
    return {"hours": hours, "false_alarms_per_month": dict(sorted(rates.items())), "standing": sorted(standing)}


def _rules_as_json(
    rule_set: RuleSet, heard: Sequence[Heard], judged_faults: Sequence[Mapping[str, Any]], *, everything: bool
) -> list[dict[str, Any]]:
    fired = {firing.alert for result in heard for firing in result.firings}
    entries = []
    for rule in rule_set.alerts:
        faults = [fault for fault in rule_set.faults if fault.alert == rule.name]
        never = next((fault.why for fault in faults if fault.kind == NEVER), None)
        entries.append(
            {
                "alert": rule.name,
                "severity": rule.labels.get("severity", ""),
                "component": rule.labels.get("component", ""),
                "for_s": rule.for_s,
                "ever_fired": rule.name in fired,
                "never": never,
                "doubts": [fault.why for fault in faults if fault.kind != NEVER],
                "answers_to": [fault["name"] for fault in judged_faults if rule.name in fault["alerts"]],
                "silent": everything and rule.name not in fired and never is None,
                "reason": rule.reason,
            }
        )
    return entries
