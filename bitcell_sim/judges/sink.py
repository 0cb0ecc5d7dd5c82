"""A small web server on loopback that takes the messages of Alertmanager and keeps them."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from bitcell_sim.judges.alertmanager_config import CASE
from bitcell_sim.judges.loopback import HOST

ACCEPTED = {"slack": (200, b"ok"), "pagerduty": (202, b"{}"), "webhook": (200, b"")}  # what each service answers


class Message(NamedTuple):
    """One message that came.

    Parameters
    ----------
    real_s : float
        When, seconds of this machine's monotonic clock.
    receiver : int
        Number of the receiver.
    channel : str
        ``pagerduty``, the channel of Slack, or ``webhook``.
    status, group, text : str
        Firing or resolved; labels of the group; what a person reads.
    alerts : tuple of (str, str)
        Alertmanager's name and the status of each alert.
    """

    real_s: float
    receiver: int
    channel: str
    status: str
    group: str
    text: str
    alerts: tuple[tuple[str, str], ...]


def read_message(kind: str, receiver: int, real_s: float, body: dict[str, Any]) -> Message:
    """Read what Alertmanager sent."""
    if kind == "webhook":
        group = "".join(f"{name}={value};" for name, value in sorted(body["groupLabels"].items()))
        alerts = tuple((alert["fingerprint"], alert["status"]) for alert in body["alerts"])
        text = str(body["commonAnnotations"].get("summary", ""))
        return Message(real_s, receiver, "webhook", body["status"], group, text, alerts)
    if kind == "slack":
        attachment = body["attachments"][0]
        text = f"{attachment.get('title', '')}\n{attachment.get('text', '')}".strip()
        channel, marker = body.get("channel") or "slack", attachment["footer"]
    else:
        payload = body["payload"]
        text = "\n".join([payload["summary"], *(link["href"] for link in body.get("links") or [])])
        channel, marker = "pagerduty", payload["custom_details"][CASE]
    status, group, names = marker.split("|")
    alerts = tuple((name, state) for name, _, state in (pair.partition(":") for pair in names.split(";") if pair))
    return Message(real_s, receiver, channel, status, group, text, alerts)


class Sink:
    """Takes messages while it is entered.

    Attributes
    ----------
    messages : list of Message
        What came, in that order.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.monotonic()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kind, receiver = self.path.strip("/").split("/")[:2]
                messages.append(read_message(kind, int(receiver), now, body))
                status, answer = ACCEPTED[kind]
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep standard error quiet."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.address = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
