"""What a deployment, its network, its protocol and its faults may say; every model is frozen and refuses unknown keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of every table: frozen, unknown keys refused, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


# ------------------------------------------------------------------------------------------------ deployment


class Hardware(Section):
    """One node's machine."""

    cores: PositiveCount
    memory_gb: Positive
    disk_gb: Positive
    uplink_mbit_per_s: Positive


class Region(Section):
    """A region of the deployment, and what it is called at each provider."""

    name: Name
    title: str
    cloud: dict[str, str] = Field(default_factory=dict)


class Node(Section):
    """One validator, which also mines, proves and serves clients."""

    id: Name
    region: Name
    zone: Name = "a"
    host: str = ""  # empty: a machine of its own, named by its address
    address: str
    p2p_port: Port
    rpc_port: Port
    metrics_port: Port
    bootstrap: tuple[Name, ...] = ()
    stake: PositiveCount = 100


class Service(Section):
    """A program that runs beside the nodes."""

    name: Name
    region: Name
    host: str
    ports: tuple[Port, ...]
    url: str


class LoadBalancer(Section):
    """HAProxy's settings, in front of the nodes' RPC ports."""

    placement: str = "per-region"  # or the name of the one region it stands in
    check_interval_s: Positive
    check_timeout_s: Positive
    fall: PositiveCount
    rise: PositiveCount
    retries: Count
    retry_pause_s: Positive
    connect_timeout_s: Positive
    redispatch: bool
    dns_failover_s: NonNegative
    health_path: str
    health_port: Literal["metrics", "rpc"]


class Recovery(Section):
    """How a process comes back after a crash."""

    restart_median_s: Positive
    restart_sigma: NonNegative
    host_repair_median_s: Positive
    host_repair_sigma: NonNegative
    dial_timeout_s: Positive
    discovery_interval_s: Positive
    healthy_peers: Count  # peers a node needs before it counts as recovered
    headers_per_request: PositiveCount


class Deployment(Section):
    """Nodes, regions, services, hardware, and the names of the models it runs on by default."""

    name: Name
    title: str
    latency: Name
    protocol: Name
    proofs: Name
    workload: Name
    targets: Name
    fault_rates: Name
    clock_offset_sigma_ms: NonNegative
    peer_limit: PositiveCount
    hardware: Hardware
    region: tuple[Region, ...]
    node: tuple[Node, ...]
    service: tuple[Service, ...] = ()
    load_balancer: LoadBalancer
    recovery: Recovery


# --------------------------------------------------------------------------------------------------- latency


class Jitter(Section):
    """What is added to the base of a round trip; see docs/reference for the formula."""

    slow_dwell_s: Positive
    fast_scale_ms: NonNegative
    spike_probability: Probability
    spike_scale_ms: NonNegative
    spike_alpha: Positive
    spike_max_ms: NonNegative
    loss_probability: Probability


class Site(Section):
    """Where a cloud region stands, for the fibre floor."""

    name: str
    place: str
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]


class Link(Section):
    """One directed pair of cloud regions: median round trip, and its slow spread as a 95th percentile or a scale."""

    source: str
    target: str
    rtt_ms: Positive
    rtt_p95_ms: Positive | None = None
    slow_scale_ms: NonNegative | None = None


class IntraRegion(Section):
    """Round trips between nodes of one region."""

    same_zone_rtt_ms: Positive
    cross_zone_rtt_ms: Positive


class LatencySource(Section):
    """A matrix of measured round trips with its jitter model."""

    name: Name
    title: str
    source: str
    date: str
    statistic: Literal["p50", "mean", "expected"]
    measures: Literal["rtt", "one-way"]
    provider: str
    local: bool = False  # one machine: no distance, so no fibre floor
    jitter: Jitter
    intra_region: IntraRegion
    site: tuple[Site, ...] = ()
    link: tuple[Link, ...]


# -------------------------------------------------------------------------------------------------- protocol


class Round(Section):
    """The phases of one height on a node's own clock."""

    commit_s: Positive
    reveal_s: Positive
    pause_s: NonNegative
    block_timeout_s: Positive
    block_interval_s: NonNegative  # 0: the node's own timing; else a block waits for the next multiple


class BattleEngine(Section):
    """How long one battle takes on a node, by Amdahl's law over its cores."""

    core_s: Positive
    serial_fraction: Probability


class Battle(Section):
    """The tournament's battles: rules, and whose engine computes them."""

    steps: PositiveCount
    engine: str
    engines: dict[str, BattleEngine]


class Block(Section):
    """Limits and sizes of a block."""

    max_transactions: PositiveCount
    gas_limit: PositiveCount
    transaction_gas: PositiveCount
    data_byte_gas: Count
    header_bytes: PositiveCount
    transaction_bytes: PositiveCount
    proof_bytes: PositiveCount
    work_per_proof: PositiveCount


class Mempool(Section):
    """The pool of pending transactions of one node."""

    capacity: PositiveCount


class Finality(Section):
    """Prevote and precommit; more than two thirds of the stake."""

    timeout_s: Positive
    timeout_step_s: NonNegative


