"""Who proves for whom in a run: each node on its own machine, or the farm of its region."""

from __future__ import annotations

import math
from functools import partial

from bitcell_sim.chain.block_proofs import AGGREGATE, BlockProofs
from bitcell_sim.chain.mesh import Mesh
from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.events import ProofOfBlock
from bitcell_sim.errors import InputError
from bitcell_sim.hosts.machine import Machine
from bitcell_sim.proving.cost import ProofConstants, noise_factor
from bitcell_sim.proving.farm import FarmProver
from bitcell_sim.proving.prover import ProofRecord, Prover, ProverPool
from bitcell_sim.proving.site import ProvingSite, aggregate_cost, proving_site

NO_FARM = -1


class Provers:
    """Builds the provers of a run's nodes, and keeps what becomes of their jobs.

    Parameters
    ----------
    scenario : Scenario
        What runs.
    mesh : Mesh
        Its nodes are still to come.
    """

    def __init__(self, scenario: Scenario, mesh: Mesh) -> None:
        self._proof = scenario.protocol.proof
        self._mesh = mesh
        self._constants = ProofConstants.from_mapping(scenario.proofs.model_dump())
        self._site = proving_site(scenario.deployment, scenario.protocol, scenario.proofs)
        self._regions = [region.name for region in scenario.deployment.region]
        self._farms: dict[str, ProverPool] = {}
        if self._proof.mode != "off":
            self._refuse_impossible()
            if self._site.farm:
                self._farms = {region: self._pool(self._machines(self._site)) for region in self._regions}

    def of_node(self, node: int, machine: Machine) -> BlockProofs | None:
        """Proofs of a node's blocks; none where the protocol has none."""
        if self._proof.mode == "off":
            return None
        way = self._proof.aggregations.get(self._proof.aggregation)
        aggregator = None
        if way is not None:
            record = partial(self._keep, node, NO_FARM)
            aggregator = ProverPool(self._mesh.env, [machine], 1, aggregate_cost(way, 1), record)
        noise = partial(noise_factor, self._constants)
        return BlockProofs(self._mesh, node, self._prover(node, machine), aggregator, noise)

    def close(self) -> None:
        """Proofs that wait or run at the end demanded their time too."""
        for node in self._mesh.nodes:
            for job in node.proofs.unfinished() if node.proofs else []:
                self._keep(node.index, self._farm_of(node.index), job)

    def _prover(self, node: int, machine: Machine) -> Prover:
        deployment = self._mesh.deployment
        record = partial(self._keep, node, self._farm_of(node))
        if not self._site.farm:
            proving = machine
            if self._site.card:
                proving = Machine(self._mesh.env, self._site.slots, self._site.memory_bytes)
                machine.devices.append(proving)
            return self._pool([proving], record)
        return FarmProver(
            self._mesh.env,
            self._mesh.transport,
            node,
            len(deployment.node) + self._farm_of(node),
            self._farms[deployment.node[node].region],
            request_bytes=self._site.request_bytes,
            proof_bytes=self._mesh.protocol.block.proof_bytes,
            machine=machine,
            record=record,
        )

    def _machines(self, site: ProvingSite) -> list[Machine]:
        """Machines of one farm, or their cards."""
        cores = site.slots if site.card else site.cores
        return [Machine(self._mesh.env, cores, site.memory_bytes) for _ in range(site.machines)]

    def _pool(self, machines: list[Machine], record: partial[None] | None = None) -> ProverPool:
        return ProverPool(self._mesh.env, machines, self._site.slots, self._site.cost, record)

    def _farm_of(self, node: int) -> int:
        """Region of the farm that proves for a node."""
        return self._regions.index(self._mesh.deployment.node[node].region) if self._site.farm else NO_FARM

    def _keep(self, node: int, farm: int, job: ProofRecord) -> None:
        assert isinstance(job.label, tuple), "a block's builder names its proofs (block, battle)"
        block, battle = job.label
        own = battle == AGGREGATE  # made at home, wherever battles are proved
        self._mesh.record(ProofOfBlock.of(node, NO_FARM if own else farm, block, battle, job))

    def _refuse_impossible(self) -> None:
        """No run proves what no proof can hold."""
        if not math.isfinite(self._site.prediction.seconds_measured):
            grid, steps = self._proof.grid, self._proof.steps
            raise InputError(
                f"protocol.proof.grid = {grid}, protocol.proof.steps = {steps}: {self._site.prediction.why};"
                " a smaller grid or fewer steps, or protocol.proof.mode = off"
            )
