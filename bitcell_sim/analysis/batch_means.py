"""One long run instead of many: the mean of a series whose values depend on each other, by batch means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis.estimates import Estimate, Values, mean_interval, warmup_cut_mser5

Floats = npt.NDArray[np.float64]

BATCHES = 20
PARTS = 10  # of a batch
ALIKE_MOST = 0.4  # correlation of neighbouring parts, below which that of whole batches is next to nothing


@dataclass(frozen=True)
class BatchMeans:
    """Mean of a series, and how it was found.

    Parameters
    ----------
    estimate : Estimate
        Mean and 95 % interval of what is left behind the warm-up; `n` is the number of batches.
    warmup_count : int or None
        Values cut off the start; None if the series is too short to tell.
    means : ndarray of float64
        Mean of each batch, in order; empty if neighbours depend on each other at any length of batch that is left.
    """

    estimate: Estimate
    warmup_count: int | None
    means: Floats


def batch_means(series: Values, *, warmup_count: int | None = None) -> BatchMeans:
    """Mean of one long series, with its 95 % interval.

    Parameters
    ----------
    series : array_like of float, shape (n,)
        In the order of time, such as the waits of successive requests.
    warmup_count : int, optional
        Values to cut off the start; found by the MSER-5 rule without it.

    Returns
    -------
    BatchMeans
        No interval if the warm-up cannot be told, or if the series is too short for how long its values remember.

    Notes
    -----
    Student's t over the means of 20 batches of equal length. That they are as good as independent is judged ten times
    finer, where it can be seen: the correlation of neighbouring tenths of batches has to be below 0.4. A rest shorter
    than the batches is left out at the start, where the warm-up was.

    References
    ----------
    Law, Carson: A sequential procedure for determining the length of a steady-state simulation, Operations Research 27
    (1979) 1011-1025 (the finer batches and the 0.4).
    """
    array = np.asarray(series if isinstance(series, np.ndarray) else list(series), dtype=np.float64)
    cut = warmup_cut_mser5(array) if warmup_count is None else warmup_count
    left = array[cut or 0 :]
    length = len(left) // (BATCHES * PARTS)
    if cut is None or length < 1:
        return BatchMeans(Estimate(mean_interval(left).measured, None, None, 0), cut, np.empty(0))
    whole = left[len(left) - BATCHES * PARTS * length :]
    if alike(whole.reshape(BATCHES * PARTS, length).mean(axis=1)) >= ALIKE_MOST:
        return BatchMeans(Estimate(mean_interval(left).measured, None, None, 0), cut, np.empty(0))
    means = whole.reshape(BATCHES, PARTS * length).mean(axis=1)
    return BatchMeans(mean_interval(means), cut, means)


def alike(means: Floats) -> float:
    """Correlation of neighbours in a series, freed of most of its bias by the halves of the series.

    Parameters
    ----------
    means : ndarray of float64, shape (n,)
        In order.

    Notes
    -----
    Jackknifed: twice that of the whole less the mean of that of the two halves.
    """
    half = len(means) // 2
    return 2.0 * _lag1(means) - (_lag1(means[:half]) + _lag1(means[half:])) / 2.0


def _lag1(means: Floats) -> float:
    around = means - means.mean()
    square = float((around**2).sum())
    return float((around[:-1] * around[1:]).sum()) / square if square > 0.0 else 0.0
