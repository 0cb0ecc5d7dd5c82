"""What the targets measure, read from the tables of a run; nothing here runs a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.proving.site import ProvingSite

Tables = Mapping[str, "pd.DataFrame"]
Floats = npt.NDArray[np.float64]

SUCCESS_WINDOW_MS = 10_000.0
SUCCESS_STEP_MS = 1_000.0
SUCCESS_SHARE = 0.99
BEFORE_MS = 60_000.0
STAGES = ("process", "first-peer", "peers", "synced", "pool", "first-vote")  # of the way back after a crash
CUT_OFF_MARGIN_MS = 180_000.0  # transactions submitted later than this before the end may not have had time


def chain_blocks(tables: Tables) -> pd.DataFrame:
    """Blocks of the final chain, lowest first."""
    blocks = tables["blocks"]
    return blocks[blocks["state"] == "final"].sort_values("height", kind="stable")


def warm_from_ms(tables: Tables, warmup_blocks: int) -> float:
    """When the last of the first blocks was built, which no figure counts; NaN if there are not more."""
    built = chain_blocks(tables)["built_ms"].to_numpy()
    return float(built[warmup_blocks - 1]) if len(built) > warmup_blocks >= 1 else float("nan" if warmup_blocks else 0)


def finality_s(tables: Tables, warmup_blocks: int, end_ms: float) -> Floats:
    """Seconds from submission to finality of each accepted transaction; one not final counts up to the run's end."""
    start = warm_from_ms(tables, warmup_blocks)
    frame = tables["transactions"]
    submitted = frame["submitted_ms"].to_numpy()
    counted = (submitted >= start) & (submitted < end_ms - CUT_OFF_MARGIN_MS) & frame["accepted_ms"].notna().to_numpy()
    final = frame["final_ms"].to_numpy()[counted]
    waited: Floats = (np.where(np.isnan(final), end_ms, final) - submitted[counted]) / 1000.0
    return waited


def block_finality_s(tables: Tables, warmup_blocks: int) -> Floats:
    """Seconds from a block's making until nodes with more than two thirds of the stake have seen it final."""
    blocks = chain_blocks(tables).iloc[warmup_blocks:]
    return (blocks["quorum_final_ms"] - blocks["built_ms"]).dropna().to_numpy() / 1000.0


def lost_share(tables: Tables) -> float:
    """Share of the accepted transactions that no living node holds any more; 0 if none was accepted."""
    frame = tables["transactions"]
    accepted = int(frame["accepted_ms"].notna().sum())
    return float((frame["state"] == "lost").sum()) / max(1, accepted)


@dataclass(frozen=True)
class Throughput:
    """Transactions per second of one run, and what holds them back.

    Parameters
    ----------
    final_tps : float
        Final transactions over the time between blocks; NaN with too few blocks.
    round_s : float
        Mean seconds between blocks.
    full_share, gas_share : float
        Share of blocks at the cap of transactions; mean gas used over the limit.
    pool_full_share : float
        Share of requests that were told the pool is full.
    blocks : int
        Blocks counted.
    """

    final_tps: float
    round_s: float
    full_share: float
    gas_share: float
    pool_full_share: float
    blocks: int


def throughput(tables: Tables, warmup_blocks: int, max_transactions: int, gas_limit: int) -> Throughput:
    """Sustained final transactions per second, from block to block so that no partial round counts."""
    blocks = chain_blocks(tables).iloc[max(0, warmup_blocks - 1) :]
    counted = blocks.iloc[1:]
    if len(counted) < 2:
        return Throughput(float("nan"), float("nan"), float("nan"), float("nan"), float("nan"), len(counted))
    span_s = (counted["built_ms"].iloc[-1] - blocks["built_ms"].iloc[0]) / 1000.0
    requests = tables["transactions"]["request"]
    return Throughput(
        final_tps=float(counted["transaction_count"].sum() / span_s),
        round_s=float(span_s / len(counted)),
        full_share=float((counted["transaction_count"] >= max_transactions).mean()),
        gas_share=float((counted["gas"] / gas_limit).mean()),
        pool_full_share=float((requests == "rejected").mean()),
        blocks=len(counted),
    )


