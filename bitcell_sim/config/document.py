"""A TOML file as read: its data, where each key came from, and the file it extends."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitcell_sim.config.wording import KeyPath, closest, key_text
from bitcell_sim.errors import ConfigError, Finding

_NUMBER_WITH_UNIT = re.compile(r"=\s*[\[\s]*[+-]?\d[\d_.]*\s*[A-Za-z%µ]")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a file or an option, the key path there, and the folder its paths start from."""

    where: str
    key: KeyPath
    folder: Path = Path()


@dataclass
class Document:
    """Tables of a file, merged over those it extends.

    Parameters
    ----------
    data : dict
        Tables as TOML gives them.
    origins : dict of key path to Origin
        Where a table or value came from; parts of a path without an entry belong to the longest one that has.
    """

    data: dict[str, Any]
    origins: dict[KeyPath, Origin] = field(default_factory=dict)

    def origin(self, path: KeyPath) -> Origin:
        """Where the value at a path came from, or would have stood."""
        for length in range(len(path), -1, -1):
            found = self.origins.get(path[:length])
            if found is not None:
                return Origin(found.where, found.key + path[length:], found.folder)
        return Origin("", path)

    def finding(self, path: KeyPath, problem: str) -> Finding:
        """Build a finding at a path, in the words of the file or option that set it."""
        origin = self.origin(path)
        return Finding(origin.where, key_text(origin.key), problem)

    def sub(self, key: str) -> Document:
        """Take a table out as a document of its own; it shares the data."""
        origins = {path[1:]: origin for path, origin in self.origins.items() if path[:1] == (key,)}
        origins.setdefault((), self.origin((key,)))
        return Document(self.data[key], origins)

    def put(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Replace the value at a path whose parents are tables or lists of the document."""
        holder: Any = self.data
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = value
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]
        self.origins[path] = origin


def shown(path: Path) -> str:
    """Path as people know it: relative to the working folder when it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def fail(where: str, problem: str, key: str = "") -> ConfigError:
    """Error with one finding."""
    return ConfigError([Finding(where, key, problem)])


def _missing_file(path: Path) -> str:
    near = None
    if path.parent.is_dir():
        near = closest(path.stem, [entry.stem for entry in path.parent.glob("*.toml")])
    return "no such file" + (f"; did you mean {path.parent / near}.toml?" if near else "")


def _syntax(text: str, error: ValueError) -> str:
    if not isinstance(error, tomllib.TOMLDecodeError):
        return "not usable: a number has too many digits"
    match = _LINE.search(str(error))
    if match is None:
        return f"not TOML: {error}"
    lines = text.splitlines()
    number = int(match[1])
    line = lines[number - 1].strip()[:80] if 0 < number <= len(lines) else ""
    hint = "; a number stands without its unit, which is part of the key" if _NUMBER_WITH_UNIT.search(line) else ""
    return f"not TOML: {error}: {line!r}{hint}" if line else f"not TOML: {error}"


def read_toml(path: Path, where: str) -> dict[str, Any]:
    """Tables of a TOML file.

    Raises
    ------
    ConfigError
        If there is no such file, it cannot be read, is not UTF-8, is not TOML, or says nothing.
    """
    try:
        if not path.exists():
            raise fail(where, _missing_file(path))
        if not path.is_file():
            raise fail(where, "a folder, where a .toml file is needed" if path.is_dir() else "not a regular file")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise fail(where, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise fail(where, f"not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}") from error
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise fail(where, "not usable: nested too deep") from error
    except ValueError as error:
        raise fail(where, _syntax(text, error)) from error
    if not data:
        raise fail(where, "the file is empty; `bitcell-sim new FILE.toml` writes a commented one to start from")
    return data


def _record(table: dict[str, Any], origin: Origin, origins: dict[KeyPath, Origin]) -> None:
    origins[origin.key] = origin
    for key, value in table.items():
        here = Origin(origin.where, (*origin.key, key), origin.folder)
        if isinstance(value, dict):
            _record(value, here, origins)
        else:
            origins[here.key] = here


def _read(path: Path, where: str) -> Document:
    document = Document(read_toml(path, where))
    _record(document.data, Origin(where, (), path.parent), document.origins)
    return document


def _merge(under: Document, over: Document, path: KeyPath, under_table: Any, over_table: Any) -> None:
    for key, value in over_table.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(under_table.get(key), dict):
            _merge(under, over, here, under_table[key], value)
            continue
        under.put(here, value, over.origin(here))
        for known, origin in over.origins.items():
            if known[: len(here)] == here:
                under.origins[known] = origin


def merged(under: Document, over: Document) -> Document:
    """One document over another: tables merge, values and lists replace. The lower one is used up."""
    _merge(under, over, (), under.data, over.data)
    under.origins[()] = over.origin(())
    return under


def load_document(path: Path, find: Callable[[str, Document], Path]) -> Document:
    """Document of a file with everything it extends.

    Parameters
    ----------
    path : Path
        File to read.
    find : callable
        File that the name behind an ``extends`` stands for; raises ``ConfigError`` if there is none.

    Raises
    ------
    ConfigError
        If a file cannot be read, a parent is missing, or files extend each other in a circle.

    Notes
    -----
    A name is never inherited: it is the file's own ``name``, or the file's name without ``.toml``.
    """
    chain: list[Document] = []
    seen: list[Path] = []
    name = path.stem
    while True:
        where = shown(path)
        document = _read(path, where)
        if path.resolve() in seen:
            circle = " -> ".join([*(shown(known) for known in seen), where])
            raise fail(chain[-1].origin(()).where, f"extends in a circle: {circle}", "extends")
        seen.append(path.resolve())
        chain.append(document)
        if "extends" not in document.data:
            break
        parent = document.data.pop("extends")
        if not isinstance(parent, str):
            raise fail(where, "the name of one model is needed, as text", "extends")
        path = find(parent, document)
    chain[0].data.setdefault("name", name)
    result = chain.pop()
    while chain:
        result = merged(result, chain.pop())
    return result
