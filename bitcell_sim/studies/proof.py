"""One proof, predicted: how long, how much memory, and whether a node can."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import InputError
from bitcell_sim.proving.cost import ProofConstants, predict

BYTES_PER_GB = 10**9
CUSTOM = "custom"
ONES_OF_BITS_RATIO = 0.2  # a witness of bits has about four zeros to a one
NONZEROS_PER_CONSTRAINT = 3.0  # as in a chain of squarings


@dataclass(frozen=True)
class Question:
    """What to prove, and on what; None means the protocol's or the node's own.

    Parameters
    ----------
    circuit : str
        Name in the proof model.
    grid, steps, depth : int or None
        Dimensions.
    constraints : int or None
        A circuit of this size instead of a named one.
    dense_ratio : float
        Share of its witness scalars that are as wide as the field; the others are bits.
    cores : float or None
        Cores.
    prover : str or None
        Prover family.
    """

    circuit: str = "battle"
    grid: int | None = None
    steps: int | None = None
    depth: int = 0
    constraints: int | None = None
    dense_ratio: float = 1.0
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
        None where no such proof exists.
    """
    if question.cores is not None and not (math.isfinite(question.cores) and question.cores > 0):
        raise InputError(f"--cores {question.cores}: a proof needs more than 0")
    scenario = load_scenario("rc3", sets=sets)
    constants = ProofConstants.from_mapping(scenario.proofs.model_dump(by_alias=True))
    name, own = question.circuit, scenario.protocol.proof
    if question.constraints is not None:
        constants, name = _with_custom(constants, question), CUSTOM
    circuit = constants.circuit(name)
    sized = circuit.grid_min_count > 0
    hardware = scenario.deployment.hardware
    prediction = predict(
        constants,
        name,
        grid=(question.grid or own.grid) if sized else 0,
        steps=(question.steps or own.steps) if sized else 0,
        depth=question.depth,
        cores=question.cores or float(hardware.cores),
        prover=question.prover,
        memory_limit_bytes=round(hardware.memory_gb * BYTES_PER_GB),
    )
    possible = math.isfinite(prediction.seconds_measured)
    seconds = {
        "measured": prediction.seconds_measured if possible else None,
        "ci_low": prediction.ci_low if possible else None,
        "ci_high": prediction.ci_high if possible else None,
    }
    return {
        "constraints": prediction.constraints,
        "domain": prediction.domain,
        "single_core_s": prediction.single_core_s if possible else None,
        "seconds": seconds,
        "memory_bytes": prediction.memory_bytes,
        "feasible": prediction.feasible,
        "why": prediction.why,
    }


def _with_custom(constants: ProofConstants, question: Question) -> ProofConstants:
    """Constants with a circuit of the asked size added."""
    circuit = dataclasses.replace(
        constants.circuit("state"),
        constraints_fixed_count=float(question.constraints or 0),
        nonzeros_per_constraint_count=NONZEROS_PER_CONSTRAINT,
        witness_full_ratio=question.dense_ratio,
        witness_ones_ratio=(1.0 - question.dense_ratio) * ONES_OF_BITS_RATIO,
    )
    return dataclasses.replace(constants, circuits={**constants.circuits, CUSTOM: circuit})
