"""Messages from one to many among validators that share places: each its own draws, each place its own links.

The draws and the delays are those of :class:`bitcell_sim.network.transport.Transport`, where every node is a place.
``mail_plain`` holds the slow twin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitcell_sim.kernels.arrays import Ints
from bitcell_sim.kernels.compiling import njit, part
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths import LinkState, Paths, delay_ns, message_bits, stands_ns, transmission_ns


class Mail(NamedTuple):
    """How messages of one kind travel: straight from everyone to everyone, as the transport carries them.

    Parameters
    ----------
    key : uint64
        Key of their kind.
    size_bytes : int
        Of one message with its framing.
    place : ndarray of int64, shape (voters,)
        Endpoint that each validator stands at; validators name the draws, endpoints the links.
    paths, links : Paths, LinkState
        Between endpoints; as they are now for the whole height.
    """

    key: np.uint64
    size_bytes: int
    place: Ints
    paths: Paths
    links: LinkState


@part
def arrival_ns(mail: Mail, name: int, source: int, target: int, sent_ns: int, leaves_ns: int) -> int:
    """When a message arrives that leaves the uplink at a moment, nanoseconds; NEVER where the path is cut."""
    here, there = mail.place[source], mail.place[target]
    links = mail.links
    if links.cut[here, there]:
        return NEVER
    bits = message_bits(mail.key, name, 0, source, target)
    standing = stands_ns(mail.paths, here, there, sent_ns)
    added, loss = links.added_ns[here, there], links.loss[here, there]
    return leaves_ns + delay_ns(bits, standing, added, loss, mail.size_bytes, mail.paths.jitter)


@part
def wire_ns(mail: Mail, source: int) -> int:
    """Time to put a message on its sender's uplink, nanoseconds."""
    return transmission_ns(mail.size_bytes, mail.links.uplink_bit_per_s[mail.place[source]])


@njit
def spread_ns(mail: Mail, name: int, source: int, sent_ns: int, window_bytes: int, targets: Ints) -> Ints:
    """When each target has a message from one source, nanoseconds; NEVER for those not named and where a path is cut.

    Parameters
    ----------
    mail : Mail
        How it travels.
    name : int
        Names the draws.
    source : int
        Who sends it, and has it.
    sent_ns : int
        When it is sent.
    window_bytes : int
        What a stream has in flight: a bulk message, whose copies take turns on an idle uplink. 0: a small one.
    targets : ndarray of int64, shape (n,)
        To whom, in this order.

    Returns
    -------
    ndarray of int64, shape (voters,)
        Arrivals.
    """
    arrivals_ns = np.full(mail.place.shape[0], NEVER, np.int64)
    arrivals_ns[source] = sent_ns
    windows = (mail.size_bytes + window_bytes - 1) // window_bytes if window_bytes > 0 else 1
    leaves = sent_ns + (wire_ns(mail, source) if window_bytes == 0 else 0)
    for target in targets:
        here, there = mail.place[source], mail.place[target]
        if mail.links.cut[here, there]:
            continue
        leaves += wire_ns(mail, source) if window_bytes > 0 else 0
        waits = stands_ns(mail.paths, here, there, sent_ns) + 2 * mail.links.added_ns[here, there]
        at = arrival_ns(mail, name, source, target, sent_ns, leaves)
        arrivals_ns[target] = at + (windows - 1) * waits
    return arrivals_ns
