"""The figures of one scorecard row as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

MARKS: dict[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}
ORDER: dict[str, int] = {"fail": 0, "unknown": 1, "pass": 2}


def number(value: float | None, digits: int = 3) -> str:
    """Write a value for people: `digits` significant ones, all of a large number's whole part, no exponent."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def row_number(row: Row, value: float | None) -> str:
    """Write a value of a row; a share close to 100 % keeps the digits that tell it from the limit."""
    return number(value, 6 if row["unit"] == "%" else 4)


def with_unit(text: str, unit: str) -> str:
    """Text of a number with its unit behind it; percent without a space, a ratio without a unit."""
    return f"{text}%" if unit == "%" else text if unit == "ratio" else f"{text} {unit}"


def limit_text(row: Row) -> str:
    """Limit of a row, such as ``< 200 ms`` or ``≥ 100 TPS``."""
    sign = {"<=": "≤", ">=": "≥"}.get(row["comparison"], row["comparison"])
    return f"{sign} {with_unit(row_number(row, row['limit']), row['unit'])}"


def measured_text(row: Row) -> str:
    """Measured figure of a row with its unit; a dash where there is none."""
    return "–" if row["measured"] is None else with_unit(row_number(row, row["measured"]), row["unit"])


def interval_text(row: Row) -> str:
    """95 % interval of a row, such as ``247 to 252``; empty where there is none or where it has no width."""
    low, high = row["ci_low"], row["ci_high"]
    if low is None or high is None or low == high:
        return ""
    return f"{row_number(row, low)} to {row_number(row, high)}"


def relative_to_limit(row: Row, value: float | None) -> float | None:
    """Share of the limit that a value uses up: below 1 meets it, above 1 misses it, whatever the direction.

    Notes
    -----
    ``value / limit`` where the limit is an upper one, ``limit / value`` where it is a lower one; of a lower limit in
    percent it is what lacks, ``(100 - value) / (100 - limit)``, so that 99.8 % against 99.9 % is 2, unless nothing may
    lack. None without a value, infinite where nothing is left.
    """
    if value is None or not math.isfinite(value):
        return None
    above, below = value, float(row["limit"])
    if row["comparison"] in (">", ">="):
        above, below = (100 - value, 100 - below) if row["unit"] == "%" and below < 100 else (below, value)
    if below <= 0:
        return math.inf if above > 0 else None
    return max(0.0, above / below)


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Rows with fails first, then unknown ones; otherwise in their own order."""
    return sorted(rows, key=lambda row: ORDER[row["verdict"]])
