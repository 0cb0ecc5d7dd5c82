"""From the runs of a chaos test to its verdict: recovery within the limit, what had to hold meanwhile, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitcell_sim.analysis.chaos import CHAIN, CLIENTS, NODES, Event
from bitcell_sim.analysis.estimates import (
    Estimate,
    Verdict,
    judge,
    mean_interval,
    quantile,
    quantile_interval,
)
from bitcell_sim.config.schema import ChaosTest, Target
from bitcell_sim.studies.chaos_plan import LONG
from bitcell_sim.studies.measures import Measurement

MEDIAN, P95 = 0.5, 0.95
WORST: tuple[Verdict, ...] = ("fail", "unknown", "pass")
PARTS = {
    "process": "process up",
    "peers": "connected",
    "synced": "caught up",
    "voting": "voting",
    "pool": "pool refilled",
    "served": "in every load balancer",
    CLIENTS: "clients served",
    CHAIN: "next block final",
}
JUDGED = {NODES: "nodes up, connected and caught up", CLIENTS: PARTS[CLIENTS], CHAIN: PARTS[CHAIN]}


@dataclass(frozen=True)
class VariantVerdict:
    """One way to break something, for one length.

    Parameters
    ----------
    variant : str
        What was broken.
    verdict : {"pass", "fail", "unknown"}
        Of its recovery.
    recovery_s : Estimate
        Its p95 until all that is judged was back, seconds.
    events : tuple of Event
        One a run.
    """

    variant: str
    verdict: Verdict
    recovery_s: Estimate
    events: tuple[Event, ...]

    def back(self, part: str, q: float) -> float | None:
        """Quantile of the seconds until a part was back, of the runs in which it was."""
        return quantile([at for event in self.events if not math.isnan(at := event.parts.get(part, math.nan))], q)

    def parts(self) -> dict[str, dict[str, float | None]]:
        """Seconds until each part was back, median and p95, and in how many runs it was."""
        found = {}
        for part in PARTS:
            values = [event.parts[part] for event in self.events if part in event.parts]
            if values:
                count = float(sum(not math.isnan(value) for value in values))
                found[part] = {"p50_s": self.back(part, MEDIAN), "p95_s": self.back(part, P95), "n": count}
        return found

    def mean(self, count: str) -> float:
        """Mean of a count over the runs."""
        return mean_of(self.events, count)

    def figures(self) -> dict[str, Any]:
        """JSON of the variant."""
        totals = [event.total_s for event in self.events]
        return {
            "variant": self.variant,
            "verdict": self.verdict,
            "n": len(totals),
            "p50_s": quantile(totals, MEDIAN),
            "p95_s": self.recovery_s.measured,
            "ci_low": self.recovery_s.ci_low,
            "ci_high": self.recovery_s.ci_high,
            "max_s": max(totals),
            "parts": self.parts(),
            "final_blocks": self.mean("final_count"),
            "orphaned_blocks": self.mean("orphaned_count"),
            "recoveries_s": totals,
        }


@dataclass(frozen=True)
class LengthVerdict:
    """One test with its short or its long fault.

    Parameters
    ----------
    length : str
        ``short`` or ``long``.
    fault_s : float
        Seconds that the fault held.
    verdict : {"pass", "fail", "unknown"}
        Of recovery and of all that had to hold.
    variants : tuple of VariantVerdict
        In the order of the test.
    final_ratio : Estimate
        Mean share of the offered transactions made final while it held.
    judged : tuple of str
        Which parts have to be back.
    reasons : tuple of str
        What had to hold and did not, or is not certain.
    """

    length: str
    fault_s: float
    verdict: Verdict
    variants: tuple[VariantVerdict, ...]
    final_ratio: Estimate
    judged: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """One a run."""
        return tuple(event for at in self.variants for event in at.events)

    @property
    def worst(self) -> VariantVerdict:
        """Variant whose recovery counts: the worst verdict, then the largest p95."""
        return min(self.variants, key=lambda at: (WORST.index(at.verdict), -(at.recovery_s.measured or 0.0)))

    def mean(self, count: str) -> float:
        """Mean of a count over the runs."""
        return mean_of(self.events, count)

    def shut_out(self) -> float:
        """Share of the runs after which the chain lets a miner into no tournament."""
        return sum(event.excluded_count > 0 for event in self.events) / len(self.events)


def mean_of(events: Sequence[Event], count: str) -> float:
    """Mean of a count over runs."""
    return sum(float(getattr(event, count)) for event in events) / len(events)


@dataclass(frozen=True)
class TestVerdict:
    """One chaos test.

    Parameters
    ----------
    test, target
        What was done, and its limit.
    lengths : tuple of LengthVerdict
        Short and long.
    unsafe : tuple of str
        What the safety checkers found, in any run.
    obstacles : tuple of str
        What keeps it from being met whatever is broken.
    """

    test: ChaosTest
    target: Target
    lengths: tuple[LengthVerdict, ...]
    unsafe: tuple[str, ...]
    obstacles: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of both lengths; a fail if anything was unsafe; unknown without runs."""
        if self.unsafe:
            return "fail"
        return min((entry.verdict for entry in self.lengths), key=WORST.index, default="unknown")

    @property
    def worse(self) -> LengthVerdict | None:
        """The length with the worse verdict; of equal ones the slower recovery."""
        order = sorted(self.lengths, key=lambda at: (WORST.index(at.verdict), -(at.worst.recovery_s.measured or 0.0)))
        return order[0] if order else None

    @property
    def why(self) -> str:
        """What was back when, what held meanwhile, and what did not."""
        if not self.lengths:
            return "the deployment has none of the nodes and regions that the test's variants name"
        said = [*(f"unsafe: {detail}" for detail in self.unsafe[:2])]
        said += self.obstacles or [_sentence(at) for at in self.lengths]
        return "; ".join(said)


