"""A sweep: the same figures at every point of a design, in parallel, kept as they come, in one table at the end."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.analysis.estimates import Estimate, t_interval_of_replicates
from bitcell_sim.analysis.stopping import all_precise, next_count
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.config.sweep import Sweep, load_sweep, sweep_file
from bitcell_sim.errors import InputError, LabError, RunStoreError
from bitcell_sim.runs.batch import Finished, WorkerDiedError, replicate
from bitcell_sim.runs.files import write_whole
from bitcell_sim.runs.journal import Journal, open_journal
from bitcell_sim.runs.parquet import table_bytes
from bitcell_sim.studies.sweep_design import Point, options_of, points_of
from bitcell_sim.studies.sweep_metrics import check_metrics, measure_metrics
from bitcell_sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
SWEEPS = Path("sweeps")
JOURNAL, TABLE, FILE, ABOUT = "points.jsonl", "table.parquet", "sweep.toml", "sweep.json"


@dataclass(frozen=True)
class _Item:
    """One replication of one point; `scenario` is a name with options, or resolved already."""

    point: int
    replication: int
    scenario: str | Scenario
    options: tuple[str, ...]
    seed: int
    sweep: Sweep


@dataclass(frozen=True)
class Result:
    """A sweep as far as it came.

    Parameters
    ----------
    sweep : Sweep
        Its file.
    folder : Path
        Where it is kept.
    points : list of tuple
        Value of every factor at every point.
    frame : DataFrame
        One row a run: point, replication, seed, factors, metrics, error.
    """

    sweep: Sweep
    folder: Path
    points: list[Point]
    frame: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """The counts and the table's place; the keys are a contract."""
        failed = set(self.frame.loc[self.frame["error"] != "", "point"])
        return {
            "sweep": self.sweep.name,
            "points": len(self.points),
            "done": len(set(self.frame["point"]) - failed),
            "failed": len(failed),
            "runs": len(self.frame),
            "table": str(self.folder / TABLE),
        }


