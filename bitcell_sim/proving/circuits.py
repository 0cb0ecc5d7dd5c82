"""How large a circuit is: constraints, public inputs, evaluation domain, key, memory; and whether it can be proved.

Counts are exact polynomials in the grid, the steps and the depth; their coefficients come from ``models/proofs/``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bitcell_sim.errors import InputError

Number = TypeVar("Number", float, npt.NDArray[np.float64])
_CONSTRAINTS_MAX = 2**62


@dataclass(frozen=True)
class Curve:
    """What the curve allows, and how large its points are.

    Parameters
    ----------
    scalar_bits_count : int
        Bits of a scalar.
    domain_log2_max_count : int
        log2 of the largest evaluation domain: the 2-adicity of the scalar field.
    g1_point_bytes, g2_point_bytes : int
        Bytes of an uncompressed point.
    """

    scalar_bits_count: int
    domain_log2_max_count: int
    g1_point_bytes: int
    g2_point_bytes: int


@dataclass(frozen=True)
class Circuit:
    """A family of circuits: the coefficients of its size, and what its witness looks like.

    Parameters
    ----------
    status : str
        ``compiled`` where the counts were compared with the compiled circuit, ``derived`` for a what-if never built.
    constraints_per_cell_step_count, constraints_per_cell_count : float
        Constraints for each cell of the grid and step, and for each cell.
    constraints_per_level_count, constraints_fixed_count : float
        Constraints for each level of depth, and those always there.
    instance_per_cell_count, instance_fixed_count : float
        Public inputs for each cell, and those always there.
    grid_min_count, grid_multiple_count : int
        Smallest grid side the count holds for (0: the circuit has no grid), and what the side must be a multiple of.
    nonzeros_per_constraint_count : float
        Non-zero coefficients of the three matrices per constraint.
    witness_full_ratio, witness_ones_ratio : float
        Share of witness scalars that are full-width, and that are exactly 1.
    """

    status: str
    constraints_per_cell_step_count: float
    constraints_per_cell_count: float
    constraints_per_level_count: float
    constraints_fixed_count: float
    instance_per_cell_count: float
    instance_fixed_count: float
    grid_min_count: int
    grid_multiple_count: int
    nonzeros_per_constraint_count: float
    witness_full_ratio: float
    witness_ones_ratio: float

    def counts(self, cells: Number, steps: Number, depth: Number) -> tuple[Number, Number]:
        """Constraints and public inputs of so many cells, steps and levels, one design or arrays of them, unrounded."""
        constraints = (
            self.constraints_per_cell_step_count * steps * cells
            + self.constraints_per_cell_count * cells
            + self.constraints_per_level_count * depth
            + self.constraints_fixed_count
        )
        return constraints, self.instance_per_cell_count * cells + self.instance_fixed_count


@dataclass(frozen=True)
class CircuitSize:
    """One circuit, measured.

    Parameters
    ----------
    constraints, instance : int
        Constraints; public inputs with the constant.
    domain : int
        Points of the evaluation domain, a power of two, whether or not the curve has it.
    memory_bytes : int
        Peak resident memory of set-up and proof, bytes.
    proving_key_bytes : int
        Bytes of the uncompressed proving key, with as many variables as constraints.
    feasible : bool
        Whether the curve has a domain that large.
    why : str
        One sentence: the size, or why a single proof is impossible.
    """

    constraints: int
    instance: int
    domain: int
    memory_bytes: int
    proving_key_bytes: int
    feasible: bool
    why: str


def measure(
    circuit: Circuit,
    curve: Curve,
    per_constraint_bytes: int,
    *,
    grid: int = 0,
    steps: int = 0,
    depth: int = 0,
) -> CircuitSize:
    """Size of a circuit of the given grid, steps and depth.

    Parameters
    ----------
    circuit : Circuit
        The family.
    curve : Curve
        The curve it is proved on.
    per_constraint_bytes : int
        Peak memory per constraint, bytes.
    grid, steps, depth : int
        Cells along one side of a square grid, time steps, and levels of a tree (links of a chain); 0 where it has none.

    Returns
    -------
    CircuitSize
        Counts, memory, and whether one proof can hold it.

    Raises
    ------
    InputError
        If a dimension is negative, missing, given to a circuit that has none, or a grid the count does not hold for.

    Notes
    -----
    constraints = per_cell_step * steps * grid^2 + per_cell * grid^2 + per_level * depth + fixed, and domain = the
    smallest power of two that holds constraints + instance. The key holds A, B (both groups) and L for each variable
    and H for the domain.
    """
    _check_dimensions(circuit, grid, steps, depth)
    counts = circuit.counts(float(grid) ** 2, float(steps), float(depth))
    if max(counts) > _CONSTRAINTS_MAX:
        raise InputError(f"grid = {grid}, steps = {steps}, depth = {depth}: more than 2^62 constraints, not counted")
    constraints, instance = (round(count) for count in counts)
    log2_domain = max(constraints + instance - 1, 0).bit_length()
    domain = 1 << log2_domain
    key_bytes = constraints * (3 * curve.g1_point_bytes + curve.g2_point_bytes) + (domain - 1) * curve.g1_point_bytes
    feasible = log2_domain <= curve.domain_log2_max_count
    limit = 1 << curve.domain_log2_max_count
    if feasible:
        why = f"{constraints:,} constraints fit an evaluation domain of 2^{log2_domain}"
    else:
        times = (constraints + instance) / limit
        why = (
            f"{constraints:,} constraints are {times:,.1f} times the largest evaluation domain of the curve "
            f"(2^{curve.domain_log2_max_count}): no single proof can hold them"
        )
    return CircuitSize(constraints, instance, domain, constraints * per_constraint_bytes, key_bytes, feasible, why)


def _check_dimensions(circuit: Circuit, grid: int, steps: int, depth: int) -> None:
    """Refuse dimensions that the circuit does not have, or that its count does not hold for."""
    for name, value in (("grid", grid), ("steps", steps), ("depth", depth)):
        if value < 0:
            raise InputError(f"{name} = {value}: a circuit needs 0 or more")
    if circuit.grid_min_count == 0 and (grid or steps):
        raise InputError(f"grid = {grid}, steps = {steps}: this circuit has no grid; leave both at 0")
    if circuit.grid_min_count:
        multiple = circuit.grid_multiple_count
        if grid < circuit.grid_min_count or grid % multiple:
            least = circuit.grid_min_count
            raise InputError(f"grid = {grid}: this circuit needs a multiple of {multiple} from {least} on, such as 64")
        if steps < 1:
            raise InputError(f"steps = {steps}: this circuit needs 1 or more")
    if circuit.constraints_per_level_count == 0 and depth:
        raise InputError(f"depth = {depth}: this circuit has a fixed depth; leave it at 0")
    if circuit.constraints_per_level_count and depth < 1:
        raise InputError(f"depth = {depth}: this circuit needs 1 or more")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Error for a name that is not in the file, with the nearest one that is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return InputError(f"{name!r} is not a {kind} of this proof model; it has {', '.join(names)}{hint}")
