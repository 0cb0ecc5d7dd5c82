"""People on call: who is on duty, how fast they answer, how long what they do takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Name, NonNegative, Positive, PositiveCount, Probability, Section, Some, Text

Severity = Literal["P0", "P1", "P2", "P3"]
Hour = Annotated[float, Field(ge=0, lt=24)]


class Person(Section):
    """Somebody who takes turns."""

    name: Name = Field(description="Name of the person.")
    utc_offset_h: Annotated[float, Field(ge=-12, le=14)] = Field(description="Hours their clock is ahead of UTC.")


class Rotation(Section):
    """Weekly turns, in the order of the people: each is primary, the next one secondary, the one after tertiary."""

    levels: PositiveCount = Field(description="How many are on duty at a time.")
    handoff_hour: Hour = Field(description="Hour of Monday, UTC, at which the turn passes on.")
    wake_hour: Hour = Field(description="Hour people get up, local.")
    sleep_hour: Hour = Field(description="Hour people go to bed, local; after `wake_hour`.")
    work_start_hour: Hour = Field(description="Hour the working day begins, Monday to Friday, local.")
    work_end_hour: Hour = Field(description="Hour the working day ends, local.")


class Reach(Section):
    """How a person answers in one state; lognormal."""

    median_s: Positive = Field(description="Median seconds from the notification to the acknowledgement.")
    sigma: NonNegative = Field(description="Sigma of its logarithm.")
    missed_probability: Probability = Field(default=0.0, description="Probability that it is not noticed at all.")


class Channel(Section):
    """How notifications of one kind reach people: awake at work, awake otherwise, asleep."""

    working: Reach = Field(description="In working hours.")
    awake: Reach = Field(description="Awake, out of working hours.")
    asleep: Reach | None = Field(default=None, description="At night; none: it waits until the person gets up.")


class Response(Section):
    """What is asked for an alert of one severity, and how people are told."""

    severity: Severity = Field(description="Severity of the alert.")
    channel: Literal["page", "message", "ticket"] = Field(description="How people hear of it.")
    target_s: Positive | None = Field(
        default=None, description="Seconds to acknowledge it in; none: next business day."
    )
    escalate_s: Positive | None = Field(
        default=None,
        description="Seconds without an answer until the next level hears of it too; none: nobody else does.",
    )
    true_per_month: NonNegative = Field(description="Alerts a month that are about something real; Poisson.")
    false_per_month: NonNegative = Field(description="Alerts a month that are about nothing; Poisson.")


class Confidence(Section):
    """How far people trust alarms, and what that does to their answers."""

    matching: Probability = Field(
        description="How far people answer as often as alarms were real: 1 probability matching, 0 not at all."
    )
    memory_days: Positive = Field(description="Days that an alarm is remembered.")
    prior_count: NonNegative = Field(description="Real alarms that people trust the alerting with from the start.")


class Duration(Section):
    """How long something takes; lognormal."""

    median_s: Positive = Field(description="Median seconds.")
    sigma: NonNegative = Field(description="Sigma of its logarithm.")


class OnCall(Section):
    """People on call and what is asked of them."""

    name: Name = Field(description="Name of the rotation.")
    title: Text = Field(description="One line for people.")
    rotation: Rotation = Field(description="Turns and hours.")
    person: Some[Person] = Field(description="Who takes turns, in that order.")
    page: Channel = Field(description="A page: it rings.")
    message: Channel = Field(description="A message in a chat: seen by who looks.")
    ticket: Channel = Field(description="A ticket: looked at in working hours.")
    response: Some[Response] = Field(description="What is asked, by severity.")
    trust: Confidence = Field(description="What false alarms do to people.")
    step: Duration = Field(description="Reading and deciding, for each step of a runbook.")
    false_alarm: Duration = Field(description="Finding out that an alert is about nothing.")
    action: dict[str, Duration] = Field(description="How long what is done takes, by the names runbooks use.")
