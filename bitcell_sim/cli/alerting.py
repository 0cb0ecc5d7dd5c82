"""The command that asks whether monitoring would notice: alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import (
    EXIT_FAIL,
    Json,
    Quiet,
    Scheduler,
    Seed,
    Sets,
    Workers,
    answer,
    check_suffix,
    console,
    progress,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: bitcell-sim alerts --fault regional-failure")(alerts)


def alerts(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    fault: Annotated[
        str, typer.Option("--fault", metavar="NAME", help="One fault, quiet for none, or all; list alerts has them.")
    ] = "all",
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="A rule file of Prometheus; the lab's own without it."),
    ] = None,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Runs of each fault.")] = 3,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE.png", help="Faults against rules, as a picture.")
    ] = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> int:
    """Judge alert rules by simulated faults and the real rule engine: what fires, how late, what never can."""
    from bitcell_sim.studies import alerts as study

    check_suffix("--figure", figure, (".png", ".svg", ".pdf"))
    request = study.Request(fault, rules, scenario, seed, replications, tuple(sets or ()))
    with progress(quiet) as tell:
        content = study.alerts(request, workers=workers, scheduler=scheduler, progress=tell)
    if figure is not None:
        from bitcell_sim.report.alerts import AlertCard

        AlertCard(content).plot().savefig(figure, dpi=150)
    if not answer(json_path, content):
        _print_alerts(content)
    return EXIT_FAIL if content["uncaught"] or any(rule["never"] for rule in content["rules"]) else 0


def _print_alerts(content: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from bitcell_sim.report.alerts import FALSE, FIRED, MISSED, delay_text, state_of

    out = console()
    title = f"{content['rules_file']} on {content['scenario']}, seed {content['seed']}, {content['runs']} runs a fault"
    table = Table(title=title, title_justify="left", show_lines=True, expand=True)
    table.add_column("noticed", no_wrap=True)
    for name, ratio in (
        ("fault", 24),
        ("first alert after", 12),
        ("raised, median delay", 60),
        ("not as it should", 30),
    ):
        table.add_column(name, ratio=ratio, overflow="fold")
    for fault in content["faults"]:
        states = {name: state_of(fault, name) for name in fault["alerts"]}
        raised = [
            f"{name} {delay_text(delays['p50'])}" + ("" if states[name] == FIRED else " (too)")
            for name, delays in sorted(fault["alerts"].items(), key=lambda item: item[1]["p50"])
            if states[name] != FALSE
        ]
        wrong = [f"{MISSED}: {name}" for name in fault["missed"]] + [f"{FALSE}: {name}" for name in fault["false"]]
        whole = fault["detected_runs"] == fault["n"]
        noticed = Text(f"{fault['detected_runs']}/{fault['n']}", style="green" if whole else "bold red")
        delay = fault["delay_s"]
        many = f" ({delay['min']:.0f} to {delay['max']:.0f} s)" if delay["n"] > 1 else ""
        table.add_row(
            noticed, fault["name"], delay_text(delay["p50"]) + many, ", ".join(raised) or "nothing", "\n".join(wrong)
        )
    if content["faults"]:
        out.print(table)
    _print_rules(content)


def _print_rules(content: dict[str, Any]) -> None:
    """What reading the rules shows, and what a time without faults does."""
    from rich.text import Text

    out = console()
    rules = content["rules"]
    for rule in rules:
        if rule["never"]:
            out.print(Text(f"never can fire: {rule['alert']}: {rule['never']}", style="bold red"))
        for doubt in rule["doubts"]:
            out.print(Text(f"doubtful: {rule['alert']}: {doubt}", style="yellow"))
    silent = [rule["alert"] for rule in rules if rule["silent"]]
    if silent:
        out.print(f"no fault here made them fire: {', '.join(silent)}")
    for name in content["uncaught"]:
        out.print(Text(f"nothing notices: {name}", style="bold red"))
    calm = content["quiet"]
    if calm["hours"]:
        alarms = ", ".join(f"{name} {rate:.0f}" for name, rate in calm["false_alarms_per_month"].items()) or "none"
        out.print(f"without faults, {calm['hours']:g} h: false alarms a month: {alarms}")
        out.print(f"always there without a fault: {', '.join(calm['standing']) or 'none'}")
