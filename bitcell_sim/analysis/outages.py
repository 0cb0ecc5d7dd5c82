"""Simulated years without service: minutes a month, by cause, with intervals, and what a change saves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis.availability_mesh import KINDS, MONTH_H, US_PER_H, US_PER_S, Mesh
from bitcell_sim.analysis.estimates import Estimate, proportion_interval
from bitcell_sim.analysis.rare_events import difference, rate_of_sum
from bitcell_sim.kernels.availability import down_pieces

US_PER_MIN = 60 * US_PER_S
MONTH_US = MONTH_H * US_PER_H
MONTH_MIN = MONTH_H * 60

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outages:
    """When one replication of a mesh was out of service.

    Parameters
    ----------
    horizon_us : int
        Simulated microseconds.
    start_us, end_us : ndarray of int64, shape (n_pieces,)
        Pieces of down time, in the order of time.
    causes : ndarray of int64, shape (n_pieces,)
        Smallest set of classes of fault that accounts for each piece: bit i for ``KINDS[i]``.
    """

    horizon_us: int
    start_us: Times
    end_us: Times
    causes: Times

    @property
    def down_us(self) -> int:
        """Microseconds out of service."""
        return int((self.end_us - self.start_us).sum())

    @property
    def down_share(self) -> float:
        """Share of the time out of service."""
        return self.down_us / self.horizon_us

    def episodes_min(self, cause: int | None = None) -> list[float]:
        """Minutes of each outage from its first to its last moment, or of its part that has one cause."""
        counted = np.ones(len(self.causes), dtype=bool) if cause is None else self.causes == cause
        return self.sums_min(np.where(counted, self.end_us - self.start_us, 0))

    def sums_min(self, pieces_us: Times) -> list[float]:
        """Sums over the pieces of each outage, in minutes, without those that are 0."""
        if len(pieces_us) == 0:
            return []
        first = np.concatenate(([True], self.start_us[1:] != self.end_us[:-1]))
        sums = np.bincount(np.cumsum(first) - 1, weights=pieces_us)  # exact: below 2**53
        return [float(us) / US_PER_MIN for us in sums if us > 0]

    def down_before_us(self, moments: Times) -> Times:
        """Microseconds out of service before each of some moments."""
        sums = np.concatenate(([0], np.cumsum(self.end_us - self.start_us)))
        begun = np.searchsorted(self.start_us, moments, side="right")
        down = sums[begun]
        some = begun > 0
        down[some] -= np.maximum(0, self.end_us[begun[some] - 1] - moments[some])
        return down

    def months_min(self) -> npt.NDArray[np.float64]:
        """Minutes out of service in each whole month of 730 hours."""
        edges = np.arange(self.horizon_us // MONTH_US + 1) * MONTH_US
        return np.diff(self.down_before_us(edges)) / US_PER_MIN


def simulate_outages(mesh: Mesh, key: int, horizon_h: float) -> Outages:
    """Years of a mesh.

    Parameters
    ----------
    mesh : Mesh
        What can fail, and when it serves.
    key : int
        Key of the draws: two meshes with the same key have the same faults where they have the same components.
    horizon_h : float
        Simulated hours.
    """
    arguments: Any = mesh.kernel_arguments(horizon_h)
    return Outages(round(horizon_h * US_PER_H), *down_pieces(np.uint64(key), *arguments))


def cause_name(cause: int) -> str:
    """Classes of a cause, such as ``zone+region``."""
    return "+".join(kind for place, kind in enumerate(KINDS) if cause >> place & 1) or "none"


def months_of(runs: Sequence[Outages]) -> float:
    """Simulated months of 730 hours."""
    return sum(run.horizon_us for run in runs) / MONTH_US


def minutes_per_month(runs: Sequence[Outages], mesh: Mesh, cause: int | None = None) -> Estimate:
    """Mean minutes out of service a month, of one cause or of all; the interval rests on the number of outages.

    Parameters
    ----------
    runs : sequence of Outages
        Independent replications of one mesh.
    mesh : Mesh
        What was simulated; its repair times say how long an outage that was not seen would last.
    cause : int, optional
        Bits of the classes of the cause.
    """
    sizes = [minutes for run in runs for minutes in run.episodes_min(cause)]
    return rate_of_sum(sizes, months_of(runs), _unseen_min(mesh, cause))


def up_share(minutes: Estimate) -> Estimate:
    """Availability from minutes out of service a month."""

    def up(lost_min: float | None) -> float | None:
        return None if lost_min is None else max(0.0, 1.0 - lost_min / MONTH_MIN)

    return Estimate(up(minutes.measured), up(minutes.ci_high), up(minutes.ci_low), minutes.n)


def _unseen_min(mesh: Mesh, cause: int | None) -> float:
    """Minutes of an outage that was not seen: the shortest of the classes it needs, the longest if any will do."""
    met = {
        KINDS[part.kind]: part.met_repair_s / 60.0
        for part in sorted(mesh.components, key=lambda part: part.met_repair_s)
    }
    if cause is None:
        return max(met.values(), default=1.0)
    return min((met[kind] for place, kind in enumerate(KINDS) if cause >> place & 1 and kind in met), default=1.0)


def missed_months(runs: Sequence[Outages], budget_min: float) -> Estimate:
    """Share of months with more minutes out of service than a budget."""
    months = np.concatenate([run.months_min() for run in runs])
    return proportion_interval(int((months > budget_min).sum()), len(months))


def minutes_saved(before: Sequence[Outages], after: Sequence[Outages], meshes: tuple[Mesh, Mesh]) -> Estimate:
    """Minutes a month that a change saves, from runs of both meshes with the same draws.

    Parameters
    ----------
    before, after : sequence of Outages
        Replication by replication with the same key and horizon.
    meshes : tuple of Mesh, Mesh
        What was simulated before and after.

    Notes
    -----
    Outages of both cancel exactly. What is left are the outages only before and those only after; the interval is that
    of the difference of the two, each with its own for rare events.
    """
    months = months_of(before)
    saved, added = (
        rate_of_sum(
            [minutes for one, other in zip(ones, others, strict=True) for minutes in _only_in(one, other)],
            months,
            _unseen_min(mesh, None),
        )
        for ones, others, mesh in ((before, after, meshes[0]), (after, before, meshes[1]))
    )
    return difference(saved, added)


def _only_in(one: Outages, other: Outages) -> list[float]:
    """Minutes of each outage of one run during which the other was in service."""
    shared_us = other.down_before_us(one.end_us) - other.down_before_us(one.start_us)
    return one.sums_min(one.end_us - one.start_us - shared_us)
