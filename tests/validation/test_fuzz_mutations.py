"""The fuzzer notices when a protection of the protocol is taken away: ten and more, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitcell_sim.chain import node, recovery, voter
from bitcell_sim.chain.connections import Connections
from bitcell_sim.engine.plane import KernelPlane
from bitcell_sim.studies.fuzz import fuzz

Patch = pytest.MonkeyPatch
SEEDS = 30
"""Seeds within which each has to be noticed."""


def nothing(*_arguments: Any, **_options: Any) -> None:
    """Do not do it."""


def quorum_of_a_third(patch: Patch) -> None:
    """A third of the stake decides; each side of a split has that."""
    for module in ("chain.finality", "chain.ballots"):
        patch.setattr(f"bitcell_sim.{module}.quorum_stake", lambda stakes: sum(stakes) // 3 + 1)


def final_blocks_left(patch: Patch) -> None:
    """A node follows the heaviest chain, whatever is final or locked."""
    patch.setattr(node, "keeps", lambda block, final, locks: True)


def included_kept_in_the_pool(patch: Patch) -> None:
    """What a block holds stays in the pool, and goes into the next one."""
    patch.setattr(KernelPlane, "include", nothing)


def left_blocks_not_given_back(patch: Patch) -> None:
    """What a block holds that is left for a better chain is not pending again."""
    patch.setattr(KernelPlane, "restore", nothing)


def builders_choose(patch: Patch) -> None:
    """A builder leaves out what it does not like."""
    select = KernelPlane.select

    def picky(plane: KernelPlane, at: int, now_ns: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        rows = select(plane, at, now_ns)
        return rows[rows % 7 > 0]

    patch.setattr(KernelPlane, "select", picky)


def peers_not_looked_for(patch: Patch) -> None:
    """Who has lost a peer does not look for it again."""
    patch.setattr(Connections, "_look", nothing)


def rounds_do_not_time_out(patch: Patch) -> None:
    """A round of voting that cannot end goes on for ever."""
    patch.setattr(voter.Voter, "_on_timer", nothing)


def downloads_not_given_up(patch: Patch) -> None:
    """An answer that does not come is waited for, for ever."""
    patch.setattr(recovery.Download, "_give_up", nothing)


MUTATIONS: dict[str, tuple[Callable[[Patch], None] | str, set[str]]] = {
    "quorum of a third": (quorum_of_a_third, {"double_finality"}),
    "final blocks left": (final_blocks_left, {"disagreement", "double_finality"}),
    "included kept in the pool": (included_kept_in_the_pool, {"transaction_duplicated"}),
    "left blocks not given back": (left_blocks_not_given_back, {"transaction_lost"}),
    "builders choose": (builders_choose, {"not_served"}),
    "peers not looked for": (peers_not_looked_for, {"no_progress", "disagreement"}),
    "rounds do not time out": (rounds_do_not_time_out, {"no_progress"}),
    "downloads not given up": (downloads_not_given_up, {"disagreement", "no_progress"}),
    "no lock": ("protocol.quirks.no_locking=true", {"double_finality"}),
    "votes summed": ("protocol.quirks.votes_summed=true", {"double_finality"}),
    "pool keyed by price and second": ("protocol.quirks.price_second_key=true", {"transaction_lost"}),
    "chain in memory": ("protocol.quirks.chain_in_memory=true", {"finality_reverted"}),
}


def first_failures(mutation: str, patch: Patch, seed: int) -> set[str]:
    """Properties that fail in one seed without the protection."""
    how, _ = MUTATIONS[mutation]
    sets: tuple[str, ...] = ()
    if isinstance(how, str):
        sets = (how,)
    else:
        how(patch)
    found = fuzz("rc3", seeds=1, start=seed, sets=sets, workers=1)
    return {failure["property"] for failure in found["failures"]}
