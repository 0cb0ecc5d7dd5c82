"""The smallest set of changes to RC3 after which it meets every target that physics allows.

Question
--------
RC3 misses its targets of throughput, proofs and latency, and some of its chaos tests are in doubt. How little has to be
changed for it to meet all of them? Which can no change meet?

Setup
-----
Every design within reach is predicted (``bitcell_sim.studies.search``): the battle engine, the phases of a round, the
cap and gas limit of a block, cores, memory, the proof and its prover, restarts, and every placement of the four regions
that the measured matrices of three providers know. Kept are the designs that no other beats in targets met, settings
changed and size (doublings: logarithms of the factors by which settings change). Of this front RC3 itself, the designs
of one setting and the best one are then run and judged as ``verify`` does, the best one with its chaos tests, too. The
deployment ``rc3-tuned`` is the best one.

Answer
------
The printed verdict, and docs/figures/tuned_rc3.png. In short: five settings. The sparse battle engine, 1700
transactions a block with the gas for them, a grid of 24 for proofs, and a restart in 10 s. The regions stay where they
are: three latency targets fail wherever they are put.

Limits
------
Settings are counted, not weighed by what they cost to build; the sparse engine is this lab's and exists, the restart is
assumed, and a proof of a smaller grid attests a smaller battle. Placements are those of the matrices: routes that
nobody measured may be shorter, down to light in fibre. Predictions of targets that are not in the figure's table are
not made: they have to hold before and after.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.studies.placement import Nearest
from bitcell_sim.studies.search import Search, Tuned, search

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

FIGURE = "tuned_rc3.png"
TABLE = "tuned_rc3.csv"
TUNED = "rc3-tuned"


@dataclass(frozen=True)
class Confirmed:
    """A design, and the rows that running it gave."""

    tuned: Tuned
    rows: Mapping[str, Mapping[str, Any]]

    @property
    def wrong(self) -> list[str]:
        """Predicted rows that running it does not confirm, either way."""
        return [name for name, row in self.rows.items() if (row["verdict"] == "pass") != (name in self.tuned.met)]


def confirm(tuned: Tuned, known: frozenset[str], replications: int, only: Sequence[str]) -> Confirmed:
    """Run a design and judge those of its rows that were predicted."""
    rows: dict[str, Mapping[str, Any]] = {}
    for pattern in only:
        card = bitcell_sim.verify("rc3", quick=True, replications=replications, sets=tuned.change.sets, only=pattern)
        rows |= {row["id"]: row for row in card.rows if row["id"] in known}
    return Confirmed(tuned, rows)


def verdict(found: Search, confirmed: Sequence[Confirmed]) -> str:
    """The front, what running it says, what is out of reach, and the answer."""
    lines = [f"{found.designs:,} designs predicted, among them {found.placed} placements; the front:"]
    by_design = {entry.tuned: entry for entry in confirmed}
    for tuned in found.front:
        entry = by_design.get(tuned)
        said = ""
        if entry is not None:
            doubt = f", not {', '.join(entry.wrong)}" if entry.wrong else ""
            said = f"; run: {len(entry.rows) - len(entry.wrong)} of {len(entry.rows)} rows as predicted{doubt}"
        change = tuned.change
        words = change.words or "as it stands"
        size = f"{change.settings} settings, {change.doublings:4.1f} doublings"
        lines.append(f"  {len(tuned.met):2} targets, {size}: {words}{said}")
    lines += ["out of reach:", *(f"  {row.sentence}" for row in found.out_of_reach)]
    best = found.best
    own = found.front[0]
    lines.append(
        f"Verdict: {best.change.settings} changed settings let RC3 meet {len(best.met)} of the predicted targets"
        f" instead of {len(own.met)}: {best.change.words}. No placement of its regions, of {found.placed},"
        f" meets the other {len(found.out_of_reach)}: {', '.join(row.target for row in found.out_of_reach)}."
    )
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------------------- figure


def draw(found: Search, confirmed: Sequence[Confirmed]) -> LabFigure:
    """All designs and the front; and the latency targets beside the nearest placement and light."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(10.0, 8.4), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=[1.35, 1.0])
        _front(above, found, confirmed)
        _latency(below, found.nearest)
    return figure


