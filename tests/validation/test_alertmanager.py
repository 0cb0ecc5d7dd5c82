"""Routing, grouping, inhibition and texts, by the real Alertmanager on loopback, with all durations divided.

One Alertmanager runs all cases of a file of routes side by side, so the whole takes seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.errors import InputError, LabError
from bitcell_sim.judges.alertmanager import Judgement, check_config, notify
from bitcell_sim.judges.alertmanager_config import prepare, read_config
from bitcell_sim.judges.server import ANY_PORT, serving
from bitcell_sim.judges.tools import find_tool

ROUTES = models_dir() / "monitoring" / "alertmanager.yml"
AS_BUILT = models_dir() / "monitoring" / "as-built" / "alertmanager.yml"
AMLINT = "import sys; from amlint.cli import main; sys.exit(main())"
SCALE = 240.0
SLACK_S = 20.0  # a machine that stalls for 80 ms
REGION_LOSS, TWO_NODES = "a region is lost", "its nodes go alone"


def alert(name: str, severity: str, component: str, first_s: float, last_s: float, **labels: str) -> dict[str, Any]:
    labels = {"severity": severity, "component": component, "cluster": "bitcell-rc3", **labels}
    return {
        "alert": name,
        "severity": severity,
        "component": component,
        "region": labels.get("region", ""),
        "labels": json.dumps(labels, sort_keys=True),
        "node": labels.get("node", ""),
        "first_s": first_s,
        "last_s": last_s,
    }


def nodes_down(region: str, severity: str = "P1") -> list[dict[str, Any]]:
    return [
        alert("NodeDown", severity, "node", 160, 500, region=region, node=f"{region}-{n}", instance=f"node-{n}:9090")
        for n in (1, 2)
    ]


@pytest.fixture(scope="module")
def judged() -> Judgement:
    down = [alert("RegionDown", "P0", "region", 90, 500, region="us-east"), *nodes_down("us-east")]
    halted = [
        alert("ChainHalted", "P0", "consensus", 90, 300),
        *(alert("ChainNotProgressing", "P2", "consensus", 100, 300, node=f"n{n}", region="us-east") for n in range(3)),
    ]
    frame = pd.DataFrame
    cases = {
        REGION_LOSS: frame(down),
        TWO_NODES: frame(nodes_down("us-east")),
        "elsewhere": frame([down[0], *nodes_down("us-west")]),
        "half a region": frame([alert("RegionDegraded", "P2", "region", 100, 300, region="eu-central")]),
        "halted": frame(halted),
        "P1": frame([alert("NoPeers", "P1", "network", 100, 300, node="us-east-1", region="us-east")]),
        "P2": frame([alert("NodeHeightLag", "P2", "sync", 100, 300, node="us-east-1", region="us-east")]),
        "P3": frame([alert("ProofTargetMissed", "P3", "zkp", 100, 300, node="us-east-1", region="us-east")]),
        "always": frame([alert("Watchdog", "P3", "monitoring", 0, 600)]),
    }
    return notify(cases, ROUTES, rules=_rules(), scale=SCALE)


def _rules() -> Path | None:
    path = models_dir() / "monitoring" / "rules.yml"
    return path if path.exists() else None


def told(judged: Judgement, case: str, status: str = "firing") -> pd.DataFrame:
    table = judged.notifications
    return table[(table["case"] == case) & (table["status"] == status)]


@pytest.mark.tool("alertmanager")
def test_a_lost_region_sends_one_page(judged: Judgement) -> None:
    pages = told(judged, REGION_LOSS)
    assert list(pages["channel"][pages["channel"] == "pagerduty"]) == ["pagerduty"]
    assert sorted(pages["channel"]) == ["#bitcell-critical", "#bitcell-regional", "pagerduty"]
    assert (pages["t_s"] - (90 + 30)).between(0, SLACK_S).all()  # when it fired, and the wait of a group
    alerts = judged.alerts[judged.alerts["case"] == REGION_LOSS].set_index("alert")
    assert list(alerts.loc["NodeDown", "inhibited"]) == [True, True]
    assert list(alerts.loc["NodeDown", "receivers"]) == [(), ()]
    assert not alerts.loc["RegionDown", "inhibited"]


@pytest.mark.tool("alertmanager")
def test_nodes_that_go_alone_share_one_page(judged: Judgement) -> None:
    pages = told(judged, TWO_NODES)
    assert sorted(pages["channel"]) == ["#bitcell-alerts", "pagerduty"]
    assert [len(json.loads(alerts)) for alerts in pages["alerts"]] == [2, 2]


@pytest.mark.tool("alertmanager")
def test_a_lost_region_silences_no_other_region(judged: Judgement) -> None:
    alerts = judged.alerts[(judged.alerts["case"] == "elsewhere") & (judged.alerts["alert"] == "NodeDown")]
    assert list(alerts["receivers"]) == [("alerts",), ("alerts",)]
    assert not alerts["inhibited"].any()


@pytest.mark.tool("alertmanager")
def test_a_halted_chain_silences_its_nodes(judged: Judgement) -> None:
    assert sorted(told(judged, "halted")["channel"]) == ["#bitcell-critical", "pagerduty"]


@pytest.mark.tool("alertmanager")
@pytest.mark.parametrize(
    ("case", "receivers"),
    [
        (REGION_LOSS, {"critical", "regional"}),
        ("half a region", {"regional", "warnings"}),
        ("P1", {"alerts"}),
        ("P2", {"warnings"}),
        ("P3", {"tickets"}),
        ("always", {"dead-mans-switch"}),
    ],
)
def test_who_is_told(judged: Judgement, case: str, receivers: set[str]) -> None:
    assert set(told(judged, case)["receiver"]) == receivers


@pytest.mark.tool("alertmanager")
def test_the_dead_mans_switch_hears_of_it_again_and_again(judged: Judgement) -> None:
    beats = told(judged, "always")["t_s"].to_numpy()
    assert beats[0] < SLACK_S
    gaps = beats[1:] - beats[:-1]
    assert len(gaps) >= 1
    assert (gaps <= 300 + SLACK_S).all()


@pytest.mark.tool("alertmanager")
def test_an_end_is_told_where_a_start_was(judged: Judgement) -> None:
    ended = told(judged, REGION_LOSS, "resolved")
    assert sorted(ended["channel"]) == sorted(told(judged, REGION_LOSS)["channel"])
    assert (ended["t_s"] > 500).all()


@pytest.mark.tool("alertmanager")
def test_texts_are_whole(judged: Judgement) -> None:
    assert judged.failures == ()
    texts = judged.notifications["text"]
    assert not texts.str.contains("no value|<nil>|{{", regex=True).any()
    page = told(judged, REGION_LOSS).set_index("channel")["text"]["pagerduty"]
    assert page.startswith("P0 RegionDown in us-east: ")
    if _rules():
        assert page.endswith("docs/runbooks/regional-failure.md")


@pytest.mark.tool("alertmanager")
def test_upstream_s_routes_show_their_faults() -> None:
    cases = {
        "node": pd.DataFrame([alert("NodeDown", "critical", "node", 100, 200, region="us-east", node="us-east-1")]),
        "miners": pd.DataFrame(
            [
                alert("NoActiveMiners", "critical", "ebsl", 100, 200, region="us-east"),
                alert("ChainNotProgressing", "warning", "consensus", 140, 200, region="us-west"),
            ]
        ),
        "region": pd.DataFrame([alert("RegionDegraded", "warning", "region", 100, 200, region="us-west")]),
    }
    judged = notify(cases, AS_BUILT, scale=SCALE)
    assert "pagerduty" not in set(judged.notifications["channel"])  # no page is ever sent
    assert any("can't evaluate field Annotations" in said for said in judged.failures)
    other = judged.alerts.set_index("alert").loc["ChainNotProgressing"]
    assert other["inhibited"]  # by an alert of another region
    assert set(told(judged, "region")["channel"]) == {"#bitcell-warnings"}  # never #bitcell-regional
    assert "team-oncall" not in set(judged.notifications["receiver"])


@pytest.mark.tool("amtool")
def test_amtool_loads_ours_and_not_upstream_s() -> None:
    assert check_config(ROUTES) == []
    assert "SLACK_API_URL" in check_config(AS_BUILT)[0]


@pytest.mark.tool("amtool")
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "P0", "component": "region"}, ["regional", "critical"]),
        ({"severity": "P0", "component": "consensus"}, ["critical"]),
        ({"severity": "P1", "component": "node"}, ["alerts"]),
        ({"severity": "P2", "component": "region"}, ["regional", "warnings"]),
        ({"severity": "P2", "component": "zkp"}, ["warnings"]),
        ({"severity": "P3", "component": "zkp"}, ["tickets"]),
        ({"alertname": "Watchdog", "severity": "P3"}, ["dead-mans-switch"]),
        ({"alertname": "Unheard"}, ["alerts"]),
    ],
)
def test_static_routes(labels: dict[str, str], receivers: list[str]) -> None:
    words = [f"{key}={value}" for key, value in labels.items()]
    asked = [find_tool("amtool"), "config", "routes", "test", f"--config.file={ROUTES}", *words]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip().split(",") == receivers


@pytest.mark.tool("amtool")
def test_what_is_run_loads_too(tmp_path: Path) -> None:
    """Also upstream's, once its destinations are sinks."""
    for number, path in enumerate((ROUTES, AS_BUILT)):
        file = tmp_path / f"{number}.yml"
        file.write_text(yaml.safe_dump(prepare(read_config(path), "http://127.0.0.1:9", SCALE)), encoding="utf-8")
        assert check_config(file) == []


