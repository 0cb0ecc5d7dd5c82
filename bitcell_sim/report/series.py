"""What pages and figures draw: the tables of one run as short series, binned, counted and thinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.runs.run import RunData

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Pair = tuple[str, str]
LatencySamples = Mapping[Pair, Sequence[float] | Floats]

MS_PER_S = 1000.0
WINDOW_S = 10.0
MEAN_WINDOW_S = 60.0
POINTS_MAX = 400
LAG_BLOCKS = 2  # one block behind is normal while a block is under way


@dataclass(frozen=True)
class Band:
    """One fault on the time axis, in seconds from the start.

    Parameters
    ----------
    start_s, end_s, label
        Where it is, and what it says.
    profile : tuple of (float, float, float)
        Pieces from and to a moment with a share of its full strength; empty where it is full all along.
    """

    start_s: float
    end_s: float
    label: str
    profile: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Throughput:
    """Transactions per second, by window of the run.

    Parameters
    ----------
    time_s : ndarray of float64, shape (windows,)
        Middle of each window, seconds.
    submitted_tps, final_tps : ndarray of float64, shape (windows,)
        Submitted and made final inside the window.
    mean_tps : ndarray of float64, shape (windows,)
        Made final inside the last `mean_window_s` seconds up to the window's end.
    window_s, mean_window_s : float
        Lengths, seconds.
    """

    time_s: Floats
    submitted_tps: Floats
    final_tps: Floats
    mean_tps: Floats
    window_s: float
    mean_window_s: float


@dataclass(frozen=True)
class Pending:
    """Transactions that wait in the nodes' mempools: median and largest node, by sample."""

    time_s: Floats
    median_count: Floats
    largest_count: Floats


@dataclass(frozen=True)
class LaneState:
    """A node in one state from `start_s` to `end_s`: up, apart (half its peers or fewer), behind or down."""

    start_s: float
    end_s: float
    state: str


@dataclass(frozen=True)
class Lane:
    """One node over the run."""

    node: str
    states: list[LaneState]
    height: int
    final_height: int


def clock(seconds: float) -> str:
    """Time from the start as people read it.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def table(run: RunData, name: str) -> pd.DataFrame:
    """Frame of a run by name.

    Raises
    ------
    InputError
        If the run has no such table.
    """
    frame = run.tables.get(name)
    if frame is None:
        raise InputError(f"the run has no table {name!r}; it has {', '.join(sorted(run.tables))}")
    return frame


def limits(scenario: Scenario) -> dict[str, float]:
    """Limit of every target by its id, each in its own unit."""
    return {target.id: target.limit for target in scenario.targets.target}


def pair_limit_ms(scenario: Scenario, pair: Pair) -> float | None:
    """Round-trip limit of two regions, milliseconds; None if the targets name none."""
    known = limits(scenario)
    return known.get(f"latency.{pair[0]}.{pair[1]}", known.get(f"latency.{pair[1]}.{pair[0]}"))


def region_pairs(scenario: Scenario) -> list[Pair]:
    """Every two regions, in the order of the deployment."""
    names = [region.name for region in scenario.deployment.region]
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]


def probe_samples(run: RunData) -> dict[Pair, Floats]:
    """Round trips of the table `probes`, milliseconds, by source and target region; empty without that table."""
    frame = run.tables.get("probes")
    if frame is None or not len(frame):
        return {}
    grouped = frame.groupby(["source_region", "target_region"], observed=True, sort=True)["rtt_ms"]
    return {(str(key[0]), str(key[1])): values.to_numpy(np.float64) for key, values in grouped}


def worse_direction(samples: LatencySamples, pair: Pair) -> Floats | None:
    """Round trips of the direction with the larger 95th percentile, milliseconds; None if neither was measured."""
    found = [np.asarray(samples[key], np.float64) for key in (pair, pair[::-1]) if key in samples]
    found = [values[np.isfinite(values)] for values in found]
    found = [values for values in found if len(values)]
    return max(found, key=lambda values: float(np.quantile(values, 0.95))) if found else None


def fault_bands(run: RunData) -> list[Band]:
    """Faults of a run as bands on the time axis, in the order of their onset."""
    end_s = run.simulated_s
    steps = run.tables.get("fault_steps")  # runs stored before faults had ramps have none
    bands = []
    ordered = table(run, "faults").sort_values("start_ms", kind="stable")
    columns = [ordered[name].tolist() for name in ("kind", "target", "detail", "start_ms", "end_ms")]
    for row, kind, target, detail, start_ms, end_ms in zip(ordered.index, *columns, strict=True):
        label = " ".join(str(part) for part in (f"{kind}:", target, detail) if part)
        last_s = min(end_ms / MS_PER_S, end_s) if np.isfinite(end_ms) else end_s
        mine = [] if steps is None else steps[steps["fault"] == row][["at_ms", "strength_ratio"]].to_numpy().tolist()
        bands.append(Band(start_ms / MS_PER_S, last_s, label, _profile(mine, last_s)))
    return bands


def _profile(steps: Sequence[Sequence[float]], last_s: float) -> tuple[tuple[float, float, float], ...]:
    """Pieces of a fault's strength; none where it is full all along."""
    ends = [at_ms / MS_PER_S for at_ms, _ in steps[1:]] + [last_s]
    pieces = [(at_ms / MS_PER_S, end, share) for (at_ms, share), end in zip(steps, ends, strict=False) if share > 0]
    return tuple(pieces) if len(pieces) > 1 else ()


