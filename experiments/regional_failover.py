"""How long the loss of a region is felt elsewhere: by clients, and by the chain.

Question
--------
The RC3 documents want a regional failover within 120 s. After a region is lost: when are the other regions' clients
served as before, when is the next block final, and which of the two takes the time? Does it help to send a failed
request to another server, to check servers more often, or to make blocks more often?

Setup
-----
The deployment ``rc3`` at its 10 TPS. Each region is lost for 240 s, in turn and several times a run, at a moment drawn
over a round; it drops packets, and its own clients are not asked. Clients: the end of the first 10 s in which 99 % of
the success of the minute before is reached. Chain: the first block that is made after the loss is final. Failover is
the later of both. Beside RC3 as it is: redispatch of requests whose server cannot be reached; health checks every 1 s
instead of 5; both; a round without battles (engine ``sparse``); all of these. Intervals are of order statistics, over
losses.

Answer
------
The printed verdict, and docs/figures/regional_failover.png. In short: clients wait for the load balancer to notice,
which always takes about as long; the chain waits for the round, and when a lost miner has won it for the next one.

Limits
------
A lost region stops at once and whole. The load balancers of other regions survive; a single one for all is another
deployment. What clients do who are told of no server is not modelled.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, quantile, quantile_interval
from bitcell_sim.analysis.targets import Failover, failovers
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.runs.batch import replicate
from bitcell_sim.studies.plan import region_losses

if TYPE_CHECKING:
    from bitcell_sim.report.charts import LabFigure

LIMIT_S = 120.0
P95 = 0.95
LOSSES = 2
FIGURE = "regional_failover.png"
TABLE = "regional_failover.csv"


@dataclass(frozen=True)
class Variant:
    """A name and options."""

    name: str
    sets: tuple[str, ...] = ()


REDISPATCH = "deployment.load_balancer.redispatch=true"
CHECKS = "deployment.load_balancer.check_interval_s=1.0"
FAST = "protocol.battle.engine=sparse"
VARIANTS = (
    Variant("as it is"),
    Variant("redispatch", (REDISPATCH,)),
    Variant("checks every 1 s", (CHECKS,)),
    Variant("both", (REDISPATCH, CHECKS)),
    Variant("battles free", (FAST,)),
    Variant("all three", (REDISPATCH, CHECKS, FAST)),
)


def losses_of(task: tuple[Variant, int]) -> list[Failover]:
    """Every loss of one run."""
    variant, seed = task
    scenario = region_losses(bitcell_sim.load_scenario("rc3", sets=variant.sets), seed, LOSSES)
    return failovers(simulate_once(scenario, seed=seed).tables)


def measure(replications: int) -> dict[str, list[Failover]]:
    """Losses of every variant."""
    tasks = [(variant, seed) for variant in VARIANTS for seed in range(1, replications + 1)]
    found: dict[str, list[Failover]] = {variant.name: [] for variant in VARIANTS}
    for (variant, _), own in zip(tasks, replicate(losses_of, tasks), strict=True):
        found[variant.name] += own
    return found


def at_p95(values: Sequence[float]) -> Estimate:
    """p95 with its interval."""
    return quantile_interval(values, P95)


def words(estimate: Estimate) -> str:
    """Figure and interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.measured or 0.0:.0f}"
    return f"{estimate.measured or 0.0:.0f} [{estimate.ci_low:.0f}, {estimate.ci_high:.0f}]"


def by_region(losses: Sequence[Failover]) -> dict[str, list[Failover]]:
    """Losses of each region."""
    names = dict.fromkeys(loss.region for loss in losses)
    return {name: [loss for loss in losses if loss.region == name] for name in names}


