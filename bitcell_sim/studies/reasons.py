"""Sentences for rows that upstream's ways decide: what keeps a row from being met, what vanishes, what is proved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitcell_sim.config.schema import Scenario
from bitcell_sim.operations.load_balancer import health_is_served

ALONE, UNSERVED, UNSIGNED = range(3)
# Rows that some settings keep from being met, and which of these do.
HINDERED_BY = {
    "throughput": (ALONE, UNSERVED, UNSIGNED),
    "finality": (ALONE, UNSERVED, UNSIGNED),
    "regional_failover": (ALONE, UNSERVED, UNSIGNED),
    "node_recovery": (ALONE,),
    "uptime": (ALONE, UNSERVED),
}
CHAOS_HINDERED_BY = (ALONE, UNSERVED, UNSIGNED)


def obstacles(row_id: str, scenario: Scenario) -> list[str]:
    """What keeps a row from being met in this scenario, by its settings alone; nothing for most scenarios."""
    quirks, balancer = scenario.protocol.quirks, scenario.deployment.load_balancer
    asked = f"{balancer.health_path} on the {balancer.health_port} port"
    found = {
        ALONE: (quirks.no_peers, "nodes dial nobody, and each has a genesis of its own (protocol.quirks.no_peers)"),
        UNSERVED: (
            not health_is_served(balancer),
            f"health checks ask for {asked}, which is not served, so clients get 503",
        ),
        UNSIGNED: (
            quirks.signature_mismatch,
            "a transaction that the RPC accepts fails the check of blocks, so a node that holds one makes no block"
            " (protocol.quirks.signature_mismatch)",
        ),
    }
    hindered = CHAOS_HINDERED_BY if row_id.startswith("chaos.") else HINDERED_BY.get(row_id, ())
    return [words for holds, words in (found[what] for what in hindered) if holds]


def vanished(scenario: Scenario, lost_shares: Sequence[float]) -> str:
    """What pools that key transactions by price and second have dropped in silence."""
    if not scenario.protocol.quirks.price_second_key:
        return ""
    share = float(np.mean(lost_shares))
    return f"; {share:.0%} of the accepted vanish, for a pool keeps one transaction of a price and second"


def no_proof(scenario: Scenario) -> str:
    """Why there is no proof to look at."""
    off = scenario.protocol.proof.mode == "off"
    return "the protocol proves nothing (proof.mode is off)" if off else "no proof was demanded"