def _front(axes: Any, found: Search, confirmed: Sequence[Confirmed]) -> None:
    from bitcell_sim.report.charts import BLUE, GREEN, GRID, INK

    latency = len([row for row in found.nearest if row.met])
    places = {(t.change.settings, len(t.met) + latency) for t in found.everything}
    axes.scatter(*zip(*sorted(places), strict=True), s=26, color=GRID, alpha=0.5, label="a design", linewidths=0)
    ran = {entry.tuned for entry in confirmed if not entry.wrong}
    least: dict[int, Tuned] = {}
    for tuned in found.front:
        settings = tuned.change.settings
        if settings not in least or len(tuned.met) > len(least[settings].met):
            least[settings] = tuned
    best_so_far, stairs = 0, []
    for settings in sorted(least):
        if len(least[settings].met) > best_so_far:
            best_so_far = len(least[settings].met)
            stairs.append(least[settings])
    x = [tuned.change.settings for tuned in stairs]
    y = [len(tuned.met) for tuned in stairs]
    axes.step(x, y, where="post", color=BLUE, linewidth=1.6, label="most targets with so many settings")
    for tuned in stairs:
        colour, marker = (GREEN, "o") if tuned in ran else (BLUE, "s")
        at = (tuned.change.settings, len(tuned.met))
        axes.plot(*at, marker=marker, markersize=8, color=colour, linestyle="none")
        words = "\n+ ".join((tuned.change.words or "RC3 as it stands").split(" and "))
        last = tuned is stairs[-1]
        offset, align = ((4, 7), "bottom") if last else ((10, -4), "top")
        axes.annotate(words, at, offset, textcoords="offset points", va=align, ha="left", fontsize=8, color=INK)
    axes.plot(
        [], [], marker="o", color=GREEN, linestyle="none", markersize=8, label="every row confirmed by running it"
    )
    reach = len(found.nearest) - len(found.out_of_reach) + len({row for t in found.everything for row in t.met})
    axes.axhline(reach, color=INK, linestyle=":", linewidth=1.1)
    axes.text(0.0, reach, "all that any placement of the regions allows", va="bottom", ha="left", fontsize=8.5)
    axes.set_xlim(-0.3, 9.3)
    axes.set_ylim(min(y) - 1.4, reach + 3.2)
    axes.set_xticks(range(10))
    axes.set_xlabel("settings changed")
    axes.set_ylabel("targets met")
    axes.legend(loc="lower right")
    axes.set_title(f"{found.designs:,} designs of RC3: targets met by settings changed")


def _latency(axes: Any, rows: Sequence[Nearest]) -> None:
    from bitcell_sim.report.charts import GREEN, INK, ORANGE
    from bitcell_sim.report.row_text import MARKS

    for place, row in enumerate(rows):
        colour = GREEN if row.met else ORANGE
        axes.plot([row.floor_ms, row.p95_ms], [place, place], color=colour, linewidth=5, alpha=0.35)
        axes.plot(row.floor_ms, place, marker="|", markersize=13, color=colour, markeredgewidth=2)
        axes.plot(row.p95_ms, place, marker="o" if row.met else "X", markersize=8, color=colour)
        axes.plot([row.limit_ms] * 2, [place - 0.36, place + 0.36], color=INK, linewidth=1.8)
        mark = MARKS["pass" if row.met else "fail"]
        words = f"{mark} {row.p95_ms:.0f} ms: {row.words}"
        axes.text(228, place, words, va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(rows)), [row.target.removeprefix("latency.") for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.set_xlim(0, 420)
    axes.set_xticks(range(0, 221, 40))
    axes.set_xlabel("round trip, ms: light in fibre |, p95 of the best placement, limit (grey line)")
    axes.set_title(f"Latency: the best of {rows[0].tried} placements for each target")


def write_table(found: Search, confirmed: Sequence[Confirmed], path: Path) -> None:
    """The front and the latency targets, as CSV."""
    lines = ["what,name,settings,doublings,met,limit,measured,floor,confirmed"]
    by_design = {entry.tuned: entry for entry in confirmed}
    for tuned in found.front:
        change, entry = tuned.change, by_design.get(tuned)
        said = "" if entry is None else str(not entry.wrong)
        words = change.words or "as it stands"
        lines.append(f'design,"{words}",{change.settings},{change.doublings:.4f},{len(tuned.met)},,,,{said}')
    lines += [
        f'latency,"{row.target}: {row.words}",,,{row.met},{row.limit_ms:g},{row.p95_ms:.3f},{row.floor_ms:.3f},'
        for row in found.nearest
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, run what was found, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="run the best design only, and few of its rows")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    found = search("rc3")
    known = frozenset(row for tuned in found.everything for row in tuned.met) | {row.target for row in found.nearest}
    if options.quick:
        confirmed = [confirm(found.best, known, 2, ["latency.*", "proof_memory"])]
    else:
        confirmed = [confirm(tuned, known, 11, ["*"]) for tuned in found.front if tuned.change.settings < 2]
        best, chaos = confirm(found.best, known, 11, ["*"]), confirm(found.best, known, 73, ["chaos.*"])
        confirmed.append(Confirmed(found.best, {**best.rows, **chaos.rows}))
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, confirmed).savefig(options.out / FIGURE, dpi=150)
    write_table(found, confirmed, options.out / TABLE)
    print(verdict(found, confirmed))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
