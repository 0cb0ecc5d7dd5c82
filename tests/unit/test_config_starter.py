"""The file to start from runs as it is, and with every line that it leaves out; so do the reference's examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bitcell_sim.config import catalog
from bitcell_sim.config.loader import load_scenario
from bitcell_sim.config.starter import starter
from bitcell_sim.errors import ConfigError


def test_it_runs_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(starter(), encoding="utf-8")
    mine, rc3 = load_scenario(tmp_path / "mine.toml"), load_scenario("rc3")
    assert mine.model_copy(update={"name": rc3.name, "title": rc3.title}) == rc3


def test_every_line_left_out_can_be_used(tmp_path: Path) -> None:
    lines = starter("rc3-min").splitlines()
    text = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    mine = load_scenario(tmp_path / "mine.toml")
    assert mine.fault == tuple(fault for name in catalog.names("scenarios") for fault in load_scenario(name).fault)
    assert mine.miner == load_scenario("miner-mix").miner
    assert mine.deployment == load_scenario("rc3-min").deployment


def test_an_unknown_deployment_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rc3'"):
        starter("rc4")


def test_the_reference_s_examples_load_and_name_every_model(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "models.md").read_text(encoding="utf-8")
    blocks = [
        re.sub(r"^    ", "", block, flags=re.MULTILINE)
        for block in re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)
    ]
    examples = [block.strip() for block in blocks if "title = " in block]
    assert len(examples) == 2
    for example in examples:
        (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
        assert load_scenario(tmp_path / "mine.toml").deployment.hardware.cores == 2
    (options,) = [block.strip() for block in blocks if block.strip().startswith("--set")]
    assert load_scenario("rc3", sets=options.split()[1::2]).protocol.battle.engine == "sparse"
    missing = [name for kind in catalog.KINDS for name in catalog.names(kind) if f"`{name}`" not in text]
    assert missing == []
