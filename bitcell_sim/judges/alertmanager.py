"""The real Alertmanager as judge: who is told what, when, in how many messages, and what is silenced.

Its durations are divided by a scale, and alerts are posted when they fire, as Prometheus would; so half an hour takes
seconds. Several cases run in one Alertmanager, kept apart by a label.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import Request, urlopen

import yaml

from bitcell_sim.errors import MissingToolError
from bitcell_sim.judges.alertmanager_config import CASE, longest_interval_s, prepare, read_config
from bitcell_sim.judges.annotations import annotations_of, rendered
from bitcell_sim.judges.server import ANY_PORT, serving
from bitcell_sim.judges.sink import Message, Sink
from bitcell_sim.judges.tools import find_tool

if TYPE_CHECKING:
    import pandas as pd

TOOLS = ("prometheus-alertmanager", "alertmanager")  # Debian's name, and upstream's
SCALE = 120.0
RESEND_S = 60.0  # Prometheus' --rules.alert.resend-delay: a firing alert is sent again after it, simulated seconds
LASTS_S = 4 * RESEND_S  # and counts as over when Prometheus has been silent for that long
TAIL_S = 30.0  # after the last message that can still come, simulated seconds
REQUEST_S = 5.0
NOTIFICATIONS = ("case", "receiver", "channel", "t_s", "status", "group_key", "alerts", "text")


@dataclass(frozen=True)
class Judgement:
    """What Alertmanager did with alerts.

    Parameters
    ----------
    notifications : DataFrame
        One row a message: ``case``, ``receiver``, ``channel`` (pagerduty, ``#...`` of Slack, or webhook), ``t_s``
        (simulated seconds), ``status``, ``group_key``, ``alerts`` (JSON: labels of each, whether it fires), ``text``.
    alerts : DataFrame
        The firing table with ``case``, ``receivers`` (tuple of names that were told) and ``inhibited`` (whether it was
        silenced by another).
    failures : tuple of str
        Messages that could not be sent, in Alertmanager's own words.
    """

    notifications: pd.DataFrame
    alerts: pd.DataFrame
    failures: tuple[str, ...]


class _Alert(NamedTuple):
    """One firing interval: its row, labels with the case, annotations, simulated seconds."""

    row: int
    labels: dict[str, str]
    annotations: dict[str, str]
    first_s: float
    last_s: float


def find_alertmanager() -> str:
    """Path of the Alertmanager.

    Raises
    ------
    MissingToolError
        If it is not installed under any of its names.
    """
    for name in TOOLS[1:]:
        try:
            return find_tool(name)
        except MissingToolError:
            continue
    return find_tool(TOOLS[0])


def check_config(path: Path) -> list[str]:
    """What amtool says is wrong with a configuration file; nothing if it loads."""
    done = subprocess.run(
        [find_tool("amtool"), "check-config", str(path)], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode == 0:
        return []
    return [line.partition("FAILED: ")[2] for line in done.stdout.splitlines() if "FAILED: " in line] or [
        done.stderr.strip()
    ]


def notify(
    firing: Mapping[str, pd.DataFrame], config: Path, *, rules: Path | None = None, scale: float = SCALE
) -> Judgement:
    """Give alerts to a real Alertmanager on loopback and listen to whom it tells.

    Parameters
    ----------
    firing : mapping of str to DataFrame
        Firing table of each case: ``alert, severity, component, region, labels, node, first_s, last_s``.
    config : Path
        Alertmanager's configuration; it may name destinations that do not load, for none of them is used.
    rules : Path, optional
        File of the rules, which the annotations come from.
    scale : float
        What all durations are divided by; times are good to some `scale` / 50 seconds.

    Raises
    ------
    MissingToolError
        If Alertmanager is not installed.
    InputError
        If the configuration cannot be judged.
    """
    import pandas as pd

    program, original = find_alertmanager(), read_config(config)
    texts = annotations_of(rules) if rules else {}
    table = pd.concat(
        [frame.assign(case=case) for case, frame in firing.items()] or [pd.DataFrame({"case": []})], ignore_index=True
    )
    alerts = [_alert(row, entry, texts) for row, entry in enumerate(table.to_dict("records"))]
    with tempfile.TemporaryDirectory(prefix="bitcell-sim-") as folder, Sink() as sink:
        home, log = Path(folder), Path(folder) / "log"
        file = home / "alertmanager.yml"
        ready = prepare(original, sink.address, scale)
        file.write_text(yaml.safe_dump(ready, sort_keys=False), encoding="utf-8")
        command = [
            *(program, f"--config.file={file}", f"--storage.path={home / 'data'}"),
            *(f"--web.listen-address={ANY_PORT}", "--cluster.listen-address="),
        ]
        with serving(command, log) as address:
            tail_s = longest_interval_s(original) + TAIL_S
            watch = _Watch(address, alerts, scale)
            watch.run(tail_s)
        failures = _failures(log.read_text(encoding="utf-8", errors="replace"))
    names = [receiver["name"] for receiver in original["receivers"]]
    return Judgement(_notifications(sink.messages, watch, names), _judged(table, sink.messages, watch, names), failures)


def _alert(row: int, entry: Mapping[Any, Any], texts: Mapping[str, Mapping[str, str]]) -> _Alert:
    own = json.loads(entry["labels"]) | {"alertname": entry["alert"], CASE: entry["case"]}
    written = texts.get(entry["alert"], {})
    return _Alert(row, own, rendered(written, own), float(entry["first_s"]), float(entry["last_s"]))


class _Watch:
    """Posts alerts at their moments and sees which are silenced.

    Attributes
    ----------
    fingerprints : dict
        Alertmanager's name of an alert -> its labels without the case's, and its case.
    inhibited_rows : set of int
        Rows of alerts that were silenced by another.
    """

    def __init__(self, address: str, alerts: Sequence[_Alert], scale: float) -> None:
        self._api = f"{address}/api/v2/alerts"
        self._alerts = alerts
        self._scale = scale
        self._start_s = time.monotonic()
        self._from_s = min((alert.first_s for alert in alerts), default=0.0)
        self.fingerprints: dict[str, dict[str, str]] = {}
        self.inhibited_rows: set[int] = set()

    def simulated_s(self, real_s: float) -> float:
        """Simulated seconds of a moment of this machine's clock."""
        return self._from_s + (real_s - self._start_s) * self._scale

    def run(self, tail_s: float) -> None:
        """Post everything at its time, and go on until nothing more can come."""
        self._start_s = time.monotonic()
        end_s = max((alert.last_s for alert in self._alerts), default=self._from_s) + tail_s
        moments = {end_s}
        for alert in self._alerts:
            moments |= {alert.first_s, alert.last_s}
        tick = self._from_s
        while tick < end_s:
            moments.add(tick)
            tick += RESEND_S / 4
        posted: dict[int, float] = {}
        for moment_s in sorted(moments):
            time.sleep(max(0.0, self._start_s + (moment_s - self._from_s) / self._scale - time.monotonic()))
            self._post(moment_s, posted)
            self._look(moment_s)

    def _post(self, moment_s: float, posted: dict[int, float]) -> None:
        now, body = time.time(), []
        for alert in self._alerts:
            fires = alert.first_s <= moment_s < alert.last_s
            due = moment_s - posted.get(alert.row, -RESEND_S) >= RESEND_S
            if fires and due:
                posted[alert.row] = moment_s
                body.append(self._wire(alert, now, now + LASTS_S / self._scale))
            elif moment_s >= alert.last_s and alert.row in posted:
                del posted[alert.row]
                body.append(self._wire(alert, now, now))
        if body:
            _send(self._api, body)

    def _wire(self, alert: _Alert, now: float, ends: float) -> dict[str, Any]:
        started = min(now, self._wall(alert.first_s))
        times = {"startsAt": _stamp(started), "endsAt": _stamp(ends)}
        return {"labels": alert.labels, "annotations": alert.annotations, **times}

    def _wall(self, simulated_s: float) -> float:
        return time.time() - time.monotonic() + self._start_s + (simulated_s - self._from_s) / self._scale

    def _look(self, moment_s: float) -> None:
        """Learn the names of alerts, and which are silenced now."""
        for seen in _ask(self._api):
            self.fingerprints[seen["fingerprint"]] = seen["labels"]
            if seen["status"]["inhibitedBy"]:
                self.inhibited_rows |= {
                    alert.row
                    for alert in self._alerts
                    if alert.labels == seen["labels"] and alert.first_s <= moment_s <= alert.last_s
                }


def _stamp(wall_s: float) -> str:
    whole = int(wall_s)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f"{wall_s - whole:.6f}"[1:] + "Z"


def _send(address: str, body: Sequence[Mapping[str, Any]]) -> None:
    request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=REQUEST_S):
        pass


