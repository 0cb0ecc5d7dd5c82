"""A run for other programs: into the database of a real Prometheus, as one that stood beside it would have it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bitcell_sim.analysis.exposed import Exposed
from bitcell_sim.analysis.scraped import STALE, VALUE, Scraped, prometheus_regions, scrape_all
from bitcell_sim.config.alerting import load_exporters
from bitcell_sim.config.native import evaluation_interval_s, external_labels, load_targets
from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.judges.prometheus import RETENTION, Line, prometheus, write
from bitcell_sim.runs import store
from bitcell_sim.studies.alert_runs import watched_run
from bitcell_sim.studies.alerts import files_of

LOOK_PORT = 9999  # of Prometheus in the RC3 document


def scraped_run(scenario: Scenario, seed: int) -> tuple[Scraped, str]:
    """What the first Prometheus has of a run, and the run's digest.

    Parameters
    ----------
    scenario : Scenario
        What runs; a run is a function of it and its seed, so a stored one is done again.
    seed : int
        Of the run.
    """
    outcome, watched = watched_run(scenario, seed)
    file, exporters = files_of(None).prometheus, load_exporters()
    targets = load_targets(file)
    nodes = [node.id for node in scenario.deployment.node]
    regions = [region.name for region in scenario.deployment.region]
    scraped = scrape_all(
        Exposed(scenario, seed, outcome.tables, watched, exporters),
        exporters,
        targets,
        (nodes, regions),
        prometheus_regions(targets)[0],
        seed=seed,
        end_s=scenario.duration_s,
        step_s=evaluation_interval_s(file),
    )
    return scraped, outcome.trace_digest


def lines_of(scraped: Scraped, begins_s: float, more: Mapping[str, str]) -> list[Line]:
    """Series for remote write.

    Parameters
    ----------
    scraped : Scraped
        What a Prometheus has.
    begins_s : float
        When the run begins, seconds since 1970.
    more : mapping of str to str
        Labels that every series gets.
    """
    lines = []
    for series in scraped.series:
        samples = [
            (round(1000 * (begins_s + step * scraped.step_s)), float(value) if kind == VALUE else None)
            for step, (kind, value) in enumerate(zip(series.kind, series.values, strict=True))
            if kind in (VALUE, STALE)
        ]
        lines.append(Line({**more, **series.labels, "__name__": series.name}, samples))
    return lines


def to_prometheus(run_folder: Path, out: Path) -> dict[str, Any]:
    """Write a stored run into a database of Prometheus.

    Parameters
    ----------
    run_folder : Path
        The run.
    out : Path
        New folder for the database and its configuration.

    Returns
    -------
    dict
        ``samples``, ``series``, ``command`` that shows them, ``url``.

    Raises
    ------
    InputError
        If the folder exists, or this version makes another run of the same scenario and seed.
    MissingToolError
        If Prometheus is not installed.
    """
    if out.exists():
        raise InputError(f"{out} exists; choose another folder with --out")
    run = store.load(run_folder)
    scraped, digest = scraped_run(run.scenario, run.seed)
    if digest != run.trace_digest:
        raise InputError(f"{run_folder}: this version of the program makes another run of it; run the scenario again")
    ends_s = datetime.fromisoformat(run.manifest["started"].replace("Z", "+00:00")).timestamp()
    lines = lines_of(scraped, ends_s - run.simulated_s, external_labels(files_of(None).prometheus))
    out.mkdir(parents=True)
    with prometheus(out) as address:
        samples = write(address, lines)
    command = (
        f"prometheus --config.file={out / 'prometheus.yml'} --storage.tsdb.path={out / 'data'} {RETENTION}"
        f" --web.listen-address=127.0.0.1:{LOOK_PORT}"
    )
    minutes = max(1, round(run.simulated_s / 60))
    at = datetime.fromtimestamp(ends_s).astimezone().strftime("%Y-%m-%d+%H%%3A%M")
    graph = f"g0.expr=bitcell_chain_height&g0.tab=0&g0.range_input={minutes}m&g0.end_input={at}"
    return {
        "samples": samples,
        "series": len(lines),
        "command": command,
        "url": f"http://127.0.0.1:{LOOK_PORT}/graph?{graph}",
    }
