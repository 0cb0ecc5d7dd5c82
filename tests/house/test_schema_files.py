"""The JSON schemas beside the models are the ones that the code's own checks give."""

from __future__ import annotations

import json
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[2] / "models" / "schema"


def test_schema_files_are_in_step() -> None:
    from bitcell_sim.config import schema_files

    generated = schema_files.generate()
    assert generated, "there is at least one schema"
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMA.glob("*.json")}
    assert sorted(committed) == sorted(generated)
    stale = [name for name, text in generated.items() if committed[name] != text]
    assert not stale, "write them anew from bitcell_sim.config.schema_files.generate()"


def test_schema_files_are_json_objects() -> None:
    for path in SCHEMA.glob("*.json"):
        assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict), path.name
