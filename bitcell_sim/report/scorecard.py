"""Verdicts as people and pipelines read them: a frame, a Markdown table, JUnit XML, HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from bitcell_sim.errors import InputError
from bitcell_sim.report.row_text import (
    MARKS,
    ORDER,
    Row,
    interval_text,
    limit_text,
    measured_text,
    row_number,
    with_unit,
    worst_first,
)

if TYPE_CHECKING:
    import pandas as pd

    from bitcell_sim.report.charts import LabFigure

Verdict = Literal["pass", "fail", "unknown"]

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
MARKDOWN_MARKS: dict[str, str] = {"pass": "✅", "fail": "❌", "unknown": "❔"}
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
