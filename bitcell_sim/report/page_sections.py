"""The words and numbers of a page, section by section: plain rows that the template lays out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bitcell_sim.config.schema import Scenario
from bitcell_sim.report import page_charts, series
from bitcell_sim.report.row_text import (
    MARKS,
    Row,
    interval_text,
    limit_text,
    measured_text,
    number,
    relative_to_limit,
    worst_first,
)
from bitcell_sim.report.scorecard import Scorecard
from bitcell_sim.report.world_map import MapLink
from bitcell_sim.runs.run import RunData

Rows = list[dict[str, Any]]
BLOCKS_SHOWN = 50
TRACK_DECADES = 1.0  # a track reaches from a tenth of the limit to ten times it
STATE_WORDS = {
    "final": "seen final by the node it was sent to",
    "pending": "accepted and not final when the run ended",
    "rejected": "refused, the mempool was full",
    "dropped": "never accepted: no server answered in time",
    "lost": "accepted, then forgotten by every node",
}
LANE_WORDS = {
    "up": "up",
    "apart": "half its peers or fewer",
    "behind": f"{series.LAG_BLOCKS} blocks behind or more",
    "down": "down",
}


def span(seconds: float) -> str:
    """Write a length of time for people.

    >>> span(90), span(7200), span(12.34)
    ('1.5 min', '2 h', '12.3 s')
    """
    if seconds < 60:
        return f"{number(seconds)} s"
    return f"{number(seconds / 60)} min" if seconds < 3600 else f"{number(seconds / 3600)} h"


def headline(run: RunData, card: Scorecard | None) -> dict[str, str]:
    """Sentence on top of the page, and the verdict that colours it."""
    if run.violations:
        count = len(run.violations)
        return {"verdict": "fail", "text": f"{count} safety violation{'s' if count > 1 else ''} in this run"}
    if card is None:
        return {"verdict": "none", "text": run.scenario.title}
    counts = Counter(row["verdict"] for row in card.rows)
    words = {"fail": "missed", "unknown": "not decided", "pass": "met"}
    parts = [f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]]
    return {"verdict": card.verdict, "text": f"{', '.join(parts)} of {len(card.rows)} targets"}


def tiles(run: RunData, links: Sequence[Mapping[str, Any]]) -> Rows:
    """Few figures that say how the run went."""
    transactions = series.table(run, "transactions")
    counted = series.books(transactions)
    submitted, final = len(transactions), counted.get("final", 0)
    waits = (transactions["final_ms"] - transactions["submitted_ms"]).dropna().to_numpy() / series.MS_PER_S
    blocks = series.table(run, "blocks")["state"].value_counts()
    proofs = series.table(run, "proofs")["outcome"].value_counts()
    done = int(proofs.get("done", 0))
    found = [
        (
            "Final rate",
            f"{number(final / run.simulated_s)} TPS",
            f"{number(submitted / run.simulated_s)} TPS submitted",
        ),
        ("Final", f"{100 * final / max(1, submitted):.1f} %", f"{final:,} of {submitted:,} transactions"),
        (
            "Finality, p95",
            f"{number(float(np.quantile(waits, 0.95)))} s" if len(waits) else "–",
            _limit(run, "finality", "s"),
        ),
        ("Blocks final", f"{int(blocks.get('final', 0)):,}", f"{int(blocks.get('orphaned', 0))} orphaned"),
        ("Proofs done", f"{done:,}", f"{int(proofs.sum()) - done:,} killed or lost"),
    ]
    measured = [link for link in links if link["p95_ms"] is not None]
    if measured:
        worst = max(measured, key=lambda link: link["p95_ms"])
        found.append(("Slowest link, p95", f"{number(worst['p95_ms'])} ms", " – ".join(worst["pair"])))
    return [dict(zip(("name", "value", "note"), tile, strict=True)) for tile in found]


def _limit(run: RunData, target: str, unit: str) -> str:
    limit = series.limits(run.scenario).get(target)
    return "from submission to final" if limit is None else f"limit {limit:g} {unit}"


def scorecard_rows(card: Scorecard) -> Rows:
    """Rows of the scorecard, fails first, each with the places of its marks on a track around the limit."""
    return [
        {
            "id": row["id"],
            "title": row["title"],
            "statistic": row["statistic"],
            "verdict": row["verdict"],
            "mark": MARKS[row["verdict"]],
            "measured": measured_text(row),
            "interval": interval_text(row),
            "limit": limit_text(row),
            "n": row["n"],
            "why": row["why"],
            "track": _track(row),
        }
        for row in worst_first(card.rows)
    ]


def _track(row: Row) -> dict[str, float] | None:
    """Places in percent of a track's width, the limit at 50; None without a figure."""

    def place(value: float | None) -> float | None:
        ratio = relative_to_limit(row, value)
        if ratio is None:
            return None
        decades = math.log10(ratio) if 0 < ratio < math.inf else math.copysign(math.inf, ratio - 1)
        return round(50 + 50 * min(max(decades / TRACK_DECADES, -0.96), 0.96), 1)

    at, low, high = (place(row[key]) for key in ("measured", "ci_low", "ci_high"))
    if at is None:
        return None
    ends = sorted([at if low is None else low, at if high is None else high])
    return {"at": at, "low": ends[0], "width": round(ends[1] - ends[0], 1)}


