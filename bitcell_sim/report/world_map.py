"""Regions and links on a map of the world, as one inline SVG that follows the page's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from bitcell_sim.config.schema import Scenario
from bitcell_sim.report.series import Pair

# The frame of templates/vendor/land-110m.path: Miller's projection, 2000 units around the world, from 80 north.
WIDTH, HEIGHT = 2000, 932
TOP_DEG = 80.0
BEND = 0.16  # of a link's length
OUTER_BENDS = (0.12, -0.14)  # of links over the map's edge, in turn, so that they do not lie on each other
NODE_SPREAD = 17.0
LABEL_WIDTH, LABEL_HEIGHT = 190.0, 44.0
LABEL_MARGIN = 150.0  # letters are larger on a small screen
STEPS = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8)

Point = tuple[float, float]
Curve = tuple[Point, Point, Point]


@dataclass(frozen=True)
class MapLink:
    """A pair of regions on the map.

    Parameters
    ----------
    pair : (str, str)
        Regions.
    verdict : {"pass", "fail", "unknown"}
        Whether it meets its limit.
    label : str
        Short text on the line, such as ``219 ms``.
    title : str
        Whole sentence about it.
    """

    pair: Pair
    verdict: str
    label: str
    title: str


def project(latitude_deg: float, longitude_deg: float) -> Point:
    """Place on the map in its own units.

    Parameters
    ----------
    latitude_deg, longitude_deg : float
        Degrees, north and east positive.

    Notes
    -----
    Miller's cylindrical projection: y = 5/4 ln tan(pi/4 + 2/5 latitude), in radians; x is the longitude.
    """
    return (longitude_deg + 180) / 360 * WIDTH, (_miller(TOP_DEG) - _miller(latitude_deg)) * WIDTH / (2 * math.pi)


def _miller(latitude_deg: float) -> float:
    return 1.25 * math.log(math.tan(math.pi / 4 + 0.4 * math.radians(latitude_deg)))


def region_places(scenario: Scenario) -> dict[str, Point]:
    """Place of every region on the map; empty if the latency source does not say where one of them stands."""
    sites = {site.name: site for site in scenario.latency.site}
    places = {}
    for region in scenario.deployment.region:
        site = sites.get(region.cloud.get(scenario.latency.provider, region.name))
        if site is None:
            return {}
        places[region.name] = project(site.latitude_deg, site.longitude_deg)
    return places


def crosses_edge(start: Point, end: Point) -> bool:
    """Whether the shorter way between two places leads over the 180th meridian."""
    return abs(end[0] - start[0]) > WIDTH / 2


def link_curves(start: Point, end: Point, bend: float = BEND) -> list[Curve]:
    """Quadratic curves of a link: one, or two where the shorter way crosses the 180th meridian, each leaving the map.

    Returns
    -------
    list of (start, control, end)
        The parts of a curve outside the map are for the map's edge to cut.
    """
    x1, y1 = start
    x2, y2 = end
    if crosses_edge(start, end):
        x2 += WIDTH if x2 < x1 else -WIDTH
    control = ((x1 + x2) / 2, (y1 + y2) / 2 - bend * math.hypot(x2 - x1, y2 - y1) * 2)
    shifts = [0.0] if 0 <= x2 <= WIDTH else [0.0, WIDTH if x2 < 0 else -WIDTH]
    return [((x1 + s, y1), (control[0] + s, control[1]), (x2 + s, y2)) for s in shifts]


def _on_curve(curve: Curve, t: float) -> Point:
    weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
    return (
        sum(weight * point[0] for weight, point in zip(weights, curve, strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, curve, strict=True)),
    )


def node_places(centre: Point, count: int) -> list[Point]:
    """Draw the nodes of one region apart: around its place, or on it if there is one only."""
    if count == 1:
        return [centre]
    radius = NODE_SPREAD / (2 * math.sin(math.pi / count)) if count > 2 else NODE_SPREAD / 2
    turns = [math.pi + 2 * math.pi * index / count for index in range(count)]
    return [(centre[0] + radius * math.cos(turn), centre[1] + radius * math.sin(turn)) for turn in turns]


def world_map(scenario: Scenario, links: Sequence[MapLink]) -> str | None:
    """Draw regions, nodes and links, each link as its verdict says.

    Parameters
    ----------
    scenario : Scenario
        Says where regions stand and which nodes they hold.
    links : sequence of MapLink
        What to draw between them.

    Returns
    -------
    str or None
        An inline SVG; None if the places are not known.
    """
    places = region_places(scenario)
    if not places:
        return None
    land = (files("bitcell_sim.report") / "templates" / "vendor" / "land-110m.path").read_text(encoding="ascii").strip()
    drawn = _drawn(links, places)
    said = "; ".join(link.title for link in links)
    parts = [
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="World map of regions and links: {escape(said)}">',
        f'<defs><clipPath id="map-edge"><rect width="{WIDTH}" height="{HEIGHT}"/></clipPath></defs>',
        f'<g clip-path="url(#map-edge)"><path class="land" d="{land}"/>',
        *(_link_paths(link, curves) for link, curves in drawn),
        "</g>",
        *_link_labels(drawn, _kept_free(places)),
        *_regions(scenario, places),
        "</svg>",
    ]
    return "".join(parts)


def _drawn(links: Sequence[MapLink], places: Mapping[str, Point]) -> list[tuple[MapLink, list[Curve]]]:
    """Curves of every link; of those over the map's edge the shortest bends most to the north."""
    ends = {link.pair: (places[link.pair[0]], places[link.pair[1]]) for link in links}
    outer = [pair for pair in ends if crosses_edge(*ends[pair])]
    outer.sort(key=lambda pair: -abs(ends[pair][0][0] - ends[pair][1][0]))
    bends = {pair: OUTER_BENDS[index % len(OUTER_BENDS)] for index, pair in enumerate(outer)}
    return [(link, link_curves(*ends[link.pair], bends.get(link.pair, BEND))) for link in links]


