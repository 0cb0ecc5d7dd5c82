"""Names, files, variants and options become one checked scenario, and a stored one reads back equal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bitcell_sim.config import catalog
from bitcell_sim.config.loader import config_hash, load_scenario, scenario_to_toml
from bitcell_sim.config.override import parse_set
from bitcell_sim.config.schema import Partition, Scenario
from bitcell_sim.errors import ConfigError, InputError

RUNNABLE = [*catalog.names("deployments"), *catalog.names("scenarios")]
SCENARIO = 'title = "a test"\ndeployment = "rc3"\n'


def load_text(folder: Path, text: str, *, name: str = "mine.toml", sets: tuple[str, ...] = ()) -> Scenario:
    (folder / name).write_text(text, encoding="utf-8")
    return load_scenario(folder / name, sets=sets)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_resolved_scenario_reads_back_equal(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    again = load_text(tmp_path, scenario_to_toml(scenario))
    assert again == scenario
    assert config_hash(again) == config_hash(scenario)
    assert scenario_to_toml(again) == scenario_to_toml(scenario)


def test_awkward_text_reads_back_equal(tmp_path: Path) -> None:
    scenario = load_text(tmp_path, SCENARIO.replace("a test", 'Łódź \\"🚀\\" \\\\ \\n \\u007f'))
    assert scenario.title == 'Łódź "🚀" \\ \n \x7f'
    assert load_text(tmp_path, scenario_to_toml(scenario)) == scenario


def test_a_deployment_runs_on_its_own_models() -> None:
    scenario = load_scenario()
    assert (scenario.name, scenario.latency.name, scenario.protocol.name) == ("rc3", "aws-2025", "rc3")
    assert (scenario.workload.name, scenario.targets.name, scenario.fault_rates.name) == ("rc3", "rc3", "rates")
    assert scenario.fault == ()
    assert scenario.warmup_blocks == 3
    assert scenario.duration_s == scenario.deployment.duration_s


def test_a_scenario_file_changes_its_deployment(tmp_path: Path) -> None:
    text = SCENARIO + (
        'latency = "docker"\nduration_s = 60\n[override.protocol.battle]\nengine = "sparse"\n'
        '[override.deployment.node.us-west-2]\nzone = "c"\n'
    )
    scenario = load_text(tmp_path, text)
    assert scenario.name == "mine"
    assert scenario.latency.name == "docker"
    assert scenario.protocol.battle.engine == "sparse"
    assert scenario.deployment.node[3].zone == "c"


def test_options_win_over_the_file_and_the_last_option_counts(tmp_path: Path) -> None:
    text = SCENARIO + 'latency = "docker"\n[override.workload]\nrate_tps = 20\n'
    sets = ("workload.rate_tps=30", "workload.rate_tps=40", "latency=azure-2026", "fault=[]", "warmup_blocks=0")
    scenario = load_text(tmp_path, text, sets=sets)
    assert scenario.workload.rate_tps == 40
    assert scenario.latency.name == "azure-2026"
    assert scenario.warmup_blocks == 0
    assert load_scenario("rc3", latency="docker") == load_scenario("rc3", sets=["latency=docker"])


def test_a_model_named_by_an_option_is_changed_by_the_options_too() -> None:
    scenario = load_scenario("rc3", sets=["protocol.block.max_transactions=7", "protocol=rc3-capable"])
    assert scenario.protocol.name == "rc3-capable"
    assert scenario.protocol.block.max_transactions == 7
    assert load_scenario("rc3", sets=["deployment.workload=hundred"]).workload.rate_tps == 100
    assert load_scenario("node-crash", sets=["deployment=rc3-min"]).deployment.hardware.cores == 2


def test_faults_can_be_set_whole_or_by_place() -> None:
    whole = load_scenario("rc3", sets=['fault=[{kind="partition", groups=[["us-east"], ["us-west"]], start_s=5}]'])
    assert whole.fault == (Partition(kind="partition", groups=(("us-east",), ("us-west",)), start_s=5.0),)
    assert load_scenario("node-crash", sets=["fault.0.start_s=7"]).fault[0].start_s == 7


def test_own_files_are_found_beside_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts").mkdir()
    docker = catalog.path("latency", "docker").read_text(encoding="utf-8").replace('"docker"', '"slow-docker"')
    (tmp_path / "parts" / "slow.toml").write_text(docker, encoding="utf-8")
    parent = SCENARIO + 'latency = "slow.toml"\n'
    (tmp_path / "parts" / "parent.toml").write_text(parent, encoding="utf-8")
    child = load_text(tmp_path, 'extends = "parts/parent.toml"\nduration_s = 5\n')
    assert (child.latency.name, child.title, child.name) == ("slow-docker", "a test", "mine")
    monkeypatch.chdir(tmp_path / "parts")
    assert load_scenario("rc3", latency="slow.toml").latency.name == "slow-docker"


def test_a_deployment_file_is_a_scenario_without_faults(tmp_path: Path) -> None:
    scenario = load_text(tmp_path, 'extends = "rc3"\ntitle = "two cores"\n[hardware]\ncores = 2\n')
    assert (scenario.name, scenario.title, scenario.deployment.hardware.cores) == ("mine", "two cores", 2)
    assert scenario.deployment.hardware.memory_gb == load_scenario().deployment.hardware.memory_gb


def test_variants_merge_tables_and_replace_lists() -> None:
    base, sydney, capable = (load_scenario(name) for name in ("rc3", "rc3-sydney", "rc3-capable"))
    assert sydney.deployment.node == base.deployment.node
    assert sydney.deployment.region[3].cloud["aws"] == "ap-southeast-2"
    assert capable.protocol.battle.engines == base.protocol.battle.engines
    assert capable.protocol.round.block_timeout_s == base.protocol.round.block_timeout_s


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + SCENARIO.replace("\n", "\r\n").encode())
    assert load_scenario(tmp_path / "mine.toml").title == "a test"


def test_hashes_tell_scenarios_apart() -> None:
    names = [config_hash(load_scenario(name)) for name in RUNNABLE]
    assert len(set(names)) == len(names)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
    assert config_hash(load_scenario("rc3", sets=["workload.rate_tps=11"])) not in names


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=5", 5),
        ("a = 5.0", 5.0),
        ("a=sparse", "sparse"),
        ("a=us-east-1", "us-east-1"),
        ('a="5"', "5"),
        ("a=true", True),
        ("a=[1, 2]", [1, 2]),
        ("a={b = 1}", {"b": 1}),
        ('a=""', ""),
        ("a=1e-3", 0.001),
        ("a=x=y", "x=y"),
    ],
)
def test_options_hold_toml_values_and_bare_words(text: str, value: object) -> None:
    assert parse_set(text).value == value


def test_an_option_holds_one_value() -> None:
    with pytest.raises(ConfigError, match=r"--set a=\[1\]\nb=2: a: not a TOML value"):
        parse_set("a=[1]\nb=2")


def test_the_catalog_knows_its_kinds() -> None:
    assert catalog.names("fault_rates") == ["rates"]
    assert "rates" not in catalog.names("scenarios")
    assert {"rc3", "rc3-min", "rc3-capable", "rc3-sydney"} <= set(catalog.names("deployments"))
    assert not set(catalog.names("deployments")) & set(catalog.names("scenarios")), "a name stands for one thing"
    with pytest.raises(InputError, match="unknown kind of model 'deployment'; did you mean 'deployments'"):
        catalog.names("deployment")
    with pytest.raises(InputError, match="no 'aws-2024' in models/latency; did you mean 'aws-2025'"):
        catalog.path("latency", "aws-2024")
    with pytest.raises(InputError, match=r"no '\.\./deployments/rc3' in models/latency"):
        catalog.path("latency", "../deployments/rc3")


def test_loading_is_quick() -> None:
    """Median of five, after imports; the bound leaves room for a busy machine."""
    load_scenario("rc3")
    times = []
    for _ in range(5):
        begin = time.process_time()
        load_scenario("rc3")
        times.append(time.process_time() - begin)
    assert sorted(times)[2] < 0.05
