"""What would have to change for proofs to meet a limit: every design within reach is predicted, the smallest are kept.

A design is a circuit, its grid and steps, a prover, cores and memory. The search predicts the whole product of their
values (at most 64 along each) and keeps, of the designs that meet the limit, the smallest for every set of settings
that differ. Smallest is the least factor: cell-steps given up, times cores added, times memory added; another prover,
another circuit or a farm counts as a setting but has no size.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitcell_sim.config.schema import ProverFarm, Scenario
from bitcell_sim.proving.cost import ProofConstants
from bitcell_sim.proving.points import Floats, ProofPoints, proof_points
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.plan import round_s
from bitcell_sim.studies.proof_rows import site_of

Flags = npt.NDArray[np.bool_]
AXIS_MAX = 64
MEMORY_DOUBLINGS_MAX = 4
SETTINGS_MAX = 3
MACHINES_OF_A_FARM = 1


@dataclass(frozen=True)
class Design:
    """A proof, and the machine for it.

    Parameters
    ----------
    circuit : str
        Of the proof model.
    grid, steps, depth : int
        Dimensions; 0 where the circuit has none.
    prover : str
        Prover family.
    cores, memory_gb : float
        Of the machine, GB for the memory.
    slots : int
        Proofs at a time on it.
    farm : bool
        Whether the machine stands in a farm.
    """

    circuit: str
    grid: int
    steps: int
    depth: int
    prover: str
    cores: float
    memory_gb: float
    slots: int
    farm: bool

    @classmethod
    def of(cls, scenario: Scenario) -> Design:
        """The design of a scenario's battle proofs."""
        site, proof = site_of(scenario), scenario.protocol.proof
        memory_gb = site.memory_bytes / BYTES_PER_GB
        return cls(
            proof.circuit, proof.grid, proof.steps, 0, proof.prover, float(site.cores), memory_gb, site.slots, site.farm
        )


@dataclass(frozen=True)
class ProofChange:
    """A changed design that meets the limit.

    Parameters
    ----------
    words : str
        What is changed.
    sets : tuple of str
        The options that change it.
    design : Design
        As changed.
    settings : frozenset of str
        Names of what differs.
    built : bool
        False if it needs a circuit that was worked out but never built.
    factor : float
        Size of the change.
    seconds, ci_low, ci_high : float
        Predicted time of one proof with its interval, seconds.
    memory_bytes : int
        Peak memory of one proof.
    """

    words: str
    sets: tuple[str, ...]
    design: Design
    settings: frozenset[str]
    built: bool
    factor: float
    seconds: float
    ci_low: float
    ci_high: float
    memory_bytes: int

    @property
    def rank(self) -> tuple[int, bool, float, str]:
        """Order of changes: fewest settings, what exists before what does not, least factor."""
        return len(self.settings), not self.built, self.factor, self.words


@dataclass(frozen=True)
class Machines:
    """Machines of some designs.

    Parameters
    ----------
    cores : ndarray of float64, shape (n,)
        Cores of each.
    memory_gb : float
        Memory of each, GB.
    slots : int
        Proofs at a time on each.
    farm, card : bool
        Whether they stand in a farm, and whether proofs run on cards.
    """

    cores: Floats
    memory_gb: float
    slots: int
    farm: bool
    card: bool = False


Meets = Callable[[ProofPoints, Machines], Flags]


def below_seconds(limit_s: float) -> Meets:
    """Accept designs whose whole interval of one proof's time is below a limit, seconds."""
    return lambda points, _: points.ci_high < limit_s


def fits_memory(points: ProofPoints, _: Machines) -> Flags:
    """Accept every design: that its memory suffices is looked at anyway."""
    return np.ones(len(points.seconds), np.bool_)


