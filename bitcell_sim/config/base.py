"""What every model file shares: scalar types with their limits, and the frozen base of every table."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$|\.toml$", max_length=512)]
Text = Annotated[str, Field(min_length=1)]
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9:])?$", max_length=253)]
Host = Annotated[str, Field(pattern=r"^([A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9:])?)?$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
PositiveCount = Annotated[int, Field(ge=1, le=2**53)]

# A TOML array; strict mode would take only a Python tuple.
Many = Annotated[tuple[Item, ...], Field(strict=False)]
Some = Annotated[tuple[Item, ...], Field(strict=False, min_length=1)]
Pair = Annotated[tuple[Item, Item], Field(strict=False)]


class Section(BaseModel):
    """Base of every table: frozen, unknown keys refused, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True, populate_by_name=True)
