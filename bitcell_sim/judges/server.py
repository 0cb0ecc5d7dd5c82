"""A real server on a free port of loopback: started, found ready, and stopped in every case."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bitcell_sim.errors import LabError
from bitcell_sim.judges.loopback import HOST

ANY_PORT = f"{HOST}:0"
PATIENCE_S = 20.0  # for a program to start
STOP_S = 5.0
STEP_S = 0.02
_ADDRESS = re.compile(rf"Listening on.*address={re.escape(HOST)}:([1-9]\d*)")


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """Run a server of the Prometheus family that chooses its port; its address while it runs.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; the address it listens on is ``ANY_PORT``.
    log : Path
        File that takes what it says.

    Yields
    ------
    str
        Where it answers, such as ``http://127.0.0.1:41577``.

    Raises
    ------
    LabError
        If it ends, or does not listen in time; with the last it said.
    """
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield f"http://{HOST}:{_port(process, log, command[0])}"
        finally:
            _stop(process)


def _port(process: subprocess.Popen[bytes], log: Path, program: str) -> int:
    """Port that the program says it listens on."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        found = _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(STEP_S)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    state = "does not listen" if process.poll() is None else f"ended with {process.returncode}"
    raise LabError(f"{Path(program).name} {state}: " + " | ".join(lines[-3:]))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program, by force if it does not listen."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
