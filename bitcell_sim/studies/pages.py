"""What a page needs beside a run: round trips of every pair, and a run of the scenario's own load."""

from __future__ import annotations

import numpy as np

from bitcell_sim.config.schema import Scenario
from bitcell_sim.engine.outcome import Outcome
from bitcell_sim.engine.simulation import simulate_once
from bitcell_sim.studies.ping import ping_pairs
from bitcell_sim.studies.plan import QUICK, steady

REPEATS = 200


def latency_samples(scenario: Scenario, seed: int, repeat: int = REPEATS) -> dict[tuple[str, str], list[float]]:
    """Round trips between regions, milliseconds, by (source region, target region)."""
    return {
        (ping.source_region, ping.target_region): ping.rtt_ms[~np.isnan(ping.rtt_ms)].tolist()
        for ping in ping_pairs(scenario, seed=seed, repeat=repeat)
    }


def steady_run(scenario: Scenario, seed: int) -> Outcome:
    """One run of the scenario; its own faults if it has any, else the steady load that the scorecard is judged on."""
    return simulate_once(scenario if scenario.fault else steady(scenario, QUICK.blocks), seed=seed)
