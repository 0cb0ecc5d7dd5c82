"""What ``import bitcell_sim`` offers: simulate, replicate, verify, sweep, ping, and what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.analysis.estimates import Estimate, t_interval_of_replicates
from bitcell_sim.analysis.stopping import LEAST, all_precise, check_ratio, next_count
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.errors import InputError
from bitcell_sim.report.chaos import ChaosCard
from bitcell_sim.report.comparison import Comparison
from bitcell_sim.report.results import Run
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.report.sweep import SweepTable
from bitcell_sim.runs import batch, store
from bitcell_sim.runs.kept import kept
from bitcell_sim.runs.run import RunData
from bitcell_sim.studies import chaos as chaos_tests
from bitcell_sim.studies import compare as comparing
from bitcell_sim.studies import verify as verifying
from bitcell_sim.studies.ping import COUNT, pings
from bitcell_sim.studies.sweep import SWEEPS, run_sweep
from bitcell_sim.units import NS_PER_S, parse_duration_ns

if TYPE_CHECKING:
    import pandas as pd


REPLICATIONS_MAX = 200


def resolve(
    scenario: str | Path | Scenario, sets: Sequence[str], latency: str | None, duration: str | None = None
) -> Scenario:
    """A scenario by name, file or object, with options.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Name, file or object.
    sets : sequence of str
        ``key.path=value`` options; not with an object, which says everything itself.
    latency, duration : str or None
        Latency source; length such as ``10min``.
    """
    options = list(sets)
    if duration is not None:
        options.append(f"duration_s={parse_duration_ns(duration) / NS_PER_S}")
    if isinstance(scenario, Scenario):
        if options or latency:
            raise InputError("sets, latency and duration change a scenario by name; change the object itself instead")
        return scenario
    return load_scenario(str(scenario), sets=options, latency=latency)


def simulate(
    scenario: str | Path | Scenario = "rc3",
    *,
    seed: int = 1,
    sets: Sequence[str] = (),
    latency: str | None = None,
    duration: str | None = None,
) -> Run:
    """Run a scenario once.

    Parameters
    ----------
    scenario : str, Path or Scenario
        Deployment or scenario by name, a TOML file, or an object from :func:`load_scenario`.
    seed : int
        All chance is a function of it.
    sets : sequence of str
        ``key.path=value`` options, as ``--set``.
    latency : str, optional
        Latency source instead of the deployment's own.
    duration : str, optional
        Such as ``10min``.

    Returns
    -------
    Run
        Tables as pandas frames; ``run.plot.timeline()`` and others draw them.

    Examples
    --------
    >>> run = simulate("rc3", duration="2min")
    >>> sorted(run.tables)[:3]
    ['adoptions', 'balancers', 'battles']
    """
    return Run(RunData.of(simulate_once(resolve(scenario, sets, latency, duration), seed=seed)))


def _run(scenario: Scenario, seed: int) -> Run:
    return Run(RunData.of(simulate_once(scenario, seed=seed)))


def _one(run_of: Callable[[int], Run], measure: Callable[[Run], Any] | None, seed: int) -> Any:
    run = run_of(seed)
    return run if measure is None else measure(run)


def replicate(
    scenario: str | Path | Scenario = "rc3",
    *,
    replications: int = 10,
    seed: int = 1,
    measure: Callable[[Run], Any] | None = None,
    until: float | None = None,
    replications_max: int = REPLICATIONS_MAX,
    sets: Sequence[str] = (),
    latency: str | None = None,
    duration: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
) -> list[Any]:
    """Run a scenario with consecutive seeds, in parallel; the results do not depend on the number of workers.

    Parameters
    ----------
    scenario, sets, latency, duration
        As for :func:`simulate`.
    replications : int
        How many; replication i has seed + i.
    seed : int
        First seed.
    measure : callable, optional
        Takes a Run, returns what is kept of it; the whole Run without it.
    until : float, optional
        Go on, by half as many again, until the 95 % interval of the mean reaches at most this share of it to either
        side, such as 0.02; `measure` then gives a number, or a mapping of names to numbers that all have to.
    replications_max : int
        Where that ends in any case.
    workers : int, optional
        Processes; all cores without it.
    scheduler : str, optional
        Address of a Dask scheduler.
    keep : str or Path, optional
        Folder that finished runs are kept in and taken from, so that a batch that was killed goes on. Workers on other
        machines need to see it.

    Returns
    -------
    list
        In the order of the seeds.
    """
    if replications < 1:
        raise InputError(f"replications = {replications}: at least 1")
    if until is not None and measure is None:
        raise InputError("until: an interval needs a number from each run; give measure")
    if until is not None and check_ratio(until) and replications < LEAST:
        raise InputError(f"replications = {replications}: at least {LEAST} before intervals are looked at")
    resolved = resolve(scenario, sets, latency, duration)
    run_of = kept(partial(_run, resolved), keep, f"run {config_hash(resolved)}")
    task = partial(_one, run_of, measure)
    found: list[Any] = []
    count = replications
    while True:
        seeds = range(seed + len(found), seed + count)
        found += batch.replicate(task, seeds, workers=workers, scheduler=scheduler)
        if until is None or all_precise(_estimates(found), until) or next_count(count, replications_max) == count:
            return found
        count = next_count(count, replications_max)


def _estimates(found: Sequence[Any]) -> Iterator[Estimate]:
    """Estimate of each number that the replications gave."""
    rows = [value if isinstance(value, Mapping) else {"": value} for value in found]
    for name in rows[0]:
        yield t_interval_of_replicates([row[name] for row in rows])


def verify(
    scenario: str = "rc3",
    *,
    quick: bool = False,
    replications: int | None = None,
    seed: int = 1,
    sets: Sequence[str] = (),
    latency: str | None = None,
    only: str = "*",
    until: float | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
) -> Scorecard:
    """Judge every target of a deployment.

    Parameters
    ----------
    scenario : str
        Deployment, scenario or file.
    quick : bool
        Less evidence.
    replications : int, optional
        Runs of each kind instead of the usual number.
    seed : int
        First seed.
    sets, latency
        As for :func:`simulate`.
    only : str
        Rows by id, such as ``latency.*``.
    until : float, optional
        Run more, ten times as much at most, until each interval reaches at most this share of its figure to either
        side, such as 0.02.
    workers, scheduler, keep
        As for :func:`replicate`.

    Returns
    -------
    Scorecard
        ``.frame``, ``.rows``, ``.markdown()``, ``.plot()``.
    """
    size = verifying.size_of(quick, replications)
    request = verifying.Request(scenario, seed, tuple(sets), latency, size, only, until=until)
    return Scorecard(verifying.verify(request, workers=workers, scheduler=scheduler, keep=keep))


def chaos(
    scenario: str = "rc3",
    *,
    test: str | None = None,
    quick: bool = False,
    replications: int | None = None,
    seed: int = 1,
    sets: Sequence[str] = (),
    latency: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    keep: str | Path | None = None,
) -> ChaosCard:
    """Do the chaos tests of a deployment.

    Parameters
    ----------
    scenario : str
        Deployment, scenario or file.
    test : str, optional
        One test, such as ``node_failure``; all without it.
    quick : bool
        Half the evidence.
    replications : int, optional
        Runs of each test and length instead of the usual number; intervals need 72.
    seed : int
        First seed.
    sets, latency
        As for :func:`simulate`.
    workers, scheduler, keep
        As for :func:`replicate`.

    Returns
    -------
    ChaosCard
        ``.frame``, ``.parts``, ``.recoveries``, ``.markdown()``, ``.plot()``.
    """
    size = chaos_tests.size_of(quick, replications)
    request = chaos_tests.Request(scenario, seed, tuple(sets), latency, size, test)
    return ChaosCard(chaos_tests.chaos(request, workers=workers, scheduler=scheduler, keep=keep))


def sweep(
    file: str | Path,
    *,
    seed: int = 1,
    out: str | Path = SWEEPS,
    workers: int | None = None,
    scheduler: str | None = None,
) -> SweepTable:
    """Measure the same figures at every point of a design, or at those that are left of it.

    Parameters
    ----------
    file : str or Path
        The sweep's ``.toml``, or the name of one that comes with the package.
    seed : int
        First seed; replication i of every point has seed + i.
    out : str or Path
        Folder of all sweeps; what was finished there is not done again.
    workers, scheduler
        As for :func:`replicate`.

    Returns
    -------
    SweepTable
        ``.frame``, ``.means()``, ``.plot()``, ``.sensitivity()``.
    """
    result = run_sweep(file, seed=seed, out=out, workers=workers, scheduler=scheduler)
    return SweepTable(result.sweep, result.frame, result.as_dict())


def ping(
    scenario: str | Path | Scenario = "rc3",
    *,
    count: int = COUNT,
    repeat: int = 1,
    seed: int = 1,
    sets: Sequence[str] = (),
    latency: str | None = None,
) -> pd.DataFrame:
    """Ping every node from every node.

    Parameters
    ----------
    scenario, seed, sets, latency
        As for :func:`simulate`.
    count : int
        Pings of one repeat, one a second.
    repeat : int
        Repeats, each in a new state of the links.

    Returns
    -------
    DataFrame
        One row a pair: source, target, n, and round trips in milliseconds (min, p50, p95, p99, mean, max, floor).
    """
    import pandas as pd

    resolved = resolve(scenario, sets, latency)
    everyone = list(range(len(resolved.deployment.node)))
    return pd.DataFrame(p.summary() for p in pings(resolved, everyone, everyone, seed=seed, count=count, repeat=repeat))


def load_run(path: str | Path) -> Run:
    """Read a stored run.

    Parameters
    ----------
    path : str or Path
        Run folder, ``runs/<scenario>/latest``, or the scenario's folder.

    Returns
    -------
    Run
        Its tables are read when they are first used.
    """
    return Run(store.load(path))


def compare(a: Run | Sequence[Run], b: Run | Sequence[Run]) -> Comparison:
    """Tell what differs between two runs, or two sets of runs, by more than chance.

    Parameters
    ----------
    a, b : Run or sequence of Run
        Two runs, compared window by window of their time; or two sets with the same seeds, compared seed by seed, such
        as two results of :func:`replicate`.

    Returns
    -------
    Comparison
        ``.frame``, ``.plot()``: b less a, with 95 % intervals.
    """
    one, two = (runs.data if isinstance(runs, Run) else [run.data for run in runs] for runs in (a, b))
    return Comparison(comparing.compare(one, two))
