"""A real Prometheus that is told a run: samples with their own times and true ends of series, by remote write.

The wire is Prometheus' remote write 1.0: a protobuf message in snappy's block format, here as literals only.

References
----------
Prometheus remote-write specification 1.0; snappy format description, "Literals".
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bitcell_sim.judges.server import ANY_PORT, serving
from bitcell_sim.judges.tools import find_tool

RETENTION = "--storage.tsdb.retention.time=30d"  # of the RC3 document: "Retention: 30 days"
STALE_NAN = struct.pack("<Q", 0x7FF0000000000002)  # Prometheus' own mark of a series that has ended
BATCH_SAMPLES = 5000
REQUEST_S = 30.0
_LITERAL_MAX = 2**16


class Line(NamedTuple):
    """One series: labels with ``__name__``, milliseconds since 1970, values; None ends the series."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float | None]]


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Run a Prometheus that scrapes nothing and takes what is written to it; its address while it runs.

    Parameters
    ----------
    folder : Path
        Keeps its configuration, its log and, under ``data``, its database.
    """
    file = folder / "prometheus.yml"
    file.write_text("# Scrapes nothing: shows what has been written into its database.\nglobal: {}\n", encoding="utf-8")
    command = [
        *(find_tool("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
        *(RETENTION, f"--web.listen-address={ANY_PORT}", "--web.enable-remote-write-receiver"),
    ]
    with serving(command, folder / "log") as address:
        yield address


def write(address: str, lines: Sequence[Line]) -> int:
    """Write series; how many samples.

    Notes
    -----
    Sent in the order of time, as a Prometheus refuses samples that are much older than the newest it has.
    """
    rows = [(at_ms, number, value) for number, line in enumerate(lines) for at_ms, value in line.samples]
    rows.sort(key=lambda row: (row[0], row[1]))
    for start in range(0, len(rows), BATCH_SAMPLES):
        batch: dict[int, list[tuple[int, float | None]]] = {}
        for at_ms, number, value in rows[start : start + BATCH_SAMPLES]:
            batch.setdefault(number, []).append((at_ms, value))
        body = _snappy(b"".join(_field(1, _series(lines[number].labels, found)) for number, found in batch.items()))
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        with urlopen(Request(f"{address}/api/v1/write", body, headers), timeout=REQUEST_S):
            pass
    return len(rows)


def query(address: str, expression: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
    """Series that an expression gives over a range of times."""
    words = urlencode({"query": expression, "start": start_s, "end": end_s, "step": step_s})
    with urlopen(f"{address}/api/v1/query_range?{words}", timeout=REQUEST_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _series(labels: Mapping[str, str], samples: Sequence[tuple[int, float | None]]) -> bytes:
    parts = [_field(1, _field(1, name.encode()) + _field(2, labels[name].encode())) for name in sorted(labels)]
    for at_ms, value in samples:
        number = STALE_NAN if value is None else struct.pack("<d", value)
        parts.append(_field(2, b"\x09" + number + b"\x10" + _varint(at_ms)))
    return b"".join(parts)


def _snappy(content: bytes) -> bytes:
    parts = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL_MAX):
        piece = content[start : start + _LITERAL_MAX]
        parts.append(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece)  # 61: the length follows in two bytes
    return b"".join(parts)
