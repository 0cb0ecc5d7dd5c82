"""Prometheus' own files: what is scraped, and the rules with the reasons that stand above them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitcell_sim.errors import InputError

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_DEFAULT_INTERVAL, _DEFAULT_TIMEOUT, _DEFAULT_PATH = "1m", "10s", "/metrics"  # Prometheus' own


@dataclass(frozen=True)
class ScrapeTarget:
    """One target of a Prometheus.

    Parameters
    ----------
    job, address, path : str
        As the file says.
    labels : mapping of str to str
        All labels its series get: job, instance and those of the file.
    interval_s, timeout_s : float
        Seconds.
    """

    job: str
    address: str
    path: str
    labels: Mapping[str, str]
    interval_s: float
    timeout_s: float


@dataclass(frozen=True)
class Rule:
    """One rule; an alert, or a series that others read.

    Parameters
    ----------
    name : str
        Of the alert, or of the recorded series.
    recorded : bool
        Whether it records.
    expr : str
        PromQL.
    for_s : float
        Seconds that the condition must hold.
    labels, annotations : mapping of str to str
        As the file says.
    group : str
        Its group.
    reason : str
        The comment above it.
    """

    name: str
    recorded: bool
    expr: str
    for_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    group: str
    reason: str


def duration_s(text: str) -> float:
    """Seconds of a duration as Prometheus writes it.

    >>> duration_s("1h30m"), duration_s("15s")
    (5400.0, 15.0)
    """
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InputError(f"{text!r} is no duration; write such as 15s, 2m or 1h30m")
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: should be a mapping, such as `groups:` or `scrape_configs:`")
    return content


def load_targets(path: Path) -> list[ScrapeTarget]:
    """All targets of a prometheus.yml with static_configs.

    Raises
    ------
    InputError
        If the file cannot be read, or finds targets in another way than static_configs.
    """
    content = _read(path)
    general = content.get("global") or {}
    targets = []
    for job in content.get("scrape_configs") or []:
        name = str(job.get("job_name"))
        ways = [key for key in job if key.endswith("_sd_configs") or key == "relabel_configs"]
        if ways:
            raise InputError(f"{path}: job {name!r}: {', '.join(ways)} cannot be simulated; write static_configs")
        interval = str(job.get("scrape_interval", general.get("scrape_interval", _DEFAULT_INTERVAL)))
        timeout = str(job.get("scrape_timeout", general.get("scrape_timeout", _DEFAULT_TIMEOUT)))
        where = str(job.get("metrics_path", _DEFAULT_PATH))
        for group in job.get("static_configs") or []:
            for address in group.get("targets") or []:
                labels = {"job": name, "instance": str(address)} | {
                    str(key): str(value) for key, value in (group.get("labels") or {}).items()
                }
                targets.append(
                    ScrapeTarget(name, str(address), where, labels, duration_s(interval), duration_s(timeout))
                )
    return targets


def external_labels(path: Path) -> dict[str, str]:
    """Labels that alerts carry when they leave Prometheus; without those that alert_relabel_configs drops."""
    content = _read(path)
    labels = {str(k): str(v) for k, v in ((content.get("global") or {}).get("external_labels") or {}).items()}
    for step in (content.get("alerting") or {}).get("alert_relabel_configs") or []:
        if step.get("action") == "labeldrop":
            labels = {key: value for key, value in labels.items() if not re.fullmatch(step["regex"], key)}
    return labels


def evaluation_interval_s(path: Path) -> float:
    """Seconds between two evaluations of the rules."""
    return duration_s(str((_read(path).get("global") or {}).get("evaluation_interval", _DEFAULT_INTERVAL)))


def load_rules(path: Path) -> list[Rule]:
    """All rules of a rule file, with the comment that stands above each.

    Raises
    ------
    InputError
        If it cannot be read or has no rules; whether each is right is for promtool to say.
    """
    content = _read(path)
    reasons = _reasons(path.read_text(encoding="utf-8"))
    rules = []
    for group in content.get("groups") or []:
        for entry in group.get("rules") or []:
            name = entry.get("alert") or entry.get("record")
            if name is None or "expr" not in entry:
                raise InputError(f"{path}: group {group.get('name')!r}: a rule needs alert or record, and expr")
            rules.append(
                Rule(
                    name=str(name),
                    recorded="record" in entry,
                    expr=" ".join(str(entry["expr"]).split()),
                    for_s=duration_s(str(entry.get("for", "0s"))),
                    labels={str(k): str(v) for k, v in (entry.get("labels") or {}).items()},
                    annotations={str(k): str(v) for k, v in (entry.get("annotations") or {}).items()},
                    group=str(group.get("name")),
                    reason=reasons.get(str(name), ""),
                )
            )
    if not any(not rule.recorded for rule in rules):
        raise InputError(f"{path}: no alert in it; a rule file has groups, and they have rules with `alert:`")
    return rules


def _reasons(text: str) -> dict[str, str]:
    """Comment lines directly above each rule."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
            continue
        head = re.match(r"- (?:alert|record):\s*['\"]?([\w:]+)", stripped)
        if head:
            found[head[1]] = " ".join(comment)
        comment = []
    return found
