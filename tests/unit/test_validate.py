"""Every check of `validate` says yes to what is sound and no to what is not."""

from __future__ import annotations

import json

import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import NodeFault, Partition, Scenario
from bitcell_sim.studies import validate_boot, validate_network, validate_services
from bitcell_sim.studies.plan import round_s
from bitcell_sim.studies.validate import Finding, validate

NINE = (
    "simulator ready",
    "infrastructure running",
    "health endpoints responding",
    "metrics endpoints available",
    "prometheus accessible",
    "grafana accessible",
    "alertmanager accessible",
    "haproxy accessible",
    "network configured",
)
URL_PORTS = (9999, 3000, 9093, 8404)
FARM = ["deployment.prover_farm.machines=1"]
STAR = [f'deployment.node.{index}.bootstrap=["us-east-1"]' for index in range(1, 7)]


def static(*sets: str, latency: str | None = None) -> list[Finding]:
    scenario = load_scenario("rc3", sets=sets, latency=latency)
    return [*validate_services.check(scenario), *validate_network.check(scenario)]


def booted(scenario: Scenario) -> dict[str, Finding]:
    return {finding.where.removeprefix("boot: "): finding for finding in validate_boot.check(scenario, seed=1)}


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return validate("rc3")


def test_rc3_boots_with_all_nine_checks_passed(found: list[Finding]) -> None:
    boot = [finding for finding in found if finding.where.startswith("boot: ")]
    assert [finding.where.removeprefix("boot: ") for finding in boot] == list(NINE)
    assert {finding.level for finding in boot} == {"ok"}
    assert "error" not in {finding.level for finding in found}


def test_what_is_wrong_says_what_would_be_right(found: list[Finding]) -> None:
    assert [finding for finding in found if (finding.level == "ok") == bool(finding.fix)] == []
    assert all(finding.what and finding.where for finding in found)


def test_json_has_the_contract_keys(found: list[Finding]) -> None:
    content = json.loads(json.dumps([finding.as_dict() for finding in found], allow_nan=False))
    assert {tuple(finding) for finding in content} == {("level", "where", "what", "fix")}


@pytest.mark.parametrize(
    "says",
    [
        "port 9093 is us-west-2 (metrics)'s and alertmanager's",
        "ap-southeast has 1 node",
        "6 of 6 pairs of regions cannot be lost together, quorum 467 of 700",
        "any split into 4/3 nodes stops both sides",
        "us-west - ap-southeast (us-west-2 - ap-southeast-1)",
        "the target is 100 TPS",
        "every proof is killed",
        "1 haproxy is declared",
        "no redispatch",
        "7 private addresses stand in 4 regions",
        "prometheus, grafana, alertmanager, haproxy at localhost open on ops-us-east only",
    ],
)
def test_rc3_has_its_known_weak_points(found: list[Finding], says: str) -> None:
    (finding,) = [finding for finding in found if says in finding.what]
    assert finding.level == "warning"


@pytest.mark.parametrize(
    ("sets", "level", "where", "says"),
    [
        (["deployment.load_balancer.health_port=rpc"], "error", "health_port", "all 7 servers are down"),
        (["deployment.load_balancer.health_path=/healthz"], "error", "health_path", "answers only /health"),
        (["deployment.load_balancer.check_interval_s=0.4"], "error", "check_interval_s", "far servers are always down"),
        (["deployment.load_balancer.check_interval_s=0.6"], "warning", "check_interval_s", "one lost packet"),
        (["deployment.load_balancer.dns_failover_s=110.0"], "warning", "load_balancer", "not under the 120 s"),
        (["deployment.load_balancer.placement=us-east"], "warning", "placement", "takes every client"),
        (["deployment.service.0.ports=[9999, 8545]"], "warning", "ports", "port 8545 is us-east-1 (rpc)'s and"),
        (["deployment.node.0.stake=400"], "warning", "stake", "without us-east (2 of 7 nodes) 500 of 1000"),
        (["deployment.node.0.bootstrap=[]"], "warning", "bootstrap", "us-east-1 dials nobody"),
        (STAR, "warning", "bootstrap", "us-east-1 is a single seed"),
        (["targets.target.0.limit=30.0"], "error", "latency", "less than light needs"),
        (["workload.rate_tps=50.0"], "warning", "rate_tps", "is full after 5 min"),
        (["protocol.round.block_interval_s=30.0"], "warning", "block_interval_s", "blocks come every 60 s"),
        (["protocol.proof.mode=inline"], "error", "memory_gb", "every block waits"),
        (["protocol.proof.grid=1024", "protocol.proof.steps=1000"], "error", "protocol.proof", "no single proof can"),
        (["protocol.proof.grid=32", "protocol.proof.slots=3"], "warning", "memory_gb", "3 proofs of 1,678,165"),
        (
            ["protocol.proof.grid=24", "protocol.proof.aggregation=claimed"],
            "warning",
            "memory_gb",
            "(claimed) needs 16",
        ),
        ([*FARM, "deployment.prover_farm.memory_gb=16.0"], "warning", "prover_farm.memory_gb", "of the farm has 16"),
        (["deployment.hardware.disk_gb=1.0"], "warning", "disk_gb", "10 TPS fill 1 GB with blocks in 6 days"),
        (["deployment.clock_offset_sigma_ms=200.0"], "warning", "clock_offset", "too late"),
        (["deployment.clock_offset_sigma_ms=1000.0"], "error", "clock_offset", "miss each other"),
    ],
    ids=lambda value: value[0].partition("=")[0] if isinstance(value, list) else "",
)
def test_a_fault_is_found(sets: list[str], level: str, where: str, says: str) -> None:
    found = [finding for finding in static(*sets) if where in finding.where and says in finding.what]
    assert [finding.level for finding in found] == [level]


