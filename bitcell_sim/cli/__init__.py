"""The command line: thin commands over the studies; see docs/reference/cli.md.

Exit codes: 0 all pass, 1 a fail, 2 unknown and no fail, 64 bad input, 70 a fault of this program, 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from bitcell_sim.cli import alerting, judging, operating, parts, responding, running, searching, studying
from bitcell_sim.cli.common import EXIT_INTERRUPTED, EXIT_UNKNOWN
from bitcell_sim.errors import EXIT_BAD_INPUT, InputError, LabError, MissingToolError, RunStoreError
from bitcell_sim.version import __version__

EXIT_FAULT = 70

app = typer.Typer(
    name="bitcell-sim",
    help="A performance lab for the BitCell RC3 mesh: real cross-region latencies, failures, and an honest scorecard.",
    epilog="Example: bitcell-sim verify rc3 --quick",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bitcell-sim {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the command."""


for group in (judging, running, operating, alerting, responding, parts, searching, studying):
    group.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments : list of str, optional
        Instead of ``sys.argv``.
    """
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are told on standard error without a traceback."""
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="bitcell-sim", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        return _tell(error)
    if result == EXIT_INTERRUPTED:  # newer typers make it of a KeyboardInterrupt, older ones let it through
        typer.echo("interrupted", err=True)
    return result if isinstance(result, int) else 0


def _tell(error: Exception) -> int:
    """Say what went wrong on standard error; the exit code."""
    show = getattr(error, "show", None)
    if show is not None and hasattr(error, "exit_code"):  # a usage error of the parser, whichever click typer carries
        show()
        return EXIT_BAD_INPUT
    if isinstance(error, (InputError, RunStoreError)):
        typer.echo(f"error: {error}", err=True)
        return EXIT_BAD_INPUT
    if isinstance(error, MissingToolError):
        typer.echo(f"unknown: {error}", err=True)
        return EXIT_UNKNOWN
    if isinstance(error, LabError):
        typer.echo(f"error: {error}", err=True)
        return EXIT_FAULT
    import traceback

    traceback.print_exception(error)
    typer.echo("this is a fault of bitcell-sim, not of its input", err=True)
    return EXIT_FAULT
