"""What the death of one node costs clients behind the load balancer, by kind of death, beside the real HAProxy.

Question
--------
The RC3 documents count on "automatic node removal (3 failures)" and name failover times of 30 and of 120 s. How long
does a dead node stay in use, when is it back, and how many requests fail until then? Does it matter how it dies, and
does a retry on another server help? And does the simulated load balancer do what a real HAProxy does?

Setup
-----
`bitcell_sim.balance`: seven servers on loopback, `inter 5s fall 3 rise 2` as infra/monitoring/haproxy.cfg has it, 20
requests a second at even gaps, clients that wait 10 s. One server refuses connections, or accepts and hangs, or answers
everything with HTTP 500, with and without `option redispatch 1`; 400 simulated deaths each, at moments uniform over the
interval. The same is asked of the real HAProxy where it is installed, with the same settings and the same clients: 24
deaths each, side by side.

Answer
------
The printed verdict, docs/figures/load_balancer.png and .csv. In short: a node that refuses or fails is out after 10 to
15 s, one that hangs after 25 to 30 s; until then one request in seven fails. `redispatch` saves all of them if the node
refuses and none if it hangs or answers with errors. Simulated and real agree.

Limits
------
Loopback: round trips add to every check and to every retry (`bitcell-sim balance --latency`). HAProxy keeps
connections to its servers open where it can; here every request has a new one. The real one runs on this machine's
clock, so its slowest good answer holds the machine's other work.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import bitcell_sim
from bitcell_sim.errors import MissingToolError

DEATHS = ("refuse", "hang", "http500")
WORDS = {"refuse": "refuses", "hang": "hangs", "http500": "answers HTTP 500"}
FIGURE, TABLE = "load_balancer.png", "load_balancer.csv"
INK, COLOURS = "#757d88", {"refuse": "#2f7fc1", "hang": "#d55e00", "http500": "#0b9a72"}
DASHES: dict[str, Any] = {"refuse": "-", "hang": "-", "http500": (0, (2, 2))}
MARKS = {"refuse": "o", "hang": "s", "http500": "x"}
Answer = dict[str, Any]


class Case(NamedTuple):
    """A way of dying and a setting, simulated or real."""

    death: str
    redispatch: int
    source: str


def measure(simulated: int, real: int) -> dict[Case, Answer]:
    """Every case, so many deaths each."""
    found = {}
    for seed, case in enumerate(cases("simulated")):
        found[case] = ask(case, simulated, seed)
    if real:
        try:
            found |= {case: ask(case, real, seed) for seed, case in enumerate(cases("real"))}
        except MissingToolError as error:
            print(f"without the real one: {error}")
    return found


def cases(source: str) -> Iterator[Case]:
    """All deaths, with and without redispatch."""
    return (Case(death, redispatch, source) for death in DEATHS for redispatch in (0, 1))


def ask(case: Case, repeat: int, seed: int) -> Answer:
    """One case."""
    sets = [f"deployment.load_balancer.redispatch={'true' if case.redispatch else 'false'}"]
    death: Any = case.death
    return bitcell_sim.balance(death=death, repeat=repeat, seed=seed, sets=sets, real=case.source == "real")


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Largest distance between two samples' distribution functions."""
    at = np.sort(np.concatenate([one, other])) + 0.05  # the machine's own delay moves nothing
    shares = [np.searchsorted(np.sort(values), at) / len(values) for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def verdict(found: dict[Case, Answer]) -> str:
    """One line a case, then the answer."""
    lines = []
    for case, answer in found.items():
        down, up = (f"{min(v):5.2f} {median(v):5.2f} {max(v):5.2f}" for v in (answer["down_s"], answer["up_s"]))
        share = 100 * answer["failed"] / answer["sent"]
        words = f"{WORDS[case.death]}, redispatch {case.redispatch}"
        lines.append(f"{words:32} {case.source:9}  out {down}  back {up} s  failed {share:5.2f} % of {answer['sent']}")
    lost = {case: answer["failed"] / answer["sent"] for case, answer in found.items() if case.source == "simulated"}
    longest = {death: max(found[Case(death, 0, "simulated")]["down_s"]) for death in DEATHS}
    lines.append(
        f"Verdict: a node that refuses is out of use after at most {longest['refuse']:.0f} s, one that hangs after at"
        f" most {longest['hang']:.0f} s; until then {100 * lost[Case('refuse', 0, 'simulated')]:.1f} % of requests"
        f" fail. With redispatch it is {100 * lost[Case('refuse', 1, 'simulated')]:.1f} % if the node refuses, and"
        f" still {100 * lost[Case('hang', 1, 'simulated')]:.1f} % if it hangs and"
        f" {100 * lost[Case('http500', 1, 'simulated')]:.1f} % if it answers with errors.{agreement(found)}"
    )
    return "\n".join(lines)


def agreement(found: dict[Case, Answer]) -> str:
    """How far simulated and real are apart, and how far as many pairs of samples of one law are 99 times of 100."""
    pairs = [(found[case._replace(source="simulated")], real) for case, real in found.items() if case.source == "real"]
    apart = [distance(simulated[key], real[key]) for simulated, real in pairs for key in ("down_s", "up_s")]
    if not apart:
        return ""
    sizes = (len(pairs[0][0]["down_s"]), len(pairs[0][1]["down_s"]))
    usual = math.sqrt(-math.log(0.005 / len(apart)) / 2 * (1 / sizes[0] + 1 / sizes[1]))  # Kolmogorov-Smirnov
    words = "agree" if max(apart) < usual else "DISAGREE"
    return (
        f" Simulated and real HAProxy {words}: the {len(apart)} distributions are at most {max(apart):.2f} apart (of"
        f" one law: under {usual:.2f}, 99 times of 100)."
    )


def draw(found: dict[Case, Answer]) -> Any:
    """Distributions of the times, and the share of requests that fail."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    style: Any = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none")
    with plt.rc_context(style):
        figure, (out, back, failed) = plt.subplots(1, 3, figsize=(10.5, 3.8), layout="constrained")
        _times(out, found, "down_s", "from death to out of use, s")
        _times(back, found, "up_s", "from return to in use, s")
        _shares(failed, found)
        out.set_ylabel("share of deaths")
        for axes in (out, back, failed):
            axes.spines[["top", "right"]].set_visible(False)
        keys = [Line2D([], [], color=COLOURS[d], linestyle=DASHES[d], marker=MARKS[d], markersize=3.5) for d in DEATHS]
        figure.legend(
            keys, [f"it {WORDS[d]}" for d in DEATHS], loc="outside lower left", ncols=3, frameon=False, labelcolor=INK
        )
        lines = "lines: simulated" + ("; marks: the real HAProxy" if any(c.source == "real" for c in found) else "")
        figure.suptitle(f"One of seven nodes dies behind HAProxy, inter 5s fall 3 rise 2 ({lines})", x=0.01, ha="left")
    return figure


def _times(axes: Any, found: dict[Case, Answer], key: str, label: str) -> None:
    for case, answer in found.items():
        if case.redispatch:
            continue
        values = np.sort(answer[key])
        share = (np.arange(len(values)) + 0.5) / len(values)
        colour = COLOURS[case.death]
        if case.source == "real":
            axes.plot(values, share, MARKS[case.death], color=colour, markersize=3.5)
        else:
            axes.step(values, share, where="mid", color=colour, linewidth=1.6, linestyle=DASHES[case.death])
    axes.set_xlim(left=0)
    axes.set_xlabel(label)


def _shares(axes: Any, found: dict[Case, Answer]) -> None:
    for case, answer in found.items():
        place = DEATHS.index(case.death) + 0.22 * (2 * case.redispatch - 1)
        share = 100 * answer["failed"] / answer["sent"]
        if case.source == "real":
            axes.plot(place, share, MARKS[case.death], color=INK, markersize=5, clip_on=False)
            continue
        axes.bar(place, share, 0.4, color=COLOURS[case.death], alpha=0.4 if case.redispatch else 1.0)
        if case.redispatch:
            axes.text(place, 0.7, "redispatch", rotation=90, ha="center", va="bottom", fontsize="small")
    axes.axhline(100 / 7, color=INK, linewidth=0.8, linestyle=":")
    axes.text(0.22, 100 / 7 + 0.2, "one in seven", ha="center", va="bottom", fontsize="small")
    axes.set_xticks(range(len(DEATHS)), [WORDS[death] for death in DEATHS], fontsize="small")
    axes.set_ylim(0, 17)
    axes.set_ylabel("requests that fail until then, %")


def write_table(found: dict[Case, Answer], path: Path) -> None:
    """Every case, as CSV."""
    lines = ["death,redispatch,source,n,down_min_s,down_median_s,down_max_s,up_min_s,up_median_s,up_max_s,sent,failed"]
    for case, answer in found.items():
        times = [f"{of(answer[key]):.3f}" for key in ("down_s", "up_s") for of in (min, median, max)]
        lines.append(
            f"{','.join(map(str, case))},{len(answer['down_s'])},{','.join(times)},{answer['sent']},{answer['failed']}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer deaths, and not the real HAProxy")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(60, 0) if options.quick else measure(400, 24)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
