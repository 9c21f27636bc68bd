"""A service whose answers a test writes, for those that the real one never gives.

What it sends by itself is copied from answers of the real one (service/api/job_replies.py and
job_events.py); it is as slow, as silent and as wrong as the test makes it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from waiting import LONG

__all__ = ["ScriptedService", "job", "sse"]


def job(sha256: str, **values: Any) -> dict[str, Any]:
    """A job as the service shows it."""
    return {
        "id": "Jd0-_x",
        "status": "queued",
        "sha256": sha256,
        "pages_done": 0,
        "pages_total": None,
        "error": None,
        **values,
    }


def sse(kind: str, data: object, number: int | None = None) -> bytes:
    """An event as the service writes it."""
    mark = "" if number is None else f"id: {number}\n"
    return f"{mark}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


class Request:
    """One request, and the means to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers: Message = handler.headers
        self.body = body
        self._handler = handler

    def send(self, status: int, body: bytes | object = b"", **headers: str) -> None:
        """Answer with a body, or with JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.begin(status, **{"content_length": str(len(data)), **headers})
        self.write(data)

    def begin(self, status: int, **headers: str) -> None:
        """Begin an answer."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        # As HTTP/1.1 wants it of who ends the connection; a client would send its next request.
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        """Send more of its body."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()


class ScriptedService:
    """The service, as a context manager; ``asked`` has "METHOD path" of every request."""

    def __init__(self, answer: Callable[[Request], None]) -> None:
        self.asked: list[str] = []
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = LONG

            def _answer(self) -> None:
                body = self._body()
                request = Request(self, body)
                outer.asked.append(f"{self.command} {self.path}")
                outer.requests.append(request)
                self.close_connection = True
                with suppress(BrokenPipeError, ConnectionResetError):
                    answer(request)

            def _body(self) -> bytes:
                if self.headers.get("transfer-encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return body
                return self.rfile.read(int(self.headers.get("content-length", 0)))

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_DELETE(self) -> None:
                self._answer()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
