"""Alertmanager's rules as a function: from alerts that fire to messages, without a clock and without chance.

The real Alertmanager judges; this stands for it where a result must be the same every time, as for people who act
inside a simulation. A test compares the two.

References
----------
Alertmanager 0.25, ``dispatch/dispatch.go`` (groups), ``notify/notify.go`` (what is sent again), ``inhibit/inhibit.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bitcell_sim.errors import InputError

Labels = Mapping[str, str]
Config = Mapping[str, Any]

_UNIT_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_MATCHER = re.compile(r"^\s*(\w+)\s*(=~|!~|!=|=)\s*\"?(.*?)\"?\s*$")
_TIMES = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}  # Alertmanager's own
SENDS_RESOLVED = {"slack": False, "pagerduty": True, "webhook": True}  # without `send_resolved`
MAINTENANCE_S = 30.0  # how often empty groups are cleared away


class Alert(NamedTuple):
    """One firing interval: labels with the alert's name, seconds."""

    labels: tuple[tuple[str, str], ...]
    first_s: float
    last_s: float

    def fires(self, at_s: float) -> bool:
        """Whether it fires at a moment."""
        return self.first_s <= at_s < self.last_s


class Message(NamedTuple):
    """One notification: who is told what, when (seconds); the alerts it is about, and which of them fire."""

    receiver: str
    kind: str
    t_s: float
    status: str
    group: tuple[tuple[str, str], ...]
    alerts: tuple[Alert, ...]
    firing: tuple[bool, ...]


def seconds(duration: str) -> float:
    """Seconds of a duration as Prometheus writes it.

    >>> seconds("1h30m"), seconds("100ms"), seconds("0s")
    (5400.0, 0.1, 0.0)
    """
    if duration == "0":
        return 0.0
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise InputError(f"{duration!r} is no duration of Prometheus, such as 30s or 1h30m")
    return sum(int(number) * _UNIT_S[unit] for number, unit in parts)


def matches(matchers: Sequence[str], labels: Labels) -> bool:
    """Whether labels meet all matchers.

    >>> matches(['severity="P0"', 'alertname=~"A|B"'], {"severity": "P0", "alertname": "B"})
    True
    """
    return all(_matches(matcher, labels) for matcher in matchers)


def _matches(matcher: str, labels: Labels) -> bool:
    found = _MATCHER.match(matcher)
    if found is None:
        raise InputError(f'{matcher!r} is no matcher such as severity="P0"')
    name, operator, wanted = found.groups()
    value = labels.get(name, "")
    equal = value == wanted if operator in ("=", "!=") else re.fullmatch(wanted, value) is not None
    return equal == (operator in ("=", "=~"))


@dataclass
class _Route:
    """A route with everything it takes from those above it."""

    number: int
    receiver: str
    group_by: list[str]
    times: dict[str, float]
    matchers: list[str]
    goes_on: bool
    children: list[_Route] = field(default_factory=list)

    def find(self, labels: Labels) -> list[_Route]:
        """Routes an alert takes."""
        if not matches(self.matchers, labels):
            return []
        found: list[_Route] = []
        for child in self.children:
            taken = child.find(labels)
            found += taken
            if taken and not child.goes_on:
                break
        return found or [self]


def _route(raw: Config, above: _Route | None, numbers: Iterator[int]) -> _Route:
    times = dict(above.times) if above else {key: seconds(value) for key, value in _TIMES.items()}
    times |= {key: seconds(str(raw[key])) for key in _TIMES if key in raw}
    group_by = raw.get("group_by", above.group_by if above else [])
    receiver = raw.get("receiver", above.receiver if above else "")
    matchers = [f'{name}="{value}"' for name, value in (raw.get("match") or {}).items()] + list(
        raw.get("matchers") or []
    )
    route = _Route(next(numbers), receiver, list(group_by), times, matchers, bool(raw.get("continue")))
    route.children = [_route(child, route, numbers) for child in raw.get("routes") or []]
    return route


def inhibited(config: Config, alert: Alert, alerts: Sequence[Alert], at_s: float) -> bool:
    """Whether an alert is silenced by another that fires at a moment."""
    own = dict(alert.labels)
    for rule in config.get("inhibit_rules") or []:
        if not matches(rule["target_matchers"], own):
            continue
        both = matches(rule["source_matchers"], own)
        for other in alerts:
            labels = dict(other.labels)
            if not other.fires(at_s) or not matches(rule["source_matchers"], labels):
                continue
            if both and matches(rule["target_matchers"], labels):
                continue
            if all(labels.get(name, "") == own.get(name, "") for name in rule.get("equal") or []):
                return True
    return False


