"""Simulated years against closed forms: one renewal process, k of n, and the whole mesh; and what intervals hold."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bitcell_sim.analysis.availability_mesh import KINDS, Component, Mesh, build_mesh
from bitcell_sim.analysis.availability_theory import steady_availability
from bitcell_sim.analysis.estimates import mean_interval
from bitcell_sim.analysis.outages import MONTH_MIN, Outages, minutes_per_month, minutes_saved, simulate_outages
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError
from bitcell_sim.random_streams import stream_key

YEAR_H = 8760.0
RC3 = load_scenario("rc3")


def _runs(mesh: Mesh, horizon_h: float, count: int, name: str = "test.availability") -> list[Outages]:
    return [simulate_outages(mesh, stream_key(seed, name), horizon_h) for seed in range(count)]


def _simulated(mesh: Mesh, horizon_h: float, count: int = 100) -> tuple[float, Any]:
    """Unavailability and its 95 % interval over replications."""
    shares = [run.down_share for run in _runs(mesh, horizon_h / count, count)]
    return float(np.mean(shares)), mean_interval(shares)


def _down(mesh: Mesh) -> float:
    return 1 - steady_availability(mesh)


def test_one_alternating_renewal_process() -> None:
    part = Component(0, 0, (0,), 20.0, 3600.0, 0.8)
    mean_repair_h = math.exp(0.32)
    expected = mean_repair_h / (20.0 + mean_repair_h)
    mesh = Mesh((part,), (1,), 1, ())
    assert _down(mesh) == pytest.approx(expected, rel=1e-12)
    unavailability, interval = _simulated(mesh, 2e6)
    assert unavailability == pytest.approx(expected, rel=0.02)
    assert interval.ci_low < expected < interval.ci_high
    # Onsets: one per cycle of up time and repair, within 4 standard errors of a renewal count; repairs are lognormal.
    repairs_min = simulate_outages(mesh, 3, 2e6).episodes_min()
    cycles = 2e6 / (20.0 + mean_repair_h)
    assert abs(len(repairs_min) - cycles) < 4 * math.sqrt(cycles)
    assert stats.kstest(repairs_min[1:-1], stats.lognorm(0.8, scale=60.0).cdf).pvalue > 1e-3


def test_the_start_is_stationary() -> None:
    # Short windows, many seeds: a start with everything up would show far too little down time.
    mesh = Mesh((Component(0, 0, (0,), 20.0, 36_000.0, 0.8),), (1,), 1, ())
    expected = _down(mesh)
    down = [run.down_share for run in _runs(mesh, 2.0, 20_000, "start")]
    assert expected > 0.4
    assert np.mean(down) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(20_000))


def test_quorum_of_7_against_the_binomial() -> None:
    parts = tuple(Component(0, node, (node,), 30.0, 5400.0, 0.5) for node in range(7))
    up = 1 - parts[0].fault_probability
    expected = float(stats.binom(7, up).cdf(4))
    mesh = Mesh(parts, (100,) * 7, 467, (tuple(range(7)),))
    assert _down(mesh) == pytest.approx(expected, rel=1e-10)
    unavailability, interval = _simulated(mesh, 3e6)
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
    stakes = (1, 2, 3, 0)
    for quorum, groups in itertools.product(range(7), ((), ((),), ((0,),), ((1, 3), (2,)), ((0, 1, 2, 3), (3,)))):
        expected = 0.0
        for state in itertools.product((False, True), repeat=len(parts)):
            weight, up = 1.0, set(range(4))
            for part, faulty in zip(parts, state, strict=True):
                weight *= part.fault_probability if faulty else 1 - part.fault_probability
                up -= set(part.units) if faulty else set()
            works = sum(stakes[unit] for unit in up) >= quorum and all(up & set(group) for group in groups)
            expected += weight if works else 0.0
        assert steady_availability(Mesh(parts, stakes, quorum, groups)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("placement", ["per-region", "us-east"])
def test_correlated_mesh_with_frequent_faults(placement: str) -> None:
    # The rc3 shape with every class a hundred times as frequent, so that 200 years settle all of them.
    classes = {name: getattr(RC3.fault_rates, name) for name in type(RC3.fault_rates).model_fields}
    frequent = {
        name: each.model_copy(update={"mtbf_h": each.mtbf_h / 100})
        for name, each in classes.items()
        if name not in ("name", "title")
    }
    balancer = RC3.deployment.load_balancer.model_copy(update={"placement": placement})
    deployment = RC3.deployment.model_copy(update={"load_balancer": balancer})
    mesh = build_mesh(deployment, RC3.fault_rates.model_copy(update=frequent))
    expected = _down(mesh)
    unavailability, interval = _simulated(mesh, 200 * YEAR_H, 200)
    assert unavailability == pytest.approx(expected, rel=0.05)
    assert interval.ci_low < expected < interval.ci_high


def test_backends_matter_when_few_nodes_serve() -> None:
    parts = tuple(Component(0, node, (node,), 30.0, 5400.0, 0.5) for node in range(3))
    mesh = Mesh(parts, (1,) * 3, 0, ((1,),))
    expected = parts[1].fault_probability
    assert _down(mesh) == pytest.approx(expected, rel=1e-12)
    unavailability, _ = _simulated(mesh, 1e6)
    assert unavailability == pytest.approx(expected, rel=0.03)
    nobody = Mesh(parts, (1,) * 3, 0, ((),))
    assert steady_availability(nobody) == 0.0
    assert simulate_outages(nobody, 1, 10.0).down_share == 1.0


def test_ten_thousand_years_of_rc3_in_seconds() -> None:
    mesh = build_mesh(RC3.deployment, RC3.fault_rates)
    expected = _down(mesh)
    simulate_outages(mesh, 1, 10.0)  # compiled before the clock starts
    started = time.process_time()
    runs = _runs(mesh, 500 * YEAR_H, 20)
    assert time.process_time() - started < 5
    minutes = minutes_per_month(runs, mesh)
    assert minutes.measured == pytest.approx(expected * MONTH_MIN, rel=0.1)
    assert minutes.ci_low < expected * MONTH_MIN < minutes.ci_high
    # A fault of the network alone is a cause alone, whatever else is down.
    for kind in ("global", "process", "host", "zone"):
        exact = _down(mesh.of_kinds([kind])) * MONTH_MIN
        cause = minutes_per_month(runs, mesh, 1 << KINDS.index(kind))
        assert cause.ci_low <= exact <= cause.ci_high
    assert minutes.measured == pytest.approx(
        sum(minutes_per_month(runs, mesh, cause).measured for cause in {int(c) for run in runs for c in run.causes})
    )


def test_a_cause_is_the_fewest_classes_that_account_for_it() -> None:
    network = Component(4, 0, (0, 1), 100.0, 3600.0, 0.5)
    # A crash beside the network's fault does not matter; two nodes down, each of another class, need both.
    crash = Component(0, 0, (0,), 1.0, 3600.0, 0.5)
    lost = Component(1, 1, (1,), 2.0, 3600.0, 0.5)
    mesh = Mesh((network, crash, lost), (1, 1), 1, ())
    run = simulate_outages(mesh, 4, 1e5)
    assert {int(cause) for cause in run.causes} == {0b00011, 1 << 4}
    only = simulate_outages(mesh.of_kinds(["global"]), 4, 1e5)
    assert sum(run.episodes_min(1 << 4)) == pytest.approx(sum(only.episodes_min()))


def test_the_mesh_of_rc3() -> None:
    mesh = build_mesh(RC3.deployment, RC3.fault_rates)
    names = [part.name.split()[0] for part in mesh.components]
    assert {kind: names.count(kind) for kind in KINDS} == {
        "process": 7, "host": 11, "zone": 7, "region": 4, "global": 1, "region_pair": 6, "balancer": 4
    }  # fmt: skip
    of = {kind: [part.units for part in mesh.components if KINDS[part.kind] == kind] for kind in KINDS}
    assert of["zone"] == [(0, 7), (1,), (2, 8), (3,), (4, 9), (5,), (6, 10)]
    assert of["region"] == [(0, 1, 7), (2, 3, 8), (4, 5, 9), (6, 10)]
    assert of["region_pair"][0] == (0, 1, 7, 2, 3, 8)
    assert (mesh.quorum_stake, mesh.groups) == (467, (tuple(range(7)), (7, 8, 9, 10)))
    assert len({(part.kind, part.entity) for part in mesh.components}) == len(mesh.components)


def test_nodes_of_one_zone_and_one_machine_fail_together() -> None:
    shared = [
        node.model_copy(update={"zone": "a", "host": "one" if node.region == "us-west" else ""})
        for node in RC3.deployment.node
    ]
    mesh = build_mesh(RC3.deployment.model_copy(update={"node": tuple(shared)}), RC3.fault_rates)
    units = {KINDS[part.kind]: set() for part in mesh.components}
    for part in mesh.components:
        units[KINDS[part.kind]].add(part.units)
    assert (0, 1, 7) in units["zone"]
    assert (2, 3) in units["host"]
    assert (0,) in units["host"]


def test_what_a_change_saves_is_paired_and_agrees_with_the_closed_form() -> None:
    before = build_mesh(RC3.deployment, RC3.fault_rates)
    balancer = RC3.deployment.load_balancer.model_copy(update={"placement": "us-east"})
    after = build_mesh(RC3.deployment.model_copy(update={"load_balancer": balancer}), RC3.fault_rates)
    runs = [_runs(mesh, 100 * YEAR_H, 10) for mesh in (before, after)]
    saved = minutes_saved(runs[0], runs[1], (before, after))
    exact = (steady_availability(after) - steady_availability(before)) * MONTH_MIN
    assert saved.ci_low < exact < saved.ci_high < 0
    means = [np.mean([run.down_share for run in each]) * MONTH_MIN for each in runs]
    assert saved.measured == pytest.approx(means[0] - means[1])
    nothing = minutes_saved(runs[0], runs[0], (before, before))
    assert nothing.measured == 0.0
    assert nothing.ci_low < 0.0 < nothing.ci_high
    # Both vary by far more than their difference: the pairing is what makes it visible.
    one, other = (minutes_per_month(each, mesh) for each, mesh in zip(runs, (before, after), strict=True))
    assert saved.ci_high - saved.ci_low < math.hypot(one.ci_high - one.ci_low, other.ci_high - other.ci_low)


@pytest.mark.parametrize("years", [0.3, 3, 30, 100])
def test_intervals_hold_the_truth_of_rare_and_of_many_outages(years: float) -> None:
    # Outages of the network alone, lognormal with a sigma of 1.5: one a year, of 62 minutes on average.
    mesh = build_mesh(RC3.deployment, RC3.fault_rates).of_kinds(["global"])
    exact = _down(mesh) * MONTH_MIN
    intervals = [minutes_per_month([run], mesh) for run in _runs(mesh, years * YEAR_H, 1000)]
    held = [each.ci_low <= exact <= each.ci_high for each in intervals]
    assert np.mean(held) >= 0.94  # 95 % less two standard errors; measured 99.6, 99.7, 99.5, 96.2 %
    assert all(each.ci_high > 0 for each in intervals)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7, 0, (0,), 1.0, 1.0, 0.0), "kind is 7"),
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
    with pytest.raises(InputError, match="unit 3"):
        Mesh((part,), (1,) * 3, 1, ())
    with pytest.raises(InputError, match="quorum_stake is 4"):
        Mesh((), (1,) * 3, 4, ())
    with pytest.raises(InputError, match="63 nodes and balancers"):
        Mesh((), (1,) * 63, 4, ())
    with pytest.raises(InputError, match="horizon_h is 1000"):
        Mesh((), (1,) * 3, 1, ()).kernel_arguments(1e12)
    pairs = tuple(Component(3, i, (i, i + 1), 1.0, 1.0, 0.0) for i in range(40))
    with pytest.raises(InputError, match="65536 sets"):
        steady_availability(Mesh(pairs, (1,) * 41, 1, ()))
