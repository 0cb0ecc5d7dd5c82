"""People on call as processes: told of an alert, they answer, escalate, and work through a runbook.

An answer is a pure function of who is on duty, their local time, what they have been told before and keyed draws. What
they read and do goes through :class:`Hands`, so the same people work on a simulated cluster or on nothing at all.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import simpy

from bitcell_sim.config.schema import OnCall, Reach, Response
from bitcell_sim.network.clock import Clock
from bitcell_sim.operations import rota
from bitcell_sim.operations.runbook import Step
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import NS_PER_S, seconds_to_ns

ROUNDS_MAX = 4  # how often all levels are told before the first to wake up answers anyway
POLL_S = 15.0  # how often a reading is looked at again: a scrape
STEPS_MAX = 60  # steps of an incident, loops included
ASKED, HEARD, HEEDED, SPENT, ACTED = range(5)

Steps = Generator[simpy.Event, Any, Any]


class Hands(Protocol):
    """What people can see and do."""

    def read(self, what: str, targets: Sequence[str]) -> float:
        """Look at something now."""

    def do(self, what: str, targets: Sequence[str]) -> None:
        """Do something now; it has taken its time already."""


class Notice(NamedTuple):
    """A notification as a person sees it.

    Parameters
    ----------
    number : int
        Names its draws; the same incident has the same number in every pass.
    at_s : float
        When it came, seconds of the run.
    alert, severity, region : str
        Of its group.
    nodes : tuple of str
        Nodes it names.
    real : bool
        Whether there is something to it.
    """

    number: int
    at_s: float
    alert: str
    severity: str
    region: str = ""
    nodes: tuple[str, ...] = ()
    real: bool = True


class ResponseRecord(NamedTuple):
    """What became of a notice; seconds of the run, NaN for what did not happen."""

    number: int
    alert: str
    severity: str
    region: str
    nodes: str
    notified_s: float
    acknowledged_s: float
    person: str
    level: int
    state: str
    started_s: float
    mitigated_s: float
    resolved_s: float
    outcome: str


class ActionRecord(NamedTuple):
    """One step that a person took: what was typed, what it said, whether that was as expected."""

    number: int
    person: str
    step: int
    title: str
    command: str
    verb: str
    reading: float
    as_expected: bool
    at_s: float


@dataclass(frozen=True)
class Answer:
    """Who acknowledges a notice: when (seconds since the calendar's Monday), their place and level."""

    at_s: float
    person: int
    level: int


class People:
    """Everybody on call, over the length of a run.

    Parameters
    ----------
    env : Clock
        Clock of the run.
    settings : OnCall
        Turns, answers, times.
    seed : int
        Seed of the run.
    starts_s : float
        When the run starts, seconds since a Monday 00:00 UTC.
    runbooks : mapping of str to list of Step
        Steps by alert.
    hands : Hands, optional
        What they work on; without it they only answer.

    Attributes
    ----------
    responses, actions : list
        What happened, in that order.
    """

    def __init__(
        self,
        env: Clock,
        settings: OnCall,
        *,
        seed: int,
        starts_s: float,
        runbooks: Mapping[str, Sequence[Step]] | None = None,
        hands: Hands | None = None,
    ) -> None:
        self._env = env
        self._settings = settings
        self._draws = Stream.of(seed, "operations.on_call")
        self._starts_s = starts_s
        self._runbooks = runbooks or {}
        self._hands = hands
        self._responses: dict[str, Response] = {response.severity: response for response in settings.response}
        # Work on messages and tickets stops for a page, and goes on beside it here: they are queues of their own.
        self._pages = [simpy.PriorityResource(env) for _ in settings.person]
        self._rest = [simpy.PriorityResource(env) for _ in settings.person]
        self._told: list[list[tuple[float, ...]]] = [[] for _ in settings.person]
        self.responses: list[ResponseRecord] = []
        self.actions: list[ActionRecord] = []

    def expect(self, notices: Sequence[Notice]) -> None:
        """Have notices come at their moments."""
        for notice in notices:
            self._env.process(self._handle(notice))

    def answer(self, notice: Notice) -> Answer:
        """Who answers a notice, and when."""
        response = self._responses[notice.severity]
        if response.channel == "page":
            return self._paged(notice, response)
        return self._read_later(notice, response)

    def _paged(self, notice: Notice, response: Response) -> Answer:
        """Levels are told in turn until the first answers."""
        at_s = self._starts_s + notice.at_s
        duty = rota.on_duty(self._settings, at_s)
        best: Answer | None = None
        wait_s = response.escalate_s or math.inf
        for attempt in range(ROUNDS_MAX * len(duty)):
            told_s = at_s + attempt * wait_s if attempt else at_s
            if best is not None and best.at_s <= told_s:
                break
            if math.isinf(told_s):
                break
            level = attempt % len(duty)
            delay_s = self._delay_s(notice, attempt, duty[level], told_s)
            if delay_s is not None and (best is None or told_s + delay_s < best.at_s):
                best = Answer(told_s + delay_s, duty[level], level)
        if best is None:  # nobody heard: the primary sees it on getting up
            person = self._settings.person[duty[0]]
            woken_s = rota.next_awake_s(self._settings.rotation, person, at_s + rota.HOUR_S)
            best = Answer(woken_s, duty[0], 0)
        return best

    def _delay_s(self, notice: Notice, attempt: int, person: int, told_s: float) -> float | None:
        """Seconds until a paged person answers; None if they do not notice, or put it off."""
        reach = self._reach(person, told_s)
        heard = self._draws.uniform(notice.number, attempt, HEARD) >= reach.missed_probability
        heeds = self._draws.uniform(notice.number, attempt, HEEDED) < self._heed(person, told_s)
        if not heard or not heeds:
            return None
        return self._draws.lognormal(reach.median_s, reach.sigma, notice.number, attempt, ASKED)

    def _reach(self, person: int, at_s: float) -> Reach:
        state = rota.state(self._settings.rotation, self._settings.person[person], at_s)
        reach: Reach | None = getattr(self._settings.page, state)
        return reach or self._settings.page.awake

    def _heed(self, person: int, at_s: float) -> float:
        """Probability that a person answers at once, from how often alarms were real."""
        trust = self._settings.trust
        since_s = at_s - trust.memory_days * rota.DAY_S
        told = self._told[person]
        known = [real for _, real in told[bisect_left(told, (since_s,)) : bisect_left(told, (at_s,))]]
        total = trust.prior_count + len(known)
        reliability = (trust.prior_count + sum(known)) / total if total else 1.0
        return 1.0 - trust.matching * (1.0 - reliability)

    def _read_later(self, notice: Notice, response: Response) -> Answer:
        """A message is seen by who looks; a ticket in working hours."""
        at_s = self._starts_s + notice.at_s
        place = rota.on_duty(self._settings, at_s)[0]
        rotation, person = self._settings.rotation, self._settings.person[place]
        if response.channel == "ticket":
            reach = self._settings.ticket.working
            work_s = self._draws.lognormal(reach.median_s, reach.sigma, notice.number, 0, ASKED)
            return Answer(rota.work_seconds_later(rotation, person, at_s, work_s), place, 0)
        up_s = rota.next_awake_s(rotation, person, at_s)
        channel = self._settings.message
        reach = channel.working if rota.state(rotation, person, up_s) == "working" else channel.awake
        seen_s = up_s + self._draws.lognormal(reach.median_s, reach.sigma, notice.number, 0, ASKED)
        return Answer(rota.next_awake_s(rotation, person, seen_s), place, 0)

    def _handle(self, notice: Notice) -> Steps:
        yield self._env.timeout(seconds_to_ns(notice.at_s))
        answer = self.answer(notice)
        insort(self._told[answer.person], (self._starts_s + notice.at_s, notice.real))
        state = rota.state(self._settings.rotation, self._settings.person[answer.person], answer.at_s)
        yield from self._until(answer.at_s - self._starts_s)
        acknowledged_s = self._now_s()
        priority = int(notice.severity[1:])
        queues = self._pages if self._responses[notice.severity].channel == "page" else self._rest
        with queues[answer.person].request(priority=priority) as turn:
            yield turn
            started_s = self._now_s()
            mitigated_s, outcome = yield from self._work(notice, self._settings.person[answer.person].name)
        person = self._settings.person[answer.person].name
        self.responses.append(
            ResponseRecord(
                notice.number,
                notice.alert,
                notice.severity,
                notice.region,
                " ".join(notice.nodes),
                notice.at_s,
                acknowledged_s,
                person,
                answer.level,
                state,
                started_s,
                mitigated_s,
                self._now_s(),
                outcome,
            )
        )

    def _work(self, notice: Notice, person: str) -> Steps:
        """Work through the runbook; when the last action was done, and how it ended."""
        if not notice.real:
            spent = self._settings.false_alarm
            yield from self._spend(self._draws.lognormal(spent.median_s, spent.sigma, notice.number, 0, SPENT))
            return math.nan, "nothing to it"
        runbook = self._runbooks.get(notice.alert, ())
        if self._hands is None or not runbook:
            return math.nan, "acknowledged"
        place, mitigated_s = 1, math.nan
        for count in range(STEPS_MAX):
            if place > len(runbook):
                return mitigated_s, "done"
            step = runbook[place - 1]
            think = self._settings.step
            yield from self._spend(self._draws.lognormal(think.median_s, think.sigma, notice.number, count, SPENT))
            good = yield from self._take(notice, person, step, count)
            if step.verb == "do":
                mitigated_s = self._now_s()
            place += 1
            way = step.then if good else step.otherwise
            if way.startswith("step "):
                place = int(way.removeprefix("step "))
            elif way:
                return mitigated_s, "done" if way == "done" else "escalated"
        return mitigated_s, "given up"

    def _take(self, notice: Notice, person: str, step: Step, count: int) -> Steps:
        """One step: read, or do; whether it came out as expected."""
        assert self._hands is not None
        targets = _targets(step.target, notice)
        reading = math.nan
        if step.expect is None:
            takes = self._settings.action[step.what]
            yield from self._spend(self._draws.lognormal(takes.median_s, takes.sigma, notice.number, count, ACTED))
            self._hands.do(step.what, targets)
            good = True
        else:
            end_s = self._now_s() + step.expect.within_s
            reading = self._hands.read(step.what, targets)
            while not step.expect.met(reading) and self._now_s() < end_s:
                yield from self._spend(min(POLL_S, end_s - self._now_s()))
                reading = self._hands.read(step.what, targets)
            good = step.expect.met(reading)
        command = step.command.replace("{node}", " ".join(notice.nodes)).replace("{region}", notice.region)
        self.actions.append(
            ActionRecord(
                notice.number, person, step.number, step.title, command, step.verb, reading, good, self._now_s()
            )
        )
        return good

    def _spend(self, seconds: float) -> Steps:
        yield self._env.timeout(seconds_to_ns(seconds))

    def _until(self, at_s: float) -> Steps:
        yield self._env.timeout(max(0, seconds_to_ns(at_s) - self._env.now_ns))

    def _now_s(self) -> float:
        return self._env.now_ns / NS_PER_S


def _targets(pattern: str, notice: Notice) -> tuple[str, ...]:
    """Nodes or regions that a step is about."""
    if pattern == "{node}":
        return notice.nodes
    if pattern == "{region}":
        return (notice.region,) if notice.region else ()
    return tuple(pattern.split())