def throughput(transactions: pd.DataFrame, end_s: float, window_s: float = WINDOW_S) -> Throughput:
    """Transactions submitted and made final per second, by window.

    Parameters
    ----------
    transactions : DataFrame
        The table of that name.
    end_s : float
        Length of the run, seconds.
    window_s : float
        Seconds of a window; doubled until there are at most 400.
    """
    while end_s / window_s > POINTS_MAX:
        window_s *= 2
    count = max(1, int(np.ceil(end_s / window_s)))
    edges = np.minimum(np.arange(count + 1) * window_s, end_s)
    width = np.diff(edges)
    submitted = np.histogram(transactions["submitted_ms"].to_numpy() / MS_PER_S, edges)[0]
    final_s = transactions["final_ms"].dropna().to_numpy() / MS_PER_S
    final = np.histogram(final_s, edges)[0]
    mean_window_s = max(MEAN_WINDOW_S, window_s)
    whole = np.concatenate([[0], np.cumsum(final)])
    first = np.searchsorted(edges, np.maximum(edges[1:] - mean_window_s, 0.0))
    mean = (whole[1:] - whole[first]) / (edges[1:] - edges[first])
    return Throughput((edges[:-1] + edges[1:]) / 2, submitted / width, final / width, mean, window_s, mean_window_s)


def pending(samples: pd.DataFrame) -> Pending:
    """Transactions in the mempools of the nodes that are up; of more than 400 samples the largest of each bin."""
    alive = samples[samples["up"] > 0]
    grouped = alive.groupby("at_ms", sort=True)["pending_count"]
    median, largest = grouped.median(), grouped.max()
    time_s = median.index.to_numpy(np.float64) / MS_PER_S
    step = max(1, int(np.ceil(len(time_s) / POINTS_MAX)))
    starts = np.arange(0, len(time_s), step)
    if not len(starts):
        return Pending(time_s, median.to_numpy(np.float64), largest.to_numpy(np.float64))
    return Pending(
        time_s[starts],
        np.maximum.reduceat(median.to_numpy(np.float64), starts),
        np.maximum.reduceat(largest.to_numpy(np.float64), starts),
    )


def finality_s(transactions: pd.DataFrame) -> dict[str, Floats]:
    """Seconds from submission to final by client region; infinite if accepted and not final when the run ended."""
    accepted = transactions[transactions["accepted_ms"].notna()]
    waited = ((accepted["final_ms"] - accepted["submitted_ms"]) / MS_PER_S).fillna(np.inf)
    grouped = waited.groupby(accepted["client_region"], observed=True)
    return {str(region): np.sort(values.to_numpy(np.float64)) for region, values in grouped}


