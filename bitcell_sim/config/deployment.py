"""What stands where: regions, nodes, services, the load balancer and how a process comes back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bitcell_sim.config.base import (
    Address,
    Count,
    Host,
    Many,
    ModelName,
    Name,
    NonNegative,
    Port,
    Positive,
    PositiveCount,
    Section,
    Some,
    Text,
)


class Hardware(Section):
    """One node's machine."""

    cores: PositiveCount = Field(description="Processor cores; battles, checks and proofs share them.")
    memory_gb: Positive = Field(description="Memory in GB (10^9 bytes); a proof that needs more is killed.")
    disk_gb: Positive = Field(description="Disk in GB (10^9 bytes); `validate` says when the blocks fill it.")
    uplink_mbit_per_s: Positive = Field(description="Network card in Mbit/s; bulk messages take turns on it.")


class ProverFarm(Section):
    """Machines that compute the proofs of a region's nodes; one farm in each region, alike."""

    machines: Count = Field(description="Machines of each farm; 0: there is none, every node proves for itself.")
    cores: PositiveCount = Field(description="Processor cores of one machine.")
    memory_gb: Positive = Field(description="Memory of one machine in GB (10^9 bytes).")
    slots: PositiveCount = Field(
        description="Proofs a machine computes at a time. A prover on cards has one for each slot."
    )
    request_bytes: PositiveCount = Field(description="Bytes that ask for a proof, without the witness.")
    witness_bytes_per_constraint: NonNegative = Field(
        description="Bytes of the witness sent along, per constraint; 0: the farm computes the witness itself."
    )


class Region(Section):
    """A region of the deployment, and what it is called at each provider."""

    name: Name = Field(description="Name that nodes, services, faults and client weights refer to.")
    title: Text = Field(description="Name for people.")
    cloud: dict[str, str] = Field(
        default_factory=dict,
        description="Provider -> its region's name; a latency source of a provider missing here is asked for `name`.",
    )
    cloud_alternatives: dict[str, Many[str]] = Field(
        default_factory=dict, description="Provider -> other regions of it that could stand for this one."
    )


class Node(Section):
    """One validator, which also mines, proves and serves clients."""

    id: Name = Field(description="Name of the node; its place in the list is the index that keys its random draws.")
    region: Name = Field(description="Region it stands in.")
    zone: Name = Field(default="a", description="Zone of the region; two zones are a little apart and fail apart.")
    host: Host = Field(
        default="", description="Machine whose ports it shares; empty: a machine of its own, named by its address."
    )
    address: Address = Field(description="Address of the node, unique in the deployment.")
    p2p_port: Port = Field(description="Port other nodes dial.")
    rpc_port: Port = Field(description="Port clients and the load balancer use.")
    metrics_port: Port = Field(description="Port of /metrics, and of /health as designed.")
    bootstrap: Many[Name] = Field(default=(), description="Nodes it dials at start.")
    stake: PositiveCount = Field(default=100, description="Voting weight in finality.")


class Service(Section):
    """A program that runs beside the nodes."""

    name: Name = Field(description="Name of the service.")
    region: Name = Field(description="Region it stands in.")
    host: Address = Field(description="Machine it runs on; no two programs of a machine may share a port.")
    ports: Some[Port] = Field(description="Ports it publishes on its machine.")
    url: Text = Field(description="Where people open it; its port is one of `ports`.")


class LoadBalancer(Section):
    """HAProxy's settings, in front of the nodes' RPC ports."""

    placement: Name = Field(
        default="per-region", description="`per-region`: one in each region; or the one region it stands in."
    )
    backends: Literal["all", "regional"] = Field(
        default="all",
        description="`all`: every client is served by all nodes; `regional`: by those of its region while one is up.",
    )
    check_interval_s: Positive = Field(
        description="Seconds from the end of a backend's health check to the start of the next (`inter`)."
    )
    check_timeout_s: Positive | None = Field(
        default=None,
        description="Seconds from connection to answer of a health check (`timeout check`); without it a whole check"
        " may take `check_interval_s`.",
    )
    fall: PositiveCount = Field(description="Failed checks in a row that take a backend out.")
    rise: PositiveCount = Field(description="Good checks in a row that bring a backend back.")
    retries: Count = Field(description="Times a refused connection is tried again.")
    retry_pause_s: Positive = Field(
        description="Seconds between two tries of a refused connection; at most `connect_timeout_s`."
    )
    connect_timeout_s: Positive = Field(description="Seconds a connection may take (`timeout connect`).")
    server_timeout_s: Positive = Field(description="Seconds until a request without answer fails (`timeout server`).")
    redispatch: bool = Field(description="Whether a retry may go to another backend (`option redispatch`).")
    dns_failover_s: NonNegative = Field(description="Seconds until clients of a lost region use another one.")
    rate_limit_per_s: Positive | None = Field(
        default=None,
        description="Requests per second that a back-end lets through; the others are refused at once, as `rejected`."
        " Without it all are let through.",
    )
    rate_limit_burst: PositiveCount = Field(
        default=1, description="Requests that may come at once where there is a rate limit."
    )
    health_path: Text = Field(description="Path that a health check asks for.")
    health_port: Literal["metrics", "rpc"] = Field(description="Which of a node's ports a health check asks.")


