"""Options that commands share, and how they answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from bitcell_sim.errors import InputError
from bitcell_sim.runs.files import write_whole

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAIL, EXIT_UNKNOWN, EXIT_INTERRUPTED = 1, 2, 130

Seed = Annotated[int, typer.Option("--seed", help="All chance is a function of it.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change any config key; repeat for more."),
]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is standard output.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; all cores without it.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", metavar="tcp://HOST:PORT", help="A Dask scheduler.")]
Keep = Annotated[
    Path | None,
    typer.Option("--keep", metavar="DIR", help="Keep finished runs here, and do not do again those that are."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="SHARE", help="Run more until each interval's half is so narrow, such as 2%."),
]
Latency = Annotated[str | None, typer.Option("--latency", metavar="NAME", help="Latency source, such as azure-2026.")]


class Tell(Protocol):
    """Progress of a study."""

    def __call__(self, title: str, done: int, total: int) -> None:
        """So many of so many are done."""


def console(to_stdout: bool = True) -> Console:
    """Console that wraps only on a terminal, so that a log holds whole lines."""
    from rich.console import Console

    stream = sys.stdout if to_stdout else sys.stderr
    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False)


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Progress bars with an estimate, on standard error; silent where it is no terminal, but for a line a stage."""
    if quiet:
        yield lambda title, done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(to_stdout=False), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(title: str, done: int, total: int) -> None:
            if title not in tasks:
                tasks[title] = bars.add_task(title, total=total)
            bars.update(tasks[title], completed=done, total=total)

        yield tell


def write_text(path: str, text: str) -> None:
    """Write a text file whole or not at all; ``-`` is standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if path == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(path), text.encode())


def check_suffix(option: str, path: Path | None, suffixes: Sequence[str]) -> None:
    """Refuse a file whose name does not end as a picture of that kind does.

    Raises
    ------
    InputError
        If it ends otherwise.
    """
    if path is not None and path.suffix.lower() not in suffixes:
        has = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
        raise InputError(f"{option} {path}: {has}, and should end in {' or '.join(suffixes)}")


def answer(json_path: str | None, content: Mapping[str, Any]) -> bool:
    """Write the JSON if it was asked for; True if standard output has been used for it."""
    if json_path is None:
        return False
    write_text(json_path, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return json_path == "-"


def exit_code(verdicts: list[str]) -> int:
    """0 all pass, 1 a fail, 2 unknown and no fail."""
    if "fail" in verdicts:
        return EXIT_FAIL
    return EXIT_UNKNOWN if "unknown" in verdicts else 0


def command_line() -> str:
    """What was typed."""
    import shlex

    return shlex.join(["bitcell-sim", *sys.argv[1:]])


def share(text: str) -> float:
    """Share that a person writes as ``2%`` or ``0.02``.

    Raises
    ------
    InputError
        If it is neither.
    """
    try:
        return float(text.rstrip("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise InputError(f"{text!r} is no share; write 2% or 0.02") from None
