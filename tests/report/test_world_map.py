"""The map: places where they are, no line across the world, nodes apart."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from importlib.resources import files

import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.report.world_map import (
    HEIGHT,
    WIDTH,
    MapLink,
    link_curves,
    node_places,
    project,
    region_places,
    world_map,
)
from bitcell_sim.runs.run import RunData

Runs = Callable[..., RunData]
Point = tuple[float, float]


def land_rings() -> list[list[Point]]:
    """Points of every ring of the coastline, from its relative path."""
    path = (files("bitcell_sim.report") / "templates" / "vendor" / "land-110m.path").read_text(encoding="ascii")
    rings = []
    for ring in re.findall(r"M([^z]+)z", path):
        head, _, tail = ring.partition("l")
        x, y = map(int, head.split())
        points = [(float(x), float(y))]
        numbers = [int(n) for n in re.findall(r"-?\d+", tail)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            points.append((float(x), float(y)))
        rings.append(points)
    return rings


def is_land(place: Point) -> bool:
    """Whether a place lies inside the coastline, by the even-odd rule."""
    x, y = place
    inside = False
    for ring in land_rings():
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
    return inside


def test_the_coastline_stays_on_the_map_and_never_crosses_it() -> None:
    rings = land_rings()
    assert len(rings) > 80
    for ring in rings:
        assert all(0 <= x <= WIDTH for x, _ in ring)
        steps = [abs(b[0] - a[0]) for a, b in itertools.pairwise(ring)]
        assert max(steps) < WIDTH / 8


@pytest.mark.parametrize(
    ("latitude", "longitude", "land"),
    [
        (39.0, -98.0, True),  # Kansas
        (50.1, 10.0, True),  # Franconia
        (-25.0, 134.0, True),  # middle of Australia
        (66.5, 179.0, True),  # Chukotka, this side of the 180th meridian
        (67.0, -175.0, True),  # and the other
        (0.0, -30.0, False),  # Atlantic
        (30.0, -160.0, False),  # Pacific
        (-20.0, 80.0, False),  # Indian Ocean
    ],
)
def test_places_are_projected_as_the_coastline_was(latitude: float, longitude: float, land: bool) -> None:
    assert is_land(project(latitude, longitude)) is land


def test_a_link_over_the_edge_is_drawn_from_both_sides() -> None:
    west, east = project(45.5, -122.7), project(1.4, 103.8)
    curves = link_curves(west, east)
    assert len(curves) == 2
    shift = curves[1][0][0] - curves[0][0][0]
    assert abs(shift) == pytest.approx(WIDTH)
    for start, _, end in curves:
        assert abs(end[0] - start[0]) <= WIDTH / 2
    assert len(link_curves(project(39.0, -77.4), project(50.1, 8.7))) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_nodes_of_a_region_are_drawn_apart(count: int) -> None:
    places = node_places((100.0, 100.0), count)
    gaps = [math.dist(a, b) for i, a in enumerate(places) for b in places[i + 1 :]]
    assert len(places) == count
    assert min(gaps, default=17.0) >= 17.0 - 1e-9


def test_the_map_shows_every_node_and_link(run_of: Runs) -> None:
    scenario = run_of("rc3").scenario
    link = MapLink(("us-east", "eu-central"), "fail", "✗ 9 ms", "US <b> to EU")
    svg = world_map(scenario, [link])
    assert svg is not None
    assert svg.count('class="node"') == 7
    assert svg.count('class="link fail"') == 1
    assert "US &lt;b&gt; to EU" in svg
    assert "<b>" not in svg
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in region_places(scenario).values())


def test_one_machine_has_no_map() -> None:
    assert world_map(load_scenario("rc3", latency="docker"), []) is None
