"""`balance`: the contract of its answer, what each setting does to it, and that a question has one answer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

import bitcell_sim
from bitcell_sim.cli import run
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError, MissingToolError
from bitcell_sim.judges import haproxy, tools
from bitcell_sim.kernels.transactions import DOWN, NO_SERVER
from bitcell_sim.studies.balance import WORKLOAD, Bench, balance, one_balancer

FRONT = "deployment.load_balancer"
KEYS = {"down_s": list, "up_s": list, "failed": int, "sent": int, "slowest_ok_ms": float}
Capture = pytest.CaptureFixture[str]


def asked(capsys: Capture, *options: str) -> dict[str, Any]:
    """What the command answers."""
    assert run(["balance", *options, "--json", "-"]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_the_answer_is_the_contract_s(capsys: Capture) -> None:
    content = asked(capsys, "--death", "hang", "--repeat", "3")
    assert {key: type(content[key]) for key in KEYS} == KEYS
    assert len(content["down_s"]) == len(content["up_s"]) == 3
    assert content["death"] == "hang"
    assert content["settings"]["check_interval_s"] == 5.0
    assert content["settings"]["redispatch"] is False


def test_without_json_it_says_the_same_in_words(capsys: Capture) -> None:
    assert run(["balance", "--repeat", "3", "--redispatch", "1"]) == 0
    said = capsys.readouterr().out
    assert "out of use after 1" in said
    assert "0 of " in said


def test_the_same_question_has_the_same_answer_and_another_seed_another(capsys: Capture) -> None:
    first, again, other = (asked(capsys, "--repeat", "4", "--seed", seed) for seed in ("7", "7", "8"))
    assert first == again
    assert not set(first["down_s"]) & set(other["down_s"])


def test_repeats_do_not_depend_on_how_many_there_are() -> None:
    assert balance(repeat=5)["down_s"][:3] == balance(repeat=3)["down_s"]


@pytest.mark.parametrize(
    ("death", "options", "down_s", "up_s"),
    [
        ("refuse", {}, (10.0, 15.0), (5.0, 10.0)),
        ("http500", {}, (10.0, 15.0), (5.0, 10.0)),
        ("hang", {}, (25.0, 30.0), (5.0, 10.0)),
        ("refuse", {"inter": "2s", "fall": "5", "rise": "1"}, (8.0, 10.0), (0.0, 2.0)),
        ("hang", {"inter": "2s", "fall": "1", "rise": "3"}, (2.0, 4.0), (4.0, 6.0)),
        ("refuse", {"inter": "300ms"}, (0.6, 0.9), (0.3, 0.6)),
    ],
)
def test_the_times_are_uniform_between_their_bounds(
    death: str, options: dict[str, str], down_s: tuple[float, float], up_s: tuple[float, float], capsys: Capture
) -> None:
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    content = asked(capsys, "--death", death, "--repeat", "80", *words)
    for values, (least, most) in ((content["down_s"], down_s), (content["up_s"], up_s)):
        share = (np.array(values) - least) / (most - least)
        assert share.min() > -1e-6
        assert share.max() < 1 + 1e-6
        inside = share[share > 1e-6]  # a check that hangs at the return is answered at once: an atom
        assert stats.kstest(inside, "uniform").pvalue > 0.001
        assert (len(inside) < len(share)) == (death == "hang" and values is content["up_s"] and least > 0.0)


def test_a_seventh_fails_and_redispatch_helps_against_refusals_alone() -> None:
    for death in ("refuse", "hang", "http500"):
        without, with_it = (
            balance(death=death, repeat=10, sets=[f"{FRONT}.redispatch={value}"])  # type: ignore[arg-type]
            for value in ("false", "true")
        )
        assert without["failed"] / without["sent"] == pytest.approx(1 / 7, abs=0.01)
        assert with_it["sent"] == without["sent"]
        assert with_it["failed"] == (0 if death == "refuse" else without["failed"])
        assert with_it["slowest_ok_ms"] == 0.0  # loopback


def test_requests_are_those_between_death_and_down() -> None:
    content = balance(repeat=10)
    assert content["sent"] == pytest.approx(20 * sum(content["down_s"]), abs=10)


def test_latency_lengthens_checks_and_answers() -> None:
    here, far = balance(repeat=30), balance(repeat=30, latency="aws-2025", sets=[f"{FRONT}.redispatch=true"])
    assert here["slowest_ok_ms"] == 0.0
    assert 200.0 < far["slowest_ok_ms"] < 1500.0  # Singapore from Virginia, at least
    assert max(far["down_s"]) < 15.0 + 3 * 2 * 0.4
    assert balance(repeat=30, latency="docker")["slowest_ok_ms"] < 30.0


def test_a_server_timeout_below_the_client_s_is_told_sooner() -> None:
    scenario = one_balancer(load_scenario("rc3", sets=[WORKLOAD, f"{FRONT}.server_timeout_s=2.0"]))
    bench = Bench(scenario, seed=3, loopback=True)
    bench.trial("hang")
    book, rows = bench.plane.book, bench.plane.rows
    failed = book.request[:rows] > 1
    assert failed.any()
    assert set((book.answered_ns - book.submit_ns)[:rows][failed].tolist()) == {2 * 10**9}


def test_a_retry_never_waits_longer_than_the_connect_time_out() -> None:
    scenario = one_balancer(load_scenario("rc3", sets=[WORKLOAD, f"{FRONT}.connect_timeout_s=0.25"]))
    bench = Bench(scenario, seed=3, loopback=True)
    bench.trial("refuse")
    book, rows = bench.plane.book, bench.plane.rows
    failed = book.request[:rows] == NO_SERVER
    assert set((book.answered_ns - book.submit_ns)[:rows][failed].tolist()) == {750_000_000}


@pytest.mark.parametrize(
    ("alive", "in_use", "redispatch", "pauses_s"),
    [
        (0, 0, "false", 0.0),  # all out of use: 503 at once
        (0, 7, "false", 3.0),
        (0, 7, "true", 0.0),  # another one each time, no pause
        (0, 1, "true", 3.0),  # no other: a pause each time
    ],
)
def test_what_happens_with_no_server_alive(alive: int, in_use: int, redispatch: str, pauses_s: float) -> None:
    bench = Bench(
        one_balancer(load_scenario("rc3", sets=[WORKLOAD, f"{FRONT}.redispatch={redispatch}"])), seed=1, loopback=True
    )
    world = bench.plane._world  # type: ignore[union-attr]
    world.nodes.state[alive:] = DOWN
    world.balancers.in_use[0, in_use:] = 0
    bench.plane.advance(20 * 10**9)
    book, early = bench.plane.book, slice(0, 100)
    assert (book.request[early] == NO_SERVER).all()
    assert (book.answered_ns - book.submit_ns)[early] == pytest.approx(pauses_s * 1e9)
    assert (book.attempt[early] == (0 if not in_use else 3)).all()


# -------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--inter", "5"], "is not a duration"),
        (["--inter", "0s"], "check_interval_s"),
        (["--set", f"{FRONT}.health_port=rpc"], "404"),
        (["--real", "--latency", "docker"], "loopback"),
        (["--real", "--set", f"{FRONT}.retry_pause_s=0.5"], "always waits 1 s"),
        (["--real", "--set", f"{FRONT}.backends=regional"], "regional"),
        (["--latency", "aws-2025", "--inter", "100ms"], "out of use before it dies"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(options: list[str], says: str, capsys: Capture) -> None:
    assert run(["balance", "--repeat", "2", *options]) == 64
    assert says in capsys.readouterr().err


def test_an_unknown_death_is_refused_from_python_too() -> None:
    with pytest.raises(InputError, match="refuse, hang, http500"):
        bitcell_sim.balance(death="sleep")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one"):
        bitcell_sim.balance(repeat=0)


def test_without_haproxy_the_answer_is_unknown(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingToolError, match="make tools"):
        tools.find_tool(haproxy.TOOL)
    assert run(["balance", "--real"]) == 2
    assert "haproxy is not installed" in capsys.readouterr().err
