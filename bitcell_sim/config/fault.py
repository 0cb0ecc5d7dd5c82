"""What goes wrong: faults of one run, and the long-run rates of the uptime target."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Many, Name, NonNegative, Pair, Positive, Probability, Section, Text


class FaultBase(Section):
    """When a fault holds."""

    start_s: NonNegative = Field(description="Seconds from the start of the run to the onset.")
    duration_s: Positive | None = Field(default=None, description="Seconds it holds; none: to the end of the run.")


class Gradual(FaultBase):
    """A fault that may grow and shrink."""

    ramp_s: NonNegative = Field(
        default=0.0, description="Seconds over which it grows to full strength from its start, and shrinks to its end."
    )


Share = Annotated[float, Field(gt=0, le=1)]
SHARE = "Share of all nodes, rounded, drawn anew by each seed"


class NodeFault(FaultBase):
    """A process dies and restarts by itself, or a host is lost with it and has to be replaced."""

    kind: Literal["process-crash", "host-loss"] = Field(description="What is lost.")
    node: Name | None = Field(default=None, description="Node it hits; or give region or share_ratio.")
    region: Name | None = Field(default=None, description="Region, all its nodes; or give node or share_ratio.")
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}; or give node or region.")
    ramp_s: NonNegative = Field(
        default=0.0, description="Seconds over which the nodes go, evenly, one after another; each holds its duration."
    )
    duration_s: Positive | None = Field(
        default=None, description="Seconds until the process starts again; none: drawn from the deployment's recovery."
    )


class RegionLoss(FaultBase):
    """Every node of a region and its load balancer stop answering; packets to it are dropped."""

    kind: Literal["region-loss"] = Field(description="A region goes silent.")
    region: Name = Field(description="Region that is lost.")
    duration_s: Positive = Field(description="Seconds it is lost.")


class MonitoringLoss(FaultBase):
    """A program that watches the mesh dies on its machine; the mesh itself does not notice."""

    kind: Literal["monitoring-loss"] = Field(description="Monitoring dies.")
    service: Literal["prometheus", "alertmanager"] = Field(description="Which program.")
    region: Name = Field(description="Region whose program dies.")
    duration_s: Positive = Field(description="Seconds it is dead.")


class Partition(FaultBase):
    """No packets between groups of regions or nodes; `one_way` cuts only from the first group to the others."""

    kind: Literal["partition"] = Field(description="The network splits.")
    groups: Many[Many[Name]] | None = Field(
        default=None,
        description="Groups of regions or nodes that do not hear each other; nodes in none stay connected to all. "
        "Or give share_ratio.",
    )
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}, cut from all others; or give groups.")
    one_way: bool = Field(default=False, description="Cut only what the first group, or the share, sends.")


class LinkFault(Gradual):
    """A path gets slower, or lossy: between two regions or nodes, or every path of a region, a node or a share."""

    kind: Literal["latency", "loss"] = Field(description="What happens to packets.")
    between: Pair[Name] | None = Field(default=None, description="Two regions or nodes; or give target or share_ratio.")
    target: Name | None = Field(
        default=None, description="Region, all its paths to elsewhere, or node; or give between or share_ratio."
    )
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}, all their paths; or give between or target.")
    one_way: bool = Field(
        default=False, description="Only what the first of `between`, the target or the share sends; else both ways."
    )
    added_ms: NonNegative = Field(default=0.0, description="Added one-way delay in ms (kind latency).")
    probability: Probability = Field(default=0.0, description="Probability that a packet is lost (kind loss).")


class BandwidthFault(Gradual):
    """Uplinks of a node, a region or a share of the nodes are limited."""

    kind: Literal["bandwidth"] = Field(description="Uplinks are limited.")
    target: Name | None = Field(default=None, description="Region or node; or give share_ratio.")
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}; or give target.")
    uplink_mbit_per_s: Positive = Field(description="What each uplink carries, Mbit/s.")


class HostFault(Gradual):
    """A node's processor or memory is limited to a factor of what it has."""

    kind: Literal["cpu", "memory"] = Field(description="What is limited.")
    target: Name | None = Field(default=None, description="Region or node; or give share_ratio.")
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}; or give target.")
    factor: Annotated[float, Field(gt=0, le=1)] = Field(description="Share that is left.")


class ClockFault(Gradual):
    """Clocks of a node, a region or a share of the nodes are wrong; with a ramp they drift."""

    kind: Literal["clock-skew"] = Field(description="Clocks are wrong.")
    target: Name | None = Field(default=None, description="Region or node; or give share_ratio.")
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}; or give target.")
    offset_ms: float = Field(description="What is added to the clock, ms; below 0 it is late.")


class Drain(FaultBase):
    """Load balancers send a node, or the nodes of a region, no new request: what is done before a planned stop."""

    kind: Literal["drain"] = Field(description="Nodes are taken out of use.")
    target: Name | None = Field(default=None, description="Region or node; or give share_ratio.")
    share_ratio: Share | None = Field(default=None, description=f"{SHARE}; or give target.")


class LoadSurge(Gradual):
    """Offered load multiplied."""

    kind: Literal["load-surge"] = Field(description="Clients send more.")
    factor: NonNegative = Field(description="What the offered load is multiplied by.")


Fault = Annotated[
    NodeFault
    | RegionLoss
    | MonitoringLoss
    | Partition
    | LinkFault
    | BandwidthFault
    | HostFault
    | ClockFault
    | Drain
    | LoadSurge,
    Field(discriminator="kind"),
]


class FaultClass(Section):
    """Onsets and repairs of one class of fault for long-run availability."""

    mtbf_h: Positive = Field(description="Mean hours from a repair to the next onset; exponential.")
    repair_median_s: Positive = Field(description="Median seconds of a repair; lognormal.")
    repair_sigma: NonNegative = Field(description="Sigma of the logarithm of the repair time.")


class FaultRates(Section):
    """The seven independent classes of the uptime target."""

    name: Name = Field(description="Name of the rates.")
    title: Text = Field(description="One line for people.")
    process: FaultClass = Field(description="A node's process crashes (per node).")
    host: FaultClass = Field(description="A machine, of a node or a balancer, is lost (per machine).")
    zone: FaultClass = Field(description="A zone fails with all that stands in it (per zone).")
    region: FaultClass = Field(description="A whole region fails (per region).")
    region_pair: FaultClass = Field(description="Two regions fail at once (per pair of regions).")
    global_: FaultClass = Field(alias="global", description="A correlated event that takes the quorum.")
    balancer: FaultClass = Field(description="A load balancer's process crashes (per balancer).")


KINDS_OF_FAULT = {
    "process-crash": "a node's process dies and restarts by itself",
    "host-loss": "a node's machine is lost and has to be replaced",
    "region-loss": "every node of a region and its load balancer go silent",
    "monitoring-loss": "a Prometheus or an Alertmanager dies",
    "partition": "groups of regions or nodes do not hear each other",
    "latency": "paths get slower",
    "loss": "paths lose packets",
    "bandwidth": "uplinks are limited",
    "cpu": "a share of the processor is left",
    "memory": "a share of the memory is left",
    "clock-skew": "clocks are wrong, or drift",
    "drain": "load balancers send no new requests",
    "load-surge": "clients send more",
}
