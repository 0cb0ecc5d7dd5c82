"""Slow twin of ``mempool``: one node's pool as a set, its block by sorting all it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitcell_sim.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass
class PlainPool:
    """What one node remembers of transactions.

    Parameters
    ----------
    capacity : int
        Most that the pool holds.
    price : sequence of int
        Gas price of every transaction.
    price_second_key : bool
        Whether it keys transactions by price and whole second of receipt, so that the second of a key vanishes.
    received : dict of int to int
        First receipt of each transaction since the process started, nanoseconds.
    pending : set of int
        What the pool holds.
    included : set of int
        What the node's chain holds; it is on disk.
    collided : set of int
        What vanished when it came last.
    """

    capacity: int
    price: Sequence[int]
    price_second_key: bool = False
    received: dict[int, int] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    included: set[int] = field(default_factory=set)
    collided: set[int] = field(default_factory=set)

    def admit(self, tx: int, at_ns: int) -> bool:
        """Put a transaction that was received at a moment into the pool; False if there is no room.

        One that the chain holds needs none, and one that vanishes is not told so.
        """
        if tx in self.included:
            return True
        self.collided.discard(tx)
        if len(self.pending) >= self.capacity:
            return False
        if self.price_second_key and (self.price[tx], at_ns // NS_PER_S) in self._keys():
            self.collided.add(tx)
        else:
            self.pending.add(tx)
        return True

    def _keys(self) -> set[tuple[int, int]]:
        """Price and second of all that is pending."""
        return {(self.price[tx], self.received[tx] // NS_PER_S) for tx in self.pending}

    def include(self, txs: Iterable[int]) -> None:
        """Take out what an adopted block holds, and keep it out."""
        for tx in txs:
            self.included.add(tx)
            self.pending.discard(tx)
            self.collided.discard(tx)

    def restore(self, txs: Iterable[int]) -> None:
        """Hold again what a block that was left had taken, as far as this process has received it."""
        for tx in txs:
            self.included.discard(tx)
            if tx in self.received:
                self.admit(tx, self.received[tx])

    def forget(self) -> None:
        """Lose what was memory."""
        self.received.clear()
        self.pending.clear()

    def select(self, gas: Sequence[int], count_max: int, gas_max: int) -> list[int]:
        """Transactions for a block: highest gas price first, then earliest received; none that exceeds the gas left."""
        chosen: list[int] = []
        gas_left = gas_max
        for tx in sorted(self.pending, key=lambda tx: (-self.price[tx], self.received[tx], tx)):
            if len(chosen) < count_max and gas[tx] <= gas_left:
                gas_left -= gas[tx]
                chosen.append(tx)
        return chosen
