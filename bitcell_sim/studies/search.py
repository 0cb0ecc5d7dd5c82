"""The smallest changes to a deployment after which it meets every target that physics allows.

A design changes the battle engine, the phases of a round, the cap and gas limit of a block, cores, memory, the proof
and its prover, how soon a process is back, and where the regions stand. What it does to the targets is predicted; of
the designs that meet the same number of targets those are kept that no other beats in settings changed and in size.
Whether a prediction holds is :func:`bitcell_sim.studies.verify.verify`'s to say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import Scenario
from bitcell_sim.proving.cost import ProofConstants
from bitcell_sim.proving.points import ProofPoints, proof_points
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.placement import Nearest, Placement, nearest, placements
from bitcell_sim.studies.plan import FULL, round_s
from bitcell_sim.studies.proof_search import (
    Design,
    Flags,
    Machines,
    Meets,
    ProofChange,
    below_seconds,
    fits_memory,
    keeps_up,
    smallest_changes,
    without_supersets,
)
from bitcell_sim.studies.remedies import SPARSE, cap

P95 = 0.95
SURE = 0.95
RESTARTS_S = (10.0, 5.0)
UPPER_P95 = 0.975  # where the upper end of a p95's interval lies among some hundred crashes
NEXT_BLOCKS = ("chaos.regional_failure", "chaos.network_partition")
PHASES_S = (4.0, 3.0, 2.0, 1.0)
CORES = (8, 16, 32)


@dataclass(frozen=True)
class Change:
    """One part of a design.

    Parameters
    ----------
    words : str
        What is changed; empty if nothing.
    sets : tuple of str
        The options that change it.
    settings : int
        How many settings that are.
    doublings : float
        Their size: logarithms, base 2, of the factors by which they change; another engine or prover has none.
    """

    words: str = ""
    sets: tuple[str, ...] = ()
    settings: int = 0
    doublings: float = 0.0

    def __add__(self, other: Change) -> Change:
        """Both changes at once."""
        words = " and ".join(part for part in (self.words, other.words) if part)
        return Change(
            words, (*self.sets, *other.sets), self.settings + other.settings, self.doublings + other.doublings
        )


NOTHING = Change()


@dataclass(frozen=True)
class Tuned:
    """A design and the targets that it is predicted to meet.

    Parameters
    ----------
    change : Change
        What differs from the deployment.
    met : frozenset of str
        Ids of the predicted targets that it meets.
    """

    change: Change
    met: frozenset[str]

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Order of designs: most targets, fewest settings, smallest size."""
        return -len(self.met), self.change.settings, self.change.doublings, self.change.words


@dataclass(frozen=True)
class Search:
    """What the search found.

    Parameters
    ----------
    designs : int
        How many were predicted.
    front : list of Tuned
        Those that no other beats, from the deployment as it is to the one that meets most.
    everything : list of Tuned
        All designs with as few settings and as small a size as their targets allow, for the figure.
    placed : int
        Placements of regions that were judged.
    nearest : list of Nearest
        How near the placements come to each latency target.
    """

    designs: int
    front: list[Tuned]
    everything: list[Tuned]
    placed: int
    nearest: list[Nearest]

    @property
    def best(self) -> Tuned:
        """The smallest design that meets most targets."""
        return min(self.front, key=lambda tuned: tuned.rank)

    @property
    def out_of_reach(self) -> list[Nearest]:
        """Latency targets that no placement meets."""
        return [row for row in self.nearest if not row.met]


def search(name: str = "rc3", *, sets: Sequence[str] = ()) -> Search:
    """Look for the smallest changes to a deployment that meet most of its targets.

    Parameters
    ----------
    name : str
        Deployment.
    sets : sequence of str
        ``key.path=value`` options it starts from.

    Returns
    -------
    Search
        Predictions; nothing is run.
    """

    def variant(more: Sequence[str]) -> Scenario:
        return load_scenario(name, sets=[*sets, *more])

    own = variant(())
    placed = placements(own)
    chains = list(_chains(own, variant))
    places = list(_places(own, placed))
    both = (Tuned(a.change + b.change, a.met | b.met) for a, b in itertools.product(front(chains), front(places)))
    kept = sorted(front(both), key=lambda tuned: tuned.rank, reverse=True)
    return Search(len(chains) * len(places), kept, chains, len(placed), nearest(own, placed))


def front(found: Iterable[Tuned]) -> list[Tuned]:
    """Designs that no other beats: as many targets, as few settings and as small, and better in one of them."""
    kept: list[Tuned] = []
    for tuned in sorted(found, key=lambda tuned: tuned.rank):
        change = tuned.change
        beaten = any(
            len(other.met) >= len(tuned.met)
            and other.change.settings <= change.settings
            and other.change.doublings <= change.doublings + 1e-9
            for other in kept
        )
        if not beaten:
            kept.append(tuned)
    return kept


