"""The command line: help with examples, exit codes, JSON that pipelines can trust, and no traceback for bad input."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer

from bitcell_sim.cli import app, run
from bitcell_sim.cli.running import KINDS

spec = importlib.util.spec_from_file_location("bad_inputs", Path(__file__).with_name("bad_inputs.py"))
assert spec is not None
assert spec.loader is not None
bad_inputs = importlib.util.module_from_spec(spec)
sys.modules["bad_inputs"] = bad_inputs
spec.loader.exec_module(bad_inputs)

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
EXPECTED = {
    "verify",
    "validate",
    "run",
    "ping",
    "explain",
    "report",
    "list",
    "new",
    "battles",
    "proof",
    "calibrate",
    "availability",
}
ROW_KEYS = {
    *("id", "title", "statistic", "unit", "limit", "comparison", "measured"),
    *("ci_low", "ci_high", "n", "verdict", "why", "evidence"),
}
PAIR_KEYS = {
    *("source", "target", "n", "min_ms", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "max_ms", "floor_ms"),
}
GOOD_PAIR, BAD_PAIR = "latency.us-east.us-west", "latency.us-east.ap-southeast"
Capture = pytest.CaptureFixture[str]
FARM = ("deployment.prover_farm.machines=1",)


def answered(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    """JSON of a command on standard output, which holds nothing else."""
    capsys.readouterr()
    assert run([*arguments, "--json", "-"]) == code
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def refused(capsys: Capture, *arguments: str) -> str:
    """What is said about bad input: on standard error, in words."""
    capsys.readouterr()
    assert run(list(arguments)) == 64
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "fault of bitcell-sim" not in said.err
    assert said.out == ""
    return said.err


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    assert run(["run", "rc3", "--duration", "3min", "--out", str(folder), "--quiet"]) == 0
    return folder / "rc3" / "latest"


# ------------------------------------------------------------------------------------------------------------- help


def test_the_commands_are_there() -> None:
    assert set(COMMANDS) >= EXPECTED | {"bench", "regress"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(capsys: Capture, command: str) -> None:
    assert run([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Example: bitcell-sim {command} " in said


def test_help_and_version(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bitcell-sim ")


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("case", bad_inputs.CASES, ids=lambda case: case.id)
def test_bad_input_is_refused_in_words(case: bad_inputs.Case, tmp_path: Path, capsys: Capture) -> None:
    target = case.write(tmp_path)
    options = [part for text in case.sets for part in ("--set", text)]
    options += ["--latency", case.latency] if case.latency is not None else []
    said = refused(capsys, "run", *options, "--out", str(tmp_path / "runs"), "--", target)
    for part in case.says:
        assert part in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "rc4"], "did you mean 'rc3'?"),
        (["verify", "--only", "speed"], "names no row; rows are latency.us-east.us-west"),
        (["verify", "--replications", "0"], "replications = 0: at least 1"),
        (["verify", "--workers", "0"], "--workers"),
        (["verify", "--qick"], "--quick"),
        (["verifi"], "verify"),
        (["validate", "rc4"], "did you mean 'rc3'?"),
        (["validate", "--set", "nonsense"], "nonsense"),
        (["run"], "Missing argument"),
        (["run", "rc3", "--duration", "10 parsecs"], "10 parsecs"),
        (["run", "rc3", "--seed", "one"], "--seed"),
        (["ping", "--source", "us-east-9"], "us-east-1"),
        (["ping", "--count", "0"], "--count"),
        (["list", "scenario"], "did you mean 'scenarios'?"),
        (["explain", "nowhere", "tx:1"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["battles", "nowhere.json"], "nowhere.json"),
        (["proof", "--circuit", "batle"], "battle"),
        (["proof", "--grid", "0"], "--grid"),
        (["proof", "--cores", "-1"], "-1"),
        (["proof", "--grid", "63"], "multiple of 2"),
        (["proof", "--prover", "gnrk"], "did you mean 'gnark'"),
        (["proof", "--dense-ratio", "0.5"], "--dense-ratio"),
        (["proof", "--constraints", "100", "--grid", "8"], "--grid 8"),
        (["proof", "--constraints", "100", "--circuit", "state"], "--circuit state"),
        (["proof", "--circuit", "state", "--steps", "8"], "--steps 8"),
        (["proof", "--circuit", "state", "--depth", "8"], "fixed depth"),
        (["proof", "--circuit", "merkle-path"], "depth = 0"),
        (["proof", "--grid", "9007199254740992"], "more than 2^62 constraints"),
        (["calibrate", "--check"], "add --real"),
        (["calibrate", "--out", "mine.txt"], "ends in .toml"),
        (["availability", "--years", "3"], "at least one year"),
        (["bench", "our"], "our"),
        (["regress", "--against", "nowhere.json"], "python -m bitcell_sim.studies.baseline"),
    ],
    ids=" ".join,
)
def test_bad_options_are_refused(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in " ".join(refused(capsys, *arguments).split())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said_so(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = refused(capsys, "proof", "--json", str(tmp_path / "file" / "out.json"))
    assert "cannot be written" in said


# ----------------------------------------------------------------------------------------------------------- verify


def test_verify_gives_the_contract(capsys: Capture) -> None:
    options = ("verify", "--quick", "--only", GOOD_PAIR, "--workers", "1", "--seed", "3")
    content = answered(capsys, *options)
    assert {"scenario", "seed", "config_hash", "rows"} <= set(content)
    (row,) = content["rows"]
    assert set(row) >= ROW_KEYS
    assert row["ci_low"] <= row["measured"] <= row["ci_high"] < row["limit"]
    assert answered(capsys, *options) == content


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--only", GOOD_PAIR], 0),
        (["--only", BAD_PAIR], 1),
        (["--only", BAD_PAIR, "--no-gate"], 0),
        (["--only", "finality", "--replications", "1"], 2),
        (["--only", GOOD_PAIR, "--set", "targets.target.0.limit=1.0"], 1),
        (["--only", GOOD_PAIR, "--latency", "azure-2026"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes_are_the_verdicts(capsys: Capture, options: list[str], code: int) -> None:
    assert run(["verify", "--quick", "--workers", "1", "--quiet", *options]) == code
    assert "pass" in capsys.readouterr().out


def test_files_for_other_programs(capsys: Capture, tmp_path: Path) -> None:
    files = {name: tmp_path / "new" / f"card.{name}" for name in ("json", "markdown", "junit")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert run(["verify", "--quick", "--workers", "1", "--quiet", "--only", "latency.*", *options]) == 1
    assert "latency.cross-region" in capsys.readouterr().out
    rows = json.loads(files["json"].read_text(encoding="utf-8"))["rows"]
    assert [set(row) >= ROW_KEYS for row in rows] == [True] * 7
    suite = ElementTree.fromstring(files["junit"].read_text(encoding="utf-8"))
    cases = list(suite.iter("testcase"))
    assert len(cases) == 7
    assert len(list(suite.iter("failure"))) == 3
    table = files["markdown"].read_text(encoding="utf-8")
    assert "| Cross-region latency |" in table
    assert "❌" in table


def test_markdown_may_go_to_standard_output(capsys: Capture) -> None:
    assert run(["verify", "--quick", "--quiet", "--only", GOOD_PAIR, "--workers", "1", "--markdown", "-"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(("|", "#"))
    assert "verdict" not in out.partition("\n")[0]


# --------------------------------------------------------------------------------------------------- other commands


def test_validate(capsys: Capture) -> None:
    content = answered(capsys, "validate")
    assert {tuple(finding) for finding in content["findings"]} == {("level", "where", "what", "fix")}
    assert run(["validate", "--set", "deployment.load_balancer.health_port=rpc"]) == 1
    assert "all 7 servers are down" in " ".join(capsys.readouterr().out.split())


def test_run_keeps_its_tables(capsys: Capture, tmp_path: Path) -> None:
    content = answered(capsys, "run", "rc3", "--duration", "2min", "--out", str(tmp_path))
    assert set(content) >= {"run", "trace_digest", "simulated_s", "wall_s", "counts"}
    assert content["simulated_s"] == 120.0
    assert (Path(content["run"]) / "transactions.parquet").is_file()
    again = answered(capsys, "run", "rc3", "--duration", "2min", "--out", str(tmp_path))
    assert again["trace_digest"] == content["trace_digest"]
    assert again["run"] != content["run"]


def test_ping_has_a_row_a_pair(capsys: Capture) -> None:
    pairs = answered(capsys, "ping", "--count", "5", "--repeat", "4")["pairs"]
    assert len(pairs) == 42
    for pair in pairs:
        assert set(pair) == PAIR_KEYS
        assert 15 <= pair["n"] <= 20
        assert pair["floor_ms"] <= pair["min_ms"] <= pair["p50_ms"] <= pair["p95_ms"] <= pair["max_ms"]
    one = answered(capsys, "ping", "--source", "us-west-2", "--count", "5", "--repeat", "4")["pairs"]
    assert one == [pair for pair in pairs if pair["source"] == "us-west-2"]
    assert run(["ping", "--source", "us-west-2"]) == 0
    assert "ap-southeast-1" in capsys.readouterr().out


def test_explain_tells_a_way(capsys: Capture, stored: Path) -> None:
    for what in ("tx:3", "block:0"):
        assert run(["explain", str(stored), what]) == 0
        assert len(capsys.readouterr().out.splitlines()) > 2
    for what in ("tx:99999999", "block:999", "vote:1", "3x"):
        assert refused(capsys, "explain", str(stored), what)


def test_report_is_one_file(capsys: Capture, stored: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(["report", str(stored), "--out", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


@pytest.mark.parametrize("kind", KINDS)
def test_list(capsys: Capture, kind: str) -> None:
    entries = answered(capsys, "list", kind)[kind]
    assert len(entries) > 1
    assert all(set(entry) == {"name", "title"} and entry["title"] for entry in entries)
    assert run(["list", kind]) == 0
    assert entries[0]["name"] in capsys.readouterr().out


def test_a_new_scenario_runs_and_is_never_overwritten(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    assert run(["new", str(file)]) == 0
    kept = file.read_text(encoding="utf-8")
    options = ("--duration", "1min", "--set", "fault=[]", "--out", str(tmp_path / "runs"))
    assert answered(capsys, "run", str(file), *options)["simulated_s"] == 60.0
    assert "exists" in refused(capsys, "new", str(file))
    assert file.read_text(encoding="utf-8") == kept


def test_battles_of_a_file(capsys: Capture, root: Path, tmp_path: Path) -> None:
    golden = json.loads((root / "tests" / "golden" / "battles.json").read_text(encoding="utf-8"))
    fought = golden["battles"][:2]
    file = tmp_path / "two.json"
    file.write_text(json.dumps({"battles": fought}), encoding="utf-8")
    content = answered(capsys, "battles", str(file))
    for battle, wanted in zip(content["battles"], fought, strict=True):
        assert battle["result"]["outcome"] == wanted["expect"]["outcome"]
    assert run(["battles", str(file)]) == 0
    assert fought[0]["a"]["pattern"] in capsys.readouterr().out


def test_proof(capsys: Capture) -> None:
    content = answered(capsys, "proof", "--grid", "16", "--steps", "4")
    assert set(content) >= {"constraints", "domain", "single_core_s", "seconds", "memory_bytes", "feasible", "why"}
    assert content["seconds"]["ci_low"] < content["seconds"]["measured"] < content["seconds"]["ci_high"]
    assert (content["feasible"], content["fits_memory"], content["meets"]) == (True, True, [])
    custom = answered(capsys, "proof", "--constraints", "1000", "--dense-ratio", "0.5")
    assert (custom["constraints"], custom["feasible"]) == (1000, True)
    assert run(["proof", "--grid", "16", "--steps", "4"]) == 0
    assert "under 10 s as it is" in capsys.readouterr().out


def test_proof_uses_every_option(capsys: Capture) -> None:
    base = answered(capsys, "proof", "--cores", "2")
    for options in (
        ["--circuit", "battle-lean"],
        ["--grid", "32"],
        ["--steps", "5"],
        ["--cores", "8"],
        ["--prover", "gnark"],
        ["--set", "protocol.proof.circuit=battle-lean"],
        ["--set", "protocol.proof.grid=32"],
        ["--set", "protocol.proof.prover=rapidsnark"],
        ["--set", "proofs.time.butterfly_ns=1000.0"],
    ):
        cores = [] if options[0] == "--cores" else ["--cores", "2"]
        assert answered(capsys, "proof", *cores, *options)["seconds"] != base["seconds"], options
    assert answered(capsys, "proof", "--set", "deployment.hardware.cores=2")["seconds"] == base["seconds"]
    dense, half = (
        answered(capsys, "proof", "--constraints", "16382", "--cores", "1", "--dense-ratio", ratio)
        for ratio in ("1", "0.5")
    )
    assert answered(capsys, "proof", "--constraints", "16382", "--cores", "1") == dense
    # arkworks 0.4, one core: 1.257 s with full-width scalars only, 0.724 s with half of them bits.
    assert dense["domain"] == half["domain"] == 2**14
    assert dense["seconds"]["measured"] == pytest.approx(1.257, rel=0.15)
    assert half["seconds"]["measured"] == pytest.approx(0.724, rel=0.15)
    short, long = (
        answered(capsys, "proof", "--circuit", "squaring-chain", "--depth", depth, "--set", *FARM)
        for depth in ("1022", "16382")
    )
    assert (short["domain"], long["domain"]) == (2**10, 2**14)
    assert long["cores"] == 32


def test_proof_says_what_would_meet_the_limit(capsys: Capture) -> None:
    content = answered(capsys, "proof")
    assert (content["feasible"], content["fits_memory"]) == (True, False)
    assert 80 < content["single_core_s"] < 130
    assert content["memory_bytes"] == pytest.approx(21.5e9, rel=0.01)
    assert "the proof is killed" in content["why"]
    assert content["limit_s"] == 10.0
    assert len(content["meets"]) >= 3
    for change in content["meets"]:
        options = [word for option in change["sets"] for word in ("--set", option)]
        again = answered(capsys, "proof", *options)
        assert again["seconds"] == change["seconds"]
        assert again["seconds"]["ci_high"] < 10.0
        assert again["fits_memory"]
    assert run(["proof"]) == 0
    said = capsys.readouterr().out
    assert content["meets"][0]["change"] in said
    assert f"--set {content['meets'][0]['sets'][0]}" in said
    assert run(["proof", "--set", "targets.target.proof_time.limit=0.0001"]) == 0
    assert "nothing within three changed settings gets under 0.0001 s" in capsys.readouterr().out


def test_a_proof_that_cannot_exist_has_no_times(capsys: Capture) -> None:
    content = answered(capsys, "proof", "--grid", "1024", "--steps", "1000")
    assert content["feasible"] is False
    assert content["single_core_s"] is None
    assert content["seconds"] == {"measured": None, "ci_low": None, "ci_high": None}
    assert (content["constraints"], content["domain"]) == (165_735_302_485, 2**38)
    assert "617.5 times" in content["why"]
    assert run(["proof", "--grid", "1024", "--steps", "1000"]) == 0
    assert "no single proof can hold them" in capsys.readouterr().out


def test_calibrate_writes_a_model_that_proof_takes(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    content = answered(capsys, "calibrate", "--quiet", "--out", "here.toml")
    assert set(content) >= {"mult_ns", "kappa", "source", "file"}
    assert content["file"] == "here.toml"
    here = answered(capsys, "proof", "--grid", "16", "--cores", "1", "--set", "proofs=here.toml")
    reference = answered(capsys, "proof", "--grid", "16", "--cores", "1")
    assert here["constraints"] == reference["constraints"]
    scaled = content["mult_ns"] * content["kappa"] / 33.6
    assert here["single_core_s"] == pytest.approx(scaled * reference["single_core_s"], rel=0.01)
    assert run(["calibrate"]) == 0
    assert "--set proofs=calibrated.toml" in capsys.readouterr().out


def test_calibrate_without_the_real_prover_names_it_and_its_licence(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "groth16py", None)
    assert run(["calibrate", "--real"]) == 2
    said = capsys.readouterr().err
    assert "pip install groth16py" in said
    assert "GPL-3.0" in said
    assert not list(tmp_path.iterdir())


def test_availability(capsys: Capture) -> None:
    options = ("availability", "--years", "80", "--replications", "4", "--workers", "1", "--quiet")
    content = answered(capsys, *options)
    wanted = {"availability", "ci_low", "ci_high", "closed_form", "minutes_down_per_month", "by_cause"}
    assert set(content) >= wanted
    assert 0.99 < content["ci_low"] <= content["availability"] <= content["ci_high"] <= 1.0
    assert sum(content["by_cause"].values()) == pytest.approx(content["minutes_down_per_month"])
    unseen = next(row for row in content["causes"] if row["cause"] == "balancer")
    assert (unseen["n"], unseen["minutes_per_month"]) == (0, 0.0)
    assert unseen["ci_high"] > 0.0
    assert "changes" not in content
    assert run([*options, "--changes"]) == 0
    said = capsys.readouterr().out
    assert "minutes down a month" in said
    assert "one load balancer, in us-east, instead of one in each region" in said


def test_availability_of_what_never_serves(capsys: Capture) -> None:
    content = answered(capsys, "availability", "rc3-infra", "--years", "80", "--workers", "1", "--quiet")
    assert content["availability"] == content["ci_high"] == content["closed_form"] == 0.0
    assert "/health on the rpc port" in next(iter(content["by_cause"]))


def test_regress_fails_on_what_is_worse(capsys: Capture, tmp_path: Path) -> None:
    from bitcell_sim.studies.baseline import make_baseline, write_baseline
    from bitcell_sim.studies.plan import Size

    size = Size(replications=1, blocks=3, losses=1, ping_repeats=20, years=5)
    file = tmp_path / "baseline.json"
    write_baseline(make_baseline("rc3", ids=["throughput", GOOD_PAIR], seeds=(1, 2), size=size, workers=1), file)
    options = ("regress", "--against", str(file), "--out", str(tmp_path / "out"), "--workers", "1", "--quiet")
    content = answered(capsys, *options)
    wanted = {"id", "baseline", "current", "difference", "ci_low", "ci_high", "verdict"}
    assert [set(row) >= wanted for row in content["metrics"]] == [True, True]
    assert run([*options, "--set", "protocol.battle.engines.measured.core_s=30.0"]) == 1
    assert "▼ worse | `throughput`" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_at_once_and_without_a_traceback(workers: str) -> None:
    command = [sys.executable, "-m", "bitcell_sim", "verify", "rc3", "--replications", "500", "--workers", workers]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        time.sleep(6.0)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
        start = time.monotonic()
        out, err = process.communicate(timeout=30)
        waited_s = time.monotonic() - start
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert "interrupted" in err
    assert waited_s < 10.0
