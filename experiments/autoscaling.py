"""What autoscaling of provers and RPC nodes would save, and what it would cost in waiting.

Question
--------
The documents recommend autoscaling for RPC nodes and provers. RC3's proofs come six at a time, once a round. How many
machines do they need, started when needed or standing by, and what does either cost? From which load on is a node's RPC
the limit?

Setup
-----
The jobs of the deployment ``rc3`` (``proofs``: when each was asked for, core-seconds) are worked off by a farm of the
price list's machines (32 cores, one proof at a time each), in an event loop: a fixed number of machines; and a group
that starts a machine (60 s to its first work) for every waiting job up to a ceiling, and stops one that has been idle
for so long. What a machine takes for a job comes from the proof model. Paid is every second of a machine, on demand.
RPC nodes by arithmetic: core-seconds of checking a transaction, over the cores of a node.

Answer
------
The printed verdict, and docs/figures/autoscaling.png. In short: three machines that stand by have a block's proofs ready
before the next block. A group that starts machines when they are needed never has, as the start takes as long as a
round, and it saves nothing: the next proofs come before an idle machine is stopped. RPC nodes need no scaling: one
checks tens of thousands of transactions a second.

Limits
------
Machines are paid by the second without a minimum, witnesses arrive at once, and no machine fails. The load on the
provers follows blocks, not transactions: with RC3's rounds it never varies. RPC is taken to be the check of a
transaction alone; queries of the chain's state are not in the model.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import bitcell_sim
from bitcell_sim.config.loader import load_prices
from bitcell_sim.proving.cost import ProofConstants, predict

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

SCENARIO = bitcell_sim.load_scenario("rc3")
PRICES = load_prices()
FIGURE = "autoscaling.png"
TABLE = "autoscaling.csv"
CEILINGS = (1, 2, 3, 4, 6)
IDLE_S = (10.0, 60.0)
WARMUP_S = 240.0


@dataclass(frozen=True)
class Served:
    """What a farm made of the jobs.

    Parameters
    ----------
    name : str
        How it was scaled.
    machines : int
        At most.
    wait_s : float
        95th percentile from asked to proved, seconds.
    month_usd : float
        US dollars a month.
    """

    name: str
    machines: int
    wait_s: float
    month_usd: float


def job_s() -> float:
    """Seconds of one of RC3's proofs on a machine of the price list."""
    proof = SCENARIO.protocol.proof
    constants = ProofConstants.from_mapping(SCENARIO.proofs.model_dump())
    found = predict(
        constants, proof.circuit, grid=proof.grid, steps=proof.steps, cores=PRICES.prover.cores, prover=proof.prover
    )
    return found.seconds_measured


def asked_s(seed: int, duration_s: float) -> list[float]:
    """When the jobs of one run were asked for, seconds."""
    run = bitcell_sim.simulate("rc3", seed=seed, sets=[f"duration_s={duration_s}"])
    return sorted(float(at) / 1e3 for at in run["proofs"]["queued_ms"] if at > WARMUP_S * 1e3)


def serve(
    arrivals: Sequence[float], length_s: float, each_s: float, machines: int, idle_s: float | None
) -> tuple[list[float], float]:
    """Work jobs off, first come first served.

    Parameters
    ----------
    arrivals : sequence of float
        When jobs come, seconds, ascending.
    length_s : float
        Seconds that are looked at.
    each_s : float
        Seconds of a job.
    machines : int
        Most machines.
    idle_s : float or None
        Seconds after which an idle machine is stopped; None if all stand by always.

    Returns
    -------
    (list of float, float)
        Seconds from coming to done of each job, and machine seconds paid.
    """
    if idle_s is None:
        free = [arrivals[0]] * machines
        waits = []
        for at in arrivals:
            start = max(at, heapq.heappop(free))
            heapq.heappush(free, start + each_s)
            waits.append(start + each_s - at)
        return waits, machines * length_s
    running: list[tuple[float, float]] = []  # free from, and paid since
    waits, paid = [], 0.0
    for at in arrivals:
        stopped = [entry for entry in running if entry[0] + idle_s < at]
        running = [entry for entry in running if entry[0] + idle_s >= at]
        paid += sum(until + idle_s - since for until, since in stopped)
        soonest = min(running, default=None)
        if len(running) < machines and (soonest is None or soonest[0] > at):
            running.append((at + PRICES.prover_boot_s, at))
            soonest = min(running)
        assert soonest is not None
        running.remove(soonest)
        done = max(at, soonest[0]) + each_s
        running.append((done, soonest[1]))
        waits.append(done - at)
    return waits, paid + sum(until + idle_s - since for until, since in running)