def pair_rows(scenario: Scenario, samples: series.LatencySamples, card: Scorecard | None) -> Rows:
    """Every pair of regions: the matrix's figure, what was measured, the limit and the verdict.

    The scorecard's verdict counts. Without one the row says whether the 95th percentile of the samples, or else the
    matrix's own figure, is over or under the limit.
    """
    names = {region.name: region.title for region in scenario.deployment.region}
    clouds = {r.name: r.cloud.get(scenario.latency.provider, r.name) for r in scenario.deployment.region}
    matrix = {(link.source, link.target): link.rtt_ms for link in scenario.latency.link}
    judged = {row["id"]: row for row in card.rows} if card else {}
    rows = []
    for pair in series.region_pairs(scenario):
        ends = (clouds[pair[0]], clouds[pair[1]])
        listed = max((rtt for key in (ends, ends[::-1]) if (rtt := matrix.get(key)) is not None), default=None)
        limit = series.pair_limit_ms(scenario, pair)
        values = series.worse_direction(samples, pair)
        p50, p95, p99 = (None,) * 3 if values is None else (float(np.quantile(values, q)) for q in (0.5, 0.95, 0.99))
        row = judged.get(f"latency.{pair[0]}.{pair[1]}") or judged.get(f"latency.{pair[1]}.{pair[0]}")
        shown = row["measured"] if row and row["measured"] is not None else p95 if p95 is not None else listed
        verdict = row["verdict"] if row else _compared(shown, limit)
        rows.append(
            {
                "pair": pair,
                "title": f"{names[pair[0]]} – {names[pair[1]]}",
                "listed": number(listed, 4),
                "n": 0 if values is None else len(values),
                "p50": number(p50, 4),
                "p95": number(p95, 4),
                "p99": number(p99, 4),
                "p95_ms": p95,
                "limit": "–" if limit is None else f"{limit:g}",
                "limit_ms": limit,
                "shown": shown,
                "verdict": verdict,
                "mark": MARKS[verdict],
                "word": verdict if row else {"pass": "under", "fail": "over"}.get(verdict, "unknown"),
            }
        )
    return rows


def _compared(value: float | None, limit: float | None) -> str:
    if value is None or limit is None:
        return "unknown"
    return "pass" if value < limit else "fail"


def map_links(rows: Sequence[Mapping[str, Any]]) -> list[MapLink]:
    """Links of the map, as the rows of the pairs say."""
    words = {"pass": "meets", "fail": "misses", "unknown": "is not decided against"}
    links = []
    for row in rows:
        shown = f"{row['shown']:.0f} ms" if row["shown"] is not None else "?"
        title = f"{row['title']}: {shown}, {words[row['verdict']]} the limit of {row['limit']} ms"
        links.append(MapLink(row["pair"], row["verdict"], f"{row['mark']} {shown}", title))
    return links


