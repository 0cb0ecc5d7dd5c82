"""Simulated years against closed forms: one renewal process, k of n, and the whole mesh."""

from __future__ import annotations

import itertools
import math
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bitcell_sim.analysis.availability_theory import Component, Mesh, build_mesh, steady_availability
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.errors import InputError
from bitcell_sim.kernels.availability import long_run
from bitcell_sim.random_streams import stream_key

RATES = Path(__file__).parents[2] / "models" / "faults" / "rates.toml"
REGION_OF_NODE = (0, 0, 1, 1, 2, 2, 3)
YEAR_H = 8760.0


def _rates() -> Any:
    tables = tomllib.loads(RATES.read_text())
    classes = {name: SimpleNamespace(**tables[name]) for name in ("process", "host", "zone", "region", "global")}
    return SimpleNamespace(global_=classes.pop("global"), **classes)


def _simulated(mesh: Mesh, horizon_h: float, batch_h: float, seed: int = 1) -> tuple[float, Any]:
    """Unavailability and its 95 % interval over batches of the horizon."""
    arguments = mesh.kernel_arguments(horizon_h, batch_h)
    up_us, _, _, _, down_us = long_run(np.uint64(stream_key(seed, "test.availability")), *arguments)
    return 1 - up_us / arguments[-2], mean_interval(down_us / arguments[-1])


def test_one_alternating_renewal_process() -> None:
    part = Component(0, 0, (0,), 20.0, 3600.0, 0.8)
    mean_repair_h = math.exp(0.32)
    expected = mean_repair_h / (20.0 + mean_repair_h)
    mesh = Mesh((part,), 1, 1, (0,))
    assert 1 - steady_availability(mesh) == pytest.approx(expected, rel=1e-12)
    unavailability, interval = _simulated(mesh, 2e6, 2e4)
    assert unavailability == pytest.approx(expected, rel=0.02)
    assert interval.ci_low < expected < interval.ci_high
    # Onsets: one per cycle of up time and repair, within 4 standard errors of a renewal count.
    _, _, episodes, _, _ = long_run(np.uint64(3), *mesh.kernel_arguments(2e6))
    cycles = 2e6 / (20.0 + mean_repair_h)
    assert abs(episodes - cycles) < 4 * math.sqrt(cycles)


def test_the_start_is_stationary() -> None:
    # Short windows, many seeds: a start with everything up would show far too little down time.
    mesh = Mesh((Component(0, 0, (0,), 20.0, 36_000.0, 0.8),), 1, 1, (0,))
    expected = 1 - steady_availability(mesh)
    arguments = mesh.kernel_arguments(2.0)
    down = [1 - long_run(np.uint64(stream_key(seed, "start")), *arguments)[0] / arguments[-2] for seed in range(20_000)]
    assert expected > 0.4
    assert np.mean(down) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(20_000))


def test_quorum_of_7_against_the_binomial() -> None:
    parts = tuple(Component(0, node, (node,), 30.0, 5400.0, 0.5) for node in range(7))
    up = 1 - parts[0].fault_probability
    expected = float(stats.binom(7, up).cdf(4))
    mesh = Mesh(parts, 7, 5, tuple(range(7)))
    assert 1 - steady_availability(mesh) == pytest.approx(expected, rel=1e-10)
    unavailability, interval = _simulated(mesh, 3e6, 3e4)
    assert unavailability == pytest.approx(expected, rel=0.05)
    assert interval.ci_low < expected < interval.ci_high


