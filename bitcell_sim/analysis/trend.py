"""Figures over the history of a project: where each changes its level, by ruptures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitcell_sim.errors import MissingToolError

EXTRA = "pip install 'bitcell-sim[regress]'"
LEAST = 6  # values before a change of level can be told from noise
PENALTY = 5.0  # of a change, in ln(n) noise variances
SEGMENT = 2  # values of a level at least


def change_points(values: Sequence[float]) -> list[int]:
    """Places at which a new level begins.

    Parameters
    ----------
    values : sequence of float
        In the order of time.

    Returns
    -------
    list of int
        Place of the first value of each new level; empty for fewer than six values, or if the level never changes.

    Raises
    ------
    MissingToolError
        If ruptures is not installed; says the command.

    Notes
    -----
    PELT with squared distances from each level's mean and a penalty of 5 ln(n) times the variance of the noise, which
    is read from the differences of neighbours (their median absolute deviation) so that the changes themselves do not
    count as noise. A series without noise changes wherever its value does.

    References
    ----------
    Killick, Fearnhead, Eckley: Optimal detection of changepoints with a linear computational cost, JASA 107 (2012)
    1590-1598. Truong, Oudre, Vayatis: Selective review of offline change point detection methods, Signal Processing 167
    (2020) 107299 (ruptures).
    """
    try:
        import ruptures
    except ImportError as error:
        raise MissingToolError(f"change points need ruptures ({error}): {EXTRA}") from error
    series = np.asarray(values, dtype=np.float64)
    if len(series) < LEAST:
        return []
    steps = np.diff(series)
    noise = float(np.median(np.abs(steps - np.median(steps)))) / (0.6745 * math.sqrt(2.0))
    noise = max(noise, 1e-9 * float(np.abs(series).max()), 1e-300)
    found = ruptures.Pelt(model="l2", min_size=SEGMENT, jump=1).fit((series / noise).reshape(-1, 1))
    ends: list[int] = found.predict(pen=PENALTY * math.log(len(series)))
    return [int(end) for end in ends[:-1]]


@dataclass(frozen=True)
class Trend:
    """One metric over the history.

    Parameters
    ----------
    id, title, unit : str
        Which.
    better : {"higher", "lower"}
        Direction of improvement.
    at : tuple of str
        When each value was measured, ISO 8601.
    values : tuple of float
        Figures, oldest first; comparisons without one are left out.
    changes : tuple of int or None
        Places at which a new level begins; None where ruptures is not installed.
    """

    id: str
    title: str
    unit: str
    better: str
    at: tuple[str, ...]
    values: tuple[float, ...]
    changes: tuple[int, ...] | None

    def as_dict(self) -> dict[str, Any]:
        """Change points as JSON has them: when, and the mean before and after."""
        return {"id": self.id, "values": len(self.values), "changes": [self._change(p) for p in self.changes or ()]}

    def levels(self) -> list[tuple[int, int, float]]:
        """First place, place after the last, and mean of each level."""
        edges = [0, *(self.changes or ()), len(self.values)]
        spans = itertools.pairwise(edges)
        return [(start, end, sum(self.values[start:end]) / (end - start)) for start, end in spans if end > start]

    def _change(self, place: int) -> dict[str, Any]:
        before = next(mean for _, end, mean in self.levels() if end == place)
        after = next(mean for start, _, mean in self.levels() if start == place)
        better = (after > before) == (self.better == "higher")
        return {"at": self.at[place], "before": before, "after": after, "direction": "better" if better else "worse"}


def trends(lines: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]) -> list[Trend]:
    """Trend of each metric of a comparison.

    Parameters
    ----------
    lines : sequence of mapping
        Lines of the history file, oldest first.
    metrics : sequence of mapping
        Rows of ``regress``; those without figures are left out.
    """
    found = []
    for row in metrics:
        told = [(line["at"], line["metrics"].get(row["id"], {}).get("current")) for line in lines]
        told = [(at, value) for at, value in told if isinstance(value, (int, float))]
        values = tuple(float(value) for _, value in told)
        try:
            changes: tuple[int, ...] | None = tuple(change_points(values))
        except MissingToolError:
            changes = None
        if values:
            at = tuple(at for at, _ in told)
            found.append(Trend(row["id"], row["title"], row["unit"], row["better"], at, values, changes))
    return found
