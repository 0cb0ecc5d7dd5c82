"""Which of the faults that RC3 fears its alert rules notice.

Question
--------
The RC3 document claims 27 alert rules and says that "monitoring catches all critical issues (needs validation)".
Upstream's repository has 15. Which faults does each set notice, how late, and which of its rules never can fire?

Setup
-----
Every fault of models/monitoring/expected.toml after half an hour of quiet at 10 TPS, in the simulated mesh;
Prometheus scrapes it every 15 s over the simulated network; promtool, the real rule engine, says what fired.

Answer
------
The 27 notice all but one: a single validator that votes two ways is banned, one of seven is below their 20 %, and
nothing says so. The 15 notice half: four of them never can fire, HighCrossRegionLatency fires at all times, and
nobody watches Prometheus, Alertmanager or the error budget.

Limits
------
What should answer to what is assumed (expected.toml). One cloud, one deployment, faults of fixed strength and half an
hour; windows longer than the run's history see only that history.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitcell_sim.config.catalog import models_dir
from bitcell_sim.errors import MissingToolError
from bitcell_sim.report.alerts import AlertCard
from bitcell_sim.studies.alerts import ALL, Request, alerts

FIGURE, BUILT_FIGURE, TABLE = "alert_coverage.png", "alert_coverage_as_built.png", "alert_coverage.csv"
QUICK_FAULTS = ("regional-failure", "dead-prometheus")


def judged(rules: Path | None, *, quick: bool) -> dict[str, Any]:
    """What a set of rules makes of the faults; of some of them, once, if it has to be quick."""
    if not quick:
        return alerts(Request(rules=rules, fault=ALL, runs=3))
    parts = [alerts(Request(rules=rules, fault=name, runs=1)) for name in QUICK_FAULTS]
    fired = {rule["alert"] for part in parts for rule in part["rules"] if rule["ever_fired"]}
    rules_of = [{**rule, "ever_fired": rule["alert"] in fired} for rule in parts[0]["rules"]]
    return {**parts[0], "faults": [part["faults"][0] for part in parts], "rules": rules_of}


def sentence(content: dict[str, Any], name: str) -> str:
    """One set in words."""
    faults, rules = content["faults"], content["rules"]
    noticed = [fault for fault in faults if fault["detected_runs"] == fault["n"]]
    lost = [fault["name"] for fault in faults if fault not in noticed]
    never = [rule["alert"] for rule in rules if rule["never"]]
    said = f"{name}: {len(noticed)} of {len(faults)} faults are noticed"
    said += f", not {', '.join(lost)}" if lost else ""
    return said + (f"; never can fire: {', '.join(never)}" if never else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, draw, print the verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two faults, once")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the figures and the table")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        own = judged(None, quick=options.quick)
        built = judged(models_dir() / "monitoring" / "as-built" / "rules.yml", quick=options.quick)
    except MissingToolError as error:
        AlertCard({"faults": [], "rules": []}).plot().savefig(options.out / FIGURE, dpi=150)
        print(f"Verdict: unknown: {error}")
        return
    AlertCard(own).plot().savefig(options.out / FIGURE, dpi=110, facecolor="white")
    AlertCard(built).plot().savefig(options.out / BUILT_FIGURE, dpi=110, facecolor="white")
    frames = [AlertCard(content).frame.assign(rules=name) for content, name in ((own, "27"), (built, "as built"))]
    lines = [",".join(frames[0].columns)]
    lines += [",".join(map(str, row)) for frame in frames for row in frame.itertuples(index=False)]
    (options.out / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Verdict: {sentence(own, 'the 27')}. {sentence(built, 'Upstream’s 15')}.")
    print(json.dumps(own["quiet"]["false_alarms_per_month"]) + " false alarms in 30 days without faults")
    print(f"figure: {options.out / FIGURE}")


if __name__ == "__main__":
    main()
