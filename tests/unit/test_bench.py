"""Benchmarks at small sizes: the keys that are a contract, rates that follow from the times, equal results."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from bitcell_sim.chain import battle, tournament
from bitcell_sim.errors import InputError, LabError
from bitcell_sim.kernels import automaton_plain, dense_automaton
from bitcell_sim.kernels.dense_automaton import soup, step_dense
from bitcell_sim.studies import bench, bench_battle, bench_dense, timing

KEYS = ["wall_s", "cpu_s", "rate"]


def check_rate(figures: dict[str, Any], work: float) -> None:
    assert figures["wall_s"] > 0.0
    assert figures["rate"] == pytest.approx(work / figures["wall_s"])


def check_shape(content: dict[str, Any], name: str, work: float) -> None:
    assert list(content)[:6] == ["name", "work", *KEYS, "reference"]
    assert list(content["reference"]) == ["name", *KEYS]
    assert content["name"] == name
    for figures in (content, content["reference"]):
        check_rate(figures, work)


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


def few_battles(**counts: int) -> dict[str, Any]:
    sizes = {"battle_count": 20, "reference_count": 2, "final_count": 3, "fight_count": 40, "tournament_count": 6}
    return bench_battle.bench_battle(**{**sizes, **counts}, repeats=1)


def test_battle_compares_with_the_plain_twin() -> None:
    content = few_battles()
    check_shape(content, "battle", 20.0)
    assert content["rate"] > content["reference"]["rate"]
    assert [figures["name"] for figures in content["also"]] == ["final", "fight", "tournaments"]
    for figures, work in zip(content["also"], (3.0, 40.0, 6.0), strict=True):
        assert list(figures) == ["name", "work", *KEYS]
        check_rate(figures, work)


def test_battle_refuses_another_end(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"energy_final": [1, 2], "mii": None, "ted": None}
    monkeypatch.setattr(automaton_plain, "fight_plain", lambda *_: plain)
    with pytest.raises(LabError, match="the sparse stepper and a slower way disagree"):
        few_battles()


@pytest.mark.parametrize(
    ("module", "way", "name"),
    [(battle, "fight", "fight"), (tournament, "tournament", "tournaments")],
)
def test_battle_refuses_ways_that_disagree(monkeypatch: pytest.MonkeyPatch, module: Any, way: str, name: str) -> None:
    """The same without jitter and fluctuation, where the bench looks for it."""
    right = getattr(module, way)
    wrong = {
        "fight": lambda a, b, **choice: right(a, b, **{**choice, "entropy": bytes(32)}),
        "tournament": lambda lineup, _seed: right(lineup, bytes(32)),
    }
    monkeypatch.setattr(module, way, wrong[way])
    with pytest.raises(LabError, match=f"^{name} and a slower way disagree"):
        few_battles()


def test_dense_beside_whatever_there_is() -> None:
    content = bench_dense.bench_dense(sides=(64, 96), steps=9, pairs=(3, 1))
    check_shape(content, "dense", 64 * 64 * 9)
    (larger,) = content["also"]
    check_rate(larger, 96 * 96 * 9)
    for figures in (content, larger):
        assert ("C++" in figures["reference"]["name"]) == (shutil.which("g++") is not None)
        assert figures["ratio"] > 0.0


def test_dense_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    content = bench_dense.bench_dense(sides=(64,), steps=16, pairs=(2,))
    check_shape(content, "dense", 64 * 64 * 16)
    assert "no g++ here" in content["reference"]["name"]
    assert content["ratio"] == pytest.approx(content["reference"]["cpu_s"] / content["cpu_s"])
    assert content["also"] == []


def test_dense_refuses_grids_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_automaton, "step_dense", lambda grid, _steps: grid)
    with pytest.raises(LabError, match=r"the dense automaton and the .* disagree after 8 steps"):
        bench_dense.bench_dense(sides=(64,), steps=8, pairs=(1,))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")
def test_loop_in_cpp_is_the_same_automaton() -> None:
    grid = soup(np.uint64(7), 90, 96)
    with timing.built_in_cpp("dense_step.cpp") as program:
        assert program is not None
        _, after = bench_dense._run_cpp(program, grid, 21)
    assert np.array_equal(after, step_dense(grid, 21))


def test_summary_in_words() -> None:
    figures = {"work": "4 things", "wall_s": 2.0, "cpu_s": 1.0, "rate": 2.0}
    assert bench.summary(figures) == "4 things: 2 s wall, 1 s CPU, rate 2, 250 ms CPU each"
    reference = {"name": "by hand", "wall_s": 8.0, "cpu_s": 8.0, "rate": 0.5}
    assert bench.summary({**figures, "reference": reference}).endswith("\n  by hand: rate 0.5; 4.0 times as fast")
    assert bench.summary({**figures, "reference": reference, "ratio": 2.04}).endswith("; 2.0 times as fast")
    quick = {"work": "much", "wall_s": 1.0, "cpu_s": 1.0, "rate": 1.25e10}
    assert bench.summary(quick).endswith("0.08 ns CPU each")


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
