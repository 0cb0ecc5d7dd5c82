"""What it takes to prove a battle in under 10 s, and what waiting for proofs costs in TPS.

Question
--------
The RC3 documents want a proof in under 10 s, alert at 30 s, and name a circuit of 64 x 64 cells and 10 steps; nobody
has measured one. Which grids, steps, cores and provers keep to 10 s? What is the smallest change to RC3 that does? And
what becomes of the rate of transactions if blocks wait for their proofs, as the documents design it (``inline``)?

Setup
-----
The cost model of ``models/proofs`` over grids of 8 to 128, 1 to 64 steps, 4, 16 and 48 cores, and four prover
families; lines where the 95th percentile of one proof is 10 s and 30 s, and where its memory is a node's. The smallest
changes are found by predicting every design within reach (``bitcell_sim.studies.proof_search``) and asking that the
whole interval of one proof lies below 10 s and its memory fits. Each is then run in the mesh and judged as ``verify``
does. Last, the chain under more load than it carries: pipelined, and with inline proofs as RC3 stands, with memory
enough, and with each of the changes; with the block time-out of 20 s, and with one that outlasts the proofs.

Answer
------
The printed verdict, and docs/figures/proof_budget.png. In short: on four cores it is the circuit that has to shrink, by
a factor of about seven; more cores alone never do; a graphics card does, with more memory. Inline proofs cost TPS in
proportion to the proofs of one block, and a time-out shorter than these lets the winner run ahead alone.

Limits
------
Times are predicted, not run; factors of the provers other than arkworks are readings across unlike machines; the
battle-lean circuit was worked out, never built. A proof of a smaller circuit attests a smaller battle. Changes are
compared by factors (cell-steps given up, cores and memory added), not by prices.
"""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, mean_interval
from bitcell_sim.proving.cost import ProofConstants
from bitcell_sim.proving.points import proof_points
from bitcell_sim.studies.proof_search import Design, ProofChange, below_seconds, smallest_changes, without_supersets

if TYPE_CHECKING:
    from bitcell_sim import Run

LIMIT_S, ALERT_S = 10.0, 30.0
Z95 = 1.645
CORES = (4, 16, 48)
GRIDS = np.arange(8, 130, 2)
STEPS = np.arange(1, 65)
CHANGES_MAX = 5
RATE_TPS = 70.0  # more than any of them carries
PATIENT = "protocol.round.block_timeout_s=600.0"
INLINE = "protocol.proof.mode=inline"
UNCOUNTED_BLOCKS = 2
FIGURE = "proof_budget.png"
TABLE = "proof_budget.csv"

INK = "#757d88"
COLOURS = ("#0b9a72", "#2f7fc1", "#d55e00")


@dataclass(frozen=True)
class Confirmed:
    """A change that was found, and the rows that the mesh gave for it."""

    change: ProofChange
    rows: dict[str, Mapping[str, Any]]

    @property
    def passes(self) -> bool:
        """Whether time, backlog and memory of its proofs all pass."""
        return all(row["verdict"] == "pass" for row in self.rows.values())


@dataclass(frozen=True)
class Rate:
    """Final rate of one variant, TPS, and the share of final blocks that a single miner made without any battle."""

    name: str
    patient: bool
    final_tps: Estimate
    alone_ratio: float


def constants() -> ProofConstants:
    """The proof model of RC3."""
    return ProofConstants.from_mapping(bitcell_sim.load_scenario("rc3").proofs.model_dump())


def find() -> list[ProofChange]:
    """The smallest changes to RC3 that are predicted to keep to the limit, each with no part to spare."""
    scenario = bitcell_sim.load_scenario("rc3")
    found = smallest_changes(
        constants(), Design.of(scenario), below_seconds(LIMIT_S), farm=scenario.deployment.prover_farm
    )
    return without_supersets(found)


def confirm(changes: Sequence[ProofChange], replications: int) -> list[Confirmed]:
    """Run the mesh with each change and judge its proofs."""
    confirmed = []
    for change in changes:
        card = bitcell_sim.verify("rc3", quick=True, replications=replications, sets=change.sets, only="proof_*")
        confirmed.append(Confirmed(change, {row["id"]: dict(row) for row in card.rows}))
    return confirmed


def final_rate(run: Run) -> tuple[float, int, int]:
    """Final transactions a second from the last uncounted block to the last; final blocks, and those of one miner."""
    blocks = run["blocks"]
    final = blocks[blocks["state"] == "final"].sort_values("height").iloc[UNCOUNTED_BLOCKS - 1 :]
    if len(final) < 2:
        return 0.0, len(final), 0
    span_s = (final["built_ms"].iloc[-1] - final["built_ms"].iloc[0]) / 1000.0
    counted = final.iloc[1:]
    return float(counted["transaction_count"].sum() / span_s), len(counted), int((counted["miner_count"] == 1).sum())


