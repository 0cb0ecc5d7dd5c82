"""Where a deployment's regions could stand: all placements that the matrices know, against its latency limits.

A placement names one cloud region of one provider for each region of the deployment: its own, or one of the
alternatives that the deployment lists as the same part of the world. The 95th percentile of a pair is taken from the
latency model in closed form, so that all placements of a matrix of 54 regions are judged in a second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitcell_sim.config.geography import fibre_floor_rtt_ms
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Deployment, LatencySource, Scenario

SOURCES = ("aws-2025-wide", "azure-2026-wide", "gcp-2022")
PREFIX = "latency."
WORST = "latency.cross-region"


@dataclass(frozen=True)
class Placement:
    """One cloud region for each region of a deployment.

    Parameters
    ----------
    source : str
        Name of the latency source.
    provider : str
        Its provider.
    places : tuple of str
        The provider's regions, in the order of the deployment's.
    p95_ms : mapping of str to float
        Predicted 95th percentile of every latency target, ms.
    met : frozenset of str
        Latency targets that the prediction meets.
    moved : int
        Regions that stand elsewhere than the deployment says.
    """

    source: str
    provider: str
    places: tuple[str, ...]
    p95_ms: Mapping[str, float]
    met: frozenset[str]
    moved: int

    @property
    def words(self) -> str:
        """The provider and its regions."""
        return f"{self.provider} {', '.join(self.places)}"


@dataclass(frozen=True)
class Nearest:
    """How near the placements of all sources come to one latency target.

    Parameters
    ----------
    target : str
        Its id.
    limit_ms : float
        Its limit, ms.
    tried : int
        Placements, of which this is the best for the target.
    best : Placement
        The placement with the least 95th percentile.
    places : tuple of str
        Those of its regions that the target is about.
    p95_ms : float
        That percentile, ms.
    floor_ms : float
        Least round trip that light in fibre allows there (of a limit for all pairs: on the longest of them), ms.
    least_floor_ms : float
        Least such round trip over all placements, ms.
    """

    target: str
    limit_ms: float
    tried: int
    best: Placement
    places: tuple[str, ...]
    p95_ms: float
    floor_ms: float
    least_floor_ms: float

    @property
    def met(self) -> bool:
        """Whether any placement meets the target."""
        return self.p95_ms < self.limit_ms

    @property
    def words(self) -> str:
        """The provider, and where the regions of the target stand there."""
        return f"{self.best.provider} {', '.join(self.places)}"

    @property
    def sentence(self) -> str:
        """What is the nearest, and what light would allow."""
        said = "met by" if self.met else f"none of {self.tried} placements is below {self.limit_ms:g} ms; nearest"
        stretch = self.limit_ms / self.floor_ms
        return (
            f"{self.target}: {said} {self.words} with {self.p95_ms:.1f} ms at p95; light in fibre needs"
            f" {self.floor_ms:.1f} ms there, so the limit is {stretch:.2f} times light"
        )


def link_p95_ms(source: LatencySource) -> dict[tuple[str, str], float]:
    """95th percentile of the round trip of every pair of a source, the worse direction, ms.

    Notes
    -----
    A source's own 95th percentile, or ``rtt + scale ln 10``: of the exponential slow part, 95 % is ``ln 20`` scales and
    the median ``ln 2``. The fast part and rare spikes add about 0.1 ms, which is left to the simulation.
    """
    found: dict[tuple[str, str], float] = {}
    for link in source.link:
        spread = (link.slow_scale_ms or 0.0) * math.log(10)
        p95 = link.rtt_p95_ms if link.rtt_p95_ms is not None else link.rtt_ms + spread
        for ends in ((link.source, link.target), (link.target, link.source)):
            found[ends] = max(found.get(ends, 0.0), p95)
    return found


def link_floor_ms(source: LatencySource) -> dict[tuple[str, str], float]:
    """Least round trip that light in fibre allows between every two sites of a source, ms."""
    at = {site.name: (site.latitude_deg, site.longitude_deg) for site in source.site}
    return {(one, other): fibre_floor_rtt_ms(*at[one], *at[other]) for one in at for other in at if one != other}


def candidates(deployment: Deployment, source: LatencySource) -> list[list[str]]:
    """Where each region could stand in a source: its own place first, then its alternatives."""
    known = {site.name for site in source.site}
    return [
        [
            place
            for place in (region.cloud.get(source.provider, ""), *region.cloud_alternatives.get(source.provider, ()))
            if place in known
        ]
        for region in deployment.region
    ]


def pair_values(deployment: Deployment, places: Sequence[str], of: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """A figure of every pair of regions, by target id; the worst of them under ``latency.cross-region``."""
    names = [region.name for region in deployment.region]
    values = {
        f"{PREFIX}{names[i]}.{names[j]}": of[places[i], places[j]]
        for i, j in itertools.combinations(range(len(names)), 2)
    }
    return values | {WORST: max(values.values())}


def limits(scenario: Scenario) -> dict[str, float]:
    """Latency limits of a scenario by target id, ms."""
    return {target.id: target.limit for target in scenario.targets.target if target.id.startswith(PREFIX)}


def placements(scenario: Scenario, sources: Sequence[str] = SOURCES) -> list[Placement]:
    """Every placement that the sources know.

    Parameters
    ----------
    scenario : Scenario
        The deployment with its limits.
    sources : sequence of str
        Latency sources by name.

    Returns
    -------
    list of Placement
        Those that meet most targets first, then those that move least.
    """
    deployment, wanted = scenario.deployment, limits(scenario)
    found = []
    for name in sources:
        source = load_scenario(deployment.name, latency=name).latency
        p95 = link_p95_ms(source)
        choices = candidates(deployment, source)
        own = [places[0] for places in choices]
        for places in itertools.product(*choices):
            values = pair_values(deployment, places, p95)
            met = frozenset(target for target, limit in wanted.items() if values[target] < limit)
            moved = sum(place != usual for place, usual in zip(places, own, strict=True))
            found.append(Placement(name, source.provider, places, values, met, moved))
    return sorted(found, key=lambda place: (-len(place.met), place.moved))


def nearest(scenario: Scenario, found: Sequence[Placement]) -> list[Nearest]:
    """For every latency target, the placement that comes nearest, and what light in fibre would allow.

    Parameters
    ----------
    scenario : Scenario
        The deployment with its limits.
    found : sequence of Placement
        What :func:`placements` gave.
    """
    floors: dict[str, dict[tuple[str, str], float]] = {}
    for name in sorted({place.source for place in found}):
        floors[name] = link_floor_ms(load_scenario(scenario.deployment.name, latency=name).latency)
    of_each = [pair_values(scenario.deployment, place.places, floors[place.source]) for place in found]
    rows = []
    for target, limit in limits(scenario).items():
        at = min(range(len(found)), key=lambda i: found[i].p95_ms[target])
        least = min(values[target] for values in of_each)
        best, about = found[at], set(target.split("."))
        places = tuple(
            place
            for place, region in zip(best.places, scenario.deployment.region, strict=True)
            if target == WORST or region.name in about
        )
        rows.append(Nearest(target, limit, len(found), best, places, best.p95_ms[target], of_each[at][target], least))
    return rows
