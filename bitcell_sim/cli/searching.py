"""The command that searches for failures: fuzz."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import EXIT_FAIL, Json, Keep, Quiet, Scheduler, Sets, Workers, answer, progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: bitcell-sim fuzz --seeds 20 --profile rc3-as-built --shrink")(fuzz)


def fuzz(
    seeds: Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="How many seeds.")] = 100,
    start: Annotated[int, typer.Option("--start", metavar="S", help="The first of them.")] = 1,
    profile: Annotated[str, typer.Option("--profile", help="Deployment, such as rc3 or rc3-as-built.")] = "rc3",
    shrink: Annotated[bool, typer.Option("--shrink", help="Make each failure as small as it goes.")] = False,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    keep: Keep = None,
    quiet: Quiet = False,
) -> int:
    """Search for what is wrong with the protocol: random faults by seed, then quiet."""
    from bitcell_sim.studies.fuzz import fuzz as study

    with progress(quiet) as tell:
        content: dict[str, Any] = study(
            profile,
            seeds=seeds,
            start=start,
            shrinking=shrink,
            sets=tuple(sets or ()),
            workers=workers,
            scheduler=scheduler,
            keep=keep,
            progress=tell,
        )
    failures = content["failures"]
    if not answer(json_path, content):
        for failure in failures:
            typer.echo(f"seed {failure['seed']}: {failure['property']}: {failure['detail']}\n  {failure['replay']}")
        typer.echo(f"{seeds} seeds from {start} in {profile}: {len(failures) or 'no'} failures")
    return EXIT_FAIL if failures else 0
