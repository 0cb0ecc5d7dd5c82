"""Commands that run, look and make pages: run, ping, explain, report, list, new."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import Json, Latency, Quiet, Seed, Sets, answer, command_line, console, progress, write_text
from bitcell_sim.errors import InputError

KINDS = ("deployments", "latency", "scenarios", "faults", "miners", "circuits", "alerts", "sweeps")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim run node-crash --duration 20min")(run)
    app.command(epilog="Example: bitcell-sim ping rc3 --repeat 100")(ping)
    app.command(epilog="Example: bitcell-sim explain runs/rc3/latest tx:123")(explain)
    app.command(epilog="Example: bitcell-sim report runs/rc3/latest --out page.html")(report)
    app.command("list", epilog="Example: bitcell-sim list latency")(list_models)
    app.command(epilog="Example: bitcell-sim new my-scenario.toml")(new)


def run(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")],
    duration: Annotated[
        str | None, typer.Option("--duration", help="Such as 10min; the scenario's own without it.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of all runs.")] = Path("runs"),
    latency: Latency = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    quiet: Quiet = False,
) -> int:
    """Run one scenario and keep its tables on disk."""
    from bitcell_sim.config.loader import load_scenario
    from bitcell_sim.engine.simulation import simulate_once
    from bitcell_sim.runs import store
    from bitcell_sim.runs.run import RunData
    from bitcell_sim.units import NS_PER_S, parse_duration_ns

    options = list(sets or ())
    if duration is not None:
        options.append(f"duration_s={parse_duration_ns(duration) / NS_PER_S}")
    resolved = load_scenario(scenario, sets=options, latency=latency)
    start = time.perf_counter()
    with progress(quiet) as tell:
        outcome = simulate_once(
            resolved, seed=seed, progress=lambda share: tell(f"running {resolved.name}", round(100 * share), 100)
        )
    kept = store.save(RunData.of(outcome), out, command=command_line(), wall_s=time.perf_counter() - start)
    content = {
        "run": str(kept.path),
        "trace_digest": kept.trace_digest,
        "simulated_s": kept.simulated_s,
        "wall_s": kept.manifest["wall_s"],
        "counts": dict(kept.counts),
        "violations": [f"{v.property}: {v.detail}" for v in outcome.violations],
    }
    if not answer(json_path, content):
        _print_run(content, {str(k): int(v) for k, v in outcome.tables["transactions"]["state"].value_counts().items()})
    return 1 if outcome.violations else 0


def _print_run(content: dict[str, Any], states: dict[str, int]) -> None:
    out = console()
    speed = content["simulated_s"] / content["wall_s"] if content["wall_s"] else float("inf")
    out.print(f"{content['simulated_s']:g} s simulated in {content['wall_s']:.2f} s ({speed:,.0f} times real time)")
    out.print("transactions: " + ", ".join(f"{count} {state}" for state, count in states.items() if count))
    out.print("tables: " + ", ".join(f"{name} {rows}" for name, rows in content["counts"].items()))
    for violation in content["violations"]:
        out.print(f"unsafe: {violation}", style="bold red")
    out.print(f"digest {content['trace_digest'][:16]}, kept in {content['run']}")


def ping(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    source: Annotated[str | None, typer.Option("--source", metavar="NODE", help="Only from this node.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Pings of one repeat, one a second.")] = 10,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Repeats, each in a new state of the links.")] = 1,
    latency: Latency = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
) -> int:
    """Ping every node from every node, as the documents' measurement plan does; round trips in milliseconds."""
    from bitcell_sim.config.loader import load_scenario
    from bitcell_sim.studies.ping import pings

    resolved = load_scenario(scenario, sets=sets or (), latency=latency)
    names = [node.id for node in resolved.deployment.node]
    if source is not None and source not in names:
        raise InputError(
            f"--source {source!r} is not a node of {resolved.deployment.name}; nodes are {', '.join(names)}"
        )
    sources = list(range(len(names))) if source is None else [names.index(source)]
    pairs = [
        p.summary() for p in pings(resolved, sources, list(range(len(names))), seed=seed, count=count, repeat=repeat)
    ]
    if not answer(json_path, {"pairs": pairs}):
        from rich.table import Table

        table = Table("source", "target", *("n", "min", "p50", "p95", "p99", "mean", "max", "floor"))
        for pair in pairs:
            values = [pair[f"{name}_ms"] for name in ("min", "p50", "p95", "p99", "mean", "max", "floor")]
            cells = ["lost" if value is None else f"{value:.2f}" for value in values]
            table.add_row(str(pair["source"]), str(pair["target"]), str(pair["n"]), *cells)
        console().print(table)
    return 0


def explain(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or runs/<scenario>/latest.")],
    what: Annotated[str, typer.Argument(metavar="TX|BLOCK", help="tx:NUMBER or block:NUMBER.")],
) -> int:
    """Tell one transaction's or block's way, with the causes of each wait."""
    from bitcell_sim.analysis import explanation
    from bitcell_sim.runs import store

    typer.echo(str(explanation.explain(store.load(run_folder).tables, what)))
    return 0


def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or runs/<scenario>/latest.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="The run folder's report.html without it.")
    ] = None,
) -> int:
    """Write the offline page of a run."""
    from bitcell_sim.report.page import write_page
    from bitcell_sim.runs import store
    from bitcell_sim.studies.pages import latency_samples

    stored = store.load(run_folder)
    assert stored.path is not None
    path = out or stored.path / "report.html"
    write_page(stored, path, latency_samples=latency_samples(stored.scenario, stored.seed))
    typer.echo(f"{path} ({path.stat().st_size / 1000:.0f} kB, no network needed)")
    return 0


def list_models(
    kind: Annotated[str, typer.Argument(help=" | ".join(KINDS))],
    json_path: Json = None,
) -> int:
    """List what there is."""
    if kind not in KINDS:
        import difflib

        near = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(KINDS)}"
        raise InputError(f"{kind!r} cannot be listed: {hint}")
    entries = _entries(kind)
    if not answer(json_path, {kind: [{"name": name, "title": title} for name, title in entries]}):
        for name, title in entries:
            typer.echo(f"{name:28} {title}")
    return 0


def _entries(kind: str) -> list[tuple[str, str]]:
    """Names and titles of a kind."""
    import tomllib

    from bitcell_sim.config import catalog

    if kind == "faults":
        from bitcell_sim.config.fault import KINDS_OF_FAULT

        return list(KINDS_OF_FAULT.items())
    if kind == "miners":
        from bitcell_sim.config.miner import BEHAVIOURS

        return list(BEHAVIOURS.items())
    if kind == "alerts":
        from bitcell_sim.studies.alerts import titles

        return titles()
    if kind == "circuits":
        from bitcell_sim.config.loader import load_scenario
        from bitcell_sim.proving.cost import ProofConstants

        constants = ProofConstants.from_mapping(load_scenario("rc3").proofs.model_dump(by_alias=True))
        return [(name, circuit.status) for name, circuit in sorted(constants.circuits.items())]
    found = []
    for name in catalog.names(kind):
        text = catalog.path(kind, name).read_text(encoding="utf-8")
        found.append((name, str(tomllib.loads(text).get("title", ""))))
    return found


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="File to make; it must not exist.")],
    deployment: Annotated[str, typer.Option("--deployment", help="What it starts from.")] = "rc3",
) -> int:
    """Write a commented scenario to start from."""
    from bitcell_sim.config.starter import starter

    if file.exists():
        raise InputError(f"{file} exists; choose another name")
    write_text(str(file), starter(deployment))
    typer.echo(f"{file}: try  bitcell-sim run {file}")
    return 0
