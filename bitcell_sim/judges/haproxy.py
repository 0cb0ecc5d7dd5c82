"""The real HAProxy on this machine's loopback, with the settings of a deployment: what its servers' deaths do.

Every repeat has a back-end of its own in one HAProxy, so that they run side by side. One server of a back-end is
mortal, a small server in this process; the others are HAProxy itself, which always answers.
"""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from bitcell_sim.config.schema import LoadBalancer
from bitcell_sim.errors import InputError, LabError
from bitcell_sim.judges.loopback import HOST, HTTP_OK, MortalServer, listening, status_of
from bitcell_sim.judges.tools import find_tool
from bitcell_sim.operations.death import Trial
from bitcell_sim.operations.health_check import CheckTimes
from bitcell_sim.random_streams import Stream
from bitcell_sim.units import NS_PER_S

TOOL = "haproxy"
RETRY_PAUSE_S = 1.0  # fixed in the program, and never more than `timeout connect`
REQUEST_PATH = "/rpc"
ATTEMPTS = 5  # at a death that the machine does not disturb
STALL = 0.25  # of an interval: longer than that this process must not stand still
PATIENCE_S = 10.0  # for a program to start
STOP_S = 5.0
_CHANGE = re.compile(r"^Server deaths(\d+)/mortal is (DOWN|UP),")


class Load(NamedTuple):
    """Requests of one back-end's clients: how many a second, at even gaps, and how long one waits, seconds."""

    rate_per_s: float
    client_timeout_s: float


class Ports(NamedTuple):
    """Where the programs meet.

    Parameters
    ----------
    front : list of socket
        One for each back-end's clients.
    healthy : socket
        Where HAProxy answers for the servers that live.
    mortal : list of int
        Port of each back-end's mortal server.
    """

    front: list[socket.socket]
    healthy: socket.socket
    mortal: list[int]


def configuration(front: LoadBalancer, ports: Ports, servers: int) -> str:
    """HAProxy's configuration for deaths on loopback, with a deployment's settings.

    Parameters
    ----------
    front : LoadBalancer
        Settings.
    ports : Ports
        Sockets that the program inherits, and the mortal servers.
    servers : int
        Servers of each back-end, the mortal one among them.
    """
    lines = [
        "global",
        "  log stdout format raw local0 notice",
        "  nbthread 1",
        "defaults",
        "  mode http",
        "  log global",
        f"  retries {front.retries}",
        f"  timeout connect {_ms(front.connect_timeout_s)}",
        f"  timeout client {_ms(front.server_timeout_s)}",
        f"  timeout server {_ms(front.server_timeout_s)}",
    ]
    if front.check_timeout_s is not None:
        lines.append(f"  timeout check {_ms(front.check_timeout_s)}")
    if front.redispatch:
        lines.append("  option redispatch 1")
    lines += ["listen healthy", f"  bind fd@{ports.healthy.fileno()}", f"  http-request return status {HTTP_OK}"]
    living = ports.healthy.getsockname()[1]
    for number, (entrance, mortal) in enumerate(zip(ports.front, ports.mortal, strict=True)):
        lines += [
            f"listen deaths{number}",
            f"  bind fd@{entrance.fileno()}",
            "  balance roundrobin",
            f"  option httpchk GET {front.health_path}",
            f"  http-check expect status {HTTP_OK}",
            f"  default-server check inter {_ms(front.check_interval_s)} fall {front.fall} rise {front.rise}",
            f"  server mortal {HOST}:{mortal}",
            *(f"  server living{other} {HOST}:{living}" for other in range(1, servers)),
        ]
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    if milliseconds < 1:
        raise InputError(f"{seconds:g} s: HAProxy counts milliseconds, so at least 0.001 s")
    return f"{milliseconds}ms"