# ------------------------------------------------------------------------------------------------------- the chain

Variant = Callable[[Sequence[str]], Scenario]


def _chains(own: Scenario, variant: Variant) -> Iterator[Tuned]:
    """Designs of machines, rounds, blocks and proofs, with the targets that each is predicted to meet."""
    limit = {target.id: target.limit for target in own.targets.target}
    back = [(restart, _met_by_restart(variant(restart.sets), limit)) for restart in _restarts(own)]
    for machine, engine, phases in itertools.product(_machines(own), _engines(own), _phases(own)):
        base = machine + engine + phases
        scenario = variant(base.sets)
        proofs = _proofs(scenario)
        for block in _blocks(own, scenario):
            whole = variant((*base.sets, *block.sets)) if block.sets else scenario
            chain = _met_by_chain(whole, limit)
            for (proof, proved), (restart, recovered) in itertools.product(proofs, back):
                yield Tuned(base + block + proof + restart, proved | chain | recovered)


def _machines(own: Scenario) -> list[Change]:
    has = own.deployment.hardware.cores
    return [NOTHING] + [
        Change(f"{cores} cores a node", (f"deployment.hardware.cores={cores}",), 1, math.log2(cores / has))
        for cores in CORES
        if cores > has
    ]


def _engines(own: Scenario) -> list[Change]:
    """The engine as it is, and the fast one that is measured."""
    already = SPARSE.endswith(f"={own.protocol.battle.engine}")
    return [NOTHING] + ([] if already else [Change("the sparse battle engine", (SPARSE,), 1, 0.0)])


def _phases(own: Scenario) -> list[Change]:
    timing = own.protocol.round
    names = {"commit_s": timing.commit_s, "reveal_s": timing.reveal_s, "pause_s": timing.pause_s}
    changes = [NOTHING]
    for seconds in PHASES_S:
        shorter = {name: has for name, has in names.items() if has > seconds}
        if shorter:
            sets = tuple(f"protocol.round.{name}={seconds}" for name in shorter)
            size = sum(math.log2(has / seconds) for has in shorter.values())
            changes.append(Change(f"phases of {seconds:g} s", sets, len(sets), size))
    return changes


def _blocks(own: Scenario, scenario: Scenario) -> list[Change]:
    """Blocks as they are, and with room for the rate of the target."""
    limit = next(target.limit for target in own.targets.target if target.id == "throughput")
    block, pool = own.protocol.block, own.protocol.mempool.capacity
    words, sets = cap(limit, round_s(scenario), scenario)
    values = {name: float(value) for name, _, value in (option.partition("=") for option in sets)}
    if values["protocol.block.max_transactions"] <= block.max_transactions:
        return [NOTHING]
    before = {
        "protocol.block.max_transactions": block.max_transactions,
        "protocol.block.gas_limit": block.gas_limit,
        "protocol.mempool.capacity": pool,
    }
    size = sum(abs(math.log2(value / before[name])) for name, value in values.items())
    return [NOTHING, Change(words, tuple(sets), len(sets), size)]


def _restarts(own: Scenario) -> list[Change]:
    """A process that comes back as it does, and sooner."""
    has = own.deployment.recovery.restart_median_s
    return [NOTHING] + [
        Change(
            f"a restart median of {median_s:g} s",
            (f"deployment.recovery.restart_median_s={median_s}",),
            1,
            math.log2(has / median_s),
        )
        for median_s in RESTARTS_S
        if median_s < has
    ]


def _met_by_restart(scenario: Scenario, limit: Mapping[str, float]) -> frozenset[str]:
    """Recovery targets that restarts are predicted to meet.

    Notes
    -----
    The time of a restart is lognormal. A row of hundreds of crashes needs its 97.5 % quantile; of a chaos test with 73
    trials the upper end of the interval of a 95th percentile is the largest, so the longest of them has to meet the
    limit: that is sure (95 %) if the 0.95^(1/73) quantile does.
    """
    times = scenario.deployment.recovery
    needed = {"node_recovery": UPPER_P95, "chaos.node_failure": SURE ** (1.0 / FULL.trials)}
    longest_s = {
        row: times.restart_median_s * math.exp(times.restart_sigma * NormalDist().inv_cdf(probability))
        for row, probability in needed.items()
    }
    return frozenset(row for row, value in longest_s.items() if row in limit and value < limit[row])


