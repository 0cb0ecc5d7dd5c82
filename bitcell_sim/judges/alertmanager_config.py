"""Alertmanager's configuration made ready for a judgement: durations divided, every destination a sink on loopback.

Routes, groups, inhibitions and the texts of the messages stay what they are. Each message gets a marker that says which
group and which alerts it is about; it is no part of the text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bitcell_sim.errors import InputError
from bitcell_sim.operations.notifying import seconds

CASE = "bitcell_sim_case"  # label that keeps the cases of one judgement apart
MARKER = (
    "{{ .Status }}|{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}"
    "|{{ range .Alerts }}{{ .Fingerprint }}:{{ .Status }};{{ end }}"
)
_KINDS = ("slack", "pagerduty", "webhook")
_DURATIONS = frozenset({"group_wait", "group_interval", "repeat_interval", "resolve_timeout"})
DEFAULTS_S = {"group_wait": 30.0, "group_interval": 300.0, "repeat_interval": 14400.0}  # Alertmanager's own

Config = dict[str, Any]


def read_config(path: Path) -> Config:
    """Read a configuration file.

    Raises
    ------
    InputError
        If it is no YAML, or none with a route and receivers.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or "route" not in content or "receivers" not in content:
        raise InputError(f"{path}: no Alertmanager configuration: it has a route and receivers")
    return content


def routes_of(config: Config) -> Iterator[Config]:
    """The root route and every one under it."""
    waiting = [config["route"]]
    while waiting:
        route = waiting.pop()
        yield route
        waiting += route.get("routes") or []


def longest_interval_s(config: Config) -> float:
    """Longest group interval of all routes, seconds: until then an end is told."""
    default = DEFAULTS_S["group_interval"]
    return max(seconds(str(route.get("group_interval", f"{default:g}s"))) for route in routes_of(config))


def prepare(config: Config, sink: str, scale: float) -> Config:
    """Configuration for a judgement.

    Parameters
    ----------
    config : dict
        As the file has it.
    sink : str
        Address that takes every message, under ``/KIND/NUMBER`` by kind of message and number of the receiver.
    scale : float
        What every duration is divided by.
    """
    ready = copy.deepcopy(config)
    resolve_s = seconds(str((ready.get("global") or {}).get("resolve_timeout", "5m")))
    ready["global"] = {"resolve_timeout": _scaled(resolve_s, scale)}
    for route in routes_of(ready):
        route.update({key: _scaled(seconds(str(route[key])), scale) for key in _DURATIONS & route.keys()})
        if "..." not in (route.get("group_by") or []) and ("group_by" in route or route is ready["route"]):
            route["group_by"] = [*(route.get("group_by") or []), CASE]
    for key, default_s in DEFAULTS_S.items():
        ready["route"].setdefault(key, _scaled(default_s, scale))
    for rule in ready.get("inhibit_rules") or []:
        rule["equal"] = [*(rule.get("equal") or []), CASE]
    ready["receivers"] = [_sunk(receiver, number, sink) for number, receiver in enumerate(ready["receivers"])]
    ready.pop("templates", None)
    return ready


def _scaled(duration_s: float, scale: float) -> str:
    return f"{max(1, round(1000 * duration_s / scale))}ms" if duration_s else "0s"


def _sunk(receiver: Config, number: int, sink: str) -> Config:
    """Receiver whose messages go to the sink, each with its marker."""
    for key in receiver:
        if key != "name" and key.removesuffix("_configs") not in _KINDS:
            known = ", ".join(f"{kind}_configs" for kind in _KINDS)
            raise InputError(f"receiver {receiver['name']!r}: {key} cannot be judged; what can is {known}")
    sunk: Config = {"name": receiver["name"]}
    for kind in _KINDS:
        entries = [dict(entry) for entry in receiver.get(f"{kind}_configs") or []]
        for entry in entries:
            address = f"{sink}/{kind}/{number}"
            for secret in ("api_url_file", "routing_key_file", "service_key", "service_key_file", "http_config"):
                entry.pop(secret, None)
            if kind == "slack":
                entry.update(api_url=address, footer=MARKER)
            elif kind == "pagerduty":
                entry.update(url=address, routing_key="judgement")
                entry["details"] = {**(entry.get("details") or {}), CASE: MARKER}
            else:
                entry.update(url=address)
        if entries:
            sunk[f"{kind}_configs"] = entries
    return sunk
