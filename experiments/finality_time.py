"""How long RC3 takes until a transaction is final, and what the votes have to do with it.

Question
--------
The documents promise finality in under 60 s, of which prevotes and precommits take 20 to 40 s (BitCell @116dda5,
docs/FINALITY_GADGET.md:264-283, docs/FINALITY_IMPLEMENTATION_SUMMARY.md:173-176). How long does it take, from
submission and from the block, in each region; what of it is voting; and what becomes of it with up to 1000 validators?

Setup
-----
Whole runs of the deployment ``rc3`` at 10 TPS (seven nodes, four regions, upstream's measured battle engine), half an
hour each: every accepted transaction after the first blocks, and every final block at every node. Then single heights
of 7 to 1000 validators, who stand where the seven nodes do, by ``bitcell_sim.quorum_times``, each height in a new state
of the links: the votes alone, where all hold the block from the start; the same with 30 % of the validators down; and
with an empty and a full block that the builder sends to everyone. Quantiles and means are over replications or heights,
with 95 % intervals.

Answer
------
The printed verdict, and docs/figures/finality_time.png. In short: the wait for a block is everything; voting takes a
fraction of a second, whatever the number of validators, and beyond a hundred of them the builder's uplink decides.

Limits
------
At 10 TPS every transaction finds room in the next block; above 16.8 TPS they queue up and nothing keeps 60 s.
Votes cost their senders and receivers no processor time and no turn on the uplink: checking 2000 signatures of 0.1 ms
each would add about 0.05 s on four cores, sending 999 copies 2 ms. Everyone sends to everyone; a network of 1000 would
relay, and each hop costs a link's delay. Battles are those of seven miners throughout: their number is a question of
its own (``throughput_ceiling``).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim import Run

LIMIT_S = 60.0
DOCUMENTED_S = (20.0, 40.0)
SHARES = np.arange(0.01, 1.0, 0.01)
UNCOUNTED_BLOCKS = 3
LAST_S = 150.0  # what is sent later may not be final when the run ends
SIZES = (7, 20, 50, 100, 200, 500, 1000)
QUICK_SIZES = (7, 50, 200)
FIGURE = "finality_time.png"
TABLE = "finality_time.csv"
INK = "#757d88"
COLOURS = ("#0b9a72", "#2f7fc1", "#d55e00", "#9a6fc0")


@dataclass(frozen=True)
class Replication:
    """One run: quantiles of seconds to final, and how many of the transactions took too long."""

    submission_s: dict[str, Any]
    block_s: dict[str, Any]
    all_s: Any
    quorum_s: float
    late_share: float


@dataclass(frozen=True)
class Curve:
    """One curve over the number of validators: what they hold, how many are down."""

    name: str
    transactions: int | None
    absent_share: float = 0.0


CURVES = (
    Curve("votes alone", None),
    Curve("votes alone, 30 % down", None, 0.3),
    Curve("empty block sent", 0),
    Curve("full block sent", 1000),
)


def by_region(values: pd.Series[float], regions: pd.Series[str]) -> dict[str, Any]:
    """Quantiles of each region's values."""
    return {str(name): np.quantile(own, SHARES) for name, own in values.groupby(regions, observed=True)}


def measure(run: Run) -> Replication:
    """Waits of one run."""
    region = {node.id: node.region for node in run.scenario.deployment.node}
    blocks = run["blocks"]
    chain = blocks[blocks["state"] != "orphaned"].sort_values("height").iloc[UNCOUNTED_BLOCKS - 1 :]
    sent = run["transactions"]
    warm = sent["submitted_ms"] >= chain["built_ms"].iloc[0]
    sent = sent[warm & (sent["submitted_ms"] < (run.simulated_s - LAST_S) * 1000.0) & sent["accepted_ms"].notna()]
    wait_s = ((sent["final_ms"] - sent["submitted_ms"]) / 1000.0).fillna(math.inf)
    built_ms = chain.iloc[1:].set_index("block")["built_ms"]
    seen = run["finals"][run["finals"]["block"].isin(built_ms.index)]
    voted_s = (seen["at_ms"] - seen["block"].map(built_ms)) / 1000.0
    quorum_s = ((chain["quorum_final_ms"] - chain["built_ms"]) / 1000.0).iloc[1:]
    return Replication(
        by_region(wait_s, sent["client_region"].astype("str")),
        by_region(voted_s, seen["node"].astype("str").map(region)),
        np.quantile(wait_s, SHARES),
        float(quorum_s.mean()),
        float((wait_s > LIMIT_S).mean()),
    )


