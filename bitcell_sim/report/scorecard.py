"""Verdicts as people and pipelines read them: a frame, a Markdown table, JUnit XML, HTML."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from bitcell_sim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

Verdict = Literal["pass", "fail", "unknown"]
Row = Mapping[str, Any]

COLUMNS = (
    "id",
    "title",
    "statistic",
    "unit",
    "limit",
    "comparison",
    "measured",
    "ci_low",
    "ci_high",
    "n",
    "verdict",
    "why",
    "evidence",
)
MARKS: dict[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}
MARKDOWN_MARKS: dict[str, str] = {"pass": "✅", "fail": "❌", "unknown": "❔"}
ORDER: dict[str, int] = {"fail": 0, "unknown": 1, "pass": 2}
EXIT_CODES: dict[str, int] = {"pass": 0, "fail": 1, "unknown": 2}

# Rows of the RC3 documents' own table "Target Metrics", in its order and words.
DOCUMENT_ROWS = {
    "latency.cross-region": "Cross-region latency",
    "node_recovery": "Node failure recovery",
    "regional_failover": "Regional failover",
    "throughput": "Transaction throughput",
    "proof_time": "Proof generation",
    "uptime": "Network uptime",
}
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
    percent it is what lacks, ``(100 - value) / (100 - limit)``, so that 99.8 % against 99.9 % is 2. None without a
    value, infinite where nothing is left.
    """
    if value is None or not math.isfinite(value):
        return None
    above, below = value, float(row["limit"])
    if row["comparison"] in (">", ">="):
        above, below = (100 - value, 100 - below) if row["unit"] == "%" else (below, value)
    if below <= 0:
        return math.inf if above > 0 else None
    return max(0.0, above / below)


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Rows with fails first, then unknown ones; otherwise in their own order."""
    return sorted(rows, key=lambda row: ORDER[row["verdict"]])


class Scorecard:
    """Verdict on every target of one deployment.

    Parameters
    ----------
    card : mapping
        Keys ``scenario, seed, config_hash, rows``; each row as docs/reference says.

    Raises
    ------
    InputError
        If a key is missing or a verdict is none of the three.

    Examples
    --------
    >>> row = dict.fromkeys(COLUMNS, "") | dict(id="x", limit=2.0, measured=1.0, ci_low=1.0, ci_high=1.0, n=3)
    >>> Scorecard({"scenario": "rc3", "seed": 1, "config_hash": "", "rows": [row | {"verdict": "pass"}]}).verdict
    'pass'
    """

    def __init__(self, card: Mapping[str, Any]) -> None:
        missing = [key for key in ("scenario", "seed", "config_hash", "rows") if key not in card]
        if missing:
            raise InputError(
                f"a scorecard without {', '.join(missing)}; its keys are scenario, seed, config_hash, rows"
            )
        for place, row in enumerate(card["rows"]):
            lacking = [key for key in COLUMNS if key not in row]
            if lacking:
                raise InputError(f"row {place} of the scorecard has no {', '.join(lacking)}")
            if row["verdict"] not in MARKS:
                raise InputError(
                    f"row {row['id']}: verdict is {row['verdict']!r}; it must be one of {', '.join(MARKS)}"
                )
        self.card = dict(card)
        self.scenario: str = card["scenario"]
        self.seed: int = card["seed"]
        self.config_hash: str = card["config_hash"]
        self.rows: list[Row] = list(card["rows"])

    def __repr__(self) -> str:
        return f"<scorecard of {self.scenario}, seed {self.seed}: {self.summary}>"

    def __getitem__(self, row_id: str) -> Row:
        """Row by its id, such as ``card["throughput"]``."""
        for row in self.rows:
            if row["id"] == row_id:
                return row
        raise KeyError(f"{row_id!r}; the rows are {', '.join(row['id'] for row in self.rows)}")

    @property
    def frame(self) -> pd.DataFrame:
        """Rows as a DataFrame, in their order."""
        import pandas as pd

        return pd.DataFrame([{key: row[key] for key in COLUMNS} for row in self.rows], columns=list(COLUMNS))

    @property
    def verdict(self) -> Verdict:
        """``fail`` with a fail, ``pass`` only if every row passes and there is one, else ``unknown``."""
        found = {row["verdict"] for row in self.rows}
        return "fail" if "fail" in found else "pass" if found == {"pass"} else "unknown"

    @property
    def exit_code(self) -> int:
        """0 all pass, 1 a fail, 2 an unknown and no fail."""
        return EXIT_CODES[self.verdict]

    @property
    def summary(self) -> str:
        """Count of each verdict in words, such as ``2 fail, 1 unknown, 9 pass``."""
        found = Counter(row["verdict"] for row in self.rows)
        return ", ".join(f"{found[verdict]} {verdict}" for verdict in ORDER if found[verdict]) or "no rows"

    def markdown(self) -> str:
        """Write the RC3 documents' own target table, a verdict in the place of each status, and the pairs behind it.

        Returns
        -------
        str
            Markdown: the documents' table, the pairs of regions, and a table of the other rows; those that have rows.
        """
        by_id = {row["id"]: row for row in self.rows}
        named = [(label, by_id[row_id]) for row_id, label in DOCUMENT_ROWS.items() if row_id in by_id]
        rest = [row for row in self.rows if row["id"] not in DOCUMENT_ROWS]
        pairs = [(row["title"], row) for row in rest if row["id"].startswith("latency.")]
        others = [(row["title"], row) for row in rest if not row["id"].startswith("latency.")]
        heads = ("Metric", "Pair of regions", "Other rows")
        tables = [
            _markdown_table(head, lines) for head, lines in zip(heads, (named, pairs, others), strict=True) if lines
        ]
        return "\n".join(tables)

    def junit(self) -> str:
        """Write JUnit XML: one test case a row, a fail as a failure, an unknown as skipped.

        Returns
        -------
        str
            An XML document.
        """
        found = Counter(row["verdict"] for row in self.rows)
        counts = {"tests": len(self.rows), "failures": found["fail"], "errors": 0, "skipped": found["unknown"]}
        attributes = {"name": _xml(self.scenario), **{key: str(value) for key, value in counts.items()}}
        suite = ElementTree.Element("testsuite", attributes)
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in (("seed", str(self.seed)), ("config_hash", self.config_hash)):
            ElementTree.SubElement(properties, "property", {"name": name, "value": _xml(value)})
        for row in self.rows:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": _xml(self.scenario), "name": _xml(row["id"]), "time": "0"}
            )
            said = f"{row['title']}: {measured_text(row)}, limit {limit_text(row)}. {row['why']}"
            if row["verdict"] == "fail":
                ElementTree.SubElement(case, "failure", {"message": _xml(said)}).text = _xml(str(row["evidence"]))
            elif row["verdict"] == "unknown":
                ElementTree.SubElement(case, "skipped", {"message": _xml(said)})
            else:
                ElementTree.SubElement(case, "system-out").text = _xml(said)
        ElementTree.indent(suite)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"

    def plot(self) -> LabFigure:
        """Draw every target relative to its limit, in one figure."""
        from bitcell_sim.report.charts import scorecard_figure

        return scorecard_figure(self.rows)

    def _repr_html_(self) -> str:
        """Table for a notebook, in its own colours, light or dark."""
        colours = {"pass": "#08775a", "fail": "#b8450a", "unknown": "#5f6873"}
        cell = 'style="text-align:left;vertical-align:top"'
        body = []
        for row in worst_first(self.rows):
            badge = (
                f'<span style="background:{colours[row["verdict"]]};color:#fff;border-radius:4px;padding:1px 7px;'
                f'white-space:nowrap">{MARKS[row["verdict"]]} {row["verdict"]}</span>'
            )
            texts = (row["title"], measured_text(row), interval_text(row), limit_text(row), str(row["n"]), row["why"])
            cells = "".join(f"<td {cell}>{escape(str(text))}</td>" for text in texts)
            body.append(f"<tr><td {cell}>{badge}</td>{cells}</tr>")
        names = ("Verdict", "Target", "Measured", "95 % interval", "Limit", "n", "Why")
        head = "".join(f'<th scope="col" {cell}>{name}</th>' for name in names)
        return (
            f"<table><caption {cell}><b>{escape(self.scenario)}</b>, seed {self.seed}: {self.summary}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        )


def _markdown_table(head: str, lines: Sequence[tuple[str, Row]]) -> str:
    text = [f"| {head} | Target | Status |", "|---|---|---|"]
    for label, row in lines:
        sign = {">=": "", ">": "> ", "<=": "≤"}.get(row["comparison"], row["comparison"])
        unit = row["unit"]
        limit = row_number(row, row["limit"])
        target = f"{sign}{limit}{unit}" if unit in {"ms", "s", "%"} else f"{sign}{with_unit(limit, unit)}"
        interval = interval_text(row)
        status = f"{MARKDOWN_MARKS[row['verdict']]} **{row['verdict']}**"
        status += "" if row["measured"] is None else f": {measured_text(row)}"
        status += f" (95 %: {interval})" if interval else ""
        status += f". {row['why']}" if row["why"] else ""
        text.append("| " + " | ".join(_markdown_cell(part) for part in (label, target, status)) + " |")
    return "\n".join(text) + "\n"


def _markdown_cell(text: str) -> str:
    return _TAG.sub("&lt;", " ".join(text.split()).replace("|", "\\|"))


def _xml(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("�", text)
