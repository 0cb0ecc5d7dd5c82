"""A small HTTP server on loopback that can die in several ways, and a client that measures; for asyncio."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

HOST = "127.0.0.1"
HTTP_OK = 200
NO_ANSWER = 0
_BACKLOG = 1024


def listening(port: int = 0) -> socket.socket:
    """Socket that accepts connections, on a free port without a given one."""
    found = bound(port)
    found.listen(_BACKLOG)
    return found


def bound(port: int = 0) -> socket.socket:
    """Socket that has a port and does not listen: who connects is refused, and nobody else gets the port."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((HOST, port))
    return found


class MortalServer:
    """Server that answers every request with 200, until it dies.

    Life cycle: :meth:`start`; :meth:`die` and :meth:`come_back`, any number of times; :meth:`stop`.

    Attributes
    ----------
    port : int
        Its port, its own from the start to the end.
    """

    def __init__(self) -> None:
        self._keeper = bound()
        self.port: int = self._keeper.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._death: str | None = None
        self._alive = asyncio.Event()

    async def start(self) -> None:
        """Listen on its port and answer."""
        self._alive.set()
        self._server = await asyncio.start_server(self._answer, sock=listening(self.port))

    async def die(self, death: str) -> None:
        """Refuse connections, hang after taking them, or answer with HTTP 500."""
        self._death = death
        self._alive.clear()
        if death == "refuse" and self._server is not None:
            self._server.close()

    async def come_back(self) -> None:
        """Answer again, also those whose connection it took before; nothing changes if it lives."""
        refused, self._death = self._death == "refuse", None
        self._alive.set()
        if refused:
            await self.start()

    def stop(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.close()
        self._keeper.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if self._death == "hang":
                await self._alive.wait()
            status = b"500 Internal Server Error" if self._death == "http500" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()


async def status_of(port: int, path: str, timeout_s: float) -> int:
    """HTTP status that a GET on a new connection is answered with; NO_ANSWER if there is none in time."""
    writer = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            words = (await reader.readline()).split()
            return int(words[1]) if len(words) > 1 else NO_ANSWER
    except OSError:  # a TimeoutError is one
        return NO_ANSWER
    finally:
        if writer is not None:
            writer.close()
