"""How fast people on call answer, by severity: months of alerts, real and false, on people and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bitcell_sim.analysis.estimates import Estimate, judge, quantile_interval
from bitcell_sim.config.schema import OnCall, Person, Rotation, Target
from bitcell_sim.network.clock import Clock
from bitcell_sim.operations import rota
from bitcell_sim.operations.on_call import Notice, People, ResponseRecord
from bitcell_sim.random_streams import Stream
from bitcell_sim.studies.rows import Evidence, Row
from bitcell_sim.units import seconds_to_ns

PREFIX = "monitoring.response."
SEVERITY_OF = {"critical": "P0", "high": "P1", "medium": "P2", "low": "P3"}  # the RC3 document's words
MONTH_S = 365.25 / 12 * rota.DAY_S
MONTHS = 240
P95 = 0.95
MINUTE_S = 60.0
_DAYS_MAX = 14  # business days counted at most


class Answered(NamedTuple):
    """One alert and its answer.

    Parameters
    ----------
    record : ResponseRecord
        What became of it.
    real : bool
        Whether there was something to it.
    business_days : int
        How many business days had ended after its own when it was acknowledged, the present one included.
    """

    record: ResponseRecord
    real: bool
    business_days: int

    @property
    def minutes(self) -> float:
        """Minutes from the notification to the acknowledgement."""
        return (self.record.acknowledged_s - self.record.notified_s) / MINUTE_S


def arrivals(settings: OnCall, *, seed: int, months: float) -> list[Notice]:
    """Alerts of some months, real and false, each kind a Poisson process of its own."""
    draws, notices = Stream.of(seed, "studies.response"), list[Notice]()
    end_s = months * MONTH_S
    for place, response in enumerate(settings.response):
        for real, rate in ((True, response.true_per_month), (False, response.false_per_month)):
            at_s, count = 0.0, 0
            while rate > 0:
                at_s += draws.exponential(place, int(real), count) * MONTH_S / rate
                count += 1
                if at_s >= end_s:
                    break
                number = (count * len(settings.response) + place) * 2 + real
                notices.append(Notice(number, at_s, "alert", response.severity, real=real))
    return sorted(notices, key=lambda notice: (notice.at_s, notice.number))


def answers(settings: OnCall, *, seed: int, months: float = MONTHS) -> list[Answered]:
    """Let people answer the alerts of some months.

    Parameters
    ----------
    settings : OnCall
        People, and how often alerts come.
    seed : int
        All chance is a function of it.
    months : float
        How long.
    """
    env = Clock()
    people = People(env, settings, seed=seed, starts_s=0.0)
    notices = arrivals(settings, seed=seed, months=months)
    people.expect(notices)
    env.run_until(seconds_to_ns(months * MONTH_S + 2 * rota.WEEK_S))
    real = {(notice.number, notice.severity): notice.real for notice in notices}
    by_name = {person.name: person for person in settings.person}
    return [
        Answered(
            record,
            real[record.number, record.severity],
            business_days(settings.rotation, by_name[record.person], record.notified_s, record.acknowledged_s),
        )
        for record in sorted(people.responses, key=lambda record: (record.notified_s, record.number))
    ]


def business_days(rotation: Rotation, person: Person, from_s: float, to_s: float) -> int:
    """Business days after that of a moment until another one: 1 is the next business day, 0 the same day."""
    local = rota.local_s(person, from_s)
    midnight_s = from_s + (local // rota.DAY_S + 1) * rota.DAY_S - local
    if to_s < midnight_s:
        return 0
    end_s = from_s
    for day in range(1, _DAYS_MAX):
        end_s = rota.end_of_next_business_day_s(rotation, person, end_s)
        if to_s <= end_s:
            return day
    return _DAYS_MAX


def is_response(target: Target) -> bool:
    """Whether a target is about people's answers."""
    return target.id.startswith(PREFIX)


def response_row(target: Target, evidence: Evidence) -> Row:
    """Row of the scorecard: how fast alerts of a severity are acknowledged.

    Parameters
    ----------
    target : Target
        Limit; its id ends in the severity's word.
    evidence : Evidence
        Scenario and seed; no run of the mesh is needed.
    """
    settings = evidence.scenario.on_call
    severity = SEVERITY_OF[target.id.removeprefix(PREFIX)]
    found = [one for one in answers(settings, seed=evidence.seed) if one.record.severity == severity]
    days = target.unit == "business days"
    estimate = quantile_interval([float(one.business_days) if days else one.minutes for one in found], P95)
    return Row(
        id=target.id,
        title=target.title,
        statistic=target.statistic,
        how=target.how,
        unit=target.unit,
        limit=target.limit,
        comparison=target.comparison,
        measured=estimate.measured,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        n=estimate.n,
        verdict=judge(estimate, target.limit, target.comparison),
        why=_why(severity, found, estimate),
        evidence=f"{len(found)} alerts in {MONTHS} months of {settings.name}; {evidence.command(target.id)}",
        beside=_beside(found),
    )


def _beside(found: Sequence[Answered]) -> dict[str, float | None]:
    asleep = [one.minutes for one in found if one.record.state == "asleep"]
    up = [one.minutes for one in found if one.record.state != "asleep"]
    return {
        "asleep_p95_min": quantile_interval(asleep, P95).measured,
        "awake_p95_min": quantile_interval(up, P95).measured,
        "escalated_share": sum(one.record.level > 0 for one in found) / len(found) if found else None,
        "real_share": sum(one.real for one in found) / len(found) if found else None,
    }


def _why(severity: str, found: Sequence[Answered], estimate: Estimate) -> str:
    if not found or estimate.measured is None:
        return "no alert of this severity came"
    beside = _beside(found)
    escalated, real = beside["escalated_share"] or 0.0, beside["real_share"] or 0.0
    assumed = "how fast people answer is assumed"
    if severity == "P3":
        return f"tickets wait for working hours; {assumed}"
    if severity == "P2":
        late = sum(one.minutes >= 120 for one in found) / len(found)
        return f"a message in a chat wakes nobody: {late:.0%} wait longer than two hours, nights above all; {assumed}"
    night = beside["asleep_p95_min"]
    at_night = "" if night is None or math.isnan(night) else f", {night:.0f} min at p95 if it wakes somebody"
    return (
        f"{escalated:.0%} are answered only by another level than the first{at_night}; {1 - real:.0%} of the pages are"
        f" about nothing, so people put some off; {assumed}"
    )