def lane_rows(run: RunData) -> Rows:
    """Every node's lane: its states as shares of the width, and its heights at the end."""
    nodes = [node.id for node in run.scenario.deployment.node]
    rows = []
    for lane in series.lanes(series.table(run, "samples"), nodes, run.simulated_s):
        parts = [
            {
                "state": part.state,
                "left": round(100 * part.start_s / run.simulated_s, 3),
                "width": round(100 * (part.end_s - part.start_s) / run.simulated_s, 3),
                "title": f"{lane.node}: {_lane_words(part)}",
            }
            for part in lane.states
        ]
        said = "; ".join(_lane_words(part) for part in lane.states)
        rows.append(
            {"node": lane.node, "parts": parts, "said": said, "height": lane.height, "final": lane.final_height}
        )
    return rows


def _lane_words(part: series.LaneState) -> str:
    return f"{LANE_WORDS[part.state]}, {series.clock(part.start_s)} to {series.clock(part.end_s)}"


def band_rows(run: RunData) -> Rows:
    """Faults as shares of the width of the lanes."""
    end_s = run.simulated_s
    return [
        {
            "left": round(100 * band.start_s / end_s, 3),
            "width": round(100 * (band.end_s - band.start_s) / end_s, 3),
            "label": band.label,
        }
        for band in series.fault_bands(run)
    ]


def fault_rows(run: RunData) -> Rows:
    """Faults of the run for a table."""
    frame = series.table(run, "faults").sort_values("start_ms", kind="stable")
    rows = []
    for fault in frame.to_dict("records"):
        start_s, end_s = fault["start_ms"] / series.MS_PER_S, fault["end_ms"] / series.MS_PER_S
        rows.append(
            {
                "kind": fault["kind"],
                "target": fault["target"],
                "detail": fault["detail"],
                "start": series.clock(start_s),
                "length": span(end_s - start_s),
                "open": end_s >= run.simulated_s,
            }
        )
    return rows


def block_rows(run: RunData) -> Rows:
    """First blocks of the run for a table."""
    frame = series.table(run, "blocks").head(BLOCKS_SHOWN)
    rows = []
    for block in frame.to_dict("records"):
        final_ms = block["quorum_final_ms"]
        rows.append(
            {
                "height": block["height"],
                "attempt": block["attempt"],
                "builder": block["builder"],
                "built": series.clock(block["built_ms"] / series.MS_PER_S),
                "transactions": f"{block['transaction_count']:,}",
                "size": f"{block['size_bytes'] / 1000:,.1f}",
                "final": "–"
                if not np.isfinite(final_ms)
                else f"{(final_ms - block['built_ms']) / series.MS_PER_S:.2f}",
                "state": block["state"],
            }
        )
    return rows


def book_rows(run: RunData) -> Rows:
    """Every state that transactions, blocks and proofs ended in; each book sums to its total."""
    blocks, proofs = (
        {str(state): int(count) for state, count in series.table(run, name)[column].value_counts(sort=False).items()}
        for name, column in (("blocks", "state"), ("proofs", "outcome"))
    )
    counted = {
        "Transactions": series.books(series.table(run, "transactions")),
        "Blocks": blocks,
        "Proofs": dict.fromkeys(page_charts.OUTCOMES, 0) | dict(sorted(proofs.items())),
    }
    books = []
    for name, states in counted.items():
        total = sum(states.values())
        lines = [
            {"state": state, "count": f"{count:,}", "share": 100 * count / total, "words": STATE_WORDS.get(state, "")}
            for state, count in states.items()
            if total
        ]
        if name != "Transactions":
            lines = [entry | {"words": ""} for entry in lines]
        books.append({"name": name, "total": f"{total:,}", "lines": lines})
    return books


def provenance(run: RunData) -> list[tuple[str, str]]:
    """Where the page comes from, as far as the run's manifest says."""
    manifest = run.manifest
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.get("libraries", {}).items())
    told = {
        "Command": manifest.get("command"),
        "Commit": manifest.get("commit"),
        "Package": f"bitcell-sim {manifest['package']}" if "package" in manifest else None,
        "Python": manifest.get("python"),
        "Libraries": libraries or None,
        "Run folder": None if run.path is None else run.path.name,
        "Started": manifest.get("started"),
        "Latency source": f"{run.scenario.latency.name}: {run.scenario.latency.title}",
        "Protocol": run.scenario.protocol.name,
        "Workload": run.scenario.workload.name,
        "Proof model": run.scenario.proofs.name,
    }
    return [(name, str(value)) for name, value in told.items() if value]
