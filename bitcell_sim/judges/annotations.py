"""What an alert says: the annotations of its rule, with the alert's labels filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
_VALUE = re.compile(r"\{\{[^}]*\$value[^}]*\}\}")
UNKNOWN = "..."  # stands for the value, which a firing table does not hold


def rendered(annotations: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Annotations of one alert.

    >>> rendered({"summary": "Node {{ $labels.node }} is down"}, {"node": "us-east-1"})
    {'summary': 'Node us-east-1 is down'}
    """
    return {
        name: _VALUE.sub(UNKNOWN, _LABEL.sub(lambda found: labels.get(found[1], ""), text))
        for name, text in annotations.items()
    }


def annotations_of(rules: Path) -> dict[str, dict[str, str]]:
    """Annotations of every alert of a file of rules, as they are written."""
    import yaml

    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    return {
        rule["alert"]: dict(rule.get("annotations") or {})
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }
