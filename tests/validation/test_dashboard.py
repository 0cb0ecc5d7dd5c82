"""The dashboard and the load balancer's file: taken by their programs, in step with the models, with data."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.native import load_rules
from bitcell_sim.errors import InputError
from bitcell_sim.judges.dashboards import queries, read_dashboard
from bitcell_sim.judges.prometheus import prometheus, query, write
from bitcell_sim.studies.export import lines_of, scraped_run

HOME = models_dir() / "monitoring"
DASHBOARD = HOME / "grafana" / "production-overview.json"
BEGINS_S = 1_700_000_000.0
RUN_S = 1500.0
VIEWS = [
    "Node status by region",
    "Chain height",
    "Transaction throughput",
    "Network traffic",
    "Proof generation time",
    "Active and banned miners",
    "Pending transactions",
    "Peers",
    "Regional health",
]


def test_the_nine_views_of_the_document_are_there() -> None:
    dashboard = read_dashboard(DASHBOARD)
    assert [panel["title"] for panel in dashboard["panels"]] == VIEWS
    assert dashboard["refresh"] == "10s"
    source = yaml.safe_load((HOME / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    uids = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert uids == {source["datasources"][0]["uid"]}
    provider = yaml.safe_load((HOME / "grafana/provisioning/dashboards/bitcell.yml").read_text(encoding="utf-8"))
    assert provider["providers"][0]["updateIntervalSeconds"] == 10


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in read_dashboard(DASHBOARD)["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_grafana_s_own_types_take_it() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason="needs grafana-foundation-sdk")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # type: ignore[import-not-found]

    content = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    parsed = models.Dashboard.from_json(copy.deepcopy(content))
    again = json.loads(JSONEncoder(sort_keys=True).encode(parsed))
    assert again["title"] == content["title"]
    assert [panel["title"] for panel in again["panels"]] == VIEWS
    assert [target["expr"] for panel in again["panels"] for target in panel["targets"]] == [
        found.expression for found in queries(content)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda board: {"dashboard": board}, "inside a key"),
        (lambda board: {**board, "title": ""}, "title: missing"),
        (lambda board: {**board, "panels": [{**board["panels"][0], "targets": []}]}, "no query"),
        (lambda board: {**board, "panels": [{**board["panels"][0], "datasource": {"type": "loki"}}]}, "data source"),
        (lambda board: {**board, "panels": board["panels"][:1] * 2}, "not different"),
    ],
)
def test_what_is_wrong_with_a_dashboard_is_said(change: Any, said: str, tmp_path: Path) -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    file = tmp_path / "board.json"
    file.write_text(json.dumps(change(board)), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_dashboard(file)


@pytest.mark.tool("prometheus")
def test_every_panel_has_data_in_a_real_prometheus(tmp_path: Path) -> None:
    """Also the ends of series arrive: a node that is lost is gone from the panels at once, not five minutes later.

    Proofs are of a smaller grid: RC3's own need more memory than a node has, so none is ever done.
    """
    loss = 'fault=[{kind="process-crash", node="us-east-2", start_s=450.0, duration_s=3600.0}]'
    scenario = load_scenario("rc3", sets=[f"duration_s={RUN_S}", "protocol.proof.grid=24", loss])
    scraped, _ = scraped_run(scenario, 1)
    with prometheus(tmp_path) as address:
        assert write(address, lines_of(scraped, BEGINS_S, {"cluster": "bitcell-rc3"})) > 10_000
        for found in queries(read_dashboard(DASHBOARD)):
            series = query(address, found.expression, BEGINS_S, BEGINS_S + RUN_S, 15.0)
            assert series, found
            assert any(float(value) == float(value) for _, value in series[0]["values"]), found
        lost = query(address, 'bitcell_chain_height{node="us-east-2"}', BEGINS_S, BEGINS_S + RUN_S, 15.0)[0]["values"]
        assert lost[-1][0] < BEGINS_S + 450 + 2 * 15
        up = query(address, 'up{node="us-east-2"}', BEGINS_S, BEGINS_S + RUN_S, 15.0)[0]["values"]
        assert up[-1] == [BEGINS_S + RUN_S, "0"]


@pytest.mark.tool("haproxy")
def test_haproxy_takes_its_file(program: str) -> None:
    done = subprocess.run([program, "-c", "-f", str(HOME / "haproxy.cfg")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_haproxy_s_file_is_the_deployment_s() -> None:
    text = (HOME / "haproxy.cfg").read_text(encoding="utf-8")
    deployment = load_scenario("rc3").deployment
    front = deployment.load_balancer
    servers = re.findall(r"^  server (\S+) (\S+):(\d+) port (\d+)$", text, re.MULTILINE)
    assert servers == [(n.id, n.address, str(n.rpc_port), str(n.metrics_port)) for n in deployment.node]
    assert f"inter {front.check_interval_s:g}s fall {front.fall} rise {front.rise}" in text
    assert f"timeout connect {front.connect_timeout_s:g}s" in text
    assert f"timeout server {front.server_timeout_s:g}s" in text
    assert f"retries {front.retries}\n" in text
    assert f"option httpchk GET {front.health_path}" in text
    assert ("option redispatch" in text) == front.redispatch
    assert front.health_port == "metrics"
    haproxy = next(service for service in deployment.service if service.name == "haproxy")
    assert set(re.findall(r"^  bind :(\d+)$", text, re.MULTILINE)) == {str(port) for port in haproxy.ports}


def test_every_runbook_link_leads_to_a_page() -> None:
    links = {rule.annotations["runbook_url"] for rule in load_rules(HOME / "rules.yml") if not rule.recorded}
    assert len(links) > 8
    assert [link for link in links if not (models_dir().parent / link).is_file()] == []