def test_amlint_finds_upstream_s_faults_and_none_of_ours() -> None:
    pytest.importorskip("amlint", reason="needs amlint: make install-dev")
    done = {
        path: subprocess.run(
            [sys.executable, "-c", AMLINT, "check", str(path)], capture_output=True, text=True, check=False
        )
        for path in (ROUTES, AS_BUILT)
    }
    assert done[ROUTES].returncode == 0, done[ROUTES].stdout
    assert done[AS_BUILT].returncode == 1
    for code in ("template-unknown-field", "inhibit-no-equal"):
        assert code in done[AS_BUILT].stdout


def test_a_receiver_that_cannot_be_judged_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mail.yml"
    file.write_text("route: {receiver: a}\nreceivers: [{name: a, email_configs: [{to: x@y.z}]}]\n", encoding="utf-8")
    with pytest.raises(InputError, match="email_configs cannot be judged"):
        notify({}, file)


@pytest.mark.tool("alertmanager")
def test_a_server_that_does_not_start_says_why(program: str, tmp_path: Path) -> None:
    with (
        pytest.raises(LabError, match="ended with"),
        serving([program, "--config.file=/nowhere", f"--web.listen-address={ANY_PORT}"], tmp_path / "log"),
    ):
        pass


@pytest.mark.tool("alertmanager")
def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys\nfrom pathlib import Path\nimport pandas as pd\n"
        "from bitcell_sim.judges.alertmanager import notify\n"
        "row = dict(alert='A', severity='P0', component='c', region='', labels='{}', node='', first_s=0, last_s=9e5)\n"
        "print('ready', flush=True)\n"
        f"notify({{'x': pd.DataFrame([row])}}, Path({str(ROUTES)!r}))\n",
        encoding="utf-8",
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end_s = time.monotonic() + 20
        while not list(tmp_path.glob("bitcell-sim-*/data")) and time.monotonic() < end_s:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode != 0
    assert not list(tmp_path.glob("bitcell-sim-*"))  # its folder is gone, and with it who wrote there
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if str(tmp_path).encode() in line]
