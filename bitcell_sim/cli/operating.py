"""Commands about what runs beside the chain: balance."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from bitcell_sim.cli.common import Json, Quiet, Seed, Sets, answer, console, progress
from bitcell_sim.units import NS_PER_S, parse_duration_ns

SETTINGS = "deployment.load_balancer"


class Death(StrEnum):
    """Ways in which a server dies."""

    refuse = "refuse"
    hang = "hang"
    http500 = "http500"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: bitcell-sim balance --death hang --redispatch 1 --repeat 100")(balance)


def balance(
    death: Annotated[
        Death, typer.Option("--death", help="It refuses connections, accepts and hangs, or answers with errors.")
    ] = Death.refuse,
    inter: Annotated[
        str | None, typer.Option("--inter", help="From one health check to the next, such as 5s; the deployment's.")
    ] = None,
    fall: Annotated[
        int | None, typer.Option("--fall", min=1, help="Failed checks that take a server out; the deployment's.")
    ] = None,
    rise: Annotated[
        int | None, typer.Option("--rise", min=1, help="Good checks that bring it back; the deployment's.")
    ] = None,
    redispatch: Annotated[
        int | None, typer.Option("--redispatch", min=0, max=1, help="1: a retry may go to another server.")
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Deaths, each of its own.")] = 20,
    real: Annotated[
        bool, typer.Option("--real", help="Ask the real HAProxy on loopback instead; takes the time it takes.")
    ] = False,
    latency: Annotated[
        str | None, typer.Option("--latency", metavar="NAME", help="Between balancer and servers; loopback without it.")
    ] = None,
    seed: Seed = 1,
    sets: Sets = None,
    json_path: Json = None,
    quiet: Quiet = False,
) -> int:
    """Let one of the servers behind a load balancer die: when it is out of use and back, and what clients meet."""
    from bitcell_sim.studies.balance import balance as study

    options = list(sets or ())
    if inter is not None:
        options.append(f"{SETTINGS}.check_interval_s={parse_duration_ns(inter) / NS_PER_S}")
    for key, value in (("fall", fall), ("rise", rise)):
        if value is not None:
            options.append(f"{SETTINGS}.{key}={value}")
    if redispatch is not None:
        options.append(f"{SETTINGS}.redispatch={'true' if redispatch else 'false'}")
    with progress(quiet) as tell:
        content = study(
            death=death.value, repeat=repeat, latency=latency, seed=seed, sets=options, real=real, progress=tell
        )
    if not answer(json_path, content):
        _print_balance(content)
    return 0


def _print_balance(content: dict[str, Any]) -> None:
    out = console()
    out.print(f"out of use after {_spread(content['down_s'])}, back after {_spread(content['up_s'])}")
    sent, failed, slowest = content["sent"], content["failed"], content["slowest_ok_ms"]
    good = "none answered well" if slowest is None else f"slowest good answer {slowest:.4g} ms"
    share = f"{100 * failed / sent:.2g} %" if sent else "none sent"
    out.print(f"until it was out {failed} of {sent} requests failed ({share}), {good}")


def _spread(values: list[float]) -> str:
    """Smallest, median and largest, such as ``10.1 / 12.3 / 14.9 s``."""
    from statistics import median

    return f"{min(values):.3g} / {median(values):.3g} / {max(values):.3g} s (min / median / max)"
