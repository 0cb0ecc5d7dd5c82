"""Cases of the fuzzer: settings and faults drawn from a seed, as the words of ``--set``.

Each seed draws which kinds of fault there are at all, and then the faults from these: seeds differ more than if each
drew from everything (swarm testing).

References
----------
Groce, Zhang, Eide, Chen, Regehr: Swarm testing, ISSTA 2012.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bitcell_sim.config import catalog
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.override import parse_set
from bitcell_sim.config.schema import Scenario
from bitcell_sim.config.wording import key_text
from bitcell_sim.config.writing import toml_value
from bitcell_sim.random_streams import Stream
from bitcell_sim.studies.liveness import bounds_of

Item = TypeVar("Item")
Fault = dict[str, Any]
FAULT, DURATION, RATE = "fault", "duration_s", "workload.rate_tps"

NODES_MIN = 4
BATTLE_CORE_S = (0.00027, 0.8)  # where battles take time, blocks of fewer miners come first and are lighter
FIRST_FAULT_S = 3.0
FAULTS_MAX = (4, 12, 30)
FAULT_S = (0.3, 40.0)
SAFETY_S = (30.0, 60.0, 90.0)
PHASE_S = (0.5, 1.0)
SLOW_MS = (20.0, 8000.0)  # up to several phases of a round
PULSE_S = 5.0  # longest: what is sent later overtakes what was sent in it
KINDS_MAX = 4  # in one seed
FAILING = 0.3  # share of seeds with failing regions, beside those that draw them anyway
FAILING_S = 8.0  # least: a height and what is voted on it
FAILING_MS = (800.0, 4000.0)
SKEW_MS = 3000.0
SLOW_WORLD = 0.25  # share of seeds in which most regions are slow: votes cross time-outs, reveals come late
SLOW_WORLD_MS = (300.0, 4000.0)


@dataclass(frozen=True)
class Case:
    """One short simulation: a profile, a seed, and what is set.

    Parameters
    ----------
    profile : str
        Deployment that everything not set is taken from.
    seed : int
        Seed of the simulation.
    settings : mapping of str to object
        Values by key, as for ``--set``; ``fault`` has the faults.
    """

    profile: str
    seed: int
    settings: Mapping[str, Any]

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong, each fault as its keys."""
        return list(self.settings.get(FAULT, ()))

    def with_(self, **changes: Any) -> Case:
        """Change settings whose keys have no dot."""
        return replace(self, settings={**self.settings, **changes})

    def setting(self, key: str, value: Any) -> Case:
        """Change one setting."""
        return replace(self, settings={**self.settings, key: value})

    def without(self, key: str) -> Case:
        """Leave one setting to the profile."""
        return replace(self, settings={name: value for name, value in self.settings.items() if name != key})

    def words(self) -> list[str]:
        """Write the settings as ``key=value``."""
        return [f"{key}={inline(value)}" for key, value in self.settings.items()]

    def scenario(self) -> Scenario:
        """Load the scenario."""
        return load_scenario(self.profile, sets=self.words())

    def options(self) -> str:
        """Options of a command line that say the settings."""
        return " ".join(f"--set {shlex.quote(word)}" for word in self.words())


def inline(value: Any) -> str:
    """Write a value as TOML on one line, tables too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline, value)) + "]"
    return toml_value(value)


def stated(sets: Sequence[str]) -> dict[str, Any]:
    """Settings that a person asks for.

    Parameters
    ----------
    sets : sequence of str
        Options ``key.path=value``.
    """
    changes = map(parse_set, sets)
    return {key_text(change.path): change.value for change in changes}


class Dice:
    """Draws one after the other from one stream.

    Parameters
    ----------
    seed : int
        What they are a function of.
    """

    def __init__(self, seed: int) -> None:
        self._stream = Stream.of(seed, "fuzz.case")
        self._count = 0

    def _next(self) -> float:
        self._count += 1
        return self._stream.uniform(self._count)

    def chance(self, probability: float) -> bool:
        """Whether something with a probability happens."""
        return self._next() < probability

    def between(self, low: float, high: float) -> float:
        """Number in a range, in milliseconds' steps so that it is short to write."""
        return round(low + (high - low) * self._next(), 3)

    def magnitude(self, low: float, high: float) -> float:
        """Number in a range, its logarithm uniform."""
        return round(low * math.exp(math.log(high / low) * self._next()), 3)

    def whole(self, low: int, high: int) -> int:
        """Whole number from low to high, both possible."""
        return low + int((high - low + 1) * self._next())

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of some items."""
        return items[int(len(items) * self._next())]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All items in another order."""
        return [item for _, item in sorted(((self._next(), place), item) for place, item in enumerate(items))]


