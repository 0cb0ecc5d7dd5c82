"""The fuzzer: a case is a function of its seed; failures shrink, and one line replays each; workers change nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bitcell_sim.cli import app
from bitcell_sim.config.fault import KINDS_OF_FAULT
from bitcell_sim.errors import ConfigError, InputError
from bitcell_sim.studies.fuzz import fuzz
from bitcell_sim.studies.fuzz_cases import Case, draw_case, inline
from bitcell_sim.studies.shrinking import fewest, least

LOSS = ("fault=[]", "duration_s=6", "workload.rate_tps=20", "workload.gas_price.sigma=0")
"""A case in which the pool of upstream loses transactions."""


def test_a_case_is_a_function_of_its_seed() -> None:
    assert draw_case("rc3", 5) == draw_case("rc3", 5)
    assert draw_case("rc3", 5).settings != draw_case("rc3", 6).settings


def test_sets_override_what_is_drawn_and_a_stated_fault_list_is_the_whole_case() -> None:
    assert draw_case("rc3", 5, ["workload.rate_tps=2.5"]).settings["workload.rate_tps"] == 2.5
    stated = draw_case("rc3", 5, LOSS)
    assert set(stated.settings) == {"fault", "duration_s", "workload.rate_tps", "workload.gas_price.sigma"}


def test_the_seeds_draw_every_kind_of_fault_and_several_sizes_of_network() -> None:
    cases = [draw_case("rc3", seed) for seed in range(40)]
    assert {fault["kind"] for case in cases for fault in case.faults} == set(KINDS_OF_FAULT) - {
        "drain",  # planned, and touches no node
        "monitoring-loss",  # nor does this
    }
    assert any(fault.get("one_way") for case in cases for fault in case.faults)
    assert len({len(case.settings.get("deployment.node", ())) for case in cases}) >= 3


def test_a_case_reads_back_from_its_words() -> None:
    case = draw_case("rc3", 11)
    assert draw_case("rc3", 11, case.words()) == Case("rc3", 11, dict(case.settings))
    assert case.scenario() == draw_case("rc3", 11, case.words()).scenario()


@pytest.mark.parametrize("value", [1, 0.25, True, "a b", [1, 2], [{"kind": "x", "groups": [["a"], ["b"]]}], {"a": 1}])
def test_values_are_written_as_toml_on_one_line(value: object) -> None:
    text = f"value = {inline(value)}"
    assert "\n" not in text
    assert tomllib.loads(text)["value"] == value


@pytest.mark.parametrize("needed", [[], [3], [0, 7], [2, 3, 5], list(range(8))])
def test_the_fewest_items_that_fail_are_found(needed: list[int]) -> None:
    assert fewest(range(8), lambda some: set(needed) <= set(some)) == needed


def test_the_least_value_is_approached_from_above() -> None:
    assert least(100.0, 1.0, lambda value: value >= 30.0) == pytest.approx(30.0, abs=2.0)
    assert least(100.0, 1.0, lambda value: value >= 30.0) >= 30.0
    assert least(100.0, 1.0, lambda value: True) == 1.0
    assert least(100.0, 1.0, lambda value: False) == 100.0


def test_a_failure_is_shrunk_and_its_line_shows_it_again_to_the_byte() -> None:
    found = fuzz("rc3-as-built", seeds=1, start=3, sets=LOSS, shrinking=True, workers=1)
    (failure,) = found["failures"]
    assert (failure["seed"], failure["property"]) == (3, "transaction_lost")
    assert failure["minimal"]["workload.rate_tps"] < 20
    program, *arguments = shlex.split(failure["replay"])
    assert program == "bitcell-sim"
    result = CliRunner().invoke(app, [*arguments, "--json", "-", "--workers", "1", "--quiet"])
    again = json.loads(result.stdout)["failures"]
    assert {**again[0], "minimal": None} == {**failure, "minimal": None}
    assert again[0]["minimal"] == failure["minimal"]


def test_the_line_typed_by_hand_shows_it_again() -> None:
    """By a shell, which takes the line apart itself."""
    (failure,) = fuzz("rc3-as-built", seeds=1, start=3, sets=LOSS, workers=1)["failures"]
    program = f'bitcell-sim() {{ "{sys.executable}" -m bitcell_sim "$@"; }}'
    line = f"{program}; {failure['replay']} --json - --workers 1 --quiet"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 1, result.stderr
    assert json.loads(result.stdout)["failures"] == [failure]


def test_the_same_case_runs_as_a_scenario(tmp_path: Path) -> None:
    (failure,) = fuzz("rc3-as-built", seeds=1, start=3, sets=LOSS, workers=1)["failures"]
    _, *arguments = shlex.split(failure["run"])
    result = CliRunner().invoke(app, [*arguments, "--json", "-", "--quiet", "--out", str(tmp_path)])
    assert json.loads(result.stdout)["trace_digest"] == failure["trace_digest"]


def test_workers_change_nothing() -> None:
    sets = (*LOSS, "workload.rate_tps=3")
    assert fuzz("rc3-as-built", seeds=4, sets=sets, workers=1) == fuzz("rc3-as-built", seeds=4, sets=sets, workers=2)


def test_a_sound_case_has_no_failure_and_exit_code_0() -> None:
    arguments = ["fuzz", "--seeds", "1", *(word for text in LOSS for word in ("--set", text)), "--workers", "1"]
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert result.return_value == 0
    assert "1 seeds from 1 in rc3: no failures" in result.stdout


def test_bad_input_is_told_before_anything_runs() -> None:
    with pytest.raises(InputError, match="seeds = 0"):
        fuzz(seeds=0)
    with pytest.raises(ConfigError, match="no such deployment"):
        fuzz("rc33", seeds=1)
    with pytest.raises(ConfigError, match="bogus"):
        fuzz("rc3", seeds=1, sets=["workload.bogus=1", "fault=[]"])
