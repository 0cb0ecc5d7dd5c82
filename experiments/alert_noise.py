"""What false alarms do to the answer to a true one.

Question
--------
RC3 wants P0 alerts acknowledged within 15 minutes. How many false pages a month can the people on call take before that
fails?

Setup
-----
The people of models/on_call/rc3.toml: weekly rotation, three levels, nights. True P0 pages come 3.5 a month, false ones
are added with severity P1; years of both, on the same draws. The same again without any effect of false alarms on
people (`trust.matching = 0`), and with the full one (1): people answer as often as alarms were real.

Answer
------
How long it takes until a P0 alert is acknowledged (p95, 95 % interval), and the share within 15 minutes.

Limits
------
How fast people answer, and how far they match, is assumed: read the slope, not the minutes. Nobody quits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bitcell_sim import load_scenario
from bitcell_sim.analysis.estimates import quantile_interval
from bitcell_sim.config.schema import OnCall
from bitcell_sim.studies.response import answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "alert_noise.png"
FALSE_A_MONTH = (0.0, 3.0, 10.0, 30.0, 100.0)
MATCHING = (0.0, 0.5, 1.0)
ASSUMED = 0.5
LIMIT_MIN = 15.0
P95 = 0.95


class Point(NamedTuple):
    """One setting: false pages a month, how far people match, minutes to acknowledge (p95), and the share in time."""

    false_per_month: float
    matching: float
    low: float
    p95: float
    high: float
    in_time: float


def settings(base: OnCall, false_per_month: float, matching: float) -> OnCall:
    """People on call with some false pages; P0 comes often, so that there is something to measure."""
    changed = []
    for response in base.response:
        more: dict[str, Any] = {"true_per_month": 0.0, "false_per_month": 0.0}
        if response.severity == "P0":
            more["true_per_month"] = 3.5
        if response.severity == "P1":
            more["false_per_month"] = false_per_month
        changed.append(response.model_copy(update=more))
    trust = base.trust.model_copy(update={"matching": matching})
    return base.model_copy(update={"response": tuple(changed), "trust": trust})


def measure(base: OnCall, false_per_month: float, matching: float, months: float) -> Point:
    """Answers to P0 under some noise."""
    found = answers(settings(base, false_per_month, matching), seed=1, months=months)
    minutes = [one.minutes for one in found if one.record.severity == "P0"]
    estimate = quantile_interval(minutes, P95)
    assert estimate.measured is not None
    low, high = estimate.ci_low or estimate.measured, estimate.ci_high or estimate.measured
    in_time = sum(value < LIMIT_MIN for value in minutes) / len(minutes)
    return Point(false_per_month, matching, low, estimate.measured, high, in_time)


def draw(points: Sequence[Point]) -> Figure:
    """Two panels: p95 with its interval, and the share in time."""
    import matplotlib.pyplot as plt

    colours = {0.0: "#6b7280", 0.5: "#2563eb", 1.0: "#dc2626"}
    names = {0.0: "people never mind", 0.5: "half-way (as assumed)", 1.0: "answer as often as alarms are real"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    places = range(len(FALSE_A_MONTH))
    for matching in MATCHING:
        mine = [point for point in points if point.matching == matching]
        colour, name = colours[matching], names[matching]
        left.plot(places, [point.p95 for point in mine], "o-", color=colour, label=name)
        low, high = [point.low for point in mine], [point.high for point in mine]
        left.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        right.plot(places, [100 * point.in_time for point in mine], "o-", color=colour, label=name)
    left.axhline(LIMIT_MIN, color="black", linewidth=1, linestyle="--")
    left.annotate("RC3: 15 min", (0, LIMIT_MIN), xytext=(0, -12), textcoords="offset points", fontsize=9)
    left.set(title="Until a P0 alert is acknowledged, p95", ylabel="minutes", ylim=(0, None))
    right.set(title="Acknowledged within 15 minutes", ylabel="% of P0 alerts", ylim=(0, 100))
    right.legend(frameon=False, loc="lower left")
    for axes in (left, right):
        axes.set_xticks(places, [f"{false:g}" for false in FALSE_A_MONTH])
        axes.set_xlabel("false pages a month (beside 3.5 true ones)")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def verdict(points: Sequence[Point]) -> str:
    """One sentence."""
    own = [point for point in points if point.matching == ASSUMED]
    met = [point.false_per_month for point in own if point.high < LIMIT_MIN]
    first, last = own[0], own[-1]
    limit = f"up to {max(met):g} false pages a month" if met else "not even without false pages"
    return (
        f"Verdict: P0 within 15 minutes (p95) holds {limit}; p95 is {first.p95:.1f} min without any and {last.p95:.1f}"
        f" min with {last.false_per_month:g}, where {last.in_time:.0%} are in time instead of {first.in_time:.0%}."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer months")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure")
    options = parser.parse_args(arguments)
    base = load_scenario("rc3").on_call
    months = 48 if options.quick else 240
    points = [measure(base, false, matching, months) for matching in MATCHING for false in FALSE_A_MONTH]
    for point in points:
        print(
            f"matching {point.matching:3.1f}, {point.false_per_month:5.0f} false pages a month:"
            f" p95 {point.p95:5.1f} min [{point.low:.1f}, {point.high:.1f}], {point.in_time:.0%} in time"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    draw(points).savefig(options.out / FIGURE, dpi=150)
    print(verdict(points))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
