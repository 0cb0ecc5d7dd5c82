"""Bad input is refused in words, all of it at once, and never with a traceback of ours."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bitcell_sim.config.loader import load_scenario
from bitcell_sim.errors import ConfigError

spec = importlib.util.spec_from_file_location("bad_inputs", Path(__file__).with_name("bad_inputs.py"))
assert spec is not None
assert spec.loader is not None
bad_inputs = importlib.util.module_from_spec(spec)
sys.modules["bad_inputs"] = bad_inputs
spec.loader.exec_module(bad_inputs)


def refused(case: bad_inputs.Case, folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_scenario(case.write(folder), sets=case.sets, latency=case.latency)
    assert caught.value.findings
    return str(caught.value)


@pytest.mark.parametrize("case", bad_inputs.CASES, ids=lambda case: case.id)
def test_bad_input_is_refused_in_words(case: bad_inputs.Case, tmp_path: Path) -> None:
    message = refused(case, tmp_path)
    for part in case.says:
        assert part in message, message
