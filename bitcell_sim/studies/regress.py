"""Today's figures beside a baseline's, seed by seed, so that the noise of the two cancels."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bitcell_sim.analysis.estimates import Estimate, mean_interval, quantile_interval
from bitcell_sim.analysis.multiple import ERROR, doubt, holm
from bitcell_sim.analysis.trend import Trend, trends
from bitcell_sim.config.loader import config_hash, load_scenario
from bitcell_sim.errors import InputError
from bitcell_sim.report.row_text import number
from bitcell_sim.runs.files import write_whole
from bitcell_sim.runs.manifest import source_commit
from bitcell_sim.studies import history as histories
from bitcell_sim.studies.baseline import (
    Baseline,
    Progress,
    Series,
    default_path,
    measure_series,
    metric_ids,
    read_baseline,
    write_baseline,
)
from bitcell_sim.version import __version__

MEDIAN = 0.5
MARKS = {"same": "＝", "better": "▲", "worse": "▼", "changed": "≠"}
FIGURE, SUMMARY, FIGURES, BASELINE = "regress.png", "summary.md", "regress.json", "baseline.json"
TREND = "trend.png"


def regress(
    *,
    against: Path | None = None,
    history: Path | None = None,
    out: Path | None = None,
    seed: int | None = None,
    sets: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare the figures of this program and these models with a baseline.

    Parameters
    ----------
    against : Path, optional
        Baseline; the package's own without it.
    history : Path, optional
        File of JSON lines that this call adds one to; with `out` its trends are drawn, with their change points.
    out : Path, optional
        Folder for the plot, the summary, the figures, and these figures as a new baseline.
    seed : int, optional
        First seed; it has to be the baseline's, whose runs are repeated.
    sets : sequence of str
        ``key.path=value`` options beyond the baseline's own.
    workers : int, optional
        Processes.
    progress : callable, optional
        Called with a title, how much is done, and how much there is.

    Returns
    -------
    dict
        ``metrics``: id, baseline, current, difference, ci_low, ci_high, verdict of each; the keys are a contract.

    Notes
    -----
    A run is a function of its seed, so an unchanged program gives the same values, and any difference is a change: a
    metric is ``same`` only if nothing differs. ``worse`` and ``better`` are differences larger than the tolerance whose
    95 % interval over the seeds lies on one side of zero, also among all metrics that differ (Holm); every other
    difference is ``changed``. The program's speed alone is a measurement with noise: it is ``same`` unless it is worse
    or better.
    """
    base = read_baseline(default_path() if against is None else against)
    if seed is not None and seed != base.seeds[0]:
        raise InputError(f"--seed {seed}: the baseline's runs begin at seed {base.seeds[0]}, and the same are repeated")
    now = _measured_now(base, sets, workers, progress)
    current = {row.id: row for row in now.metrics}
    content: dict[str, Any] = {
        "scenario": base.scenario,
        "seeds": list(base.seeds),
        "config_hash": {"baseline": base.config_hash, "current": now.config_hash},
        "version": {"baseline": base.version, "current": now.version},
        "commit": source_commit(),
        "metrics": together([compare(row, current.get(row.id)) for row in base.metrics]),
    }
    found: list[Trend] = []
    if history is not None:
        histories.append(history, content)
        found = trends(histories.read(history), content["metrics"])
        content["trends"] = [trend.as_dict() for trend in found]
    if out is not None:
        _write(out, content, now, found)
    return content


def _measured_now(base: Baseline, sets: Sequence[str], workers: int | None, progress: Progress | None) -> Baseline:
    """Measure the baseline's figures anew, as a baseline of today."""
    scenario = load_scenario(base.scenario, sets=[*base.sets, *sets])
    known = metric_ids(scenario)
    ids = [row.id for row in base.metrics if row.id in known]
    series = measure_series(scenario, ids, seeds=base.seeds, size=base.size, workers=workers, progress=progress)
    return replace(
        base,
        sets=(*base.sets, *sets),
        config_hash=config_hash(scenario),
        version=__version__,
        python=platform.python_version(),
        metrics=tuple(series),
    )