def _link_paths(link: MapLink, curves: Sequence[Curve]) -> str:
    paths = []
    for (x1, y1), (cx, cy), (x2, y2) in curves:
        d = f"M{x1:.0f} {y1:.0f}Q{cx:.0f} {cy:.0f} {x2:.0f} {y2:.0f}"
        paths.append(f'<path class="link {link.verdict}" d="{d}"><title>{escape(link.title)}</title></path>')
    return "".join(paths)


def _kept_free(places: Mapping[str, Point]) -> list[Point]:
    """Where no label of a link may stand: the regions' own names below their places."""
    return [(x, y + shift) for x, y in places.values() for shift in (0.0, 45.0)]


def _link_labels(drawn: Sequence[tuple[MapLink, list[Curve]]], taken: list[Point]) -> list[str]:
    """Put each label on its line where it covers nothing, as near to the middle as that allows."""
    labels = []
    for link, curves in drawn:
        spots = [_on_curve(curve, t) for t in STEPS for curve in curves]
        inside = [(x, y) for x, y in spots if LABEL_MARGIN < x < WIDTH - LABEL_MARGIN and LABEL_HEIGHT < y < HEIGHT]
        free = [spot for spot in inside if not any(_overlap(spot, other) for other in taken)]
        x, y = (free or inside or spots)[0]
        taken.append((x, y))
        labels.append(
            f'<g class="link-label {link.verdict}" transform="translate({x:.0f} {y:.0f})" aria-hidden="true">'
            f'<rect x="{-LABEL_WIDTH / 2:.0f}" y="-24" width="{LABEL_WIDTH:.0f}" height="48" rx="24"/>'
            f'<text y="10">{escape(link.label)}</text></g>'
        )
    return labels


def _overlap(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < LABEL_WIDTH * 1.04 and abs(a[1] - b[1]) < LABEL_HEIGHT * 1.3


def _regions(scenario: Scenario, places: Mapping[str, Point]) -> list[str]:
    parts = []
    for region in scenario.deployment.region:
        x, y = places[region.name]
        nodes = [node for node in scenario.deployment.node if node.region == region.name]
        for node, (nx, ny) in zip(nodes, node_places((x, y), len(nodes)), strict=True):
            parts.append(
                f'<circle class="node" cx="{nx:.0f}" cy="{ny:.0f}" r="9"><title>{escape(node.id)}</title></circle>'
            )
        title = escape(region.title)
        parts.append(f'<text class="region" x="{x:.0f}" y="{y + 50:.0f}" aria-hidden="true">{title}</text>')
    return parts
