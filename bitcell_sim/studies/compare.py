"""Two stored runs, or sets of them, side by side: what differs by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitcell_sim.analysis.comparison import Difference, compare_runs, compare_sets
from bitcell_sim.analysis.multiple import ERROR
from bitcell_sim.config.loader import config_hash
from bitcell_sim.runs import store
from bitcell_sim.runs.run import RunData


def compare(a: RunData | Sequence[RunData], b: RunData | Sequence[RunData]) -> dict[str, Any]:
    """Paired differences of every figure, b less a.

    Parameters
    ----------
    a, b : RunData or sequence of RunData
        Two runs, or two sets with the same seeds.

    Returns
    -------
    dict
        ``metrics``: id, a, b, difference, ci_low, ci_high and more of each; the keys are a contract.
    """
    alone = isinstance(a, RunData) and isinstance(b, RunData)
    one, two = ([runs] if isinstance(runs, RunData) else list(runs) for runs in (a, b))
    found = compare_runs(one[0], two[0]) if alone else compare_sets(one, two)
    digests = [sorted(run.trace_digest for run in runs) for runs in (one, two)]
    return {
        "a": [_about(run) for run in one],
        "b": [_about(run) for run in two],
        "same_seed": sorted(run.seed for run in one) == sorted(run.seed for run in two),
        "identical": digests[0] == digests[1],
        "metrics": [_row(difference) for difference in found],
    }


def compare_folders(a: str | Path, b: str | Path) -> dict[str, Any]:
    """Compare two stored runs by their folders.

    Parameters
    ----------
    a, b : str or Path
        Run folders, or ``runs/<scenario>/latest``.
    """
    return compare(store.load(a), store.load(b))


def _about(run: RunData) -> dict[str, Any]:
    where = str(run.path) if run.path else None
    return {"run": where, "scenario": run.scenario.name, "seed": run.seed, "config_hash": config_hash(run.scenario)}


def _row(found: Difference) -> dict[str, Any]:
    estimate = found.difference
    if found.family is None:
        verdict = "unknown"
    elif found.family > ERROR or estimate.measured == 0.0:
        verdict = "same"
    else:
        assert estimate.measured is not None
        verdict = "better" if (estimate.measured > 0.0) == (found.figure.better == "higher") else "worse"
    return {
        "id": found.id,
        "title": found.figure.title,
        "unit": found.figure.unit,
        "a": found.a,
        "b": found.b,
        "difference": estimate.measured,
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "n": estimate.n,
        "family_probability": found.family,
        "verdict": verdict,
    }
