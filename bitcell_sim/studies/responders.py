"""People act inside a simulation, in passes: run, judge, run again with people told at the times that came out.

All draws are keyed, so a pass is the same as the one before until the first action that is new.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitcell_sim.config.alerting import load_exporters
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.hands import SimulatedHands
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import Simulation, simulate_once
from bitcell_sim.engine.watching import Watch
from bitcell_sim.errors import InputError
from bitcell_sim.judges.alertmanager_config import read_config
from bitcell_sim.operations.notifying import Alert, Message, notifications
from bitcell_sim.operations.on_call import ActionRecord, Notice, People, ResponseRecord
from bitcell_sim.operations.runbook import Step, parse_runbook
from bitcell_sim.studies.alert_runs import Files, alerts_of

PASSES_MAX = 5
SEVERITIES = ("P0", "P1", "P2", "P3")
ALWAYS = "Watchdog"
_ALERTS = "Alerts: "

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Pass:
    """One run with people, and what monitoring made of it.

    Parameters
    ----------
    outcome : Outcome
        The run.
    alerts : list of Alert
        What fired.
    messages : list of Message
        Who was told.
    responses, actions : list
        What people did.
    """

    outcome: Outcome
    alerts: list[Alert]
    messages: list[Message]
    responses: list[ResponseRecord]
    actions: list[ActionRecord]


@dataclass(frozen=True, eq=False)
class Story:
    """All passes; the last one counts.

    Parameters
    ----------
    passes : list of Pass
        The first is without people.
    converged : bool
        Whether the last pass brought no new action.
    """

    passes: list[Pass]
    converged: bool

    @property
    def without(self) -> Pass:
        """The run that nobody touched."""
        return self.passes[0]

    @property
    def last(self) -> Pass:
        """The run that counts."""
        return self.passes[-1]


def read_runbooks(folder: Path, first: str = "") -> dict[str, list[Step]]:
    """Steps by alert, from the pages of a folder; of several that name an alert, the one that names it earliest.

    Parameters
    ----------
    folder : Path
        Where the pages are.
    first : str
        Page that goes before all others for the alerts that it names.

    Raises
    ------
    InputError
        If there is no page, or one cannot be read.
    """
    found: dict[str, list[Step]] = {}
    ranks: dict[str, int] = {}
    for page in sorted(folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        line = next((line for line in text.splitlines() if line.startswith(_ALERTS)), None)
        if line is None:
            continue
        steps = parse_runbook(text, str(page))
        for place, entry in enumerate(line.removeprefix(_ALERTS).rstrip(".").split(", ")):
            name, rank = entry.strip("`"), -1 if page.stem == first else place
            if name not in found or rank < ranks[name]:
                found[name], ranks[name] = steps, rank
    if not found:
        raise InputError(f"{folder}: no runbook there; they are docs/runbooks of the project, or --runbooks DIR")
    return found


def notices_of(messages: Sequence[Message], onset_s: float) -> list[Notice]:
    """What people are told for the first time: the start of each group, once, whoever else hears of it.

    Parameters
    ----------
    messages : sequence of Message
        In the order of time.
    onset_s : float
        What began before is nothing new, and nothing to do with the fault.
    """
    found: list[Notice] = []
    known: dict[tuple[str, str, str], set[str]] = {}
    for message in messages:
        labels = dict(message.alerts[0].labels)
        name, severity, region = labels["alertname"], labels.get("severity", ""), labels.get("region", "")
        key = (name, severity, region)
        if name == ALWAYS or severity not in SEVERITIES:
            continue
        firing = [alert for alert, fires in zip(message.alerts, message.firing, strict=True) if fires]
        nodes = {dict(alert.labels).get("node", "") for alert in firing} - {""}
        if message.status == "resolved":
            known.pop(key, None)
        elif key not in known or not nodes <= known[key]:
            new = nodes - known.get(key, set())
            known[key] = known.get(key, set()) | nodes
            real = min(alert.first_s for alert in firing) >= onset_s
            number = _number(name, region, len([one for one in found if (one.alert, one.region) == (name, region)]))
            found.append(Notice(number, message.t_s, name, severity, region, tuple(sorted(new)), real))
    return found


def _number(name: str, region: str, again: int) -> int:
    """Name of an incident's draws: the same in every pass."""
    return zlib.crc32(f"{name}|{region}|{again}".encode())


def respond(
    scenario: Scenario,
    files: Files,
    runbooks: dict[str, list[Step]],
    *,
    seed: int,
    starts_s: float,
    onset_s: float,
    progress: Progress | None = None,
) -> Story:
    """Run a scenario with people on call.

    Parameters
    ----------
    scenario : Scenario
        What happens, and who is on call.
    files : Files
        Prometheus' and Alertmanager's files.
    runbooks : dict of str to list of Step
        Steps by alert.
    seed : int
        Of the run.
    starts_s : float
        When it starts, seconds since a Monday 00:00 UTC.
    onset_s : float
        When the fault begins, seconds.
    progress : callable, optional
        Called with the passes done.
    """
    passes: list[Pass] = []
    notices: list[Notice] = []
    for number in range(PASSES_MAX):
        passes.append(_pass(scenario, files, runbooks, notices, seed, starts_s))
        if progress is not None:
            progress("passes", number + 1, PASSES_MAX)
        told = notices_of(passes[-1].messages, onset_s)
        if number and (passes[-1].actions == passes[-2].actions or told == notices):
            return Story(passes, True)
        notices = told
    return Story(passes, False)


def _pass(
    scenario: Scenario,
    files: Files,
    runbooks: dict[str, list[Step]],
    notices: Sequence[Notice],
    seed: int,
    starts_s: float,
) -> Pass:
    """One run, with people who are told at given times."""
    watch = Watch(load_exporters().sample_s)
    crews: list[People] = []

    def direct(simulation: Simulation) -> None:
        watch(simulation)
        hands = SimulatedHands(simulation)
        crew = People(simulation.env, scenario.on_call, seed=seed, starts_s=starts_s, runbooks=runbooks, hands=hands)
        crew.expect(notices)
        crews.append(crew)

    outcome = simulate_once(scenario, seed=seed, director=direct)
    alerts = [Alert(found.labels, found.first_s, found.last_s) for found in alerts_of(outcome, watch.watched(), files)]
    messages = notifications(read_config(files.alertmanager), alerts)
    return Pass(outcome, alerts, messages, crews[0].responses, crews[0].actions)
