"""What nodes and load balancers expose: names, types, labels, help, and the text of a scrape.

The first twelve are the documents' own; the others are what the alert rules need beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

NODE, BALANCER = "node", "haproxy"
PATH = "/metrics"


class Metric(NamedTuple):
    """One metric.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"gauge", "counter"}
        Its type.
    exporter : str
        Who exposes it: a node, or HAProxy's exporter.
    labels : tuple of str
        Labels it has beside those of its target.
    help : str
        What it says.
    documented : bool
        Whether the documents list it.
    """

    name: str
    kind: Literal["gauge", "counter"]
    exporter: str
    labels: tuple[str, ...]
    help: str
    documented: bool = False


METRICS = (
    Metric("bitcell_chain_height", "gauge", NODE, (), "Height of the node's head, blocks.", True),
    Metric("bitcell_sync_progress", "gauge", NODE, (), "Share of what the process missed that it has, percent.", True),
    Metric("bitcell_peer_count", "gauge", NODE, (), "Connections that stand.", True),
    Metric("bitcell_dht_peer_count", "gauge", NODE, (), "Peers of discovery; the connected ones.", True),
    Metric("bitcell_txs_processed_total", "counter", NODE, (), "Transactions seen final.", True),
    Metric("bitcell_pending_txs", "gauge", NODE, (), "Transactions in the pool.", True),
    Metric("bitcell_proofs_generated_total", "counter", NODE, (), "Proofs finished.", True),
    Metric("bitcell_proofs_verified_total", "counter", NODE, (), "Proofs of others checked.", True),
    Metric("bitcell_active_miners", "gauge", NODE, (), "Miners that may enter a tournament, by the chain.", True),
    Metric("bitcell_banned_miners", "gauge", NODE, (), "Miners that are banned, by the chain.", True),
    Metric("bitcell_bytes_sent_total", "counter", NODE, (), "Bytes sent to peers.", True),
    Metric("bitcell_bytes_received_total", "counter", NODE, (), "Bytes received from peers.", True),
    Metric("bitcell_finalized_height", "gauge", NODE, (), "Height of the last final block, blocks."),
    Metric("bitcell_proof_generation_seconds", "gauge", NODE, (), "Seconds of the last proof that was finished."),
    Metric("bitcell_proofs_failed_total", "counter", NODE, (), "Proofs killed for want of memory."),
    Metric(
        "bitcell_peer_rtt_seconds",
        "gauge",
        NODE,
        ("peer", "peer_region"),
        "Seconds of the last ping of a peer, there and back.",
    ),
    Metric(
        "haproxy_backend_active_servers", "gauge", BALANCER, ("proxy",), "Servers that the balancer sends requests to."
    ),
    Metric(
        "haproxy_frontend_http_responses_total",
        "counter",
        BALANCER,
        ("proxy", "code"),
        "Answers to clients by the class of their status; `other` where the client left before.",
    ),
)
OF_EVERY_TARGET = ("up", "scrape_duration_seconds")

Labels = Sequence[tuple[str, str]]


class Sample(NamedTuple):
    """One line of a scrape: name, labels beside the target's, value."""

    name: str
    labels: Labels
    value: float


def exposition(samples: Sequence[Sample]) -> str:
    """The text that a target answers a scrape with (text format 0.0.4).

    Parameters
    ----------
    samples : sequence of Sample
        Values of known metrics; lines of one metric follow each other.

    References
    ----------
    Prometheus, Exposition formats, "Text-based format".
    """
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for metric in METRICS:
        if metric.name in by_name:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{selector(s.name, dict(s.labels))} {_number(s.value)}" for s in by_name[metric.name]]
    return "\n".join(lines) + "\n"


def selector(name: str, labels: Mapping[str, str]) -> str:
    """A series as text, labels in their order, such as ``up{job="haproxy"}``."""
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """Shortest text that reads back as the same value."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