def _met_by_chain(scenario: Scenario, limit: Mapping[str, float]) -> frozenset[str]:
    """Targets of the chain that a design is predicted to meet.

    Notes
    -----
    A round carries its cap, or its gas. A transaction comes at a moment uniform over the round and is final after the
    next block's votes, so that 95 % wait less than 0.95 rounds; the votes take tenths of a second. The first block that
    is proposed after a loss is final within a time-out and a round; the next one anybody sees after a loss or a split
    within a round more, for what was under way may be lost.
    """
    block, length = scenario.protocol.block, round_s(scenario)
    met = set()
    if min(block.max_transactions, block.gas_limit // block.transaction_gas) / length >= limit["throughput"]:
        met.add("throughput")
    if P95 * length < limit["finality"]:
        met.add("finality")
    first_s = length + scenario.protocol.round.block_timeout_s
    within_s = {"regional_failover": first_s, **dict.fromkeys(NEXT_BLOCKS, first_s + length)}
    met |= {row for row, value in within_s.items() if row in limit and value < limit[row]}
    return frozenset(met)


def _proofs(scenario: Scenario) -> list[tuple[Change, frozenset[str]]]:
    """Proofs as they are, and the smallest changes that meet one or all of their targets."""
    constants = ProofConstants.from_mapping(scenario.proofs.model_dump())
    design, farm = Design.of(scenario), scenario.deployment.prover_farm
    limit = {target.id: target.limit for target in scenario.targets.target}
    rules: dict[str, Meets] = {
        "proof_time": below_seconds(limit["proof_time"]),
        "proof_backlog": keeps_up(scenario, limit["proof_backlog"]),
        "proof_memory": fits_memory,
    }
    tried: dict[frozenset[str], ProofChange] = {}
    for meets in (*rules.values(), _all(list(rules.values()))):
        for found in without_supersets(smallest_changes(constants, design, meets, farm=farm)):
            if found.built:  # a circuit that was only worked out is no remedy
                tried[frozenset(found.sets)] = found
    results = [(NOTHING, _met_by(constants, design, rules))]
    for found in tried.values():
        size = math.log2(max(found.factor, 1.0)) + (_farm_doublings(scenario) if "farm" in found.settings else 0.0)
        change = Change(found.words, found.sets, len(found.settings), size)
        results.append((change, _met_by(constants, found.design, rules)))
    return results


def _farm_doublings(scenario: Scenario) -> float:
    """How much a machine in a farm of every region adds to the cores of all nodes, logarithm base 2."""
    deployment = scenario.deployment
    added = len(deployment.region) * deployment.prover_farm.cores
    return math.log2(1.0 + added / (len(deployment.node) * deployment.hardware.cores))


def _all(rules: Sequence[Meets]) -> Meets:
    """Accept designs that every rule accepts."""

    def meets(points: ProofPoints, machines: Machines) -> Flags:
        good: Flags = np.logical_and.reduce([rule(points, machines) for rule in rules])
        return good

    return meets


def _met_by(constants: ProofConstants, design: Design, rules: Mapping[str, Meets]) -> frozenset[str]:
    """Targets that a design of proofs meets; a proof that does not fit is killed, whatever its time."""
    cores = np.array([design.cores])
    grid, steps = np.array([design.grid]), np.array([design.steps])
    points = proof_points(constants, design.circuit, design.prover, grid, steps, cores, design.depth)
    card = constants.family(design.prover).runs_on == "card"
    machines = Machines(cores, design.memory_gb, design.slots, design.farm, card)
    fits = float(points.memory_bytes[0]) * design.slots <= design.memory_gb * BYTES_PER_GB
    needs_room = {"proof_time", "proof_memory"}
    return frozenset(
        name for name, meets in rules.items() if meets(points, machines)[0] and (fits or name not in needs_room)
    )


# ------------------------------------------------------------------------------------------------------ the regions


def _places(own: Scenario, placed: Sequence[Placement]) -> Iterator[Tuned]:
    """Every placement as a change of the deployment's, another provider's matrix counting as one more setting."""
    default = own.latency.provider
    regions = own.deployment.region
    for placement in placed:
        moves = [
            (index, region.title, place)
            for index, (region, place) in enumerate(zip(regions, placement.places, strict=True))
            if place != region.cloud.get(placement.provider)
        ]
        words = [f"{title} in {place}" for _, title, place in moves]
        sets = [f"deployment.region.{index}.cloud.{placement.provider}={place}" for index, _, place in moves]
        other = placement.provider != default
        if moves or other:
            sets.append(f"latency={placement.source}")
        if other:
            words.append(f"the provider of {placement.source}")
        yield Tuned(Change(" and ".join(words), tuple(sets), len(words), 0.0), placement.met)
