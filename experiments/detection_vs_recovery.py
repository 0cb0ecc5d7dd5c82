"""Can a scrape every 15 s and two minutes of patience witness a recovery within 60 s, and what can.

Question
--------
RC3 promises that a node recovers within 60 s and a region within 120 s, and that Prometheus (every 15 s) and NodeDown
(`for: 2m`) watch over it. Which outages does such an alert see at all, and how well does a scrape measure their
length?

Setup
-----
Outages of one process, from 5 s to 4 min, at moments drawn uniformly over the scrapes; the real rule engine
(promtool) on the series that scrapes would give. Four ways to ask: NodeDown as it is; a rule that looks back and has
no patience; one that sees a counter begin again; NodeDown on a probe every second with five seconds of patience.
Beside it the length that scrapes every 15 and every second measure: failed ones times their interval.

Answer
------
NodeDown sees nothing that lasts two minutes or less, so it can witness neither promise. A rule that looks back sees
every outage longer than a scrape interval; a counter that begins again shows all, once the process is back; both
leave the length open by 15 s either way. A probe every second sees and measures them.

Limits
------
The process answers at once when it is back. Machines that are silent make scrapes time out, which only makes the
first way later. Alertmanager's own wait (30 s) comes on top of every delay.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.analysis.scraped import STALE, VALUE, Scraped, Series
from bitcell_sim.errors import MissingToolError
from bitcell_sim.judges.rules import firings
from bitcell_sim.random_streams import Stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bitcell_sim.kernels.arrays import Floats

FIGURE, TABLE = "detection_vs_recovery.png", "detection_vs_recovery.csv"
LENGTHS_S = (5, 10, 15, 20, 30, 45, 60, 75, 90, 105, 120, 135, 150, 180, 240)
QUICK_LENGTHS_S = (10, 30, 60, 120, 150, 240)
LEAD_S, TAIL_S = 330.0, 330.0  # longer than the longest window
NODE_LIMIT_S, REGION_LIMIT_S = 60.0, 120.0
MEASURED_EVERY_S = (15.0, 1.0)


@dataclass(frozen=True)
class Way:
    """One way to ask whether a process was down.

    Parameters
    ----------
    name : str
        For people.
    expr : str
        The alert's expression.
    for_s : int
        Its patience, seconds.
    scrape_s : float
        Seconds between scrapes, and between evaluations.
    """

    name: str
    expr: str
    for_s: int
    scrape_s: float


WAYS = (
    Way("NodeDown: every 15 s, for 2m", "up == 0", 120, 15.0),
    Way("looking back: min_over_time(up[2m]) == 0", "min_over_time(up[2m]) == 0", 0, 15.0),
    Way("a counter began again: resets(...[5m]) > 0", "resets(work_total[5m]) > 0", 0, 15.0),
    Way("a probe every second, for 5s", "up == 0", 5, 1.0),
)


@dataclass(frozen=True)
class Seen:
    """What one way made of outages of one length.

    Parameters
    ----------
    way : Way
        How it was asked.
    length_s : int
        Length of the outages, seconds.
    noticed_ratio : float
        Share that raised the alert.
    delay_s : float
        Median seconds from the onset to the alert; NaN if none did.
    """

    way: Way
    length_s: int
    noticed_ratio: float
    delay_s: float


def ask(way: Way, lengths_s: Sequence[int], count: int, seed: int) -> list[Seen]:
    """Let promtool judge outages of every length, each at its own moment."""
    draws = Stream.of(seed, "experiments.outage")
    longest = LEAD_S + max(lengths_s) + TAIL_S
    at_s = np.arange(0.0, longest, way.scrape_s)
    series, onset_s = [], {}
    for length in lengths_s:
        for number in range(count):
            node = f"{length}-{number}"
            onset_s[node] = LEAD_S + draws.uniform(length, number) * way.scrape_s
            up = ~((at_s >= onset_s[node]) & (at_s < onset_s[node] + length))
            back = at_s >= onset_s[node] + length
            work = np.where(back, at_s - onset_s[node] - length, at_s)
            everything = np.full(len(at_s), VALUE, np.uint8)
            series.append(Series("up", {"node": node}, everything, up.astype(np.float64)))
            series.append(
                Series("work_total", {"node": node}, np.where(up, VALUE, STALE).astype(np.uint8), np.floor(work))
            )
    asked = Scraped("anywhere", way.scrape_s, _needed(series, way), np.ones(len(at_s), np.bool_), blind=False)
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules.yml")
        rules.write_text(f"groups: [{{name: g, rules: [{{alert: Seen, expr: '{way.expr}', for: {way.for_s}s}}]}}]")
        fired = firings(rules, asked, {})
    first: dict[str, float] = {}
    for firing in fired:
        first.setdefault(dict(firing.labels)["node"], firing.first_s)
    found = []
    for length in lengths_s:
        delays = [first[node] - onset for node, onset in onset_s.items() if node in first and _of(node, length)]
        found.append(Seen(way, length, len(delays) / count, float(np.median(delays)) if delays else float("nan")))
    return found


def _of(node: str, length: int) -> bool:
    return node.split("-", maxsplit=1)[0] == str(length)


def _needed(series: Sequence[Series], way: Way) -> list[Series]:
    return [each for each in series if each.name in way.expr]


def measured_s(length_s: Floats, every_s: float) -> tuple[Floats, Floats]:
    """Least and most that failed scrapes make of an outage, seconds, over all moments it can begin at."""
    return np.floor(length_s / every_s) * every_s, np.ceil(length_s / every_s) * every_s


def verdict(seen: Sequence[Seen]) -> str:
    """The answer in words."""
    by = {(each.way.name, each.length_s): each for each in seen}
    lengths = sorted({each.length_s for each in seen})
    slow, back, reset, probe = (way.name for way in WAYS)
    sure = [length for length in lengths if by[slow, length].noticed_ratio == 1.0]
    least = max((length for length in lengths if by[slow, length].noticed_ratio == 0.0), default=0)
    at = min(lengths, key=lambda length: abs(length - NODE_LIMIT_S))
    shares = [f"{by[name, at].noticed_ratio:.0%}" for name in (back, reset, probe)]
    late = next((each.delay_s for each in seen if each.way.name == slow and each.noticed_ratio == 1.0), float("nan"))
    return (
        f"Verdict: NodeDown sees no outage of up to {least} s and all from {sure[0] if sure else 'none'} s on, "
        f"{late:.0f} s after the onset: it can witness neither a recovery within 60 s nor one within 120 s. "
        "Scrapes every 15 s read 60 s for anything between 45 and 75 s. "
        f"Of outages of {at} s, looking back notices {shares[0]}, a counter that begins again {shares[1]} once the "
        f"process is back, a probe every second {shares[2]}, {by[probe, at].delay_s:.0f} s after the onset."
    )


def draw(seen: Sequence[Seen]) -> Figure:
    """Share of outages noticed by their length, and what scrapes measure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_noticed(left, seen)
    _draw_measured(right)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_measured(axes: Any) -> None:
    """What scrapes make of outages around the limit."""
    truth = np.arange(30.0, 90.0, 0.25)
    for every, colour in zip(MEASURED_EVERY_S, ("#d55e00", "#0b9a72"), strict=True):
        low, high = measured_s(truth, every)
        axes.fill_between(truth, low, high, color=colour, alpha=0.35, linewidth=0, label=f"scrapes every {every:g} s")
    axes.plot(truth, truth, color="#757d88", linewidth=1.0, label="as it was")
    axes.axvline(NODE_LIMIT_S, color="#757d88", linestyle="--", linewidth=1.2)
    axes.axhline(NODE_LIMIT_S, color="#757d88", linestyle="--", linewidth=1.2)
    axes.text(NODE_LIMIT_S + 0.7, 31, "limit 60 s", color="#757d88", fontsize="small", va="bottom")
    axes.set_xlabel("length of the outage, s")
    axes.set_ylabel("what failed scrapes say it was, s")
    axes.set_title("The same outages, as scrapes measure them", loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def _draw_noticed(axes: Any, seen: Sequence[Seen]) -> None:
    styles = (("#d55e00", "o-"), ("#2f7fc1", "s-"), ("#a87a1c", "^--"), ("#0b9a72", "D:"))
    for way, (colour, style) in zip(WAYS, styles, strict=True):
        mine = [each for each in seen if each.way is way]
        axes.plot(
            [each.length_s for each in mine],
            [100 * each.noticed_ratio for each in mine],
            style,
            color=colour,
            markersize=5,
            label=way.name,
        )
    for limit, words in ((NODE_LIMIT_S, "node: 60 s"), (REGION_LIMIT_S, "region: 120 s")):
        axes.axvline(limit, color="#757d88", linestyle="--", linewidth=1.2)
        axes.text(limit + 2, 50, words, color="#757d88", rotation=90, va="center", fontsize="small")
    axes.set_xlabel("length of the outage, s")
    axes.set_ylabel("noticed, %")
    axes.set_ylim(-4, 104)
    axes.set_title("Outages that each way notices", loc="left", fontsize="medium")
    axes.set_xlim(0, 330)
    axes.legend(frameon=False, fontsize="small", loc="center right")


def write_table(seen: Sequence[Seen], path: Path) -> None:
    """Every point of the figure, as CSV."""
    lines = ["way,length_s,noticed_ratio,median_delay_s"]
    lines += [f'"{each.way.name}",{each.length_s},{each.noticed_ratio:.4f},{each.delay_s:.1f}' for each in seen]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer lengths and outages")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    lengths, count = (QUICK_LENGTHS_S, 6) if options.quick else (LENGTHS_S, 40)
    try:
        seen = [each for way in WAYS for each in ask(way, lengths, count, 1)]
    except MissingToolError as error:
        options.out.mkdir(parents=True, exist_ok=True)
        draw([]).savefig(options.out / FIGURE, dpi=150)
        print(f"Verdict: unknown: {error}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    draw(seen).savefig(options.out / FIGURE, dpi=150)
    write_table(seen, options.out / TABLE)
    print(verdict(seen))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
