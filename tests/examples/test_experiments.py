"""Every experiment runs, draws its figure, and says what its page says."""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))
PAGE = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
SECTIONS = ("Question", "Setup", "Answer", "Limits")


def test_there_are_experiments() -> None:
    assert "throughput_ceiling.py" in [path.name for path in EXPERIMENTS]


@pytest.mark.parametrize("script", EXPERIMENTS, ids=lambda path: path.stem)
def test_docstring_and_page_say_what_it_is(script: Path) -> None:
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    assert [name for name in SECTIONS if f"\n{name}\n{'-' * len(name)}\n" not in docstring] == []
    (row,) = [line for line in PAGE.splitlines() if f"`python experiments/{script.name}`" in line]
    assert docstring.partition("\n")[0].rstrip(".") in row


@pytest.mark.parametrize("script", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_answers_quickly(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(script), "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "Verdict: " in done.stdout
    figure = tmp_path / f"{script.stem}.png"
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_kept_ceilings_are_the_caps_over_the_time_between_blocks() -> None:
    with (ROOT / "docs" / "figures" / "throughput_ceiling.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in {row["variant"] for row in rows}:
        best = max((row for row in rows if row["variant"] == name), key=lambda row: float(row["final_tps"]))
        assert float(best["final_tps"]) == pytest.approx(1000 / float(best["block_spacing_s"]), rel=2e-3)
        assert f"{float(best['final_tps']):.3g}" in PAGE


def test_the_kept_times_of_votes_do_not_depend_on_how_many_vote() -> None:
    with (ROOT / "docs" / "figures" / "finality_time.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["curve"] == "votes alone"]
    assert {row["validators"] for row in rows} >= {"7", "1000"}
    for row in rows:
        assert float(row["final_s"]) == pytest.approx(float(rows[0]["final_s"]), rel=5e-3)
        assert f"{float(row['final_s']):.3f}" in PAGE


def test_the_kept_deaths_follow_haproxy_s_rules_and_stand_on_their_page() -> None:
    page = (ROOT / "docs" / "explanation" / "load-balancer.md").read_text(encoding="utf-8")
    with (ROOT / "docs" / "figures" / "load_balancer.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        for key, least, most in (("down", 25.0 if row["death"] == "hang" else 10.0, 5.0), ("up", 5.0, 5.0)):
            low, middle, high = (float(row[f"{key}_{of}_s"]) for of in ("min", "median", "max"))
            assert least <= low <= middle <= high <= least + most + 0.5
            assert f"{low:.1f} / {middle:.1f} / {high:.1f}" in page
        saved = row["death"] == "refuse" and row["redispatch"] == "1"
        assert int(row["failed"]) / int(row["sent"]) == pytest.approx(0.0 if saved else 1 / 7, abs=0.005)


def test_the_kept_proof_budget_is_what_its_page_says() -> None:
    with (ROOT / "docs" / "figures" / "proof_budget.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (line,) = [line for line in PAGE.splitlines() if "proof_budget.py" in line]
    smallest = next(row for row in rows if row["what"] == "proof_p95_s")
    assert smallest["name"] == "a grid of 24"
    assert f"{float(smallest['value']):.2f} s at p95 in the mesh" in line
    assert all(row["note"] == "pass" and float(row["ci_high"]) < 10 for row in rows if row["what"] == "proof_p95_s")
    waiting = {row["name"]: float(row["value"]) for row in rows if row["note"].startswith("patient")}
    assert waiting["as it stands"] == 0.0
    for name in ("32 GB a node", "a grid of 24", "a grid of 24, one proof a block"):
        assert f"{waiting[name]:.1f}" in line
    # A round of 59.4 s and the time of six proofs, 1000 transactions.
    assert waiting["a grid of 24"] == pytest.approx(1000 / (59.4 + 6 * 5.13), rel=0.02)


def test_the_kept_years_are_those_of_the_closed_form_and_of_their_page() -> None:
    with (ROOT / "docs" / "figures" / "availability_year.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (line,) = [line for line in PAGE.splitlines() if "availability_year.py" in line]
    assert len({row["deployment"] for row in rows}) == 2
    for row in rows:
        low, middle, high = (float(row[key]) for key in ("ci_low", "minutes_per_month", "ci_high"))
        assert low <= middle <= high
        if row["what"] == "saved":
            assert low <= float(row["closed_form"]) <= high
        elif row["what"] == "all":
            assert middle == pytest.approx(float(row["closed_form"]), rel=0.1)
        elif row["what"] == "months":
            assert f"{100 * middle:.1f} %" in line
    unseen = [row for row in rows if row["what"] == "lost" and float(row["minutes_per_month"]) == 0.0]
    assert unseen
    assert all(float(row["ci_high"]) > 0.0 for row in unseen)
    assert "5.81 minutes a month" in line


def kept(name: str) -> list[dict[str, str]]:
    with (ROOT / "docs" / "figures" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def answer(script: str) -> str:
    (line,) = [line for line in PAGE.splitlines() if script in line]
    return line


def test_the_kept_ways_back_are_mostly_the_restart() -> None:
    rows = {(row["case"], row["stage"]): row for row in kept("node_recovery")}
    crash = {stage: float(row["p95_s"]) for (case, stage), row in rows.items() if case == "process crash"}
    assert crash["process"] < crash["recovered"] < crash["process"] + 1.0
    assert f"{crash['recovered']:.1f} s at p95" in answer("node_recovery.py")
    assert float(rows["machine lost", "recovered"]["median_s"]) > 60.0
    # Both fetch the same blocks' successors; only what was in memory has to be fetched from the first one on.
    on_disk, in_memory = (
        float(row["median_s"]) for (case, stage), row in rows.items() if "200 blocks" in case and stage == "synced"
    )
    assert on_disk + 0.5 < in_memory


def test_the_kept_splits_stall_only_without_a_quorum() -> None:
    rows = kept("partition")
    for row in rows:
        stalls = row["split"].startswith("3 against 4")
        assert (float(row["final_blocks"]) == 0.0) == stalls
        if not stalls:
            assert float(row["chain_p95_s"]) < 60.0  # a round
    grown = [float(row["chain_p95_s"]) for row in rows if row["split"] == "3 against 4"]
    assert grown == sorted(grown)
    assert f"{grown[-1]:.0f} s after 20" in answer("partition.py")


def test_the_kept_delays_are_graceful_where_it_says_so() -> None:
    rows = {(float(row["offered_tps"]), int(row["added_ms"])): row for row in kept("high_latency")}
    assert {row["violations"] for row in rows.values()} == {"0"}
    for load in (10.0, 25.0):
        whole, asked = (float(rows[load, added]["final_tps"]) for added in (0, 500))
        assert asked > 0.95 * whole
        assert float(rows[load, 1500]["final_tps"]) == 0.0
        assert float(rows[load, 1500]["final_per_h"]) > 50.0
    late = float(rows[10.0, 500]["p95_s"]) - float(rows[10.0, 0]["p95_s"])
    assert f"{late:.1f} s later" in answer("high_latency.py")


def test_the_kept_failovers_wait_for_the_chain() -> None:
    rows = {(row["variant"], row["region"], row["part"]): float(row["p95_s"]) for row in kept("regional_failover")}
    assert rows["as it is", "all", "clients"] < rows["as it is", "all", "chain"] < 120.0
    assert rows["both", "all", "clients"] < 15.0
    assert f"{rows['as it is', 'all', 'total']:.0f} s at p95" in answer("regional_failover.py")