def draw_case(profile: str, seed: int, sets: Sequence[str] = ()) -> Case:
    """Draw the case of a seed.

    Parameters
    ----------
    profile : str
        Deployment.
    seed : int
        All of it is a function of it.
    sets : sequence of str
        Options ``key.path=value`` that override what is drawn. With ``fault=`` they state the whole case, and nothing
        is drawn.
    """
    said = stated(sets)
    if FAULT in said:
        return Case(profile, seed, said)
    base = load_scenario(profile)
    dice = Dice(seed)
    case = Case(profile, seed, {**_timings(dice), **_surroundings(dice, base), FAULT: [], **said})
    scenario = case.scenario()
    case = case.with_(fault=_faults(dice, scenario))
    if DURATION not in said:
        case = case.with_(duration_s=float(math.ceil(bounds_of(case.scenario()).needed_s)))
    return case


def _timings(dice: Dice) -> dict[str, Any]:
    """Short rounds, so that much happens in a short run."""
    phase_s = dice.one_of(PHASE_S)
    return {
        "protocol.battle.engine": "sparse",
        "protocol.round.commit_s": phase_s,
        "protocol.round.reveal_s": phase_s,
        "protocol.round.pause_s": dice.one_of((0.5, 1.0)),
        "protocol.round.block_timeout_s": phase_s * dice.one_of((2.0, 4.0)),
        "protocol.finality.timeout_s": dice.one_of((0.3, 1.0, 2.0, 4.0)),
        "protocol.finality.timeout_step_s": dice.one_of((0.5, 1.0)),
        "deployment.recovery.discovery_interval_s": dice.one_of((3.0, 8.0)),
        "deployment.recovery.restart_median_s": dice.one_of((1.0, 5.0)),
        "deployment.recovery.restart_sigma": 0.2,
        "deployment.load_balancer.dns_failover_s": 5.0,
    }


def _surroundings(dice: Dice, base: Scenario) -> dict[str, Any]:
    """Network, stakes, machines and load."""
    settings: dict[str, Any] = {
        "latency": dice.one_of(catalog.names("latency")),
        RATE: dice.magnitude(0.5, 12.0),
        "workload.gas_price.sigma": dice.one_of((0.0, 1.0)),
        "protocol.block.max_transactions": dice.one_of((1000, 200)),
        "workload.data_bytes_mean": dice.one_of((0.0, 0.0, 500.0)),
        "protocol.battle.engines.sparse.core_s": dice.one_of(BATTLE_CORE_S),
        "deployment.clock_offset_sigma_ms": dice.one_of((5.0, 5.0, 100.0)),
        "deployment.load_balancer.redispatch": dice.chance(0.5),
    }
    if dice.chance(0.3):
        settings["deployment.load_balancer.placement"] = dice.one_of([region.name for region in base.deployment.region])
    if dice.chance(0.3):
        settings["deployment.hardware.uplink_mbit_per_s"] = dice.magnitude(1.0, 100.0)
    if dice.chance(0.6):
        settings["deployment.node"] = _nodes(dice, base)
        settings["deployment.recovery.healthy_peers"] = NODES_MIN - 1
    return settings


def _nodes(dice: Dice, base: Scenario) -> list[dict[str, Any]]:
    """Some of the profile's nodes, mostly one in each region, with equal stakes or not."""
    nodes = list(base.deployment.node)
    firsts = list({node.region: node for node in reversed(nodes)}.values())
    some = firsts if dice.chance(0.5) else dice.shuffled(nodes)[: dice.whole(NODES_MIN, len(nodes))]
    kept = [node for node in nodes if node in some]
    equal = dice.chance(0.5)
    return [
        {
            **node.model_dump(exclude_defaults=True, exclude={"bootstrap"}),
            "bootstrap": [other.id for other in kept if other is not node][:2],
            "stake": 100 if equal else dice.whole(50, 200),
        }
        for node in kept
    ]


def _faults(dice: Dice, scenario: Scenario) -> list[Fault]:
    """Faults of the kinds of this seed, all over by the end of the safety phase."""
    kinds = dice.shuffled(tuple(KINDS))[: dice.whole(1, KINDS_MAX)]
    if dice.chance(FAILING):
        kinds += ["failing", "drifting"]
    safety_s = dice.one_of(SAFETY_S)
    faults = _slow_world(dice, scenario, safety_s) if dice.chance(SLOW_WORLD) else []
    for _ in range(dice.whole(1, dice.one_of(FAULTS_MAX))):
        kind = dice.one_of(kinds)
        longest_s = PULSE_S if kind == "pulse" else min(FAULT_S[1], safety_s - FIRST_FAULT_S - 1.0)
        duration_s = dice.magnitude(FAILING_S if kind in ("failing", "drifting") else FAULT_S[0], longest_s)
        start_s = dice.between(FIRST_FAULT_S, safety_s - duration_s)
        for fault in KINDS[kind](dice, scenario):
            later_s = duration_s * float(fault.pop("later_ratio", 0.0))
            ends_s = duration_s * float(fault.pop("ends_ratio", 1.0))
            times = {"start_s": round(start_s + later_s, 3), "duration_s": round(ends_s - later_s, 3)}
            faults.append({**fault, **times})
    return sorted(faults, key=lambda fault: float(fault["start_s"]))