def verdict(found: dict[str, list[Failover]]) -> str:
    """Every variant and region, then the answer."""
    lines = [f"{'p95, s':20}{'region':14}{'clients':>16}{'chain':>16}{'failover':>16}{'n':>6}"]
    for name, losses in found.items():
        for region, own in by_region(losses).items():
            parts = ([loss.clients_s for loss in own], [loss.chain_s for loss in own], [loss.total_s for loss in own])
            lines.append(f"{name:20}{region:14}" + "".join(f"{words(at_p95(p)):>16}" for p in parts) + f"{len(own):6}")
    base = found[VARIANTS[0].name]
    worst, own = max(by_region(base).items(), key=lambda at: at_p95([loss.total_s for loss in at[1]]).measured or 0.0)
    estimate = at_p95([loss.total_s for loss in own])
    met = estimate.ci_high is not None and estimate.ci_high < LIMIT_S
    missed = estimate.ci_low is not None and estimate.ci_low >= LIMIT_S
    said = "meets" if met else "misses" if missed else "may or may not meet"
    others = ", ".join(
        f"{name} {words(at_p95([loss.total_s for loss in losses]))}" for name, losses in list(found.items())[1:]
    )
    slower = sum(loss.chain_s > loss.clients_s for loss in base) / len(base)
    lines.append(
        f"Verdict: RC3 {said} {LIMIT_S:g} s: the worst region is {worst}, {words(estimate)} s at p95; over all regions"
        f" clients are served after {words(at_p95([loss.clients_s for loss in base]))} s (median"
        f" {quantile([loss.clients_s for loss in base], 0.5):.0f}), the next block is final after"
        f" {words(at_p95([loss.chain_s for loss in base]))} s (median"
        f" {quantile([loss.chain_s for loss in base], 0.5):.0f}); the chain is the later one in {slower:.0%} of the"
        f" losses. With changes, p95 over all regions ({words(at_p95([loss.total_s for loss in base]))} as it is):"
        f" {others}."
    )
    return "\n".join(lines)


def draw(found: dict[str, list[Failover]]) -> LabFigure:
    """Clients, chain and the later of both as they are, by region; and the variants' failover."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import DASHES, PALETTE, STYLE, LabFigure

    base = by_region(found[VARIANTS[0].name])
    with rc_context(STYLE):
        figure = LabFigure(figsize=(12.0, 4.3), layout="constrained")
        clients, chain, variants = figure.subplots(1, 3, sharey=True)
        for place, (region, own) in enumerate(base.items()):
            look: dict[str, Any] = {"color": PALETTE[place % 6], "linestyle": DASHES[place % 6], "label": region}
            _curve(clients, [loss.clients_s for loss in own], look)
            _curve(chain, [loss.chain_s for loss in own], look)
        for place, (name, losses) in enumerate(found.items()):
            look = {"color": PALETTE[place % 6], "linestyle": DASHES[place % 6], "label": name}
            _curve(variants, [loss.total_s for loss in losses], look)
        titles = (
            "Other regions' clients, by lost region",
            "Next block final, by lost region",
            "Later of both, changed",
        )
        for axes, title in zip((clients, chain, variants), titles, strict=True):
            _dress(axes, title)
        clients.set_ylabel("share of losses")
    return figure


def _curve(axes: Any, values: Sequence[float], look: dict[str, Any]) -> None:
    ordered = [0.0, *sorted(values)]
    axes.step(ordered, [i / len(values) for i in range(len(ordered))], where="post", linewidth=1.6, **look)


def _dress(axes: Any, title: str) -> None:
    from bitcell_sim.report.charts import INK

    axes.axvline(LIMIT_S, color=INK, linewidth=1.0, linestyle="--")
    axes.annotate("limit", (LIMIT_S, 0.5), (4, 0), textcoords="offset points", fontsize="small")
    axes.set_xlim(0.0, 180.0)
    axes.set_ylim(0.0, 1.01)
    axes.set_xlabel("seconds from the loss")
    axes.set_title(title)
    axes.legend(loc="lower right")


def write_table(found: dict[str, list[Failover]], path: Path) -> None:
    """Every variant, region and part, as CSV."""
    lines = ["variant,region,part,median_s,p95_s,ci_low,ci_high,n"]
    for name, losses in found.items():
        for region, own in {**by_region(losses), "all": losses}.items():
            for part in ("clients", "chain", "total"):
                values = [getattr(loss, f"{part}_s") for loss in own]
                estimate = at_p95(values)
                figures = (quantile(values, 0.5), estimate.measured, estimate.ci_low, estimate.ci_high)
                cells = ",".join("" if at is None else f"{math.floor(at * 1000) / 1000:.3f}" for at in figures)
                lines.append(f'"{name}",{region},{part},{cells},{len(values)}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer replications")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(1 if options.quick else 10)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
