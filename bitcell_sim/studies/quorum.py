"""Finality among any number of validators: the votes of single heights, without the chain around them.

Validators stand where the deployment's nodes do, again and again in their order; each has its own draws and machine.
With as many validators as nodes, what happens is what happens in a run of that deployment, to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitcell_sim.chain.block import check_core_s, wire_bytes
from bitcell_sim.chain.finality import quorum_stake
from bitcell_sim.config.schema import Scenario
from bitcell_sim.errors import InputError
from bitcell_sim.hosts.machine import core_rate
from bitcell_sim.kernels.mail import Mail, spread_ns
from bitcell_sim.kernels.mempool import NEVER
from bitcell_sim.kernels.quorum import ROUNDS_MAX, Course, Height, decide, rounds_before
from bitcell_sim.kernels.voting import FINAL_NS, FINAL_ROUND, LOCK_NS, PRECOMMIT, PREVOTE, Rules
from bitcell_sim.network.latency import build_paths
from bitcell_sim.network.link import healthy_links
from bitcell_sim.network.transport import Kind
from bitcell_sim.random_streams import Stream, stream_key
from bitcell_sim.studies.lab import resolve
from bitcell_sim.units import NS_PER_MS, NS_PER_S, seconds_to_ns

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.kernels.arrays import Ints

VALIDATORS_MAX = 1 << 16  # as many as the draws of messages tell apart
WAIT_S = 60.0  # the documents' limit of finality


@dataclass(frozen=True)
class Electorate:
    """Validators, where they stand, and how their messages travel.

    Parameters
    ----------
    scenario : Scenario
        Rules and machines.
    stakes : ndarray of int64, shape (validators,)
        Weight of each vote.
    place : ndarray of int64, shape (validators,)
        Node of the deployment beside which each stands.
    blocks, votes : Mail
        How both travel; a block's size is set when it is sent.
    """

    scenario: Scenario
    stakes: Ints
    place: Ints
    blocks: Mail
    votes: Mail

    @classmethod
    def of(cls, scenario: Scenario, stakes: Sequence[int], *, seed: int, horizon_ns: int) -> Electorate:
        """Validators with these stakes around the scenario's nodes, with states of the links up to a horizon."""
        deployment, wire, jitter = scenario.deployment, scenario.protocol.wire, scenario.latency.jitter
        limit = wire.retransmissions_max
        paths = build_paths(deployment, scenario.latency, seed=seed, horizon_ns=horizon_ns, retransmissions_max=limit)
        endpoints = len(deployment.node) + len(deployment.region)
        links = healthy_links(endpoints, deployment.hardware.uplink_mbit_per_s, jitter.loss_probability)
        np.fill_diagonal(links.loss, jitter.loss_probability)  # two validators of one place are two machines
        place = np.arange(len(stakes)) % len(deployment.node)
        block, vote = (np.uint64(stream_key(seed, f"transport.{kind.value}")) for kind in (Kind.BLOCK, Kind.VOTE))
        return cls(
            scenario,
            np.array(stakes, np.int64),
            place,
            Mail(block, 0, place, paths, links),
            Mail(vote, wire.vote_bytes + wire.overhead_bytes, place, paths, links),
        )

    def checked_ns(self, name: int, builder: int, built_ns: int, transactions: int, absent: Sequence[int]) -> Ints:
        """When each has checked a block that its builder sends to all, nanoseconds; NEVER for the absent.

        Parameters
        ----------
        name : int
            Index of the block; names the draws.
        builder : int
            Who makes it.
        built_ns : int
            When it is complete.
        transactions : int
            Plain ones in it; its battles are those of a tournament among the deployment's nodes.
        absent : sequence of int
            Who is down: nothing is sent to them.
        """
        protocol, deployment = self.scenario.protocol, self.scenario.deployment
        wire, battles = protocol.wire, len(deployment.node) - 1
        size = wire_bytes(protocol, transactions * protocol.block.transaction_bytes, battles)
        window = wire.window_bytes if size >= wire.bulk_bytes else 0
        mail = self.blocks._replace(size_bytes=size + wire.overhead_bytes)
        others = np.setdiff1d(np.arange(len(self.stakes)), [builder, *absent])
        arrivals = spread_ns(mail, name, builder, built_ns, window, others)
        core_s = check_core_s(protocol, transactions, battles)
        check_ns = round(core_s * NS_PER_S / core_rate(deployment.hardware.cores, 0.0))
        checked = np.where(arrivals < NEVER, arrivals + check_ns, NEVER)
        checked[builder] = built_ns
        return checked

    def vote(self, number: int, begin_ns: Ints, checked_ns: Ints, until_ns: int) -> Course:
        """Vote on one block.

        Parameters
        ----------
        number : int
            Height; names the draws.
        begin_ns, checked_ns : ndarray of int64, shape (validators,)
            When the height below is final at each, and when each has checked the block; NEVER if not.
        until_ns : int
            Where it stops.

        Raises
        ------
        InputError
            If more rounds could begin until then than votes have names for.
        """
        finality = self.scenario.protocol.finality
        timeout_ns, step_ns = seconds_to_ns(finality.timeout_s), seconds_to_ns(finality.timeout_step_s)
        total = int(self.stakes.sum())
        rules = Rules(quorum_stake(self.stakes.tolist()), total // 3 + 1, timeout_ns, step_ns)
        height = Height(number, self.stakes, begin_ns, checked_ns[None, :])
        rounds = rounds_before(height, rules, until_ns)
        if rounds == ROUNDS_MAX:
            raise InputError(
                f"{ROUNDS_MAX} rounds of voting could begin until the wait is over: a shorter wait_s, or a longer"
                f" protocol.finality.timeout_s than {finality.timeout_s}"
            )
        return decide(height, rules, self.votes, rounds, until_ns)


def quorum_times(
    scenario: str | Path | Scenario = "rc3",
    *,
    validators: int | None = None,
    heights: int = 1,
    transactions: int | None = 0,
    absent: Sequence[int] = (),
    stakes: Sequence[int] | None = None,
    wait_s: float = WAIT_S,
    seed: int = 1,
    sets: Sequence[str] = (),
    latency: str | None = None,
) -> pd.DataFrame:
    """Let any number of validators vote on single heights: one sends its block to all, all check it and vote.

    Parameters
    ----------
    scenario, seed, sets, latency
        As for :func:`bitcell_sim.simulate`: rules, machines, places and paths.
    validators : int, optional
        How many; as many as the deployment has nodes without it. Validator i stands where node i modulo their number
        does.
    heights : int
        How many, each in a new state of the links, each with a builder drawn from those present.
    transactions : int or None
        Plain ones in the block that the builder sends; None: all have the block, checked, from the start.
    absent : sequence of int
        Validators that are down.
    stakes : sequence of int, optional
        Weight of each vote; without it, that of the node beside which it stands.
    wait_s : float
        Seconds after which a height is left as it is.

    Returns
    -------
    DataFrame
        One row a height and validator: height, validator, region, stake, builder (whether it made the block); then,
        in milliseconds since the block was built and NaN for what did not happen, checked_ms, prevote_ms (its first),
        locked_ms (it saw a majority of prevotes), precommit_ms (its first), final_ms; and vote_round, the round that
        decided, -1 without an end.

    Examples
    --------
    >>> times = quorum_times("rc3", validators=100)
    >>> bool((times["final_ms"] > times["locked_ms"]).all())
    True
    """
    import pandas as pd

    resolved = resolve(scenario, sets, latency)
    nodes = resolved.deployment.node
    count = validators if validators is not None else len(stakes) if stakes is not None else len(nodes)
    weights = list(stakes) if stakes is not None else [nodes[i % len(nodes)].stake for i in range(max(count, 0))]
    _check(resolved, count, heights, transactions, absent, weights, wait_s)
    dwell_ns, wait_ns = seconds_to_ns(resolved.latency.jitter.slow_dwell_s), seconds_to_ns(wait_s)
    electorate = Electorate.of(resolved, weights, seed=seed, horizon_ns=heights * dwell_ns)
    present = np.setdiff1d(np.arange(count), absent)
    who = Stream.of(seed, "studies.quorum")
    frames = []
    for number in range(1, heights + 1):
        built_ns = (number - 1) * dwell_ns
        builder = int(present[who.below(len(present), number)])
        if transactions is None:
            checked_ns = np.where(np.isin(np.arange(count), present), built_ns, NEVER)
        else:
            checked_ns = electorate.checked_ns(number - 1, builder, built_ns, transactions, absent)
        course = electorate.vote(number, np.zeros(count, np.int64), checked_ns, built_ns + wait_ns)
        frames.append(_frame(electorate, number, builder, built_ns, checked_ns, course))
    return pd.concat(frames, ignore_index=True)


def _check(
    scenario: Scenario,
    count: int,
    heights: int,
    transactions: int | None,
    absent: Sequence[int],
    stakes: Sequence[int],
    wait_s: float,
) -> None:
    """Refuse what cannot be asked."""
    if not 1 <= count < VALIDATORS_MAX:
        raise InputError(f"validators = {count}: from 1 to {VALIDATORS_MAX - 1}")
    if heights < 1:
        raise InputError(f"heights = {heights}: at least 1")
    if not wait_s > 0.0:
        raise InputError(f"wait_s = {wait_s}: above 0 seconds")
    most = scenario.protocol.block.max_transactions
    if transactions is not None and not 0 <= transactions <= most:
        raise InputError(f"transactions = {transactions}: from 0 to {most}, what a block holds, or None")
    if len(stakes) != count or min(stakes) < 1:
        raise InputError(f"stakes: {count} whole numbers from 1, one for each validator; got {list(stakes)[:8]}...")
    strangers = [validator for validator in absent if not 0 <= validator < count]
    if strangers or len(set(absent)) == count:
        raise InputError(f"absent = {list(absent)[:8]}: some of the validators 0 to {count - 1}, not all of them")


def _frame(
    electorate: Electorate, height: int, builder: int, built_ns: int, checked_ns: Ints, course: Course
) -> pd.DataFrame:
    import pandas as pd

    nodes = electorate.scenario.deployment.node
    everyone = np.arange(len(electorate.stakes))
    moments: dict[str, Any] = {
        "checked_ms": checked_ns,
        "prevote_ms": course.cast_ns[:, PREVOTE].min(axis=0),
        "locked_ms": course.state[LOCK_NS],
        "precommit_ms": course.cast_ns[:, PRECOMMIT].min(axis=0),
        "final_ms": course.state[FINAL_NS],
    }
    return pd.DataFrame(
        {
            "height": height,
            "validator": everyone,
            "region": [nodes[at].region for at in electorate.place],
            "stake": electorate.stakes,
            "builder": everyone == builder,
        }
        | {name: np.where(at < NEVER, (at - built_ns) / NS_PER_MS, np.nan) for name, at in moments.items()}
        | {"vote_round": course.state[FINAL_ROUND]}
    )