def share_at_most(values: Floats, grid: Floats) -> Floats:
    """Share of the values at or below each point of a grid; infinite values count as above every point."""
    return np.searchsorted(np.sort(values), grid, side="right") / max(1, len(values))


def common_grid(groups: Sequence[Floats], beyond: Sequence[float], points: int = POINTS_MAX) -> Floats:
    """Points from just below the smallest value to the 99.8th percentile, reaching beyond the given marks too."""
    finite = np.concatenate([values[np.isfinite(values)] for values in groups]) if groups else np.empty(0)
    if not len(finite):
        return np.linspace(0.0, 1.0, 2)
    low = min(float(finite.min()), *beyond) if beyond else float(finite.min())
    tops = [float(np.quantile(values[np.isfinite(values)], 0.998)) for values in groups if np.isfinite(values).any()]
    high = max([*tops, *beyond])
    room = 0.04 * (high - low or 1.0)
    return np.linspace(max(0.0, low - room), high + room, points)


def proof_seconds(proofs: pd.DataFrame) -> dict[str, Floats]:
    """Seconds each battle proof takes alone on a machine, as if memory sufficed, by what became of it."""
    grouped = proofs[proofs["battle"] >= 0].groupby("outcome", sort=True)["demanded_s"]
    return {str(outcome): values.to_numpy(np.float64) for outcome, values in grouped}


def lanes(samples: pd.DataFrame, nodes: Sequence[str], end_s: float) -> list[Lane]:
    """Every node's state over the run, from its samples; equal neighbours are merged."""
    highest = samples.groupby("at_ms")["height"].transform("max")
    state = np.full(len(samples), "up", dtype=object)
    usual = samples.groupby("node", observed=True)["peers"].transform("median")
    state[(samples["peers"] <= usual / 2).to_numpy()] = "apart"
    state[(samples["height"] <= highest - LAG_BLOCKS).to_numpy()] = "behind"
    state[(samples["up"] == 0).to_numpy()] = "down"
    by_node = samples.assign(state=state, at_s=samples["at_ms"] / MS_PER_S).groupby("node", observed=True)
    result = []
    for node, own in by_node:
        merged: list[LaneState] = []
        starts, names = own["at_s"].tolist(), own["state"].tolist()
        for start, stop, name in zip(starts, [*starts[1:], end_s], names, strict=True):
            if merged and merged[-1].state == name:
                merged[-1] = LaneState(merged[-1].start_s, stop, name)
            else:
                merged.append(LaneState(start, stop, name))
        result.append(Lane(str(node), merged, int(own["height"].iloc[-1]), int(own["final_height"].iloc[-1])))
    return sorted(result, key=lambda lane: nodes.index(lane.node))


def recovery_stages(recoveries: pd.DataFrame) -> list[dict[str, Any]]:
    """Each crash with the seconds from it to every stage of the way back; a stage that never came is missing."""
    found: list[dict[str, Any]] = []
    for node, own in recoveries.groupby("node", observed=True, sort=False):
        ordered = own.sort_values("at_ms", kind="stable")
        for stage, at_ms in zip(ordered["stage"].tolist(), ordered["at_ms"].tolist(), strict=True):
            if stage == "crash":
                found.append({"node": str(node), "crash_s": at_ms / MS_PER_S, "stages": {}})
            elif found and found[-1]["node"] == str(node):
                found[-1]["stages"].setdefault(str(stage), at_ms / MS_PER_S - found[-1]["crash_s"])
    return sorted(found, key=lambda crash: crash["crash_s"])


def books(transactions: pd.DataFrame) -> dict[str, int]:
    """Count the transactions in each final state; they sum to the number submitted."""
    counted = transactions["state"].value_counts(sort=False)
    return {str(state): int(count) for state, count in counted.items()}