def together(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take back what is called better or worse and would not be in the company of all that differ.

    Parameters
    ----------
    metrics : list of dict
        As :func:`compare` gives them; many metrics differ by chance if one draw is added or left out.
    """
    moved = [row for row in metrics if row["verdict"] != "same" and row["ci_low"] is not None]
    doubts = [doubt(Estimate(row["difference"], row["ci_low"], row["ci_high"], row["n"]), 0.0) for row in moved]
    adjusted = {row["id"]: value for row, value in zip(moved, holm(doubts), strict=True)}
    return [
        row | {"verdict": "same" if row["id"] == "speed" else "changed"}
        if adjusted.get(row["id"], 0.0) > ERROR
        else row
        for row in metrics
    ]


# ------------------------------------------------------------------------------------------------------ comparing


def compare(base: Series, current: Series | None) -> dict[str, Any]:
    """One metric's difference and verdict.

    Parameters
    ----------
    base, current : Series
        Values of the same seeds; None if the metric is no longer there.
    """
    if current is None:
        old, new, difference, verdict = _level(base), None, Estimate(None, None, None, 0), "changed"
    elif base.id == "trace":
        same = sum(one == other for one, other in zip(base.values, current.values, strict=True))
        old, new = float(len(base.values)), float(same)
        difference = Estimate(new - old, new - old, new - old, len(base.values))
        verdict = "same" if same == len(base.values) else "changed"
    elif base.id == "speed":
        old, new = _level(base), _level(current)
        difference = _unpaired(base, current)
        verdict = _judge(difference, base)
        verdict = "same" if verdict == "changed" else verdict
    else:
        old, new = _level(base), _level(current)
        difference, verdict = _paired(base, current)
    return {
        "id": base.id,
        "title": base.title,
        "unit": base.unit,
        "better": base.better,
        "baseline": old,
        "current": new,
        "difference": difference.measured,
        "ci_low": difference.ci_low,
        "ci_high": difference.ci_high,
        "n": difference.n,
        "tolerance": base.tolerance,
        "verdict": verdict,
    }


def _numbers(series: Series) -> list[float]:
    return [float(value) for value in series.values if value is not None and not isinstance(value, str)]


def _level(series: Series) -> float | None:
    """What stands for a series: the median of a measured ratio, the mean over the seeds of everything else."""
    numbers = _numbers(series)
    if not numbers or len(numbers) < len(series.values):
        return None
    return quantile_interval(numbers, MEDIAN).measured if series.id == "speed" else mean_interval(numbers).measured


def _paired(base: Series, current: Series) -> tuple[Estimate, str]:
    """Mean difference over the seeds, and what it means."""
    if base.values == current.values:
        n = len(base.values)
        return (Estimate(0.0, 0.0, 0.0, n) if None not in base.values else Estimate(None, None, None, n)), "same"
    lost = sum(new is None and old is not None for old, new in zip(base.values, current.values, strict=True))
    gained = sum(old is None and new is not None for old, new in zip(base.values, current.values, strict=True))
    if lost or gained:  # something no longer happens, or happens now
        return Estimate(None, None, None, 0), "worse" if lost else "better"
    difference = mean_interval([new - old for old, new in zip(_numbers(base), _numbers(current), strict=True)])
    return difference, _judge(difference, base)


def _unpaired(base: Series, current: Series) -> Estimate:
    """Difference of two medians; the interval holds every difference of the two medians' own intervals."""
    old, new = (quantile_interval(_numbers(series), MEDIAN) for series in (base, current))
    ends = (old.measured, old.ci_low, old.ci_high, new.measured, new.ci_low, new.ci_high)
    middle, low, high, middle_now, low_now, high_now = (math.nan if end is None else end for end in ends)
    values = [middle_now - middle, low_now - high, high_now - low]
    measured, ci_low, ci_high = (value if math.isfinite(value) else None for value in values)
    return Estimate(measured, ci_low, ci_high, new.n)


def _judge(difference: Estimate, base: Series) -> str:
    measured, low, high = difference.measured, difference.ci_low, difference.ci_high
    if measured is None or low is None or high is None or abs(measured) <= base.tolerance or low <= 0.0 <= high:
        return "changed"
    return "better" if (measured > 0.0) == (base.better == "higher") else "worse"


# -------------------------------------------------------------------------------------------------------- telling


def summary(content: Mapping[str, Any]) -> str:
    """Markdown of a comparison: one sentence, then a table.

    Parameters
    ----------
    content : mapping
        What :func:`regress` gave.
    """
    metrics = content["metrics"]
    counts = {verdict: sum(row["verdict"] == verdict for row in metrics) for verdict in MARKS}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    lines = [f"### Regression of {content['scenario']}: {said}", ""]
    hashes, versions = content["config_hash"], content["version"]
    if hashes["baseline"] != hashes["current"]:
        lines += [f"The configuration is another one: {hashes['baseline']} then, {hashes['current']} now.", ""]
    if versions["baseline"] != versions["current"]:
        lines += [f"The program is another one: {versions['baseline']} then, {versions['current']} now.", ""]
    lines += [
        "| | metric | baseline | now | difference [95 %] | tolerance |",
        "|---|---|---:|---:|---:|---:|",
    ]
    order = {verdict: place for place, verdict in enumerate(("worse", "better", "changed", "same"))}
    lines += [_line(row) for row in sorted(metrics, key=lambda row: order[row["verdict"]])]
    lines += _changes(content)
    return "\n".join(lines)


def _changes(content: Mapping[str, Any]) -> list[str]:
    """Where the history changed its level, in sentences."""
    told = [
        f"- `{trend['id']}`: {number(change['before'])} to {number(change['after'])} since {change['at']}"
        f" ({change['direction']})"
        for trend in content.get("trends", ())
        for change in trend["changes"]
    ]
    return ["", "Changes of level over the history:", "", *told] if told else []


def _line(row: Mapping[str, Any]) -> str:
    unit = "" if row["unit"] == "ratio" else f" {row['unit']}"
    interval = f" [{number(row['ci_low'])}, {number(row['ci_high'])}]" if row["ci_low"] is not None else ""
    difference = "none" if row["difference"] == 0 else number(row["difference"]) + interval
    levels = [number(row[key], 6 if row["unit"] == "%" else 4) for key in ("baseline", "current")]
    cells = [f"{MARKS[row['verdict']]} {row['verdict']}", f"`{row['id']}`", *(level + unit for level in levels)]
    return f"| {' | '.join([*cells, difference, number(row['tolerance']) + unit])} |"


def _write(out: Path, content: dict[str, Any], now: Baseline, over_time: Sequence[Trend]) -> None:
    """Plots, summary, figures, and what is measured now as a baseline for later."""
    from bitcell_sim.report.regression import plot_differences
    from bitcell_sim.report.trend import plot_trends

    pictures = f"![differences]({FIGURE})\n"
    write_whole(out / FIGURE, plot_differences(content["metrics"], content["scenario"]).png(150))
    if over_time:
        write_whole(out / TREND, plot_trends(over_time, content["scenario"]).png(150))
        pictures += f"\n![trends]({TREND})\n"
    write_whole(out / SUMMARY, f"{summary(content)}\n\n{pictures}".encode())
    write_whole(out / FIGURES, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    write_baseline(now, out / BASELINE)
