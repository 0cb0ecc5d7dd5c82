"""Clients: open arrivals per region, with sizes and gas prices, whatever the chain makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bitcell_sim.config.schema import Block, Deployment, Workload
from bitcell_sim.kernels import arrivals as kernel
from bitcell_sim.random_streams import stream_key
from bitcell_sim.units import NS_PER_S

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints

_CHUNK = 4096
REGION_SHIFT = 40  # the name of a transaction's draws: its region above, its number in the region below


@dataclass
class Arrivals:
    """A batch of transactions in the order of submission.

    Parameters
    ----------
    draw_id, submit_ns, region, price, data_bytes : ndarray of int64, shape (n,)
        Name of its draws, when the client sends it, from where, gas price, bytes of data beside a plain transfer.
    """

    draw_id: Ints
    submit_ns: Ints
    region: Ints
    price: Ints
    data_bytes: Ints


class _Region(NamedTuple):
    """Clients of one region: arrivals so far; the last one, or the last change of rate; what is left of the gap."""

    sent: int
    from_ns: int
    left: float


class Clients:
    """All regions' clients; the rate may change at any control event.

    Parameters
    ----------
    workload, deployment : Workload, Deployment
        Rate, weights, prices, sizes; the regions in their order.
    seed : int
        Seed of the run.
    """

    def __init__(self, workload: Workload, deployment: Deployment, *, seed: int) -> None:
        self._workload = workload
        self._key = np.uint64(stream_key(seed, "workload"))
        self._steady = workload.arrivals == "steady"
        names = [region.name for region in deployment.region]
        weights = np.array([workload.region_weight.get(name, 0.0) if workload.region_weight else 1.0 for name in names])
        self._share = weights / weights.sum()
        self._state = [_Region(0, 0, self._first_gap(region)) for region in range(len(names))]
        self._before = list(self._state)  # the last call of `take`
        self.rate_tps = workload.rate_tps

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load from now on.

        Everything before `now_ns` has been taken; what the last call of :meth:`take` gave beyond it is withdrawn.
        """
        self._state = [self._at(region, now_ns) for region in range(len(self._state))]
        for region, state in enumerate(self._state):
            spent = (now_ns - state.from_ns) * (self.rate_tps * self._share[region] / NS_PER_S)
            self._state[region] = _Region(state.sent, now_ns, max(0.0, state.left - spent))
        self._before = list(self._state)
        self.rate_tps = rate_tps

    def take(self, until_ns: int) -> Arrivals:
        """Everything that is submitted before a moment and was not taken before."""
        self._before = list(self._state)
        parts = [part for region in range(len(self._state)) for part in self._take_region(region, until_ns)]
        if not parts:
            empty = np.zeros(0, np.int64)
            return Arrivals(empty, empty, empty, empty, empty)
        columns = np.concatenate(parts, axis=1)
        columns = columns[:, np.argsort(columns[1], kind="stable")]  # of equal times, by region: as they stand
        return Arrivals(*columns)

    def _first_gap(self, region: int) -> float:
        """First arrival in mean gaps: exponential, or anywhere within the first of even gaps."""
        gap = float(kernel.first_gap(self._key, region))
        return -math.expm1(-gap) if self._steady else gap

    def _rate_per_ns(self, region: int) -> float:
        return self.rate_tps * float(self._share[region]) / NS_PER_S

    def _times(self, region: int, state: _Region, until_ns: int) -> tuple[Ints, _Region]:
        """Next arrivals of a region, at most a chunk of them, and its state after the last."""
        rate = self._rate_per_ns(region)
        if self._steady:
            return self._even_times(state, rate, until_ns)
        at_ns = np.empty(_CHUNK, np.int64)
        count, from_ns, left = kernel.arrivals(
            self._key, region, state.sent, state.from_ns, state.left, rate, until_ns, at_ns
        )
        return at_ns[:count], _Region(state.sent + count, from_ns, left)

    def _even_times(self, state: _Region, rate_per_ns: float, until_ns: int) -> tuple[Ints, _Region]:
        """The same with gaps that are all one."""
        first_ns, gap_ns = state.from_ns + round(state.left / rate_per_ns), max(1, round(1.0 / rate_per_ns))
        at_ns = np.arange(first_ns, min(until_ns, first_ns + _CHUNK * gap_ns), gap_ns, dtype=np.int64)
        if not len(at_ns):
            return at_ns, state
        return at_ns, _Region(state.sent + len(at_ns), int(at_ns[-1]), 1.0)

    def _at(self, region: int, now_ns: int) -> _Region:
        """State of a region at a moment since the last call of :meth:`take`."""
        state = self._before[region]
        while self._rate_per_ns(region) > 0.0:
            times, state = self._times(region, state, now_ns)
            if len(times) < _CHUNK:
                break
        return state

    def _take_region(self, region: int, until_ns: int) -> list[Ints]:
        parts: list[Ints] = []
        prices, data_mean = self._workload.gas_price, self._workload.data_bytes_mean
        while self._rate_per_ns(region) > 0.0:
            first = self._state[region].sent
            times, self._state[region] = self._times(region, self._state[region], until_ns)
            count = len(times)
            if count:
                rows = np.empty((5, count), np.int64)
                rows[0] = (region << REGION_SHIFT) + np.arange(first, first + count)
                rows[1] = times
                rows[2] = region
                kernel.contents(self._key, region, first, prices.median, prices.sigma, data_mean, rows[3:])
                parts.append(rows)
            if count < _CHUNK:
                break
        return parts


def gas_and_bytes(arrivals: Arrivals, block: Block) -> tuple[Ints, Ints]:
    """Gas and bytes of transactions: a plain transfer's, and their data on top."""
    gas = block.transaction_gas + block.data_byte_gas * arrivals.data_bytes
    return gas, block.transaction_bytes + arrivals.data_bytes
