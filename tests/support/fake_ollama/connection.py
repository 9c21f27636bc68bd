"""HTTP for the answers of :mod:`.answers`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from .models import FakeModel

if TYPE_CHECKING:
    from .answers import OllamaFake

__all__ = ["Connections", "Json", "Killed", "Refusal", "Request"]

Json = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer, no error of ours
    """An HTTP status and the words beside it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Killed(Exception):  # noqa: N818 - no error of ours
    """Ollama itself ends; its connections close as they are."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the path, the JSON body, and the model that it names."""

    path: str
    body: Json
    model: FakeModel


class Connections(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, fake: OllamaFake) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client went away, as some tests want it to


class _Handler(BaseHTTPRequestHandler):
    """HTTP for the answers above."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Connections

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.received.append((self.path, {}))
        answers: Mapping[str, Callable[[], Json]] = {
            "/api/version": lambda: {"version": fake.version},
            "/api/tags": fake.tags,
            "/api/ps": fake.running,
        }
        answer = answers.get(self.path)
        if answer is None:
            self._json(404, {"error": "not found"})
        else:
            self._json(200, answer())

    def do_HEAD(self) -> None:
        """Not in the file: "Check if a Blob Exists" of Ollama's own docs/api.md, 200 or 404."""
        fake = self.server.fake
        known = fake.blob(self.path.removeprefix("/api/blobs/")).exists()
        self.send_response(200 if known else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        try:
            self._post(self.rfile.read(int(self.headers.get("content-length") or 0)))
        except Refusal as refusal:
            self._json(refusal.status, {"error": refusal.words})
        except Killed:
            self.close_connection = True
        except OSError:
            # Line "the client goes away": the writing stops.
            self.server.fake.stopped += 1
            self.close_connection = True

    def _post(self, data: bytes) -> None:
        fake = self.server.fake
        if self.path.startswith("/api/blobs/"):
            fake.received.append((self.path, {}))
            self._json(fake.store(self.path.removeprefix("/api/blobs/"), data), None)
            return
        body = json.loads(data)
        fake.received.append((self.path, body))
        if self.path == "/api/create":
            self._json(200, fake.create(body))
        elif self.path == "/api/show":
            self._json(200, fake.show(fake.find(self.path, body)))
        elif self.path == "/api/embed":
            self._json(200, fake.embed(Request(self.path, body, fake.find(self.path, body))))
        elif self.path in ("/api/generate", "/api/chat"):
            request = Request(self.path, body, fake.find(self.path, body))
            fake.check(request)
            self._reply(request)
        else:
            raise Refusal(404, "not found")

    def _reply(self, request: Request) -> None:
        parts = self.server.fake.parts(request)
        if request.body.get("stream") is False:
            self._json(200, _joined(request, parts))
            return
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in parts:
            line = json.dumps(part, ensure_ascii=False).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, data: Json | None) -> None:
        raw = b"" if data is None else json.dumps(data).encode()
        with suppress(OSError):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    def log_message(self, *args: object) -> None:
        pass


def _joined(request: Request, parts: Iterator[Json]) -> Json:
    """Line "The repeat limit": not streamed, one object with ``done`` false and the text so far."""
    last: Json = {}
    texts: dict[str, str] = {"content": "", "thinking": ""}
    for last in parts:
        of = last.get("message", last)
        texts["content"] += of.get("content", of.get("response", ""))
        texts["thinking"] += of.get("thinking", "")
    if not last or "error" in last:
        # Line "the runner killed in mid-reply": 500.
        raise Refusal(500, last.get("error", "EOF"))
    thinking = {"thinking": texts["thinking"]} if texts["thinking"] else {}
    if request.path == "/api/chat":
        message = {"role": "assistant", "content": texts["content"], **thinking}
        return {**last, "message": message}
    return {**last, "response": texts["content"], **thinking}
