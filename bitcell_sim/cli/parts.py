"""Commands for single parts: battles, proof, calibrate, availability, bench, regress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitcell_sim.cli.common import (
    Json,
    Quiet,
    Seed,
    Sets,
    Workers,
    answer,
    check_suffix,
    progress,
)
from bitcell_sim.errors import InputError
from bitcell_sim.runs.files import write_whole

if TYPE_CHECKING:
    from bitcell_sim.chain.battle_file import BattleFile

YEARS_PER_REPLICATION = 500


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim battles battles.json --animate battle.gif")(battles)
    app.command(epilog="Example: bitcell-sim proof --grid 32 --steps 10 --cores 4")(proof)
    app.command(epilog="Example: bitcell-sim calibrate --out here.toml")(calibrate)
    app.command(epilog="Example: bitcell-sim availability --years 10000")(availability)
    app.command(epilog="Example: bitcell-sim bench hour")(bench)
    app.command(epilog="Example: bitcell-sim regress --out regress/")(regress)


def battles(
    file: Annotated[Path, typer.Argument(help="JSON of battles, tournaments and soups.")],
    animate: Annotated[
        Path | None, typer.Option("--animate", metavar="OUT", help="Draw a battle: OUT.gif moves, OUT.png is a strip.")
    ] = None,
    bracket: Annotated[
        Path | None, typer.Option("--bracket", metavar="OUT.png", help="Draw the bracket of a tournament.")
    ] = None,
    which: Annotated[
        str | None, typer.Option("--which", metavar="ID", help="What to draw: an id, or a place such as battles.3.")
    ] = None,
    json_path: Json = None,
) -> int:
    """Fight the battles of a file, bit for bit as upstream does, and draw one."""
    from bitcell_sim.chain.battle_file import read_battle_file

    check_suffix("--animate", animate, (".gif", ".png"))
    check_suffix("--bracket", bracket, (".png",))
    if which is not None and animate is None and bracket is None:
        raise InputError("--which says what to draw: give --animate OUT.gif or --bracket OUT.png with it")
    fights = read_battle_file(file)
    _draw(fights, which, animate, bracket)
    results = fights.results()
    if not answer(json_path, results):
        _print_battles(results)
        for path in filter(None, (animate, bracket)):
            typer.echo(f"drawn: {path}")
    return 0


def _draw(fights: BattleFile, which: str | None, animate: Path | None, bracket: Path | None) -> None:
    """Draw what was asked for; both are looked for before anything is drawn."""
    from bitcell_sim.report.contests import Battle, Tournament

    battle = None if animate is None else Battle.of(fights.battle(which))
    tournament = None if bracket is None else Tournament.of(fights.tournament(which))
    if animate is not None and battle is not None:
        moving = animate.suffix.lower() == ".gif"
        write_whole(animate, battle.plot.film().gif if moving else battle.plot.strip().png(200))
    if bracket is not None and tournament is not None:
        write_whole(bracket, tournament.plot.bracket().png())


def _print_battles(results: dict[str, list[dict[str, Any]]]) -> None:
    for fought in results.get("battles", []):
        result = fought["result"]
        a, b = fought["a"]["pattern"], fought["b"]["pattern"]
        typer.echo(f"{fought.get('id', ''):12} {a} against {b}: {result['outcome']} by {result['decided_by']}")
    for held in results.get("tournaments", []):
        typer.echo(f"{held.get('id', ''):12} {len(held['miners'])} miners: miner {held['result']['winner']} wins")
    for soup in results.get("soups", []):
        typer.echo(f"{soup.get('id', ''):12} soup of {soup['steps']} steps: {soup['result']['live']} cells live")


def proof(
    circuit: Annotated[
        str | None, typer.Option("--circuit", help="Circuit by name, see list circuits; the protocol's without it.")
    ] = None,
    grid: Annotated[
        int | None, typer.Option("--grid", min=1, help="Side of the grid; the protocol's without it.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps; the protocol's without it.")] = None,
    depth: Annotated[
        int | None, typer.Option("--depth", min=1, help="Depth of a Merkle path, length of a squaring chain.")
    ] = None,
    constraints: Annotated[
        int | None, typer.Option("--constraints", min=1, help="Any circuit of this size instead.")
    ] = None,
    dense_ratio: Annotated[
        float | None,
        typer.Option("--dense-ratio", min=0.0, max=1.0, help="Full-width share of its witness; 1 without it."),
    ] = None,
    cores: Annotated[float | None, typer.Option("--cores", help="Cores; the machine's own without it.")] = None,
    prover: Annotated[
        str | None, typer.Option("--prover", help="Prover family, such as gnark; the protocol's without it.")
    ] = None,
    sets: Sets = None,
    json_path: Json = None,
) -> int:
    """Predict how long one proof takes, whether it fits a node, and what would meet the limit."""
    from bitcell_sim.studies.proof import Question, predict_proof

    question = Question(circuit, grid, steps, depth, constraints, dense_ratio, cores, prover)
    content = predict_proof(question, sets=tuple(sets or ()))
    if not answer(json_path, content):
        _print_proof(content)
    return 0


def _print_proof(content: dict[str, Any]) -> None:
    """A prediction in words."""
    if content["feasible"]:
        size = f"{content['constraints']:,} constraints, domain 2^{content['domain'].bit_length() - 1}"
        one_s, seconds = content["single_core_s"], content["seconds"]
        one = f" ({one_s:.3g} s on one core)" if one_s != seconds["measured"] else ""
        typer.echo(f"{size}: {_with_interval(seconds)} with {content['prover']}{one}")
    typer.echo(content["why"])
    if content["limit_s"] is None:
        return
    if content["meets"]:
        typer.echo(f"under {content['limit_s']:g} s with its whole interval, and in the machine's memory:")
        for change in content["meets"]:
            options = " ".join(f"--set {option}" for option in change["sets"])
            typer.echo(f"  {change['change']}: {_with_interval(change['seconds'])}  {options}")
    elif content["feasible"] and content["fits_memory"] and content["seconds"]["ci_high"] < content["limit_s"]:
        typer.echo(f"under {content['limit_s']:g} s as it is")
    else:
        typer.echo(f"nothing within three changed settings gets under {content['limit_s']:g} s")


def _with_interval(seconds: dict[str, float]) -> str:
    return f"{seconds['measured']:.3g} s [{seconds['ci_low']:.3g}, {seconds['ci_high']:.3g}]"


def calibrate(
    real: Annotated[
        bool, typer.Option("--real", help="Run a real prover, groth16py (GPL-3.0, installed apart): about a minute.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="With --real: predict proofs four times as large, then measure them.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.toml", help="The proof model to write, for --set proofs=FILE.toml.")
    ] = Path("calibrated.toml"),
    json_path: Json = None,
    quiet: Quiet = False,
) -> int:
    """Measure how fast this machine proves, and write a proof model for it."""
    from bitcell_sim.studies.calibrate import calibrate as study

    with progress(quiet) as tell:
        content = study(real=real, check=check, out=out, progress=tell)
    if not answer(json_path, content):
        battle, mult_ns, kappa = content["battle_s"], content["mult_ns"], content["kappa"]
        typer.echo(f"{content['machine']}: a multiplication takes {mult_ns:.1f} ns;")
        typer.echo(f"a prover's {kappa:.2f} times as long ({content['source']})")
        for row in content["checked"]:
            times = f"predicted {row['predicted_s']:.3g} s, measured {row['measured_s']:.3g} s"
            typer.echo(f"  {row['constraints']:,} constraints, {row['witness']}: {times}, {row['error_ratio']:+.1%}")
        interval = f"{battle['measured']:.3g} s [{battle['ci_low']:.3g}, {battle['ci_high']:.3g}]"
        typer.echo(f"the protocol's battle proof on one core here: {interval}")
        typer.echo(f"written to {content['file']}: bitcell-sim verify rc3 --set proofs={content['file']}")
    return 0


def availability(
    scenario: Annotated[str, typer.Argument(help="Deployment, scenario or file.")] = "rc3",
    years: Annotated[int, typer.Option("--years", min=1, help="Simulated years in all.")] = 10_000,
    replications: Annotated[int, typer.Option("--replications", min=2, help="Independent parts of them.")] = 20,
    changes: Annotated[bool, typer.Option("--changes", help="Also ask what each of some changes would save.")] = False,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> int:
    """Long-run availability under independent faults, beside its closed form."""
    from bitcell_sim.studies.availability import availability as study
    from bitcell_sim.studies.availability import summary

    with progress(quiet) as tell:
        content = study(
            scenario,
            years=years,
            replications=replications,
            changes=changes,
            seed=seed,
            sets=tuple(sets or ()),
            workers=workers,
            progress=tell,
        )
    if not answer(json_path, content):
        typer.echo(summary(content))
    return 0


def bench(
    name: Annotated[str, typer.Argument(help="hour | battle | dense | multiplication")] = "hour",
    json_path: Json = None,
) -> int:
    """Measure the program's own speed beside a reference doing the same work."""
    from bitcell_sim.studies import bench as study

    content: dict[str, Any] = study.run_bench(name)
    if not answer(json_path, content):
        for figures in (content, *content.get("also", ())):
            typer.echo(study.summary(figures))
    return 0


def regress(
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Baseline; the package's own without it.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", metavar="FILE", help="Figures of earlier calls, added to.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Plots and summary.")] = Path("regress"),
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> int:
    """Compare today's figures with a baseline, with a plot and a Markdown summary."""
    from bitcell_sim.studies import regress as study

    with progress(quiet) as tell:
        content = study.regress(
            against=against, history=history, out=out, seed=seed, sets=tuple(sets or ()), workers=workers, progress=tell
        )
    if not answer(json_path, content):
        typer.echo(study.summary(content))
    return 1 if any(metric["verdict"] == "worse" for metric in content["metrics"]) else 0
