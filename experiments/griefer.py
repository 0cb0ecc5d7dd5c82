"""What a flaky griefer costs the others and himself, with and without trust.

Question
--------
A miner commits and then does not reveal, or wins and keeps his block to himself. What do the others lose, what does he
lose, what does trust do about it, and after how many heights is he out?

Setup
-----
The deployment ``rc3`` with one griefer of seven (Singapore), five ways: honest; he misses half of his reveals, or all
of them; he keeps back every block that he wins; each with trust enforced and without. Seconds between blocks, and from
a transaction to its finality (95th percentile), are means over replications with 95 % intervals. How many heights it
takes until trust shuts him out is asked of the chain without its network, which makes the same tournaments and the same
evidence: the median over seeds, and the middle 90 %, by the probability with which he misses a reveal.

Answer
------
The printed verdict, and docs/figures/griefer.png. In short: a missed reveal costs the others nothing, it even spares
them a battle; he alone loses. Trust shuts him out at the first or second miss, for good, because only tournaments bring
evidence; one that misses fewer than one reveal in twenty mostly gets away with it. Keeping back a block costs everyone
a time-out and another attempt, and upstream's evidence has no name for it: trust never notices.

Limits
------
The start of every miner (r = 10) and the length of an epoch (100 blocks) are assumed; more evidence at the start
forgives more. The griefer draws independently each time; one that plays against the trust formula would miss just as
often as it forgives.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, mean_interval
from bitcell_sim.analysis.tables import after_warmup, chain, finality_s
from bitcell_sim.chain.ideal_chain import ideal_chain

if TYPE_CHECKING:
    from bitcell_sim import Run

NODE = "ap-southeast-1"
WARMUP_BLOCKS = 3
FIGURE = "griefer.png"
INK, OFF, ON, BAND = "#757d88", "#d55e00", "#2f7fc1", "#9ec4e4"


@dataclass(frozen=True)
class Way:
    """One way to grieve: its name, and the probabilities of the griefer."""

    name: str
    missed_reveal: float
    withheld_block: float

    def sets(self, *, enforced: bool) -> tuple[str, ...]:
        """Options of a run."""
        griefer = (
            f'{{node = "{NODE}", behaviour = "flaky-griefer", missed_reveal_probability = {self.missed_reveal},'
            f" withheld_block_probability = {self.withheld_block}}}"
        )
        return (f"miner=[{griefer}]", f"protocol.trust.enforced={str(enforced).lower()}")


WAYS = (
    Way("honest", 0.0, 0.0),
    Way("misses half of his reveals", 0.5, 0.0),
    Way("misses all reveals", 1.0, 0.0),
    Way("keeps back every block he wins", 0.0, 1.0),
)


@dataclass(frozen=True)
class Cost:
    """What one way costs: seconds between blocks, seconds to finality, battles a block, and his share of blocks."""

    way: Way
    enforced: bool
    spacing_s: Estimate
    finality_s: Estimate
    battles: Estimate
    share: Estimate


def figures(run: Run) -> tuple[float, float, float, float]:
    """Spacing, finality at the 95th percentile, battles a block and the griefer's share of blocks in one run."""
    blocks = chain(run.tables)
    built_s = blocks["built_ms"].to_numpy() / 1000.0
    final_s = finality_s(after_warmup(run.tables, WARMUP_BLOCKS))
    return (
        float((built_s[-1] - built_s[0]) / (len(built_s) - 1)),
        float(np.quantile(final_s, 0.95)),
        float(blocks["miner_count"].mean() - 1),
        float((blocks["builder"] == NODE).mean()),
    )


def measure(replications: int, hours: float) -> list[Cost]:
    """Every way, without trust and with it."""
    found = []
    for way in WAYS:
        for enforced in (False, True):
            sets = (*way.sets(enforced=enforced), f"duration_s={hours * 3600.0}")
            runs = bitcell_sim.replicate("rc3", replications=replications, sets=sets, measure=figures)
            columns = [mean_interval(list(column)) for column in zip(*runs, strict=True)]
            found.append(Cost(way, enforced, *columns))
    return found


def heights_until_out(missed_reveal: float, seeds: int, horizon: int) -> list[float]:
    """Height at which trust shuts the griefer out, by seed; infinite if it does not up to the horizon."""
    sets = [*Way("", missed_reveal, 0.0).sets(enforced=True)]
    scenario = bitcell_sim.load_scenario("rc3", sets=sets)
    griefer = [node.id for node in scenario.deployment.node].index(NODE)
    outs = []
    for seed in range(1, seeds + 1):
        blocks = ideal_chain(scenario, horizon, seed=seed)
        out = (block.height for block, _, state in blocks if griefer not in state.eligible)
        outs.append(float(next(out, math.inf)))
    return outs


