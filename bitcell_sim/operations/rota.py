"""Who is on duty at a moment, and whether they work, are awake or sleep; times are seconds since a Monday 00:00 UTC."""

from __future__ import annotations

from typing import Literal

from bitcell_sim.config.schema import OnCall, Person, Rotation

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
WORK_DAYS = 5

State = Literal["working", "awake", "asleep"]


def on_duty(settings: OnCall, at_s: float) -> list[int]:
    """People on duty, by their place in the list: primary, secondary, tertiary.

    Parameters
    ----------
    settings : OnCall
        Turns.
    at_s : float
        Moment.
    """
    turn = int((at_s - settings.rotation.handoff_hour * HOUR_S) // WEEK_S)
    return [(turn + level) % len(settings.person) for level in range(settings.rotation.levels)]


def local_s(person: Person, at_s: float) -> float:
    """Moment on a person's own clock, seconds since their Monday 00:00."""
    return at_s + person.utc_offset_h * HOUR_S


def state(rotation: Rotation, person: Person, at_s: float) -> State:
    """What a person does at a moment."""
    day, hour = divmod(local_s(person, at_s) / HOUR_S, 24)
    if not rotation.wake_hour <= hour < rotation.sleep_hour:
        return "asleep"
    if day % 7 < WORK_DAYS and rotation.work_start_hour <= hour < rotation.work_end_hour:
        return "working"
    return "awake"


def next_awake_s(rotation: Rotation, person: Person, at_s: float) -> float:
    """First moment from one on at which a person is awake."""
    hour = local_s(person, at_s) / HOUR_S % 24
    if rotation.wake_hour <= hour < rotation.sleep_hour:
        return at_s
    return at_s + ((rotation.wake_hour - hour) % 24) * HOUR_S


def next_work_s(rotation: Rotation, person: Person, at_s: float) -> float:
    """First moment from one on in a person's working hours."""
    moment = at_s
    while state(rotation, person, moment) != "working":
        local = local_s(person, moment)
        start = local // DAY_S * DAY_S + rotation.work_start_hour * HOUR_S
        moment += (start if local < start else start + DAY_S) - local
    return moment


def work_seconds_later(rotation: Rotation, person: Person, at_s: float, work_s: float) -> float:
    """Moment at which a person has worked for some seconds, counted in working hours only."""
    moment, left_s = next_work_s(rotation, person, at_s), work_s
    while True:
        local = local_s(person, moment)
        rest_s = local // DAY_S * DAY_S + rotation.work_end_hour * HOUR_S - local
        if left_s < rest_s:
            return moment + left_s
        left_s -= rest_s
        moment = next_work_s(rotation, person, moment + rest_s)


def end_of_next_business_day_s(rotation: Rotation, person: Person, at_s: float) -> float:
    """End of the working hours of the first business day after a person's present day."""
    local = local_s(person, at_s)
    tomorrow = at_s + (local // DAY_S + 1) * DAY_S - local
    start = next_work_s(rotation, person, tomorrow)
    return start + (rotation.work_end_hour - rotation.work_start_hour) * HOUR_S