def run_sweep(
    file: str | Path,
    *,
    seed: int = 1,
    out: str | Path = SWEEPS,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Do a sweep, or what is left of it.

    Parameters
    ----------
    file : str or Path
        The sweep's ``.toml``, or the name of one in ``models/sweeps``.
    seed : int
        First seed; replication i of every point has seed + i.
    out : str or Path
        Folder of all sweeps; what was finished in it before, by the same version with the same models, is not done
        again.
    workers, scheduler
        See :func:`bitcell_sim.runs.batch.replicate`; the table does not depend on them.
    progress : callable, optional
        Called with a title, how many runs are done, and how many there are.

    Raises
    ------
    Interrupted
        On Ctrl-C; what had finished is kept, in the table too.
    """
    sweep = load_sweep(file)
    points = points_of(sweep)
    base = load_scenario(sweep.scenario, sets=options_of(sweep, points[0]))
    check_metrics(sweep.metric, base)
    folder = Path(out) / sweep.name / _name(sweep, seed)
    with open_journal(folder / JOURNAL) as journal:
        _begin(folder, sweep_file(file), sweep, seed)
        work = _Work(sweep, points, seed, journal, workers, scheduler, progress)
        try:
            work.run()
        finally:
            frame = _frame(sweep, points, seed, journal.entries)
            write_whole(folder / TABLE, table_bytes(frame))
    return Result(sweep, folder, points, frame)


def _name(sweep: Sweep, seed: int) -> str:
    """Name of what the table is a function of: file, models behind it, seed, version of the package."""
    content = {
        "sweep": sweep.model_dump(mode="json"),
        "scenario": config_hash(load_scenario(sweep.scenario)),
        "seed": seed,
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _begin(folder: Path, file: Path, sweep: Sweep, seed: int) -> None:
    about = {"title": sweep.title, "scenario": sweep.scenario, "seed": seed, "package": __version__}
    try:
        if not (folder / FILE).exists():
            shutil.copyfile(file, folder / FILE)
        (folder / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunStoreError(f"{folder}: cannot be written: {error.strerror or error}") from error


@dataclass
class _Work:
    """What is left to do of a sweep."""

    sweep: Sweep
    points: list[Point]
    seed: int
    journal: Journal
    workers: int | None
    scheduler: str | None
    progress: Progress | None

    def run(self) -> None:
        """Replicate every point as often as the file says; what failed before is tried again."""
        counts = dict.fromkeys(range(len(self.points)), self.sweep.replications)
        while True:
            self._do([(point, number) for point, count in counts.items() for number in range(count)])
            more = self._not_precise(counts)
            if not more:
                return
            counts |= more

    def _do(self, wanted: Sequence[tuple[int, int]]) -> None:
        done = {(e["point"], e["replication"]) for e in self.journal.entries if e["error"] is None}
        left = [self._item(*pair) for pair in wanted if pair not in done]
        before = len(wanted) - len(left)

        def keep(finished: Finished[_Item, dict[str, Any]]) -> None:
            nonlocal before
            self._add(finished.item, finished.result)
            if self.progress is not None:
                self.progress(self.sweep.name, before + finished.done_count, len(wanted))

        if self.progress is not None:
            self.progress(self.sweep.name, before, len(wanted))
        while left:
            try:
                replicate(_measure, left, workers=self.workers, scheduler=self.scheduler, progress=keep)
                return
            except WorkerDiedError as error:
                if error.index is None:
                    raise
                self._add(left[error.index], {"values": None, "error": "its worker process died, more than once"})
                before += len(error.results) + 1
                left = [item for place, item in enumerate(left) if place not in {error.index, *error.results}]

    def _add(self, item: _Item, result: Mapping[str, Any]) -> None:
        self.journal.add({"point": item.point, "replication": item.replication, **result})

    def _item(self, point: int, replication: int) -> _Item:
        options = options_of(self.sweep, self.points[point])
        scenario: str | Scenario = self.sweep.scenario
        if self.scheduler is not None:  # its workers may not have the files
            with suppress(LabError):  # told by the worker, as everywhere
                scenario = load_scenario(self.sweep.scenario, sets=options)
        return _Item(point, replication, scenario, options, self.seed + replication, self.sweep)

    def _not_precise(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Points that need more replications, and how many they get."""
        until = self.sweep.until
        if until is None:
            return {}
        found: dict[int, list[dict[str, Any]]] = {}
        for entry in _last(self.journal.entries):
            found.setdefault(entry["point"], []).append(entry)
        more = {}
        for point, count in counts.items():
            target = next_count(count, until.replications_max)
            mine = found.get(point, [])
            if target == count or any(entry["error"] for entry in mine):
                continue
            if not all_precise(_estimates([entry["values"] for entry in mine]), until.half_width_ratio):
                more[point] = target
        return more


def _estimates(rows: Sequence[Sequence[float | None]]) -> Iterator[Estimate]:
    """Estimate of every metric over the replications of a point."""
    yield from (t_interval_of_replicates(values) for values in zip(*rows, strict=True))


def _measure(item: _Item) -> dict[str, Any]:
    """Every metric of one replication of one point, or what is wrong with the point."""
    try:
        scenario = item.scenario
        if not isinstance(scenario, Scenario):
            scenario = load_scenario(scenario, sets=item.options)
        found = measure_metrics(item.sweep.metric, scenario, item.seed, item.sweep.size)
    except LabError as error:
        return {"values": None, "error": str(error)}
    except Exception as error:  # one point of thousands: the others go on, and the table says so
        return {"values": None, "error": f"{type(error).__name__}: {error}"}
    return {"values": [_finite(found[metric]) for metric in item.sweep.metric], "error": None}


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# -------------------------------------------------------------------------------------------------------- the table


def _last(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Last word on each run, by point and replication."""
    found = {(entry["point"], entry["replication"]): entry for entry in entries}
    return [found[key] for key in sorted(found)]


def _frame(sweep: Sweep, points: Sequence[Point], seed: int, entries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a run; the order does not depend on who finished first."""
    import pandas as pd

    rows = _last(entries)
    columns: dict[str, Any] = {
        "point": pd.Series([row["point"] for row in rows], dtype="int64"),
        "replication": pd.Series([row["replication"] for row in rows], dtype="int64"),
        "seed": pd.Series([seed + row["replication"] for row in rows], dtype="int64"),
    }
    for place, factor in enumerate(sweep.factor):
        kind = _kind([point[place] for point in points])
        columns[factor.key] = pd.Series([_plain(points[row["point"]][place], kind) for row in rows], dtype=kind)
    for place, metric in enumerate(sweep.metric):
        values = [math.nan if (v := (row["values"] or {place: None})[place]) is None else v for row in rows]
        columns[metric] = pd.Series(values, dtype="float64")
    columns["error"] = pd.Series([row["error"] or "" for row in rows], dtype="str")
    return pd.DataFrame(columns)


def _kind(values: Sequence[Any]) -> str:
    """Type of a factor's column: whole numbers, numbers, truth, or text."""
    kinds = {type(value) for value in values}
    for kind, name in ((bool, "bool"), (int, "int64"), (float, "float64")):
        if kinds == {kind}:
            return name
    return "float64" if kinds == {int, float} else "str"


def _plain(value: Any, kind: str) -> Any:
    return value if kind != "str" or isinstance(value, str) else json.dumps(value)


def read_table(folder: str | Path) -> pd.DataFrame:
    """Table of a sweep that was done.

    Parameters
    ----------
    folder : str or Path
        Folder of the sweep, or its ``table.parquet``.

    Raises
    ------
    InputError
        If there is none.
    """
    import pandas as pd

    path = Path(folder)
    path = path if path.suffix == ".parquet" else path / TABLE
    if not path.is_file():
        raise InputError(f"{path}: no such table; `bitcell-sim sweep FILE.toml` makes one and says where")
    return pd.read_parquet(path)