def keeps_up(scenario: Scenario, limit_ratio: float) -> Meets:
    """Accept designs whose proofs take less than a share of the time that is there for them, round by round.

    Notes
    -----
    A round asks for b proofs. On n nodes they have what battles leave, n times the phases; on cards n whole rounds; in
    a farm of m machines that serves k of the n nodes, m n / k rounds. s slots get through s times as many proofs, each
    at the speed of 1/s of the cores.
    """
    protocol, deployment = scenario.protocol, scenario.deployment
    timing, nodes = protocol.round, len(deployment.node)
    battles = protocol.proof.proofs_per_block or nodes - 1
    phases_s = timing.commit_s + timing.reveal_s + timing.pause_s
    whole_s = max(round_s(scenario), phases_s)
    most = max(sum(node.region == region.name for node in deployment.node) for region in deployment.region)
    serial = ProofConstants.from_mapping(scenario.proofs.model_dump()).scaling

    def ratio(cores: Floats) -> Floats:
        used: Floats = np.minimum(cores, serial.threads_max_count)
        return np.where(used > 1.0, serial.serial_ratio + (1.0 - serial.serial_ratio) / used, 1.0 / used)

    def meets(points: ProofPoints, machines: Machines) -> Flags:
        each_s = points.ci_high / machines.slots
        if not machines.card:
            each_s = each_s * ratio(machines.cores / machines.slots) / ratio(machines.cores)
        free_s = nodes * (whole_s if machines.card else phases_s)
        if machines.farm:
            free_s = whole_s * nodes / most * (deployment.prover_farm.machines or MACHINES_OF_A_FARM)
        return battles * each_s < limit_ratio * free_s

    return meets


def smallest_changes(
    constants: ProofConstants, own: Design, meets: Meets, *, farm: ProverFarm | None = None
) -> list[ProofChange]:
    """Search for the smallest changes after which proofs meet a limit and fit the machine's memory.

    Parameters
    ----------
    constants : ProofConstants
        The proof model.
    own : Design
        The design as it is.
    meets : callable
        Takes predictions and machines of many designs, says which meet the limit.
    farm : ProverFarm, optional
        A farm in each region that could be built; without it, and for a design that has one, none is tried.

    Returns
    -------
    list of ProofChange
        One for each set of at most three settings, by :attr:`ProofChange.rank`; empty where nothing meets it.
    """
    best: dict[frozenset[str], ProofChange] = {}
    machines = [_own_machines(constants, own)]
    if farm is not None and not own.farm:
        machines.append(Machines(np.array([float(farm.cores)]), farm.memory_gb, farm.slots, True))
    for machine, circuit, prover in itertools.product(machines, _circuits(constants, own), _provers(constants, own)):
        for change in _passing(constants, own, machine, circuit, prover, meets):
            known = best.get(change.settings)
            if known is None or change.rank < known.rank:
                best[change.settings] = change
    return sorted(best.values(), key=lambda change: change.rank)


def without_supersets(changes: list[ProofChange]) -> list[ProofChange]:
    """Changes of which no part alone would do."""
    return [change for change in changes if not any(other.settings < change.settings for other in changes)]


def _own_machines(constants: ProofConstants, own: Design) -> Machines:
    """The design's own machine, and those with more cores, up to where they gain nothing."""
    most = max(constants.scaling.threads_max_count, math.ceil(own.cores))
    more = _thin(range(math.floor(own.cores) + 1, most + 1))
    return Machines(np.array([own.cores, *more], np.float64), own.memory_gb, own.slots, own.farm)


def _circuits(constants: ProofConstants, own: Design) -> list[str]:
    """The design's own circuit, and others that prove battles if it does."""
    if constants.circuit(own.circuit).grid_min_count == 0:
        return [own.circuit]
    return [own.circuit, *(n for n, c in constants.circuits.items() if c.grid_min_count and n != own.circuit)]


def _provers(constants: ProofConstants, own: Design) -> list[str]:
    """Prover families, the design's own first, then the slowest first: the mildest that does is kept."""
    others = (name for name in constants.provers if name != own.prover)
    return [own.prover, *sorted(others, key=lambda name: -constants.provers[name].time_factor)]


def _thin(values: range) -> list[int]:
    """At most 64 of the values, with both ends, evenly in their logarithm."""
    if len(values) <= AXIS_MAX:
        return list(values)
    wanted = np.geomspace(values[0], values[-1], AXIS_MAX)
    places = sorted({round((value - values[0]) / values.step) for value in wanted.tolist()})
    return [values[place] for place in places]


