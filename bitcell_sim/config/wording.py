"""Words of configuration errors: what was probably meant, which unit a key carries, how a value is shown."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

from bitcell_sim.errors import InputError
from bitcell_sim.units import parse_duration_ns

KeyPath = tuple[str | int, ...]

# Longest first: `_mbit_per_s` ends in `_s` too.
UNITS = {
    "_mbit_per_s": "Mbit/s",
    "_percent": "percent",
    "_probability": "probability, 0 to 1",
    "_fraction": "share, 0 to 1",
    "_ratio": "share",
    "_bytes": "bytes",
    "_tps": "transactions per second",
    "_deg": "degrees",
    "_gb": "GB",
    "_ms": "milliseconds",
    "_ns": "nanoseconds",
    "_h": "hours",
    "_s": "seconds",
}
NEAR = 0.6  # similarity of two words, 0 to 1, from which on one may have been meant for the other
_NS_PER_UNIT = {"_s": 1e9, "_ms": 1e6, "_ns": 1.0, "_h": 3.6e12}
_QUANTITY = re.compile(r"^\s*([+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%/]*)\s*$")
_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


def quoted(value: object) -> str:
    """Value as TOML would write it, cut where it gets long."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict):
        return "a table"
    elif isinstance(value, (list, tuple)):
        return "a list"
    elif isinstance(value, int) and value.bit_length() > 512:
        return "a number of more than 150 digits"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def key_text(path: Sequence[str | int]) -> str:
    """Key path as people write it, ``node.3.zone``; parts that are not bare are quoted."""
    return ".".join(part if _BARE.match(part) else json.dumps(part) for part in map(str, path))


def split_key(text: str) -> tuple[str, ...] | None:
    """Parts of a dotted key path, or None if it is not one.

    >>> split_key('workload.region_weight."us-east"')
    ('workload', 'region_weight', 'us-east')
    """
    parts = re.findall(r'"(?:[^"\\]|\\.)*"|[^."\s]+|[."\s]', text.strip())
    if not parts or parts[0] == "." or len(parts) % 2 == 0:
        return None
    if any((part == ".") != (place % 2 == 1) or part in ('"', " ") for place, part in enumerate(parts)):
        return None
    return tuple(json.loads(part) if part.startswith('"') else part for part in parts[::2])


def suffix_of(key: str) -> str:
    """Get the unit suffix of a key, empty if it has none."""
    return next((suffix for suffix in UNITS if key.endswith(suffix) and key != suffix[1:]), "")


def stem_of(key: str) -> str:
    """Key without its unit."""
    return key.removesuffix(suffix_of(key))


def with_unit(key: str) -> str:
    """Key with its unit in words: ``timeout_s (seconds)``."""
    suffix = suffix_of(key)
    return f"{key} ({UNITS[suffix]})" if suffix else key


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Known words nearest to a mistaken one, all that are equally near; empty if none is.

    >>> nearest("us-est", ["us-west", "eu-central", "us-east"])
    ['us-east', 'us-west']
    """
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(word.lower())
    scores = {}
    for name in sorted(known):
        matcher.set_seq1(name.lower())
        scores[name] = matcher.ratio()
    best = max(scores.values(), default=0.0)
    return [name for name, score in scores.items() if score == best >= NEAR]


def closest(word: str, known: Iterable[str]) -> str | None:
    """First known word nearest to a mistaken one, or None if none is near."""
    near = nearest(word, known)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Clause that names the nearest known words, and lists the known ones.

    >>> did_you_mean("spare", ["sparse", "measured"])
    "; did you mean 'sparse'? Known: measured, sparse"
    """
    names = sorted(set(known))
    if not names:
        return ""
    near = nearest(word, names)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    if not near:
        return f"; known: {listed}"
    return f"; did you mean {' or '.join(repr(name) for name in near[:3])}? Known: {listed}"


def renamed_key(key: str, known: Iterable[str]) -> str | None:
    """Known key with the same stem and another unit, or the nearest one; None if none is near."""
    known = list(known)
    same_stem = [name for name in known if stem_of(name) in (stem_of(key), key)]
    return same_stem[0] if same_stem else closest(key, known)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is not known, which one was probably meant, and which unit that one carries."""
    known = list(known)
    near = renamed_key(key, known)
    if near is None:
        listed = ", ".join(known) if known else "none"
        return f"unknown key; known here: {listed}"
    suffix = suffix_of(near)
    if suffix and stem_of(near) == key:
        return f"no unit: the value's unit stands in the key; did you mean {with_unit(near)}?"
    if suffix and stem_of(near) == stem_of(key):
        return f"unknown key: the unit here is {UNITS[suffix]}; did you mean {with_unit(near)}?"
    return f"unknown key; did you mean {with_unit(near)}?"


def number_hint(key: str, text: str) -> str:
    """Say what to write instead of a number given as text."""
    match = _QUANTITY.match(text)
    suffix = suffix_of(key)
    unit = f"a number of {UNITS[suffix]}" if suffix else "a number"
    if match is None:
        return f"{unit} is needed"
    value = match[1]
    if match[2] and suffix in _NS_PER_UNIT:
        try:
            value = f"{parse_duration_ns(text) / _NS_PER_UNIT[suffix]:g}"
        except InputError:
            return f"{unit} is needed"
    elif match[2]:
        return f"{unit} is needed, without a unit in the value: {key} = {value}, if that is its unit"
    return f"{unit} is needed, without quotes: {key} = {value}"
