"""A whole run: as people write it, and as the simulator takes it."""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import Field

from bitcell_sim.config.base import Count, Many, ModelName, Name, Positive, Section, Text
from bitcell_sim.config.chaos import Chaos
from bitcell_sim.config.deployment import Deployment
from bitcell_sim.config.fault import Fault, FaultRates
from bitcell_sim.config.latency import LatencySource
from bitcell_sim.config.miner import Miner
from bitcell_sim.config.on_call import OnCall
from bitcell_sim.config.proofs import Proofs
from bitcell_sim.config.protocol import Protocol
from bitcell_sim.config.targets import Targets
from bitcell_sim.config.workload import Workload


class RunFrame(Section):
    """A scenario's own keys, beside its models."""

    name: Name = Field(description="Name of the scenario; its runs are stored under it.")
    title: Text = Field(description="One line for people.")
    duration_s: Positive = Field(description="Seconds that are simulated.")
    warmup_blocks: Count = Field(default=3, description="First blocks that no figure counts.")
    fault: Many[Fault] = Field(default=(), description="What goes wrong, and when.")
    miner: Many[Miner] = Field(default=(), description="Who mines otherwise than honestly.")


class Scenario(RunFrame):
    """A whole run: every model resolved, and the faults."""

    deployment: Deployment = Field(description="What stands where.")
    latency: LatencySource = Field(description="Round trips.")
    protocol: Protocol = Field(description="How the chain works.")
    proofs: Proofs = Field(description="What proofs cost.")
    workload: Workload = Field(description="What clients send.")
    targets: Targets = Field(description="The limits.")
    fault_rates: FaultRates = Field(description="Long-run fault rates, for availability.")
    chaos: Chaos = Field(description="Chaos tests.")
    on_call: OnCall = Field(description="People on call.")

    def _repr_html_(self) -> str:
        """Short table for a notebook, in the notebook's own colours, light or dark."""
        deployment, protocol = self.deployment, self.protocol
        counts = {region.name: 0 for region in deployment.region}
        for node in deployment.node:
            counts[node.region] += 1
        machine, battle = deployment.hardware, protocol.battle
        rows = {
            "Nodes": f"{len(deployment.node)}: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
            "Machine": f"{machine.cores} cores, {machine.memory_gb:g} GB, {machine.uplink_mbit_per_s:g} Mbit/s",
            "Round trips": f"{self.latency.name}: {self.latency.title}",
            "Protocol": f"{protocol.name}, {battle.engine} battle engine, at most {protocol.block.max_transactions}"
            f" transactions a block, proofs {protocol.proof.mode}",
            "Load": f"{self.workload.rate_tps:g} transactions/s",
            "Simulated": f"{self.duration_s:g} s",
            "Faults": "; ".join(_said(fault) for fault in self.fault) or "none",
        }
        left = 'style="text-align:left"'
        body = "".join(
            f'<tr><th scope="row" {left}>{name}</th><td {left}>{escape(value)}</td></tr>'
            for name, value in rows.items()
        )
        caption = f"<b>{escape(self.name)}</b>: {escape(self.title)}"
        return f"<table><caption {left}>{caption}</caption><tbody>{body}</tbody></table>"


def _said(fault: Fault) -> str:
    """A fault in a few words: its kind, its keys as they were given, and when."""
    timing = {"kind", "start_s", "duration_s"}
    keys = ", ".join(
        f"{name} {value}" for name, value in fault.model_dump(exclude_unset=True).items() if name not in timing
    )
    until = f" to {fault.start_s + fault.duration_s:g} s" if fault.duration_s is not None else " s"
    return f"{fault.kind} ({keys}), {fault.start_s:g}{until}"


class ScenarioFile(Section):
    """A scenario as people write it: models by name, changes in `override`, and the faults."""

    name: Name | None = Field(default=None, description="Name of the scenario; none: the file's own.")
    title: Text = Field(description="One line for people.")
    extends: ModelName | None = Field(default=None, description="Scenario this one changes.")
    deployment: ModelName | Deployment = Field(description="Deployment: a name, a .toml path, or a table.")
    latency: ModelName | LatencySource | None = Field(
        default=None,
        description="Latency source: a name, a .toml path, or a table; none: the deployment's own.",
    )
    protocol: ModelName | Protocol | None = Field(
        default=None,
        description="Protocol profile: a name, a .toml path, or a table; none: the deployment's own.",
    )
    proofs: ModelName | Proofs | None = Field(
        default=None,
        description="Proof cost model: a name, a .toml path, or a table; none: the deployment's own.",
    )
    workload: ModelName | Workload | None = Field(
        default=None,
        description="Workload: a name, a .toml path, or a table; none: the deployment's own.",
    )
    targets: ModelName | Targets | None = Field(
        default=None,
        description="Limits: a name, a .toml path, or a table; none: the deployment's own.",
    )
    fault_rates: ModelName | FaultRates | None = Field(
        default=None,
        description="Long-run fault rates: a name, a .toml path, or a table; none: the deployment's own.",
    )
    chaos: ModelName | Chaos | None = Field(
        default=None,
        description="Chaos tests: a name, a .toml path, or a table; none: the deployment's own.",
    )
    on_call: ModelName | OnCall | None = Field(
        default=None,
        description="People on call: a name, a .toml path, or a table; none: the deployment's own.",
    )
    duration_s: Positive | None = Field(default=None, description="Seconds simulated; none: the deployment's own.")
    warmup_blocks: Count = Field(default=3, description="First blocks that no figure counts.")
    override: dict[str, Any] = Field(
        default_factory=dict, description="Changes to the resolved models, by the key paths that --set takes."
    )
    fault: Many[Fault] = Field(default=(), description="What goes wrong, and when.")
    miner: Many[Miner] = Field(default=(), description="Who mines otherwise than honestly.")
