"""The series that a Prometheus holds of a run, on the grid on which its rules are evaluated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bitcell_sim.analysis.exposed import Exposed, Values
from bitcell_sim.config.alerting import Exporters
from bitcell_sim.config.native import ScrapeTarget
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.transactions import UP
from bitcell_sim.operations.metrics import BALANCER, METRICS, NODE, PATH
from bitcell_sim.operations.scraper import Scrapes, scrape, scrape_times
from bitcell_sim.units import NS_PER_S, ms_to_ns, seconds_to_ns

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Flags, Floats, Ints

GAP, VALUE, STALE = 0, 1, 2
SERVICES = ("prometheus", "alertmanager", "haproxy")


@dataclass(frozen=True, eq=False)
class Series:
    """One series on the grid.

    Parameters
    ----------
    name : str
        Of the metric.
    labels : dict of str to str
        All labels.
    kind : ndarray of uint8, shape (steps,)
        No sample, a value, or a marker that the series has ended.
    values : ndarray of float64, shape (steps,)
        Values.
    """

    name: str
    labels: dict[str, str]
    kind: Flags
    values: Floats


@dataclass(frozen=True, eq=False)
class Scraped:
    """What one Prometheus has scraped.

    Parameters
    ----------
    region : str
        Where it stands.
    step_s : float
        Seconds of a step of the grid.
    series : list of Series
        All of them.
    alive : ndarray of bool, shape (steps,)
        Whether it ran, and so evaluated its rules.
    blind : bool
        Whether it was dead for a while, or did not reach a target that lived.
    """

    region: str
    step_s: float
    series: list[Series]
    alive: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    blind: bool


def end_of(target: ScrapeTarget, nodes: Collection[str], regions: Collection[str]) -> tuple[str, str]:
    """What stands behind a target: kind (node or a service), and the node or region.

    Raises
    ------
    InputError
        If its address names neither ``node-<id>`` nor ``<service>-<region>``.
    """
    host = target.address.rpartition(":")[0] or target.address
    kind, _, name = host.partition("-")
    if kind == NODE and name in nodes:
        return NODE, name
    if kind in SERVICES and name in regions:
        return kind, name
    known = f"node-<{', '.join(nodes)}>, or {', '.join(SERVICES)} and -<{', '.join(regions)}>"
    raise InputError(f"target {target.address!r} of job {target.job!r} is nothing here; targets are {known}")


def prometheus_regions(targets: Sequence[ScrapeTarget]) -> list[str]:
    """Regions of the Prometheus servers that the file itself has as targets; they all run the same file."""
    found = [t.address.rpartition(":")[0].partition("-")[2] for t in targets if t.address.startswith("prometheus-")]
    if not found:
        raise InputError("prometheus.yml: no target prometheus-<region>; it says where Prometheus stands")
    return found


def exposes(kind: str, path: str) -> list[str]:
    """Names of the metrics that a target of a kind gives at a path."""
    return [metric.name for metric in METRICS if metric.exporter == kind] if path == PATH else []


def scrape_all(
    exposed: Exposed,
    exporters: Exporters,
    targets: Sequence[ScrapeTarget],
    places: tuple[Sequence[str], Sequence[str]],
    region: str,
    *,
    seed: int,
    end_s: float,
    step_s: float,
    names: Collection[str] | None = None,
) -> Scraped:
    """Let the Prometheus of a region scrape all its targets.

    Parameters
    ----------
    exposed : Exposed
        What the targets say.
    exporters : Exporters
        How they say it.
    targets : sequence of ScrapeTarget
        What is scraped.
    places : two sequences of str
        Nodes and regions of the deployment.
    region : str
        Where this Prometheus stands.
    seed : int
        Seed of the run.
    end_s, step_s : float
        Length of the run and step of the grid, seconds.
    names : collection of str, optional
        Metrics to keep; all without it.
    """
    nodes, regions = places
    steps = int(end_s / step_s) + 1
    grid_ns = np.arange(steps, dtype=np.int64) * seconds_to_ns(step_s)
    alive = exposed.service_state("prometheus", region, grid_ns) == UP
    series: list[Series] = []
    blind = not bool(alive.all())
    for number, target in enumerate(targets):
        kind, name = end_of(target, nodes, regions)
        who = regions.index(region) * len(targets) + number
        interval_ns, timeout_ns = seconds_to_ns(target.interval_s), seconds_to_ns(target.timeout_s)
        at_ns = scrape_times(seed, regions.index(region), number, interval_ns, seconds_to_ns(end_s))
        at_ns = at_ns[exposed.service_state("prometheus", region, at_ns) == UP]
        state = exposed.node_state(name, at_ns) if kind == NODE else exposed.service_state(kind, name, at_ns)
        way = exposed.way(region, name)
        render_ns = ms_to_ns(exporters.render_ms)
        result = scrape(seed, who, way, at_ns, state, render_ns=render_ns, timeout_ns=timeout_ns)
        blind = blind or bool(((state == UP) & ~result.worked).any())
        if target.path != PATH:  # a page that is no metrics: the scrape cannot be read
            result = result._replace(worked=np.zeros_like(result.worked))
        series += _of_target(exposed, target, kind, name, result, steps, step_s, names)
    return Scraped(region, step_s, series, alive, blind)


def _of_target(
    exposed: Exposed,
    target: ScrapeTarget,
    kind: str,
    name: str,
    result: Scrapes,
    steps: int,
    step_s: float,
    names: Collection[str] | None,
) -> list[Series]:
    """All series of one target: those that every target has, and its own."""
    values: Values = {
        ("up", ()): result.worked.astype(np.float64),
        ("scrape_duration_seconds", ()): result.duration_ns / NS_PER_S,
    }
    own: Values = {}
    if names is None or any(metric in names for metric in exposes(kind, target.path)):
        own = exposed.of_node(name, result.at_ns) if kind == NODE else {}
        own = exposed.of_balancer(name, result.at_ns) if kind == BALANCER else own
    step = _steps_of(result, step_s)
    always = np.ones(len(result.at_ns), np.bool_)
    found = []
    for exporter_values, seen in ((values, always), (own, result.worked)):
        for (metric, labels), numbers in exporter_values.items():
            if names is None or metric in names:
                kinds = np.where(seen & ~np.isnan(numbers), VALUE, STALE).astype(np.uint8)
                on_grid = _on_grid(step, kinds, numbers, steps)
                found.append(Series(metric, {**target.labels, **dict(labels)}, *on_grid))
    return found


def _steps_of(result: Scrapes, step_s: float) -> Ints:
    """First step of the grid at which each scrape's result can be read."""
    ready_ns = result.at_ns + result.duration_ns
    step_ns = seconds_to_ns(step_s)
    return -(-ready_ns // step_ns)


def _on_grid(step: Ints, kinds: Flags, numbers: Floats, steps: int) -> tuple[Flags, Floats]:
    """Put scrapes on the grid; of two at one step the later counts."""
    kind, values = np.zeros(steps, np.uint8), np.zeros(steps)
    inside = step < steps
    kind[step[inside]] = kinds[inside]
    values[step[inside]] = numbers[inside]
    first = np.argmax(kind == VALUE) if (kind == VALUE).any() else steps
    kind[:first] = GAP
    return kind, values
