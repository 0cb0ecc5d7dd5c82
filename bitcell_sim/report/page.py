"""The offline page of a run: one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bitcell_sim.config.loader import config_hash
from bitcell_sim.report import page_charts, series
from bitcell_sim.report import page_sections as sections
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.report.world_map import world_map
from bitcell_sim.runs.files import write_whole
from bitcell_sim.runs.run import RunData
from bitcell_sim.version import __version__

__all__ = ["page_html", "write_page"]

TEMPLATES = "templates"


def write_page(
    run: RunData,
    path: str | Path,
    *,
    scorecard: Scorecard | Mapping[str, Any] | None = None,
    latency_samples: series.LatencySamples | None = None,
) -> Path:
    """Write the page of a run.

    Parameters
    ----------
    run : RunData
        One run.
    path : str or Path
        File to write; its folder is made if it is not there.
    scorecard : Scorecard or mapping, optional
        Verdicts to show on top.
    latency_samples : mapping of (source, target) to sequence of float, optional
        Round trips between regions, milliseconds; without them the run's table ``probes``, if it has one.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    text = page_html(run, scorecard=scorecard, latency_samples=latency_samples)
    target = Path(path)
    write_whole(target, text.encode())
    return target


def page_html(
    run: RunData,
    *,
    scorecard: Scorecard | Mapping[str, Any] | None = None,
    latency_samples: series.LatencySamples | None = None,
) -> str:
    """Make the page of a run.

    Parameters
    ----------
    run, scorecard, latency_samples
        As :func:`write_page` takes them.

    Returns
    -------
    str
        A whole HTML document: scripts, styles and data inline, everything else refused by its own policy.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    card = Scorecard(scorecard) if isinstance(scorecard, Mapping) else scorecard
    samples = latency_samples if latency_samples is not None else series.probe_samples(run)
    links = sections.pair_rows(run.scenario, samples, card)
    latency = page_charts.latency_charts(run, samples, {link["pair"]: link["verdict"] for link in links})
    charts = _charts(run) | {chart["id"]: chart for chart in latency}
    environment = Environment(
        loader=PackageLoader("bitcell_sim.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [
        _read("vendor/uPlot.iife.min.js").partition("\n")[2],
        _read("page.js"),
    ]  # its first line is a comment with an address
    return environment.get_template("page.html.j2").render(
        run=run,
        scenario=run.scenario,
        config_hash=run.manifest.get("config_hash") or config_hash(run.scenario),
        provenance=sections.provenance(run),
        version=__version__,
        card=card,
        card_rows=sections.scorecard_rows(card) if card else [],
        headline=sections.headline(run, card),
        tiles=sections.tiles(run, links),
        pairs=links,
        map=world_map(run.scenario, sections.map_links(links)),
        latency=latency,
        charts=charts,
        lanes=sections.lane_rows(run),
        lane_words=sections.LANE_WORDS,
        bands=sections.band_rows(run),
        recoveries=series.recovery_stages(series.table(run, "recoveries")),
        faults=sections.fault_rows(run),
        blocks=sections.block_rows(run),
        books=sections.book_rows(run),
        data=_json({name: _drawn(chart) for name, chart in charts.items()}),
        clock=series.clock,
        span=sections.span,
        scripts=scripts,
        script_hashes=" ".join(_policy_hash(script) for script in scripts),
        uplot_licence=_read("vendor/LICENSE-uplot"),
        styles=[_read("vendor/uPlot.min.css"), _read("page.css")],
    )


def _charts(run: RunData) -> dict[str, page_charts.Chart]:
    charts = {
        "throughput": page_charts.throughput_chart(run),
        "pending": page_charts.pending_chart(run),
        "finality": page_charts.finality_chart(run),
        "proofs": page_charts.proof_chart(run),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def _drawn(chart: page_charts.Chart) -> page_charts.Chart:
    """Chart without what the page's own text says."""
    return {key: value for key, value in chart.items() if key not in {"id", "pair", "verdict", "caption", "title"}}


def _read(name: str) -> str:
    return (files("bitcell_sim.report") / TEMPLATES / name).read_text(encoding="utf-8")


def _json(content: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=_plain)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is not data")


def _policy_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