@pytest.mark.parametrize(
    ("sets", "where"),
    [
        (["deployment.load_balancer.redispatch=true"], "redispatch"),
        (["deployment.service.2.ports=[9097]", "deployment.service.2.url=http://localhost:9097"], "ports"),
        (["protocol.proof.grid=16"], "memory_gb"),
        (FARM, "memory_gb"),
        (["deployment.hardware.disk_gb=100.0"], "disk_gb"),
        (["protocol=rc3-capable"], "protocol.block"),
        ([f"deployment.node.{index}.address=node-{index}.example.org" for index in range(6)], "address"),
        ([f"deployment.service.{index}.url=http://ops:{port}" for index, port in enumerate(URL_PORTS)], "url"),
    ],
    ids=lambda value: value[0].partition("=")[0] if isinstance(value, list) else "",
)
def test_a_repair_is_seen(sets: list[str], where: str) -> None:
    assert not [finding for finding in static(*sets) if where in finding.where and finding.level != "ok"]


def test_what_cannot_be_proved_does_not_boot() -> None:
    found = validate("rc3", sets=["protocol.proof.grid=1024", "protocol.proof.steps=1000"])
    (finding,) = [finding for finding in found if finding.where == "boot: simulator ready"]
    assert finding.level == "error"
    assert "no single proof can hold them" in finding.what


def test_one_machine_says_nothing_about_regions() -> None:
    (finding,) = [finding for finding in static(latency="docker") if finding.where == "latency.docker"]
    assert finding.level == "warning"


def test_no_route_of_the_matrices_is_straighter_than_the_lowest_stretch() -> None:
    lowest = validate_network.lowest_stretch()
    assert 1.0 < lowest < 1.3
    for name in ("aws-2025", "azure-2026", "gcp-2022"):
        links = list(validate_network.link_floors(load_scenario("rc3", latency=name).latency))
        assert links
        assert min(link.rtt_ms / floor for link, floor in links) >= lowest


def test_capacity_is_the_cap_over_the_round() -> None:
    scenario = load_scenario("rc3")
    assert validate_network.capacity_tps(scenario) == pytest.approx(1000 / round_s(scenario))
    gassy = load_scenario("rc3", sets=["workload.data_bytes_mean=1000.0"])
    assert validate_network.capacity_tps(gassy) == pytest.approx(30e6 / (21_000 + 68_000) / round_s(gassy))


# ---------------------------------------------------------------------------------------------------------- the boot


def test_a_node_that_dies_is_seen_by_every_check_it_concerns() -> None:
    crash = NodeFault(kind="host-loss", node="us-west-2", start_s=5.0, duration_s=10_000.0)
    boot = booted(load_scenario("rc3").model_copy(update={"fault": (crash,)}))
    assert "us-west-2 is not" in boot["infrastructure running"].what
    assert "6 of 7 nodes for up; not us-west-2" in boot["health endpoints responding"].what
    assert "us-west-2 1 of 6" in boot["metrics endpoints available"].what
    assert "us-west-2 0 of 6" in boot["network configured"].what
    levels = [finding.level for finding in boot.values()]
    assert levels == ["ok", "error", "error", "warning", "ok", "ok", "ok", "ok", "error"]


def test_a_region_cut_off_does_not_reach_the_services() -> None:
    groups = (("us-east", "us-west", "eu-central"), ("ap-southeast",))
    cut = Partition(kind="partition", groups=groups, start_s=0.0, duration_s=10_000.0)
    boot = booted(load_scenario("rc3").model_copy(update={"fault": (cut,)}))
    for name in ("prometheus", "grafana", "alertmanager", "haproxy"):
        assert boot[f"{name} accessible"].level == "error"
        assert boot[f"{name} accessible"].what.endswith("cannot be reached from ap-southeast-1")
    assert boot["network configured"].level == "error"


def test_a_split_of_four_and_three_makes_no_block_final() -> None:
    groups = (("us-east", "us-west"), ("eu-central", "ap-southeast"))
    cut = Partition(kind="partition", groups=groups, start_s=0.0, duration_s=10_000.0)
    state = validate_boot.boot(load_scenario("rc3").model_copy(update={"fault": (cut,)}), seed=1)
    assert {node.final.height for node in state.simulation.mesh.nodes} == {0}


def test_a_service_that_is_not_declared_is_missed() -> None:
    scenario = load_scenario("rc3")
    services = tuple(service for service in scenario.deployment.service if service.name != "grafana")
    deployment = scenario.deployment.model_copy(update={"service": services})
    boot = booted(scenario.model_copy(update={"deployment": deployment}))
    assert boot["grafana accessible"].level == "error"
    assert boot["prometheus accessible"].level == "ok"


def test_health_checks_on_the_wrong_port_take_every_node_out() -> None:
    boot = booted(load_scenario("rc3", sets=["deployment.load_balancer.health_port=rpc"]))
    assert "take 0 of 7 nodes for up" in boot["health endpoints responding"].what
    assert boot["infrastructure running"].level == "ok"


def test_a_lossy_network_is_noticed() -> None:
    boot = booted(load_scenario("rc3", sets=["latency.jitter.loss_probability=0.4"]))
    assert boot["network configured"].level == "warning"
    assert "of its pings" in boot["network configured"].what
