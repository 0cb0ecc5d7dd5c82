"""Clients: open arrivals per region, with sizes and gas prices, whatever the chain makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        names = [region.name for region in deployment.region]
        weights = np.array([workload.region_weight.get(name, 0.0) if workload.region_weight else 1.0 for name in names])
        self._share = weights / weights.sum()
        self._count = [0] * len(names)
        self._from_ns = [0] * len(names)
        self._left = [float(kernel.first_gap(self._key, region)) for region in range(len(names))]
        self.rate_tps = workload.rate_tps

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load from now on; everything before `now_ns` has been taken."""
        for region, share in enumerate(self._share):
            spent = (now_ns - self._from_ns[region]) * (self.rate_tps * share / NS_PER_S)
            self._left[region] = max(0.0, self._left[region] - spent)
            self._from_ns[region] = now_ns
        self.rate_tps = rate_tps

    def take(self, until_ns: int) -> Arrivals:
        """Everything that is submitted before a moment and was not taken before."""
        parts: list[Ints] = []
        for region in range(len(self._count)):
            parts.extend(self._take_region(region, until_ns))
        if not parts:
            empty = np.zeros(0, np.int64)
            return Arrivals(empty, empty, empty, empty, empty)
        columns = np.concatenate(parts, axis=1)
        columns = columns[:, kernel.merge_order(columns[1], columns[2])]
        return Arrivals(*columns)

    def _take_region(self, region: int, until_ns: int) -> list[Ints]:
        rate = self.rate_tps * float(self._share[region]) / NS_PER_S
        parts: list[Ints] = []
        while rate > 0.0:
            at_ns = np.empty(_CHUNK, np.int64)
            first = self._count[region]
            count, self._from_ns[region], self._left[region] = kernel.arrivals(
                self._key, region, first, self._from_ns[region], self._left[region], rate, until_ns, at_ns
            )
            if count:
                rows = np.empty((5, count), np.int64)
                rows[0] = (region << REGION_SHIFT) + np.arange(first, first + count)
                rows[1] = at_ns[:count]
                rows[2] = region
                prices = self._workload.gas_price
                kernel.contents(
                    self._key, region, first, prices.median, prices.sigma, self._workload.data_bytes_mean, rows[3:]
                )
                parts.append(rows)
                self._count[region] += count
            if count < _CHUNK:
                break
        return parts


def gas_and_bytes(arrivals: Arrivals, block: Block) -> tuple[Ints, Ints]:
    """Gas and bytes of transactions: a plain transfer's, and their data on top."""
    gas = block.transaction_gas + block.data_byte_gas * arrivals.data_bytes
    return gas, block.transaction_bytes + arrivals.data_bytes
