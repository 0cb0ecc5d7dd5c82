"""Views of a run's tables that several analyses need; tables in, frames and figures out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]

# The moment that places a row in time; what is missing here sums up a whole run and is never cut.
MOMENT = {
    "adoptions": "adopted_ms",
    "balancers": "at_ms",
    "blocks": "built_ms",
    "evidence": "at_ms",
    "finals": "at_ms",
    "proofs": "queued_ms",
    "recoveries": "at_ms",
    "rounds": "start_ms",
    "samples": "at_ms",
    "transactions": "submitted_ms",
    "trust": "at_ms",
    "votes": "at_ms",
}


def chain(tables: Tables) -> pd.DataFrame:
    """Blocks of the best chain, final or not yet, lowest first.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    """
    blocks = tables["blocks"]
    return blocks[blocks["state"] != "orphaned"].sort_values(["height", "block"], kind="stable")


def warmup_end_ms(tables: Tables, blocks: int = 3) -> float:
    """Milliseconds until the first blocks of the chain have been built; infinite if there are no more than these.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    blocks : int
        How many blocks are warm-up.
    """
    if blocks == 0:
        return 0.0
    built = chain(tables)["built_ms"]
    return float(built.iloc[blocks - 1]) if len(built) > blocks else math.inf


def after_warmup(tables: Tables, blocks: int = 3) -> dict[str, pd.DataFrame]:
    """Tables without what began before the warm-up was over; nothing is left of a run that never left it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    blocks : int
        How many blocks of the chain are warm-up.

    Returns
    -------
    dict of str to DataFrame
        Rows keep their index: that of a transaction is its number. ``battles``, ``faults`` and ``messages`` are whole.
    """
    end_ms = warmup_end_ms(tables, blocks)
    cut = {}
    for name, frame in tables.items():
        if name not in MOMENT:
            cut[name] = frame
        elif name == "blocks":
            cut[name] = frame[frame[MOMENT[name]] > end_ms]
        else:
            cut[name] = frame[frame[MOMENT[name]] >= end_ms]
    return cut


def inclusion_s(tables: Tables) -> pd.Series[float]:
    """Seconds from a client's submission to its block, of the transactions that are in one.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    """
    sent = tables["transactions"]
    sent = sent[sent["block"] >= 0]
    built_ms = tables["blocks"].set_index("block")["built_ms"]
    return (sent["block"].map(built_ms) - sent["submitted_ms"]) / 1000.0


def finality_s(tables: Tables) -> pd.Series[float]:
    """Seconds from a client's submission to final, of the transactions that are.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables.
    """
    sent = tables["transactions"]
    sent = sent[sent["state"] == "final"]
    return (sent["final_ms"] - sent["submitted_ms"]) / 1000.0


def final_tps(tables: Tables, blocks: int = 3) -> float:
    """Transactions made final per second, from the last block of the warm-up to the last final block.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        A run's tables, whole.
    blocks : int
        How many blocks of the chain are warm-up.

    Returns
    -------
    float
        NaN with fewer than two final blocks behind the warm-up.

    Notes
    -----
    Transactions of blocks n + 1 .. m over the time from final block n to final block m: both ends are block ends, so
    the figure does not depend on where in a round the run stops. Without warm-up the clock starts with the run.
    """
    final = chain(tables)
    final = final[final["state"] == "final"]
    counted = final.iloc[blocks:]
    if len(counted) < 2:
        return math.nan
    start_ms = float(final["quorum_final_ms"].iloc[blocks - 1]) if blocks else 0.0
    reached = counted[counted["quorum_final_ms"].notna()]
    span_ms = float(reached["quorum_final_ms"].max()) - start_ms
    return float(reached["transaction_count"].sum()) / span_ms * 1000.0
