"""bitcell_sim: a network simulator and discrete-event performance lab for the BitCell RC3 mesh.

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bitcell_sim.version import __version__ as __version__

if TYPE_CHECKING:
    from bitcell_sim.chain.battle import Glider, Pattern
    from bitcell_sim.config.loader import load_scenario
    from bitcell_sim.errors import ConfigError, InputError, LabError
    from bitcell_sim.report.chaos import ChaosCard
    from bitcell_sim.report.comparison import Comparison
    from bitcell_sim.report.contests import Battle, Tournament, Tournaments
    from bitcell_sim.report.results import Run
    from bitcell_sim.report.scorecard import Scorecard
    from bitcell_sim.report.sweep import SweepTable
    from bitcell_sim.studies.balance import balance
    from bitcell_sim.studies.fights import fight, tournament, tournaments
    from bitcell_sim.studies.lab import chaos, compare, load_run, ping, replicate, simulate, sweep, verify
    from bitcell_sim.studies.quorum import quorum_times

_HOMES = {
    "Battle": "report.contests",
    "ChaosCard": "report.chaos",
    "Comparison": "report.comparison",
    "ConfigError": "errors",
    "Glider": "chain.battle",
    "InputError": "errors",
    "LabError": "errors",
    "Pattern": "chain.battle",
    "Run": "report.results",
    "Scorecard": "report.scorecard",
    "SweepTable": "report.sweep",
    "Tournament": "report.contests",
    "Tournaments": "report.contests",
    "balance": "studies.balance",
    "chaos": "studies.lab",
    "compare": "studies.lab",
    "fight": "studies.fights",
    "load_run": "studies.lab",
    "load_scenario": "config.loader",
    "ping": "studies.lab",
    "quorum_times": "studies.quorum",
    "replicate": "studies.lab",
    "simulate": "studies.lab",
    "sweep": "studies.lab",
    "tournament": "studies.fights",
    "tournaments": "studies.fights",
    "verify": "studies.lab",
}

__all__ = [
    "Battle",
    "ChaosCard",
    "Comparison",
    "ConfigError",
    "Glider",
    "InputError",
    "LabError",
    "Pattern",
    "Run",
    "Scorecard",
    "SweepTable",
    "Tournament",
    "Tournaments",
    "balance",
    "chaos",
    "compare",
    "fight",
    "load_run",
    "load_scenario",
    "ping",
    "quorum_times",
    "replicate",
    "simulate",
    "sweep",
    "tournament",
    "tournaments",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bitcell_sim' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"bitcell_sim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *__all__})
