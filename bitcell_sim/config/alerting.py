"""What should be noticed: faults, and the alerts that each of them should raise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from bitcell_sim.config.base import Many, Name, NonNegative, Positive, Probability, Section, Some, Text
from bitcell_sim.config.catalog import models_dir
from bitcell_sim.config.document import Document, load_document
from bitcell_sim.config.fault import Fault
from bitcell_sim.config.miner import Miner
from bitcell_sim.config.problems import validate
from bitcell_sim.errors import ConfigError

FOLDER = "monitoring"


class AlertTest(Section):
    """One fault, and what it should raise."""

    name: Name = Field(description="Name of the fault.")
    title: Text = Field(description="What happens, for people.")
    incident: Text = Field(
        default="",
        description="What of the documents it stands for: a chaos test, or one of the eight incident types.",
    )
    sets: Many[Text] = Field(
        default=(), description="Options key.path=value that make the deployment healthy where the fault hits."
    )
    duration_s: Positive | None = Field(default=None, description="Seconds it holds; none: the file's fault_s.")
    every_s: Positive | None = Field(
        default=None, description="Seconds after which the faults come again, until the end; none: they come once."
    )
    fault: Many[Fault] = Field(
        default=(), description="Faults; start_s counts from the onset; without a duration they hold to the end."
    )
    miner: Many[Miner] = Field(default=(), description="Miners that misbehave from their first_height on.")
    expects: Many[Text] = Field(
        description="Alerts it should raise; one of them that starts after the onset detects it."
    )
    follows: Many[Text] = Field(default=(), description="Alerts that may come with it and are no false alarms.")


class AlertTests(Section):
    """All faults that monitoring is judged by."""

    name: Name = Field(description="Name of the tests.")
    title: Text = Field(description="One line for people.")
    rate_tps: Positive = Field(description="Offered load, transactions a second.")
    lead_s: Positive = Field(description="Quiet seconds before the onset.")
    fault_s: Positive = Field(description="Seconds that a fault holds.")
    after_s: NonNegative = Field(description="Seconds that are watched after the end.")
    quiet_s: Positive = Field(description="Seconds of a run without faults, for false alarms.")
    detected_ratio: Probability = Field(description="Share of the runs of a fault that have to notice it.")
    test: Some[AlertTest] = Field(description="Faults, in the order they are told.")


class Exporters(Section):
    """How what is watched is turned into metrics."""

    name: Name = Field(description="Name of the model.")
    title: Text = Field(description="One line for people.")
    sample_s: Positive = Field(description="Seconds between two looks at every node in the simulation.")
    ping_interval_s: Positive = Field(description="Seconds between two pings of a peer.")
    render_ms: Positive = Field(description="Milliseconds to render a page of metrics.")


def _load(name: str, schema: type[Section]) -> Section:
    path = models_dir() / FOLDER / f"{name}.toml"

    def nothing(name: str, child: Document) -> Path:
        raise ConfigError([child.finding(("extends",), f"{name!r}: these files do not extend others")])

    model, findings = validate(schema, load_document(path, nothing))
    if model is None:
        raise ConfigError(findings)
    return model


@cache
def load_alert_tests() -> AlertTests:
    """Read models/monitoring/expected.toml."""
    tests = _load("expected", AlertTests)
    assert isinstance(tests, AlertTests)
    return tests


@cache
def load_exporters() -> Exporters:
    """Read models/monitoring/exporters.toml."""
    exporters = _load("exporters", Exporters)
    assert isinstance(exporters, Exporters)
    return exporters
