"""What would meet a limit: the search finds the smallest changes, and their options do what they say."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitcell_sim.analysis import targets
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.proving.cost import ProofConstants, predict
from bitcell_sim.proving.points import proof_points
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.plan import steady
from bitcell_sim.studies.proof_rows import site_of
from bitcell_sim.studies.proof_search import (
    Design,
    Machines,
    ProofChange,
    below_seconds,
    fits_memory,
    keeps_up,
    smallest_changes,
    without_supersets,
)

RC3 = load_scenario("rc3")
CONSTANTS = ProofConstants.from_mapping(RC3.proofs.model_dump())
OWN = Design.of(RC3)
FARM = RC3.deployment.prover_farm
LIMIT_S = 10.0
FOUND = smallest_changes(CONSTANTS, OWN, below_seconds(LIMIT_S), farm=FARM)


def prediction(design: Design) -> Any:
    return predict(
        CONSTANTS,
        design.circuit,
        grid=design.grid,
        steps=design.steps,
        depth=design.depth,
        cores=design.cores,
        prover=design.prover,
    )


def passes(design: Design) -> bool:
    found = prediction(design)
    return found.ci_high < LIMIT_S and found.memory_bytes <= design.memory_gb * BYTES_PER_GB


def change_of(*names: str) -> ProofChange:
    return next(change for change in FOUND if change.settings == set(names))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(4, 100),
    st.integers(1, 20),
    st.floats(0.25, 80.0),
    st.sampled_from(sorted(CONSTANTS.provers)),
    st.sampled_from(["battle", "battle-lean"]),
)
def test_many_points_are_what_one_prediction_each_is(
    half: int, steps: int, cores: float, prover: str, circuit: str
) -> None:
    grids = np.array([2 * half, 64], np.int64)
    points = proof_points(CONSTANTS, circuit, prover, grids, np.full(2, steps), np.full(2, cores))
    for place, grid in enumerate(grids.tolist()):
        one = predict(CONSTANTS, circuit, grid=grid, steps=steps, cores=cores, prover=prover)
        assert points.constraints[place] == one.constraints
        assert points.memory_bytes[place] == one.memory_bytes
        assert points.seconds[place] == one.seconds_measured
        assert (points.ci_low[place], points.ci_high[place]) == (one.ci_low, one.ci_high)


def test_rc3_itself_does_not_pass() -> None:
    assert not passes(OWN)
    assert (OWN.grid, OWN.steps, OWN.cores, OWN.memory_gb, OWN.prover) == (64, 10, 4.0, 8.0, "ark")


def test_every_change_passes_and_says_what_it_is() -> None:
    assert len(FOUND) > 10
    for change in FOUND:
        assert passes(change.design), change.words
        found = prediction(change.design)
        assert (change.seconds, change.ci_low, change.ci_high) == (
            found.seconds_measured,
            found.ci_low,
            found.ci_high,
        )
        assert Design.of(load_scenario("rc3", sets=change.sets)) == change.design, change.words
        assert len(change.sets) == len(change.settings) == change.words.count(" and ") + 1


def test_no_smaller_change_of_one_setting_passes() -> None:
    grid, steps = change_of("grid").design, change_of("steps").design
    assert passes(grid)
    assert not any(passes(dataclasses.replace(OWN, grid=side)) for side in range(grid.grid + 2, 65, 2))
    assert passes(steps)
    assert not any(passes(dataclasses.replace(OWN, steps=count)) for count in range(steps.steps + 1, 11))
    assert not any(change.settings == {"cores"} for change in FOUND)
    assert not any(passes(dataclasses.replace(OWN, cores=float(cores), memory_gb=1e6)) for cores in range(4, 500))


def test_no_smaller_pair_passes() -> None:
    best = change_of("grid", "steps")
    kept = best.design.grid**2 * best.design.steps
    for side in range(8, 63, 2):
        for count in range(1, 10):
            if side * side * count > kept:
                assert not passes(dataclasses.replace(OWN, grid=side, steps=count))
    memory = change_of("prover", "memory").design
    assert not passes(dataclasses.replace(memory, memory_gb=memory.memory_gb / 2))


def test_the_mildest_prover_that_does_is_taken() -> None:
    assert change_of("grid", "prover").design.prover == "gnark"  # the graphics card would do too
    assert change_of("prover", "memory").design.prover == "gpu"  # nothing milder does
    milder = dataclasses.replace(change_of("prover", "memory").design, prover="gnark")
    assert not passes(milder)


def test_fewest_settings_first_then_what_exists_then_the_smallest() -> None:
    ranks = [change.rank for change in FOUND]
    assert ranks == sorted(ranks)
    single = [change for change in FOUND if len(change.settings) == 1]
    assert [change.built for change in single] == [True, True, False]
    assert "derived, not built" in single[-1].words


def test_no_part_of_a_kept_change_would_do() -> None:
    kept = without_supersets(FOUND)
    assert {"grid"} in [change.settings for change in kept]
    for change in kept:
        assert not any(other.settings < change.settings for other in FOUND)
    assert len(kept) < len(FOUND)


def test_nothing_is_found_where_nothing_is() -> None:
    assert smallest_changes(CONSTANTS, OWN, below_seconds(1e-6), farm=FARM) == []


def test_a_circuit_without_a_grid_has_only_its_machine_and_prover() -> None:
    chain = dataclasses.replace(OWN, circuit="squaring-chain", grid=0, steps=0, depth=2_000_000)
    found = smallest_changes(CONSTANTS, chain, below_seconds(LIMIT_S), farm=FARM)
    assert found
    assert not any(change.settings & {"grid", "steps", "circuit"} for change in found)
    assert all(prediction(change.design).ci_high < LIMIT_S for change in found)


def test_memory_alone_is_another_limit() -> None:
    found = {change.settings: change for change in smallest_changes(CONSTANTS, OWN, fits_memory)}
    assert found[frozenset({"memory"})].design.memory_gb == 32.0
    side = found[frozenset({"grid"})].design.grid
    assert prediction(dataclasses.replace(OWN, grid=side)).memory_bytes <= 8e9
    assert prediction(dataclasses.replace(OWN, grid=side + 2)).memory_bytes > 8e9


def test_a_deployment_with_a_farm_changes_its_machines() -> None:
    scenario = load_scenario("rc3", sets=["deployment.prover_farm.machines=2", "protocol.proof.grid=26"])
    own = Design.of(scenario)
    assert (own.cores, own.memory_gb, own.farm) == (32.0, 128.0, True)
    found = smallest_changes(CONSTANTS, own, below_seconds(4.0), farm=scenario.deployment.prover_farm)
    assert not any("farm" in change.settings for change in found)
    assert any(option.startswith("deployment.prover_farm.cores=") for change in found for option in change.sets)


@pytest.mark.parametrize(
    "sets",
    [
        ["protocol.proof.grid=34"],
        ["protocol.proof.grid=24", "protocol.proof.slots=3"],
        ["protocol.proof.prover=gpu", "deployment.hardware.memory_gb=32.0"],
        ["deployment.prover_farm.machines=1", "protocol.proof.grid=48"],
        ["protocol.proof.circuit=battle-lean", "protocol.proof.proofs_per_block=2"],
    ],
    ids=str,
)
def test_what_keeps_up_by_arithmetic_keeps_up_in_the_mesh(sets: list[str]) -> None:
    scenario = load_scenario("rc3", sets=sets)
    site, own = site_of(scenario), Design.of(scenario)
    run = steady(scenario, 60)
    tables = simulate_once(run, seed=1).tables
    used = targets.proofs(tables, run.warmup_blocks, 10, site).utilisation
    most = [region.name for region in scenario.deployment.region if region.name in used]
    # A run's blocks are not spread evenly over the regions: the farms' mean against a region of two of seven nodes.
    ratio = float(np.mean([used[name] for name in most])) * 4 * 2 / 7 if most else max(used.values())
    ratio *= site.prediction.ci_high / site.prediction.seconds_measured
    points = proof_points(
        CONSTANTS, own.circuit, own.prover, np.array([own.grid]), np.array([own.steps]), np.array([own.cores])
    )
    machines = Machines(np.array([own.cores]), own.memory_gb, own.slots, own.farm, site.card)
    assert keeps_up(scenario, 1.06 * ratio)(points, machines).all()
    assert not keeps_up(scenario, 0.94 * ratio)(points, machines).any()