def judge_test(
    test: ChaosTest,
    target: Target,
    runs: Mapping[str, Sequence[Measurement]],
    long_s: float,
    obstacles: Sequence[str] = (),
) -> TestVerdict:
    """Verdict on a chaos test.

    Parameters
    ----------
    test, target : ChaosTest, Target
        What was done, and its limit.
    runs : mapping of str to sequence of Measurement
        By length; none where the deployment lacks what the test names.
    long_s : float
        Seconds of the long fault.
    obstacles : sequence of str
        What keeps it from being met whatever is broken.
    """
    lengths, unsafe = [], set()
    for length, measured in runs.items():
        events = tuple(run.chaos for run in measured if run.chaos is not None)
        unsafe |= {violation for run in measured for violation in run.violations}
        if events:
            short_s = max((fault.duration_s or 0.0 for variant in test.variant for fault in variant.fault), default=0.0)
            lengths.append(_judge_length(test, target, length, long_s if length == LONG else short_s, events))
    return TestVerdict(test, target, tuple(lengths), tuple(sorted(unsafe)), tuple(obstacles))


def _judge_length(
    test: ChaosTest, target: Target, length: str, fault_s: float, events: tuple[Event, ...]
) -> LengthVerdict:
    variants = _by_variant(test, target, events)
    ratio = mean_interval([event.final_ratio for event in events if not math.isnan(event.final_ratio)])
    verdicts, reasons = [at.verdict for at in variants], []
    if test.crash_free and any(event.crash_count for event in events):
        verdicts.append("fail")
        reasons.append(f"a process crashed in {sum(event.crash_count > 0 for event in events)} of {len(events)} runs")
    if length == LONG:
        idle = {variant.title for variant in test.variant if variant.no_quorum}
        going = [event for event in events if event.variant not in idle]
        stalled = sum(event.final_count == 0 for event in going)
        if test.keeps_final and stalled:
            verdicts.append("fail")
            reasons.append(f"no block became final while it held in {stalled} of {len(going)} runs")
        if test.final_ratio_min is not None:
            verdicts.append(judge(ratio, test.final_ratio_min, ">="))
            if verdicts[-1] != "pass":
                reasons.append(f"not certain that {test.final_ratio_min:.0%} of what is offered becomes final")
    worst = min(verdicts, key=WORST.index)
    return LengthVerdict(length, fault_s, worst, variants, ratio, tuple(test.judged), tuple(reasons))


def _by_variant(test: ChaosTest, target: Target, events: Sequence[Event]) -> tuple[VariantVerdict, ...]:
    """Each variant by itself: its runs are its own and so independent."""
    found = []
    order = [variant.title for variant in test.variant]
    for name in sorted({event.variant for event in events}, key=lambda at: order.index(at) if at in order else -1):
        mine = tuple(event for event in events if event.variant == name)
        estimate = quantile_interval([event.total_s for event in mine], P95)
        found.append(VariantVerdict(name, judge(estimate, target.limit, target.comparison), estimate, mine))
    return tuple(found)


def _sentence(at: LengthVerdict) -> str:
    """One length in words: when what is judged was back, at p95; then what held, and what did not."""
    worst = at.worst
    words = dict(JUDGED)
    if (process_s := worst.back("process", P95)) is not None:
        words[NODES] += f" (their process alone {_s(process_s)})"
    back = ", ".join(f"{words[part]} {_s(worst.back(part, P95))}" for part in words if part in at.judged)
    name = f", {worst.variant}" if len(at.variants) > 1 else ""
    said = [f"{at.fault_s:g} s{name}: {back} (p95)"]
    missing = sum(event.cut_off for event in at.events)
    if missing:
        said.append(f"in {missing} of {len(at.events)} runs not all was back in time")
    if worst.recovery_s.ci_low is None or worst.recovery_s.ci_high is None:
        said.append(f"too few runs for an interval ({worst.recovery_s.n})")
    elif worst.verdict == "unknown":
        said.append(f"too close to the limit for {worst.recovery_s.n} runs")
    if at.length == LONG:
        said.append(f"meanwhile {_consensus(at)}")
    caught = [event.caught_s for event in at.events if not math.isnan(event.caught_s)]
    if caught:
        said.append(f"the double votes were proved {_s(quantile(caught, P95))} after the first")
    if at.shut_out():
        said.append(f"in {at.shut_out():.0%} of the runs a miner ends shut out of all tournaments")
    return ", ".join([*said, *at.reasons])


def _consensus(at: LengthVerdict) -> str:
    """Blocks made final while the fault held, by variant where that differs between going on and none."""
    rows = [(entry.variant, entry.mean("final_count")) for entry in at.variants]
    stalled = [name for name, count in rows if count == 0]
    ratio = min(1.0, at.final_ratio.measured or 0.0)  # what waited before may bring it above 1
    if not stalled or len(stalled) == len(rows):
        return f"{at.mean('final_count'):.0f} blocks final, {ratio:.0%} of what was offered"
    going = [f"{count:.0f} with {name}" for name, count in rows if name not in stalled]
    return f"blocks final: {', '.join(going)}, none with {', '.join(stalled)}"


def _s(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} s"
