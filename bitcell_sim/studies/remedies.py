"""What would have to change for a failing target to pass: changes, smallest first, each tried by running it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bitcell_sim.config.schema import LatencySource, Scenario
from bitcell_sim.proving.cost import ProofConstants
from bitcell_sim.proving.site import BYTES_PER_GB
from bitcell_sim.studies.measures import Kind, Measurement, Task
from bitcell_sim.studies.plan import Size, round_s
from bitcell_sim.studies.proof_rows import memory_gb, site_of
from bitcell_sim.studies.proof_search import (
    Design,
    below_seconds,
    fits_memory,
    keeps_up,
    smallest_changes,
    without_supersets,
)
from bitcell_sim.studies.reasons import obstacles
from bitcell_sim.studies.rows import Evidence, Row, make_row, maker_of

Variant = Callable[[Sequence[str]], Scenario]
SPARSE = "protocol.battle.engine=sparse"
HEADROOM = 1.1
PROOF_CHANGES_MAX = 5
SEARCHED = ("proof_time", "proof_backlog", "proof_memory")
NOTHING_FOUND = "nothing within three changed settings is predicted to pass"


@dataclass(frozen=True)
class Candidate:
    """A change, and the scenario with it.

    Parameters
    ----------
    change : str
        In words, with the options that make it.
    scenario : Scenario
        The deployment as it would be.
    """

    change: str
    scenario: Scenario


@dataclass(frozen=True)
class Change:
    """A candidate that was run."""

    change: str
    measured: float | None
    verdict: str


def candidates(row: Row, scenario: Scenario, variant: Variant) -> list[Candidate]:
    """Changes worth trying for a failing row.

    Parameters
    ----------
    row : Row
        The failing row.
    scenario : Scenario
        As it was run.
    variant : callable
        The scenario with further ``--set`` options.
    """
    if obstacles(row.id, scenario):
        return []  # what would have to change is what its sentence says
    if row.id.startswith("latency."):
        return list(_routes(row, scenario, variant))
    makers = {
        "throughput": _throughput,
        "finality": _faster_rounds,
        "regional_failover": _faster_rounds,
        "node_recovery": _faster_restart,
        **dict.fromkeys(SEARCHED, _other_proofs),
    }
    maker = makers.get(row.id)
    return [_set(variant, words, sets) for words, sets in maker(row, scenario, variant)] if maker else []


def tasks_of(row: Row, tried: Sequence[Candidate], size: Size, seed: int, limit: float) -> list[Task]:
    """Runs that try the candidates of a row."""
    if not tried:
        return []
    kinds: tuple[Kind, ...] = maker_of(row.id)[1]
    count = 1 if kinds == ("pings",) else size.replications
    offered = limit if row.id == "throughput" else 0.0
    return [
        Task(kind, candidate.scenario, seed + number, size, offered)
        for candidate in tried
        for kind in kinds
        for number in range(count)
    ]


def judge_changes(
    row: Row, tried: Sequence[Candidate], results: Mapping[Task, Measurement], tasks: Sequence[Task], seed: int
) -> list[Change]:
    """The row again for each candidate.

    Parameters
    ----------
    row, tried : Row, sequence of Candidate
        The failing row and what was tried for it.
    results : mapping of Task to Measurement
        Of all rows' tasks; rows may share them.
    tasks : sequence of Task
        This row's.
    seed : int
        First seed.
    """
    changes = []
    for candidate in tried:
        measured: dict[Kind, list[Measurement]] = {}
        for task in tasks:
            if task.scenario == candidate.scenario:
                measured.setdefault(task.kind, []).append(results[task])
        target = next(t for t in candidate.scenario.targets.target if t.id == row.id)
        limit = memory_gb(candidate.scenario) if row.id == "proof_memory" else target.limit
        again = make_row(target.model_copy(update={"limit": limit}), Evidence(candidate.scenario, seed, measured))
        changes.append(Change(candidate.change, again.measured, again.verdict))
    return changes


def sentence(row: Row, changes: Sequence[Change]) -> str:
    """What would pass, and what comes nearest if nothing does."""
    good = [change for change in changes if change.verdict == "pass"]
    if good:
        named = " or ".join(f"{change.change} ({_figure(change, row)})" for change in good[:3])
        return f"would pass with {named}"
    known = [change for change in changes if change.measured is not None]
    if not known:
        return "no change that was tried passes"
    better = max if row.comparison.startswith(">") else min
    nearest = better(known, key=lambda change: change.measured or 0.0)
    return f"none of {len(changes)} changes tried passes; nearest: {nearest.change} ({_figure(nearest, row)})"


def _figure(change: Change, row: Row) -> str:
    return f"{change.measured:.3g} {row.unit}" if change.measured is not None else "no figure"


def _set(variant: Variant, words: str, sets: Sequence[str]) -> Candidate:
    return Candidate(words, variant(sets))


Options = Iterator[tuple[str, list[str]]]


def cap(rate_tps: float, seconds: float, scenario: Scenario) -> tuple[str, list[str]]:
    """Cap and gas limit that carry a rate with rounds of a length."""
    count = math.ceil(rate_tps * HEADROOM * seconds / 100.0) * 100
    gas = count * scenario.protocol.block.transaction_gas
    sets = [f"protocol.block.max_transactions={count}"]
    words = f"{count} transactions a block"
    if gas > scenario.protocol.block.gas_limit:
        sets.append(f"protocol.block.gas_limit={gas}")
        words += f" and a gas limit of {gas / 1e6:g} M"
    pool = scenario.protocol.mempool.capacity
    if count > pool:
        sets.append(f"protocol.mempool.capacity={2 * count}")
        words += f" and a pool of {2 * count}"
    return words, sets


def _throughput(row: Row, scenario: Scenario, variant: Variant) -> Options:
    yield "the sparse battle engine", [SPARSE]
    words, sets = cap(row.limit, round_s(scenario), scenario)
    yield words, sets
    words, sets = cap(row.limit, round_s(variant([SPARSE])), scenario)
    yield f"the sparse battle engine and {words}", [SPARSE, *sets]
    shorter = ["protocol.round.commit_s=3.0", "protocol.round.reveal_s=3.0", "protocol.round.pause_s=3.0"]
    yield "the sparse battle engine and phases of 3 s", [SPARSE, *shorter]


def _faster_rounds(row: Row, scenario: Scenario, variant: Variant) -> Options:
    yield "a block time-out of 5 s", ["protocol.round.block_timeout_s=5.0"]
    yield "the sparse battle engine", [SPARSE]
    yield "the sparse battle engine and a block time-out of 5 s", [SPARSE, "protocol.round.block_timeout_s=5.0"]


def _faster_restart(row: Row, scenario: Scenario, variant: Variant) -> Options:
    for median_s in (10.0, 5.0):
        yield f"a restart median of {median_s:g} s", [f"deployment.recovery.restart_median_s={median_s}"]


def _other_proofs(row: Row, scenario: Scenario, variant: Variant) -> Options:
    """The smallest changes of the proofs and their machines that are predicted to pass, found by search."""
    meets = {
        "proof_time": below_seconds(row.limit),
        "proof_backlog": keeps_up(scenario, row.limit),
        "proof_memory": fits_memory,
    }[row.id]
    yield from _room_for_aggregates(row, scenario)
    constants = ProofConstants.from_mapping(scenario.proofs.model_dump())
    found = smallest_changes(constants, Design.of(scenario), meets, farm=scenario.deployment.prover_farm)
    for change in without_supersets(found)[:PROOF_CHANGES_MAX]:
        yield change.words, list(change.sets)


def _room_for_aggregates(row: Row, scenario: Scenario) -> Options:
    """Memory for an aggregate beside the proofs on a node, if the row fails for it."""
    site, proof = site_of(scenario), scenario.protocol.proof
    if row.id != "proof_time" or not site.aggregated:
        return
    at_home_gb = 0.0 if site.farm else site.slots * site.prediction.memory_bytes / BYTES_PER_GB
    needs_gb = proof.aggregations[proof.aggregation].memory_gb + at_home_gb
    has_gb = scenario.deployment.hardware.memory_gb
    if needs_gb > has_gb:
        enough_gb = has_gb * 2.0 ** math.ceil(math.log2(needs_gb / has_gb))
        yield f"{enough_gb:g} GB a node", [f"deployment.hardware.memory_gb={enough_gb}"]


# ------------------------------------------------------------------------------------------------ latency


def _routes(row: Row, scenario: Scenario, variant: Variant) -> Iterator[Candidate]:
    """Other places, other providers, and the route that would do."""
    own = scenario.latency
    places = {site.name for site in own.site}
    for index, region in enumerate(scenario.deployment.region):
        for other in region.cloud_alternatives.get(own.provider, ()):
            if other not in places:
                continue
            if row.id == "latency.cross-region" or region.name in row.id.split("."):
                sets = [f"deployment.region.{index}.cloud.{own.provider}={other}"]
                yield _set(variant, f"{region.name} in {other}", sets)
    for name in ("aws-2025", "azure-2026", "gcp-2022"):
        if name != own.name:
            yield Candidate(f"the provider of {name}", variant([f"latency={name}"]))
    if row.measured is not None and row.limit > 0:
        factor = 0.98 * row.limit / row.measured
        words = f"routes {factor:.2f} times as long as today's"
        floor = row.beside.get("floor_ms")
        if floor:
            stretch = factor * (row.beside.get("p50_ms") or 0.0) / floor
            words = f"a route of at most {stretch:.2f} times light in fibre (today {stretch / factor:.2f})"
        yield Candidate(words, scenario.model_copy(update={"latency": _scaled(own, factor)}))


def _scaled(source: LatencySource, factor: float) -> LatencySource:
    """The same source with every route shorter."""
    links = []
    for link in source.link:
        update: dict[str, float] = {"rtt_ms": link.rtt_ms * factor}
        if link.rtt_p95_ms is not None:
            update["rtt_p95_ms"] = link.rtt_p95_ms * factor
        if link.slow_scale_ms is not None:
            update["slow_scale_ms"] = link.slow_scale_ms * factor
        links.append(link.model_copy(update=update))
    return source.model_copy(update={"link": tuple(links)})
