"""Commands that judge: verify, chaos and validate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import (
    Json,
    Keep,
    Latency,
    Quiet,
    Scheduler,
    Seed,
    Sets,
    Workers,
    answer,
    console,
    exit_code,
    progress,
    write_text,
)
from bitcell_sim.runs.files import write_whole

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}
LEVELS = {"ok": "green", "warning": "yellow", "error": "red"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim verify rc3 --quick --json scorecard.json")(verify)
    app.command(epilog="Example: bitcell-sim chaos --scenario node_failure")(chaos)
    app.command(epilog="Example: bitcell-sim validate rc3")(validate)


def verify(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    quick: Annotated[
        bool, typer.Option("--quick", help="Less evidence, no chaos tests or resources, half a minute.")
    ] = False,
    replications: Annotated[int | None, typer.Option("--replications", help="Runs of each kind.")] = None,
    latency: Latency = None,
    only: Annotated[str, typer.Option("--only", metavar="GLOB", help="Rows by id, such as 'latency.*'.")] = "*",
    no_gate: Annotated[bool, typer.Option("--no-gate", help="Exit 0 whatever the verdicts.")] = False,
    report: Annotated[Path | None, typer.Option("--report", metavar="DIR", help="Offline page and figure.")] = None,
    markdown: Annotated[
        str | None, typer.Option("--markdown", metavar="FILE", help="The documents' target table.")
    ] = None,
    junit: Annotated[str | None, typer.Option("--junit", metavar="FILE", help="JUnit XML for CI.")] = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    keep: Keep = None,
    quiet: Quiet = False,
) -> int:
    """Judge every RC3 target on simulated evidence, with intervals, reasons and what would have to change."""
    from bitcell_sim.studies import verify as study

    size = study.size_of(quick, replications)
    request = study.Request(scenario, seed, tuple(sets or ()), latency, size, only, targets_only=quick)
    with progress(quiet) as tell:
        content = study.verify(request, workers=workers, scheduler=scheduler, keep=keep, progress=tell)
    used = answer(json_path, content)
    from bitcell_sim.report.scorecard import Scorecard

    card = Scorecard(content)
    if markdown:
        write_text(markdown, card.markdown())
    if junit:
        write_text(junit, card.junit())
    if report:
        _write_report(report, request, content)
    if not used and markdown != "-" and junit != "-":
        _print_scorecard(content)
    return 0 if no_gate else exit_code([row["verdict"] for row in content["rows"]])


def _write_report(folder: Path, request: Any, content: dict[str, Any]) -> None:
    """A page with the scorecard and one run of the scenario, and the figure."""
    from bitcell_sim.report.page import write_page
    from bitcell_sim.runs.run import RunData
    from bitcell_sim.studies.pages import latency_samples, steady_run

    scenario = request.variant()
    run = RunData.of(steady_run(scenario, request.seed))
    samples = latency_samples(scenario, request.seed)
    write_page(run, folder / "index.html", scorecard=content, latency_samples=samples)
    from bitcell_sim.report.scorecard import Scorecard

    write_whole(folder / "scorecard.png", Scorecard(content).plot().png(150))


def _print_scorecard(content: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    rows = content["rows"]
    title = f"{content['scenario']} on {content['latency']}, seed {content['seed']}, config {content['config_hash']}"
    table = Table(title=title, title_justify="left", show_lines=True, expand=True)
    for name, ratio in (("verdict", 7), ("target", 22), ("measured [95 %]", 22), ("limit", 11), ("why", 70)):
        table.add_column(name, ratio=ratio, no_wrap=name == "verdict", overflow="fold")
    for row in rows:
        verdict = Text(row["verdict"], style=f"bold {STYLES[row['verdict']]}")
        limit = f"{row['comparison']} {row['limit']:g} {row['unit']}"
        table.add_row(verdict, row["id"], figure_text(row), limit, Text(row["why"]))
    out.print(table)
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in STYLES}
    out.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    for violation in content["violations"]:
        out.print(Text(f"unsafe: {violation}", style="bold red"))


def chaos(
    deployment: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="NAME", help="One test, such as node_failure.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewest runs that give intervals.")] = False,
    replications: Annotated[
        int | None, typer.Option("--replications", help="Runs of each variant and length; intervals need 72.")
    ] = None,
    latency: Latency = None,
    no_gate: Annotated[bool, typer.Option("--no-gate", help="Exit 0 whatever the verdicts.")] = False,
    report: Annotated[Path | None, typer.Option("--report", metavar="DIR", help="Figure and tables.")] = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    keep: Keep = None,
    quiet: Quiet = False,
) -> int:
    """Do the RC3 documents' chaos tests many times: what recovers, how fast, and what held meanwhile."""
    from bitcell_sim.studies import chaos as study

    size = study.size_of(quick, replications)
    request = study.Request(deployment, seed, tuple(sets or ()), latency, size, scenario)
    with progress(quiet) as tell:
        content = study.chaos(request, workers=workers, scheduler=scheduler, keep=keep, progress=tell)
    if report:
        _write_chaos(report, content)
    if not answer(json_path, content):
        _print_chaos(content)
    return 0 if no_gate else exit_code([entry["verdict"] for entry in content["scenarios"]])


def _print_chaos(content: dict[str, Any]) -> None:
    from bitcell_sim.cli.chaos_tables import chaos_tables

    out = console()
    for table in chaos_tables(content):
        out.print(table)
    out.print(f"alerts: {content['alerts_why']}", style="dim")


def _write_chaos(folder: Path, content: dict[str, Any]) -> None:
    """The figure, the verdicts as Markdown, and what was back when as CSV."""
    from bitcell_sim.report.chaos import ChaosCard

    folder.mkdir(parents=True, exist_ok=True)
    card = ChaosCard(content)
    card.plot().savefig(folder / "chaos.png", dpi=150)
    (folder / "chaos.md").write_text(card.markdown(), encoding="utf-8")
    card.parts.to_csv(folder / "chaos_parts.csv", index=False, float_format="%.4g", lineterminator="\n")


def figure_text(row: dict[str, Any]) -> str:
    """Figure and interval of a row, such as ``16.8 [16.8, 16.8] TPS (n = 12)``."""
    if row["measured"] is None:
        return "no figure"
    interval = (
        "" if row["ci_low"] is None or row["ci_high"] is None else f" [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
    )
    return f"{row['measured']:.4g}{interval} {row['unit']} (n = {row['n']})"


def validate(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    latency: Latency = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
) -> int:
    """Check a deployment before it runs, then boot it in the simulator for the documents' nine checks."""
    from bitcell_sim.studies.validate import validate as study

    findings = study(scenario, seed=seed, sets=tuple(sets or ()), latency=latency)
    content = {"findings": [finding.as_dict() for finding in findings]}
    if not answer(json_path, content):
        from rich.text import Text

        out = console()
        for finding in findings:
            line = Text(f"{finding.level:8}", style=LEVELS[finding.level])
            line.append(f"{finding.where}: {finding.what}", style="default")
            if finding.fix:
                line.append(f" - {finding.fix}", style="dim")
            out.print(line)
    return 1 if any(finding.level == "error" for finding in findings) else 0
