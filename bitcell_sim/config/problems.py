"""What the schema refuses, in words a person can act on."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bitcell_sim.config.document import Document
from bitcell_sim.config.wording import (
    UNITS,
    KeyPath,
    did_you_mean,
    key_text,
    number_hint,
    quoted,
    renamed_key,
    suffix_of,
    unknown_key,
)
from bitcell_sim.errors import Finding

Model = TypeVar("Model", bound=BaseModel)
Details = Mapping[str, Any]

# Keys that say of which kind a table is, and what for.
_TAGS = {"kind": "what kind of fault", "behaviour": "how the miner behaves"}


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Plain types behind Annotated and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation


def _is_table(plain: Any, data: Any) -> bool:
    """Whether a type is a table, and of the kind the data says where there are several."""
    if not (isinstance(plain, type) and issubclass(plain, BaseModel)):
        return False
    for tag in _TAGS:
        field = plain.model_fields.get(tag)
        if field is not None and get_origin(field.annotation) is Literal:
            return isinstance(data, dict) and data.get(tag) in get_args(field.annotation)
    return True


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _step(annotation: Any, part: str | int, value: Any) -> Any:
    """Type one step further down a key path; None if it leads nowhere."""
    for plain in _alternatives(annotation):
        if _is_table(plain, value) and part in _fields(plain):
            return _fields(plain)[str(part)].annotation
        if get_origin(plain) is tuple and isinstance(part, int):
            return get_args(plain)[0]
        if get_origin(plain) is dict and isinstance(part, str):
            return get_args(plain)[1]
    return None


def known_keys(model: type[BaseModel], data: Any, path: KeyPath) -> list[str]:
    """Keys that the table at a path may have, empty if the path leads to no table."""
    annotation: Any = model
    for part in path:
        annotation = _step(annotation, part, data)
        data = _item(data, part)
    for plain in _alternatives(annotation):
        if _is_table(plain, data):
            return list(_fields(plain))
    return []


def _item(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _real_path(data: Any, location: Sequence[str | int]) -> KeyPath:
    """Key path of an error: its location without the tags of unions and dictionary markers pydantic puts in."""
    path: list[str | int] = []
    for part in location:
        if isinstance(data, dict) and part not in data and any(data.get(tag) == part for tag in _TAGS):
            continue
        if part == "[key]":
            continue
        path.append(part)
        data = _item(data, part)
    return tuple(path)


def _wrong_type(what: str) -> Callable[[str, Details], str]:
    return lambda key, error: f"{quoted(error['input'])} is not {what}"


def _not_a_number(key: str, error: Details) -> str:
    value = error["input"]
    unit = UNITS.get(suffix_of(key), "")
    if isinstance(value, str):
        return f"{quoted(value)} is text: {number_hint(key, value)}"
    return f"{quoted(value)} is not a number" + (f" of {unit}" if unit else "")


def _not_whole(key: str, error: Details) -> str:
    value = error["input"]
    if isinstance(value, float):
        return f"{value} is not a whole number"
    if isinstance(value, str):
        return _not_a_number(key, error)
    return f"{quoted(value)} is not a whole number"


def _not_text(key: str, error: Details) -> str:
    value = error["input"]
    hint = f'; quote it: {key} = "{value}"' if not isinstance(value, (dict, list)) else ""
    return f"{quoted(value)} is not text{hint}"


def _bound(words: str, name: str) -> Callable[[str, Details], str]:
    return lambda key, error: (
        f"{quoted(error['input'])} is out of range: must be {words} {error['ctx'][name]:.16g}"
        + (f" ({UNITS[suffix_of(key)]})" if suffix_of(key) else "")
    )


def _literal(key: str, error: Details) -> str:
    expected = [part.strip().strip("'") for part in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
    return f"{quoted(error['input'])} is not known{did_you_mean(str(error['input']), expected)}"


def _pattern(key: str, error: Details) -> str:
    pattern = error["ctx"]["pattern"]
    if pattern.startswith("^[a-z0-9]"):
        return f"{quoted(error['input'])} is not a name: small letters, digits, dots and hyphens, not a hyphen first"
    return f"{quoted(error['input'])} has the wrong form: letters, digits, dots, colons and hyphens"


def _tag_of(error: Details) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _tag(key: str, error: Details) -> str:
    expected = [part.strip().strip("'") for part in error["ctx"]["expected_tags"].split(",")]
    return f"unknown {_tag_of(error)} {quoted(error['ctx']['tag'])}{did_you_mean(str(error['ctx']['tag']), expected)}"


_SENTENCES: dict[str, Callable[[str, Details], str]] = {
    "float_type": _not_a_number,
    "int_type": _not_whole,
    "int_from_float": _not_whole,
    "int_parsing_size": lambda key, error: f"{quoted(error['input'])} is out of range",
    "string_type": _not_text,
    "bool_type": _wrong_type("true or false"),
    "tuple_type": _wrong_type("a list"),
    "dict_type": _wrong_type("a table"),
    "model_type": _wrong_type("a table"),
    "model_attributes_type": _wrong_type("a table"),
    "finite_number": lambda key, error: f"{quoted(error['input'])} is not a finite number",
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda key, error: "is empty; some text is needed",
    "string_too_long": lambda key, error: f"is longer than {error['ctx']['max_length']} characters",
    "too_short": lambda key, error: (
        f"has {error['ctx']['actual_length']} items; {error['ctx']['min_length']} are needed"
    ),
    "too_long": lambda key, error: (
        f"has {error['ctx']['actual_length']} items; {error['ctx']['max_length']} are allowed"
    ),
    "union_tag_invalid": _tag,
}


def _missing(description: str, key: str) -> str:
    suffix = suffix_of(key)
    unit = f", a number of {UNITS[suffix]}" if suffix else ""
    return f"missing{unit}: {description}" if description else f"missing{unit}"


def _describe(model: type[BaseModel], data: Any, path: KeyPath) -> str:
    """Say what the field at a path is for."""
    annotation: Any = model
    description = ""
    for part in path:
        for plain in _alternatives(annotation):
            if _is_table(plain, data) and part in _fields(plain):
                description = _fields(plain)[str(part)].description or ""
        annotation = _step(annotation, part, data)
        data = _item(data, part)
    return description


def _sentence(model: type[BaseModel], data: Any, path: KeyPath, error: Details, also: Sequence[str]) -> str:
    kind = error["type"]
    key = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return unknown_key(key, [*known_keys(model, data, path[:-1]), *(also if len(path) == 1 else ())])
    if kind == "missing":
        return _missing(_describe(model, data, path), key)
    words = _SENTENCES.get(kind)
    return words(key, error) if words else f"{error['msg']}, not {quoted(error['input'])}"


def validate(model: type[Model], document: Document, also: Sequence[str] = ()) -> tuple[Model | None, list[Finding]]:
    """Validate a document against the schema.

    Parameters
    ----------
    model : type
        Table of the schema that the whole document is.
    document : Document
        What was read.
    also : sequence of str
        Further keys of the file's top, which are taken out before; an unknown key may have been meant for one.

    Returns
    -------
    model or None, list of Finding
        The checked table, or everything that is wrong with it. A missing key that an unknown one was probably meant
        to be is reported once, at the unknown one.
    """
    try:
        return model.model_validate(document.data), []
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
    places = [(_real_path(document.data, error["loc"]), error) for error in errors]
    missing = {path for path, error in places if error["type"] == "missing"}
    for path, error in places:
        if error["type"] == "extra_forbidden":
            near = renamed_key(str(path[-1]), known_keys(model, document.data, path[:-1]))
            missing.discard((*path[:-1], near or ""))
    inside = {path[:-1] for path, _ in places if path}
    findings = []
    for path, error in places:
        if error["type"] == "too_short" and path in inside:
            continue
        at = (*path, _tag_of(error)) if error["type"].startswith("union_tag") else path
        if error["type"] == "union_tag_not_found":
            findings.append(document.finding(at, f"missing: {_TAGS[_tag_of(error)]}"))
        elif error["type"] != "missing" or path in missing:
            findings.append(document.finding(at, _sentence(model, document.data, path, error, also)))
    return None, findings


def _positions(document: Document, data: Any, path: KeyPath) -> Iterator[tuple[str, str]]:
    origin = document.origin(path)
    yield origin.where, key_text(origin.key)
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, (list, tuple)) else ()
    for key, value in steps:
        yield from _positions(document, value, (*path, key))


def in_file_order(findings: Iterable[Finding], documents: Iterable[Document]) -> list[Finding]:
    """Sort findings as a reader meets them, once each.

    Parameters
    ----------
    findings : iterable of Finding
        What is wrong.
    documents : iterable of Document
        What was read, in order; a key that is absent belongs to the table it is missing from.
    """
    rank: dict[tuple[str, str], int] = {}
    for document in documents:
        for place in _positions(document, document.data, ()):
            rank.setdefault(place, len(rank))
    files = {where: place for place, where in enumerate(dict.fromkeys(where for where, _ in rank))}

    def order(finding: Finding) -> tuple[int, int]:
        key = finding.key
        while (finding.where, key) not in rank and key:
            key = key.rpartition(".")[0]
        return files.get(finding.where, -1), rank.get((finding.where, key), -1)

    return sorted(dict.fromkeys(findings), key=order)
