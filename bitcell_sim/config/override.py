"""Changes to single keys: `--set key.path=value` and the `[override]` table of a scenario file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bitcell_sim.config.document import Document, Origin
from bitcell_sim.config.wording import KeyPath, did_you_mean, key_text, quoted, split_key
from bitcell_sim.errors import ConfigError, Finding

_LITERAL = re.compile(r"""^\s*[\[{"']""")


@dataclass(frozen=True)
class Assignment:
    """One key of the resolved scenario set to a value, and who said so."""

    path: tuple[str, ...]
    value: Any
    origin: Origin


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}\n")
    except ValueError:
        if _LITERAL.match(text):
            raise
        return text.strip()
    if list(parsed) != ["value"]:
        raise ValueError("more than one value")
    return parsed["value"]


def parse_set(text: str) -> Assignment:
    """Read what one ``--set`` option asks for.

    Parameters
    ----------
    text : str
        ``key.path=value``; the value is TOML, and a bare word is text.

    Raises
    ------
    ConfigError
        If there is no ``=``, no key, no value, or the value is broken TOML.
    """
    where = f"--set {text}"
    key, equals, value = text.partition("=")
    path = split_key(key)
    if not equals or path is None:
        raise ConfigError([Finding(where, "", "write key.path=value, such as workload.rate_tps=100")])
    if not value.strip():
        raise ConfigError([Finding(where, key_text(path), 'no value; write key=value, or key="" for an empty text')])
    try:
        parsed = _value(value)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "too long or nested too deep"
        raise ConfigError([Finding(where, key_text(path), f"not a TOML value: {reason}")]) from error
    return Assignment(path, parsed, Origin("--set", path))


def flatten(document: Document, path: KeyPath = ("override",)) -> Iterator[Assignment]:
    """Walk a scenario's `[override]` table, one assignment a value.

    Parameters
    ----------
    document : Document
        The scenario file.
    path : tuple
        Table inside it that is flattened.
    """
    table: Any = document.data
    for part in path:
        table = table[part]
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from flatten(document, (*path, key))
        else:
            target = tuple(str(part) for part in (*path[1:], key))
            yield Assignment(target, value, document.origin((*path, key)))


def _index(items: Sequence[Any], part: str) -> int | str:
    """Place of an item by number or by its id or name; else what is wrong."""
    if part.isdecimal():
        if int(part) < len(items):
            return int(part)
        return f"no item {part}: there are {len(items)}, from 0" if items else f"no item {part}: the list is empty"
    labels = [str(item.get("id", item.get("name", ""))) if isinstance(item, dict) else "" for item in items]
    if part in labels:
        return labels.index(part)
    known = [label for label in labels if label]
    return f"no item {quoted(part)}{did_you_mean(part, known)}" if known else f"no item {quoted(part)}: count from 0"


def assign(document: Document, assignment: Assignment, skip: int = 0) -> Finding | None:
    """Set one key of a document.

    Parameters
    ----------
    document : Document
        What is changed.
    assignment : Assignment
        The change.
    skip : int
        Leading parts of its path that chose the document.

    Returns
    -------
    Finding or None
        What is wrong with the path. Keys the schema does not know are found when the document is checked.
    """
    parts = assignment.path[skip:]
    origin = assignment.origin
    lead = origin.key[: len(origin.key) - len(parts)]
    holder: Any = document.data
    path: KeyPath = ()
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        here = key_text((*lead, *parts[: place + 1]))
        step: str | int = part
        if isinstance(holder, list):
            found = _index(holder, part)
            if isinstance(found, str):
                return Finding(origin.where, here, found)
            step = found
        elif not isinstance(holder, dict):
            return Finding(origin.where, here, f"{key_text(path)} is {quoted(holder)}, which has no keys inside")
        path = (*path, step)
        if last:
            document.put(path, assignment.value, origin)
        elif isinstance(holder, dict) and part not in holder and parts[place + 1].isdecimal():
            return Finding(origin.where, f"{here}.{parts[place + 1]}", f"no item {parts[place + 1]}: the list is empty")
        elif isinstance(holder, dict) and part not in holder:
            document.put(path, {}, Origin(origin.where, (*lead, *parts[: place + 1]), origin.folder))
        if not last:
            holder = holder[step]
    return None