def at_share(curves: Iterable[Any], share: float) -> Estimate:
    """One quantile over replications, seconds."""
    place = int(np.argmin(np.abs(SHARES - share)))
    return mean_interval([float(curve[place]) for curve in curves])


def quorum_s(times: pd.DataFrame) -> list[float]:
    """Seconds from the block until more than two thirds of the stake see it final, one a height."""
    found = []
    for _, height in times.groupby("height"):
        ordered = height.sort_values("final_ms")
        enough = 3 * ordered["stake"].cumsum() > 2 * ordered["stake"].sum()
        found.append(float(ordered["final_ms"][enough].iloc[0]) / 1000.0)
    return found


def scale(sizes: Sequence[int], heights: int) -> dict[str, list[Estimate]]:
    """Every curve at every number of validators."""
    found: dict[str, list[Estimate]] = {}
    for curve in CURVES:
        for count in sizes:
            absent = range(math.floor(curve.absent_share * count))  # of every place alike, with more than seven
            times = bitcell_sim.quorum_times(
                "rc3", validators=count, heights=heights, transactions=curve.transactions, absent=absent
            )
            found.setdefault(curve.name, []).append(mean_interval(quorum_s(times)))
    return found


def words(estimate: Estimate, digits: int = 2) -> str:
    """A mean with its interval."""
    assert estimate.measured is not None
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured:.{digits}f}"
    return f"{estimate.measured:.{digits}f} [{estimate.ci_low:.{digits}f}, {estimate.ci_high:.{digits}f}]"


def verdict(runs: Sequence[Replication], sizes: Sequence[int], scaled: dict[str, list[Estimate]]) -> str:
    """What was measured, then the answer."""
    lines = ["seconds from submission to final, by the client's region (median, p95):"]
    for name in runs[0].submission_s:
        own = [run.submission_s[name] for run in runs]
        lines.append(f"  {name:13} {words(at_share(own, 0.5), 1):20} {words(at_share(own, 0.95), 1)}")
    lines.append("seconds from block to final, by the node's region (median, p95):")
    for name in runs[0].block_s:
        own = [run.block_s[name] for run in runs]
        lines.append(f"  {name:13} {words(at_share(own, 0.5), 3):20} {words(at_share(own, 0.95), 3)}")
    lines.append(
        f"seconds from block to final at more than two thirds of the stake, {sizes[0]} and {sizes[-1]} validators:"
    )
    lines += [f"  {name:24} {words(points[0], 3):22} {words(points[-1], 3)}" for name, points in scaled.items()]
    everyone = [run.all_s for run in runs]
    late = mean_interval([100.0 * run.late_share for run in runs])
    voting = mean_interval([run.quorum_s for run in runs])
    p95 = at_share(everyone, 0.95)
    assert p95.measured is not None
    assert voting.measured is not None
    alone, full = scaled["votes alone"][-1].measured, scaled["full block sent"][-1].measured
    kept = "keeps" if (p95.ci_high or p95.measured) < LIMIT_S else "does not keep"
    lines.append(
        f"Verdict: RC3 {kept} {LIMIT_S:g} s at p95: half of all transactions are final in"
        f" {words(at_share(everyone, 0.5), 1)} s, 95 % in {words(p95, 1)} s; {words(late)} % take longer than the"
        f" limit. Block and votes take {voting.measured:.2f} s of that, not the documented"
        f" {DOCUMENTED_S[0]:g} to {DOCUMENTED_S[1]:g} s; the rest is the wait for a block. With {sizes[-1]} validators"
        f" votes alone still take {alone:.2f} s, and with a full block that its builder sends to each {full:.2f} s."
    )
    return "\n".join(lines)


