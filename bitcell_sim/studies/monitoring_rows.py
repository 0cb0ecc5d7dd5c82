"""Rows of the scorecard about monitoring: what it notices, how fast by severity, and what it cries for nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bitcell_sim.analysis import alerts as analysis
from bitcell_sim.analysis.estimates import Estimate, judge, quantile_interval
from bitcell_sim.analysis.rates import rate_interval
from bitcell_sim.analysis.scraped import end_of
from bitcell_sim.config.alerting import AlertTest, load_alert_tests
from bitcell_sim.config.native import load_targets
from bitcell_sim.config.schema import Scenario, Target
from bitcell_sim.errors import InputError, MissingToolError
from bitcell_sim.judges.rules import TOOL
from bitcell_sim.judges.tools import find_tool
from bitcell_sim.studies.alert_runs import Task as AlertTask
from bitcell_sim.studies.alert_runs import listen
from bitcell_sim.studies.alerts import RuleSet, files_of, judged
from bitcell_sim.studies.measures import MONITORING, Measurement, Task
from bitcell_sim.studies.plan import Size
from bitcell_sim.studies.response import is_response
from bitcell_sim.studies.rows import Evidence, Row

QUIET = MONITORING + "quiet"
QUIET_TIMES = 1  # runs without faults, as a factor on those of each fault
COVERAGE, NOISE = "coverage", "noise"
SEVERITIES = {"critical": "P0", "high": "P1", "medium": "P2"}  # by the names of the documents
HOUR_S = 3600.0

Variant = Callable[[Sequence[str]], Scenario]


def is_monitoring(target: Target) -> bool:
    """Whether a target is about alerts; those about people are elsewhere."""
    return target.id.startswith(MONITORING) and not is_response(target)


def obstacle(scenario: Scenario) -> str:
    """Why monitoring cannot be judged: what has to be installed, or is scraped and not there; empty if it can."""
    nodes = [node.id for node in scenario.deployment.node]
    regions = [region.name for region in scenario.deployment.region]
    try:
        find_tool(TOOL)
        for target in load_targets(files_of(None).prometheus):
            end_of(target, nodes, regions)
    except (MissingToolError, InputError) as error:
        return str(error)
    return ""


def tasks_of(targets: Sequence[Target], variant: Variant, size: Size, seed: int) -> list[Task]:
    """Runs that the rows about monitoring need, each once; none without the rule engine.

    Parameters
    ----------
    targets : sequence of Target
        Rows that are asked for.
    variant : callable
        Gives the scenario with further options.
    size : Size
        How much evidence.
    seed : int
        First seed.
    """
    asked = {target.id.removeprefix(MONITORING) for target in targets if is_monitoring(target)}
    tests = load_alert_tests()
    load = f"workload.rate_tps={tests.rate_tps}"
    if not asked or obstacle(calm := variant([load])):
        return []
    quiet = range(QUIET_TIMES * size.alert_runs if NOISE in asked else 0)
    found = [Task(QUIET, calm, seed + number, size) for number in quiet]
    for test in tests.test if asked - {NOISE} else ():
        scenario = variant([load, *test.sets])
        found += [Task(MONITORING + test.name, scenario, seed + number, size) for number in range(size.alert_runs)]
    return found


def measure(task: Task) -> Measurement:
    """Do one run of a fault, or a quiet one."""
    run = _alert_task(task.kind, task.scenario, task.seed)
    return Measurement(heard=listen(run), simulated_s=run.scenario.duration_s)


def _alert_task(kind: str, scenario: Scenario, seed: int) -> AlertTask:
    tests = load_alert_tests()
    test = next((each for each in tests.test if MONITORING + each.name == kind), None)
    return AlertTask(scenario, test, tests, seed, files_of(None))


def monitoring_row(target: Target, evidence: Evidence) -> Row:
    """Row of one target about monitoring."""
    missing = obstacle(evidence.scenario)
    part = target.id.removeprefix(MONITORING)
    runs = sum(len(found) for kind, found in evidence.measured.items() if kind.startswith(MONITORING))
    if missing or not runs:
        estimate, why = Estimate(None, None, None, 0), missing or "nothing was run for it"
    elif part == COVERAGE:
        estimate, why = _coverage(evidence)
    elif part == NOISE:
        estimate, why = _noise(evidence)
    else:
        estimate, why = _detection(evidence, SEVERITIES[part.rpartition(".")[2]])
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
        verdict=judge(estimate, target.limit, target.comparison),
        why=why,
        evidence=f"{runs} runs judged by promtool; {evidence.command(target.id)}",
        beside={},
    )


def _noticed(evidence: Evidence) -> dict[str, list[analysis.Noticed]]:
    """Judged runs of every fault, by its name."""
    rule_set = RuleSet(files_of(None))
    found = {}
    for test in load_alert_tests().test:
        kind = MONITORING + test.name
        runs = evidence.measured.get(kind, [])
        pairs = [
            (_alert_task(kind, evidence.scenario, evidence.seed + number), run.heard)
            for number, run in enumerate(runs)
            if run.heard is not None
        ]
        found[test.name] = judged(test, pairs, rule_set)
    return found


def _coverage(evidence: Evidence) -> tuple[Estimate, str]:
    noticed = _noticed(evidence)
    whole = [name for name, runs in noticed.items() if all(run.detected for run in runs)]
    runs = min(len(each) for each in noticed.values())
    share = 100.0 * len(whole) / len(noticed)
    lost = [name for name in noticed if name not in whole]
    silent = [name for name in RuleSet(files_of(None)).names if not _ever(evidence, name)]
    why = f"{len(whole)} of {len(noticed)} faults are noticed in every run"
    why += f"; nothing notices {', '.join(lost)}" if lost else ""
    why += f"; no fault here raises {', '.join(silent)}" if silent else ""
    return Estimate(share, share, share, runs), why


def _ever(evidence: Evidence, alert: str) -> bool:
    runs = (run.heard for kind, found in evidence.measured.items() if kind.startswith(MONITORING) for run in found)
    return any(firing.alert == alert for heard in runs if heard is not None for firing in heard.firings)


def _detection(evidence: Evidence, severity: str) -> tuple[Estimate, str]:
    """Delay of the first alert of a severity, over the faults that should raise one."""
    rules = {rule.name for rule in RuleSet(files_of(None)).alerts if rule.labels.get("severity") == severity}
    tests = load_alert_tests()
    noticed = _noticed(evidence)
    values: list[float] = []
    slowest, worst = 0.0, ""
    for test in (each for each in tests.test if rules & {*each.expects}):
        for run in noticed[test.name]:
            value = _first(run, rules & {*test.expects}, test, tests.fault_s + tests.after_s)
            values.append(value)
            if value > slowest:
                slowest, worst = value, test.name
    estimate = quantile_interval(values, 0.5) if values else Estimate(None, None, None, 0)
    why = f"scrapes every 15 s, then what each rule waits for; the slowest is {worst}, after {slowest:.0f} s"
    return estimate, why


def _first(run: analysis.Noticed, names: set[str], test: AlertTest, cut_off_s: float) -> float:
    """Seconds to the first of some alerts; the whole time that is watched where none came."""
    begins = [firing.first_s for firing in run.fired if firing.alert in names]
    holds = cut_off_s if test.duration_s is None else test.duration_s
    return min(begins) - run.onset_s if begins and not math.isnan(run.onset_s) else holds


def _noise(evidence: Evidence) -> tuple[Estimate, str]:
    tests, rule_set = load_alert_tests(), RuleSet(files_of(None))
    count, watched_s = 0, 0.0
    standing: set[str] = set()
    for heard in (run.heard for run in evidence.measured.get(QUIET, [])):
        if heard is not None:
            before = {firing.alert for firing in heard.firings if firing.first_s <= tests.lead_s} | rule_set.always
            standing |= before - rule_set.always
            count += sum(firing.first_s > tests.lead_s and firing.alert not in before for firing in heard.firings)
            watched_s += heard.until_s - tests.lead_s
    estimate = rate_interval(count, watched_s / analysis.MONTH_S, len(evidence.measured.get(QUIET, [])))
    why = f"{count} alarms began in {watched_s / HOUR_S:.0f} quiet hours"
    return estimate, why + (f"; always there: {', '.join(sorted(standing))}" if standing else "")