def test_the_closed_form_against_every_state_of_every_component() -> None:
    parts = (
        Component(0, 0, (0,), 10.0, 3600.0, 0.5),
        Component(0, 1, (1,), 20.0, 3600.0, 0.5),
        Component(1, 2, (2,), 5.0, 7200.0, 0.5),
        Component(2, 3, (3,), 5.0, 7200.0, 0.1),
        Component(2, 0, (0,), 9.0, 900.0, 1.0),
        Component(3, 0, (0, 1), 30.0, 9000.0, 1.1),
        Component(3, 1, (2, 3), 40.0, 9000.0, 1.1),
        Component(4, 0, (0, 1, 2, 3), 50.0, 1200.0, 1.5),
    )
    for quorum, serving in itertools.product(range(5), ((), (0,), (1, 3), (0, 1, 2, 3))):
        expected = 0.0
        for state in itertools.product((False, True), repeat=len(parts)):
            weight, up = 1.0, set(range(4))
            for part, faulty in zip(parts, state, strict=True):
                weight *= part.fault_probability if faulty else 1 - part.fault_probability
                up -= set(part.nodes) if faulty else set()
            expected += weight if len(up) >= quorum and up & set(serving) else 0.0
        assert steady_availability(Mesh(parts, 4, quorum, serving)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_correlated_mesh_with_frequent_faults() -> None:
    # The rc3 shape with every class a hundred times as frequent, so that 200 years settle all of them.
    rates = _rates()
    for name in ("process", "host", "zone", "region", "global_"):
        getattr(rates, name).mtbf_h /= 100
    mesh = build_mesh(rates, REGION_OF_NODE, 5)
    expected = 1 - steady_availability(mesh)
    unavailability, interval = _simulated(mesh, 200 * YEAR_H, YEAR_H)
    assert unavailability == pytest.approx(expected, rel=0.05)
    assert interval.ci_low < expected < interval.ci_high


def test_backends_matter_when_few_nodes_serve() -> None:
    parts = tuple(Component(0, node, (node,), 30.0, 5400.0, 0.5) for node in range(3))
    mesh = Mesh(parts, 3, 0, (1,))
    expected = parts[1].fault_probability
    assert 1 - steady_availability(mesh) == pytest.approx(expected, rel=1e-12)
    unavailability, _ = _simulated(mesh, 1e6, 1e4)
    assert unavailability == pytest.approx(expected, rel=0.03)
    assert steady_availability(Mesh(parts, 3, 0, ())) == 0.0


def test_ten_thousand_years_of_rc3_in_seconds() -> None:
    mesh = build_mesh(_rates(), REGION_OF_NODE, 5)
    expected = 1 - steady_availability(mesh)
    long_run(np.uint64(1), *mesh.kernel_arguments(10.0))  # compiled before the clock starts
    started = time.process_time()
    unavailability, interval = _simulated(mesh, 10_000 * YEAR_H, 100 * YEAR_H)
    assert time.process_time() - started < 20
    assert unavailability == pytest.approx(expected, rel=0.1)
    assert interval.ci_low < expected < interval.ci_high


def test_causes_are_the_classes_active() -> None:
    never = math.inf
    alone = Mesh((Component(4, 0, (0, 1), 100.0, 3600.0, 0.5), Component(0, 0, (0,), never, 60.0, 0.0)), 2, 1, (0, 1))
    arguments = alone.kernel_arguments(1e5)
    up_us, by_causes, _, _, _ = long_run(np.uint64(4), *arguments)
    assert by_causes[1 << 4] == arguments[-2] - up_us > 0
    # A crash beside the network's fault is counted as both.
    both = Mesh((alone.components[0], Component(0, 0, (0,), 1.0, 3600.0, 0.5)), 2, 1, (0, 1))
    _, by_causes, _, _, _ = long_run(np.uint64(4), *both.kernel_arguments(1e5))
    assert by_causes[0b10001] > 0
    assert by_causes[0b00001] == 0


def test_the_mesh_of_a_deployment() -> None:
    mesh = build_mesh(_rates(), REGION_OF_NODE, 5)
    assert [part.name for part in mesh.components[:2]] == ["process 0", "process 1"]
    assert len(mesh.components) == 3 * 7 + 4 + 1
    assert [part.nodes for part in mesh.components[-5:]] == [(0, 1), (2, 3), (4, 5), (6,), tuple(range(7))]
    assert mesh.components[-1].fault_probability == pytest.approx(1200 / 3600 * math.exp(1.125) / 8760, rel=2e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 0, (0,), 1.0, 1.0, 0.0), "kind is 5"),
        ((0, 0, (0,), 0.0, 1.0, 0.0), "mtbf_h of process 0 is 0.0"),
        ((0, 0, (0,), math.nan, 1.0, 0.0), "mtbf_h of process 0 is nan"),
        ((1, 2, (0,), 1.0, math.inf, 0.0), "repair_median_s of host 2 is inf"),
        ((1, 2, (0,), 1.0, 1.0, -0.1), "repair_sigma of host 2 is -0.1"),
    ],
)
def test_bad_components_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Component(*arguments)


def test_bad_meshes_are_refused() -> None:
    part = Component(0, 0, (3,), 1.0, 1.0, 0.0)
    with pytest.raises(InputError, match="node index 3"):
        Mesh((part,), 3, 1, (0,))
    with pytest.raises(InputError, match="quorum_count is 4"):
        Mesh((), 3, 4, (0,))
    with pytest.raises(InputError, match="node_count is 63"):
        Mesh((), 63, 4, (0,))
    with pytest.raises(InputError, match="horizon_h is 1000"):
        Mesh((), 3, 1, (0,)).kernel_arguments(1e12)
    pairs = tuple(Component(3, i, (0, 1), 1.0, 1.0, 0.0) for i in range(21))
    with pytest.raises(InputError, match="21 components"):
        steady_availability(Mesh(pairs, 2, 1, (0,)))
