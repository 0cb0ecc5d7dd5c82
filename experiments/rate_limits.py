"""What a rate limit at the load balancers does when clients send ten times the load.

Question
--------
The documents recommend rate limits. RC3 carries 16.8 transactions a second. What becomes of the clients when a hundred
a second come for ten minutes: without a limit, and with one at each of the four balancers?

Setup
-----
The deployment ``rc3``, ten transactions a second, a surge of ten times that from minute 5 to minute 15, and half an
hour to work off. Limits (``load_balancer.rate_limit_per_s``, a burst of ten) of 2, 3, 4, 5 and 8 requests a second at
each balancer. Counted over what was sent in the surge: how much is let in, how much becomes final by the end, and
how long that took; and how long those wait who send in the ten minutes after it.

Answer
------
The printed verdict, and docs/figures/rate_limits.png. In short: at 4 a second and balancer, just below what the chain
carries, whatever is let in waits no longer than always, and so do those who come afterwards. Without a limit the pool
keeps twice as much for later, but 5 % of it waits for 27 minutes, and so does who comes afterwards.

Limits
------
A limit costs nothing here, and refused clients do not try again. It does not tell clients apart: fairness between them
is not shown. Blocks take the highest gas price first, so that without a limit the cheap wait longest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import bitcell_sim
from bitcell_sim.config.schema import LoadSurge

if TYPE_CHECKING:
    from bitcell_sim import Run
    from bitcell_sim.report.charts import LabFigure

LIMITS = (None, 8.0, 5.0, 4.0, 3.0, 2.0)
BURST = 10
START_S, LENGTH_S, AFTER_S = 300.0, 600.0, 1800.0
FACTOR = 10.0
FIGURE = "rate_limits.png"
TABLE = "rate_limits.csv"


@dataclass(frozen=True)
class Outcome:
    """What became of the surge, one run.

    Parameters
    ----------
    let_in, final : float
        Shares of what was sent in the surge.
    wait_s, later_s : float
        95th percentile from submission to final, of what was let in during the surge and in the ten minutes after it,
        seconds; what was not final by the end counts as not before then.
    """

    let_in: float
    final: float
    wait_s: float
    later_s: float


def observe(run: Run) -> Outcome:
    """Figures of one run."""
    frame = run["transactions"]
    at_s, end_ms = frame["submitted_ms"] / 1e3, run.simulated_s * 1e3
    waited_s = (frame["final_ms"].fillna(end_ms) - frame["submitted_ms"]) / 1e3
    surge = at_s.between(START_S, START_S + LENGTH_S)
    later = at_s.between(START_S + LENGTH_S, START_S + 2 * LENGTH_S)
    let_in = frame["accepted_ms"].notna()
    return Outcome(
        float(let_in[surge].mean()),
        float((frame["state"] == "final")[surge].mean()),
        float(waited_s[surge & let_in].quantile(0.95)),
        float(waited_s[later & let_in].quantile(0.95)),
    )


def measure(replications: int) -> dict[float | None, list[Outcome]]:
    """Every limit, some runs each."""
    surge = LoadSurge(kind="load-surge", factor=FACTOR, start_s=START_S, duration_s=LENGTH_S)
    found: dict[float | None, list[Outcome]] = {}
    for limit in LIMITS:
        front = "deployment.load_balancer.rate_limit"
        sets = [] if limit is None else [f"{front}_per_s={limit}", f"{front}_burst={BURST}"]
        scenario = bitcell_sim.load_scenario("rc3", sets=sets)
        length_s = START_S + LENGTH_S + AFTER_S
        scenario = scenario.model_copy(update={"fault": (surge,), "duration_s": length_s})
        found[limit] = bitcell_sim.replicate(scenario, replications=replications, measure=observe)
    return found


def name(limit: float | None) -> str:
    """A limit in words."""
    return "no limit" if limit is None else f"{limit:g}/s"


def mean(rows: Sequence[Outcome], key: str) -> float:
    """Mean of one figure over runs."""
    return float(np.mean([getattr(row, key) for row in rows]))


def verdict(found: dict[float | None, list[Outcome]]) -> str:
    """One line a limit, then the answer."""
    lines = [f"{'at each balancer':18} {'let in':>8} {'final':>8} {'wait p95':>10} {'afterwards':>11}"]
    for limit, rows in found.items():
        let_in, final = mean(rows, "let_in"), mean(rows, "final")
        wait, later = mean(rows, "wait_s"), mean(rows, "later_s")
        lines.append(f"{name(limit):18} {let_in:8.1%} {final:8.1%} {wait:8.0f} s {later:9.0f} s")
    good = [limit for limit in found if limit is not None and mean(found[limit], "wait_s") < 60.0]
    least, none = max(good, default=None), found[None]
    if least is None:
        lines.append("Verdict: no limit that was tried keeps the wait below a minute.")
        return "\n".join(lines)
    kept = found[least]
    lines.append(
        f"Verdict: with {least:g} requests a second at each balancer {mean(kept, 'final'):.0%} of the surge becomes"
        f" final, 95 % of what is let in within {mean(kept, 'wait_s'):.0f} s; without a limit"
        f" {mean(none, 'final'):.0%}, within {mean(none, 'wait_s'):.0f} s, and those who come after it wait"
        f" {mean(none, 'later_s'):.0f} s instead of {mean(kept, 'later_s'):.0f}."
    )
    return "\n".join(lines)


def draw(found: dict[float | None, list[Outcome]]) -> LabFigure:
    """Shares, and waits, by limit."""
    from matplotlib import rc_context

    from bitcell_sim.report.charts import BLUE, GREEN, INK, ORANGE, PURPLE, STYLE, LabFigure

    with rc_context(STYLE):
        figure = LabFigure(figsize=(9.0, 3.8), layout="constrained")
        shares, waits = figure.subplots(1, 2)
        x = np.arange(len(found))
        for axes, pairs, unit in (
            (shares, (("let_in", BLUE, "let in"), ("final", GREEN, "final in the end")), "%"),
            (waits, (("wait_s", ORANGE, "sent in the surge"), ("later_s", PURPLE, "sent in the 10 min after it")), "s"),
        ):
            for offset, (key, colour, label) in zip((-0.2, 0.2), pairs, strict=True):
                scale = 100.0 if unit == "%" else 1.0
                values = [scale * mean(rows, key) for rows in found.values()]
                axes.bar(x + offset, values, width=0.38, color=colour, alpha=0.85, label=label)
                for place, value in zip(x + offset, values, strict=True):
                    axes.text(place, value, f"{value:.0f}", ha="center", va="bottom", fontsize=8)
            axes.set_xticks(x, [name(limit) for limit in found])
            axes.set_xlabel("limit at each of four balancers")
            axes.legend(loc="upper right")
            axes.margins(y=0.2)
        shares.set_ylabel("% of what is sent in the surge")
        waits.set_yscale("log")
        waits.set_ylabel("submission to final, p95, s")
        waits.axhline(60.0, color=INK, linestyle="--", linewidth=1.2)
        figure.suptitle("A hundred a second for ten minutes, at RC3's 16.8", x=0.01, ha="left", fontsize=10, color=INK)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run each")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    found = measure(1 if options.quick else 5)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    lines = ["limit_per_s,let_in,final,wait_p95_s,later_p95_s"]
    keys = ("let_in", "final", "wait_s", "later_s")
    lines += [f"{limit or ''},{','.join(f'{mean(rows, key):.4f}' for key in keys)}" for limit, rows in found.items()]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}; table: {options.out / TABLE}")


if __name__ == "__main__":
    main()
