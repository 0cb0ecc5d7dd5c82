"""Faults in the simulator, judged by the real rule engine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bitcell_sim.analysis.alerts import firing_table
from bitcell_sim.analysis.exposed import Exposed, samples_at
from bitcell_sim.config.alerting import load_exporters
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.engine.watching import Watched
from bitcell_sim.operations.metrics import METRICS, exposition
from bitcell_sim.studies.alert_runs import alerts_of, watched_run
from bitcell_sim.studies.alerts import Request, alerts, files_of

ROOT = Path(__file__).resolve().parents[2]
LOST = [{"kind": "region-loss", "region": "us-west", "start_s": 600.0, "duration_s": 600.0}]


def lost_region() -> tuple[Outcome, Watched]:
    from bitcell_sim.config.schema import RegionLoss

    scenario = load_scenario("rc3", sets=["duration_s=1500"])
    return watched_run(scenario.model_copy(update={"fault": (RegionLoss(**LOST[0]),)}), 1)


@pytest.fixture(scope="module")
def run() -> tuple[Outcome, Watched]:
    return lost_region()


def test_watching_changes_nothing(run: tuple[Outcome, Watched]) -> None:
    assert simulate_once(run[0].scenario, seed=1).trace_digest == run[0].trace_digest


def test_every_page_reads_back_and_has_every_metric(run: tuple[Outcome, Watched]) -> None:
    outcome, watched = run
    exposed = Exposed(outcome.scenario, 1, outcome.tables, watched, load_exporters())
    at = np.array([500 * 10**9], np.int64)
    seen = set()
    for samples in (samples_at(exposed.of_node("us-east-1", at), 0), samples_at(exposed.of_balancer("us-east", at), 0)):
        families = list(text_string_to_metric_families(exposition(samples)))
        seen |= {sample.name for family in families for sample in family.samples}
    assert {metric.name for metric in METRICS} - seen == {"bitcell_proof_generation_seconds"}  # rc3's are all killed


def test_counters_never_fall_but_at_a_restart(run: tuple[Outcome, Watched]) -> None:
    outcome, watched = run
    exposed = Exposed(outcome.scenario, 1, outcome.tables, watched, load_exporters())
    at = np.arange(0, 1500 * 10**9, 15 * 10**9, dtype=np.int64)
    counters = {metric.name for metric in METRICS if metric.kind == "counter"}
    for (name, _), values in exposed.of_node("us-east-1", at).items():
        if name in counters:
            assert (np.diff(values) >= 0).all(), name
    lost = exposed.of_node("us-west-1", at)["bitcell_txs_processed_total", ()]
    assert (np.diff(lost) < 0).sum() == 1


@pytest.mark.tool("promtool")
def test_a_lost_region_is_one_alert_before_its_nodes_are(run: tuple[Outcome, Watched]) -> None:
    table = firing_table(alerts_of(*run, files_of(None)))
    assert list(table.columns) == ["alert", "severity", "component", "region", "labels", "node", "first_s", "last_s"]
    down = table[table["alert"] == "RegionDown"].iloc[0]
    nodes = table[table["alert"] == "NodeDown"]
    assert (down["severity"], down["region"]) == ("P0", "us-west")
    assert set(nodes["node"]) == {"us-west-1", "us-west-2"}
    assert 660.0 < down["first_s"] <= 705.0 < nodes["first_s"].min() <= 765.0
    assert json.loads(down["labels"])["cluster"] == "bitcell-rc3"


@pytest.mark.tool("promtool")
def test_the_set_as_built_is_silent_about_a_lost_region(run: tuple[Outcome, Watched]) -> None:
    files = files_of(ROOT / "models" / "monitoring" / "as-built" / "rules.yml")
    names = {firing.alert for firing in alerts_of(*run, files)}
    assert "NodeDown" in names
    assert "RegionDown" not in names


@pytest.mark.tool("promtool")
def test_the_study_s_answer_has_its_keys() -> None:
    content = alerts(Request(fault="dead-prometheus", runs=1), workers=1)
    [fault] = content["faults"]
    assert set(fault) >= {"name", "standing", "fired", "missed", "false"}
    [told] = [entry for entry in fault["fired"] if entry["alert"] == "PrometheusDown"]
    assert set(told) >= {"alert", "labels", "first_s", "last_s", "receivers", "inhibited"}
    assert told["labels"]["region"] == "us-east"
    assert fault["detected_runs"] == 1
    assert {"alert", "severity", "ever_fired"} <= set(content["rules"][0])
    json.dumps(content, allow_nan=False)


@pytest.mark.slow
@pytest.mark.tool("promtool")
def test_every_fault_but_the_known_ones_is_noticed() -> None:
    content = alerts(Request(runs=1))
    assert content["uncaught"] == ["byzantine-node"]
    silent = {rule["alert"] for rule in content["rules"] if not rule["ever_fired"]}
    assert silent == {"NoActiveMiners"}
    assert all(not fault["false"] for fault in content["faults"])
