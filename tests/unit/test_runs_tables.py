"""The reference lists exactly what a run produces; the small views of tables are what they say."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bitcell_sim.analysis.tables import MOMENT, after_warmup, chain, final_tps, finality_s, inclusion_s, warmup_end_ms
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.runs.migrations import TABLE_VERSION

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "tables.md"
SECTION = re.compile(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*?) ?\| (.+) \|$", re.MULTILINE)

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("node-crash", sets=["duration_s=420", "workload.rate_tps=5"])


@pytest.fixture(scope="module")
def tables(scenario: Scenario) -> Tables:
    return simulate_once(scenario, seed=2).tables


@pytest.fixture(scope="module")
def page() -> dict[str, list[tuple[str, str, str, str]]]:
    """Rows of the page: column, type, unit, meaning, by table."""
    return {name: ROW.findall(text) for name, text in SECTION.findall(PAGE.read_text(encoding="utf-8"))}


def type_of(values: pd.Series, scenario: Scenario) -> str:
    if values.dtype.name == "category":
        names = list(values.cat.categories)
        if names == [node.id for node in scenario.deployment.node]:
            return "node"
        return "region" if names == [region.name for region in scenario.deployment.region] else "category"
    return {"i": "int", "f": "float"}.get(values.dtype.kind, "text")


# ----------------------------------------------------------------------------------------------------- the reference


def test_every_table_and_no_other_has_a_section(tables: Tables, page: dict[str, list]) -> None:
    assert sorted(page) == sorted(tables)


def test_every_column_is_listed_with_its_type_in_order(
    tables: Tables, page: dict[str, list], scenario: Scenario
) -> None:
    for name, frame in tables.items():
        listed = [(column, kind) for column, kind, _, _ in page[name]]
        assert listed == [(column, type_of(frame[column], scenario)) for column in frame.columns], name


def test_every_line_of_a_table_is_read(page: dict[str, list]) -> None:
    """A row that the pattern misses would be a column that nobody checks."""
    sections = dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))
    for name, rows in page.items():
        assert sections[name].count("\n| ") == len(rows) + 1, name


def test_units_agree_with_names(page: dict[str, list]) -> None:
    units = {"_ms": "ms", "_s": "s", "_bytes": "bytes"}
    for name, rows in page.items():
        for column, _, unit, _ in rows:
            for suffix, expected in units.items():
                if column.endswith(suffix):
                    assert unit == expected, f"{name}.{column}"


def test_categories_and_words_are_listed(tables: Tables, page: dict[str, list]) -> None:
    for name, frame in tables.items():
        for column, kind, _, meaning in page[name]:
            words = re.findall(r"`([\w-]+)`", meaning)
            if kind == "category":
                assert set(frame[column].cat.categories) <= set(words), f"{name}.{column}"
            if kind == "text" and words and (name, column) != ("faults", "kind"):
                assert set(frame[column]) <= set(words), f"{name}.{column}"


def test_the_page_names_its_version() -> None:
    assert f"This is version {TABLE_VERSION} of the tables" in PAGE.read_text(encoding="utf-8").replace("\n", " ")


# ------------------------------------------------------------------------------------------------------------- views


def test_the_moments_are_columns(tables: Tables) -> None:
    assert set(tables) - set(MOMENT) == {"battles", "fault_steps", "faults", "messages"}
    for name, column in MOMENT.items():
        assert column in tables[name]


def test_the_chain_is_linked(tables: Tables) -> None:
    blocks = chain(tables)
    assert list(blocks["height"]) == list(range(1, len(blocks) + 1))
    assert list(blocks["parent"])[1:] == list(blocks["block"])[:-1]


def test_warmup_is_cut(tables: Tables) -> None:
    blocks = chain(tables)
    end_ms = warmup_end_ms(tables, 3)
    assert end_ms == blocks["built_ms"].iloc[2]
    cut = after_warmup(tables, 3)
    assert set(cut) == set(tables)
    assert list(cut["blocks"]["block"]) == list(blocks["block"])[3:]
    sent = tables["transactions"]
    assert list(cut["transactions"].index) == list(sent.index[sent["submitted_ms"] >= end_ms])
    assert len(cut["battles"]) == len(tables["battles"])
    assert len(after_warmup(tables, 0)["transactions"]) == len(sent)


def test_a_run_that_never_leaves_its_warmup_leaves_nothing(tables: Tables) -> None:
    assert warmup_end_ms(tables, len(chain(tables))) == math.inf
    cut = after_warmup(tables, 100)
    assert not len(cut["transactions"])
    assert not len(cut["blocks"])
    assert math.isnan(final_tps(tables, 100))


def test_rate_and_waits_by_hand(tables: Tables) -> None:
    final = chain(tables)[lambda blocks: blocks["state"] == "final"]
    count, first, last = len(final), final.iloc[2], final.iloc[-1]
    assert count > 4
    span_s = (last["quorum_final_ms"] - first["quorum_final_ms"]) / 1000.0
    sent = tables["transactions"]
    numbers = final["block"].iloc[3:]
    assert final_tps(tables, 3) == pytest.approx(sent["block"].isin(numbers).sum() / span_s, rel=1e-12)
    waits = finality_s(tables)
    assert len(waits) == (sent["state"] == "final").sum()
    inclusion = inclusion_s(tables)
    assert len(inclusion) == (sent["block"] >= 0).sum()
    for row in waits.index[::200]:
        built_ms = tables["blocks"]["built_ms"][sent["block"][row]]
        assert inclusion[row] == (built_ms - sent["submitted_ms"][row]) / 1000.0
        assert inclusion[row] < waits[row] == (sent["final_ms"][row] - sent["submitted_ms"][row]) / 1000.0
    assert np.all(inclusion > 0)
