"""Demands on a node's machine, from tables that are counted by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bitcell_sim.analysis.resources import resources

NODES = ("a", "b")


def _tables() -> dict[str, pd.DataFrame]:
    samples = pd.DataFrame(
        {
            "at_ms": [0.0, 0.0, 10_000.0, 10_000.0, 20_000.0, 20_000.0],
            "node": ["a", "b"] * 3,
            "battle_core_s": [0.0, 0.0, 5.0, 0.0, 25.0, 10.0],
            "validation_core_s": [0.0, 0.0, 1.0, 1.0, 1.0, 2.0],
            "memory_used_bytes": [0, 10**9, 2 * 10**9, 0, 0, 0],
        }
    )
    proofs = pd.DataFrame(
        {
            "node": ["a", "a", "b"],
            "farm": [None, None, "east"],
            "queued_ms": [5_000.0, 15_000.0, 15_000.0],
            "demanded_core_s": [99.0, 30.0, 77.0],
            "memory_bytes": [5 * 10**9, 10**9, 10**12],
        }
    )
    blocks = pd.DataFrame(
        {
            "height": [1, 2, 3],
            "built_ms": [10_000.0, 14_000.0, 18_000.0],
            "size_bytes": [500, 1000, 3000],
            "state": ["final"] * 3,
        }
    )
    transactions = pd.DataFrame({"accepted_ms": [1.0, float("nan")], "size_bytes": [900, 900]})
    messages = pd.DataFrame({"source": ["a", "a", "east.farm"], "message_bytes": [1000, 500, 10**9]})
    return {
        "samples": samples, "proofs": proofs, "blocks": blocks, "transactions": transactions, "messages": messages
    }  # fmt: skip


def test_demands_of_two_nodes() -> None:
    found = resources(_tables(), 1, NODES, end_ms=20_000.0, overhead_bytes=100.0, uplink_mbit_per_s=1.0)
    assert found.battle_cores == pytest.approx([2.0, 1.0])  # from the first block on
    assert found.check_cores == pytest.approx([0.0, 0.1])
    assert found.proof_cores == pytest.approx([3.0, 0.0])  # not the farm's, and not what was asked for before
    assert found.cores == pytest.approx([5.0, 1.1])
    assert found.memory_gb == pytest.approx([5.0, 1.0])
    assert found.disk_gb_per_year == pytest.approx(4000 / 8.0 * 365 * 86_400 / 1e9)
    assert found.sent_mbit_per_s == pytest.approx([2500 * 8e-6 / 20.0, 1000 * 8e-6 / 20.0])
    assert found.burst_s == pytest.approx(3000 * 8e-6)


def test_a_run_without_blocks_has_no_growth() -> None:
    tables = _tables()
    tables["blocks"] = tables["blocks"].iloc[:0]
    found = resources(tables, 1, NODES, end_ms=20_000.0, overhead_bytes=100.0, uplink_mbit_per_s=1.0)
    assert math.isnan(found.disk_gb_per_year)
    assert all(math.isnan(cores) for cores in found.cores)
    assert found.burst_s == 0.0
