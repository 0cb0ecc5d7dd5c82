"""Where a deployment's battle proofs are computed, and what one asks for there: on its nodes, or in a farm a region."""

from __future__ import annotations

from dataclasses import dataclass

from bitcell_sim.config import schema
from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.proving.cost import ProofConstants, ProofCost, ProofPrediction, predict

BYTES_PER_GB = 10**9
_ALL_CORES = 1 << 30


@dataclass(frozen=True)
class ProvingSite:
    """Machines that prove behind one queue, and a battle proof on them.

    Parameters
    ----------
    farm : bool
        Whether they stand in a region's farm; else each node is one.
    machines : int
        How many share a queue: 1 on a node.
    cores : int
        Cores of each; of a node, battles and checks go before proofs on them.
    card : bool
        Whether proofs run on graphics cards, one for each slot, and leave the cores alone.
    memory_bytes : int
        Memory of each, bytes.
    slots : int
        Proofs at a time on each.
    prediction : ProofPrediction
        One battle proof, alone on a machine.
    cost : ProofCost
        What proofs of a run ask for: the end of the prediction's ranges that the protocol says.
    request_bytes : int
        Bytes sent to a farm for one proof; 0 on a node.
    aggregated : bool
        Whether one aggregate stands for a block's proofs.
    """

    farm: bool
    machines: int
    cores: int
    card: bool
    memory_bytes: int
    slots: int
    prediction: ProofPrediction
    cost: ProofCost
    request_bytes: int
    aggregated: bool

    @property
    def full_rate(self) -> float:
        """One-core seconds of proofs that a machine does in a second while all its slots prove.

        Notes
        -----
        Each of s slots has 1/s of the cores: s * rate(cores / s), which grows with s as less is lost to serial parts.
        """
        if self.card:
            return float(self.slots)
        share = min(self.cores / self.slots, float(self.cost.threads_max))
        return self.slots * core_rate(share, self.cost.serial_ratio)


def proving_site(deployment: schema.Deployment, protocol: schema.Protocol, proofs: schema.Proofs) -> ProvingSite:
    """Place of a deployment's battle proofs, whether or not its blocks ask for any.

    Parameters
    ----------
    deployment, protocol, proofs : Deployment, Protocol, Proofs
        Of a scenario.
    """
    farm, node, asked = deployment.prover_farm, deployment.hardware, protocol.proof
    shared = farm.machines > 0
    cores, memory_gb = (farm.cores, farm.memory_gb) if shared else (node.cores, node.memory_gb)
    memory_bytes = round(memory_gb * BYTES_PER_GB)
    constants = ProofConstants.from_mapping(proofs.model_dump())
    prediction = predict(
        constants,
        asked.circuit,
        grid=asked.grid,
        steps=asked.steps,
        cores=float(cores),
        prover=asked.prover,
        memory_limit_bytes=memory_bytes,
    )
    witness_bytes = round(farm.witness_bytes_per_constraint * prediction.constraints)
    return ProvingSite(
        farm=shared,
        machines=farm.machines if shared else 1,
        cores=cores,
        card=constants.family(asked.prover).runs_on == "card",
        memory_bytes=memory_bytes,
        slots=farm.slots if shared else asked.slots,
        prediction=prediction,
        cost=prediction.costs[asked.estimate],
        request_bytes=farm.request_bytes + witness_bytes if shared else 0,
        aggregated=asked.aggregation in asked.aggregations,
    )


def aggregate_cost(way: schema.Aggregation, proof_count: int) -> ProofCost:
    """Cost of one aggregate of so many proofs: linear in their number."""
    core_s = way.fixed_core_s + way.per_proof_core_s * proof_count
    return ProofCost(core_s, round(way.memory_gb * BYTES_PER_GB), way.serial_fraction, _ALL_CORES)