@dataclass(frozen=True)
class Proofs:
    """Proof jobs of one run.

    Parameters
    ----------
    demanded_s : ndarray of float64
        Seconds each battle proof would take alone on a machine of those that prove.
    jobs, killed : int
        Battle proofs and aggregates asked for, and those killed for want of memory.
    due, missing : int
        Jobs (blocks, where each has one aggregate) that have had as many blocks after theirs as the protocol waits,
        and those without a proof by then.
    utilisation : dict of str to float
        Demanded time over the time that is there, of the nodes or of each region's farm; 1 or more never catches up.
    transfer_s : ndarray of float64
        Seconds that each request was under way to a farm; 0 on a node.
    """

    demanded_s: Floats
    jobs: int
    killed: int
    due: int
    missing: int
    utilisation: dict[str, float]
    transfer_s: Floats


def proofs(tables: Tables, warmup_blocks: int, missing_after_blocks: int, site: ProvingSite) -> Proofs:
    """What a run's proofs demanded, and what was there for them.

    Notes
    -----
    A machine with s slots gets through ``s * rate(cores / s)`` one-core seconds a second while all prove. Of a node,
    battles take the cores before; cards and farms have all the time.
    """
    frame = tables["proofs"]
    start = warm_from_ms(tables, warmup_blocks)
    frame = frame[frame["queued_ms"] >= start]
    blocks = chain_blocks(tables)
    last = float(blocks["built_ms"].iloc[-1]) if len(blocks) else start
    nodes = tables["samples"]["node"].nunique()
    span_s = (last - start) / 1000.0
    battle_s = _battle_s(tables["rounds"], start, last)
    single = frame["battle"] >= 0
    counted = frame[frame["queued_ms"] <= last]
    at_home = counted["farm"].isna()
    aggregates = at_home & (counted["battle"] < 0)
    asked_s = float(counted.loc[at_home & ~aggregates, "demanded_core_s"].sum()) / site.full_rate
    free_s = nodes * span_s - battle_s
    utilisation = {}
    if site.card:
        utilisation["cards"] = _share(asked_s, nodes * span_s)
        asked_s = 0.0
    if not (site.farm or site.card) or aggregates.any():
        utilisation["nodes"] = _share(asked_s + float(counted.loc[aggregates, "demanded_s"].sum()), free_s)
    if site.farm:
        in_farm = counted.groupby("farm", observed=False)["demanded_core_s"].sum()
        for region, core_s in in_farm.items():
            utilisation[str(region)] = _share(float(core_s) / site.full_rate, site.machines * span_s)
    due, missing = _missing(frame, blocks, missing_after_blocks, site.aggregated)
    killed = int((frame["outcome"] == "killed").sum())
    transfer_s = (frame["received_ms"] - frame["queued_ms"])[single].to_numpy() / 1000.0
    demanded_s = frame.loc[single, "demanded_s"].to_numpy()
    return Proofs(demanded_s, len(frame), killed, due, missing, utilisation, transfer_s)


def _battle_s(rounds: pd.DataFrame, start_ms: float, last_ms: float) -> float:
    """Seconds that battles took on all nodes."""
    rounds = rounds[(rounds["battle_end_ms"] > start_ms) & (rounds["battle_end_ms"] <= last_ms)]
    return float((rounds["battle_end_ms"] - rounds["reveal_end_ms"]).sum()) / 1000.0


def _share(asked_s: float, free_s: float) -> float:
    return asked_s / free_s if free_s > 0 else float("nan")


def _missing(jobs: pd.DataFrame, blocks: pd.DataFrame, after_blocks: int, aggregated: bool) -> tuple[int, int]:
    """Jobs of final blocks that have had so many blocks after them, and those not done when that many were built.

    Where blocks have one aggregate, each block counts once, and is done with its aggregate.
    """
    built = blocks["built_ms"].to_numpy()
    deadline = dict(zip(blocks["block"].iloc[: max(0, len(built) - after_blocks)], built[after_blocks:], strict=True))
    until = jobs["block"].map(deadline)
    done = (jobs["outcome"] == "done") & (jobs["end_ms"] <= until)
    if aggregated:
        due_blocks = jobs.loc[until.notna(), "block"].nunique()
        return due_blocks, due_blocks - int((done & (jobs["battle"] < 0)).sum())
    due = until.notna()
    return int(due.sum()), int((due & ~done).sum())