class Security(Section):
    """Encryption and sign-in on the way of a request; all off by default, and each a what-if."""

    client_round_trips: Count = Field(
        default=0,
        description="Round trips between client and balancer before a request can be sent: 2 for a new TCP and TLS 1.3"
        " connection, 0 for one that is kept.",
    )
    server_round_trips: Count = Field(
        default=0, description="Round trips between balancer and node before a request can be sent, likewise."
    )
    handshake_ms: NonNegative = Field(
        default=0.0, description="Milliseconds of one core that a node spends on a new encrypted connection."
    )
    authentication_ms: NonNegative = Field(
        default=0.0, description="Milliseconds of one core that a node spends on a request's credentials."
    )


class Recovery(Section):
    """How a process comes back after a crash, and a machine after a loss."""

    restart_median_s: Positive = Field(description="Median seconds from a crash to a running process; lognormal.")
    restart_sigma: NonNegative = Field(description="Sigma of the logarithm of the restart time.")
    host_repair_median_s: Positive = Field(description="Median seconds until a lost machine is replaced; lognormal.")
    host_repair_sigma: NonNegative = Field(description="Sigma of the logarithm of the repair time.")
    dial_timeout_s: Positive = Field(description="Seconds after which a dial to a silent peer is given up.")
    discovery_interval_s: Positive = Field(description="Seconds between two rounds of peer discovery.")
    healthy_peers: Count = Field(description="Peers a node needs before it counts as recovered.")
    blocks_per_request: PositiveCount = Field(description="Blocks that one request brings at most.")


class Deployment(Section):
    """Nodes, regions, services, hardware, and the names of the models it runs on by default."""

    name: Name = Field(description="Name of the deployment.")
    title: Text = Field(description="One line for people.")
    latency: ModelName = Field(description="Latency source it runs on by default: a name in models/latency.")
    protocol: ModelName = Field(description="Protocol profile by default: a name in models/protocols.")
    proofs: ModelName = Field(description="Proof cost model by default: a name in models/proofs.")
    workload: ModelName = Field(description="Workload by default: a name in models/workloads.")
    targets: ModelName = Field(description="Limits it is judged by: a name in models/targets.")
    fault_rates: ModelName = Field(description="Long-run fault rates: a name in models/faults.")
    chaos: ModelName = Field(default="rc3", description="Chaos tests: a name in models/chaos.")
    on_call: ModelName = Field(default="rc3", description="People on call: a name in models/on_call.")
    duration_s: Positive | None = Field(
        default=None, description="Seconds a run simulates where neither scenario nor option says otherwise."
    )
    clock_offset_sigma_ms: NonNegative = Field(description="Standard deviation of a node's clock offset, ms; normal.")
    peer_limit: PositiveCount = Field(description="Peers a node keeps at most.")
    hardware: Hardware = Field(description="Every node's machine.")
    prover_farm: ProverFarm = Field(description="Shared provers of each region, a what-if.")
    region: Some[Region] = Field(description="Regions.")
    node: Some[Node] = Field(description="Nodes, in the order of their indices.")
    service: Many[Service] = Field(default=(), description="Monitoring and load balancing beside the nodes.")
    load_balancer: LoadBalancer = Field(description="What stands between clients and nodes.")
    security: Security = Field(default_factory=Security, description="Encryption and sign-in on the way of a request.")
    recovery: Recovery = Field(description="How a process or a machine comes back.")
