"""Runs that the pages and figures are drawn from, and a scorecard with every kind of row."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.report.series import region_pairs
from bitcell_sim.runs.run import RunData

Runs = Callable[..., RunData]
MATRIX_MS = (70.0, 95.0, 220.0, 150.0, 165.0, 170.0)


@cache
def simulated(name: str, duration_s: float) -> RunData:
    return RunData.of(simulate_once(load_scenario(name, sets=[f"duration_s={duration_s}"]), seed=1))


@pytest.fixture(scope="session")
def run_of() -> Runs:
    """A run of a scenario, made once: ``run_of("node-crash")``."""

    def make(name: str, duration_s: float = 1200.0) -> RunData:
        return simulated(name, duration_s)

    return make


@pytest.fixture(scope="session")
def pings(run_of: Runs) -> dict[tuple[str, str], list[float]]:
    """Round trips of every pair, the back direction a little slower: spread evenly over 10 ms from a base."""
    spread = np.linspace(0.0, 10.0, 201)
    there = {pair: base + spread for pair, base in zip(region_pairs(run_of("rc3").scenario), MATRIX_MS, strict=True)}
    return {key: list(v) for pair, v in there.items() for key, v in ((pair, v), (pair[::-1], v + 1.0))}


def row(row_id: str, unit: str, comparison: str, limit: float, *figures: float | None, verdict: str) -> dict[str, Any]:
    measured, low, high = figures
    return {
        "id": row_id,
        "title": f"Title of {row_id}",
        "statistic": "p95",
        "unit": unit,
        "limit": limit,
        "comparison": comparison,
        "measured": measured,
        "ci_low": low,
        "ci_high": high,
        "n": 20,
        "verdict": verdict,
        "why": f"Because of {row_id}.",
        "evidence": {"run": "x"},
    }


@pytest.fixture
def card() -> dict[str, Any]:
    """A scorecard: upper and lower limits, a share, a figure without width, one that is missing."""
    rows = [
        row("latency.us-east.us-west", "ms", "<", 80.0, 76.0, 75.0, 77.0, verdict="pass"),
        row("latency.us-west.eu-central", "ms", "<", 150.0, 150.3, 147.0, 153.0, verdict="unknown"),
        row("latency.cross-region", "ms", "<", 200.0, 233.0, 230.0, 237.0, verdict="fail"),
        row("throughput", "TPS", ">=", 100.0, 20.0, 19.5, 20.5, verdict="fail"),
        row("proof_memory", "GB", "<=", 8.0, 21.5, 21.5, 21.5, verdict="fail"),
        row("proof_backlog", "ratio", "<", 1.0, 0.5, 0.4, 0.6, verdict="pass"),
        row("regional_failover", "s", "<", 120.0, None, None, None, verdict="unknown"),
        row("uptime", "%", ">=", 99.9, 99.95, 99.94, 99.96, verdict="pass"),
    ]
    return {"scenario": "rc3", "seed": 7, "config_hash": "ab" * 32, "rows": rows}
