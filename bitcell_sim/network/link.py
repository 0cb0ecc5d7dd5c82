"""The state of links and uplinks: what faults leave of them, composed anew from the faults that hold."""

from __future__ import annotations

import numpy as np

from bitcell_sim.kernels.paths import LinkState

BITS_PER_MBIT = 1_000_000


def healthy_links(endpoint_count: int, uplink_mbit_per_s: float, loss_probability: float) -> LinkState:
    """Links without faults.

    Parameters
    ----------
    endpoint_count : int
        Nodes and regions.
    uplink_mbit_per_s : float
        Rate of every uplink.
    loss_probability : float
        Of one packet.
    """
    n = endpoint_count
    loss = np.full((n, n), loss_probability)
    np.fill_diagonal(loss, 0.0)
    return LinkState(
        cut=np.zeros((n, n), np.uint8),
        added_ns=np.zeros((n, n), np.int64),
        loss=loss,
        uplink_bit_per_s=np.full(n, round(uplink_mbit_per_s * BITS_PER_MBIT), np.int64),
        uplink_free_ns=np.zeros(n, np.int64),
        queueing=np.zeros(1, np.uint8),
    )


def restore(links: LinkState, healthy: LinkState) -> None:
    """Take all faults off the links; the queues of the uplinks stay."""
    links.cut[:] = healthy.cut
    links.added_ns[:] = healthy.added_ns
    links.loss[:] = healthy.loss
    links.uplink_bit_per_s[:] = healthy.uplink_bit_per_s


def small_traffic_share(rate_tps: float, message_bytes: float, peer_count: int, uplink_bit_per_s: int) -> float:
    """Share of an uplink that the flood of transactions is configured to take (each goes to every peer once)."""
    return rate_tps * message_bytes * 8 * peer_count / uplink_bit_per_s
