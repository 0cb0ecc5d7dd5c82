"""The scorecard as a frame, as Markdown, as JUnit XML and as a share of each limit."""

from __future__ import annotations

import itertools
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from bitcell_sim.errors import InputError
from bitcell_sim.report.row_text import limit_text, number, relative_to_limit, worst_first
from bitcell_sim.report.scorecard import COLUMNS, Scorecard

Card = dict[str, Any]


def with_verdicts(card: Card, *verdicts: str) -> Scorecard:
    rows = [dict(row, verdict=verdict) for row, verdict in zip(card["rows"], verdicts, strict=False)]
    return Scorecard(card | {"rows": rows})


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_exit_code_is_the_worst_verdict(card: Card, length: int) -> None:
    for verdicts in itertools.product(("pass", "fail", "unknown"), repeat=length):
        scorecard = with_verdicts(card, *verdicts)
        worst = "fail" if "fail" in verdicts else "unknown" if "unknown" in verdicts else "pass"
        assert (scorecard.verdict, scorecard.exit_code) == (worst, {"pass": 0, "fail": 1, "unknown": 2}[worst])


def test_nothing_judged_is_not_a_pass(card: Card) -> None:
    empty = Scorecard(card | {"rows": []})
    assert (empty.verdict, empty.exit_code, empty.summary) == ("unknown", 2, "no rows")


def test_the_frame_holds_every_row(card: Card) -> None:
    frame = Scorecard(card).frame
    assert list(frame.columns) == list(COLUMNS)
    assert frame["id"].tolist() == [row["id"] for row in card["rows"]]
    assert frame["measured"].isna().tolist() == [row["measured"] is None for row in card["rows"]]


def test_a_row_by_its_id(card: Card) -> None:
    assert Scorecard(card)["throughput"]["measured"] == 20.0
    with pytest.raises(KeyError, match=r"the rows are .*throughput"):
        Scorecard(card)["thruput"]


@pytest.mark.parametrize(
    ("row_id", "value", "share"),
    [
        ("latency.cross-region", 100.0, 0.5),
        ("latency.cross-region", 400.0, 2.0),
        ("throughput", 50.0, 2.0),
        ("throughput", 200.0, 0.5),
        ("throughput", 0.0, math.inf),
        ("uptime", 99.8, 2.0),
        ("uptime", 99.95, 0.5),
        ("uptime", 100.0, 0.0),
        ("proof_backlog", 0.25, 0.25),
        ("latency.cross-region", None, None),
    ],
)
def test_a_share_of_the_limit_above_one_misses_it(card: Card, row_id: str, value: float, share: float) -> None:
    found = relative_to_limit(Scorecard(card)[row_id], value)
    assert found == (None if share is None else pytest.approx(share))


def test_where_nothing_may_lack_it_is_the_ratio_that_counts(card: Card) -> None:
    row = {**Scorecard(card)["uptime"], "limit": 100.0}
    assert relative_to_limit(row, 80.0) == pytest.approx(1.25)


def test_markdown_is_the_documents_table_then_pairs_then_the_rest(card: Card) -> None:
    first, pairs, rest = Scorecard(card).markdown().split("\n\n")
    lines = first.splitlines()
    assert lines[:2] == ["| Metric | Target | Status |", "|---|---|---|"]
    assert lines[2] == (
        "| Cross-region latency | <200ms | ❌ **fail**: 233 ms (95 %: 230 to 237). Because of latency.cross-region. |"
    )
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [
        "Cross-region latency",
        "Regional failover",
        "Transaction throughput",
        "Network uptime",
    ]
    assert "| <120s | ❔ **unknown**. Because" in lines[3]
    assert "| 100 TPS | ❌ **fail**: 20 TPS" in lines[4]
    assert "| 99.9% | ✅ **pass**: 99.95% (95 %: 99.94 to 99.96)." in lines[5]
    assert [line.count("latency.") for line in pairs.splitlines()] == [0, 0, 2, 2]
    assert "≤8 GB | ❌ **fail**: 21.5 GB. Because" in rest
    assert all(
        line.count(" | ") == 2 for line in (*lines, *pairs.splitlines(), *rest.splitlines()) if "---" not in line
    )


def test_markdown_cells_hold_any_text(card: Card) -> None:
    card["rows"][0]["why"] = "a | b\n<script>x</script> below 5"
    table = Scorecard(card).markdown()
    assert "a \\| b &lt;script>x&lt;/script> below 5" in table


def test_junit_says_fail_and_skipped(card: Card) -> None:
    card["rows"][2]["why"] = 'a < b & "c"\x00\x1b'
    suite = ElementTree.fromstring(Scorecard(card).junit().encode())
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "3",
        "errors": "0",
        "skipped": "2",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == [row["id"] for row in card["rows"]]
    for row in card["rows"]:
        found = {child.tag for child in cases[row["id"]]}
        assert found == {{"fail": "failure", "unknown": "skipped", "pass": "system-out"}[row["verdict"]]}
    failure = cases["latency.cross-region"].find("failure")
    assert failure is not None
    assert 'a < b & "c"' in (failure.get("message") or "")
    assert {p.get("name"): p.get("value") for p in suite.iter("property")} == {"seed": "7", "config_hash": "ab" * 32}


def test_html_escapes_and_puts_fails_first(card: Card) -> None:
    card["rows"][0]["why"] = "<img src=x>"
    html = Scorecard(card)._repr_html_()
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html
    assert html.index("Title of latency.cross-region") < html.index("Title of regional_failover")
    assert html.index("Title of regional_failover") < html.index("Title of uptime")


def test_worst_first_keeps_the_order_inside_a_verdict(card: Card) -> None:
    ordered = [row["id"] for row in worst_first(card["rows"])]
    assert ordered[:3] == ["latency.cross-region", "throughput", "proof_memory"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card.pop("seed"), "without seed"),
        (lambda card: card["rows"][1].pop("why"), "row 1 .* no why"),
        (lambda card: card["rows"][1].update(verdict="passed"), "'passed'.*pass, fail, unknown"),
    ],
)
def test_a_wrong_scorecard_is_refused(card: Card, change: Any, words: str) -> None:
    change(card)
    with pytest.raises(InputError, match=words):
        Scorecard(card)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234567.0, "1,234,567"),
        (233.04, "233"),
        (0.000123, "0.000123"),
        (None, "–"),
        (math.nan, "–"),
        (2.5, "2.5"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


def test_limits_are_written_with_their_sign(card: Card) -> None:
    texts = [limit_text(row) for row in card["rows"]]
    assert texts[0] == "< 80 ms"
    assert texts[3:6] == ["≥ 100 TPS", "≤ 8 GB", "< 1"]
    assert texts[-1] == "≥ 99.9%"
