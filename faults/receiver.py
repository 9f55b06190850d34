"""An HTTP server that takes notifications and events, and sometimes fails as servers do."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

EVENTS = "/events"


@dataclass(frozen=True)
class Accepted:
    """A request that was taken. ``problem``: why its signature is wrong; empty if it is right, or needs to be none."""

    path: str
    identifier: str
    document: dict[str, Any]
    problem: str = ""


@dataclass
class Receiver:
    """What a running server has taken, in its order. One in ``trouble`` requests of a path fails."""

    key: str
    dice: random.Random
    trouble: dict[str, float]
    port: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    failed: int = 0

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str) -> int:
        """Return how to answer: 0 takes the request and closes the connection without an answer."""
        if self.dice.random() >= self.trouble.get(path, 0.0):
            return 200
        self.failed += 1
        return self.dice.choice([0, 500, 503])

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Note a request."""
        document = json.loads(body)
        if path == EVENTS:
            self.accepted.append(Accepted(path, document["id"], document))
            return
        problem = ""
        try:
            Webhook(self.key).verify(body, headers)
        except WebhookVerificationError as e:
            problem = f"its signature is wrong: {e}"
        self.accepted.append(Accepted(path, headers.get("webhook-id", ""), document, problem))


@contextmanager
def receiving(key: str, dice: random.Random, trouble: dict[str, float]) -> Iterator[Receiver]:
    """Run a server in a thread while the context is open."""
    receiver = Receiver(key, dice, trouble)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status = receiver.status(self.path)
            if status in (0, 200):
                receiver.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
