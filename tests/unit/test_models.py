"""The numbers that come with the package: all with sources, and those that the documents and data sources give."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bitcell_sim.config import catalog
from bitcell_sim.config.geography import fibre_floor_rtt_ms
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.schema import LatencySource
from bitcell_sim.proving.cost import ProofConstants

FILES = sorted((kind, name) for kind in catalog.KINDS for name in catalog.names(kind))
SCHEMA_OF = {
    "deployments": "deployment",
    "latency": "latency",
    "protocols": "protocol",
    "proofs": "proofs",
    "workloads": "workload",
    "targets": "targets",
    "fault_rates": "fault_rates",
    "chaos": "chaos",
    "on_call": "on_call",
    "prices": "prices",
    "scenarios": "scenario",
    "sweeps": "sweep",
}
SOURCES = catalog.names("latency")


def read(kind: str, name: str) -> dict[str, Any]:
    return tomllib.loads(catalog.path(kind, name).read_text(encoding="utf-8"))


def source(name: str) -> LatencySource:
    return load_scenario("rc3", latency=name).latency


def rtt_ms(name: str) -> dict[tuple[str, str], float]:
    return {(link.source, link.target): link.rtt_ms for link in source(name).link}


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_file_meets_its_published_schema(kind: str, name: str) -> None:
    schema = json.loads((catalog.models_dir() / "schema" / f"{SCHEMA_OF[kind]}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(read(kind, name))] == []


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_file_is_called_what_it_says(kind: str, name: str) -> None:
    assert read(kind, name)["name"] == name


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_number_has_a_source_above_it(kind: str, name: str) -> None:
    """A paragraph with numbers holds a comment, follows one, or repeats the table of a paragraph that does."""
    explained: set[str] = set()
    before = ""
    for paragraph in re.split(r"\n\s*\n", catalog.path(kind, name).read_text(encoding="utf-8")):
        header = paragraph.partition("\n")[0].partition("#")[0].strip()
        after_comment = all(line.startswith("#") for line in before.splitlines())
        if "#" in paragraph or after_comment:
            explained.add(
                next((line for line in paragraph.splitlines() if line.startswith("[[")), "").partition(" ")[0]
            )
        elif re.search(r"^\w+ = [-\d]", paragraph, re.MULTILINE):
            assert header.startswith("[[")
            assert header in explained, paragraph
        before = paragraph


def test_published_schemas_describe_every_key() -> None:
    silent = []
    for path in (catalog.models_dir() / "schema").glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        tables = {"": schema["else"], **schema["$defs"]}
        for table, definition in tables.items():
            for key, field in definition.get("properties", {}).items():
                if not field.get("description"):
                    silent.append(f"{path.name}: {table}.{key}")
    assert silent == []


def test_rc3_is_the_document_s_deployment() -> None:
    rc3 = load_scenario("rc3").deployment
    rows = [(n.id, n.region, n.p2p_port, n.rpc_port, n.metrics_port, n.address) for n in rc3.node]
    assert rows == [
        ("us-east-1", "us-east", 9000, 8545, 9090, "172.20.0.10"),
        ("us-east-2", "us-east", 9001, 8546, 9091, "172.20.0.11"),
        ("us-west-1", "us-west", 9002, 8547, 9092, "172.20.0.20"),
        ("us-west-2", "us-west", 9003, 8548, 9093, "172.20.0.21"),
        ("eu-central-1", "eu-central", 9004, 8549, 9094, "172.20.0.30"),
        ("eu-central-2", "eu-central", 9005, 8550, 9095, "172.20.0.31"),
        ("ap-southeast-1", "ap-southeast", 9006, 8551, 9096, "172.20.0.40"),
    ]
    assert {service.name: service.ports for service in rc3.service} == {
        "prometheus": (9999,),
        "grafana": (3000,),
        "alertmanager": (9093,),
        "haproxy": (80, 8404),
    }
    assert {node.stake for node in rc3.node} == {100}


def test_targets_are_the_document_s_limits() -> None:
    limits = {row.id: (row.comparison, row.limit, row.unit) for row in load_scenario("rc3").targets.target}
    assert limits == {
        "latency.us-east.us-west": ("<", 80, "ms"),
        "latency.us-east.eu-central": ("<", 120, "ms"),
        "latency.us-east.ap-southeast": ("<", 180, "ms"),
        "latency.us-west.eu-central": ("<", 150, "ms"),
        "latency.us-west.ap-southeast": ("<", 140, "ms"),
        "latency.eu-central.ap-southeast": ("<", 180, "ms"),
        "latency.cross-region": ("<", 200, "ms"),
        "throughput": (">=", 100, "TPS"),
        "finality": ("<", 60, "s"),
        "proof_time": ("<", 10, "s"),
        "proof_backlog": ("<", 1, "ratio"),
        "proof_memory": ("<=", 8, "GB"),
        "node_recovery": ("<", 60, "s"),
        "regional_failover": ("<", 120, "s"),
        "uptime": (">=", 99.9, "%"),
        "resources.cpu": ("<=", 4, "cores"),
        "resources.memory": ("<=", 8, "GB"),
        "resources.disk": ("<=", 100, "GB"),
        "resources.network": ("<=", 1000, "Mbit/s"),
        "chaos.node_failure": ("<", 60, "s"),
        "chaos.regional_failure": ("<", 120, "s"),
        "chaos.network_partition": ("<", 120, "s"),
        "chaos.high_latency": ("<", 120, "s"),
        "chaos.resource_exhaustion": ("<", 120, "s"),
        "chaos.packet_loss": ("<", 120, "s"),
        "chaos.byzantine_node": ("<", 120, "s"),
        "monitoring.coverage": (">=", 100, "%"),
        "monitoring.detection.critical": ("<", 300, "s"),
        "monitoring.detection.high": ("<", 600, "s"),
        "monitoring.detection.medium": ("<", 2400, "s"),
        "monitoring.noise": ("<", 120, "count"),
        "monitoring.response.critical": ("<", 15, "min"),
        "monitoring.response.high": ("<", 30, "min"),
        "monitoring.response.medium": ("<", 120, "min"),
        "monitoring.response.low": ("<=", 1, "business days"),
    }


def test_seed_expected_is_the_limits_of_the_pairs() -> None:
    limits = {row.id: row.limit for row in load_scenario("rc3").targets.target}
    for (one, other), value in rtt_ms("seed-expected").items():
        assert value == limits.get(f"latency.{one}.{other}", limits.get(f"latency.{other}.{one}"))


@pytest.mark.parametrize(
    ("name", "one", "other", "there_ms", "back_ms"),
    [
        ("aws-2025", "us-east-1", "us-west-2", 64.269, 63.972),
        ("aws-2025", "us-east-1", "ap-southeast-1", 219.112, 218.614),
        ("aws-2025", "us-west-2", "ap-southeast-1", 160.209, 160.890),
        ("aws-2025", "eu-central-1", "ap-southeast-2", 251.510, 251.765),
        ("azure-2026", "westus2", "australiaeast", 160, 161),
        ("azure-2026", "germanywestcentral", "southeastasia", 166, 166),
        ("gcp-2022", "us-west1", "europe-west3", 137.973, 141.008),
        ("docker", "us-east", "ap-southeast", 1, 1),
    ],
)
def test_published_round_trips(name: str, one: str, other: str, there_ms: float, back_ms: float) -> None:
    known = rtt_ms(name)
    assert (known[one, other], known[other, one]) == (there_ms, back_ms)


@pytest.mark.parametrize(("name", "regions"), [("aws-2025", 6), ("azure-2026", 8), ("gcp-2022", 5), ("docker", 4)])
def test_matrices_are_complete_in_both_directions(name: str, regions: int) -> None:
    pairs = set(rtt_ms(name))
    ends = {end for pair in pairs for end in pair}
    assert len(ends) == regions
    assert pairs == {(one, other) for one in ends for other in ends if one != other}


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "docker"])
def test_nothing_beats_light_in_fibre(name: str) -> None:
    matrix = source(name)
    sites = {site.name: (site.latitude_deg, site.longitude_deg) for site in matrix.site}
    for link in matrix.link:
        assert link.rtt_ms > 1.04 * fibre_floor_rtt_ms(*sites[link.source], *sites[link.target]), link


def test_azure_spreads_are_its_own_and_the_others_borrow_them() -> None:
    scale = {
        (link.source, link.target): ((link.rtt_p95_ms or 0) - link.rtt_ms) / 2.302585
        for link in source("azure-2026").link
    }
    assert all(link.rtt_p95_ms is not None for link in source("azure-2026").link)
    borrowed = {(link.source, link.target): link.slow_scale_ms for link in source("aws-2025").link}
    for aws, azure in [
        (("us-east-1", "us-west-2"), ("eastus", "westus2")),
        (("us-west-1", "ap-southeast-1"), ("westus", "southeastasia")),
        (("eu-central-1", "ap-southeast-2"), ("germanywestcentral", "australiaeast")),
    ]:
        mean = (scale[azure] + scale[azure[::-1]]) / 2
        assert borrowed[aws] == borrowed[aws[::-1]] == pytest.approx(mean, abs=0.006)


def test_battles_take_what_was_measured() -> None:
    engine = load_scenario("rc3").protocol.battle.engines["measured"]
    two_threads_s = engine.core_s * (engine.serial_fraction + (1 - engine.serial_fraction) / 2)
    assert two_threads_s == pytest.approx(12.8, abs=0.01)


def test_the_capable_variant_has_room_for_its_load() -> None:
    capable = load_scenario("rc3-capable")
    timing, block = capable.protocol.round, capable.protocol.block
    period_s = timing.commit_s + timing.reveal_s + timing.pause_s
    per_block = min(block.max_transactions, block.gas_limit // block.transaction_gas)
    assert (period_s, per_block) == (10, 1500)
    assert per_block / period_s > capable.workload.rate_tps == 100


def test_proof_constants_go_straight_into_the_cost_model() -> None:
    proofs = load_scenario("rc3").proofs
    constants = ProofConstants.from_mapping(proofs.model_dump(by_alias=True))
    assert constants == ProofConstants.from_mapping(read("proofs", "ark-groth16"))


def test_no_model_is_left_behind() -> None:
    known = {catalog.path(kind, name) for kind, name in FILES}
    native = {Path(catalog.models_dir(), "monitoring", name) for name in ("expected.toml", "exporters.toml")}
    assert known | native == set(Path(catalog.models_dir()).glob("*/*.toml"))
