"""What encryption and sign-in on the way to the RPC cost a request, and what they cost the chain.

Question
--------
The RC3 documents run without TLS and without authentication, and recommend both. How much later is a request answered
with them, at p50 and p95, over the real distances between regions? How much of it do connections that are kept, and
sessions that are resumed, give back? Does the chain carry fewer transactions?

Setup
-----
``rc3`` at 20 TPS, a little more than it carries, with the security of ``models/deployments/rc3-tls.toml`` in four
strengths: none; a token on connections that are kept; new connections that resume a session with early data (one round
trip, TCP's, and half the handshake's work, assumed); new connections with a whole TLS 1.3 handshake (two round trips).
Each on both hops, client to balancer and balancer to node, and for a balancer in each region and a single one. The same
seeds in all, so that differences are paired.

Answer
------
The printed verdict, and docs/figures/tls_and_auth.png. In short: what is paid is distance, not cryptography. Whole
handshakes on every request multiply its time, kept connections cost a tenth of a millisecond, and the chain notices
neither.

Limits
------
Work of the handshake delays the request and takes no cores from battles: at 20 TPS it would be half a percent of one.
Today's model sends requests over connections that stand; the difference to "none" is thus also TCP's. Round trips of a
handshake have no jitter. Encryption between nodes is set up once a connection and not looked at; renewing certificates
neither.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bitcell_sim
from bitcell_sim.analysis.estimates import Estimate, mean_interval
from bitcell_sim.analysis.tables import after_warmup, final_tps

if TYPE_CHECKING:
    from bitcell_sim import Run

FIGURE = "tls_and_auth.png"
TABLE = "tls_and_auth.csv"
INK = "#757d88"
COLOURS = {"a balancer in each region": "#0b9a72", "one balancer, in US-East": "#d55e00"}
PLACES = {"a balancer in each region": "per-region", "one balancer, in US-East": "us-east"}
WARMUP = 2


@dataclass(frozen=True)
class Strength:
    """One way of securing a request: round trips before it on each hop, and shares of a handshake and a token."""

    name: str
    round_trips: int
    handshake_share: float
    token_share: float

    def sets(self) -> tuple[str, ...]:
        """Options that make it."""
        full = bitcell_sim.load_scenario("rc3-tls").deployment.security
        return (
            f"deployment.security.client_round_trips={self.round_trips}",
            f"deployment.security.server_round_trips={self.round_trips}",
            f"deployment.security.handshake_ms={full.handshake_ms * self.handshake_share}",
            f"deployment.security.authentication_ms={full.authentication_ms * self.token_share}",
        )


STRENGTHS = (
    Strength("none", 0, 0.0, 0.0),
    Strength("token, connections kept", 0, 0.0, 1.0),
    Strength("token, sessions resumed", 1, 0.5, 1.0),
    Strength("token, whole handshakes", 2, 1.0, 1.0),
)


@dataclass(frozen=True)
class Found:
    """Figures of one strength at one placement; differences are to none, on the same seeds."""

    place: str
    strength: str
    p50_ms: Estimate
    p95_ms: Estimate
    tps: Estimate
    added_p50_ms: Estimate
    added_p95_ms: Estimate
    added_tps: Estimate


def figures(run: Run) -> tuple[float, float, float]:
    """Milliseconds until a request is answered, at p50 and p95, and final transactions a second."""
    sent = after_warmup(run.tables, WARMUP)["transactions"]
    served = sent[sent["request"] == "ok"]
    waited = served["answered_ms"] - served["submitted_ms"]
    return float(waited.quantile(0.5)), float(waited.quantile(0.95)), float(final_tps(run.tables, WARMUP))


def measure(replications: int, duration_s: float) -> list[Found]:
    """Every strength at both placements."""
    found = []
    for place, placement in PLACES.items():
        common = (
            "workload.rate_tps=20.0",
            f"duration_s={duration_s}",
            f"deployment.load_balancer.placement={placement}",
        )
        plain: list[tuple[float, float, float]] = []
        for strength in STRENGTHS:
            sets = (*common, *strength.sets())
            values = bitcell_sim.replicate("rc3", replications=replications, sets=sets, measure=figures)
            plain = plain or values
            pairs = list(zip(values, plain, strict=True))
            columns = [mean_interval([value[i] for value in values]) for i in range(3)]
            added = [mean_interval([with_it[i] - without[i] for with_it, without in pairs]) for i in range(3)]
            found.append(Found(place, strength.name, *columns, *added))
    return found


def verdict(found: Sequence[Found]) -> str:
    """One line each, then the answer."""
    lines = [
        f"{each.place:26} {each.strength:25} p50 {_text(each.p50_ms)} ms, p95 {_text(each.p95_ms)} ms,"
        f" {_text(each.tps)} TPS; p95 {each.added_p95_ms.measured:+.2f} ms, TPS {each.added_tps.measured:+.3f}"
        for each in found
    ]
    own = {each.strength: each for each in found if each.place == next(iter(PLACES))}
    none, kept, resumed, whole = (own[strength.name] for strength in STRENGTHS)
    lines.append(
        f"Verdict: whole handshakes on every request take p50 from {none.p50_ms.measured:.0f} to"
        f" {whole.p50_ms.measured:.0f} ms and p95 from {none.p95_ms.measured:.0f} to {whole.p95_ms.measured:.0f} ms;"
        f" resumed sessions {resumed.p95_ms.measured:.0f} ms at p95; kept connections with a token add"
        f" {kept.added_p95_ms.measured:.2f} ms. The rate of final transactions changes by"
        f" {whole.added_tps.measured:+.2f} TPS [{whole.added_tps.ci_low:+.2f}, {whole.added_tps.ci_high:+.2f}]."
    )
    return "\n".join(lines)


def _text(estimate: Estimate) -> str:
    return f"{estimate.measured:.2f} [{estimate.ci_low:.2f}, {estimate.ci_high:.2f}]"


def draw(found: Sequence[Found]) -> Any:
    """Bars of p50 and p95, and the change of the final rate."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style: Any = {"text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "font.size": 9}
    style |= {"xtick.color": INK, "ytick.color": INK, "figure.facecolor": "none", "axes.facecolor": "none"}
    with plt.rc_context(style | {"savefig.facecolor": "none"}):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(11.0, 4.2), layout="constrained", sharey=True, width_ratios=(2, 1)
        )
        for shift, (place, colour) in enumerate(COLOURS.items()):
            for row, each in enumerate(each for each in found if each.place == place):
                at = row + 0.2 * (2 * shift - 1)
                p50, p95 = each.p50_ms.measured or 0.0, each.p95_ms.measured or 0.0
                left.barh(at, p95, 0.36, color=colour, alpha=0.35, label=f"{place}, p95" if row == 0 else None)
                left.barh(at, p50, 0.36, color=colour, label="p50" if row == 0 else None)
                left.annotate(f"{p50:.0f} / {p95:.0f}", (p95, at), xytext=(4, -3), textcoords="offset points")
                added = each.added_tps
                right.plot([added.ci_low, added.ci_high], [at, at], color=colour, linewidth=1.4)
                right.plot(added.measured, at, marker="o", color=colour, markersize=4.5)
        left.set_yticks(range(len(STRENGTHS)), [strength.name for strength in STRENGTHS])
        left.invert_yaxis()
        left.set_xlabel("milliseconds until a request is answered")
        left.set_title("What a client waits for", loc="left", fontsize="medium")
        left.legend(frameon=False, fontsize="small")
        left.margins(x=0.15)
        right.axvline(0.0, color=INK, linewidth=0.8)
        right.set_xlabel("TPS, difference to none (95 %)")
        right.set_title("What the chain loses", loc="left", fontsize="medium")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def write_table(found: Sequence[Found], path: Path) -> None:
    """Every figure, as CSV."""
    lines = ["placement,strength,figure,value,ci_low,ci_high,added,added_ci_low,added_ci_high"]
    for each in found:
        rows = (("p50_ms", each.p50_ms, each.added_p50_ms), ("p95_ms", each.p95_ms, each.added_p95_ms))
        for name, value, added in (*rows, ("final_tps", each.tps, each.added_tps)):
            numbers = [number for e in (value, added) for number in (e.measured, e.ci_low, e.ci_high)]
            lines.append(f'"{each.place}","{each.strength}",{name},' + ",".join(f"{n or 0.0:.4f}" for n in numbers))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figure and its table")
    options = parser.parse_args(arguments)
    found = measure(2, 400.0) if options.quick else measure(6, 900.0)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.out / FIGURE, dpi=150)
    write_table(found, options.out / TABLE)
    print(verdict(found))
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