def trials(front: LoadBalancer, load: Load, *, servers: int, death: str, repeat: int, seed: int = 1) -> list[Trial]:
    """Let one server of each of several back-ends of a real HAProxy die and come back.

    Parameters
    ----------
    front : LoadBalancer
        Settings.
    load : Load
        Requests.
    servers : int
        Servers of each back-end.
    death : str
        Key of ``operations.death.DEATHS``.
    repeat : int
        Back-ends, side by side.
    seed : int
        Of the moments; the real program adds chance of its own.

    Raises
    ------
    MissingToolError
        If HAProxy is not installed.
    InputError
        If a setting is none of HAProxy's.
    LabError
        If it does not start or does not notice.
    """
    if front.retry_pause_s != RETRY_PAUSE_S:
        raise InputError(f"retry_pause_s is {front.retry_pause_s:g}; the real HAProxy always waits {RETRY_PAUSE_S:g} s")
    program = find_tool(TOOL)
    bench = _Bench(front, load, servers, death, Stream.of(seed, "judges.haproxy"))
    try:
        return asyncio.run(bench.run(program, repeat))
    except OSError as error:
        raise LabError(f"{repeat} deaths side by side on this machine: {error.strerror or error}") from error


class _Log:
    """What HAProxy says about the mortal servers while it runs."""

    def __init__(self, lines: asyncio.StreamReader, servers: int) -> None:
        self._lines = lines
        self._clock = asyncio.get_running_loop().time
        self._said = asyncio.Condition()
        self.changes: list[list[tuple[str, float]]] = [[] for _ in range(servers)]  # UP or DOWN, and when

    async def change(self, number: int, known: int) -> tuple[str, float]:
        """Next change of a mortal server after so many known ones."""
        async with self._said:
            await self._said.wait_for(lambda: len(self.changes[number]) > known)
        return self.changes[number][known]

    async def read(self) -> None:
        """Read on until HAProxy ends."""
        while line := await self._lines.readline():
            said = _CHANGE.match(line.decode(errors="replace"))
            if said:
                self.changes[int(said[1])].append((said[2], self._clock()))
                async with self._said:
                    self._said.notify_all()