def verdict(costs: Sequence[Cost], outs: dict[float, list[float]], horizon: int) -> str:
    """One line a way, one a probability, then the answer."""
    lines = [
        f"{cost.way.name:32} trust {'on ' if cost.enforced else 'off'}"
        f"  a block every {text(cost.spacing_s, 1)} s, final in {text(cost.finality_s, 0)} s (p95),"
        f" {text(cost.battles, 2)} battles, {text(cost.share, 3)} of the blocks his"
        for cost in costs
    ]
    for probability, heights in outs.items():
        low, middle, high = (quantile(heights, q) for q in (0.05, 0.5, 0.95))
        lines.append(
            f"misses {probability:5.1%} of his reveals: out after {bound(middle, horizon)} heights"
            f" (middle 90 %: {bound(low, horizon)} to {bound(high, horizon)})"
        )
    by_name = {(cost.way.name, cost.enforced): cost for cost in costs}
    honest, missing = by_name[WAYS[0].name, False], by_name[WAYS[2].name, False]
    keeping = by_name[WAYS[3].name, True]
    half = quantile(outs[0.5], 0.5)
    slower = value(keeping.spacing_s) / value(honest.spacing_s) - 1
    lines.append(
        f"Verdict: a griefer that never reveals makes blocks come every {value(missing.spacing_s):.1f} s instead of"
        f" {value(honest.spacing_s):.1f}: it costs the others nothing and him his blocks. Missing half of them, he is"
        f" out after {half:.0f} heights, for good. One that keeps back his blocks makes it"
        f" {value(keeping.spacing_s):.1f} s ({slower:+.0%}), and finality {value(keeping.finality_s):.0f} s instead of"
        f" {value(honest.finality_s):.0f} (p95); trust never stops him."
    )
    return "\n".join(lines)


def value(estimate: Estimate) -> float:
    """Measured figure; not a number if there is none."""
    return math.nan if estimate.measured is None else estimate.measured


def text(estimate: Estimate, digits: int) -> str:
    """Figure with its interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{value(estimate):.{digits}f}"
    return f"{value(estimate):.{digits}f} [{estimate.ci_low:.{digits}f}, {estimate.ci_high:.{digits}f}]"


def quantile(heights: Sequence[float], q: float) -> float:
    """Value that a share of the seeds does not exceed; infinite where that share was never shut out."""
    return sorted(heights)[min(int(q * len(heights)), len(heights) - 1)]


def bound(height: float, horizon: int) -> str:
    """Height for people; beyond the horizon it is only known to be more."""
    return f"more than {horizon}" if math.isinf(height) else f"{height:.0f}"


def draw(costs: Sequence[Cost], outs: dict[float, list[float]], horizon: int) -> Any:
    """What it costs the others on the left, how long it lasts on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    with plt.rc_context(style | {"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.2), layout="constrained")
        draw_costs(left, costs)
        draw_outs(right, outs, horizon)
    return figure


def draw_costs(axes: Any, costs: Sequence[Cost]) -> None:
    """Seconds between blocks, a row a way, one mark without trust and one with it."""
    rows = {way.name: place for place, way in enumerate(reversed(WAYS))}
    for enforced, colour, shift, label in ((False, OFF, 0.12, "without trust"), (True, ON, -0.12, "with trust")):
        some = [cost for cost in costs if cost.enforced == enforced]
        middle = [value(cost.spacing_s) for cost in some]
        error = [
            [m - (c.spacing_s.ci_low or m) for m, c in zip(middle, some, strict=True)],
            [(c.spacing_s.ci_high or m) - m for m, c in zip(middle, some, strict=True)],
        ]
        places = [rows[cost.way.name] + shift for cost in some]
        axes.errorbar(middle, places, xerr=error, fmt="o", color=colour, markersize=5, capsize=3, label=label)
    honest = next(value(cost.spacing_s) for cost in costs if cost.way == WAYS[0])
    axes.axvline(honest, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("seconds between blocks")
    axes.set_title("What it costs the others (95 % intervals)", loc="left", fontsize="medium")
    axes.legend(frameon=False, labelcolor=INK, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)


def draw_outs(axes: Any, outs: dict[float, list[float]], horizon: int) -> None:
    """Heights until he is out by probability, median and middle 90 %."""
    probabilities = list(outs)
    low, middle, high = ([quantile(outs[p], q) for p in probabilities] for q in (0.05, 0.5, 0.95))
    cut = [min(height, 2.0 * horizon) for height in high]
    axes.fill_between(probabilities, low, cut, color=BAND, alpha=0.5, linewidth=0)
    known = [(p, height) for p, height in zip(probabilities, middle, strict=True) if height <= horizon]
    axes.plot([p for p, _ in known], [height for _, height in known], color=ON, marker="o", markersize=5)
    beyond = [p for p, height in zip(probabilities, middle, strict=True) if height > horizon]
    axes.plot(beyond, [horizon * 1.15] * len(beyond), color=ON, marker="^", linestyle="none", markersize=6)
    axes.axhline(horizon, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate(
        f"{horizon} heights: as far as was looked",
        (1.0, horizon),
        xytext=(0, -11),
        textcoords="offset points",
        ha="right",
        fontsize="small",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(probabilities, [f"{p:.1%}" if p < 0.01 else f"{p:.0%}" for p in probabilities])
    axes.set_xticks([], minor=True)
    ticks = [tick for tick in (1, 10, 100, 1000, 10_000) if tick <= horizon]
    axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
    axes.set_ylim(0.8, horizon * 1.6)
    axes.set_xlabel("share of his reveals that he misses")
    axes.set_ylabel("heights until trust shuts him out")
    axes.set_title("How long it lasts (median, middle 90 % of the seeds)", loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer seeds, shorter runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    replications, hours, seeds, horizon = (3, 0.5, 8, 300) if options.quick else (12, 2.0, 40, 2000)
    probabilities = (0.02, 0.1, 0.5, 1.0) if options.quick else (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    costs = measure(replications, hours)
    outs = {probability: heights_until_out(probability, seeds, horizon) for probability in probabilities}
    options.out.mkdir(parents=True, exist_ok=True)
    draw(costs, outs, horizon).savefig(options.out / FIGURE, dpi=150)
    print(verdict(costs, outs, horizon))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
