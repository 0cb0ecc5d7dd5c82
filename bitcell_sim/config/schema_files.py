"""JSON schemas of the model files, for editors; `python -m bitcell_sim.config.schema_files` writes them anew."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

from pydantic import BaseModel

from bitcell_sim.config.alerting import AlertTests, Exporters
from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.schema import (
    Chaos,
    Deployment,
    FaultRates,
    LatencySource,
    OnCall,
    Prices,
    Proofs,
    Protocol,
    ScenarioFile,
    Targets,
    Workload,
)
from bitcell_sim.config.sweep import Sweep

FILES: dict[str, type[BaseModel]] = {
    "alert_tests": AlertTests,
    "chaos": Chaos,
    "deployment": Deployment,
    "exporters": Exporters,
    "fault_rates": FaultRates,
    "latency": LatencySource,
    "on_call": OnCall,
    "prices": Prices,
    "proofs": Proofs,
    "protocol": Protocol,
    "scenario": ScenarioFile,
    "sweep": Sweep,
    "targets": Targets,
    "workload": Workload,
}
_EXTENDS = {"type": "string", "description": "Model of the same kind that this one changes, by name or .toml path."}

Schema = dict[str, Any]


def _tidy(schema: Any) -> Any:
    """Drop the titles pydantic derives from names: they say nothing the key does not."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _tidy(item) for name, item in value.items()} if key in ("properties", "$defs") else _tidy(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


def _partial(schema: Schema, definitions: Schema) -> Schema:
    """Relax a schema for a variant: nothing is required, in nested tables neither; list items stay whole."""
    relaxed = copy.deepcopy(schema)
    relaxed.pop("required", None)
    for name, field in relaxed.get("properties", {}).items():
        reference = field.get("$ref", "").rpartition("/")[2]
        if not reference:
            continue
        relaxed["properties"][name] = {**field, "$ref": f"#/$defs/{reference}Variant"}
        if f"{reference}Variant" not in definitions:
            definitions[f"{reference}Variant"] = {}
            definitions[f"{reference}Variant"] = _partial(definitions[reference], definitions)
    return relaxed


def schema_of(name: str) -> Schema:
    """Build the JSON schema of one kind of file.

    Parameters
    ----------
    name : str
        One of ``FILES``.

    Notes
    -----
    A file that extends another may leave out what it does not change, so the schema has two halves: with ``extends``
    nothing is required. A file without ``name`` is named after itself, so a name is never required.
    """
    full = _tidy(FILES[name].model_json_schema(by_alias=True))
    definitions = full.pop("$defs", {})
    full["properties"] = {"extends": _EXTENDS, **full["properties"]}
    full["required"] = [key for key in full.get("required", []) if key != "name"]
    variant = _partial(full, definitions)
    whole = {"type": "object", "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"bitcell_sim {name}",
        "description": full.pop("description", ""),
        "if": {"required": ["extends"]},
        "then": {**whole, "properties": variant["properties"]},
        "else": {**whole, "properties": full["properties"], "required": full["required"]},
        "$defs": definitions,
    }


def generate() -> dict[str, str]:
    """Make the text of every schema file, by its name."""
    return {
        f"{name}.json": json.dumps(schema_of(name), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        for name in FILES
    }


def main() -> int:
    """Write the schema files into the models folder and say where."""
    folder = models_dir() / "schema"
    folder.mkdir(exist_ok=True)
    for name, text in generate().items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(FILES)} schemas in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
