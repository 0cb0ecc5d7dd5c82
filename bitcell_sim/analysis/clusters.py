"""Quantiles of values that come in clusters: resampling whole clusters, and what clustered values are worth."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Clusters = list[npt.NDArray[np.float64]]


def rank_of(count: int, q: float) -> int:
    """Rank, from 1, of the smallest of `count` sorted values at or below which at least a share `q` of them lies.

    >>> rank_of(100, 0.07)  # 0.07 * 100 is 7.000000000000001
    7
    """
    return max(1, math.ceil(q * count - 1e-9 * count))


def resampled_quantiles(clusters: Clusters, q: float, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Quantile of the pooled values for each resampling of whole clusters, in the unit of the values.

    Parameters
    ----------
    clusters : list of ndarray of float64
        Sorted values of each cluster, none empty.
    q : float
        Probability of the quantile, in the open interval (0, 1).
    resamples : int
        Number of resamplings, each of as many clusters as there are, with replacement.
    seed : int
        Seed of the draws; with the number of clusters it decides them.

    Returns
    -------
    ndarray of float64, shape (resamples,)
        The value of rank :func:`rank_of` among those of the clusters drawn.

    Notes
    -----
    A bisection over the ranks of all values, for all resamplings at once: nothing is pooled or sorted again.
    """
    from bitcell_sim.random_streams import stream_key  # brings numba, which estimates without resampling do not need

    n = len(clusters)
    bits = np.random.Philox(key=stream_key(seed, "analysis.cluster_resampling", n)).random_raw((resamples, n))
    chosen = ((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)
    times = np.zeros((resamples, n), dtype=np.int64)
    np.add.at(times, (np.arange(resamples)[:, None], chosen.astype(np.int64)), 1)

    pooled = np.sort(np.concatenate(clusters))
    total = times @ np.array([len(cluster) for cluster in clusters])
    needed = np.ceil(q * total - 1e-9 * total).clip(min=1)
    low, high = np.zeros(resamples, dtype=np.int64), np.full(resamples, len(pooled) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        at_most = np.zeros(resamples, dtype=np.int64)
        for index, cluster in enumerate(clusters):
            at_most += times[:, index] * np.searchsorted(cluster, pooled[middle], side="right")
        enough = at_most >= needed
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle + 1)
    quantiles: npt.NDArray[np.float64] = pooled[low]
    return quantiles


def effective_count(clusters: Clusters, cut: float) -> float:
    """Count the independent values that clustered ones are worth for the share at or below `cut`.

    Parameters
    ----------
    clusters : list of ndarray of float64
        Sorted values of each of two clusters or more, none empty.
    cut : float
        In the unit of the values.

    Returns
    -------
    float
        At most the number of values.

    Notes
    -----
    p (1 - p) / v, with p the share at or below `cut` and v the variance of that share as a ratio over clusters.
    """
    sizes = np.array([len(cluster) for cluster in clusters], dtype=np.float64)
    below = np.array([np.searchsorted(cluster, cut, side="right") for cluster in clusters], dtype=np.float64)
    total, n = sizes.sum(), len(clusters)
    share = below.sum() / total
    variance = n / (n - 1) * float(((below - share * sizes) ** 2).sum()) / total**2
    return float(total if variance == 0.0 else min(total, share * (1.0 - share) / variance))
