"""Which of the expected round trips hold, by provider and by where its regions are put.

Question
--------
The RC3 documents expect six round trips between four regions, and less than 200 ms for all. Which of them hold at which
provider, with its usual regions and with the best ones?

Setup
-----
Three sources: AWS 2025 (twelve regions), Azure 2026 (all 54) and Google Cloud 2022 (five). Of each, the usual placement
and the one that meets most targets, with the fewest moves; the 95th percentile of every pair of regions in its worse
direction. The usual placements are pinged in the mesh as ``verify`` does, too.

Answer
------
The printed verdict, and docs/figures/latency_by_provider.png. In short: four of the seven at best, whoever the provider
is. From the United States to the south-east of Asia nobody is fast enough, and so the worst pair is never below 200 ms.

Limits
------
The sources are of different years and methods (docs/limitations.md): Azure publishes both quantiles, AWS's and Google's
spread is borrowed from Azure's pairs. Predictions leave out jitter of 0.1 ms. Which region stands for which part of the
world is the deployment's list.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import bitcell_sim
from bitcell_sim.studies.placement import PREFIX, SOURCES, Placement, limits, placements

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

    from bitcell_sim.report.charts import LabFigure

FIGURE = "latency_by_provider.png"
TABLE = "latency_by_provider.csv"
SCENARIO = bitcell_sim.load_scenario("rc3")
LIMITS = limits(SCENARIO)


def columns() -> list[Placement]:
    """The usual placement of every source, and its best where that meets more."""
    found = placements(SCENARIO)
    chosen = []
    for name in SOURCES:
        mine = [place for place in found if place.source == name]
        usual = next(place for place in mine if place.moved == 0)
        chosen += [usual] if len(mine[0].met) == len(usual.met) else [usual, mine[0]]
    return chosen


def simulated(usual: Sequence[Placement]) -> dict[str, Mapping[str, float]]:
    """The same figures by pings in the mesh, by source."""
    found: dict[str, Mapping[str, float]] = {}
    for place in usual:
        card = bitcell_sim.verify("rc3", quick=True, latency=place.source, only=f"{PREFIX}*")
        found[place.source] = {row["id"]: row["measured"] for row in card.rows}
    return found


def verdict(places: Sequence[Placement], pinged: Mapping[str, Mapping[str, float]]) -> str:
    """One line a placement, the largest difference to the mesh, and the answer."""
    lines = []
    for place in places:
        missed = ", ".join(sorted(target.removeprefix(PREFIX) for target in set(LIMITS) - place.met))
        lines.append(f"{len(place.met)} of {len(LIMITS)} {place.source}: {', '.join(place.places)}; not {missed}")
    off = [
        abs(place.p95_ms[target] / value - 1.0)
        for place in places
        if place.moved == 0 and place.source in pinged
        for target, value in pinged[place.source].items()
    ]
    never = set(LIMITS) - {target for place in placements(SCENARIO) for target in place.met}
    lines.append(
        f"Verdict: at most {max(len(place.met) for place in places)} of {len(LIMITS)} hold anywhere;"
        f" {', '.join(sorted(target.removeprefix(PREFIX) for target in never))} hold at no provider, wherever it is."
        f" Pings in the mesh differ from the closed form by at most {max(off):.1%}."
    )
    return "\n".join(lines)


def draw(places: Sequence[Placement]) -> LabFigure:
    """A cell for every target and placement: its p95, and whether it is below the limit."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import GREEN, INK, ORANGE, STYLE, LabFigure
    from bitcell_sim.report.row_text import MARKS

    with rc_context(STYLE):
        figure = LabFigure(figsize=(9.5, 4.6), layout="constrained")
        axes = figure.subplots()
        for x, place in enumerate(places):
            for y, (target, limit) in enumerate(LIMITS.items()):
                p95, met = place.p95_ms[target], target in place.met
                colour = GREEN if met else ORANGE
                axes.add_patch(_cell(x, y, colour))
                axes.text(x, y, f"{MARKS['pass' if met else 'fail']} {p95:.0f}", ha="center", va="center", color=colour)
                if x == 0:
                    name = target.removeprefix(PREFIX).replace(".", " - ")
                    axes.text(-0.62, y, f"{name}  < {limit:g} ms", ha="right", va="center")
            head = [place.source, "usual" if place.moved == 0 else f"best: {place.moved} moved", *place.places]
            axes.text(x, -0.65, "\n".join(head), ha="center", va="bottom", fontsize=8, color=INK)
        axes.set_xlim(-2.5, len(places) - 0.4)
        axes.set_ylim(len(LIMITS) - 0.4, -2.9)
        axes.axis("off")
        figure.suptitle("Round trips at p95, ms, worse direction", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def _cell(x: int, y: int, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, facecolor=colour, alpha=0.15, linewidth=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ping one source only")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    places = columns()
    usual = [place for place in places if place.moved == 0]
    pinged = simulated(usual[:1] if options.quick else usual)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(places).savefig(options.out / FIGURE, dpi=150)
    lines = ["source,places,target,p95_ms,limit_ms,met"]
    lines += [
        f'{place.source},"{" ".join(place.places)}",{target},{place.p95_ms[target]:.3f},{limit:g},{target in place.met}'
        for place in places
        for target, limit in LIMITS.items()
    ]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(places, pinged))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
