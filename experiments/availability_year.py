"""Whether RC3 is in service 99.9 % of every month, what takes its minutes, and which change gives most of them back.

Question
--------
The RC3 documents want an uptime of 99.9 %, which is 43.8 minutes a month, and have never measured one. How many minutes
do processes, machines, zones, regions and networks of a cloud take, at the rates that its providers' archives show?
Which change gives back most: a second node in Singapore, a fifth region, machines back within a minute, or a load
balancer in each region instead of the single one of the compose file?

Setup
-----
Two deployments: ``rc3`` with a load balancer in each region, and the same with the one of the compose file, in US-East.
In service is: five of seven nodes, one of them to answer, a balancer in front. 10,000 years of faults for each
(``models/faults/rates.toml``: exponential onsets, lognormal repairs), and the same years again with each change. What
a change saves is measured on the same faults, so outages of both cancel; intervals are those of rare events. Beside
everything stands the closed form. The last panel multiplies all rates by 0.3 to 3, as far as sources differ.

Answer
------
The printed verdict, and docs/figures/availability_year.png. In short: on average with a wide margin, but not in every
month; the network that fails as a whole takes most, and a load balancer that stands alone twice as much again.

Limits
------
Nine tenths of the minutes rest on five incidents of one provider, and on the word that each takes the whole quorum. No
operator breaks anything, nothing is upgraded, and no bug takes all nodes at once, which are large causes of real
outages: take the figures as an upper bound. Seconds of failing over do not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bitcell_sim
from bitcell_sim.analysis.availability_mesh import build_mesh
from bitcell_sim.analysis.availability_theory import steady_availability
from bitcell_sim.analysis.outages import MONTH_MIN, simulate_outages
from bitcell_sim.random_streams import stream_key
from bitcell_sim.studies.availability import availability

FIGURE = "availability_year.png"
TABLE = "availability_year.csv"
DEPLOYMENTS = {
    "a balancer in each region": (),
    "one balancer, in US-East": ("deployment.load_balancer.placement=us-east",),
}
COLOURS = ("#0b9a72", "#d55e00")
FACTORS = (0.3, 0.5, 1.0, 2.0, 3.0)
CAUSES = ("global", "zone", "region", "host", "region_pair", "zone+region", "balancer", "process")
INK = "#757d88"


def months(sets: Sequence[str], years: int) -> Any:
    """Minutes out of service in each month, sorted."""
    scenario = bitcell_sim.load_scenario("rc3", sets=sets)
    mesh = build_mesh(scenario.deployment, scenario.fault_rates)
    parts = [simulate_outages(mesh, stream_key(seed, "months"), years * 876.0) for seed in range(10)]
    return np.sort(np.concatenate([part.months_min() for part in parts]))


def swept(sets: Sequence[str], factor: float) -> float:
    """Minutes a month in closed form with every rate multiplied."""
    scenario = bitcell_sim.load_scenario("rc3", sets=sets)
    rates = scenario.fault_rates
    classes = [name for name in type(rates).model_fields if name not in ("name", "title")]
    update = {
        name: (rate := getattr(rates, name)).model_copy(update={"mtbf_h": rate.mtbf_h / factor}) for name in classes
    }
    mesh = build_mesh(scenario.deployment, rates.model_copy(update=update))
    return (1.0 - steady_availability(mesh)) * MONTH_MIN


def verdict(found: dict[str, dict[str, Any]]) -> str:
    """Both deployments, their changes, then the answer."""
    lines = []
    for name, content in found.items():
        missed = content["missed_months"]
        lines.append(
            f"{name}: {100 * content['availability']:.4f} % [{100 * content['ci_low']:.4f},"
            f" {100 * content['ci_high']:.4f}] (closed form {100 * content['closed_form']:.4f}),"
            f" {content['minutes_down_per_month']:.2f} minutes a month; {missed['share']:.2%} of months miss"
        )
        lost = [row for row in content["causes"] if row["minutes_per_month"] > 1e-3]
        lines += [f"  lost  {_figure(row, 'minutes_per_month')} {row['cause']}" for row in lost]
        lines += [f"  saved {_figure(row, 'minutes_saved_per_month')} {row['words']}" for row in content["changes"]]
    each, single = found.values()
    main = max(each["by_cause"], key=lambda cause: each["by_cause"][cause])
    best, next_best = single["changes"][0], each["changes"][0]
    missed, alone = (100.0 * content["missed_months"]["share"] for content in (each, single))
    lines.append(
        f"Verdict: 99.9 % on average {'yes' if each['ci_low'] > 0.999 else 'no'}, but {missed:.1f} % of months lose"
        f" more than {each['missed_months']['budget_min']:.1f} minutes, with one balancer {alone:.1f} %."
        f" {each['by_cause'][main] / each['minutes_down_per_month']:.0%} of the minutes are '{main}' faults, which no"
        f" change of nodes or regions gives back. What buys most is {best['words']}:"
        f" {best['minutes_saved_per_month']:.1f} minutes a month; with that done, {next_best['words']}:"
        f" {next_best['minutes_saved_per_month']:.2f}."
    )
    return "\n".join(lines)


def _figure(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:8.3f} [{row['ci_low']:8.3f}, {row['ci_high']:8.3f}]"


def draw(found: dict[str, dict[str, Any]], by_month: dict[str, Any]) -> Any:
    """Four panels: causes, months, changes, rates."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "font.size": 9}
    style |= {"xtick.color": INK, "ytick.color": INK, "figure.facecolor": "none", "axes.facecolor": "none"}
    with plt.rc_context(style | {"savefig.facecolor": "none"}):
        figure, axes = plt.subplots(2, 2, figsize=(11.0, 8.0), layout="constrained")
        _draw_causes(axes[0, 0], found)
        _draw_months(axes[0, 1], found, by_month)
        _draw_changes(axes[1, 0], found)
        _draw_rates(axes[1, 1], found)
        for each in axes.flat:
            each.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_causes(axes: Any, found: dict[str, dict[str, Any]]) -> None:
    for shift, ((name, content), colour) in enumerate(zip(found.items(), COLOURS, strict=True)):
        rows = {row["cause"]: row for row in content["causes"]}
        for place, cause in enumerate(CAUSES):
            row = rows.get(cause)
            if row is None:
                continue
            at = place + 0.18 * (2 * shift - 1)
            axes.plot([max(row["ci_low"], 1e-6), row["ci_high"]], [at, at], color=colour, linewidth=1.4)
            seen = row["n"] > 0
            x = row["minutes_per_month"] if seen else row["ci_high"]
            label = name if place == 0 else None
            axes.plot(x, at, marker="o" if seen else "<", color=colour, markersize=4.5, linestyle="", label=label)
    axes.set_xscale("log")
    axes.set_xlim(5e-7, 30)
    axes.set_yticks(range(len(CAUSES)), [cause.replace("_", " ").replace("+", " and ") for cause in CAUSES])
    axes.invert_yaxis()
    axes.set_xlabel("minutes a month (◂ none seen: upper bound)")
    axes.set_title("What takes the minutes", loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small", loc="lower right")


def _draw_months(axes: Any, found: dict[str, dict[str, Any]], by_month: dict[str, Any]) -> None:
    for (name, minutes), colour in zip(by_month.items(), COLOURS, strict=True):
        lost = minutes[minutes > 0.1]
        axes.plot(lost, 100.0 * np.arange(len(lost), 0, -1) / len(minutes), color=colour, label=name)
    budget = next(iter(found.values()))["missed_months"]["budget_min"]
    axes.axvline(budget, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate(f"99.9 %: {budget:.1f} minutes", (budget, 30), xytext=(5, 0), textcoords="offset points")
    for content, colour, drop in zip(found.values(), COLOURS, (-14, 6), strict=True):
        share = 100.0 * content["missed_months"]["share"]
        axes.plot(budget, share, marker="o", color=colour, markersize=5)
        words = {"xytext": (-8 if drop < 0 else 7, drop), "textcoords": "offset points"}
        axes.annotate(f"{share:.1f} %", (budget, share), color=colour, ha="right" if drop < 0 else "left", **words)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-3, 100)
    axes.set_xlabel("minutes out of service in a month")
    axes.set_ylabel("months with more, %")
    axes.set_title("Months", loc="left", fontsize="medium")


def _draw_changes(axes: Any, found: dict[str, dict[str, Any]]) -> None:
    each, single = found.values()
    names = [row["change"] for row in single["changes"]]
    names += [row["change"] for row in each["changes"] if row["change"] not in names]
    axes.axvline(0.0, color=INK, linewidth=0.8)
    for shift, (content, colour) in enumerate(zip(found.values(), COLOURS, strict=True)):
        for row in content["changes"]:
            at = names.index(row["change"]) + 0.18 * (2 * shift - 1)
            axes.plot([row["ci_low"], row["ci_high"]], [at, at], color=colour, linewidth=1.4)
            axes.plot(row["minutes_saved_per_month"], at, marker="o", color=colour, markersize=4.5)
            axes.plot(row["closed_form_saved"], at, marker="|", color=INK, markersize=9)
    axes.set_xscale("symlog", linthresh=0.1, linscale=0.6)
    axes.set_xticks([-10, -1, -0.1, 0, 0.1, 1, 10], ["-10", "-1", "-0.1", "0", "0.1", "1", "10"])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("minutes a month saved (95 % interval; | in closed form)")
    axes.set_title("What a change saves, on the same faults", loc="left", fontsize="medium")


def _draw_rates(axes: Any, found: dict[str, dict[str, Any]]) -> None:
    budget = next(iter(found.values()))["missed_months"]["budget_min"]
    for sets, colour in zip(DEPLOYMENTS.values(), COLOURS, strict=True):
        minutes = [swept(sets, factor) for factor in FACTORS]
        axes.plot(FACTORS, minutes, color=colour, marker="o", markersize=4)
        axes.annotate(f"{minutes[-1]:.1f}", (FACTORS[-1], minutes[-1]), xytext=(-4, 6), textcoords="offset points")
    axes.axhline(budget, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate("99.9 %", (FACTORS[0], budget), xytext=(0, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(FACTORS, [f"x {factor:g}" for factor in FACTORS])
    axes.set_xticks([], minor=True)
    ticks = [1, 2, 5, 10, 20, 50]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("all rates of faults, times those of the sources")
    axes.set_ylabel("minutes a month, in closed form")
    axes.set_title("If faults came more often", loc="left", fontsize="medium")


def write_table(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Causes and changes of both deployments, as CSV."""
    lines = ["deployment,what,name,minutes_per_month,ci_low,ci_high,closed_form"]
    for name, content in found.items():
        closed = (1.0 - content["closed_form"]) * MONTH_MIN
        bounds = [(1.0 - content[key]) * MONTH_MIN for key in ("ci_high", "ci_low")]
        rows = [("all", "all", content["minutes_down_per_month"], *bounds, f"{closed:.6f}")]
        missed = content["missed_months"]
        rows.append(("months", "missed share", missed["share"], missed["ci_low"], missed["ci_high"], ""))
        rows += [
            ("lost", row["cause"], row["minutes_per_month"], row["ci_low"], row["ci_high"], "")
            for row in content["causes"]
        ]
        rows += [
            (
                "saved",
                row["change"],
                row["minutes_saved_per_month"],
                row["ci_low"],
                row["ci_high"],
                f"{row['closed_form_saved']:.6f}",
            )
            for row in content["changes"]
        ]
        lines += [
            f'"{name}",{w},"{what}",{m:.6f},{low:.6f},{high:.6f},{exact}' for w, what, m, low, high, exact in rows
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the years")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    years = 1000 if options.quick else 10_000
    found = {name: availability("rc3", years=years, changes=True, sets=sets) for name, sets in DEPLOYMENTS.items()}
    by_month = {name: months(sets, years) for name, sets in DEPLOYMENTS.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, by_month).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
