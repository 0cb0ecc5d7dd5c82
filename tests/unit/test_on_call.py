"""People on call: turns and hours, answers and escalation, runbooks as data, and what they do through their hands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import OnCall
from bitcell_sim.engine.hands import ACTIONS, SimulatedHands
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.errors import InputError
from bitcell_sim.network.clock import Clock
from bitcell_sim.operations import rota
from bitcell_sim.operations.on_call import Notice, People
from bitcell_sim.operations.runbook import Step, parse_runbook
from bitcell_sim.studies.drill import drills
from bitcell_sim.studies.responders import read_runbooks
from bitcell_sim.studies.response import answers, business_days
from bitcell_sim.units import seconds_to_ns

RUNBOOKS = models_dir().parent / "docs" / "runbooks"
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.stem != "README")
TUESDAY_NOON_S = 1.5 * rota.DAY_S
HEADER = "| # | step | command | drill | expect | if so | if not |\n|---|---|---|---|---|---|---|\n"


@cache
def settings() -> OnCall:
    return load_scenario("rc3").on_call


class FakeHands:
    """A node that is down until somebody restarts it."""

    def __init__(self) -> None:
        self.up, self.done = 0.0, list[tuple[str, tuple[str, ...]]]()

    def read(self, what: str, targets: Sequence[str]) -> float:
        return self.up if what == "up" else 6.0

    def do(self, what: str, targets: Sequence[str]) -> None:
        self.done.append((what, tuple(targets)))
        self.up = 1.0


def people(
    hands: FakeHands | None = None, runbook: str = "", starts_s: float = TUESDAY_NOON_S, seed: int = 1
) -> tuple[Clock, People]:
    env = Clock()
    runbooks: dict[str, list[Step]] = {"NodeDown": parse_runbook(HEADER + runbook, "test")} if runbook else {}
    return env, People(env, settings(), seed=seed, starts_s=starts_s, runbooks=runbooks, hands=hands)


def test_turns_pass_on_at_the_handoff() -> None:
    before, after = 9 * rota.HOUR_S - 1, 9 * rota.HOUR_S
    count = len(settings().person)
    assert rota.on_duty(settings(), after) == [0, 1, 2]
    assert rota.on_duty(settings(), before) == [count - 1, 0, 1]
    assert rota.on_duty(settings(), after + rota.WEEK_S) == [1, 2, 3]


def test_hours_are_local() -> None:
    rotation, (new_york, berlin, *_) = settings().rotation, settings().person
    noon_utc = 12 * rota.HOUR_S
    assert rota.state(rotation, berlin, noon_utc) == "working"
    assert rota.state(rotation, new_york, noon_utc) == "awake"  # 7:00
    assert rota.state(rotation, new_york, 6 * rota.HOUR_S) == "asleep"
    assert rota.state(rotation, berlin, noon_utc + 5 * rota.DAY_S) == "awake"  # Saturday
    assert rota.next_awake_s(rotation, new_york, 6 * rota.HOUR_S) == noon_utc
    friday_evening = 4 * rota.DAY_S + 20 * rota.HOUR_S
    assert rota.next_work_s(rotation, berlin, friday_evening) == rota.WEEK_S + 8 * rota.HOUR_S


def test_business_days_skip_the_weekend() -> None:
    rotation, berlin = settings().rotation, settings().person[1]
    friday_noon = 4 * rota.DAY_S + 12 * rota.HOUR_S
    assert business_days(rotation, berlin, friday_noon, friday_noon + rota.HOUR_S) == 0
    assert business_days(rotation, berlin, friday_noon, friday_noon + 3 * rota.DAY_S) == 1
    assert business_days(rotation, berlin, friday_noon, friday_noon + 4 * rota.DAY_S) == 2


def test_an_answer_depends_on_nothing_but_its_names() -> None:
    notice = Notice(7, 60.0, "NodeDown", "P1")
    assert people()[1].answer(notice) == people()[1].answer(notice)
    assert people()[1].answer(notice) != people(seed=2)[1].answer(notice)


def test_who_does_not_hear_is_followed_by_the_next_level() -> None:
    reach = settings().page.working.model_copy(update={"missed_probability": 1.0})
    deaf = settings().page.model_copy(update={"working": reach, "awake": reach, "asleep": reach})
    env = Clock()
    crew = People(env, settings().model_copy(update={"page": deaf}), seed=1, starts_s=TUESDAY_NOON_S)
    answer = crew.answer(Notice(1, 0.0, "NodeDown", "P0"))
    assert answer.at_s >= TUESDAY_NOON_S + rota.HOUR_S  # nobody heard, so somebody found it later
    levels = [people(seed=seed)[1].answer(Notice(1, 0.0, "NodeDown", "P0")) for seed in range(300)]
    late = [answer for answer in levels if answer.level > 0]
    assert late
    assert all(answer.at_s >= TUESDAY_NOON_S + 900.0 for answer in late)


def test_at_night_a_message_waits_and_a_page_does_not() -> None:
    at_night = 1 * rota.DAY_S + 6 * rota.HOUR_S  # 1:00 in New York
    _, crew = people(starts_s=at_night)
    rises = at_night + 6 * rota.HOUR_S
    assert crew.answer(Notice(1, 0.0, "x", "P2")).at_s > rises
    assert crew.answer(Notice(1, 0.0, "x", "P1")).at_s < rises


def test_false_alarms_slow_true_answers() -> None:
    def in_time(false_per_month: float) -> float:
        changed = [
            r.model_copy(
                update={
                    "true_per_month": 5.0 * (r.severity == "P0"),
                    "false_per_month": false_per_month * (r.severity == "P1"),
                }
            )
            for r in settings().response
        ]
        found = answers(settings().model_copy(update={"response": tuple(changed)}), seed=3, months=48)
        minutes = [one.minutes for one in found if one.record.severity == "P0"]
        return sum(value < 15 for value in minutes) / len(minutes)

    assert in_time(0.0) > in_time(100.0) + 0.1


RESTART = """| 1 | Down? | `ping {node}` | `read up {node}` | `== 0` | | step 3 |
| 2 | Start. | `start {node}` | `do restart {node}` | | | |
| 3 | Up? | `ping {node}` | `read up {node}` | `== 1 within 2min` | done | escalate |
| 4 | Never. | `x` | `do isolate` | | | |
"""


def test_people_work_through_a_page() -> None:
    hands = FakeHands()
    env, crew = people(hands, RESTART)
    crew.expect([Notice(1, 30.0, "NodeDown", "P1", "us-east", ("us-east-1",))])
    env.run_until(seconds_to_ns(7200.0))
    (response,) = crew.responses
    assert hands.done == [("restart", ("us-east-1",))]
    assert [action.step for action in crew.actions] == [1, 2, 3]
    assert crew.actions[1].command == "start us-east-1"
    assert response.outcome == "done"
    assert (
        response.notified_s < response.acknowledged_s <= response.started_s < response.mitigated_s < response.resolved_s
    )


def test_a_reading_that_never_comes_escalates() -> None:
    class Dead(FakeHands):
        def do(self, what: str, targets: Sequence[str]) -> None:
            self.done.append((what, tuple(targets)))

    hands = Dead()
    env, crew = people(hands, RESTART)
    crew.expect([Notice(1, 30.0, "NodeDown", "P1", "us-east", ("us-east-1",))])
    env.run_until(seconds_to_ns(7200.0))
    assert crew.responses[0].outcome == "escalated"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("| 1 | a | `b` | `look up` | `== 1` | | |", "neither `read NAME"),
        ("| 1 | a | `b` | `read up` | | | |", "a reading has an expectation"),
        ("| 1 | a | `b` | `read up` | `is 1` | | |", "is not such as"),
        ("| 1 | a | `b` | `read up` | `== 1` | home | |", "none of: step N"),
        ("| 1 | a | `b` | `read up` | `== 1` | | step 9 |", "leads nowhere"),
        ("| 2 | a | `b` | `read up` | `== 1` | | |", "should be from 1 on"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(row: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_runbook(HEADER + row + "\n", "page")
    with pytest.raises(InputError, match="no table of steps"):
        parse_runbook("# nothing\n", "page")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_speaks_of_what_there_is(page: Path) -> None:
    hands = SimulatedHands(Simulation(load_scenario("rc3", sets=["duration_s=10"])))
    for step in parse_runbook(page.read_text(encoding="utf-8"), page.stem):
        assert step.what in (hands.readings if step.verb == "read" else ACTIONS)
        assert step.what in settings().action or step.verb == "read"


def test_every_drill_has_a_page_and_every_page_of_the_document_a_drill() -> None:
    eight = {
        *("node-down", "regional-failure", "chain-not-progressing", "high-proof-generation-time"),
        *("no-peers", "high-pending-transactions", "database-issues", "security-incidents"),
    }
    assert set(drills()) == eight
    assert eight <= {page.stem for page in PAGES}
    assert len(read_runbooks(RUNBOOKS)["NodeDown"]) == len(read_runbooks(RUNBOOKS, "node-down")["NodeDown"])
    assert read_runbooks(RUNBOOKS, "database-issues")["NodeDown"] != read_runbooks(RUNBOOKS)["NodeDown"]


def test_hands_see_a_fault_and_end_it() -> None:
    faults = (
        'fault=[{kind="cpu", target="us-east-1", factor=0.25, start_s=10.0},'
        ' {kind="process-crash", node="us-west-1", start_s=10.0, duration_s=9000.0}]'
    )
    simulation = Simulation(load_scenario("rc3", sets=["duration_s=120", faults]))
    hands = SimulatedHands(simulation)
    seen: list[tuple[float, float]] = []

    def look() -> None:
        seen.append((hands.read("cores-left", ["us-east-1"]), hands.read("up", ["us-west-1"])))

    def act() -> None:
        hands.do("lift-limits", ["us-east-1"])
        hands.do("restart", ["us-west-1"])

    def direct(running: Simulation) -> None:
        for at_s, what in ((5, look), (20, look), (30, act), (40, look)):
            running.env.call_at(seconds_to_ns(at_s), what)

    outcome = simulation.run(director=direct)
    assert seen == [(1.0, 1.0), (0.25, 0.0), (1.0, 1.0)]
    ended = outcome.tables["fault_steps"].query("strength_ratio == 0")
    assert list(ended["at_ms"]) == [30_000.0, 30_000.0]
