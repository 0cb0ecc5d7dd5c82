"""One fault, one run, and what the real rule engine makes of what Prometheus would have scraped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitcell_sim.analysis.exposed import Exposed
from bitcell_sim.analysis.rule_faults import metric_names
from bitcell_sim.analysis.scraped import prometheus_regions, scrape_all
from bitcell_sim.config.alerting import AlertTest, AlertTests, load_exporters
from bitcell_sim.config.native import evaluation_interval_s, external_labels, load_rules, load_targets
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.engine.watching import Watch, Watched
from bitcell_sim.judges.rules import Firing, firings, union
from bitcell_sim.random_streams import Stream

PROMETHEUS, RULES, ALERTMANAGER = "prometheus.yml", "rules.yml", "alertmanager.yml"


@dataclass(frozen=True)
class Files:
    """Native files that are judged.

    Parameters
    ----------
    prometheus, rules, alertmanager : Path
        What is scraped, what is asked of it, who is told.
    """

    prometheus: Path
    rules: Path
    alertmanager: Path


@dataclass(frozen=True, eq=False)
class Task:
    """A run to do.

    Parameters
    ----------
    scenario : Scenario
        The deployment, healthy where the fault hits.
    test : AlertTest or None
        The fault; None for a run without.
    tests : AlertTests
        How long everything lasts.
    seed : int
        Of the run.
    files : Files
        What it is judged by.
    """

    scenario: Scenario
    test: AlertTest | None
    tests: AlertTests
    seed: int
    files: Files


@dataclass(frozen=True, eq=False)
class Heard:
    """What a run raised.

    Parameters
    ----------
    onset_s : float
        When the fault began; NaN without a fault, or where it never came about.
    until_s : float
        End of the run.
    firings : list of Firing
        All intervals of all alerts.
    """

    onset_s: float
    until_s: float
    firings: list[Firing]


def listen(task: Task) -> Heard:
    """Do a run and judge it."""
    scenario, onset_s = scenario_of(task)
    outcome, watched = watched_run(scenario, task.seed)
    if task.test is not None and not task.test.fault:
        at_ms = outcome.tables["evidence"]["at_ms"]
        onset_s = float(at_ms.min()) / 1000.0 if len(at_ms) else math.nan
    return Heard(onset_s, scenario.duration_s, alerts_of(outcome, watched, task.files))


def scenario_of(task: Task) -> tuple[Scenario, float]:
    """The scenario to run, and when its fault begins, seconds.

    Notes
    -----
    The onset is drawn over one interval of the rules, so that it does not keep step with them.
    """
    tests, test = task.tests, task.test
    if test is None:
        return task.scenario.model_copy(update={"duration_s": tests.lead_s + tests.quiet_s}), math.nan
    spread = Stream.of(task.seed, "studies.alerts").uniform(0) * evaluation_interval_s(task.files.prometheus)
    onset_s = tests.lead_s + spread
    holds_s = test.duration_s or tests.fault_s
    rounds = 1 if test.every_s is None else max(1, math.ceil(holds_s / test.every_s))
    faults = tuple(
        fault.model_copy(update={"start_s": onset_s + fault.start_s + number * (test.every_s or 0.0)})
        for number in range(rounds)
        for fault in test.fault
    )
    changes = {
        "duration_s": onset_s + holds_s + tests.after_s,
        "fault": (*task.scenario.fault, *faults),
        "miner": (*task.scenario.miner, *test.miner),
    }
    return task.scenario.model_copy(update=changes), onset_s


def watched_run(scenario: Scenario, seed: int) -> tuple[Outcome, Watched]:
    """Run a scenario and watch it."""
    watch = Watch(load_exporters().sample_s)
    outcome = simulate_once(scenario, seed=seed, director=watch)
    return outcome, watch.watched()


def alerts_of(outcome: Outcome, watched: Watched, files: Files) -> list[Firing]:
    """Alerts that all Prometheus servers together would have fired during a run.

    Notes
    -----
    All servers run the same rules, so a further one is asked only where the first was blind: dead for a while, or cut
    off from a target that lived. Elsewhere it would say the same, up to one scrape earlier or later.
    """
    scenario, exporters = outcome.scenario, load_exporters()
    targets, step_s = load_targets(files.prometheus), evaluation_interval_s(files.prometheus)
    exposed = Exposed(scenario, outcome.seed, outcome.tables, watched, exporters)
    places = _places(scenario)
    wanted = {name for rule in load_rules(files.rules) for name in metric_names(rule.expr)} | {"up"}
    found: list[Sequence[Firing]] = []
    for region in prometheus_regions(targets):
        scraped = scrape_all(
            exposed,
            exporters,
            targets,
            places,
            region,
            seed=outcome.seed,
            end_s=scenario.duration_s,
            step_s=step_s,
            names=wanted,
        )
        found.append(firings(files.rules, scraped, external_labels(files.prometheus)))
        if not scraped.blind:
            break
    return union(found, step_s)


def _places(scenario: Scenario) -> tuple[list[str], list[str]]:
    deployment = scenario.deployment
    return [node.id for node in deployment.node], [region.name for region in deployment.region]