def recovery_stages_s(tables: Tables) -> pd.DataFrame:
    """Seconds from each crash to each stage of the way back; NaN for a stage not reached.

    Returns
    -------
    DataFrame
        One row a crash: node, crash_ms, process, first-peer, peers, synced, pool, first-vote, served, recovered (the
        last of process, peers and synced).
    """
    import pandas as pd

    stages = tables["recoveries"]
    balancers = tables["balancers"]
    rows: list[dict[str, Any]] = []
    for node, of_node in stages.groupby("node", observed=True):
        crashes = of_node[of_node["stage"] == "crash"]["at_ms"].to_numpy()
        back = balancers[(balancers["node"] == node) & (balancers["up"] == 1)]["at_ms"].to_numpy()
        for i, crash in enumerate(crashes):
            until = crashes[i + 1] if i + 1 < len(crashes) else np.inf
            mine = of_node[(of_node["at_ms"] >= crash) & (of_node["at_ms"] < until)]
            first = mine.groupby("stage")["at_ms"].min()
            row: dict[str, Any] = {"node": node, "crash_ms": crash}
            for stage in STAGES:
                row[stage] = (first.get(stage, np.nan) - crash) / 1000.0
            served = back[(back > crash) & (back < until)]
            row["served"] = (served.max() - crash) / 1000.0 if len(served) else np.nan
            row["recovered"] = np.max([row["process"], row["peers"], row["synced"]])
            rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Failover:
    """One region's loss.

    Parameters
    ----------
    region : str
        What was lost.
    clients_s, chain_s : float
        Seconds until the other regions' clients are served again, and until the first block made after the loss is
        final.
    cut_off : bool
        Whether the region came back first; the figure is then the time until it did.
    """

    region: str
    clients_s: float
    chain_s: float
    cut_off: bool

    @property
    def total_s(self) -> float:
        """Seconds until both."""
        return max(self.clients_s, self.chain_s)


def failovers(tables: Tables) -> list[Failover]:
    """How long each loss of a region was felt by the others."""
    faults = tables["faults"]
    lost = faults[faults["kind"] == "region-loss"]
    spans = zip(lost["target"], lost["start_ms"], lost["end_ms"], strict=True)
    return [_failover(tables, str(region), float(start), float(end)) for region, start, end in spans]


def _failover(tables: Tables, region: str, start_ms: float, end_ms: float) -> Failover:
    frame = tables["transactions"]
    others = (frame["client_region"] != region).to_numpy()
    submitted = frame["submitted_ms"].to_numpy()[others]
    good = frame["request"].isin(["ok", "rejected"]).to_numpy()[others]
    before = good[(submitted >= start_ms - BEFORE_MS) & (submitted < start_ms)]
    usual = float(before.mean()) if len(before) else float("nan")
    served = first_good_window_ms(submitted, good, start_ms, end_ms, SUCCESS_SHARE * usual)
    blocks = chain_blocks(tables)
    after = blocks[blocks["built_ms"] > start_ms]["quorum_final_ms"].to_numpy()
    final = float(after[0]) if len(after) else end_ms
    cut_off = served >= end_ms or final >= end_ms
    return Failover(
        region, (min(served, end_ms) - start_ms) / 1000.0, (min(final, end_ms) - start_ms) / 1000.0, cut_off
    )


def first_good_window_ms(
    submitted_ms: Floats, good: npt.NDArray[np.bool_], start_ms: float, end_ms: float, share: float
) -> float:
    """End of the first window after a moment in which at least this share of requests succeeded; `end_ms` if none.

    Parameters
    ----------
    submitted_ms : ndarray of float64, shape (n,)
        When each request was sent, ascending.
    good : ndarray of bool, shape (n,)
        Whether it succeeded.
    start_ms, end_ms, share : float
        Where to look, and what is enough.
    """
    counted = np.concatenate([[0], np.cumsum(good)])
    opens = np.arange(start_ms, end_ms - SUCCESS_WINDOW_MS, SUCCESS_STEP_MS)
    first = np.searchsorted(submitted_ms, opens)
    last = np.searchsorted(submitted_ms, opens + SUCCESS_WINDOW_MS)
    sent = last - first
    enough = (sent > 0) & (counted[last] - counted[first] >= share * sent)
    return float(opens[int(np.argmax(enough))] + SUCCESS_WINDOW_MS) if enough.any() else end_ms
