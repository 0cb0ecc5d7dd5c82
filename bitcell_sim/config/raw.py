"""Reading a document that may be partly wrong: what has the right type is used, the rest is left to the schema."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bitcell_sim.config.document import Document
from bitcell_sim.config.wording import KeyPath


def value_at(document: Document, path: KeyPath) -> Any:
    """Value at a key path, or None."""
    data: Any = document.data
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def tables(document: Document, key: str) -> list[tuple[KeyPath, dict[str, Any]]]:
    """Tables of a list, each with its key path."""
    items = document.data.get(key)
    if not isinstance(items, (list, tuple)):
        return []
    return [((key, place), item) for place, item in enumerate(items) if isinstance(item, dict)]


def text(table: Any, key: str) -> str | None:
    """Text of a key, or None if it has none."""
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) and value else None


def number(table: Any, key: str) -> float | None:
    """Finite number of a key, or None if it has none."""
    value = table.get(key) if isinstance(table, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def texts(table: Any, key: str) -> list[tuple[int, str]]:
    """Texts of a list, each with its place."""
    items = table.get(key) if isinstance(table, dict) else None
    if not isinstance(items, (list, tuple)):
        return []
    return [(place, item) for place, item in enumerate(items) if isinstance(item, str)]


def named(document: Document, key: str, label: str) -> list[str]:
    """Names of the tables of a list, in order."""
    return [name for _, table in tables(document, key) if (name := text(table, label)) is not None]


def repeated(rows: Iterable[tuple[KeyPath, str]]) -> list[tuple[KeyPath, str, KeyPath]]:
    """Second and later places of a value, each with its first place."""
    first: dict[str, KeyPath] = {}
    found = []
    for path, value in rows:
        if value in first:
            found.append((path, value, first[value]))
        first.setdefault(value, path)
    return found
