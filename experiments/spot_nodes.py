"""What spot machines save a month, and what they cost in uptime.

Question
--------
Spare machines cost half and are taken back with two minutes' notice. How many of the seven nodes may be such before the
network misses its 99.9 %, and does the notice help?

Setup
-----
The closed form behind the uptime target (``bitcell_sim.analysis.availability_theory``) with further faults: each spot
node is taken at a rate of its own (5 % a month by the price list; also 50 % a month, and once a day), and, which is the
worse case, all spot nodes of a region at once, at the same rate. A taken node is back after the deployment's repair of a
host (a median of six minutes), or two minutes sooner where the notice is used to start the next machine. Money: list
prices of machines (``models/prices``). One notice is also simulated in the mesh, used (drained) and not.

Answer
------
The printed verdict, and docs/figures/spot_nodes.png. In short: all seven may be spot, for less than half the money, and
even taken once a day the limit is met; what takes the network down are faults of whole networks, not of machines. The
notice, if it is used to drain the node, spares the clients; the limit does not need it.

Limits
------
Rates of spot machines are a snapshot of the upper end of the provider's least bracket; they rise when capacity is short
everywhere at once, which no independent process shows. A taken machine keeps its disk. Trust lost by absence, which
costs a node its mining (docs/limitations.md), is not in an availability.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import bitcell_sim
from bitcell_sim.analysis.availability_theory import MONTH_H, Component, build_mesh, steady_availability
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config.loader import load_prices
from bitcell_sim.config.schema import Drain, NodeFault

if TYPE_CHECKING:
    from bitcell_sim import Run
    from bitcell_sim.report.charts import LabFigure

SCENARIO = bitcell_sim.load_scenario("rc3")
PRICES = load_prices()
ORDER = (6, 0, 2, 4, 1, 3, 5)  # nodes that become spot, spread over the regions first
LIMIT = 0.999
START_S, RUN_S = 300.0, 1100.0
HOST, REGION = 1, 3
FIGURE = "spot_nodes.png"
TABLE = "spot_nodes.csv"


@dataclass(frozen=True)
class Rate:
    """How often a spot machine is taken, events a month, and in words."""

    name: str
    per_month: float


RATES = (
    Rate("5 % a month", -math.log(1.0 - PRICES.spot.interrupted_per_month_probability)),
    Rate("50 % a month", math.log(2.0)),
    Rate("once a day", MONTH_H / 24.0),
)


def availability(spot: int, rate: Rate, *, together: bool, noticed: bool) -> float:
    """Share of time in service with so many spot nodes."""
    deployment = SCENARIO.deployment
    names = [region.name for region in deployment.region]
    home = [names.index(node.region) for node in deployment.node]
    stakes = [node.stake for node in deployment.node]
    mesh = build_mesh(SCENARIO.fault_rates, home, -(-quorum_stake(stakes) // max(stakes)))
    chosen = ORDER[:spot]
    repair_s = deployment.recovery.host_repair_median_s - (PRICES.spot.notice_s if noticed else 0.0)
    groups = [tuple(node for node in chosen if home[node] == region) for region in sorted(set(home))]
    lost = [group for group in groups if group] if together else [(node,) for node in chosen]
    kind = REGION if together else HOST
    taken = tuple(
        Component(kind, 100 + place, nodes, MONTH_H / rate.per_month, repair_s, deployment.recovery.host_repair_sigma)
        for place, nodes in enumerate(lost)
    )
    return steady_availability(replace(mesh, components=(*mesh.components, *taken)))


def cost_usd(spot: int) -> float:
    """US dollars a month of the machines."""
    nodes = len(SCENARIO.deployment.node)
    return PRICES.month_h * PRICES.node.hour_usd * (nodes - spot + spot * PRICES.spot.price_ratio)


def one_notice(replications: int) -> dict[bool, float]:
    """Failed requests in the ten minutes after a notice, mean over runs, by whether it was used."""
    gone_s = START_S + PRICES.spot.notice_s

    def failed(run: Run) -> int:
        frame = run["transactions"]
        return int(
            (frame["request"][frame["submitted_ms"].between(START_S * 1e3, (START_S + 600.0) * 1e3)] != "ok").sum()
        )

    found = {}
    for used in (False, True):
        loss = NodeFault(kind="host-loss", node="us-east-1", start_s=gone_s, duration_s=240.0)
        drain = Drain(kind="drain", target="us-east-1", start_s=START_S, duration_s=PRICES.spot.notice_s + 400.0)
        update = {"fault": (loss, drain) if used else (loss,), "duration_s": RUN_S}
        runs = bitcell_sim.replicate(SCENARIO.model_copy(update=update), replications=replications, measure=failed)
        found[used] = sum(runs) / len(runs)
    return found


def down_min(share: float) -> float:
    """Minutes a month out of service."""
    return (1.0 - share) * MONTH_H * 60.0


def verdict(noticed: dict[bool, float]) -> str:
    """A table of minutes down, then the answer."""
    lines = ["minutes down a month by spot nodes 0..7 (each alone | a region's together), dollars a month:"]
    lines.append("  " + " ".join(f"{cost_usd(k):12.0f} $" for k in range(8)))
    for rate in RATES:
        cells = []
        for k in range(8):
            alone, together = (down_min(availability(k, rate, together=t, noticed=False)) for t in (False, True))
            cells.append(f"{alone:6.1f} | {together:5.1f}")
        lines.append(f"  {' '.join(cells)}  {rate.name}")
    daily = [k for k in range(8) if availability(k, RATES[2], together=True, noticed=True) >= LIMIT]
    today = availability(7, RATES[0], together=True, noticed=False)
    lines.append(
        f"Verdict: with all seven on spot machines taken at {RATES[0].name} the network is up {today:.4%}"
        f" ({down_min(today):.1f} minutes down a month, {down_min(availability(0, RATES[0], together=True, noticed=False)):.1f}"
        f" without), for {cost_usd(7):.0f} instead of {cost_usd(0):.0f} dollars a month. Taken once a day, a region's"
        f" together, at most {max(daily)} of them may be. A notice that is used saves {noticed[False] - noticed[True]:.0f} of"
        f" {noticed[False]:.0f} failed requests."
    )
    return "\n".join(lines)


def draw() -> LabFigure:
    """Minutes down a month against dollars a month, a curve a rate."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import BLUE, GREEN, INK, ORANGE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(8.0, 4.4), layout="constrained")
        axes = figure.subplots()
        cost = [cost_usd(k) for k in range(8)]
        for rate, colour, marker in zip(RATES, (GREEN, BLUE, ORANGE), "osD", strict=True):
            for noticed, line in ((False, "-"), (True, "--")):
                down = [down_min(availability(k, rate, together=True, noticed=noticed)) for k in range(8)]
                label = f"{rate.name}, notice {'used' if noticed else 'ignored'}"
                axes.plot(cost, down, color=colour, marker=marker, linestyle=line, markersize=5, label=label)
        limit = down_min(LIMIT)
        axes.axhline(limit, color=INK, linestyle=":", linewidth=1.2)
        axes.text(cost[0], limit, f"99.9 %: {limit:.1f} min", va="bottom", ha="right", fontsize=8.5)
        axes.set_yscale("log")
        axes.set_yticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
        axes.set_yticks([], minor=True)
        axes.set_ylim(4.0, 220.0)
        for k in range(8):
            axes.annotate(f"{k}", (cost[k], axes.get_ylim()[0]), (0, 3), textcoords="offset points", ha="center")
        axes.set_xlabel("machines of seven nodes, dollars a month (number: spot nodes among them)")
        axes.set_ylabel("out of service, minutes a month")
        axes.legend(loc="upper right")
        axes.set_title("Spot nodes: money against uptime, a region's taken together")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run with and without notice")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    noticed = one_notice(1 if options.quick else 10)
    options.out.mkdir(parents=True, exist_ok=True)
    draw().savefig(options.out / FIGURE, dpi=150)
    lines = ["rate,together,noticed,spot_nodes,usd_per_month,availability"]
    lines += [
        f"{rate.name},{together},{used},{k},{cost_usd(k):.2f},{availability(k, rate, together=together, noticed=used):.8f}"
        for rate in RATES
        for together in (False, True)
        for used in (False, True)
        for k in range(8)
    ]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(noticed))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
