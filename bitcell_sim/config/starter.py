"""A commented scenario file to start from, made of the models that are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bitcell_sim.config import catalog
from bitcell_sim.config.loader import MODELS, load_scenario
from bitcell_sim.config.schema import ScenarioFile
from bitcell_sim.config.writing import toml_value

MINERS = "miner-mix"  # the scenario with every behaviour


def _tables(key: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the tables `key` of shipped scenarios, commented out, each under its scenario's title."""
    for name in names:
        text = catalog.path("scenarios", name).read_text(encoding="utf-8")
        title = re.search(r'^title = "(.*)"$', text, re.MULTILINE)
        tables = text[text.index(f"[[{key}]]") :].strip() if f"[[{key}]]" in text else ""
        if title is None or not tables:
            continue
        yield f"# {title[1]} ({name}):"
        lines = tables.splitlines()
        yield from (f"#{line}" if not line.startswith("#") else f"#  {line[1:].strip()}" for line in lines)
        yield ""


def starter(deployment: str = "rc3") -> str:
    """Write a scenario file that runs as it is and shows what can be changed.

    Parameters
    ----------
    deployment : str
        Name of the deployment it starts from.

    Raises
    ------
    ConfigError
        If there is no such deployment.
    """
    scenario = load_scenario(deployment)
    about = {name: field.description or "" for name, field in ScenarioFile.model_fields.items()}
    lines = [
        "# A scenario. Check it with `bitcell-sim validate FILE.toml`, run it with `bitcell-sim run FILE.toml`.",
        "# A line that starts with # and no space is a setting left out: take the # away to use it.",
        "",
        f"# {about['title']}",
        'title = "My scenario"',
        "",
    ]
    for key, model in MODELS.items():
        used = deployment if key == "deployment" else getattr(scenario.deployment, key)
        lines += [f"# {about[key]} There are: {', '.join(catalog.names(model.kind))}."]
        lines += [f"{'' if key == 'deployment' else '#'}{key} = {toml_value(used)}", ""]
    lines += [f"# {about['duration_s']}", f"#duration_s = {toml_value(scenario.duration_s)}", ""]
    lines += [f"# {about['warmup_blocks']}", f"#warmup_blocks = {scenario.warmup_blocks}", ""]
    lines += [f"# {about['override']}", "#[override.workload]", f"#rate_tps = {toml_value(scenario.workload.rate_tps)}"]
    engine = toml_value(scenario.protocol.battle.engine)
    lines += ["#[override.protocol.battle]", f"#engine = {engine}", ""]
    lines += [f"# {about['fault']}", "", *_tables("fault", catalog.names("scenarios"))]
    lines += [f"# {about['miner']}", "", *_tables("miner", [MINERS])]
    return "\n".join(lines).rstrip() + "\n"
