"""The page as a file: nothing of the network in it, whatever a scenario says, and everything the tables say."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bitcell_sim.errors import InputError
from bitcell_sim.faults.checkers import Violation
from bitcell_sim.report.page import page_html, write_page
from bitcell_sim.report.results import Run
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.runs.run import RunData

Runs = Callable[..., RunData]
Pings = dict[tuple[str, str], list[float]]
FETCHES = re.compile(
    r"https?:|//[\w-]+\.\w|\bsrc\s*=|@import|url\((?!#)|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|<link|<iframe|import\("
)


class Outline(HTMLParser):
    """Headings in order, ids, and the targets of links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.targets.append(str(found.get("href")))


def data_of(html: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert match is not None
    content: dict[str, Any] = json.loads(match[1])
    return content


def test_the_check_for_addresses_finds_them() -> None:
    for text in (
        '<img src="x.png">',
        "url(a.png)",
        "https://a.b",
        '"//cdn.example/x.js"',
        "fetch(x)",
        '<link rel="x">',
    ):
        assert FETCHES.search(text)
    assert not FETCHES.search('clip-path="url(#map-edge)"')


@pytest.mark.parametrize("name", ["rc3", "node-crash", "region-loss-ap-southeast", "partition-3-4"])
@pytest.mark.parametrize("judged", [True, False])
def test_no_address_and_a_policy_that_refuses_everything_else(
    run_of: Runs, card: dict[str, Any], pings: Pings, name: str, judged: bool
) -> None:
    html = page_html(run_of(name), scorecard=card if judged else None, latency_samples=pings if judged else None)
    found = FETCHES.search(html)
    assert found is None, html[max(0, found.start() - 80) : found.end() + 80]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    rules = policy[1].replace("&#39;", "'")
    assert rules.startswith("default-src 'none';")
    assert "script-src 'sha256-" in rules
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules


def test_the_same_run_gives_the_same_page(run_of: Runs, card: dict[str, Any], pings: Pings) -> None:
    run = run_of("node-crash")
    assert page_html(run, scorecard=card, latency_samples=pings) == page_html(
        run, scorecard=Scorecard(card), latency_samples=pings
    )


def test_headings_are_in_order_and_links_lead_somewhere(run_of: Runs, card: dict[str, Any]) -> None:
    outline = Outline(page_html(run_of("node-crash"), scorecard=card))
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(set(outline.ids)) == len(outline.ids)
    assert {target.removeprefix("#") for target in outline.targets} <= set(outline.ids)


def test_the_page_says_what_the_tables_say(run_of: Runs, card: dict[str, Any]) -> None:
    run = run_of("region-loss-ap-southeast")
    html = page_html(run, scorecard=card)
    states = run.tables["transactions"]["state"].value_counts()
    books = html[html.index('id="books"') :]
    for state, count in states.items():
        line = rf'<th scope="row">{state}<small>[^<]*</small></th><td class="num">{count:,}</td>'
        assert re.search(line, books), state
    assert f"Transactions: {len(run.tables['transactions']):,}" in books
    assert run.trace_digest in html
    assert "region-loss: ap-southeast" in html
    assert "<td>ap-southeast</td>" in html
    flow = data_of(html)["throughput"]
    drawn = sum(value * 10 for value in flow["series"][0]["values"])
    assert drawn == pytest.approx(states["final"], rel=1e-3)
    assert flow["bands"] == [[300.0, 600.0, "region-loss: ap-southeast"]]
    assert "3 missed, 2 not decided, 3 met of 8 targets" in html


def test_pings_become_curves_with_their_limit(run_of: Runs, pings: Pings) -> None:
    charts = data_of(page_html(run_of("rc3"), latency_samples=pings))
    chart = charts["latency-us-east-us-west"]
    assert [mark["at"] for mark in chart["marks"]] == [80.0]
    at_limit = max(share for x, share in zip(chart["x"], chart["series"][0]["values"], strict=True) if x <= 76)
    assert at_limit == pytest.approx(0.5, abs=0.06)  # 71 to 81 ms, evenly
    assert len([name for name in charts if name.startswith("latency-")]) == 6


def test_without_a_scorecard_nothing_is_called_a_verdict(run_of: Runs, pings: Pings) -> None:
    html = page_html(run_of("rc3"), latency_samples=pings)
    links = html[html.index('id="links"') : html.index('id="time"')]
    assert "</span> over</span>" in links
    assert "</span> under</span>" in links
    assert "</span> pass</span>" not in links
    assert "</span> fail</span>" not in links


def test_hostile_text_stays_text(run_of: Runs, card: dict[str, Any]) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    run = run_of("node-crash")
    faults = run.tables["faults"].assign(detail=evil)
    bad = replace(
        run,
        scenario=run.scenario.model_copy(update={"title": evil}),
        tables={**run.tables, "faults": faults},
        violations=(Violation("double_finality", evil),),
        manifest={"command": evil, "libraries": {evil: evil}},
    )
    card["rows"][0].update(title=evil, why=evil)
    html = page_html(bad, scorecard=card)
    assert "<img" not in html
    assert html.count("<script>") == 2
    assert "Safety violated" in html
    assert data_of(html)["throughput"]["bands"][0][2].endswith(evil)


def test_a_run_without_anything_has_a_page(run_of: Runs) -> None:
    run = run_of("rc3")
    nothing = RunData(
        run.scenario, 1, {n: f.iloc[:0] for n, f in run.tables.items()}, "", dict.fromkeys(run.tables, 0), 60.0
    )
    html = page_html(nothing)
    assert "No proof was asked for." in html
    assert "Nothing was broken in this run." in html


def test_one_machine_has_a_page_without_a_map(run_of: Runs) -> None:
    run = run_of("rc3")
    local = run.scenario.latency.model_copy(update={"site": ()})
    html = page_html(replace(run, scenario=run.scenario.model_copy(update={"latency": local})))
    assert 'class="map"' not in html


def test_more_blocks_than_shown_are_counted(run_of: Runs) -> None:
    import pandas as pd

    run = run_of("rc3")
    many = pd.concat([run.tables["blocks"]] * 4, ignore_index=True)
    html = page_html(replace(run, tables={**run.tables, "blocks": many}, counts={**run.counts, "blocks": len(many)}))
    assert f"The first 50 of {len(many)} blocks" in html


def test_an_hour_at_100_tps_is_a_small_page(run_of: Runs, card: dict[str, Any], pings: Pings) -> None:
    run = run_of("rc3-capable", 3600.0)
    assert run.counts["transactions"] > 350_000
    assert len(page_html(run, scorecard=card, latency_samples=pings).encode()) < 300_000


def test_the_page_is_written_where_asked(run_of: Runs, tmp_path: Path) -> None:
    run = run_of("rc3")
    path = Run(run).to_html(tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8") == page_html(run)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_page(run, tmp_path / "file" / "page.html")
