"""Grafana dashboards: is a file one, has every panel what it needs, and does every query find data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bitcell_sim.errors import InputError

KINDS = ("timeseries", "state-timeline", "table", "stat", "gauge", "barchart", "heatmap")


class Query(NamedTuple):
    """One query of a panel."""

    panel: str
    expression: str


def read_dashboard(path: Path) -> dict[str, Any]:
    """Read a dashboard as Grafana's file provisioning takes it.

    Parameters
    ----------
    path : Path
        A JSON file, the dashboard itself and not inside another object.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no JSON: {error}") from error
    if isinstance(content, dict) and "dashboard" in content and "panels" not in content:
        raise InputError(f"{path}: the dashboard is inside a key `dashboard`; file provisioning does not look there")
    faults = list(_faults(content)) if isinstance(content, dict) else ["no object"]
    if faults:
        raise InputError("\n".join(f"{path}: {fault}" for fault in faults))
    return dict(content)


def _faults(content: dict[str, Any]) -> Iterator[str]:
    for key in ("title", "uid", "schemaVersion", "panels"):
        if not content.get(key):
            yield f"{key}: missing"
    numbers = [panel.get("id") for panel in content.get("panels") or []]
    if len(set(numbers)) != len(numbers):
        yield f"panels: the ids {numbers} are not different"
    for place, panel in enumerate(content.get("panels") or []):
        name = panel.get("title") or f"panel {place}"
        if not panel.get("title"):
            yield f"{name}: no title"
        if panel.get("type") not in KINDS:
            yield f"{name}: type {panel.get('type')!r} is none of {', '.join(KINDS)}"
        if (panel.get("datasource") or {}).get("type") != "prometheus":
            yield f"{name}: its data source is not Prometheus"
        targets = panel.get("targets") or []
        if not targets:
            yield f"{name}: no query"
        for target in targets:
            if not str(target.get("expr", "")).strip():
                yield f"{name}: query {target.get('refId')!r} is empty"


def queries(dashboard: dict[str, Any]) -> list[Query]:
    """Every query of every panel, in their order."""
    return [Query(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
