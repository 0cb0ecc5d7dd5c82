"""The fuzzer: random faults by seed, then quiet; what must never happen did not, and what has to happen did.

Each seed is one short simulation. While its faults hold, safety counts; when all are over and everything has had time
to settle, liveness counts too. A failure is told with one line that shows it again, to the last byte.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bitcell_sim.chain.records import VoteRecord
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.engine.simulation import Simulation
from bitcell_sim.errors import ConfigError, InputError
from bitcell_sim.faults.checkers import PROPERTIES, BooksError, Violation, check_votes
from bitcell_sim.runs.batch import Finished, replicate
from bitcell_sim.runs.kept import kept
from bitcell_sim.studies.fuzz_cases import DURATION, FAULT, RATE, Case, draw_case
from bitcell_sim.studies.liveness import bounds_of, check_liveness, check_nothing_lost
from bitcell_sim.studies.shrinking import fewest, least

Progress = Callable[[str, int, int], None]
LEAST_RATE_TPS = 0.1
LEAST_DURATION_S = 5.0


@dataclass(frozen=True)
class Verdict:
    """What one case came to.

    Parameters
    ----------
    violations : list of Violation
        One a property that did not hold, gravest first.
    trace_digest : str
        SHA-256 over all tables; empty where the run could not be closed.
    """

    violations: list[Violation]
    trace_digest: str

    def detail(self, property_name: str) -> str | None:
        """Say how a property did not hold; None if it did."""
        return next((found.detail for found in self.violations if found.property == property_name), None)


@dataclass
class Failure:
    """A property that does not hold in a case.

    Parameters
    ----------
    broken : str
        The property.
    case : Case
        Where; the smallest that was found.
    verdict : Verdict
        What the case came to.
    """

    broken: str
    case: Case
    verdict: Verdict = field(repr=False)

    @property
    def replay(self) -> str:
        """One line that shows the failure again."""
        start = f"--profile {shlex.quote(self.case.profile)} --start {self.case.seed} --seeds 1"
        return f"bitcell-sim fuzz {start} {self.case.options()}"

    def as_dict(self) -> dict[str, Any]:
        """Give the failure as JSON has it."""
        return {
            "seed": self.case.seed,
            "property": self.broken,
            "detail": self.verdict.detail(self.broken),
            "minimal": {"profile": self.case.profile, "seed": self.case.seed, **self.case.settings},
            "replay": self.replay,
            "run": f"bitcell-sim run {shlex.quote(self.case.profile)} --seed {self.case.seed} {self.case.options()}",
            "trace_digest": self.verdict.trace_digest,
        }


def judge(case: Case) -> Verdict:
    """Simulate a case and look at everything that has to hold.

    Parameters
    ----------
    case : Case
        What is simulated.
    """
    scenario = case.scenario()
    simulation = Simulation(scenario, seed=case.seed)
    try:
        outcome = simulation.run()
    except BooksError as error:  # a chain that holds what nobody accepted; only a fault of the program does that
        return Verdict([Violation("transaction_duplicated", str(error))], "")
    found = [
        *outcome.violations,
        *check_votes(simulation.record.records(VoteRecord), [node.stake for node in scenario.deployment.node]),
        *check_nothing_lost(simulation),
        *check_liveness(simulation, outcome, bounds_of(scenario)),
    ]
    first = {violation.property: violation for violation in reversed(found)}
    return Verdict([first[name] for name in PROPERTIES if name in first], outcome.trace_digest)


def shrink(failure: Failure) -> Failure:
    """Leave out and lower what the failure does not need: faults, time, load, settings.

    Parameters
    ----------
    failure : Failure
        As it was found.
    """
    return _Shrinker(failure).smallest()


class _Shrinker:
    """Tries smaller cases in a fixed order, and keeps the smallest that fails in the same property."""

    def __init__(self, failure: Failure) -> None:
        self._best = failure

    def smallest(self) -> Failure:
        self._drop_faults()
        self._shorten()
        self._drop_settings()
        self._shorten_faults()
        self._lower_load()
        return self._best

    def _fails(self, case: Case) -> bool:
        try:
            verdict = judge(case)
        except ConfigError:  # such as a fault that begins after the end
            return False
        if verdict.detail(self._best.broken) is None:
            return False
        self._best = Failure(self._best.broken, case, verdict)
        return True

    def _drop_faults(self) -> None:
        fewest(self._best.case.faults, lambda faults: self._fails(self._best.case.setting(FAULT, faults)))

    def _shorten(self) -> None:
        """Shorten the run; the faults that would begin after its end go."""

        def fails(duration_s: float) -> bool:
            case = self._best.case.setting(DURATION, duration_s)
            return self._fails(case.setting(FAULT, [at for at in case.faults if at["start_s"] < duration_s]))

        least(float(self._best.case.settings.get(DURATION, 0.0)), LEAST_DURATION_S, fails)

    def _drop_settings(self) -> None:
        """Leave to the profile what need not be set, key by key."""
        for key in [key for key in self._best.case.settings if key not in (FAULT, DURATION, RATE)]:
            self._fails(self._best.case.without(key))

    def _shorten_faults(self) -> None:
        for place in range(len(self._best.case.faults)):

            def fails(duration_s: float, place: int = place) -> bool:
                faults = self._best.case.faults
                faults[place] = {**faults[place], "duration_s": duration_s}
                return self._fails(self._best.case.setting(FAULT, faults))

            least(float(self._best.case.faults[place].get("duration_s", 0.0)), 0.1, fails, tries=3)

    def _lower_load(self) -> None:
        if RATE in self._best.case.settings:
            fails = lambda rate: self._fails(self._best.case.setting(RATE, rate))  # noqa: E731
            least(float(self._best.case.settings[RATE]), LEAST_RATE_TPS, fails, tries=3)


def _failures(profile: str, sets: tuple[str, ...], seed: int) -> list[Failure]:
    case = draw_case(profile, seed, sets)
    verdict = judge(case)
    return [Failure(found.property, case, verdict) for found in verdict.violations]


def fuzz(
    profile: str = "rc3",
    *,
    seeds: int = 100,
    start: int = 1,
    shrinking: bool = False,
    sets: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Look for failures in consecutive seeds.

    Parameters
    ----------
    profile : str
        Deployment that the cases change, such as ``rc3`` or ``rc3-as-built``.
    seeds, start : int
        How many seeds, and the first.
    shrinking : bool
        Whether each failure is made as small as it goes.
    sets : sequence of str
        Options ``key.path=value`` over what is drawn; with ``fault=`` they state the case, and nothing is drawn.
    workers, scheduler
        See :func:`bitcell_sim.runs.batch.replicate`.
    keep : str or Path, optional
        Folder that finished seeds are kept in and taken from.
    progress : callable, optional
        Takes what is being done, how much of it is, and how much there is.

    Returns
    -------
    dict
        ``seeds``, ``profile`` and ``failures``: one a seed and property, gravest first within a seed.
    """
    if seeds < 1:
        raise InputError(f"seeds = {seeds}: 1 or more are needed")
    tell = progress or (lambda title, done, total: None)
    draw_case(profile, start, sets)  # wrong settings are told before any worker starts
    several = partial(replicate, workers=workers, scheduler=scheduler)

    def done(title: str) -> Callable[[Finished[Any, Any]], None]:
        return lambda finished: tell(title, finished.done_count, finished.total_count)

    base = f"fuzz {profile} {config_hash(load_scenario(profile))} {shlex.join(sets)}"
    look = kept(partial(_failures, profile, tuple(sets)), keep, base)
    found = several(look, range(start, start + seeds), progress=done(f"fuzzing {profile}"))
    failures = [failure for some in found for failure in some]
    if shrinking and failures:
        failures = several(kept(shrink, keep, f"shrink {base}"), failures, progress=done("shrinking"))
    return {"seeds": seeds, "start": start, "profile": profile, "failures": [each.as_dict() for each in failures]}