def _ask(address: str) -> list[dict[str, Any]]:
    with urlopen(address, timeout=REQUEST_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def _failures(log: str) -> tuple[str, ...]:
    """What Alertmanager says about messages it could not send, each once."""
    said = [line.partition('err="')[2].rstrip().removesuffix('"') for line in log.splitlines() if 'err="' in line]
    return tuple(dict.fromkeys(said))


def _case_and_labels(labels: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    return labels.get(CASE, ""), {name: value for name, value in sorted(labels.items()) if name != CASE}


def _notifications(messages: Sequence[Message], watch: _Watch, names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for message in messages:
        about, case = [], ""
        for fingerprint, status in message.alerts:
            case, labels = _case_and_labels(watch.fingerprints.get(fingerprint, {}))
            about.append({"labels": labels, "firing": status == "firing"})
        group = ", ".join(pair for pair in message.group.rstrip(";").split(";") if not pair.startswith(CASE))
        rows.append(
            {
                "case": case,
                "receiver": names[message.receiver],
                "channel": message.channel,
                "t_s": watch.simulated_s(message.real_s),
                "status": message.status,
                "group_key": group,
                "alerts": json.dumps(about, sort_keys=True),
                "text": message.text,
            }
        )
    return pd.DataFrame(rows, columns=list(NOTIFICATIONS))


def _judged(table: pd.DataFrame, messages: Sequence[Message], watch: _Watch, names: Sequence[str]) -> pd.DataFrame:
    told: list[set[str]] = [set() for _ in range(len(table))]
    for message in messages:
        at_s = watch.simulated_s(message.real_s)
        for fingerprint, status in message.alerts:
            labels = watch.fingerprints.get(fingerprint)
            for alert in watch._alerts if status == "firing" else ():
                if alert.labels == labels and alert.first_s - TAIL_S <= at_s <= alert.last_s + TAIL_S:
                    told[alert.row].add(names[message.receiver])
    import pandas as pd

    inhibited = [row in watch.inhibited_rows for row in range(len(table))]
    receivers = pd.Series([tuple(sorted(names)) for names in told], index=table.index, dtype=object)
    return table.assign(receivers=receivers, inhibited=inhibited)
