"""What one chaos test came to, read from the tables of its run: when everything was back, and what held meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitcell_sim.analysis.targets import (
    BEFORE_MS,
    SUCCESS_SHARE,
    chain_blocks,
    first_good_window_ms,
    recovery_stages_s,
)

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]

NODES, CLIENTS, CHAIN = "nodes", "clients", "chain"
STAGES = {
    "process": "process",
    "peers": "peers",
    "synced": "synced",
    "voting": "first-vote",
    "pool": "pool",
    "served": "served",
}
NEEDED = ("process", "peers", "synced")  # what `nodes` waits for; the others stand beside it


@dataclass(frozen=True)
class Window:
    """When a test's fault held, and how its end is counted.

    Parameters
    ----------
    variant : str
        What was broken.
    start_s, end_s, until_s : float
        Fault from and to; how long what follows was watched.
    service_s, nodes_s : float
        Moments that clients and chain, and the nodes that were gone, count from.
    lost_regions : tuple of str
        Regions whose own clients are not asked.
    """

    variant: str
    start_s: float
    end_s: float
    until_s: float
    service_s: float
    nodes_s: float
    lost_regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """One chaos test.

    Parameters
    ----------
    variant : str
        What was broken.
    parts : dict of str to float
        Seconds until each part was back: process, peers, synced, voting, served (of nodes that went down: the last of
        them), nodes, clients, chain; NaN where it was not before the run ended.
    total_s : float
        Seconds until all that is judged was back; what was not counts up to the end of the run.
    cut_off : bool
        Whether something was not.
    final_count, orphaned_count : int
        Blocks made final while the fault held; blocks of then and later that no chain keeps.
    final_ratio : float
        Transactions made final while it held, over those submitted then.
    crash_count : int
        Processes that went down.
    excluded_count : int
        Miners that the chain lets into no tournament at the end.
    caught_s : float
        Seconds from the first double vote to the first node that could prove it; NaN without either.
    """

    variant: str
    parts: dict[str, float]
    total_s: float
    cut_off: bool
    final_count: int
    orphaned_count: int
    final_ratio: float
    crash_count: int
    excluded_count: int
    caught_s: float


def first_double_vote_s(tables: Tables, node: str, first_height: int) -> float:
    """Moment at which a node first votes at a height from which on it votes two ways, seconds; NaN if it never did."""
    votes = tables["votes"]
    at_ms = votes[(votes["node"] == node) & (votes["height"] >= first_height)]["at_ms"]
    return float(at_ms.min()) / 1000.0 if len(at_ms) else math.nan


def observe(tables: Tables, window: Window, judged: Sequence[str]) -> Event:
    """What a test came to.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of its run.
    window : Window
        When it was.
    judged : sequence of str
        Which of nodes, clients and chain have to be back.
    """
    blocks, every = chain_blocks(tables), tables["blocks"]
    parts = _parts(tables, blocks, window)
    longest = dict.fromkeys((CLIENTS, CHAIN), window.until_s - window.service_s)
    longest[NODES] = window.until_s - window.nodes_s
    start_ms, end_ms, until_ms = (moment * 1000.0 for moment in (window.start_s, window.end_s, window.until_s))
    lost = every[(every["state"] == "orphaned") & every["built_ms"].between(start_ms, until_ms)]
    return Event(
        variant=window.variant,
        parts=parts,
        total_s=max(longest[part] if math.isnan(parts[part]) else parts[part] for part in judged),
        cut_off=any(math.isnan(parts[part]) for part in judged),
        final_count=int(blocks["quorum_final_ms"].between(start_ms, end_ms).sum()),
        orphaned_count=len(lost),
        final_ratio=_final_ratio(tables, start_ms, end_ms),
        crash_count=int((tables["recoveries"]["stage"] == "crash").sum()),
        excluded_count=_excluded(tables),
        caught_s=float(tables["evidence"]["at_ms"].min()) / 1000.0 - window.start_s,
    )


def _parts(tables: Tables, blocks: pd.DataFrame, window: Window) -> dict[str, float]:
    parts = {}
    stages = recovery_stages_s(tables)
    if len(stages):
        for part, stage in STAGES.items():
            back_s = stages["crash_ms"] / 1000.0 + stages[stage] - window.nodes_s
            parts[part] = float(back_s.max()) if part == "served" else float(back_s.max(skipna=False))
    else:
        parts["synced"] = _caught_up_s(tables, blocks, window)
    needed = [parts[part] for part in NEEDED if part in parts]
    parts[NODES] = math.nan if any(map(math.isnan, needed)) else max(needed)
    parts[CLIENTS] = _clients_s(tables, window)
    after = blocks[blocks["built_ms"] > window.service_s * 1000.0]["quorum_final_ms"].to_numpy()
    parts[CHAIN] = float(after[0]) / 1000.0 - window.service_s if len(after) else math.nan
    return parts


def _caught_up_s(tables: Tables, blocks: pd.DataFrame, window: Window) -> float:
    """Seconds until every node holds for final what was final anywhere at the moment its part counts from."""
    moment_ms = window.nodes_s * 1000.0
    finals = tables["finals"].merge(tables["blocks"][["block", "height"]], on="block")
    known = finals[finals["at_ms"] <= moment_ms]["height"]
    height = int(known.max()) if len(known) else 0
    reached = finals[finals["height"] >= height].groupby("node", observed=False)["at_ms"].min()
    last_ms = float(reached.max(skipna=False)) if height else moment_ms
    return max((last_ms - moment_ms) / 1000.0, 0.0)  # in this order NaN stays NaN


def _clients_s(tables: Tables, window: Window) -> float:
    """Seconds until the first window in which as many requests succeed as before, those of lost regions left out."""
    frame = tables["transactions"]
    asked = (~frame["client_region"].isin(window.lost_regions)).to_numpy()
    submitted = frame["submitted_ms"].to_numpy()[asked]
    good = frame["request"].isin(["ok", "rejected"]).to_numpy()[asked]
    start_ms, from_ms, until_ms = window.start_s * 1000.0, window.service_s * 1000.0, window.until_s * 1000.0
    usual = good[(submitted >= start_ms - BEFORE_MS) & (submitted < start_ms)]
    if not usual.any():
        return math.nan
    share = SUCCESS_SHARE * float(usual.mean())
    served_ms = first_good_window_ms(submitted, good, from_ms, until_ms, share)
    return (served_ms - from_ms) / 1000.0 if served_ms < until_ms else math.nan


def _final_ratio(tables: Tables, start_ms: float, end_ms: float) -> float:
    frame = tables["transactions"]
    submitted = int(frame["submitted_ms"].between(start_ms, end_ms).sum())
    return float(frame["final_ms"].between(start_ms, end_ms).sum()) / submitted if submitted else math.nan


def _excluded(tables: Tables) -> int:
    """Miners that may not enter a tournament after the last final block."""
    trust = tables["trust"]
    last = trust[trust["height"] == trust["height"].max()]
    return int(((last["status"] != "eligible") | (last["ban_end_height"] > last["height"])).sum())
