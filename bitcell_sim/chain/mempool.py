"""What the chain asks of the transaction plane: one interface, two makers (`engine.plane` and `engine.plain`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints


class TransactionPlane(Protocol):
    """Requests, admission, flood and pools of all transactions.

    Life cycle: ``advance`` up to a control event, ask or tell, and again; ``freeze`` before links, peers or nodes
    change.     Transactions are named by their row, in the order of submission.
    """

    def advance(self, now_ns: int) -> None:
        """Work off everything due before a moment."""

    def freeze(self, now_ns: int) -> None:
        """Advance, and let what is in flight keep its delays: links, peers or nodes are about to change."""

    def set_rate(self, rate_tps: float, now_ns: int) -> None:
        """Change the offered load."""

    def select(self, node: int, now_ns: int) -> Ints:
        """Rows for a block of this node, in the block's order."""

    def include(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node adopts a block with these rows."""

    def restore(self, node: int, rows: Ints, now_ns: int) -> None:
        """The node leaves a block with these rows."""

    def crash(self, node: int, now_ns: int) -> None:
        """The node's process dies with its pool; its state has been set."""

    def boot(self, node: int, now_ns: int) -> None:
        """The node's process starts with an empty pool; its state has been set."""

    def pending(self, node: int, now_ns: int) -> int:
        """Transactions in a node's pool."""

    def block_size(self, rows: Ints) -> tuple[int, int]:
        """Gas and bytes of these rows."""
