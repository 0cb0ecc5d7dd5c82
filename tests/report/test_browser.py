"""The page in a real browser without a network: it draws, the keyboard reads it, axe-core finds no fault."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from bitcell_sim.report.page import write_page
from bitcell_sim.runs.run import RunData

playwright = pytest.importorskip("playwright.sync_api")

Runs = Callable[..., RunData]
Pings = dict[tuple[str, str], list[float]]
pytestmark = pytest.mark.tool("chromium")
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET += ["--disable-sync", "--disable-quic", "--no-first-run"]
SCHEMES = ["light", "dark"]
# Pixels of each canvas that are not clear, as a share.
DRAWN = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let i = 3; i < pixels.length; i += 4) drawn += pixels[i] > 0;
  return drawn / (pixels.length / 4);
})"""
# Every opaque colour of the throughput chart.
COLOURS = """() => {
  const canvas = document.querySelector('[data-chart="throughput"] canvas');
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const found = new Set();
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] === 255) found.add(pixels.slice(i, i + 3).join());
  return [...found];
}"""


@pytest.fixture(scope="module")
def page_files(run_of: Runs, pings: Pings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    names = ("rc3", "node-crash", "region-loss-ap-southeast")
    return {name: write_page(run_of(name), folder / f"{name}.html", latency_samples=pings) for name in names}


@pytest.fixture
def judged(run_of: Runs, pings: Pings, card: dict[str, Any], tmp_path: Path) -> Path:
    return write_page(run_of("node-crash"), tmp_path / "judged.html", scorecard=card, latency_samples=pings)


class Visit:
    """An offline tab with its complaints and its requests."""

    def __init__(self, browser: Any, path: Path, scheme: str, width: int) -> None:
        self.context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=20_000)
        self.page.wait_for_timeout(150)


@pytest.fixture
def visit(program: str) -> Iterator[Callable[..., Visit]]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=QUIET)
        yield lambda path, scheme="light", width=1280: Visit(browser, path, scheme, width)
        browser.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_draw_without_a_word_and_without_a_request(
    visit: Callable[..., Visit], page_files: dict[str, Path], tmp_path: Path, scheme: str, width: int
) -> None:
    for name, path in page_files.items():
        tab = visit(path, scheme, width)
        assert tab.said == []
        assert tab.requests == [path.as_uri()]
        shares = tab.page.evaluate(DRAWN)
        assert len(shares) == 4 + 6, "throughput, mempool, finality, proofs, six pairs"
        assert min(shares) > 0.01
        inner, outer = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert inner <= outer, "nothing hangs over the side"
        shot = tmp_path / f"{name}-{scheme}-{width}.png"
        tab.page.screenshot(path=str(shot), full_page=True)
        image = matplotlib.image.imread(io.BytesIO(shot.read_bytes()))
        dark = image[..., :3].mean() < 0.4
        assert dark == (scheme == "dark")
        tab.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious(visit: Callable[..., Visit], judged: Path, scheme: str) -> None:
    tab = visit(judged, scheme)
    tab.page.evaluate(AXE)
    found = tab.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)")
    bad = [
        (fault["id"], [node["html"][:160] + " / " + node["failureSummary"] for node in fault["nodes"][:3]])
        for fault in found
        if fault["impact"] in {"moderate", "serious", "critical"}
    ]
    assert not bad, json.dumps(bad, indent=1)


def test_axe_would_find_a_fault(visit: Callable[..., Visit], judged: Path) -> None:
    tab = visit(judged)
    tab.page.evaluate("document.querySelector('.lead').style.color = '#ddd'; document.documentElement.lang = ''")
    tab.page.evaluate(AXE)
    found = tab.page.evaluate("axe.run().then((r) => r.violations.map((fault) => fault.id))")
    assert {"color-contrast", "html-has-lang"} <= set(found)


def test_the_keyboard_reads_the_values(visit: Callable[..., Visit], judged: Path) -> None:
    tab = visit(judged)
    plot = tab.page.locator('[data-chart="throughput"] .plot')
    plot.focus()
    for _ in range(30):
        tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowRight")
    said = tab.page.locator('[data-chart="throughput"] .readout').inner_text()
    assert said.startswith("5:05, final, by 10 s ")
    assert "process-crash: us-east-1" in said
    legend = tab.page.locator('[data-chart="throughput"] .legend').inner_text()
    assert "at 5:05" in legend
    assert "at 5:00" in tab.page.locator('[data-chart="pending"] .legend').inner_text(), "charts over time go together"
    tab.page.keyboard.press("Home")
    assert tab.page.locator('[data-chart="throughput"] .readout').inner_text().startswith("0:05")


def test_the_tab_key_reaches_the_charts_and_tables(visit: Callable[..., Visit], judged: Path) -> None:
    tab = visit(judged)
    reached = set()
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate("document.activeElement.closest('[data-chart]')?.dataset.chart"))
        reached.add(tab.page.evaluate("document.activeElement.getAttribute('aria-label')"))
        reached.add(tab.page.evaluate("document.activeElement.getAttribute('href')"))
    assert {
        "#main",
        "#books",
        "throughput",
        "pending",
        "finality",
        "proofs",
        "Table of targets",
        "Table of blocks",
    } <= reached


def test_the_mouse_reads_the_values(visit: Callable[..., Visit], judged: Path) -> None:
    tab = visit(judged)
    tab.page.locator('[data-chart="finality"] .u-over').hover()
    assert "within" in tab.page.locator('[data-chart="finality"] .legend').inner_text()
    assert "%" in tab.page.locator('[data-chart="finality"] .legend').inner_text()


def test_charts_follow_the_scheme_and_the_width(visit: Callable[..., Visit], judged: Path) -> None:
    tab = visit(judged)
    light = set(tab.page.evaluate(COLOURS))
    tab.page.emulate_media(color_scheme="dark")
    tab.page.wait_for_timeout(200)
    dark = set(tab.page.evaluate(COLOURS))
    assert "98,174,240" in dark - light, "the dark scheme's blue"
    tab.page.set_viewport_size({"width": 700, "height": 900})
    tab.page.wait_for_timeout(200)
    over, lane = tab.page.evaluate(
        """['[data-chart="throughput"] .u-over', '.lane-bar'].map((what) => {
            const box = document.querySelector(what).getBoundingClientRect(); return [box.left, box.right]; })"""
    )
    assert over == pytest.approx(lane, abs=2), "charts over time stand above the lanes"
