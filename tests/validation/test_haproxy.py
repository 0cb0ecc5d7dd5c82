"""The load balancer against the real HAProxy on loopback, with the same settings: deaths, returns, failed requests.

Both are asked by the same command (`bitcell-sim balance`, with and without `--real`). The quick comparison scales all
times down; HAProxy's pause of a second between two tries follows, for it is never longer than `timeout connect`.
"""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from bitcell_sim.errors import InputError
from bitcell_sim.judges.loopback import HOST, bound, listening
from bitcell_sim.studies.balance import Death, balance

FRONT = "deployment.load_balancer"
INTER_S, CONNECT_S = 0.5, 0.1
QUICK = (
    *(f"{FRONT}.check_interval_s={INTER_S}", f"{FRONT}.connect_timeout_s={CONNECT_S}"),
    *("workload.client_timeout_s=0.6", "workload.rate_tps=12"),
)
TICK_S = 0.002  # HAProxy counts milliseconds
DIFFERENT = 1e-4  # p below which two samples are not of one law
REAL, SIMULATED = 12, 100


class Case(NamedTuple):
    """A way of dying under some settings."""

    name: str
    death: Death
    sets: tuple[str, ...] = ()

    def ask(self, repeat: int, *, real: bool, sets: tuple[str, ...]) -> dict[str, Any]:
        return balance(death=self.death, repeat=repeat, sets=(*sets, *self.sets), real=real)


REDISPATCH = (f"{FRONT}.redispatch=true",)
DEATHS: tuple[Death, ...] = ("refuse", "hang", "http500")
SIX = tuple(Case(death, death) for death in DEATHS) + tuple(Case(f"{d}, redispatch", d, REDISPATCH) for d in DEATHS)
CASES = (
    *SIX,
    Case("hang, fall 2, rise 3", "hang", (f"{FRONT}.fall=2", f"{FRONT}.rise=3")),
    Case("hang, timeout check below timeout connect", "hang", (f"{FRONT}.check_timeout_s=0.03",)),
    Case("hang, timeout check above inter", "hang", (f"{FRONT}.check_timeout_s=0.8",)),
    Case("refuse, one retry", "refuse", (f"{FRONT}.retries=1",)),
)
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def real() -> dict[str, dict[str, Any]]:
    """What the real HAProxy did in every case."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(BY_NAME, pool.map(lambda case: case.ask(REAL, real=True, sets=QUICK), CASES), strict=True))


@cache
def simulated(name: str) -> dict[str, Any]:
    """What the simulated balancer did in a case."""
    return BY_NAME[name].ask(SIMULATED, real=False, sets=QUICK)


def same_law(real: list[float], simulated: list[float], inter_s: float = INTER_S) -> float:
    """p of real times being simulated ones and what the machine's other work adds, a fifth of an interval at most."""
    sooner = stats.ks_2samp(np.array(real) + TICK_S, simulated, alternative="greater")
    later = stats.ks_2samp(real, np.array(simulated) + inter_s / 5, alternative="less")
    return float(min(sooner.pvalue, later.pvalue))


def assert_agree(real: dict[str, Any], simulated: dict[str, Any], inter_s: float) -> None:
    """Both in distribution: times to DOWN and to UP, and the share of requests that fail."""
    for key in ("down_s", "up_s"):
        assert same_law(real[key], simulated[key], inter_s) > DIFFERENT, key
    share = simulated["failed"] / simulated["sent"]
    spread = (share * (1 - share) / real["sent"]) ** 0.5
    assert real["failed"] / real["sent"] == pytest.approx(share, abs=4 * spread)


@pytest.mark.tool("haproxy")
@pytest.mark.parametrize("name", BY_NAME)
def test_the_simulated_balancer_does_what_the_real_one_does(name: str, real: dict[str, dict[str, Any]]) -> None:
    assert simulated(name)["settings"] == real[name]["settings"]
    assert_agree(real[name], simulated(name), INTER_S)


@pytest.mark.tool("haproxy")
def test_the_comparison_can_tell_laws_apart(real: dict[str, dict[str, Any]]) -> None:
    """What the simulated balancer must not be: one whose checks start every `inter`, or that knows no time-outs."""
    hangs = real["hang"]
    assert same_law(hangs["down_s"], simulated("refuse")["down_s"]) < DIFFERENT
    assert same_law(hangs["down_s"], simulated("hang, timeout check above inter")["down_s"]) < DIFFERENT
    assert same_law(hangs["down_s"], simulated("hang, timeout check below timeout connect")["down_s"]) < DIFFERENT
    every_inter = [value - 2 * INTER_S for value in simulated("hang")["down_s"]]
    assert same_law(hangs["down_s"], every_inter) < DIFFERENT
    with pytest.raises(AssertionError):
        assert_agree(real["refuse, redispatch"], simulated("refuse"), INTER_S)


