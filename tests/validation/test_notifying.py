"""Alertmanager's rules as a function, beside the real one: the same messages, at the same times."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd
import pytest

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.judges.alertmanager import notify
from bitcell_sim.judges.alertmanager_config import read_config
from bitcell_sim.operations.notifying import Alert, Message, matches, notifications
from bitcell_sim.random_streams import Stream

ROUTES = models_dir() / "monitoring" / "alertmanager.yml"
SCALE = 120.0
REAL_MAINTENANCE_S = 30.0  # of the program's own clock, which is not divided
CLOSE_S = 24.0  # 0.2 s of the program's clock
CASES = 12
NAMES = [
    ("RegionDown", "P0", "region"),
    ("NodeDown", "P1", "node"),
    ("RegionDegraded", "P2", "region"),
    ("ChainHalted", "P0", "consensus"),
    ("ChainNotProgressing", "P2", "consensus"),
    ("NoActiveMiners", "P0", "consensus"),
    ("ProofTargetMissed", "P3", "zkp"),
]
GRID_S, CLEAR_S = 45, 60  # starts lie on a grid, so that none falls on a turn of a group within the tolerance


def drawn(case: int) -> list[Alert]:
    """Some alerts of two regions, starting and ending within ten minutes."""
    draws, alerts = Stream.of(5, "tests.notifying"), []
    for number in range(7):
        name, severity, component = NAMES[draws.below(len(NAMES), case, number)]
        labels = {"alertname": name, "severity": severity, "component": component, "cluster": "bitcell-rc3"}
        region = ("us-east", "us-west")[draws.below(2, case, number, 1)]
        if component in ("region", "node", "zkp"):
            labels["region"] = region
        if component in ("node", "zkp"):
            labels["node"] = f"{region}-{1 + draws.below(2, case, number, 2)}"
        first_s = GRID_S * draws.below(8, case, number, 3)
        last_s = first_s + CLEAR_S + GRID_S * draws.below(6, case, number, 4)
        alerts.append(Alert(tuple(sorted(labels.items())), first_s, last_s))
    return sorted({alert.labels: alert for alert in alerts}.values(), key=lambda alert: alert.first_s)


def table(alerts: list[Alert]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for alert in alerts:
        labels = dict(alert.labels)
        name = labels.pop("alertname")
        rows.append({"alert": name, "labels": json.dumps(labels), "first_s": alert.first_s, "last_s": alert.last_s})
    return pd.DataFrame(rows)


def signature(message: Message) -> tuple[str, str, str, str]:
    return message.receiver, message.kind, message.status, ", ".join(f"{k}={v}" for k, v in message.group)


@pytest.mark.tool("alertmanager")
def test_the_same_messages_as_the_real_alertmanager() -> None:
    cases = {str(case): drawn(case) for case in range(CASES)}
    judged = notify({case: table(alerts) for case, alerts in cases.items()}, ROUTES, scale=SCALE).notifications
    config, compared = read_config(ROUTES), 0
    for case, alerts in cases.items():
        ours = notifications(config, alerts, maintenance_s=REAL_MAINTENANCE_S * SCALE)
        theirs = judged[judged["case"] == case]
        kinds = ["slack" if channel.startswith("#") else channel for channel in theirs["channel"]]
        real = list(zip(theirs["receiver"], kinds, theirs["status"], theirs["group_key"], strict=True))
        assert Counter(map(signature, ours)) == Counter(real), case
        for key in set(real):
            expected = [message.t_s for message in ours if signature(message) == key]
            met = sorted(t for t, name in zip(theirs["t_s"], real, strict=True) if name == key)
            assert met == pytest.approx(expected, abs=CLOSE_S), (case, key)
            compared += len(met)
    assert compared > 5 * CASES


def test_a_cleared_group_waits_again_and_a_kept_one_for_its_turn() -> None:
    labels = (("alertname", "NoPeers"), ("cluster", "c"), ("node", "n"), ("severity", "P1"))
    alerts = [Alert(labels, 0.0, 100.0), Alert(labels, 1000.0, 1300.0)]
    config = read_config(ROUTES)
    pages = [message.t_s for message in notifications(config, alerts) if message.kind == "pagerduty"]
    assert pages == [30.0, 330.0, 1030.0, 1330.0]
    kept = [m.t_s for m in notifications(config, alerts, maintenance_s=1e5) if m.kind == "pagerduty"]
    assert kept == [30.0, 330.0, 1230.0, 1530.0]


def test_what_repeats_is_sent_again_after_the_repeat_interval() -> None:
    alert = Alert((("alertname", "NoPeers"), ("severity", "P1")), 0.0, 15_000.0)
    pages = [m.t_s for m in notifications(read_config(ROUTES), [alert]) if m.kind == "pagerduty"]
    assert pages == [30.0, 14_430.0, 15_030.0]


@pytest.mark.parametrize(
    ("matchers", "met"),
    [
        (['severity="P0"'], True),
        (["severity=P0"], True),
        (['severity!="P0"'], False),
        (['alertname=~"Node.*|X"', 'region=""'], True),
        (['alertname=~"Node"'], False),  # a pattern matches whole values
        (['alertname!~"Node"'], True),
    ],
)
def test_matchers(matchers: list[str], met: bool) -> None:
    assert matches(matchers, {"severity": "P0", "alertname": "NodeDown"}) is met