class Wire(Section):
    """Message sizes and how streams behave."""

    vote_bytes: PositiveCount
    commit_bytes: PositiveCount
    reveal_bytes: PositiveCount
    announce_bytes: PositiveCount
    overhead_bytes: Count
    bulk_bytes: PositiveCount  # from here on a message takes its turn on the sender's uplink
    window_bytes: PositiveCount
    small_share_max: Probability
    retransmissions_max: PositiveCount


class Costs(Section):
    """Processor time of checks, in core-milliseconds."""

    transaction_check_ms: NonNegative
    proof_check_ms: NonNegative
    block_check_ms: NonNegative


class Proof(Section):
    """What a block's builder proves."""

    mode: Literal["pipelined", "inline", "off"]
    circuit: Literal["battle", "lean-battle"]
    prover: str
    grid: PositiveCount
    steps: PositiveCount
    slots: PositiveCount
    missing_after_blocks: PositiveCount


class Protocol(Section):
    """How the chain works."""

    name: Name
    title: str
    round: Round
    battle: Battle
    block: Block
    mempool: Mempool
    finality: Finality
    wire: Wire
    costs: Costs
    proof: Proof


# ----------------------------------------------------------------------------------------- workload and faults


class GasPrice(Section):
    """Whole gas prices, lognormal, at least 1."""

    median: Positive
    sigma: NonNegative


class Workload(Section):
    """Clients: open Poisson arrivals, shared over regions."""

    name: Name
    title: str
    rate_tps: NonNegative
    region_weight: dict[str, NonNegative] = Field(default_factory=dict)  # empty: equal
    client_timeout_s: Positive
    access_delay_ms: NonNegative
    data_bytes_mean: NonNegative
    gas_price: GasPrice


class FaultBase(Section):
    """When a fault holds."""

    start_s: NonNegative
    duration_s: Positive | None = None  # none: to the end of the run


class NodeFault(FaultBase):
    """A process dies and restarts by itself, or a host is lost with it and has to be replaced."""

    kind: Literal["process-crash", "host-loss"]
    node: Name
    # duration_s: time until the process starts again; none: drawn from the deployment's recovery


class RegionLoss(FaultBase):
    """Every node of a region and its load balancer stop answering; packets to it are dropped."""

    kind: Literal["region-loss"]
    region: Name
    duration_s: Positive


class Partition(FaultBase):
    """No packets between groups of regions or nodes; `one_way` cuts only from the first group to the others."""

    kind: Literal["partition"]
    groups: tuple[tuple[Name, ...], ...]
    one_way: bool = False


class LinkFault(FaultBase):
    """A path gets slower, or lossy, between two regions or on every path of one region or node."""

    kind: Literal["latency", "loss"]
    between: tuple[Name, Name] | None = None
    target: Name | None = None
    added_ms: NonNegative = 0.0  # one way; kind latency
    probability: Probability = 0.0  # kind loss


class BandwidthFault(FaultBase):
    """A node's or a region's uplinks are limited."""

    kind: Literal["bandwidth"]
    target: Name
    uplink_mbit_per_s: Positive


class HostFault(FaultBase):
    """A node's processor or memory is limited to a factor of what it has."""

    kind: Literal["cpu", "memory"]
    target: Name
    factor: Annotated[float, Field(gt=0, le=1)]


class LoadSurge(FaultBase):
    """Offered load multiplied."""

    kind: Literal["load-surge"]
    factor: NonNegative


Fault = Annotated[
    NodeFault | RegionLoss | Partition | LinkFault | BandwidthFault | HostFault | LoadSurge, Field(discriminator="kind")
]


class FaultClass(Section):
    """Onsets and repairs of one class of fault for long-run availability."""

    mtbf_h: Positive
    repair_median_s: Positive
    repair_sigma: NonNegative


class FaultRates(Section):
    """The five independent classes of the uptime target."""

    name: Name
    title: str
    process: FaultClass
    host: FaultClass
    zone: FaultClass
    region: FaultClass
    global_: FaultClass = Field(alias="global")


# ------------------------------------------------------------------------------------------------- targets


class Target(Section):
    """One limit of the RC3 documents, word for word, and how it is measured."""

    id: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z-]+)*$")]
    title: str
    words: str
    statistic: str
    unit: str
    limit: float
    comparison: Literal["<", "<=", ">", ">="]
    how: str


class Targets(Section):
    """All limits a deployment is judged by."""

    name: Name
    title: str
    target: tuple[Target, ...]


class Proofs(Section):
    """Constants of the proof cost model; the keys are those of models/proofs (see `proving.cost`)."""

    name: Name
    title: str


class Scenario(Section):
    """A whole run: every model resolved, and the faults."""

    name: Name
    title: str
    deployment: Deployment
    latency: LatencySource
    protocol: Protocol
    proofs: Proofs
    workload: Workload
    targets: Targets
    fault_rates: FaultRates
    duration_s: Positive
    warmup_blocks: Count
    fault: tuple[Fault, ...] = ()
