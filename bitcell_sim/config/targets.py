"""The limits a deployment is judged by."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bitcell_sim.config.base import Name, Section, Some, Text


class Target(Section):
    """One limit of the RC3 documents, word for word, and how it is measured."""

    id: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_-]+)*$")] = Field(description="Name of the scorecard's row.")
    title: Text = Field(description="Row's title for people.")
    words: Text = Field(description="The limit in the documents' own words.")
    statistic: Text = Field(description="What of the measurements is compared.")
    unit: Text = Field(description="Unit of limit and measurement.")
    limit: Annotated[float, Field(allow_inf_nan=False)] = Field(description="The limit, in `unit`.")
    comparison: Literal["<", "<=", ">", ">="] = Field(description="What the measurement has to be to the limit.")
    how: Text = Field(description="How it is measured.")


class Targets(Section):
    """All limits a deployment is judged by."""

    name: Name = Field(description="Name of the targets.")
    title: Text = Field(description="One line for people.")
    target: Some[Target] = Field(description="Limits, in the order of the scorecard.")