@pytest.mark.tool("haproxy")
def test_redispatch_saves_requests_from_refusals_alone(real: dict[str, dict[str, Any]]) -> None:
    assert real["refuse, redispatch"]["failed"] == 0
    assert real["refuse, redispatch"]["sent"] > 100
    for name in ("hang, redispatch", "http500, redispatch"):
        assert real[name]["failed"] / real[name]["sent"] == pytest.approx(1 / 7, abs=0.05)


@pytest.mark.tool("haproxy")
def test_what_it_cannot_do_is_said() -> None:
    with pytest.raises(InputError, match="counts milliseconds"):
        balance(repeat=1, sets=[f"{FRONT}.check_interval_s=0.0001"], real=True)


@pytest.mark.slow
@pytest.mark.tool("haproxy")
def test_the_same_at_the_deployment_s_own_times() -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda case: case.ask(12, real=True, sets=()), SIX))
    for case, seen in zip(SIX, found, strict=True):
        assert_agree(seen, case.ask(SIMULATED, real=False, sets=()), 5.0)


# ------------------------------------------------------------------------------------------- rules of the real one


@contextmanager
def haproxy(program: str, folder: Path, servers: list[str], *words: str) -> Iterator[tuple[int, Path]]:
    """Run a HAProxy before some servers; its clients' port and its log."""
    file, log, entrance = folder / "haproxy.cfg", folder / "log", listening()
    lines = [
        *("global", "log stdout format raw local0 notice", "defaults", "mode http", "log global"),
        *(f"timeout {kind} 300ms" for kind in ("connect", "client", "server")),
        *("listen front", f"bind fd@{entrance.fileno()}", "balance roundrobin", *words),
        *(f"server s{number} {server}" for number, server in enumerate(servers)),
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [program, "-db", "-f", str(file)]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, pass_fds=[entrance.fileno()]) as process,
    ):
        try:
            yield entrance.getsockname()[1], log
        finally:
            process.terminate()
            entrance.close()


def get(port: int) -> tuple[int, float]:
    """Status of a request, and seconds until it was there."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    return status, time.monotonic() - started


@pytest.fixture
def dead() -> Iterator[str]:
    """Address that refuses connections."""
    with bound() as keeper:
        yield f"{HOST}:{keeper.getsockname()[1]}"


@pytest.mark.tool("haproxy")
def test_a_new_balancer_takes_a_server_out_at_its_first_failed_check(program: str, dead: str, tmp_path: Path) -> None:
    words = ("option log-health-checks", "default-server check inter 300ms fall 3 rise 2")
    with haproxy(program, tmp_path, [dead], *words) as (_, log):
        said = waited_for(log, "Health check for server")
    assert "failed" in said
    assert "0/2 DOWN" in said  # no 2/3 UP, 1/3 UP before it


@pytest.mark.tool("haproxy")
def test_with_all_servers_out_of_use_a_request_fails_at_once(program: str, dead: str, tmp_path: Path) -> None:
    with haproxy(program, tmp_path, [dead, dead], "default-server check inter 300ms") as (port, log):
        waited_for(log, "has no server available")
        status, took_s = get(port)
    assert status == 503
    assert took_s < 0.3  # not one pause


@pytest.mark.tool("haproxy")
@pytest.mark.parametrize(("servers", "paused"), [(1, True), (2, False)])
def test_redispatch_pauses_only_where_there_is_no_choice(
    servers: int, paused: bool, program: str, dead: str, tmp_path: Path
) -> None:
    with haproxy(program, tmp_path, [dead] * servers, "option redispatch 1") as (port, _):
        status, took_s = get(port)
    assert status == 503
    assert (took_s > 0.9) is paused


def waited_for(log: Path, words: str) -> str:
    """First line of a log with some words, once it is there."""
    for _ in range(400):
        for line in log.read_text(encoding="utf-8").splitlines():
            if words in line:
                return line
        time.sleep(0.025)
    raise AssertionError(f"no {words!r} in {log.read_text(encoding='utf-8')!r}")