def _passing(
    constants: ProofConstants, own: Design, machine: Machines, circuit: str, prover: str, meets: Meets
) -> Iterator[ProofChange]:
    """The smallest change for each set of settings, with one kind of machine, circuit and prover."""
    shape = constants.circuit(circuit)
    grids, steps = [own.grid], [own.steps]
    if shape.grid_min_count:
        below = range(own.grid, shape.grid_min_count - 1, -1)
        grids = _thin(range(below[0], below[-1] - 1, -shape.grid_multiple_count)) if below else grids
        steps = _thin(range(own.steps, 0, -1))
    axes = np.meshgrid(np.array(grids), np.array(steps), machine.cores, indexing="ij")
    grid, step, cores = (axis.ravel() for axis in axes)
    points = proof_points(constants, circuit, prover, grid.astype(np.int64), step.astype(np.int64), cores, own.depth)
    need_gb = points.memory_bytes * machine.slots / BYTES_PER_GB
    doublings = np.maximum(np.ceil(np.log2(np.maximum(need_gb, 1e-9) / machine.memory_gb)), 0.0)
    factor = 2.0**doublings
    if shape.grid_min_count:
        factor = factor * (own.grid**2 * own.steps) / (grid**2 * step)
    factor = factor * (1.0 if machine.farm and not own.farm else cores / own.cores)
    card = constants.family(prover).runs_on == "card"
    good = meets(points, dataclasses.replace(machine, cores=cores, card=card)) & (doublings <= MEMORY_DOUBLINGS_MAX)
    differs = {
        "grid": grid != own.grid,
        "steps": step != own.steps,
        "cores": cores != own.cores if machine.farm == own.farm else np.zeros(len(grid), bool),
        "memory": doublings > 0,
    }
    fixed = {"circuit": circuit != own.circuit, "prover": prover != own.prover, "farm": machine.farm != own.farm}
    mask = sum(flags.astype(np.int64) << place for place, flags in enumerate(differs.values()))
    for value in np.unique(mask[good]):
        names = {name for place, name in enumerate(differs) if value >> place & 1}
        names |= {name for name, other in fixed.items() if other}
        if not 0 < len(names) <= SETTINGS_MAX:
            continue
        places = np.flatnonzero(good & (mask == value))
        at = int(places[np.argmin(factor[places])])
        design = dataclasses.replace(
            own,
            circuit=circuit,
            prover=prover,
            grid=int(grid[at]),
            steps=int(step[at]),
            cores=float(cores[at]),
            memory_gb=machine.memory_gb * 2.0 ** float(doublings[at]),
            slots=machine.slots,
            farm=machine.farm,
        )
        yield _change(constants, design, frozenset(names), float(factor[at]), points, at)


def _change(
    constants: ProofConstants,
    design: Design,
    settings: frozenset[str],
    factor: float,
    points: ProofPoints,
    at: int,
) -> ProofChange:
    pairs = [pair for name, *pair in _spelled(constants, design) if name in settings]
    return ProofChange(
        words=" and ".join(words for words, _ in pairs),
        sets=tuple(option for _, option in pairs),
        design=design,
        settings=settings,
        built=constants.circuit(design.circuit).status == "compiled",
        factor=factor,
        seconds=float(points.seconds[at]),
        ci_low=float(points.ci_low[at]),
        ci_high=float(points.ci_high[at]),
        memory_bytes=int(points.memory_bytes[at]),
    )


def _spelled(constants: ProofConstants, design: Design) -> Iterator[tuple[str, str, str]]:
    """Each setting's name, words and option."""
    where, owner = ("prover_farm", "farm machine") if design.farm else ("hardware", "node")
    status = "" if constants.circuit(design.circuit).status == "compiled" else " (derived, not built)"
    yield "circuit", f"the {design.circuit} circuit{status}", f"protocol.proof.circuit={design.circuit}"
    yield "grid", f"a grid of {design.grid}", f"protocol.proof.grid={design.grid}"
    yield "steps", f"{design.steps} step{'s' if design.steps > 1 else ''}", f"protocol.proof.steps={design.steps}"
    yield "prover", f"the {design.prover} prover", f"protocol.proof.prover={design.prover}"
    yield (
        "farm",
        f"a prover farm in each region ({MACHINES_OF_A_FARM} machine of {design.cores:g} cores)",
        f"deployment.prover_farm.machines={MACHINES_OF_A_FARM}",
    )
    yield "cores", f"{design.cores:g} cores a {owner}", f"deployment.{where}.cores={design.cores:.0f}"
    yield "memory", f"{design.memory_gb:g} GB a {owner}", f"deployment.{where}.memory_gb={design.memory_gb}"
