"""Figures of one run as it stands, each from moments and values, so that any part of the run has the figure too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bitcell_sim.analysis.estimates import quantile
from bitcell_sim.analysis.targets import CUT_OFF_MARGIN_MS, chain_blocks, warm_from_ms

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.runs.run import RunData

Floats = npt.NDArray[np.float64]
Tables = Mapping[str, "pd.DataFrame"]
Pick = Callable[[Tables, float], tuple["pd.Series[float]", "pd.Series[float] | pd.DataFrame"]]
Statistic = Callable[[Floats], float | None]

MEDIAN, P95 = 0.5, 0.95


@dataclass(frozen=True)
class Figure:
    """One figure of a run.

    Parameters
    ----------
    title, unit : str
        For people.
    better : {"higher", "lower"}
        Direction of improvement.
    pick : callable
        From the tables and the run's end, ms: the moment of each value, ms from the start, and the values.
    statistic : callable
        From the values; None if there are none.
    margin_ms : float
        Before the end of the run nothing is counted for so long, as it has not had its time.
    """

    title: str
    unit: str
    better: Literal["higher", "lower"]
    pick: Pick
    statistic: Statistic
    margin_ms: float = 0.0


@dataclass(frozen=True)
class Values:
    """Values of one figure in one run.

    Parameters
    ----------
    at_ms : ndarray of float64, shape (n,)
        Moments, ms from the start.
    values : ndarray of float64, shape (n,) or (n, 2)
        Values; or numerators and denominators, where the figure is a ratio of sums.
    """

    at_ms: Floats
    values: Floats

    def between(self, start_ms: float, end_ms: float) -> npt.NDArray[np.bool_]:
        """Which of them lie in a stretch of time; its start is not in it, as a block ends the time before it."""
        inside: npt.NDArray[np.bool_] = (self.at_ms > start_ms) & (self.at_ms <= end_ms)
        return inside


def mean(values: Floats) -> float | None:
    """Mean of the values."""
    return float(values.mean()) if len(values) else None


def ratio(values: Floats) -> float | None:
    """Sum of the numerators over that of the denominators."""
    above, below = values.sum(axis=0)
    return float(above / below) if below else None


def median(values: Floats) -> float | None:
    """Median of the values."""
    return quantile(values, MEDIAN)


def p95(values: Floats) -> float | None:
    """Smallest value that 95 % do not exceed."""
    return quantile(values, P95)


def _waits(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    sent = tables["transactions"]
    sent = sent[sent["accepted_ms"].notna()]
    return sent["submitted_ms"], (sent["final_ms"].fillna(end_ms) - sent["submitted_ms"]) / 1000.0


def _made_final(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.DataFrame]:
    """Transactions of each final block, and the seconds since the block before it."""
    blocks = chain_blocks(tables).iloc[1:]
    seconds = chain_blocks(tables)["built_ms"].diff().iloc[1:] / 1000.0
    return blocks["built_ms"], blocks[["transaction_count"]].assign(seconds=seconds)


def _whether_final(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    sent = tables["transactions"]
    return sent["submitted_ms"], (sent["state"] == "final").astype(float)


def _whether_refused(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    sent = tables["transactions"]
    sent = sent[sent["request"] != "open"]
    return sent["submitted_ms"], (sent["request"] != "ok").astype(float)


def _answers(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    sent = tables["transactions"]
    sent = sent[sent["request"] == "ok"]
    return sent["submitted_ms"], sent["answered_ms"] - sent["submitted_ms"]


def _intervals(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    built = chain_blocks(tables)["built_ms"]
    return built.iloc[1:], built.diff().iloc[1:] / 1000.0


def _block_finality(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    blocks = chain_blocks(tables)
    blocks = blocks[blocks["quorum_final_ms"].notna()]
    return blocks["built_ms"], (blocks["quorum_final_ms"] - blocks["built_ms"]) / 1000.0


def _of_blocks(column: str) -> Pick:
    def pick(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
        blocks = chain_blocks(tables)
        return blocks["built_ms"], blocks[column].astype(float)

    return pick


def _whether_orphaned(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    blocks = tables["blocks"]
    return blocks["built_ms"], (blocks["state"] == "orphaned").astype(float)


def _of_proofs(column: str) -> Pick:
    def pick(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
        jobs = tables["proofs"]
        return jobs["queued_ms"], jobs[column].astype(float)

    return pick


def _whether_proved(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
    jobs = tables["proofs"]
    jobs = jobs[jobs["end_ms"].notna()]
    return jobs["queued_ms"], (jobs["outcome"] == "done").astype(float)


def _of_samples(column: str, divisor: float = 1.0) -> Pick:
    def pick(tables: Tables, end_ms: float) -> tuple[pd.Series[float], pd.Series[float]]:
        samples = tables["samples"]
        return samples["at_ms"], samples[column] / divisor

    return pick


BYTES_PER_GB = 1e9
_LATE = CUT_OFF_MARGIN_MS

FIGURES: dict[str, Figure] = {
    "final_tps": Figure("Transactions made final", "TPS", "higher", _made_final, ratio),
    "final_ratio": Figure("Share of transactions made final", "ratio", "higher", _whether_final, mean, _LATE),
    "finality_mean_s": Figure("Submission to final, mean", "s", "lower", _waits, mean, _LATE),
    "finality_p50_s": Figure("Submission to final, median", "s", "lower", _waits, median, _LATE),
    "finality_p95_s": Figure("Submission to final, p95", "s", "lower", _waits, p95, _LATE),
    "refused_ratio": Figure("Share of requests not answered well", "ratio", "lower", _whether_refused, mean),
    "answer_p95_ms": Figure("Answer to a request, p95", "ms", "lower", _answers, p95),
    "block_interval_s": Figure("Time between final blocks, mean", "s", "lower", _intervals, mean),
    "block_finality_p95_s": Figure("Block to final, p95", "s", "lower", _block_finality, p95),
    "block_transactions": Figure(
        "Transactions in a final block, mean", "transactions", "higher", _of_blocks("transaction_count"), mean
    ),
    "block_miners": Figure("Miners in a block's tournament, mean", "nodes", "higher", _of_blocks("miner_count"), mean),
    "orphaned_ratio": Figure("Share of blocks left", "ratio", "lower", _whether_orphaned, mean),
    "proof_p95_s": Figure("One proof alone on its machine, p95", "s", "lower", _of_proofs("demanded_s"), p95),
    "proved_ratio": Figure("Share of proofs that were made", "ratio", "higher", _whether_proved, mean),
    "pending_mean": Figure("Waiting in a pool, mean", "transactions", "lower", _of_samples("pending_count"), mean),
    "up_ratio": Figure("Share of the time a node's process is up", "ratio", "higher", _of_samples("up"), mean),
    "peers_mean": Figure("Connections of a node, mean", "nodes", "higher", _of_samples("peers"), mean),
    "memory_p95_gb": Figure(
        "Memory in use by a node's work, p95", "GB", "lower", _of_samples("memory_used_bytes", BYTES_PER_GB), p95
    ),
}  # fmt: skip


def warm_span_ms(run: RunData) -> tuple[float, float]:
    """Stretch of a run that figures count: from the end of its warm-up to its end, ms from the start.

    Notes
    -----
    A run whose chain never left the warm-up is counted whole: its requests and samples still say something.
    """
    start = warm_from_ms(run.tables, run.scenario.warmup_blocks)
    return (0.0 if np.isnan(start) else start), run.simulated_s * 1000.0


def values_of(run: RunData, figure: Figure) -> Values:
    """Take a figure's values out of a run's tables, warm-up included."""
    at, values = figure.pick(run.tables, run.simulated_s * 1000.0)
    return Values(np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64))


def level(figure: Figure, found: Values, start_ms: float, end_ms: float) -> float | None:
    """Figure of a stretch of a run; None if there is none.

    Parameters
    ----------
    figure : Figure
        Which.
    found : Values
        Its values.
    start_ms, end_ms : float
        Stretch, ms from the start of the run.
    """
    return figure.statistic(found.values[found.between(start_ms, end_ms - figure.margin_ms)])


def figure_of(run: RunData, name: str) -> float | None:
    """One figure of a run behind its warm-up, by its name in ``FIGURES``."""
    return level(FIGURES[name], values_of(run, FIGURES[name]), *warm_span_ms(run))
