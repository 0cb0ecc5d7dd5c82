"""A resolved scenario as TOML that reads back equal, and the hash that names its content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bitcell_sim.config.schema import Scenario

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


def _text(value: str) -> str:
    # JSON leaves DEL as it is; TOML does not allow it.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.match(key) else _text(key)


def toml_value(value: Any) -> str:
    """Write a value that is not a table as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], dict)


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and not _is_tables(value)}
    for key, value in plain.items():
        yield f"{_key(key)} = {toml_value(value)}"
    for key, value in table.items():
        if key in plain:
            continue
        name = ".".join(_key(part) for part in (*path, key))
        for item in value if _is_tables(value) else [value]:
            yield ""
            yield f"[[{name}]]" if _is_tables(value) else f"[{name}]"
            yield from _lines(item, (*path, key))


def scenario_to_toml(scenario: Scenario) -> str:
    """TOML of a resolved scenario; loading it gives an equal scenario.

    Parameters
    ----------
    scenario : Scenario
        What was loaded.
    """
    return to_toml(scenario.model_dump(by_alias=True, exclude_none=True))


def to_toml(data: Mapping[str, Any]) -> str:
    """Write tables as TOML that reads back equal."""
    return "\n".join(_lines(data, ())) + "\n"


def config_hash(scenario: Scenario) -> str:
    """Sixteen hexadecimal digits that name a resolved scenario's content.

    Parameters
    ----------
    scenario : Scenario
        What was loaded.

    Notes
    -----
    The first 64 bits of SHA-256 over its JSON with sorted keys, no spaces and no absent values.
    """
    data = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
