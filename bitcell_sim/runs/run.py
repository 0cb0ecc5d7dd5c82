"""A run as the rooms above see it, whether it has just ended or was read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitcell_sim.config.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.engine.outcome import Outcome
    from bitcell_sim.faults.checkers import Violation


@dataclass(frozen=True, eq=False, repr=False)
class RunData:
    """One run: what ran, what happened, and where it is kept.

    Parameters
    ----------
    scenario, seed
        What ran.
    tables : mapping of str to DataFrame
        See docs/reference/tables.md; those of a stored run are read when they are first used.
    trace_digest : str
        SHA-256 over all tables: equal digests are equal runs.
    counts : mapping of str to int
        Rows of every table.
    simulated_s : float
        Simulated time, seconds.
    violations : tuple of Violation
        What the safety checkers found; empty in a sound run.
    manifest : mapping
        Contents of ``manifest.json``; empty where the run was not stored.
    path : Path, optional
        The run folder; none where the run was not stored.
    """

    scenario: Scenario
    seed: int
    tables: Mapping[str, pd.DataFrame]
    trace_digest: str
    counts: Mapping[str, int]
    simulated_s: float
    violations: tuple[Violation, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def __repr__(self) -> str:
        where = f", {str(self.path)!r}" if self.path else ""
        return (
            f"<run of {self.scenario.name}, seed {self.seed}, {self.simulated_s:g} s, {self.trace_digest[:12]}{where}>"
        )

    @classmethod
    def of(cls, outcome: Outcome) -> RunData:
        """Run that has just ended, in memory.

        Parameters
        ----------
        outcome : Outcome
            What the engine handed over.
        """
        return cls(
            scenario=outcome.scenario,
            seed=outcome.seed,
            tables=outcome.tables,
            trace_digest=outcome.trace_digest,
            counts=outcome.counts,
            simulated_s=outcome.simulated_s,
            violations=tuple(outcome.violations),
        )