class _Bench:
    """One HAProxy with a back-end for each death; times are seconds of the event loop's clock.

    What this process measures is worth something only while the machine lets it and HAProxy run. So a death counts only
    if HAProxy said DOWN once and UP once, and this process never stood still; else there is another one.
    """

    def __init__(self, front: LoadBalancer, load: Load, servers: int, death: str, draws: Stream) -> None:
        self._front = front
        self._load = load
        self._servers = servers
        self._death = death
        self._draws = draws
        self._stalls_s: list[float] = []
        times = CheckTimes.of(front)
        self._interval_s = times.interval_ns / NS_PER_S
        self._period_s = (times.interval_ns + times.longest_ns) / NS_PER_S
        rounds = front.fall + front.rise + 3
        self._longest_s = rounds * self._period_s + load.client_timeout_s + PATIENCE_S  # of an attempt

    async def run(self, program: str, repeat: int) -> list[Trial]:
        """Start everything, let all deaths happen, stop everything."""
        with ExitStack() as opened:
            mortals = []
            for _ in range(repeat):
                mortals.append(MortalServer())
                opened.callback(mortals[-1].stop)
                await mortals[-1].start()
            front = [opened.enter_context(listening()) for _ in mortals]
            ports = Ports(front, opened.enter_context(listening()), [mortal.port for mortal in mortals])
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="bitcell-sim-"))
            return await self._run(program, Path(folder), ports, mortals)

    async def _run(self, program: str, folder: Path, ports: Ports, mortals: Sequence[MortalServer]) -> list[Trial]:
        file, errors = folder / "haproxy.cfg", folder / "errors"
        file.write_text(configuration(self._front, ports, self._servers), encoding="utf-8")
        inherited = [end.fileno() for end in (*ports.front, ports.healthy)]
        with errors.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                program, "-db", "-f", str(file), stdout=asyncio.subprocess.PIPE, stderr=stderr, pass_fds=inherited
            )
        assert process.stdout is not None
        log = _Log(process.stdout, len(mortals))
        reading, watching = asyncio.create_task(log.read()), asyncio.create_task(self._watch_for_stalls())
        trials = [asyncio.create_task(self._trial(n, ports, mortal, log)) for n, mortal in enumerate(mortals)]
        ending = asyncio.gather(*trials)
        try:
            ends: list[asyncio.Future[Any]] = [ending, reading]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise LabError("HAProxy ended: " + " | ".join(said[-3:]))
            return ending.result()
        finally:
            for task in (*trials, reading, watching):
                task.cancel()
            await asyncio.gather(ending, *trials, reading, watching, return_exceptions=True)
            await _stop(process)

    async def _watch_for_stalls(self) -> None:
        """Note when this process did not run for a good part of an interval: nothing it measured then counts."""
        clock, step_s = asyncio.get_running_loop().time, self._interval_s / 20
        while True:
            due_s = clock() + step_s
            await asyncio.sleep(step_s)
            if clock() - due_s > STALL * self._interval_s:
                self._stalls_s.append(clock())

    async def _trial(self, number: int, ports: Ports, mortal: MortalServer, log: _Log) -> Trial:
        """One death that nothing disturbed."""
        await status_of(ports.healthy.getsockname()[1], REQUEST_PATH, PATIENCE_S)  # HAProxy has started
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(self._interval_s + self._period_s)  # by then every server has been checked
            with suppress(TimeoutError):
                async with asyncio.timeout(self._longest_s):
                    trial = await self._attempt(number, attempt, ports, mortal, log)
                if trial is not None:
                    return trial
            await mortal.come_back()
        said = ", ".join(state for state, _ in log.changes[number]) or "nothing"
        raise LabError(f"{ATTEMPTS} deaths in a row were disturbed by the machine's other work; HAProxy said {said}")

    async def _attempt(self, number: int, attempt: int, ports: Ports, mortal: MortalServer, log: _Log) -> Trial | None:
        """One death and return; None if HAProxy said more than DOWN and UP, or this process stalled."""
        clock, entrance = asyncio.get_running_loop().time, ports.front[number].getsockname()[1]

        def drawn(what: int) -> float:
            return self._draws.uniform(number, what, attempt)

        for _ in range(int(drawn(0) * self._servers)):  # whose turn it is at the death
            await status_of(entrance, REQUEST_PATH, self._load.client_timeout_s)
        await asyncio.sleep(drawn(1) * self._interval_s)
        while log.changes[number] and log.changes[number][-1][0] == "DOWN":
            await log.change(number, len(log.changes[number]))
        known, death_s = len(log.changes[number]), clock()
        await mortal.die(self._death)
        down = asyncio.create_task(log.change(number, known))
        answers = await self._send_until(down, entrance, death_s + drawn(2) / self._load.rate_per_s)
        await asyncio.sleep(drawn(3) * self._period_s)
        back_s = clock()
        await mortal.come_back()
        up_s = (await log.change(number, known + 1))[1]
        disturbed = any(death_s < stall_s < up_s + self._interval_s for stall_s in self._stalls_s)
        if disturbed or [state for state, _ in log.changes[number][known:]] != ["DOWN", "UP"] or up_s < back_s:
            return None
        good_ms = [1000.0 * took_s for status, took_s in answers if status == HTTP_OK]
        return Trial(
            down_s=down.result()[1] - death_s,
            up_s=up_s - back_s,
            sent_count=len(answers),
            failed_count=len(answers) - len(good_ms),
            slowest_ok_ms=max(good_ms, default=None),
        )

    async def _send_until(self, end: asyncio.Task[Any], entrance: int, first_s: float) -> list[tuple[int, float]]:
        """Send requests at even gaps until something has happened; status and seconds of each."""
        clock, at_s = asyncio.get_running_loop().time, first_s
        requests = []
        while not end.done():
            await asyncio.wait([end], timeout=max(0.0, at_s - clock()))
            if not end.done():
                requests.append(asyncio.create_task(self._request(entrance)))
                at_s += 1.0 / self._load.rate_per_s
        return list(await asyncio.gather(*requests))

    async def _request(self, entrance: int) -> tuple[int, float]:
        clock = asyncio.get_running_loop().time
        started_s = clock()
        status = await status_of(entrance, REQUEST_PATH, self._load.client_timeout_s)
        return status, clock() - started_s


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End a program, by force if it does not listen."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
