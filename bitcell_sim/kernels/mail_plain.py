"""Slow twin of ``mail``: one message at a time, in plain Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.paths_plain import delay_ns, message_bits, standing_ns, transmission_ns

if TYPE_CHECKING:
    from bitcell_sim.kernels.mail import Mail


def travel_ns(mail: Mail, name: int, source: int, target: int, sent_ns: int) -> int:
    """How long a message is on its way: validators name the draw, their places the link."""
    here, there = int(mail.place[source]), int(mail.place[target])
    bits = message_bits(int(mail.key), name, 0, source, target)
    standing = standing_ns(mail.paths, here, there, sent_ns)
    return delay_ns(bits, standing, here, there, mail.size_bytes, mail.paths, mail.links)


def spread_ns(mail: Mail, name: int, source: int, sent_ns: int, window_bytes: int, targets: list[int]) -> list[int]:
    """When each target has a message from one source, nanoseconds; NEVER for others and where a path is cut."""
    arrivals = [NEVER] * len(mail.place)
    arrivals[source] = leaves = sent_ns
    for target in targets:
        here, there = int(mail.place[source]), int(mail.place[target])
        if mail.links.cut[here, there]:
            continue
        wire = transmission_ns(mail.size_bytes, int(mail.links.uplink_bit_per_s[here]))
        leaves = (leaves if window_bytes else sent_ns) + wire
        arrivals[target] = leaves + travel_ns(mail, name, source, target, sent_ns)
        if window_bytes:
            rtt = standing_ns(mail.paths, here, there, sent_ns) + 2 * int(mail.links.added_ns[here, there])
            arrivals[target] += (math.ceil(mail.size_bytes / window_bytes) - 1) * rtt
    return arrivals
