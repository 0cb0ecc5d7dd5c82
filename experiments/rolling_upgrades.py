"""How to upgrade seven validators without losing the quorum, and what each way costs.

Question
--------
A quorum is five of seven, so two nodes may be down. What do the ways to upgrade all seven cost clients, blocks, time
and money: one after another, with a canary, two at a time, a region at a time, all at once, blue and green?

Setup
-----
The deployment ``rc3``. An upgrade stops a node's process for 60 s (assumed) and starts it again; the next one begins
90 s after the last has begun, when it is back. The canary is watched for five minutes before the others follow. Blue
and green: a second machine stands ready with the chain, and takes over in 5 s (assumed), one after another; it is paid
for an hour. Each way once as it is and once drained, which means that the balancers send a node no new request from
15 s before its stop until 30 s after its start. Counted are failed requests, the longest time between two blocks that
became final, and how long the upgrade takes.

Answer
------
The printed verdict, and docs/figures/rolling_upgrades.png. In short: one after another keeps the chain going, and
drained no request fails. Two at a time, or a region at a time, keep a quorum too, with nothing to spare, in half the
time; all at once stops the chain and its clients. Draining does all there is to do for clients.

Limits
------
The new version starts as the old one did and speaks the same protocol; nothing is rolled back. Trust that nodes lose
by missed reveals is as in the model (docs/limitations.md). Money is that of ``models/prices``, machines only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import bitcell_sim
from bitcell_sim.config.loader import load_prices
from bitcell_sim.config.schema import Drain, Fault, NodeFault

if TYPE_CHECKING:
    from bitcell_sim import Run
    from bitcell_sim.report.charts import LabFigure

START_S, STOP_S, GAP_S, WATCH_S, TAKEOVER_S = 240.0, 60.0, 90.0, 300.0, 5.0
BEFORE_S, AFTER_S = 15.0, 30.0
SETTLE_S = 300.0
FIGURE = "rolling_upgrades.png"
TABLE = "rolling_upgrades.csv"
NODES = tuple(node.id for node in bitcell_sim.load_scenario("rc3").deployment.node)
REGIONS = (NODES[6:], NODES[4:6], NODES[2:4], NODES[0:2])


@dataclass(frozen=True)
class Way:
    """A way to upgrade: groups that go together, one group after another."""

    name: str
    groups: tuple[tuple[str, ...], ...]
    stop_s: float = STOP_S
    watch_s: float = 0.0
    extra_machines: int = 0

    def starts(self) -> list[float]:
        """When each group goes, seconds."""
        return [START_S + place * GAP_S + (self.watch_s if place else 0.0) for place in range(len(self.groups))]

    def faults(self, drained: bool) -> tuple[Fault, ...]:
        """Stops, and the drains around them."""
        found: list[Fault] = []
        for start_s, group in zip(self.starts(), self.groups, strict=True):
            for node in group:
                found.append(NodeFault(kind="process-crash", node=node, start_s=start_s, duration_s=self.stop_s))
                if drained:
                    length_s = BEFORE_S + self.stop_s + AFTER_S
                    found.append(Drain(kind="drain", target=node, start_s=start_s - BEFORE_S, duration_s=length_s))
        return tuple(found)

    @property
    def end_s(self) -> float:
        """When the last group is back, seconds."""
        return self.starts()[-1] + self.stop_s


ONE = tuple((node,) for node in NODES)
WAYS = (
    Way("one at a time", ONE),
    Way("canary, then one at a time", ONE, watch_s=WATCH_S),
    Way("two at a time", (NODES[6:], NODES[0:3:2], NODES[1:4:2], NODES[4:6])),
    Way("a region at a time", REGIONS),
    Way("all at once", (NODES,)),
    Way("blue and green", ONE, stop_s=TAKEOVER_S, extra_machines=len(NODES)),
)


@dataclass(frozen=True)
class Outcome:
    """Requests that failed, requests, and the longest seconds without a final block, of one run."""

    failed: int
    sent: int
    gap_s: float


def measure(way: Way, drained: bool, replications: int) -> list[Outcome]:
    """Some runs of one way."""
    scenario = bitcell_sim.load_scenario("rc3")
    update = {"fault": way.faults(drained), "duration_s": way.end_s + SETTLE_S}

    def observe(run: Run) -> Outcome:
        frame = run["transactions"]
        frame = frame[frame["submitted_ms"].between((START_S - BEFORE_S) * 1e3, (way.end_s + AFTER_S) * 1e3)]
        final_s = np.sort(run["finals"].groupby("block")["at_ms"].min().to_numpy()) / 1e3
        moments = np.append(final_s, run.simulated_s)
        return Outcome(int((frame["request"] != "ok").sum()), len(frame), float(np.diff(moments).max()))

    return bitcell_sim.replicate(scenario.model_copy(update=update), replications=replications, measure=observe)


def verdict(found: dict[tuple[Way, bool], list[Outcome]]) -> str:
    """One line a way, then the answer."""
    prices = load_prices()
    lines = [f"{'way':28} {'minutes':>8} {'failed':>9} {'drained':>9} {'longest gap':>12} {'dollars':>8}"]
    for way in WAYS:
        plain, drained = found[way, False], found[way, True]
        lines.append(
            f"{way.name:28} {(way.end_s - START_S) / 60:8.1f} {failed(plain):9.2%} {failed(drained):9.2%}"
            f" {gap(drained):10.0f} s {way.extra_machines * prices.node.hour_usd:8.2f}"
        )
    undisturbed = gap(found[WAYS[-1], True])
    one, whole = WAYS[0], WAYS[4]
    lines.append(
        f"Verdict: one at a time, drained, upgrades all seven in {(one.end_s - START_S) / 60:.0f} minutes with"
        f" {failed(found[one, True]):.2%} of the requests failed ({failed(found[one, False]):.1%} undrained) and"
        f" at most {gap(found[one, True]):.0f} s between blocks; all at once {failed(found[whole, False]):.0%} fail and"
        f" it is {gap(found[whole, False]):.0f} s. Blue and green has {undisturbed:.0f} s and"
        f" {failed(found[WAYS[-1], True]):.2%}, for {WAYS[-1].extra_machines * prices.node.hour_usd:.2f} dollars."
    )
    return "\n".join(lines)


def failed(rows: Sequence[Outcome]) -> float:
    """Share of requests that failed, all runs together."""
    return sum(row.failed for row in rows) / sum(row.sent for row in rows)


def gap(rows: Sequence[Outcome]) -> float:
    """Longest seconds without a final block, mean over runs."""
    return float(np.mean([row.gap_s for row in rows]))


def draw(found: dict[tuple[Way, bool], list[Outcome]]) -> LabFigure:
    """Failed requests and longest gap, plain and drained, by way."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import BLUE, GREEN, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(9.5, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        y = np.arange(len(WAYS))[::-1]
        for offset, drained, colour in ((0.2, False, BLUE), (-0.2, True, GREEN)):
            label = "drained before" if drained else "as it is"
            for axes, value, form in ((left, failed, "{:.2%}"), (right, gap, "{:.0f} s")):
                values = [value(found[way, drained]) for way in WAYS]
                drawn = [100.0 * v for v in values] if axes is left else values
                axes.barh(y + offset, drawn, height=0.38, color=colour, alpha=0.85, label=label)
                for place, at, said in zip(y + offset, drawn, values, strict=True):
                    axes.text(at, place, " " + form.format(said), va="center", fontsize=8)
        left.set_yticks(y, [way.name for way in WAYS])
        left.set_xlabel("% of requests that fail during the upgrade")
        right.set_xlabel("longest time without a final block, s")
        left.legend(loc="upper right")
        for axes in (left, right):
            axes.margins(x=0.25)
        figure.suptitle("Upgrading seven validators", x=0.01, ha="left", fontsize=10)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run each")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    replications = 1 if options.quick else 6
    found = {(way, drained): measure(way, drained, replications) for way in WAYS for drained in (False, True)}
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    lines = ["way,drained,failed_share,longest_gap_s"]
    lines += [f'"{w.name}",{drained},{failed(rows):.6f},{gap(rows):.2f}' for (w, drained), rows in found.items()]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
