"""Whatever stands in a file or an option, the answer is a scenario or a configuration error, nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitcell_sim.config import loader
from bitcell_sim.config.document import Document, Origin
from bitcell_sim.errors import ConfigError, Finding

Path = tuple[str | int, ...]

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "us-east", "us-east-1", "5s", "rc3", "x.toml", "\x00", "partition", "a.b", 10**400]),
    st.lists(st.one_of(st.text(max_size=3), st.integers(), st.just([]), st.just({})), max_size=3),
    st.dictionaries(st.sampled_from(["kind", "name", "id", "a"]), st.text(max_size=3), max_size=2),
)


def resolved() -> dict[str, Any]:
    return loader.load_scenario("partition-3-4").model_dump(by_alias=True, exclude_none=True, mode="json")


def paths(value: Any, path: Path = ()) -> list[Path]:
    """Key paths of everything inside a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Path] = []
    for key, inner in steps:
        found += [(*path, key), *paths(inner, (*path, key))]
    return found


BASE = resolved()
PATHS = paths(BASE)


def findings_of(load: Callable[[], object]) -> list[Finding]:
    """What is wrong, nothing if it loads; any other exception goes through."""
    try:
        load()
    except ConfigError as error:
        return error.findings
    return []


def check(data: dict[str, Any]) -> None:
    """What `load_scenario` does with a file of this content."""
    document = Document(data, {(): Origin("fuzz.toml", ())})
    draft = loader._Draft(document)
    for key in loader.MODELS:
        if key in data:
            draft.choices[key] = loader._Choice(data[key], document, (key,))
    for key in loader.MODELS:
        loader._resolve(draft, key)
    loader._finish_run(draft)
    loader._check(draft)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(PATHS), odd, st.booleans()), min_size=1, max_size=3))
@example([(("fault", 0, "groups"), [[["us-east"]], 5], False)])
@example([(("protocol", "battle", "engines"), ["sparse"], False)])
@example([(("deployment", "region", 0, "cloud"), "aws", False)])
def test_any_change_to_a_resolved_scenario(changes: list[tuple[Path, Any, bool]]) -> None:
    data = copy.deepcopy(BASE)
    for path, value, remove in changes:
        holder: Any = data
        try:
            for part in path[:-1]:
                holder = holder[part]
            if remove:
                del holder[path[-1]]
            else:
                holder[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    for finding in findings_of(lambda: check(data)):
        assert finding.where
        assert finding.problem


def test_the_unchanged_scenario_is_right() -> None:
    check(copy.deepcopy(BASE))


@settings(max_examples=100)
@given(
    st.text(max_size=40)
    | st.builds("{}={}".format, st.sampled_from([".".join(map(str, p)) for p in PATHS]), st.text(max_size=20))
)
@example("name=\x00")
@example("protocol.proof.grid=" + "9" * 5000)
@example("fault=" + "[" * 3000)
@example("latency=" + "a" * 5000 + ".toml")
@example("latency=\x00.toml")
def test_any_option(text: str) -> None:
    for finding in findings_of(lambda: loader.load_scenario("rc3", sets=[text])):
        assert finding.where.startswith(("--set", "models/")) or finding.where.endswith(".toml")
        assert finding.problem


@pytest.mark.parametrize(
    "name", ["\x00", "\x00.toml", "a" * 5000, "a" * 5000 + ".toml", "/", "/dev/null", "nul\nl.toml"]
)
def test_any_name(name: str) -> None:
    with pytest.raises(ConfigError):
        loader.load_scenario(name)