def draw(runs: Sequence[Replication], sizes: Sequence[int], scaled: dict[str, list[Estimate]]) -> Any:
    """Distributions from submission and from the block, and block to final over the number of validators."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    bare = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
    with plt.rc_context(style | bare):
        figure, (one, two, three) = plt.subplots(
            1, 3, figsize=(12.6, 4.4), layout="constrained", width_ratios=(4, 4, 5)
        )
        _distribution(one, [run.submission_s for run in runs], "submission to final, by client, s")
        one.axvline(LIMIT_S, color=INK, linewidth=0.8, linestyle="--")
        one.annotate("limit\n60 s", (LIMIT_S, 0.03), xytext=(4, 0), textcoords="offset points", fontsize="small")
        one.set_xlim(0.0, 72.0)
        one.set_title("RC3: the wait for a block ...", loc="left", fontsize="medium")
        _distribution(two, [run.block_s for run in runs], "block to final, by node, s")
        two.annotate("the documents say\n20 to 40 s", (0.02, 0.42), xycoords="axes fraction", fontsize="small")
        two.set_xlim(0.0, 0.3)
        two.set_title("... and the votes on it", loc="left", fontsize="medium")
        _over_validators(three, runs, sizes, scaled)
    return figure


def _distribution(axes: Any, runs: Sequence[dict[str, Any]], label: str) -> None:
    """Share that is final by then: mean quantiles over replications, with their intervals."""
    for (name, _), colour in zip(runs[0].items(), COLOURS, strict=True):
        points = [mean_interval([run[name][place] for run in runs]) for place in range(len(SHARES))]
        middle = [point.measured or math.nan for point in points]
        low = [m if p.ci_low is None else p.ci_low for m, p in zip(middle, points, strict=True)]
        high = [m if p.ci_high is None else p.ci_high for m, p in zip(middle, points, strict=True)]
        axes.fill_betweenx(SHARES, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(middle, SHARES, color=colour, linewidth=1.4, label=name)
    axes.set_xlabel(label)
    axes.set_ylabel("share that is final")
    axes.set_ylim(0.0, 1.0)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)


def _over_validators(
    axes: Any, runs: Sequence[Replication], sizes: Sequence[int], scaled: dict[str, list[Estimate]]
) -> None:
    label_at = 0.0
    order = sorted(range(len(CURVES)), key=lambda place: list(scaled.values())[place][-1].measured or 0.0)
    for place in order:
        (name, points), colour, marker = list(scaled.items())[place], COLOURS[place], "osD^"[place]
        middle = [point.measured or math.nan for point in points]
        low = [m - (p.ci_low or m) for m, p in zip(middle, points, strict=True)]
        high = [(p.ci_high or m) - m for m, p in zip(middle, points, strict=True)]
        axes.errorbar(
            sizes, middle, yerr=[low, high], color=colour, marker=marker, markersize=4, capsize=2, linewidth=1.4
        )
        label_at = max(middle[-1], 1.11 * label_at)
        words_there = f"{name}: {middle[-1]:.2f}"
        axes.text(sizes[-1] * 1.15, label_at, words_there, color=colour, va="center", fontsize="small")
    whole = mean_interval([run.quorum_s for run in runs]).measured
    axes.plot([sizes[0]], [whole], "o", color=INK, markersize=9, fillstyle="none", label="whole runs of RC3")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    ticks = [0.1, 0.2, 0.5, 1, 2]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlim(sizes[0] * 0.85, sizes[-1] * 14)
    axes.set_ylim(0.1, 2.0)
    axes.set_xlabel("validators")
    axes.set_ylabel("block to final at two thirds of the stake, s")
    axes.set_title("With more validators (95 % intervals)", loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)


def write_table(sizes: Sequence[int], scaled: dict[str, list[Estimate]], path: Path) -> None:
    """Every point of the right panel, as CSV."""
    lines = ["curve,validators,final_s,ci_low,ci_high,n"]
    for name, points in scaled.items():
        for size, point in zip(sizes, points, strict=True):
            ends = ["" if end is None else f"{end:.5f}" for end in (point.measured, point.ci_low, point.ci_high)]
            lines.append(f'"{name}",{size},{",".join(ends)},{point.n}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer replications, heights and validators")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    replications, heights, sizes = (3, 4, QUICK_SIZES) if options.quick else (12, 25, SIZES)
    length = "15min" if options.quick else "30min"
    runs = bitcell_sim.replicate("rc3", replications=replications, duration=length, measure=measure)
    scaled = scale(sizes, heights)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(runs, sizes, scaled).savefig(options.out / FIGURE, dpi=150)
    write_table(sizes, scaled, options.out / TABLE)
    print(verdict(runs, sizes, scaled))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
