"""Real HTTP servers on loopback that speak the protocols of the backends, well or badly."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.prompts import mode_named, task_named

Answer = Callable[["Exchange"], None]


class Exchange:
    """One request that a test server got, and the ways in which it can be answered."""

    def __init__(self, handler: BaseHTTPRequestHandler, ended: threading.Event) -> None:
        length = int(handler.headers.get("content-length") or 0)
        self.body: Any = json.loads(handler.rfile.read(length)) if length else None
        self.headers = dict(handler.headers.items())
        self._handler = handler
        self._ended = ended

    def json(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.start(status, "application/json", headers)
        self.send(json.dumps(data))
        self.end()

    def start(
        self,
        status: int = 200,
        content_type: str = "text/event-stream",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._handler.send_response(status)
        self._handler.send_header("content-type", content_type)
        self._handler.send_header("transfer-encoding", "chunked")
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, data: str | bytes) -> None:
        raw = data.encode() if isinstance(data, str) else data
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self._handler.wfile.flush()

    def end(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.wfile.flush()

    def drop(self) -> None:
        """Close the connection in the middle of the reply."""
        self._handler.close_connection = True

    def stall(self) -> None:
        """Say nothing more until the server is closed."""
        self._ended.wait(20)
        self.drop()

    def wait(self, seconds: float) -> bool:
        """Pause; False when the server is being closed."""
        return not self._ended.wait(seconds)

    def event(self, data: Any) -> None:
        self.send(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n")

    def delta(self, text: str, finish: str | None = None) -> None:
        self.event({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})

    def line(self, **data: Any) -> None:
        self.send(json.dumps(data, ensure_ascii=False) + "\n")


@dataclass
class LoopbackServer:
    """A server whose answers a test sets, by path."""

    answers: dict[str, Answer]
    received: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    good: Answer | None = None
    page_of: Callable[[Any], int] | None = None
    under_way: int = 0
    most_under_way: int = 0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                outer._handle(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            block_on_close = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the client went away, as some tests want it to

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        exchange = Exchange(handler, self._ended)
        with self._lock:
            self.received.append((handler.path, exchange.body))
            self.headers.append(exchange.headers)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = self.answers.get(handler.path)
            if answer is None:
                exchange.json({"detail": "Not Found"}, 404)
            else:
                answer(exchange)
        finally:
            with self._lock:
                self.under_way -= 1

    def answer_in_turn(self, path: str, *answers: Answer) -> None:
        """The first answer to the first request, and so on; the last one for all the rest."""
        left = list(answers)

        def answer(exchange: Exchange) -> None:
            (left.pop(0) if len(left) > 1 else left[0])(exchange)

        self.answers[path] = answer

    def asked(self, path: str) -> list[Any]:
        return [body for at, body in self.received if at == path]

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def page_of(picture: bytes) -> int:
    """The page number that :func:`page_request` painted into its picture."""
    with Image.open(io.BytesIO(picture)) as image:
        red, green, _ = image.convert("RGB").getpixel((0, 0))
    return red * 256 + green


def page_of_chat(body: Any) -> int:
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    return page_of(base64.b64decode(url.partition(",")[2]))


def openai_reply(exchange: Exchange) -> None:
    text = f"Page {page_of_chat(exchange.body)}"
    exchange.start()
    exchange.send(": a comment\n\n")
    exchange.event({"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}]})
    for piece in text.split(" "):
        exchange.delta(f"{piece} ")
    exchange.delta("ß", finish="stop")
    exchange.event({"choices": [], "usage": {"completion_tokens": 3}})
    exchange.event("[DONE]")
    exchange.end()


def ollama_reply(exchange: Exchange) -> None:
    text = f"Page {page_of(base64.b64decode(exchange.body['images'][0]))}"
    exchange.start(content_type="application/x-ndjson")
    for piece in text.split(" "):
        exchange.line(response=f"{piece} ", done=False)
    exchange.line(response="ß", done=False)
    exchange.line(response="", done=True, done_reason="stop", eval_count=3)
    exchange.end()


CHAT = "/v1/chat/completions"


@pytest.fixture
def openai_server() -> Iterator[LoopbackServer]:
    """Answers "Page n ß" for the picture of page n, as vLLM would."""
    server = LoopbackServer(
        {
            "/v1/models": lambda e: e.json({"data": [{"id": "deepseek-ai/DeepSeek-OCR"}]}),
            CHAT: openai_reply,
        },
        good=openai_reply,
        page_of=page_of_chat,
    )
    yield server
    server.close()


@pytest.fixture
def ollama_server() -> Iterator[LoopbackServer]:
    """Answers "Page n ß" for the picture of page n, as Ollama 0.13.1 would."""
    server = LoopbackServer(
        {
            "/api/version": lambda e: e.json({"version": "0.13.1"}),
            "/api/show": lambda e: e.json({"capabilities": ["vision"], "model_info": {}}),
            "/api/tags": lambda e: e.json({"models": [{"model": "deepseek-ocr:latest"}]}),
            "/api/generate": ollama_reply,
        },
        good=ollama_reply,
    )
    yield server
    server.close()


@pytest.fixture
def page_request() -> Callable[..., PageRequest]:
    """Makes the request for a page whose picture tells its number."""

    def make(page: int, *, key: int | None = None, **changes: Any) -> PageRequest:
        values: dict[str, Any] = {
            "key": page if key is None else key,
            "page": page,
            "source": "report.pdf",
            "sha256": "ab" * 32,
            "image": Image.new("RGB", (32, 48), (page // 256, page % 256, 77)),
            "text_layer": None,
            "task": task_named("document"),
            "mode": mode_named("gundam"),
        }
        return PageRequest(**{**values, **changes})

    return make


@pytest.fixture
def refused_url() -> Iterator[str]:
    """The address of a port of this machine on which nobody listens."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def no_servers_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no server, key or proxy but their own."""
    for name in ("DSOCR_SERVER_URL", "DSOCR_SERVER_API_KEY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No test leaves a thread of ours."""
    yield
    left = [t.name for t in threading.enumerate() if t.name.startswith("dsocr")]
    assert left == []
