"""Commands about people and monitoring: drill, review, export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import Json, Latency, Quiet, Seed, Sets, answer, console, exit_code, progress, write_text


class Target(StrEnum):
    """Programs that a run is written for."""

    prometheus = "prometheus"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim drill node-down")(drill)
    app.command(epilog="Example: bitcell-sim review runs/rc3/latest --out review.md")(review)
    app.command(epilog="Example: bitcell-sim export prometheus runs/node-crash/latest --out tsdb")(export)


def drill(
    name: Annotated[str, typer.Argument(help="Page of docs/runbooks, such as node-down.")],
    at: Annotated[str, typer.Option("--at", help="Day and hour, UTC, at which the run begins.")] = "Tue 15:00",
    runbooks: Annotated[
        Path | None, typer.Option("--runbooks", metavar="DIR", help="Folder of your own runbooks.")
    ] = None,
    report: Annotated[
        str | None,
        typer.Option("--review", metavar="FILE", help="Post-incident review, Markdown; - is standard output."),
    ] = None,
    latency: Latency = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    quiet: Quiet = False,
) -> int:
    """Break something, and see people on call notice it and work through its runbook."""
    from bitcell_sim.studies import drill as study

    request = study.Request(name, seed, at, runbooks, tuple(sets or ()), latency)
    with progress(quiet) as tell:
        content = study.drill(request, progress=tell)
    used = answer(json_path, content)
    if report:
        from bitcell_sim.report.review import drill_review

        write_text(report, drill_review(content))
    if not used and report != "-":
        _print_drill(content)
    return exit_code([content["verdict"]])


def _print_drill(content: dict[str, Any]) -> None:
    from rich.table import Table

    from bitcell_sim.report.review import duration

    out = console()
    table = Table("from the onset", "who", "step", "reading", title=f"{content['drill']}: the runbook, as it went")
    for step in content["steps"]:
        reading = "done" if step["reading"] is None else f"{step['reading']:g}"
        note = reading if step["as_expected"] else f"{reading} (not as expected)"
        table.add_row(duration(step["at_s"] - content["onset_s"]), step["person"], step["title"], note)
    out.print(table)
    for name, seconds in content["times_s"].items():
        out.print(f"{name:13} {'never' if seconds is None else duration(seconds)}")
    alone = content["without_people"]["recovered"]
    out.print(f"without anybody: {'no recovery within the run' if alone is None else duration(alone)}")
    out.print(f"{content['verdict']}: {content['why']} ({content['passes']} passes)")


def review(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or runs/<scenario>/latest.")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where to; - is standard output.")] = "-",
) -> int:
    """Write the post-incident review of a run: what happened when, with room for why."""
    from bitcell_sim.report.review import run_review
    from bitcell_sim.runs import store

    write_text(out, run_review(store.load(run_folder)))
    return 0


def export(
    target: Annotated[Target, typer.Argument(help="Which program.")],
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or runs/<scenario>/latest.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the data; it must not exist.")] = Path(
        "tsdb"
    ),
) -> int:
    """Write a run into a database of Prometheus, and say how to look at it."""
    from bitcell_sim.studies.export import to_prometheus

    content = to_prometheus(run_folder, out)
    typer.echo(f"{content['samples']:,} samples of {content['series']} series in {out}; look at them with")
    typer.echo(f"  {content['command']}")
    typer.echo(f"and open {content['url']}")
    return 0
