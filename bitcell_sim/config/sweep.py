"""A sweep: which keys of a scenario take which values, and what is measured at each point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bitcell_sim.config import catalog
from bitcell_sim.config.base import Count, Many, ModelName, Name, PositiveCount, Section, Some, Text
from bitcell_sim.config.document import load_document
from bitcell_sim.config.problems import in_file_order, validate
from bitcell_sim.config.wording import KeyPath, quoted, split_key
from bitcell_sim.errors import ConfigError

Method = Literal["grid", "latin-hypercube", "sobol", "saltelli"]
LEAST_REPLICATIONS = 10  # before the first look at whether to stop
Bound = Annotated[float, Field(allow_inf_nan=False)]


class Factor(Section):
    """One key that changes from point to point: listed values, or a range."""

    key: Text = Field(description="Key path of the resolved scenario, as --set takes it.")
    values: Many[Any] = Field(default=(), description="Values to take; none: a range from low to high.")
    low: Bound | None = Field(default=None, description="Least value of a range.")
    high: Bound | None = Field(default=None, description="Largest value of a range.")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="How a range is divided: into equal differences, or equal ratios."
    )
    count: PositiveCount = Field(default=5, description="Values of a range in a grid, both ends included.")
    whole: bool = Field(default=False, description="Whether values of a range are rounded to whole numbers.")


class SweepSize(Section):
    """How much of each kind of run a target's figure is read from."""

    blocks: PositiveCount = Field(default=12, description="Blocks of a steady or loaded run, beyond the warm-up.")
    losses: PositiveCount = Field(default=4, description="Losses of each region in one run.")
    ping_repeats: PositiveCount = Field(default=400, description="Repeats of ten pings, each in a new dwell.")
    years: PositiveCount = Field(default=400, description="Simulated years of availability.")


class Stopping(Section):
    """When a point has been replicated often enough."""

    half_width_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="Half width of every metric's 95 % interval over its mean, at most."
    )
    replications_max: PositiveCount = Field(description="Replications of a point at most.")


class Sweep(Section):
    """Points of a design, and what is measured at each."""

    name: Name = Field(description="Name of the sweep; its table is stored under it.")
    title: Text = Field(description="One line for people.")
    scenario: ModelName = Field(default="rc3", description="Deployment, scenario, or .toml path that is changed.")
    set: Many[Text] = Field(default=(), description="`key.path=value` changes that hold at every point.")
    method: Method = Field(
        description="`grid`: every combination; `latin-hypercube`, `sobol`: `points` points, evenly over the ranges; "
        "`saltelli`: `points` times number of factors plus 2, as sensitivity indices need them."
    )
    points: PositiveCount | None = Field(default=None, description="Points of a sampled design; not for a grid.")
    design_seed: Count = Field(default=1, description="Chance of a sampled design is a function of it.")
    replications: PositiveCount = Field(
        default=1, description="Runs at each point; the same seeds at every point, so that points share their noise."
    )
    metric: Some[Text] = Field(
        description="What is measured: targets, such as `throughput`, each by runs of its own kind; or figures of one "
        "run of the scenario as it stands, such as `run.finality_p95_s`."
    )
    size: SweepSize = Field(default=SweepSize(), description="How much is run for a target's figure.")
    until: Stopping | None = Field(default=None, description="When to stop replicating; none: after `replications`.")
    factor: Some[Factor] = Field(description="Keys that change.")


def sweep_file(path: str | Path) -> Path:
    """File of a sweep: one of ``models/sweeps`` by its name, or a path that ends in ``.toml``."""
    return Path(path) if str(path).endswith(".toml") else catalog.path("sweeps", str(path))


def load_sweep(path: str | Path) -> Sweep:
    """Load and check a sweep's file.

    Parameters
    ----------
    path : str or Path
        Name of one in ``models/sweeps``, or a ``.toml`` file; its scenario, if that is a path, lies beside it.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    file = sweep_file(path)
    document = load_document(file, lambda name, child: file.parent / name)
    sweep, findings = validate(Sweep, document)
    if sweep is not None:
        findings += [document.finding(key, problem) for key, problem in _problems(sweep)]
    if findings or sweep is None:
        raise ConfigError(in_file_order(findings, [document]))
    if not sweep.scenario.endswith(".toml"):
        return sweep
    return sweep.model_copy(update={"scenario": str(file.parent / sweep.scenario)})


def _problems(sweep: Sweep) -> Iterator[tuple[KeyPath, str]]:
    """What no single key shows."""
    if sweep.method == "grid" and sweep.points is not None:
        yield ("points",), "no effect: a grid has every combination of its factors' values; leave it out"
    if sweep.method != "grid" and sweep.points is None:
        yield ("points",), f"missing: how many points, which method {quoted(sweep.method)} needs"
    if sweep.until is not None and sweep.until.replications_max < sweep.replications:
        yield (
            ("until", "replications_max"),
            f"{sweep.until.replications_max} is below replications = {sweep.replications}",
        )
    if sweep.until is not None and sweep.replications < LEAST_REPLICATIONS:
        yield (
            ("replications",),
            f"{sweep.replications} is too few to begin with: the interval of so few is too often narrow by chance; "
            f"from {LEAST_REPLICATIONS} on",
        )
    seen: dict[str, int] = {}
    for place, factor in enumerate(sweep.factor):
        yield from (((("factor", place, *key)), problem) for key, problem in _factor_problems(factor, sweep.method))
        if factor.key in seen:
            yield ("factor", place, "key"), f"{quoted(factor.key)} is factor {seen[factor.key]} already"
        seen.setdefault(factor.key, place)


def _factor_problems(factor: Factor, method: Method) -> Iterator[tuple[KeyPath, str]]:
    if split_key(factor.key) is None:
        yield ("key",), f"{quoted(factor.key)} is not a key path, such as workload.rate_tps"
    ranged = factor.low is not None or factor.high is not None
    if ranged == bool(factor.values):
        yield ("values",), "give either values, or low and high"
    if not ranged:
        yield from (
            ((key,), "no effect on listed values: it is about a range")
            for key in ("scale", "count", "whole")
            if key in factor.model_fields_set
        )
        return
    if factor.low is None or factor.high is None:
        yield ("low" if factor.low is None else "high",), "missing: a range needs both ends"
        return
    if factor.low >= factor.high:
        yield ("high",), f"{factor.high:g} is not above low = {factor.low:g}"
    if factor.scale == "log" and factor.low <= 0:
        yield ("low",), f"{factor.low:g} has no logarithm; it must be above 0"
    if method == "grid" and factor.count < 2:
        yield ("count",), "1 is too few: both ends of the range are in the grid"
    if method != "grid" and "count" in factor.model_fields_set:
        yield ("count",), f"no effect: method {quoted(method)} divides the range by its points"