def rates(changes: Sequence[ProofChange], replications: int, duration_s: float) -> list[Rate]:
    """Final rate without waiting, and with inline proofs in every variant and with both time-outs."""
    inline = [
        ("as it stands", ()),
        ("32 GB a node", ("deployment.hardware.memory_gb=32.0",)),
        *((change.words, change.sets) for change in changes),
        (f"{changes[0].words}, one proof a block", (*changes[0].sets, "protocol.proof.proofs_per_block=1")),
    ]
    variants: list[tuple[str, bool, tuple[str, ...]]] = [("pipelined, as it stands", False, ())]
    for name, sets in inline:
        variants += [(name, patient, (*sets, INLINE, *([PATIENT] if patient else []))) for patient in (False, True)]
    measured = []
    for name, patient, sets in variants:
        options = (*sets, f"workload.rate_tps={RATE_TPS}", f"duration_s={duration_s}")
        values = bitcell_sim.replicate("rc3", replications=replications, sets=options, measure=final_rate)
        alone = sum(lone for _, _, lone in values) / max(1, sum(blocks for _, blocks, _ in values))
        measured.append(Rate(name, patient, mean_interval([tps for tps, _, _ in values]), alone))
    return measured


# ------------------------------------------------------------------------------------------------------------- verdict


def verdict(confirmed: Sequence[Confirmed], measured: Sequence[Rate]) -> str:
    """What was found, what the mesh says of it, what inline proofs cost."""
    lines = ["smallest changes to RC3, each with its predicted interval and what the mesh says of its proofs:"]
    for entry in confirmed:
        change, row = entry.change, entry.rows["proof_time"]
        predicted = f"{change.seconds:.2f} s [{change.ci_low:.2f}, {change.ci_high:.2f}]"
        said = ", ".join(f"{name.removeprefix('proof_')} {found['verdict']}" for name, found in entry.rows.items())
        lines.append(f"  {change.words}: {predicted}; mesh p95 {row['measured']:.2f} s; {said}")
    lines.append("final TPS with inline proofs, time-out of 20 s | one that outlasts the proofs:")
    pipelined = measured[0].final_tps.measured or 0.0
    for short, patient in zip(measured[1::2], measured[2::2], strict=True):
        alone = f" ({short.alone_ratio:.0%} of the blocks by a lone miner)" if short.alone_ratio > 0.005 else ""
        lines.append(f"  {short.name:72} {short.final_tps.measured:5.1f}{alone} | {patient.final_tps.measured:5.1f}")
    best = next((entry for entry in confirmed if entry.passes), None)
    if best is None:
        lines.append(f"Verdict: no change that was found is confirmed by the mesh to keep to {LIMIT_S:g} s.")
        return "\n".join(lines)
    with_it = next(rate for rate in measured if rate.name == best.change.words and rate.patient)
    lines.append(
        f"Verdict: {best.change.words} is the smallest change after which a proof takes less than {LIMIT_S:g} s"
        f" ({best.rows['proof_time']['measured']:.2f} s at p95 in the mesh); inline, blocks then carry"
        f" {with_it.final_tps.measured:.1f} TPS instead of {pipelined:.1f}, and none as RC3 stands."
    )
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------------------- figure


