"""Rules are read as they stand, their faults are found, and no error of the judge reads as quiet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bitcell_sim.analysis import alerts as analysis
from bitcell_sim.analysis.rates import rate_interval
from bitcell_sim.analysis.rule_faults import DOUBT, NEVER
from bitcell_sim.analysis.scraped import GAP, STALE, VALUE, Scraped, Series
from bitcell_sim.config.alerting import load_alert_tests
from bitcell_sim.config.native import duration_s, external_labels, load_rules, load_targets
from bitcell_sim.errors import InputError
from bitcell_sim.judges.rules import Firing, RuleEngineError, as_text, check_rules, firings, read_answer, union
from bitcell_sim.operations.metrics import METRICS, Sample, exposition
from bitcell_sim.studies.alerts import RuleSet, files_of

ROOT = Path(__file__).resolve().parents[2]
OWN, BUILT = ROOT / "models" / "monitoring", ROOT / "models" / "monitoring" / "as-built"
SEED_ALERTS = {
    *("NodeDown", "RegionDown", "HighNodeDownRate", "NoPeers", "NoActiveMiners", "PrometheusDown"),
    *("ChainNotProgressing", "NodeOutOfSync", "LowPeerCount", "HighProofGenerationTime", "HighPendingTransactions"),
    *("HighBannedMinerRate", "RegionDegraded", "HighCrossRegionLatency"),
}
REGION_DOWN = """groups: [{name: g, rules: [
  {alert: RegionDown, expr: 'sum by (region) (up) == 0', for: 1m, labels: {severity: P0, component: region}}]}]"""


def up(values: list[float], **labels: str) -> Series:
    return Series("up", labels, np.full(len(values), VALUE, np.uint8), np.array(values, np.float64))


def scraped(series: list[Series]) -> Scraped:
    steps = len(series[0].values)
    return Scraped("us-east", 15.0, series, np.ones(steps, np.bool_), blind=False)


def test_there_are_27_alerts_with_all_that_each_needs() -> None:
    rules = [rule for rule in load_rules(OWN / "rules.yml") if not rule.recorded]
    assert len(rules) == len({rule.name for rule in rules}) == 27
    assert {rule.name for rule in rules} >= SEED_ALERTS
    for rule in rules:
        assert rule.labels["severity"] in ("P0", "P1", "P2", "P3")
        assert rule.labels["component"]
        assert set(rule.annotations) == {"summary", "description", "runbook_url"}
        assert (ROOT / rule.annotations["runbook_url"]).is_file()
        assert rule.reason, f"{rule.name}: why its threshold?"
    assert external_labels(OWN / "prometheus.yml") == {"cluster": "bitcell-rc3"}


def test_every_fault_names_alerts_that_there_are() -> None:
    names = {rule.name for rule in load_rules(OWN / "rules.yml")}
    tests = load_alert_tests().test
    assert len(tests) >= 15
    assert {name for test in tests for name in (*test.expects, *test.follows)} <= names


def test_nothing_is_wrong_with_the_lab_s_own_rules_by_reading() -> None:
    assert RuleSet(files_of(None)).faults == []


def test_the_faults_of_the_set_as_built_are_found_by_reading() -> None:
    found = {(fault.alert, fault.kind): fault.why for fault in RuleSet(files_of(BUILT / "rules.yml")).faults}
    assert "no group" in found["RegionDown", NEVER]
    assert "bitcell_proof_gen_time_ms" in found["HighProofGenerationTime", NEVER]
    assert 'job="alertmanager"' in found["AlertmanagerDown", NEVER]
    assert "second one" in found["PrometheusDown", NEVER]
    assert "two round trips" in found["HighCrossRegionLatency", DOUBT]
    assert "one of two" in found["RegionDegraded", DOUBT]
    assert len(load_rules(BUILT / "rules.yml")) == 15


@pytest.mark.parametrize(
    ("expr", "word"),
    [
        ("bitcell_sync_progress > 100", "never"),
        ("up < 0", "never"),
        ("bitcell_no_such_thing > 1", "nobody exports"),
        ('up{job="nobody"} == 0', "nothing is scraped"),
    ],
)
def test_a_rule_that_never_can_fire_is_told_with_the_reason(tmp_path: Path, expr: str, word: str) -> None:
    (tmp_path / "rules.yml").write_text(f"groups: [{{name: g, rules: [{{alert: X, expr: '{expr}'}}]}}]")
    [fault] = RuleSet(files_of(tmp_path / "rules.yml")).faults
    assert fault.kind == NEVER
    assert word in fault.why


def test_targets_stand_where_the_deployment_has_them() -> None:
    targets = load_targets(OWN / "prometheus.yml")
    assert sum(target.address.startswith("node-") for target in targets) == 7
    assert {target.interval_s for target in targets} == {15.0}
    assert len([target for target in targets if target.job == "prometheus"]) == 2


def test_a_page_of_metrics_reads_back_by_the_official_parser() -> None:
    samples = [Sample("bitcell_chain_height", (), 7.0), Sample("bitcell_txs_processed_total", (), 12.0)]
    samples += [
        Sample("bitcell_peer_rtt_seconds", (("peer", 'a"b'), ("peer_region", "eu")), value) for value in (0.1, 2e-9)
    ]
    families = {family.name: family for family in text_string_to_metric_families(exposition(samples))}
    assert families["bitcell_chain_height"].type == "gauge"
    assert families["bitcell_txs_processed"].type == "counter"
    assert families["bitcell_peer_rtt_seconds"].samples[1].value == 2e-9
    assert families["bitcell_peer_rtt_seconds"].samples[0].labels == {"peer": 'a"b', "peer_region": "eu"}


def test_the_documents_twelve_metrics_are_there() -> None:
    assert sum(metric.documented for metric in METRICS) == 12


def test_values_are_written_as_runs() -> None:
    kind = np.array([GAP, VALUE, VALUE, VALUE, STALE, STALE, VALUE], np.uint8)
    series = Series("up", {}, kind, np.array([0, 1, 1, 0.5, 0, 0, 1.0]))
    assert as_text(series) == "_x1 1+0x1 0.5 stale _x1 1"


def test_quiet_is_told_from_errors() -> None:
    assert read_answer(0, "  SUCCESS\n", "") == []
    for code, said in (
        (1, "yaml: line 3"),
        (0, "  SUCCESS\n  WARNING: no file match pattern x"),
        (0, ""),
        (1, "  FAILED:\n"),
    ):
        with pytest.raises(RuleEngineError):
            read_answer(code, said, "")
    with pytest.raises(RuleEngineError):
        read_answer(1, '  FAILED:\n    expr: "x", time: 15s,\n        exp: nil\n        got: ???\n', "")


def test_durations_are_prometheus_own() -> None:
    assert duration_s("1h30m") == 5400.0
    assert duration_s("500ms") == 0.5
    with pytest.raises(InputError):
        duration_s("2 minutes")


def test_alerts_of_two_servers_are_one_alert() -> None:
    a, b = Firing((("alertname", "X"),), 30.0, 60.0), Firing((("alertname", "X"),), 75.0, 90.0)
    assert union([[a], [b]], 15.0) == [Firing(a.labels, 30.0, 90.0)]
    assert len(union([[a], [Firing(a.labels, 120.0, 135.0)]], 15.0)) == 2


def test_what_stood_before_the_onset_detects_nothing() -> None:
    test = next(each for each in load_alert_tests().test if each.name == "regional-failure")
    fired = [
        Firing((("alertname", name),), first, 999.0) for name, first in (("NodeDown", 10.0), ("RegionDown", 150.0))
    ]
    have, known = ["NodeDown", "RegionDown"], {"NodeDown", "RegionDown"}
    noticed = analysis.judge(test, 1, 100.0, fired, have=have, known=known)
    assert noticed.standing == ("NodeDown",)
    assert (noticed.delay_s, noticed.missed) == (50.0, ())
    alone = analysis.judge(test, 1, 100.0, fired[:1], have=have, known=known)
    assert not alone.detected
    assert alone.missed == ("RegionDown",)


def test_a_rate_s_interval_is_garwood_s() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for count in (0, 1, 7):
        estimate = rate_interval(count, 2.0, 4)
        low = scipy.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
        assert estimate.ci_low == pytest.approx(low / 2.0)
        assert estimate.ci_high == pytest.approx(scipy.chi2.ppf(0.975, 2 * count + 2) / 4.0)


@pytest.mark.tool("promtool")
def test_promtool_takes_both_sets_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    check_rules(OWN / "rules.yml")
    check_rules(BUILT / "rules.yml")
    wrong = tmp_path / "rules.yml"
    wrong.write_text("groups: [{name: g, rules: [{alert: X, expr: 'up =='}]}]")
    with pytest.raises(InputError, match="promtool refuses"):
        check_rules(wrong)
    with pytest.raises(RuleEngineError):
        firings(wrong, scraped([up([1.0] * 4)]), {})
    with pytest.raises(RuleEngineError):
        firings(tmp_path / "nowhere.yml", scraped([up([1.0] * 4)]), {})


@pytest.mark.tool("promtool")
def test_promtool_says_when_an_alert_fires_clears_and_fires_again(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(REGION_DOWN)
    values = [1.0] * 4 + [0.0] * 8 + [1.0] * 4 + [0.0] * 8
    found = firings(rules, scraped([up(values, region="a"), up([1.0] * 24, region="b")]), {"cluster": "c"})
    assert [(firing.first_s, firing.last_s) for firing in found] == [(120.0, 165.0), (300.0, 345.0)]
    assert dict(found[0].labels) == {
        "alertname": "RegionDown",
        "cluster": "c",
        "component": "region",
        "region": "a",
        "severity": "P0",
    }
    assert firings(rules, scraped([up([1.0] * 8, region="a")]), {}) == []


@pytest.mark.tool("promtool")
def test_a_dead_prometheus_fires_nothing(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(REGION_DOWN)
    alive = np.ones(20, np.bool_)
    alive[10:] = False
    asked = Scraped("us-east", 15.0, [up([0.0] * 20, region="a")], alive, blind=True)
    assert [(f.first_s, f.last_s) for f in firings(rules, asked, {})] == [(60.0, 135.0)]