def measure(arrivals: Sequence[Sequence[float]], length_s: float) -> list[Served]:
    """Every way to scale, over all runs."""
    each_s = job_s()
    served = []
    for idle_s in (None, *IDLE_S):
        for machines in CEILINGS:
            waits: list[float] = []
            paid = 0.0
            for jobs in arrivals:
                each_wait, each_paid = serve(jobs, length_s, each_s, machines, idle_s)
                waits += each_wait
                paid += each_paid
            month = paid / (length_s * len(arrivals)) * PRICES.month_h * PRICES.prover.hour_usd
            name = "standing by" if idle_s is None else f"started when needed, stopped after {idle_s:g} s"
            served.append(Served(name, machines, float(np.quantile(waits, 0.95)), month))
    return served


def rpc_limit_tps() -> float:
    """Transactions a second that one node can check."""
    return SCENARIO.deployment.hardware.cores / (SCENARIO.protocol.costs.transaction_check_ms / 1e3)


def verdict(served: Sequence[Served], each_s: float, spacing_s: float) -> str:
    """A line a way, then the answer."""
    lines = [f"one proof takes {each_s:.1f} s on {PRICES.prover.type}; six come every {spacing_s:.0f} s"]
    lines += [
        f"  {row.machines} machines {row.name:42} p95 {row.wait_s:6.0f} s  {row.month_usd:6.0f} dollars a month"
        for row in served
    ]
    good = [row for row in served if row.wait_s < spacing_s]
    fixed = min((row for row in good if row.name == "standing by"), key=lambda row: row.month_usd, default=None)
    group = min((row for row in good if row.name != "standing by"), key=lambda row: row.month_usd, default=None)
    said = (
        "no fixed number" if fixed is None else f"{fixed.machines} machines for {fixed.month_usd:.0f} dollars a month"
    )
    other = "none" if group is None else f"{group.machines}, {group.name}, for {group.month_usd:.0f}"
    lines.append(
        f"Verdict: proofs are there before the next block with {said} standing by, with a group that scales: {other}."
        f" A node's RPC checks {rpc_limit_tps():,.0f} transactions a second, {rpc_limit_tps() / 100:,.0f} times the target:"
        " to scale it saves and wins nothing."
    )
    return "\n".join(lines)


def draw(served: Sequence[Served], spacing_s: float) -> LabFigure:
    """Wait against money, a curve a way."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import INK, PALETTE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(8.0, 4.4), layout="constrained")
        axes = figure.subplots()
        for name, colour, marker in zip(dict.fromkeys(row.name for row in served), PALETTE, "osD", strict=False):
            rows = [row for row in served if row.name == name]
            x, y = [row.month_usd for row in rows], [row.wait_s for row in rows]
            axes.plot(x, y, color=colour, marker=marker, linewidth=1.4, label=name)
            for row in rows:
                at = (row.month_usd, row.wait_s)
                axes.annotate(f"{row.machines}", at, (5, 5), textcoords="offset points", fontsize=8, color=colour)
        axes.axhline(spacing_s, color=INK, linestyle="--", linewidth=1.2)
        axes.text(
            max(row.month_usd for row in served), spacing_s, "the next block", va="bottom", ha="right", fontsize=8.5
        )
        axes.set_yscale("log")
        axes.set_ylim(10, None)
        axes.set_xlabel("dollars a month (number: machines at most)")
        axes.set_ylabel("asked to proved, p95, s")
        axes.legend(loc="upper right")
        axes.set_title("Provers for RC3's proofs, standing by or started when needed")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, serve, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two short runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    seeds, duration_s = (range(1, 3), 1200.0) if options.quick else (range(1, 11), 3600.0)
    arrivals = [asked_s(seed, duration_s) for seed in seeds]
    spacing_s = float(np.mean([np.diff(np.unique(np.round(jobs, 3))).mean() for jobs in arrivals]))
    served = measure(arrivals, duration_s - WARMUP_S)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(served, spacing_s).savefig(options.out / FIGURE, dpi=150)
    lines = ["way,machines,wait_p95_s,usd_per_month"]
    lines += [f'"{row.name}",{row.machines},{row.wait_s:.2f},{row.month_usd:.2f}' for row in served]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(served, job_s(), spacing_s))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
