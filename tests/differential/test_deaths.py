"""Requests meet servers that refuse, hang or fail in the same way in the kernels' plane and in the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.plain import PlainPlane
from bitcell_sim.kernels.transactions import ERROR, NO_SERVER, OK, TIMED_OUT
from bitcell_sim.studies.balance import WORKLOAD, Bench, Death, one_balancer

FRONT = "deployment.load_balancer"
REDISPATCH = f"{FRONT}.redispatch=true"
SHORT = f"{FRONT}.server_timeout_s=0.7"
ONE_SERVER_A_REGION = f"{FRONT}.backends=regional"
COLUMNS = ("submit_ns", "balancer", "server", "attempt", "sent_ns", "origin", "accepted_ns", "answered_ns", "request")


def books(death: Death, sets: tuple[str, ...], seed: int, loopback: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Columns of both planes' books after one trial."""
    scenario = one_balancer(load_scenario("rc3", sets=[WORKLOAD, *sets]))
    found = []
    for plane in ("kernel", "plain"):
        bench = Bench(scenario, seed=seed, loopback=loopback, plane=plane)  # type: ignore[arg-type]
        assert isinstance(bench.plane, PlainPlane) == (plane == "plain")
        trial = bench.trial(death)
        assert trial.sent_count > 0
        book, rows = bench.plane.book, bench.plane.rows
        found.append([getattr(book, name)[:rows].copy() for name in COLUMNS])
    return found[0], found[1]


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize(
    ("death", "sets", "told"),
    [
        ("refuse", (), {OK, NO_SERVER}),
        ("refuse", (REDISPATCH,), {OK}),
        ("refuse", (f"{FRONT}.connect_timeout_s=0.4",), {OK, NO_SERVER}),
        ("refuse", (REDISPATCH, ONE_SERVER_A_REGION), {OK}),
        ("refuse", (REDISPATCH, ONE_SERVER_A_REGION, f"{FRONT}.placement=ap-southeast"), {OK, NO_SERVER}),
        ("hang", (), {OK, TIMED_OUT}),
        ("hang", (SHORT, REDISPATCH), {OK, ERROR}),
        ("http500", (), {OK, ERROR}),
        ("http500", (REDISPATCH, "workload.client_timeout_s=0.2"), {OK, ERROR}),
    ],
)
def test_both_planes_tell_clients_the_same(death: Death, sets: tuple[str, ...], told: set[int], loopback: bool) -> None:
    seen: set[int] = set()
    for seed in range(5):  # another server dies each time
        kernel, plain = books(death, sets, seed, loopback)
        for name, one, other in zip(COLUMNS, kernel, plain, strict=True):
            assert np.array_equal(one, other), name
        seen |= set(kernel[-1].tolist())
    assert {OK} <= seen
    assert seen - {TIMED_OUT, 0} <= told
    assert len(seen & told) > 1 or told == {OK}
