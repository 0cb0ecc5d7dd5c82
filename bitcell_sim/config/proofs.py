"""The proof cost model: counts, times and sizes that `proving` turns into seconds and bytes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Count, Name, NonNegative, Positive, PositiveCount, Probability, Section, Text


class Curve(Section):
    """The pairing-friendly curve."""

    scalar_bits_count: PositiveCount = Field(description="Bits of the scalar field.")
    domain_log2_max_count: Annotated[int, Field(ge=1, le=62)] = Field(
        description="Log2 of the largest evaluation domain; a bigger circuit cannot be one proof."
    )
    g1_point_bytes: PositiveCount = Field(description="Bytes of an uncompressed affine point in G1.")
    g2_point_bytes: PositiveCount = Field(description="Bytes of an uncompressed affine point in G2.")


class Operations(Section):
    """Operation counts of the prover."""

    g1_mixed_addition_count: PositiveCount = Field(description="Multiplications of a mixed addition in G1.")
    g1_addition_count: PositiveCount = Field(description="Multiplications of a full addition in G1.")
    g2_mixed_addition_count: PositiveCount = Field(description="Multiplications of a mixed addition in G2.")
    g2_addition_count: PositiveCount = Field(description="Multiplications of a full addition in G2.")
    window_slope_percent: PositiveCount = Field(description="Slope of the window rule, percent of ceil(log2 n).")
    window_offset_count: Count = Field(description="Offset of the window rule, bits.")
    transforms_count: PositiveCount = Field(description="Fourier transforms of one proof.")


class OperationTimes(Section):
    """Nanoseconds of single operations on one core."""

    multiplication_ns: Positive = Field(description="Nanoseconds of a multiplication in the base field.")
    butterfly_ns: Positive = Field(description="Nanoseconds of a butterfly of the Fourier transform.")
    constraint_ns: NonNegative = Field(description="Nanoseconds per constraint, whatever it holds.")
    synthesis_ns: NonNegative = Field(description="Nanoseconds of synthesis per non-zero coefficient.")


class Scaling(Section):
    """What further cores shorten."""

    serial_ratio: Probability = Field(description="Share of the one-core time that cores do not shorten.")
    serial_low_ratio: Probability = Field(description="Lower end of that share's range.")
    serial_high_ratio: Probability = Field(description="Upper end of that share's range.")
    threads_max_count: PositiveCount = Field(description="Threads beyond which nothing is gained.")


class ProofMemory(Section):
    """What a proof keeps in memory."""

    per_constraint_bytes: PositiveCount = Field(description="Peak resident bytes per constraint.")


class Uncertainty(Section):
    """How far a prediction may be off."""

    model_band_ratio: NonNegative = Field(description="Half-width of the band around a one-core time, as a share.")
    noise_sigma_ratio: NonNegative = Field(description="Sigma of the logarithm of the time from proof to proof.")


class ProofCalibration(Section):
    """From this program's own field multiplication to the prover's."""

    multiplication_factor: Positive = Field(
        description="The prover's time of a multiplication, memory traffic and all, over that of `calibrate`."
    )


class CircuitFamily(Section):
    """One circuit: constraints, public inputs and witness as functions of grid, steps and depth."""

    status: Literal["compiled", "derived"] = Field(description="Compared with the compiled circuit, or worked out.")
    constraints_per_cell_step_count: NonNegative = Field(description="Constraints per cell and step.")
    constraints_per_cell_count: NonNegative = Field(description="Constraints per cell.")
    constraints_per_level_count: NonNegative = Field(description="Constraints per level of depth.")
    constraints_fixed_count: NonNegative = Field(description="Constraints whatever the size.")
    instance_per_cell_count: NonNegative = Field(description="Public inputs per cell.")
    instance_fixed_count: NonNegative = Field(description="Public inputs whatever the size.")
    grid_min_count: Count = Field(description="Smallest side of the grid, cells; 0: the circuit has no grid.")
    grid_multiple_count: PositiveCount = Field(description="The side of the grid is a multiple of this.")
    nonzeros_per_constraint_count: NonNegative = Field(description="Non-zero coefficients per constraint.")
    witness_full_ratio: Probability = Field(description="Share of witness scalars as wide as the field.")
    witness_ones_ratio: Probability = Field(description="Share of witness scalars that are exactly 1.")


class ProverFamily(Section):
    """A prover against the reference."""

    time_low_factor: Positive = Field(description="Lower end of its one-core time over the reference's.")
    time_high_factor: Positive = Field(description="Upper end of its one-core time over the reference's.")
    memory_factor: Positive = Field(description="Its memory over the reference's.")
    runs_on: Literal["cores", "core", "card"] = Field(
        description="cores: more of them shorten it; core: one is all it uses; card: a graphics card of its own."
    )


class Proofs(Section):
    """Constants of the proof cost model; see `proving.cost` for the formula."""

    name: Name = Field(description="Name of the proof model.")
    title: Text = Field(description="One line for people.")
    date: Text = Field(description="When the constants were measured.")
    prover: Text = Field(description="Which of `provers` runs where nothing else is said.")
    battle_circuit: Text = Field(description="Which of `circuits` a battle proof uses where nothing else is said.")
    curve: Curve = Field(description="The curve.")
    operations: Operations = Field(description="Operation counts.")
    time: OperationTimes = Field(description="Times of operations.")
    scaling: Scaling = Field(description="Cores.")
    memory: ProofMemory = Field(description="Memory.")
    uncertainty: Uncertainty = Field(description="Spread.")
    calibration: ProofCalibration = Field(description="From the speed of a machine to that of its prover.")
    circuits: dict[str, CircuitFamily] = Field(description="Circuits by name.")
    provers: dict[str, ProverFamily] = Field(description="Provers by name.")
