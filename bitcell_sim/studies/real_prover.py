"""A real prover, groth16py, on circuits made here; GPL-3.0, so an extra, and imported only when it is asked for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bitcell_sim.errors import LabError, MissingToolError
from bitcell_sim.proving.calibration import TimedProof
from bitcell_sim.proving.r1cs import System, r1cs_file, squarings, witness_file

Progress = Callable[[str, int, int], None]

MISSING = (
    "a real prover is needed, groth16py, and is not installed; it is licensed GPL-3.0 and therefore no part of "
    "bitcell-sim: pip install groth16py, or pip install 'bitcell-sim[calibrate]'"
)
# The quickest proof counts, as what disturbs one only makes it longer; once the two quickest agree, or patience ends.
REPEATS_MIN, REPEATS_MAX, AGREEMENT_RATIO = 3, 8, 0.01
MARGIN = 3  # a prover counts public wires into the domain: so many fewer constraints just fill it


@dataclass(frozen=True)
class Recipe:
    """Circuit to prove; see :func:`bitcell_sim.proving.r1cs.squarings`.

    Parameters
    ----------
    witness : str
        What its values are, for people.
    constraints, nonzeros : int
        Size, and coefficients of each constraint.
    full_ratio : float
        Share of full-width values.
    """

    witness: str
    constraints: int
    full_ratio: float
    nonzeros: int = 3

    def system(self) -> System:
        """Build the circuit and its witness."""
        return squarings(self.constraints, full_ratio=self.full_ratio, nonzeros=self.nonzeros)


def filling(log2: int) -> list[Recipe]:
    """Circuits of every kind that just fill a domain of ``2**log2``.

    Parameters
    ----------
    log2 : int
        Base-2 logarithm of the domain.
    """
    constraints = 2**log2 - MARGIN
    return [
        Recipe("full-width", constraints, 1.0),
        Recipe("half full-width, half bits", constraints, 0.5),
        Recipe("a tenth full-width, the rest bits", constraints, 0.1),
        Recipe("bits", constraints, 0.0),
        Recipe("bits, 12 non-zeros a constraint", constraints, 0.0, 12),
    ]


def outgrown(log2: int) -> Recipe:
    """Circuit that needs the next larger domain and fills half of it, which tells constraints from transforms.

    Parameters
    ----------
    log2 : int
        Base-2 logarithm of the domain that has become too small.
    """
    return Recipe("bits, half filling their domain", 2**log2 + 1, 0.0)


def load_prover() -> ModuleType:
    """Import the prover.

    Raises
    ------
    MissingToolError
        If it is not installed.
    """
    try:
        import groth16py
    except ImportError as error:
        raise MissingToolError(MISSING) from error
    module: ModuleType = groth16py
    return module


def timed_proof(prover: ModuleType, system: System) -> TimedProof:
    """Set a circuit up, prove it a few times and have the proof verified.

    Parameters
    ----------
    prover : module
        What :func:`load_prover` gives.
    system : System
        Circuit with its witness.

    Returns
    -------
    TimedProof
        Processor seconds from the witness's file to the proof; the set-up is not in them.

    Raises
    ------
    LabError
        If the proof does not verify.
    """
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        circuit, witness = Path(folder) / "circuit.r1cs", Path(folder) / "circuit.wtns"
        circuit.write_bytes(r1cs_file(system))
        witness.write_bytes(witness_file(system))
        proving_key, verifying_key = prover.setup(str(circuit))
        while len(times) < REPEATS_MIN or (len(times) < REPEATS_MAX and not _agree(times)):
            start = time.process_time()
            proof = prover.prove_wtns(proving_key, str(witness))
            times.append(time.process_time() - start)
    if not prover.Verifier(verifying_key).verify(proof, system.public_values()):
        raise LabError(f"the prover's own proof of {len(system.constraints)} constraints does not verify")
    return TimedProof(system.shape(), min(times))


def _agree(times: Sequence[float]) -> bool:
    quickest, second, *_ = sorted(times)
    return second <= quickest * (1.0 + AGREEMENT_RATIO)


def timed_proofs(
    prover: ModuleType, recipes: Sequence[Recipe], *, title: str = "proofs", progress: Progress | None = None
) -> list[TimedProof]:
    """Time the proofs of some circuits, one after another.

    Parameters
    ----------
    prover : module
        What :func:`load_prover` gives.
    recipes : sequence of Recipe
        Circuits.
    title : str
        Name of the stage for `progress`.
    progress : callable, optional
        Called with the title, how many proofs are done, and how many there are.
    """
    proofs = []
    for number, recipe in enumerate(recipes):
        proofs.append(timed_proof(prover, recipe.system()))
        if progress is not None:
            progress(title, number + 1, len(recipes))
    return proofs