def notifications(config: Config, alerts: Sequence[Alert], *, maintenance_s: float = MAINTENANCE_S) -> list[Message]:
    """Every message that Alertmanager sends about some alerts, in the order of time.

    Parameters
    ----------
    config : mapping
        Alertmanager's configuration.
    alerts : sequence of Alert
        Firing intervals, any order.
    maintenance_s : float
        How often empty groups are cleared away, seconds; until then what comes back waits for the group's next turn.
    """
    root = _route(config["route"], None, iter(range(10**6)))
    kinds = {receiver["name"]: _integrations(receiver) for receiver in config["receivers"]}
    groups: dict[tuple[int, tuple[tuple[str, str], ...]], tuple[_Route, list[Alert]]] = {}
    for alert in sorted(alerts, key=lambda one: (one.first_s, one.labels)):
        labels = dict(alert.labels)
        for route in root.find(labels):
            names = sorted(labels if "..." in route.group_by else [name for name in route.group_by if name in labels])
            key = (route.number, tuple((name, labels[name]) for name in names))
            groups.setdefault(key, (route, []))[1].append(alert)
    sent: list[Message] = []
    for (_, group), (route, members) in groups.items():
        for kind, tells_end in kinds[route.receiver]:
            sent += _group_messages(config, route, group, members, alerts, kind, tells_end, maintenance_s)
    return sorted(sent, key=lambda message: (message.t_s, message.receiver, message.kind, message.group))


def _integrations(receiver: Config) -> list[tuple[str, bool]]:
    return [
        (kind, bool(entry.get("send_resolved", default)))
        for kind, default in SENDS_RESOLVED.items()
        for entry in receiver.get(f"{kind}_configs") or []
    ]


def _group_messages(
    config: Config,
    route: _Route,
    group: tuple[tuple[str, str], ...],
    members: Sequence[Alert],
    alerts: Sequence[Alert],
    kind: str,
    tells_end: bool,
    maintenance_s: float,
) -> Iterator[Message]:
    """Messages of one group by one integration: at its turns, if there is something new."""
    told: set[tuple[tuple[str, str], ...]] = set()
    told_ended: set[tuple[tuple[str, str], ...]] = set()
    told_s = -float("inf")
    waiting, held = list(members), list[Alert]()
    turn_s = -float("inf")
    while waiting or held:
        if not held:
            first_s = waiting[0].first_s
            cleared = (turn_s // maintenance_s + 1) * maintenance_s if turn_s > -float("inf") else -float("inf")
            if first_s < cleared:
                turn_s += route.times["group_interval"]
            else:
                turn_s = first_s + route.times["group_wait"]
            if turn_s < first_s:
                continue
        else:
            turn_s += route.times["group_interval"]
        while waiting and waiting[0].first_s <= turn_s:
            held.append(waiting.pop(0))
        open_ = [alert for alert in _latest(held) if not inhibited(config, alert, alerts, turn_s)]
        firing = {alert.labels for alert in open_ if alert.fires(turn_s)}
        ended = {alert.labels for alert in open_ if not alert.fires(turn_s)}
        if firing:
            due = not firing <= told or (tells_end and not ended <= told_ended)
            due = due or turn_s - told_s >= route.times["repeat_interval"]
        else:
            due = bool(told) and bool(ended)
        if due:
            about = open_ if tells_end else [alert for alert in open_ if alert.labels in firing]
            told, told_ended, told_s = firing, ended, turn_s
            if about:
                status = "firing" if firing else "resolved"
                flags = tuple(alert.labels in firing for alert in about)
                yield Message(route.receiver, kind, turn_s, status, group, tuple(about), flags)
        held = [alert for alert in held if alert.fires(turn_s)]


def _latest(held: Sequence[Alert]) -> list[Alert]:
    """The last interval of each alert, in the order they came."""
    by_labels: dict[tuple[tuple[str, str], ...], Alert] = {}
    for alert in held:
        by_labels[alert.labels] = alert
    return list(by_labels.values())
