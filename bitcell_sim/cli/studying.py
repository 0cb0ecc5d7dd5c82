"""Commands about more runs than one: sweep and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import EXIT_FAIL, Json, Quiet, Scheduler, Seed, Workers, answer, console, progress


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim sweep block-interval")(sweep)
    app.command(epilog="Example: bitcell-sim compare runs/rc3/latest runs/node-crash/latest")(compare)


def sweep(
    file: Annotated[str, typer.Argument(metavar="FILE.toml", help="A sweep's file, or a name of `list sweeps`.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of all sweeps.")] = Path("sweeps"),
    plot: Annotated[Path | None, typer.Option("--plot", metavar="OUT.png", help="Draw the first metric.")] = None,
    seed: Seed = 1,
    json_path: Json = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> int:
    """Measure the same figures at every point of a design, in parallel; what is finished is never done again."""
    from bitcell_sim.cli.common import check_suffix
    from bitcell_sim.report.sweep import SweepTable
    from bitcell_sim.runs.batch import Interrupted
    from bitcell_sim.runs.files import write_whole
    from bitcell_sim.studies.sweep import run_sweep

    check_suffix("--plot", plot, (".png",))
    try:
        with progress(quiet) as tell:
            result = run_sweep(file, seed=seed, out=out, workers=workers, scheduler=scheduler, progress=tell)
    except Interrupted:
        typer.echo("what was finished is kept; the same command goes on from there", err=True)
        raise
    content = result.as_dict()
    table = SweepTable(result.sweep, result.frame, content)
    if plot is not None:
        write_whole(plot, table.plot().png())
    if not answer(json_path, content):
        _print_sweep(table, content)
    return EXIT_FAIL if content["failed"] else 0


def _print_sweep(table: Any, content: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{content['done']} of {content['points']} points done, {content['failed']} failed, {content['runs']} runs"
    )
    errors = table.frame.loc[table.frame["error"] != "", ["point", "error"]].drop_duplicates("error")
    for point, error in errors.itertuples(index=False):
        out.print(f"point {point}: {error}", markup=False)
    if table.sweep.method == "saltelli" and not content["failed"]:
        for metric in table.sweep.metric:
            shown = table.sensitivity(metric)[["factor", "first", "total"]]
            out.print(f"{metric}, share of its variance:", markup=False)
            for factor, first, total in shown.itertuples(index=False):
                out.print(f"  {first:6.2f} alone {total:6.2f} in all  {factor}", markup=False)
    out.print(f"table: {content['table']}", markup=False)


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run folder, or runs/<scenario>/latest.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="What is compared with it.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="OUT.png", help="Draw the differences.")] = None,
    json_path: Json = None,
) -> int:
    """Tell what differs between two stored runs by more than chance, figure by figure."""
    from bitcell_sim.cli.common import check_suffix
    from bitcell_sim.studies.compare import compare_folders

    check_suffix("--plot", plot, (".png",))
    content = compare_folders(run_a, run_b)
    if plot is not None:
        from bitcell_sim.report.comparison import Comparison
        from bitcell_sim.runs.files import write_whole

        write_whole(plot, Comparison(content).plot().png())
    if not answer(json_path, content):
        _print_comparison(content)
    return 0


def _print_comparison(content: dict[str, Any]) -> None:
    from rich.table import Table

    from bitcell_sim.report.row_text import number

    table = Table("", "figure", "a", "b", "b - a", "95 %", "unit")
    for row in content["metrics"]:
        between = "" if row["ci_low"] is None else f"{number(row['ci_low'])} to {number(row['ci_high'])}"
        figures = [number(row[key], 4) for key in ("a", "b", "difference")]
        table.add_row(row["verdict"], row["id"], *figures, between, row["unit"])
    out = console()
    out.print(table)
    seeds = (
        "the same seed: chance is shared"
        if content["same_seed"]
        else "other seeds: two runs cannot tell chance from change; repeat one with the other's seed"
    )
    out.print("the runs are identical" if content["identical"] else seeds)
