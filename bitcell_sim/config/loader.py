"""From a name or a file to a checked scenario; everything that is wrong is said at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bitcell_sim.config import catalog
from bitcell_sim.config.check_deployment import check_deployment
from bitcell_sim.config.check_latency import check_coverage, check_latency
from bitcell_sim.config.check_run import check_run
from bitcell_sim.config.document import Document, Origin, fail, load_document, read_toml, shown
from bitcell_sim.config.override import Assignment, assign, flatten, parse_set
from bitcell_sim.config.problems import in_file_order, validate
from bitcell_sim.config.scenario import RunFrame, Scenario
from bitcell_sim.config.schema import (
    Chaos,
    Deployment,
    FaultRates,
    LatencySource,
    OnCall,
    Prices,
    Proofs,
    Protocol,
    Targets,
    Workload,
)
from bitcell_sim.config.wording import KeyPath, did_you_mean, key_text, nearest, quoted, unknown_key
from bitcell_sim.config.writing import config_hash, scenario_to_toml
from bitcell_sim.errors import ConfigError, Finding

__all__ = ["config_hash", "load_prices", "load_scenario", "scenario_to_toml"]


@dataclass(frozen=True)
class _Model:
    kind: catalog.Kind
    schema: type[BaseModel]


# The models of a scenario by their keys; the deployment first, as it names the others.
MODELS: dict[str, _Model] = {
    "deployment": _Model("deployments", Deployment),
    "latency": _Model("latency", LatencySource),
    "protocol": _Model("protocols", Protocol),
    "proofs": _Model("proofs", Proofs),
    "workload": _Model("workloads", Workload),
    "targets": _Model("targets", Targets),
    "fault_rates": _Model("fault_rates", FaultRates),
    "chaos": _Model("chaos", Chaos),
    "on_call": _Model("on_call", OnCall),
}
_RUN_KEYS = tuple(RunFrame.model_fields)
_DEPLOYMENT_ONLY = frozenset(Deployment.model_fields) - frozenset(MODELS) - frozenset(_RUN_KEYS)


@dataclass
class _Choice:
    """Which model a key stands for, and who said so: a name, a path, or the table itself."""

    value: Any
    document: Document
    path: KeyPath


@dataclass
class _Draft:
    """A scenario while it is put together."""

    run: Document
    choices: dict[str, _Choice] = field(default_factory=dict)
    changes: list[Assignment] = field(default_factory=list)
    models: dict[str, Document] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def _find(kind: catalog.Kind, name: str, document: Document, path: KeyPath) -> Path:
    """File that a name in a document stands for; a name that ends in .toml is a path beside it."""
    if name.endswith(".toml"):
        return document.origin(path).folder / name
    if name not in catalog.names(kind):
        raise ConfigError([document.finding(path, catalog.unknown_name(kind, name))])
    return catalog.path(kind, name)


def _load(kind: catalog.Kind, path: Path) -> Document:
    return load_document(path, lambda name, child: _find(kind, name, child, ("extends",)))


def _locate(name: str) -> tuple[catalog.Kind, Path]:
    """Kind and file of what a person asked for: a deployment, a scenario, or a file of their own."""
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path = Path(name)
        keys = read_toml(path, shown(path)).keys()
        is_deployment = "deployment" not in keys and bool(keys & _DEPLOYMENT_ONLY)
        return ("deployments" if is_deployment else "scenarios"), path
    kinds: tuple[catalog.Kind, ...] = ("deployments", "scenarios")
    for kind in kinds:
        if name in catalog.names(kind):
            return kind, catalog.path(kind, name)
    known = [known for kind in kinds for known in catalog.names(kind)]
    hint = did_you_mean(name, known)
    if not nearest(name, known):
        hint = (
            f"; deployments: {', '.join(catalog.names('deployments'))}; `bitcell-sim list scenarios` has the scenarios"
        )
    raise fail(quoted(name), f"no such deployment or scenario{hint}; a file of your own ends in .toml")


def _open(name: str) -> _Draft:
    """Draft of a deployment without faults, or of a scenario file."""
    kind, path = _locate(name)
    document = _load(kind, path)
    if kind == "deployments":
        run = Document({}, {(): document.origin(())})
        for key in ("name", "title"):
            if key in document.data:
                run.put((key,), document.data[key], document.origin((key,)))
        draft = _Draft(run)
        draft.models["deployment"] = document
        return draft
    draft = _Draft(document)
    if "override" in document.data:
        if isinstance(document.data["override"], dict):
            draft.changes += flatten(document)
        else:
            draft.findings.append(
                document.finding(("override",), f"{quoted(document.data['override'])} is not a table")
            )
        del document.data["override"]
    for key in MODELS:
        if key in document.data:
            draft.choices[key] = _Choice(document.data[key], document, (key,))
    return draft


def _read_options(draft: _Draft, sets: Sequence[str], latency: str | None) -> None:
    if latency is not None:
        draft.changes.append(Assignment(("latency",), latency, Origin("--latency", ("latency",))))
    for text in sets:
        try:
            change = parse_set(text)
        except ConfigError as error:
            draft.findings += error.findings
            continue
        if latency is not None and change.path == ("latency",) and change.value != latency:
            draft.findings.append(
                Finding("--set", "latency", f"{quoted(change.value)}, but --latency says {latency!r}")
            )
        draft.changes.append(change)


def _choose(draft: _Draft) -> None:
    """Take whole models out of the changes: the last one said counts."""
    for change in [change for change in draft.changes if len(change.path) == 1 and change.path[0] in MODELS]:
        draft.changes.remove(change)
        key = change.path[0]
        holder = Document({key: change.value}, {(): Origin("", ()), (key,): change.origin})
        draft.choices[key] = _Choice(change.value, holder, (key,))
        draft.models.pop(key, None)


def _resolve(draft: _Draft, key: str) -> None:
    """Load the model of one key and apply its changes."""
    if key not in draft.models:
        choice = draft.choices.get(key)
        deployment = draft.models.get("deployment")
        if choice is None and deployment is not None and key in deployment.data:
            choice = _Choice(deployment.data[key], deployment, (key,))
        if choice is None:
            if key == "deployment":
                draft.findings.append(draft.run.finding((key,), "missing: the name of a deployment, such as rc3"))
            return
        try:
            draft.models[key] = _chosen(MODELS[key].kind, choice)
        except ConfigError as error:
            draft.findings += error.findings
            return
    for change in draft.changes:
        if change.path[0] == key:
            if key == "deployment" and change.path[1] in draft.choices:
                draft.findings.append(_no_effect(change))
            finding = assign(draft.models[key], change, skip=1)
            if finding is not None:
                draft.findings.append(finding)


def _no_effect(change: Assignment) -> Finding:
    key = change.path[1]
    problem = f"no effect: the scenario says which {key} it runs on; set {key} itself"
    return Finding(change.origin.where, key_text(change.origin.key), problem)


def _chosen(kind: catalog.Kind, choice: _Choice) -> Document:
    if isinstance(choice.value, str):
        return _load(kind, _find(kind, choice.value, choice.document, choice.path))
    if isinstance(choice.value, dict):
        return choice.document.sub(str(choice.path[-1]))
    problem = f"{quoted(choice.value)} is neither the name of one of models/{kind} nor a table"
    raise ConfigError([choice.document.finding(choice.path, problem)])


def _finish_run(draft: _Draft) -> None:
    """Give the scenario's own keys their changes and the deployment's defaults."""
    for key in MODELS:
        draft.run.data.pop(key, None)
    for change in draft.changes:
        head = change.path[0]
        if head in MODELS:
            continue
        if head not in _RUN_KEYS:
            at = key_text(change.origin.key[: len(change.origin.key) - len(change.path) + 1])
            draft.findings.append(Finding(change.origin.where, at, unknown_key(head, [*MODELS, *_RUN_KEYS])))
            continue
        finding = assign(draft.run, change)
        if finding is not None:
            draft.findings.append(finding)
    deployment = draft.models.get("deployment")
    if "duration_s" not in draft.run.data and deployment is not None and "duration_s" in deployment.data:
        draft.run.put(("duration_s",), deployment.data["duration_s"], deployment.origin(("duration_s",)))


def _is_missing_default(finding: Finding, draft: _Draft) -> bool:
    """Whether a finding only follows from a deployment that could not be read."""
    return "deployment" not in draft.models and finding.key == "duration_s" and finding.problem.startswith("missing")


def _check(draft: _Draft) -> dict[str, Any]:
    """Validate every part, and what no single part shows."""
    parts: dict[str, Any] = {}
    run, findings = validate(RunFrame, draft.run, also=[*MODELS, "override", "extends"])
    draft.findings += [finding for finding in findings if not _is_missing_default(finding, draft)]
    for key, document in draft.models.items():
        parts[key], findings = validate(MODELS[key].schema, document)
        draft.findings += findings
    models = draft.models
    if "deployment" in models:
        draft.findings += check_deployment(models["deployment"])
    if "latency" in models:
        draft.findings += check_latency(models["latency"])
    if "latency" in models and "deployment" in models:
        draft.findings += check_coverage(models["latency"], models["deployment"])
    draft.findings += check_run(draft.run, models)
    if draft.findings:
        raise ConfigError(in_file_order(draft.findings, [draft.run, *models.values()]))
    return {**{key: getattr(run, key) for key in _RUN_KEYS}, **parts}


def load_prices(name: str = "aws-2026") -> Prices:
    """Load and check a price list; no scenario has one, what-ifs do.

    Parameters
    ----------
    name : str
        A name in ``models/prices``, or a file ending in ``.toml``.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    document = _load("prices", Path(name) if name.endswith(".toml") else catalog.path("prices", name))
    prices, findings = validate(Prices, document)
    if prices is None or findings:
        raise ConfigError(in_file_order(findings, [document]))
    return prices


def load_scenario(
    name_or_path: str | Path = "rc3", *, sets: Sequence[str] = (), latency: str | None = None
) -> Scenario:
    """Load and check the scenario of a deployment, a scenario's name or a file.

    Parameters
    ----------
    name_or_path : str or Path
        A deployment (without faults), a scenario of ``models/faults``, or a file ending in ``.toml``: a scenario, a
        deployment, or a resolved scenario as ``scenario_to_toml`` writes it.
    sets : sequence of str
        Changes ``key.path=value``, in order; values are TOML, bare words are text.
    latency : str, optional
        Latency source instead of the deployment's own; the same as ``latency=NAME`` in `sets`.

    Raises
    ------
    ConfigError
        With everything that is wrong.

    Notes
    -----
    The deployment's own models come first, over them what the scenario file says, over that its ``[override]`` table,
    over that `sets`.
    """
    draft = _open(str(name_or_path))
    _read_options(draft, sets, latency)
    _choose(draft)
    for key in MODELS:
        _resolve(draft, key)
    _finish_run(draft)
    return Scenario(**_check(draft))
