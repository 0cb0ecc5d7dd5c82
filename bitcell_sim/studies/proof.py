"""One proof, predicted: how long, how much memory, whether it exists at all, and what would meet the limit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.proving.circuits import Circuit
from bitcell_sim.proving.cost import ProofConstants, predict
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.proof_search import Design, ProofChange, below_seconds, smallest_changes, without_supersets

CUSTOM = "custom"
TARGET = "proof_time"
CHANGES_MAX = 5
ONES_OF_BITS_RATIO = 0.2  # a witness of bits has about four zeros to a one
NONZEROS_PER_CONSTRAINT = 3.0  # as in a chain of squarings


@dataclass(frozen=True)
class Question:
    """What to prove, and on what; None means the protocol's or the machine's own.

    Parameters
    ----------
    circuit : str or None
        Name in the proof model.
    grid, steps, depth : int or None
        Dimensions.
    constraints : int or None
        A circuit of this size, public inputs counted in, instead of a named one.
    dense_ratio : float or None
        Share of its witness scalars that are as wide as the field, all without it; the others are bits.
    cores : float or None
        Cores.
    prover : str or None
        Prover family.
    """

    circuit: str | None = None
    grid: int | None = None
    steps: int | None = None
    depth: int | None = None
    constraints: int | None = None
    dense_ratio: float | None = None
    cores: float | None = None
    prover: str | None = None


def predict_proof(question: Question, *, sets: Sequence[str] = ()) -> dict[str, Any]:
    """Prediction as JSON has it.

    Parameters
    ----------
    question : Question
        What to prove.
    sets : sequence of str
        ``key.path=value`` options, such as ``proofs=...``.

    Returns
    -------
    dict
        ``constraints``, ``domain``, ``single_core_s``, ``seconds``, ``memory_bytes``, ``feasible``, ``why``; times are
        None where no such proof exists. ``fits_memory`` says whether the machine's ``machine_memory_bytes`` suffice;
        ``meets`` lists the smallest changes that meet ``limit_s``, none if it is met as it is.
    """
    _refuse_contradictions(question)
    scenario = load_scenario("rc3", sets=sets)
    constants = ProofConstants.from_mapping(scenario.proofs.model_dump())
    if question.constraints is not None:
        constants = _with_custom(constants, question)
    design = _design(question, scenario, constants)
    limit_bytes = round(design.memory_gb * BYTES_PER_GB)
    prediction = predict(
        constants,
        design.circuit,
        grid=design.grid,
        steps=design.steps,
        depth=design.depth,
        cores=design.cores,
        prover=design.prover,
        memory_limit_bytes=limit_bytes,
    )
    possible = math.isfinite(prediction.seconds_measured)
    limit_s = next((target.limit for target in scenario.targets.target if target.id == TARGET), None)
    changes: list[ProofChange] = []
    if limit_s is not None and not (prediction.feasible and prediction.ci_high < limit_s):
        farm = scenario.deployment.prover_farm
        changes = without_supersets(smallest_changes(constants, design, below_seconds(limit_s), farm=farm))
    return {
        "constraints": prediction.constraints,
        "domain": prediction.domain,
        "single_core_s": prediction.single_core_s if possible else None,
        "seconds": {
            "measured": prediction.seconds_measured if possible else None,
            "ci_low": prediction.ci_low if possible else None,
            "ci_high": prediction.ci_high if possible else None,
        },
        "memory_bytes": prediction.memory_bytes,
        "feasible": possible,
        "why": prediction.why,
        "cores": design.cores,
        "prover": design.prover,
        "machine_memory_bytes": limit_bytes,
        "fits_memory": prediction.memory_bytes <= limit_bytes,
        "limit_s": limit_s,
        "meets": [_change(change) for change in changes[:CHANGES_MAX]],
    }


def _change(change: ProofChange) -> dict[str, Any]:
    return {
        "change": change.words,
        "sets": list(change.sets),
        "seconds": {"measured": change.seconds, "ci_low": change.ci_low, "ci_high": change.ci_high},
        "memory_bytes": change.memory_bytes,
    }


def _refuse_contradictions(question: Question) -> None:
    """Refuse options that another one leaves without effect."""
    if question.cores is not None and not (math.isfinite(question.cores) and question.cores > 0):
        raise InputError(f"--cores {question.cores}: a proof needs more than 0")
    if question.constraints is None:
        if question.dense_ratio is not None:
            raise InputError("--dense-ratio: a named circuit has a witness of its own; it goes with --constraints")
        return
    for name in ("circuit", "grid", "steps", "depth"):
        value = getattr(question, name)
        if value is not None:
            raise InputError(f"--{name} {value}: --constraints stands for a circuit of its own, which has no {name}")


def _design(question: Question, scenario: Scenario, constants: ProofConstants) -> Design:
    """The design that is asked about: the deployment's own, with what the question says."""
    own = Design.of(scenario)
    name = CUSTOM if question.constraints is not None else question.circuit or own.circuit
    sized = constants.circuit(name).grid_min_count > 0
    for option, value in (("grid", question.grid), ("steps", question.steps)):
        if value is not None and not sized:
            raise InputError(f"--{option} {value}: the {name} circuit has none; leave it out")
    return dataclasses.replace(
        own,
        circuit=name,
        grid=(question.grid or own.grid) if sized else 0,
        steps=(question.steps or own.steps) if sized else 0,
        depth=question.depth or 0,
        prover=question.prover or own.prover,
        cores=question.cores or own.cores,
        slots=1,
    )


def _with_custom(constants: ProofConstants, question: Question) -> ProofConstants:
    """Constants with a circuit of the asked size added."""
    dense = 1.0 if question.dense_ratio is None else question.dense_ratio
    circuit = Circuit(
        status="compiled",
        constraints_per_cell_step_count=0.0,
        constraints_per_cell_count=0.0,
        constraints_per_level_count=0.0,
        constraints_fixed_count=float(question.constraints or 0),
        instance_per_cell_count=0.0,
        instance_fixed_count=0.0,
        grid_min_count=0,
        grid_multiple_count=1,
        nonzeros_per_constraint_count=NONZEROS_PER_CONSTRAINT,
        witness_full_ratio=dense,
        witness_ones_ratio=(1.0 - dense) * ONES_OF_BITS_RATIO,
    )
    return dataclasses.replace(constants, circuits={**constants.circuits, CUSTOM: circuit})
