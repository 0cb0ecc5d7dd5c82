"""What a disaster costs: how much of the chain is lost, how long until it is back, and what protection costs a month.

Question
--------
The documents recommend backups, replication and a disaster recovery plan. Which losses does RC3 survive by itself, and
for the others: how much is lost (recovery point, RPO), how long is it away (recovery time, RTO), for what money?

Setup
-----
In the mesh: one node, one region, and all seven machines lost for ten minutes, ten transactions a second; counted are
transactions that were final before and are so no longer, accepted ones that are lost, and the time until the next block
is final. On paper, for a disaster that takes all seven disks: no backup; snapshots once a day and once an hour, copied
to another region; a standby node outside, which follows the chain. A snapshot loses what came after it; the standby what
it had not yet seen final. Back is who has new machines (the deployment's repair of a host), the snapshot read
(``models/prices``: MB a second) and the process started. The chain grows as in the runs; it is taken to be a year old.

Answer
------
The printed verdict, and docs/figures/disaster_recovery.png. In short: replication over seven nodes is the backup for
anything that leaves five of them; no final transaction is ever lost there. For the rest a standby costs most and loses
seconds; hourly snapshots cost a few dollars.

Limits
------
A snapshot is taken to be whole and tested; who decides that a disaster is one is not in the time. Snapshots hold blocks,
not pools. Costs are list prices; a snapshot stores what has changed since the one before, once, and one copy of it all.
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
from bitcell_sim.config.schema import Fault, NodeFault, RegionLoss

if TYPE_CHECKING:
    from bitcell_sim import Run
    from bitcell_sim.report.charts import LabFigure

SCENARIO = bitcell_sim.load_scenario("rc3")
PRICES = load_prices()
START_S, HELD_S, AFTER_S = 300.0, 600.0, 900.0
YEAR_S = 365.0 * 86_400.0
GB, MB = 1e9, 1e6
FIGURE = "disaster_recovery.png"
TABLE = "disaster_recovery.csv"


@dataclass(frozen=True)
class Loss:
    """What the mesh made of a loss; means over runs.

    Parameters
    ----------
    name : str
        What was lost.
    final_lost, accepted_lost : float
        Transactions a run: final before and not in the end; accepted and lost.
    back_s : float
        From the loss to the next final block, seconds.
    """

    name: str
    final_lost: float
    accepted_lost: float
    back_s: float


@dataclass(frozen=True)
class Plan:
    """A protection: what it loses, how long it takes, what it costs.

    Parameters
    ----------
    name : str
        What is done.
    rpo_s, rto_s : float
        Most seconds of chain lost (infinite: all of it), and seconds until blocks are made again.
    month_usd : float
        US dollars a month.
    """

    name: str
    rpo_s: float
    rto_s: float
    month_usd: float


def losses(replications: int) -> tuple[list[Loss], float]:
    """Losses in the mesh, and bytes of final blocks a second."""
    cases: dict[str, tuple[Fault, ...]] = {
        "one node": (_host("us-east-1"),),
        "one region (2 nodes)": (RegionLoss(kind="region-loss", region="us-east", start_s=START_S, duration_s=HELD_S),),
        "all seven machines": tuple(_host(node.id) for node in SCENARIO.deployment.node),
    }
    found, bytes_per_s = [], []
    for name, faults in cases.items():
        update = {"fault": faults, "duration_s": START_S + HELD_S + AFTER_S}
        runs = bitcell_sim.replicate(SCENARIO.model_copy(update=update), replications=replications, measure=_observe)
        final, accepted, back, rate = (float(np.mean(column)) for column in zip(*runs, strict=True))
        found.append(Loss(name, final, accepted, back))
        bytes_per_s.append(rate)
    return found, max(bytes_per_s)


def _host(node: str) -> NodeFault:
    return NodeFault(kind="host-loss", node=node, start_s=START_S, duration_s=HELD_S)


def _observe(run: Run) -> tuple[int, int, float, float]:
    """Final ones that are no longer so, accepted ones lost, seconds to the next final block, bytes a second."""
    frame, blocks = run["transactions"], run["blocks"]
    first_ms = run["finals"].groupby("block")["at_ms"].min()
    before = set(first_ms.index[first_ms < START_S * 1e3])
    kept = blocks[blocks["state"] == "final"]
    lost = int(frame["block"].isin(before - set(kept["block"])).sum())
    after = first_ms[first_ms > START_S * 1e3]
    back_s = (float(after.min()) / 1e3 if len(after) else run.simulated_s) - START_S
    return lost, int((frame["state"] == "lost").sum()), back_s, float(kept["size_bytes"].sum()) / run.simulated_s


def plans(bytes_per_s: float) -> list[Plan]:
    """The protections, for a chain that has grown for a year."""
    recovery = SCENARIO.deployment.recovery
    chain_gb, day_gb = bytes_per_s * YEAR_S / GB, bytes_per_s * 86_400.0 / GB
    fresh_s = recovery.host_repair_median_s + recovery.restart_median_s
    read_s = chain_gb * GB / MB / PRICES.restore_mb_per_s
    stored = chain_gb * PRICES.snapshot_gb_month_usd + 30.0 * day_gb * PRICES.between_regions_gb_usd
    round_s = 60.0
    machine = PRICES.month_h * PRICES.node.hour_usd
    disk = SCENARIO.deployment.hardware.disk_gb * PRICES.disk_gb_month_usd
    follows = 30.0 * day_gb * PRICES.between_regions_gb_usd
    return [
        Plan("no backup", float("inf"), fresh_s, 0.0),
        Plan("snapshot a day, elsewhere", 86_400.0, fresh_s + read_s, stored),
        Plan("snapshot an hour, elsewhere", 3_600.0, fresh_s + read_s, stored),
        Plan("standby node outside", round_s, fresh_s + read_s, machine + disk + follows),
        Plan("seven standby nodes outside", round_s, recovery.restart_median_s, 7.0 * (machine + disk + follows)),
    ]


def verdict(found: Sequence[Loss], made: Sequence[Plan], bytes_per_s: float) -> str:
    """Losses, plans, and the answer."""
    lines = ["in the mesh, means of a run:"]
    lines += [
        f"  {loss.name:24} {loss.final_lost:4.0f} final and {loss.accepted_lost:5.1f} accepted lost;"
        f" next block final after {loss.back_s:4.0f} s"
        for loss in found
    ]
    lines.append(f"on paper, all disks lost, a chain of {bytes_per_s * YEAR_S / GB:.0f} GB (a year):")
    lines += [
        f"  {plan.name:28} RPO {_time(plan.rpo_s):>10}, RTO {_time(plan.rto_s):>8}, {plan.month_usd:7.2f} dollars a month"
        for plan in made
    ]
    survived = [loss for loss in found if loss.final_lost == 0.0]
    hourly, standby = made[2], made[3]
    lines.append(
        f"Verdict: no final transaction is lost with {', '.join(loss.name for loss in survived)}; with one region blocks"
        f" go on after {found[1].back_s:.0f} s. If all disks go, a snapshot an hour loses up to {_time(hourly.rpo_s)} and"
        f" is back after {_time(hourly.rto_s)}, for {hourly.month_usd:.2f} dollars a month; a standby loses a round for"
        f" {standby.month_usd:.0f}."
    )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    """Seconds as people say them."""
    if np.isinf(seconds):
        return "all of it"
    for unit, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"


def draw(made: Sequence[Plan]) -> LabFigure:
    """Recovery point against recovery time, the money as a label."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import INK, PALETTE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(8.0, 4.2), layout="constrained")
        axes = figure.subplots()
        for plan, colour, marker in zip(made, PALETTE, "Xos^D", strict=False):
            x = min(plan.rpo_s, YEAR_S)
            axes.plot(x, plan.rto_s, marker=marker, markersize=10, color=colour, linestyle="none")
            right = x > 1e5
            words = f"{plan.name}\n{plan.month_usd:.2f} $ a month"
            offset, align = ((-9, 0), "right") if right else ((9, 0), "left")
            offset = (offset[0], 20) if plan is made[2] else offset
            axes.annotate(
                words, (x, plan.rto_s), offset, textcoords="offset points", va="center", ha=align, fontsize=8.5
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([60, 3600, 86_400, YEAR_S], ["1 min", "1 h", "1 day", "all of it"])
        axes.set_yticks([10, 60, 600, 3600], ["10 s", "1 min", "10 min", "1 h"])
        axes.set_xticks([], minor=True)
        axes.set_yticks([], minor=True)
        axes.set_xlim(20, YEAR_S * 3)
        axes.set_ylim(10, 5000)
        axes.set_xlabel("lost at most (RPO)", color=INK)
        axes.set_ylabel("until blocks are made again (RTO)", color=INK)
        axes.set_title("All seven disks are gone: what each protection leaves, and its price")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, count, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run each")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    found, bytes_per_s = losses(1 if options.quick else 10)
    made = plans(bytes_per_s)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(made).savefig(options.out / FIGURE, dpi=150)
    lines = ["what,name,final_lost,accepted_lost,back_s,rpo_s,rto_s,usd_per_month"]
    lines += [f"loss,{w.name},{w.final_lost:.3f},{w.accepted_lost:.3f},{w.back_s:.2f},,," for w in found]
    lines += [f'plan,"{p.name}",,,,{p.rpo_s:g},{p.rto_s:.1f},{p.month_usd:.2f}' for p in made]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(found, made, bytes_per_s))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
