"""A deployment checked before it runs: its own figures against each other, then a boot in the simulator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bitcell_sim.config.loader import load_scenario

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """What one check came to.

    Parameters
    ----------
    level : {"ok", "warning", "error"}
        ``warning``: it runs, but look at this before you trust it; ``error``: it would not work.
    where : str
        Key as ``--set`` takes it, or the check of the boot.
    what : str
        What was found, with its figures.
    fix : str
        What would be right; empty where nothing is wrong.
    """

    level: Level
    where: str
    what: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding as JSON has it."""
        return asdict(self)


def validate(
    scenario: str | Path = "rc3", *, seed: int = 1, sets: Sequence[str] = (), latency: str | None = None
) -> list[Finding]:
    """Check a deployment, then boot it in the simulator for the nine checks of the documents' validation script.

    Parameters
    ----------
    scenario : str or Path
        Deployment, scenario or file.
    seed : int
        Seed of the boot.
    sets : sequence of str
        ``key.path=value`` options.
    latency : str, optional
        Latency source instead of the deployment's own.

    Returns
    -------
    list of Finding
        First the checks of the figures, then ``boot: ...``.

    Raises
    ------
    ConfigError
        If the deployment cannot even be read; it lists everything that is wrong.

    Examples
    --------
    >>> found = validate("rc3")
    >>> [finding.where for finding in found if finding.level == "error"]
    []
    """
    from bitcell_sim.studies import validate_boot, validate_network, validate_services

    resolved = load_scenario(scenario, sets=sets, latency=latency)
    parts: Iterable[Iterator[Finding]] = (
        validate_services.check(resolved),
        validate_network.check(resolved),
        validate_boot.check(resolved, seed=seed),
    )
    return [finding for part in parts for finding in part]
