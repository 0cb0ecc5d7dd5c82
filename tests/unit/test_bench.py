"""Benchmarks at small sizes: the keys that are a contract, rates that follow from the times, equal results."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from bitcell_sim.errors import InputError, LabError
from bitcell_sim.kernels import automaton_plain, battle_stepper
from bitcell_sim.kernels.dense_automaton import soup, step_dense
from bitcell_sim.studies import bench


def check_shape(content: dict[str, Any], name: str, work: float) -> None:
    assert list(content) == ["name", "work", "wall_s", "cpu_s", "rate", "reference"]
    assert list(content["reference"]) == ["name", "wall_s", "cpu_s", "rate"]
    assert content["name"] == name
    for figures in (content, content["reference"]):
        assert figures["wall_s"] > 0.0
        assert figures["rate"] == pytest.approx(work / figures["wall_s"])


def test_hour_compares_both_planes_on_one_span() -> None:
    content = bench.bench_hour(simulated_s=60.0, reference_s=20.0, repeats=1)
    check_shape(content, "hour", 60.0)
    assert "scaled by 3;" in content["reference"]["name"]
    assert content["rate"] > content["reference"]["rate"]


def test_hour_refuses_planes_that_disagree() -> None:
    class Run:
        def __init__(self, digest: str) -> None:
            self.trace_digest = digest

    bench._demand_same_run(Run("a" * 64), Run("a" * 64))  # type: ignore[arg-type]
    with pytest.raises(LabError, match=r"aaaa.* and bbbb"):
        bench._demand_same_run(Run("a" * 64), Run("b" * 64))  # type: ignore[arg-type]


def test_battle_compares_with_the_plain_twin() -> None:
    content = bench.bench_battle(battle_count=20, reference_count=2, repeats=1)
    check_shape(content, "battle", 20.0)
    assert content["rate"] > content["reference"]["rate"]


def test_battle_refuses_another_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton_plain, "fight_plain", lambda *_: {"energy_final": [1, 2]})
    monkeypatch.setattr(battle_stepper, "fight_by_steps", lambda *_: (0, 0, 0, 0, 1, 3))
    with pytest.raises(LabError, match="plain twin disagree"):
        bench.bench_battle(battle_count=2, reference_count=2, repeats=1)


def test_dense_beside_whatever_there_is() -> None:
    content = bench.bench_dense(side=64, steps=8, repeats=2)
    check_shape(content, "dense", 64 * 64 * 8)
    assert ("C++" in content["reference"]["name"]) == (shutil.which("g++") is not None)


def test_dense_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    content = bench.bench_dense(side=64, steps=8, repeats=2)
    check_shape(content, "dense", 64 * 64 * 8)
    assert "no g++ here" in content["reference"]["name"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")
def test_loop_in_cpp_is_the_same_automaton() -> None:
    grid = soup(np.uint64(7), 90, 96)
    found = bench._dense_in_cpp(grid, 21, 2)
    assert found is not None
    assert np.array_equal(found[2], step_dense(grid, 21))


def test_multiplication_beside_whatever_there_is() -> None:
    content = bench.bench_multiplication(count=20_000, repeats=200)
    check_shape(content, "multiplication", 20_000)
    if shutil.which("g++") is None:
        assert "no g++ here" in content["reference"]["name"]
    else:
        assert "__int128" in content["reference"]["name"]
        assert content["cpu_s"] <= 1.3 * content["reference"]["cpu_s"]


def test_multiplication_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    content = bench.bench_multiplication(count=1000, repeats=1, plain_count=300)
    check_shape(content, "multiplication", 1000)
    assert "no g++ here" in content["reference"]["name"]


def test_multiplication_refuses_another_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_chain_in_cpp", lambda *_: (bench.Timing(1.0, 1.0), [1, 2, 3, 4]))
    with pytest.raises(LabError, match="disagree"):
        bench.bench_multiplication(count=10, repeats=1)


def test_unknown_name_says_what_there_is() -> None:
    with pytest.raises(InputError, match="no benchmark 'day': there are hour, battle, dense, multiplication"):
        bench.run_bench("day")
