"""What a run asks of each node's machine: cores, memory, disk, uplink; tables in, figures out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bitcell_sim.analysis.targets import Floats, Tables, chain_blocks, warm_from_ms

DAYS_PER_YEAR = 365.0
_MS_PER_DAY = 86_400_000.0
_BYTES_PER_GB = 1e9


@dataclass(frozen=True, eq=False)
class Resources:
    """Demands of one run.

    Parameters
    ----------
    battle_cores, check_cores, proof_cores : ndarray of float64, shape (n_nodes,)
        Mean cores after the warm-up that each node spent on battles and on checks, and that the proofs it asked for
        demand, whether they ran or not.
    memory_gb : ndarray of float64, shape (n_nodes,)
        Most that a node's work held at a time or asked for, GB (10^9 bytes).
    disk_gb_per_year : float
        Growth of the chain; NaN with fewer than two final blocks after the warm-up.
    sent_mbit_per_s : ndarray of float64, shape (n_nodes,)
        Mean rate of what each node sent, with the flood of transactions.
    burst_s : float
        Seconds that the largest block occupies its builder's uplink.
    """

    battle_cores: Floats
    check_cores: Floats
    proof_cores: Floats
    memory_gb: Floats
    disk_gb_per_year: float
    sent_mbit_per_s: Floats
    burst_s: float

    @property
    def cores(self) -> Floats:
        """Mean cores that each node's work demands."""
        return self.battle_cores + self.check_cores + self.proof_cores


def resources(
    tables: Tables,
    warmup_blocks: int,
    nodes: tuple[str, ...],
    *,
    end_ms: float,
    overhead_bytes: float,
    uplink_mbit_per_s: float,
) -> Resources:
    """Demands of a run.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    warmup_blocks : int
        Blocks that do not count.
    nodes : tuple of str
        Ids of all nodes.
    end_ms : float
        Length of the run.
    overhead_bytes : float
        Bytes that each transaction has on the wire beside its own.
    uplink_mbit_per_s : float
        Each node's uplink.

    Notes
    -----
    The flood of transactions is not among the messages: each node sends every transaction that was accepted once to
    every other, which is its most.
    """
    start_ms = warm_from_ms(tables, warmup_blocks)
    span_s = (end_ms - start_ms) / 1000.0
    samples = tables["samples"]
    counted = samples[samples["at_ms"] >= start_ms] if math.isfinite(start_ms) else samples.iloc[:0]
    first, last = (counted.groupby("node", observed=True).nth(place).set_index("node") for place in (0, -1))
    sampled_s = (last["at_ms"] - first["at_ms"]) / 1000.0

    def spent(column: str) -> Floats:
        cores = (last[column] - first[column]) / sampled_s
        return np.asarray(cores.reindex(nodes), dtype=np.float64)

    proofs = tables["proofs"]
    own = proofs[proofs["farm"].isna()]
    late = own[own["queued_ms"] >= start_ms]
    proof_cores = late.groupby("node", observed=True)["demanded_core_s"].sum() / span_s
    held = samples.groupby("node", observed=True)["memory_used_bytes"].max()
    asked = own.groupby("node", observed=True)["memory_bytes"].max()
    memory = np.maximum(held.reindex(nodes, fill_value=0), asked.reindex(nodes, fill_value=0)) / _BYTES_PER_GB
    blocks = chain_blocks(tables).iloc[max(0, warmup_blocks - 1) :]
    grown_ms = float(blocks["built_ms"].iloc[-1] - blocks["built_ms"].iloc[0]) if len(blocks) > 2 else math.nan
    grown_gb = float(blocks["size_bytes"].iloc[1:].sum()) / _BYTES_PER_GB
    burst_bytes = float(tables["blocks"]["size_bytes"].max()) if len(tables["blocks"]) else 0.0
    return Resources(
        battle_cores=spent("battle_core_s"),
        check_cores=spent("validation_core_s"),
        proof_cores=np.asarray(proof_cores.reindex(nodes, fill_value=0.0), dtype=np.float64),
        memory_gb=np.asarray(memory, dtype=np.float64),
        disk_gb_per_year=grown_gb / grown_ms * _MS_PER_DAY * DAYS_PER_YEAR,
        sent_mbit_per_s=_sent(tables, nodes, end_ms, overhead_bytes),
        burst_s=burst_bytes * 8e-6 * (len(nodes) - 1) / uplink_mbit_per_s,
    )


def _sent(tables: Tables, nodes: tuple[str, ...], end_ms: float, overhead_bytes: float) -> Floats:
    """Mean Mbit/s of each node."""
    messages, transactions = tables["messages"], tables["transactions"]
    accepted = transactions[transactions["accepted_ms"].notna()]
    flood_bytes = float((accepted["size_bytes"] + overhead_bytes).sum()) * (len(nodes) - 1)
    sent = messages.groupby("source", observed=True)["message_bytes"].sum().reindex(nodes, fill_value=0)
    return (np.asarray(sent, dtype=np.float64) + flood_bytes) * 8e-6 / (end_ms / 1000.0)
