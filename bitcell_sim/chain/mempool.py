"""What the chain asks of the transaction plane: one interface, two makers (`engine.plane` and `engine.plain`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bitcell_sim.kernels.mempool import POOLED

if TYPE_CHECKING:
    from bitcell_sim.kernels.arrays import Ints
    from bitcell_sim.kernels.mempool import Book


class TransactionPlane(Protocol):
    """Requests, admission, flood and pools of all transactions.

    Life cycle: ``advance`` up to a control event, ask or tell, and again; ``freeze`` before links, peers or nodes
    change. Transactions are named by their row, in the order of submission.
    """

    @property
    def rows(self) -> int:
        """Transactions submitted so far."""

    @property
    def book(self) -> Book:
        """All transactions so far, and rows for later ones."""

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


def lacking(plane: TransactionPlane, node: int, boot_ns: int, now_ns: int) -> int:
    """Count the transactions that a node's pool lacks since its process started.

    Parameters
    ----------
    plane : TransactionPlane
        All transactions.
    node : int
        Whose pool.
    boot_ns, now_ns : int
        When the process started; now, nanoseconds.

    Returns
    -------
    int
        Accepted before the start, pending elsewhere, and neither in the node's pool nor in its chain.
    """
    plane.advance(now_ns)
    book, rows = plane.book, slice(plane.rows)
    old = (book.accepted_ns[rows] >= 0) & (book.accepted_ns[rows] < boot_ns)
    held = book.pool[rows][old] == POOLED
    return int((held.any(axis=1) & ~held[:, node] & (book.included[rows, node][old] == 0)).sum())