def _slow_world(dice: Dice, scenario: Scenario, safety_s: float) -> list[Fault]:
    times = {"start_s": FIRST_FAULT_S, "duration_s": safety_s - FIRST_FAULT_S}
    regions = [region for region in _regions(scenario) if dice.chance(0.7)]
    slow = [(region, dice.magnitude(*SLOW_WORLD_MS)) for region in regions]
    return [{"kind": "latency", "target": region, "added_ms": added_ms, **times} for region, added_ms in slow]


def _node(dice: Dice, scenario: Scenario) -> str:
    return dice.one_of(scenario.deployment.node).id


def _region(dice: Dice, scenario: Scenario) -> str:
    return dice.one_of(_regions(scenario))


def _regions(scenario: Scenario) -> list[str]:
    """Regions that have nodes."""
    return list(dict.fromkeys(node.region for node in scenario.deployment.node))


def _place(dice: Dice, scenario: Scenario) -> str:
    return _node(dice, scenario) if dice.chance(0.6) else _region(dice, scenario)


def _groups(dice: Dice, scenario: Scenario) -> list[list[str]]:
    """Two or three groups of nodes, or two of regions; some nodes may be in none and hear all."""
    regional = dice.chance(0.3)
    order = dice.shuffled(_regions(scenario) if regional else [node.id for node in scenario.deployment.node])
    if dice.chance(0.3) and len(order) > 2:
        order = order[1:]
    cuts = sorted({dice.whole(1, len(order) - 1) for _ in range(1 + dice.chance(0.2))})
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def _pulse(dice: Dice, scenario: Scenario) -> list[Fault]:
    """All paths between regions but those of one are slow: that one hears what the others do not hear of each other."""
    others = dice.shuffled(_regions(scenario))[1:]
    added_ms = dice.magnitude(1000.0, SLOW_MS[1])
    pairs = itertools.combinations(others, 2)
    return [{"kind": "latency", "between": list(pair), "added_ms": added_ms} for pair in pairs]


def _failing(dice: Dice, scenario: Scenario) -> list[Fault]:
    """A region is slow, and after a while cut off from some of the nodes too."""
    region = _region(dice, scenario)
    others = dice.shuffled([node.id for node in scenario.deployment.node if node.region != region])
    cut = others[: dice.whole(1, len(others))]
    slow = {"kind": "latency", "target": region, "added_ms": dice.magnitude(*FAILING_MS)}
    groups = [[region], cut]
    return [slow, {"kind": "partition", "groups": groups, "later_ratio": dice.between(0.0, 0.5)}]


def _drifting(dice: Dice, scenario: Scenario) -> list[Fault]:
    """A region is slow and in the end cut off, while a few others are away and come back: three parts take turns."""
    region = _region(dice, scenario)
    others = dice.shuffled([node.id for node in scenario.deployment.node if node.region != region])
    away = others[: dice.whole(1, max(1, len(others) // 2))]
    rest = others[len(away) :]
    cut = {"kind": "partition", "groups": [[region], others], "later_ratio": dice.between(0.2, 0.8)}
    gone = {"kind": "partition", "groups": [away, [region, *rest]], "ends_ratio": dice.between(0.4, 1.0)}
    return [{"kind": "latency", "target": region, "added_ms": dice.magnitude(*FAILING_MS)}, gone, cut]


def _paths(dice: Dice, scenario: Scenario) -> Fault:
    """All paths of a place, or those between two regions."""
    if dice.chance(0.6):
        return {"target": _place(dice, scenario)}
    return {"between": dice.shuffled(_regions(scenario))[:2]}


KINDS: dict[str, Callable[[Dice, Scenario], list[Fault]]] = {
    "crash": lambda dice, s: [{"kind": "process-crash", "node": _node(dice, s)}],
    "host": lambda dice, s: [{"kind": "host-loss", "node": _node(dice, s)}],
    "region": lambda dice, s: [{"kind": "region-loss", "region": _region(dice, s)}],
    "split": lambda dice, s: [{"kind": "partition", "groups": _groups(dice, s)}],
    "one way": lambda dice, s: [{"kind": "partition", "groups": _groups(dice, s), "one_way": True}],
    "slow": lambda dice, s: [{"kind": "latency", **_paths(dice, s), "added_ms": dice.magnitude(*SLOW_MS)}],
    "pulse": _pulse,
    "failing": _failing,
    "drifting": _drifting,
    "lossy": lambda dice, s: [{"kind": "loss", **_paths(dice, s), "probability": dice.between(0.05, 0.6)}],
    "narrow": lambda dice, s: [
        {"kind": "bandwidth", "target": _place(dice, s), "uplink_mbit_per_s": dice.magnitude(0.05, 10.0)}
    ],
    "processor": lambda dice, s: [{"kind": "cpu", "target": _place(dice, s), "factor": dice.between(0.02, 0.9)}],
    "memory": lambda dice, s: [{"kind": "memory", "target": _place(dice, s), "factor": dice.between(0.02, 0.9)}],
    "clocks": lambda dice, s: [
        {"kind": "clock-skew", "target": _place(dice, s), "offset_ms": dice.between(-SKEW_MS, SKEW_MS)}
    ],
    "surge": lambda dice, s: [{"kind": "load-surge", "factor": dice.one_of((0.0, 3.0, 8.0))}],
}
