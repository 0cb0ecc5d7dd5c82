"""Whether two runs, or two sets of runs, differ by more than chance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis.distributions import student_t_quantile
from bitcell_sim.analysis.estimates import CONFIDENCE, Estimate, mean_interval
from bitcell_sim.analysis.multiple import doubt, holm
from bitcell_sim.analysis.run_figures import (
    FIGURES,
    Figure,
    Statistic,
    Values,
    figure_of,
    level,
    values_of,
    warm_span_ms,
)
from bitcell_sim.errors import InputError
from bitcell_sim.runs.run import RunData

WINDOWS = 10


@dataclass(frozen=True)
class Difference:
    """One figure of two runs, or the mean of two sets of them.

    Parameters
    ----------
    id : str
        Name in ``FIGURES``.
    a, b : float or None
        The figure of each; None where it has none.
    difference : Estimate
        b less a, with its 95 % interval.
    family : float or None
        Probability of so large a difference by chance, adjusted for all figures compared (Holm); None without interval.
    """

    id: str
    a: float | None
    b: float | None
    difference: Estimate
    family: float | None

    @property
    def figure(self) -> Figure:
        """What it is."""
        return FIGURES[self.id]


def compare_runs(a: RunData, b: RunData) -> list[Difference]:
    """Differences of every figure between two runs.

    Parameters
    ----------
    a, b : RunData
        Two runs. With the same seed they share their noise, so that what differs is the variant's; with other seeds no
        difference has an interval.

    Notes
    -----
    What a run draws once (its links' slow states, its clocks) is in all of it, so that nothing inside one run says how
    much runs of other seeds differ: sets of runs do, :func:`compare_sets`.

    The stretch that both runs have behind their warm-ups is cut into ten windows. Leaving out one window of both runs
    at a time gives ten values, whose spread gives Student's t interval around the difference of the whole (grouped
    jackknife): for a mean these are batch means of the paired difference; ratios and quantiles are covered as well.
    Windows, and not rows, are taken as independent, as neighbouring rows depend on each other.

    References
    ----------
    Efron, Tibshirani: An Introduction to the Bootstrap (1993), 11.5 (grouped jackknife). Law: Simulation Modeling and
    Analysis, 5th edition (2015), 10.2 (paired comparison).
    """
    starts, ends = zip(warm_span_ms(a), warm_span_ms(b), strict=True)
    start, end = max(starts), min(ends)
    if end <= start:
        raise InputError(f"{a!r} and {b!r} have no time behind the warm-up in common")
    found = []
    for name, figure in FIGURES.items():
        one, two = values_of(a, figure), values_of(b, figure)
        before, after = (level(figure, values, start, end) for values in (one, two))
        estimate = windowed_difference(figure.statistic, one, two, start, end - figure.margin_ms)
        if a.seed != b.seed:
            estimate = Estimate(estimate.measured, None, None, 0)
        found.append((name, before, after, estimate))
    return _together(found)


def windowed_difference(statistic: Statistic, one: Values, two: Values, start_ms: float, end_ms: float) -> Estimate:
    """Difference of a statistic over a stretch of two series, second less first.

    Parameters
    ----------
    statistic : callable
        Figure of any values.
    one, two : Values
        Values and their moments, ms.
    start_ms, end_ms : float
        The stretch.

    Returns
    -------
    Estimate
        With the grouped jackknife's interval over ten windows; none where a window of either holds no value.
    """
    inside = [(values, values.between(start_ms, end_ms)) for values in (one, two)]
    a, b = (statistic(values.values[mask]) for values, mask in inside)
    if a is None or b is None:
        return Estimate(None, None, None, 0)
    edges = np.linspace(start_ms, end_ms, WINDOWS + 1)
    pseudo = []
    for low, high in itertools.pairwise(edges):
        without = [statistic(v.values[mask & ~v.between(low, high)]) for v, mask in inside]
        windows = [(v.between(low, high) & mask).any() for v, mask in inside]
        if without[0] is None or without[1] is None or not all(windows):
            return Estimate(b - a, None, None, 0)  # something so rare that a window has none of it
        pseudo.append(WINDOWS * (b - a) - (WINDOWS - 1) * (without[1] - without[0]))
    return _around(b - a, np.array(pseudo))


def _around(difference: float, pseudo: npt.NDArray[np.float64]) -> Estimate:
    half = student_t_quantile((1 + CONFIDENCE) / 2, len(pseudo) - 1) * float(pseudo.std(ddof=1)) / len(pseudo) ** 0.5
    half = 0.0 if half <= 1e-12 * max(1.0, abs(difference)) else half  # rounding, where all windows are alike
    return Estimate(difference, difference - half, difference + half, len(pseudo))


def compare_sets(a: Sequence[RunData], b: Sequence[RunData]) -> list[Difference]:
    """Differences of every figure between two sets of runs, paired by seed.

    Parameters
    ----------
    a, b : sequence of RunData
        Runs of two variants, with the same seeds in each; the order does not matter.

    Raises
    ------
    InputError
        If the seeds are not the same, or one is there twice.
    """
    one, two = ({run.seed: run for run in runs} for runs in (a, b))
    if set(one) != set(two) or len(one) < len(a) or len(two) < len(b):
        raise InputError(
            f"seeds {sorted(run.seed for run in a)} and {sorted(run.seed for run in b)}: both need the same, each once"
        )
    found = []
    for name in FIGURES:
        pairs = [(figure_of(one[seed], name), figure_of(two[seed], name)) for seed in sorted(one)]
        whole = [(x, y) for x, y in pairs if x is not None and y is not None]
        before, after = (mean_interval([pair[place] for pair in whole]).measured for place in (0, 1))
        estimate = mean_interval([y - x for x, y in whole])
        if len(whole) < len(pairs):  # those left are a selection
            estimate = Estimate(estimate.measured, None, None, estimate.n)
        found.append((name, before, after, estimate))
    return _together(found)


def _together(found: Sequence[tuple[str, float | None, float | None, Estimate]]) -> list[Difference]:
    """Differences, with what each says in the company of the others."""
    told = [place for place, (_, _, _, estimate) in enumerate(found) if estimate.ci_low is not None]
    adjusted = dict(zip(told, holm([doubt(found[place][3], 0.0) for place in told]), strict=True))
    return [Difference(*row, adjusted.get(place)) for place, row in enumerate(found)]