def draw(measured: Sequence[Rate], changes: Sequence[ProofChange]) -> Any:
    """Where 10 s and 30 s lie, by prover, grid, steps and cores; and the rate with inline proofs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = {
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "font.size": 9,
    }
    with plt.rc_context(style | {"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}):
        figure = plt.figure(figsize=(11.0, 9.6), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=[1.0, 1.1])
        above, below = halves
        model = constants()
        order = sorted(model.provers, key=lambda name: -model.provers[name].time_factor)
        for axes, prover in zip(above.subplots(1, len(order), sharey=True), order, strict=True):
            _region(axes, model, prover, changes)
        above.axes[0].set_ylabel("steps proved")
        above.suptitle("One battle proof: where its p95 is 10 s (solid) and 30 s (dashed)", x=0.01, ha="left")
        _bars(below.subplots(), measured)
    return figure


def p95_s(model: ProofConstants, prover: str, cores: float) -> Any:
    """Seconds of one proof at p95, shape (steps, grids)."""
    grid, steps = (axis.ravel() for axis in np.meshgrid(GRIDS, STEPS))
    points = proof_points(model, "battle", prover, grid, steps, np.full(len(grid), float(cores)))
    shape = (len(STEPS), len(GRIDS))
    return (points.seconds * math.exp(Z95 * model.uncertainty.noise_sigma_ratio)).reshape(shape)


def _region(axes: Any, model: ProofConstants, prover: str, changes: Sequence[ProofChange]) -> None:
    family = model.provers[prover]
    own = Design.of(bitcell_sim.load_scenario("rc3"))
    cores = CORES if family.runs_on == "cores" else CORES[:1]
    for count, colour in zip(cores, COLOURS, strict=False):
        seconds = p95_s(model, prover, count)
        if count == CORES[0]:
            axes.contourf(GRIDS, STEPS, seconds, levels=[0.0, LIMIT_S], colors=[colour], alpha=0.13)
        for limit, line in ((LIMIT_S, "solid"), (ALERT_S, "dashed")):
            axes.contour(GRIDS, STEPS, seconds, levels=[limit], colors=[colour], linestyles=[line], linewidths=1.3)
        words = f"{count} cores" if family.runs_on == "cores" else "one card"
        axes.plot([], [], color=colour, label=words)
    grid, steps = (axis.ravel() for axis in np.meshgrid(GRIDS, STEPS))
    points = proof_points(model, "battle", prover, grid, steps, np.full(len(grid), own.cores))
    memory_gb = points.memory_bytes.reshape(len(STEPS), len(GRIDS)) / 1e9
    axes.contour(GRIDS, STEPS, memory_gb, levels=[own.memory_gb], colors=[INK], linestyles="dotted", linewidths=1.2)
    axes.plot([], [], color=INK, linestyle="dotted", label=f"{own.memory_gb:g} GB")
    axes.plot([own.grid], [own.steps], marker="*", markersize=11, color=INK, linestyle="none", label="RC3")
    mine = [change.design for change in changes if change.built and not change.design.farm]
    mine = [design for design in mine if design.prover == prover]
    if mine:
        where = [design.grid for design in mine], [design.steps for design in mine]
        axes.plot(*where, marker="o", markersize=5, color=COLOURS[0], linestyle="none", label="found")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    ticks = [8, 16, 32, 64, 128]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_yticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    axes.set_ylim(0.85, STEPS[-1])
    axes.set_xlabel("side of the proved grid, cells")
    factor = f"{family.time_low_factor:g} - {family.time_high_factor:g}" if prover != "ark" else "1"
    axes.set_title(f"{prover}: {factor} x arkworks", fontsize="medium")
    axes.legend(loc="lower left", frameon=False, fontsize="x-small", handlelength=1.4)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(axes: Any, measured: Sequence[Rate]) -> None:
    """Final rate of every variant, with either time-out."""
    names = ["\n".join(textwrap.wrap(f"inline: {rate.name}", 44)) for rate in measured[1::2]]
    places = np.arange(len(names) + 1)[::-1]
    pipelined = measured[0].final_tps.measured or 0.0
    end = 1.4 * max(rate.final_tps.ci_high or 1.0 for rate in measured)
    axes.barh(places[0], pipelined, color=INK, height=0.38)
    axes.annotate(f"{pipelined:.1f}", (pipelined, places[0]), (4, 0), textcoords="offset points", va="center")
    for offset, rows, colour, label in (
        (0.2, measured[1::2], COLOURS[1], "block time-out of 20 s"),
        (-0.2, measured[2::2], COLOURS[0], "time-out that outlasts the proofs"),
    ):
        for number, (place, rate) in enumerate(zip(places[1:] + offset, rows, strict=True)):
            value = rate.final_tps.measured or 0.0
            low, high = rate.final_tps.ci_low or value, rate.final_tps.ci_high or value
            axes.barh(place, value, height=0.36, color=colour, alpha=0.85, label=label if number == 0 else None)
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], ecolor=INK, capsize=2, linewidth=1)
            alone = f", {rate.alone_ratio:.0%} of the blocks by a lone miner" if rate.alone_ratio > 0.005 else ""
            words = f"{value:.1f}{alone}" if value else "0: every proof is killed"
            axes.annotate(words, (high, place), (4, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_yticks(places, [measured[0].name, *names])
    axes.set_xlabel(f"final, transactions a second ({RATE_TPS:g} offered)")
    axes.set_title("What blocks that wait for their proofs carry (95 % intervals)", loc="left", fontsize="large")
    axes.set_xlim(0.0, end)
    axes.legend(loc="upper right", frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)


def write_table(confirmed: Sequence[Confirmed], measured: Sequence[Rate], path: Path) -> None:
    """Everything that was found and measured, as CSV."""
    lines = ["what,name,value,ci_low,ci_high,note"]
    for entry in confirmed:
        row = entry.rows["proof_time"]
        ends = f"{row['measured']:.4f},{row['ci_low']:.4f},{row['ci_high']:.4f}"
        lines.append(f'proof_p95_s,"{entry.change.words}",{ends},{"pass" if entry.passes else "not all rows pass"}')
    for rate in measured:
        final = rate.final_tps
        ends = ",".join("" if end is None else f"{end:.4f}" for end in (final.measured, final.ci_low, final.ci_high))
        note = f"{'patient' if rate.patient else 'time-out 20 s'}; {rate.alone_ratio:.3f} of the blocks by a lone miner"
        lines.append(f'final_tps,"{rate.name}",{ends},{note}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer changes and replications, shorter runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    changes = find()[: 2 if options.quick else CHANGES_MAX]
    confirmed = confirm(changes, 3 if options.quick else 11)
    measured = rates(changes, 2, 1200.0) if options.quick else rates(changes, 5, 3600.0)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(measured, changes).savefig(options.out / FIGURE, dpi=150)
    write_table(confirmed, measured, options.out / TABLE)
    print(verdict(confirmed, measured))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
