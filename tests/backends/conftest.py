"""Real HTTP servers on loopback that speak the protocols of the backends, well or badly."""

from __future__ import annotations

import base64
import io
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from event_loop_clock import loop_clock  # noqa: F401 - a fixture
from PIL import Image
from thread_leaks import new_threads
from waiting import LONG

from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.model.prompts import mode_named, task_named

Answer = Callable[["Exchange"], None]


class Exchange:
    """A request that a test server got, and the ways to answer it."""

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

    def half_close(self) -> None:
        """Send nothing more, but keep listening."""
        self._handler.connection.shutdown(socket.SHUT_WR)

    def client_is_there(self) -> bool:
        """Whether the connection is still open on the other side; an idle client sends nothing."""
        connection = self._handler.connection
        ready, _, _ = select.select([connection], [], [], 0)
        with suppress(OSError):
            return not ready or connection.recv(1, socket.MSG_PEEK) != b""
        return False

    def stall(self) -> None:
        """Say nothing more until the server is closed."""
        self._ended.wait(LONG)
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
    """A server whose answers a test sets for each path."""

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
        self._connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = LONG

            def do_GET(self) -> None:
                outer._handle(self)

            do_POST = do_GET  # noqa: N815

            def setup(self) -> None:
                super().setup()
                outer._connections.append(self.connection)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            block_on_close = True
            # Connections that wait: more than five come at once, see PageServer.
            request_queue_size = 128

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
        """Give the first answer to the first request, and so on; the last one to all the rest."""
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
        for connection in self._connections:  # a client may keep one for its next request
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


def page_of(picture: bytes) -> int:
    """Return the page number that :func:`page_request` painted into its picture."""
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


@pytest.fixture(scope="session")
def tokenizer(shared: Path) -> Any:
    """The published tokenizer."""
    from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

    return ModelTokenizer.from_file(shared / "deepseek-ocr-files" / "tokenizer.json")


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
    """Makes the request for a page whose picture shows its number."""

    def make(page: int, *, key: int | None = None, **changes: Any) -> PageRequest:
        values: dict[str, Any] = {
            "key": page if key is None else key,
            "page": page,
            "source": "report.pdf",
            "sha256": "ab" * 32,
            "image": Image.new("RGB", (32, 48), (page // 256, page % 256, 77)),
            "text_layer": None,
            "task": task_named("document"),
            "resolution": mode_named("gundam"),
        }
        return PageRequest(**{**values, **changes})

    return make


@pytest.fixture
def refused_url() -> Iterator[str]:
    """The address of a port of this machine where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Checks that no test leaves a thread of this package."""
    yield
    assert new_threads(ours=True) == []


PUBLISHED_CODE = '''
"""Stands in for the published modeling_deepseekocr.py: it tells which page it was shown."""
import json
import os
import sys
import time

import torch
from PIL import Image
from transformers import PretrainedConfig, PreTrainedModel


class StandInConfig(PretrainedConfig):
    model_type = "stand_in"


class StandIn(PreTrainedModel):
    config_class = StandInConfig

    def __init__(self, config):
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.post_init()

    def generate(self, input_ids, max_new_tokens=3, eos_token_id=None, ends=True):
        new = torch.full((1, max_new_tokens), 5)
        if ends:
            new[0, -1] = eos_token_id
        return torch.cat([input_ids, new], 1)

    def infer(self, tokenizer, prompt="", image_file="", output_path="", base_size=1024,
              image_size=640, crop_mode=True, test_compress=False, save_results=False,
              eval_mode=False):
        print("BASE: ", torch.Size([1, 256, 1280]))
        with Image.open(image_file) as image:
            red, green, _ = image.convert("RGB").getpixel((0, 0))
        page = red * 256 + green
        asked = {"prompt": prompt, "base_size": base_size, "image_size": image_size,
                 "crop_mode": crop_mode, "test_compress": test_compress,
                 "save_results": save_results, "output": os.path.isabs(output_path),
                 "weight": self.weight.sum().item(), "dtype": str(self.weight.dtype),
                 "private": os.stat(os.path.dirname(image_file)).st_mode & 0o777}
        return self.behave(page, tokenizer, asked)

    def behave(self, page, tokenizer, asked):
%(behaviour)s
        return f"Page {page} \\u00df<\\uff5cend\\u2581of\\u2581sentence\\uff5c>"
'''


@pytest.fixture(scope="session")
def published_code() -> str:
    """The stand-in for the published code, with a gap for what it does."""
    return PUBLISHED_CODE


@pytest.fixture(scope="module")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a folder like the published one: weights, a tokenizer, and the code to run."""
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("transformers")
    safetensors = pytest.importorskip("safetensors.numpy")

    def write(
        behaviour: str = "pass",
        code: str = PUBLISHED_CODE,
        words: Sequence[str] = (),
        **config: Any,
    ) -> Path:
        folder = tmp_path_factory.mktemp("model")
        lines = "\n".join(" " * 8 + line for line in behaviour.splitlines())
        (folder / "modeling_stand_in.py").write_text(code.replace("%(behaviour)s", lines), "utf-8")
        values = {
            "model_type": "stand_in",
            "architectures": ["StandIn"],
            "auto_map": {
                "AutoConfig": "modeling_stand_in.StandInConfig",
                "AutoModel": "modeling_stand_in.StandIn",
            },
            **config,
        }
        (folder / "config.json").write_text(json.dumps(values))
        names = ["<s>", "</s>", "<unk>", "page", *words]
        vocabulary = {name: number for number, name in enumerate(names)}
        tokenizer = {
            "version": "1.0",
            "added_tokens": [],
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
        }
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"})
        )
        safetensors.save_file(
            {"weight": numpy.ones(2, numpy.float32)},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        return folder

    return write


LIGHT_MODULES = {
    "torch.py": """
from types import SimpleNamespace

bfloat16, float32 = "bfloat16", "float32"
cuda = SimpleNamespace(is_available=lambda: %(gpu)s)


def device(name):
    return SimpleNamespace(type=name, index=None)
""",
    "transformers/utils/hub.py": """
import os


def cached_file(folder, name, **kwargs):
    path = os.path.join(folder, name)
    return path if os.path.exists(path) else None
""",
    "transformers/utils/__init__.py": "",
    "transformers/__init__.py": """
import os
import sys
import time

from PIL import Image

__version__ = "4.46.3"


class AutoTokenizer:
    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        return cls()


class AutoModel:
    @classmethod
    def from_pretrained(cls, folder, **kwargs):
        %(loading)s
        return cls()

    def eval(self):
        return self

    def to(self, place):
        return self

    def infer(self, tokenizer, image_file="", **kwargs):
        with Image.open(image_file) as image:
            red, green, _ = image.convert("RGB").getpixel((0, 0))
        page = red * 256 + green
%(behaviour)s
        return f"Page {page} \u00df"
""",
}


@pytest.fixture
def light_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A torch and a transformers that start at once, for tests that do not depend on them.

    Call it with what ``infer`` does for the page with number ``page``; it gives
    the folder of a model.
    """

    def write(behaviour: str = "pass", loading: str = "pass", *, gpu: bool = False) -> Path:
        lines = "\n".join(" " * 8 + line for line in behaviour.splitlines())
        for name, code in LIGHT_MODULES.items():
            file = tmp_path / "light" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = code.replace("%(behaviour)s", lines).replace("%(loading)s", loading)
            text = text.replace("%(gpu)s", str(gpu))
            file.write_text(text, "utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "light"))
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        return folder

    return write


@pytest.fixture
def light(light_transformers: Callable[..., Path]) -> Iterator[Callable[..., OfficialBackend]]:
    """Makes backends of the published code whose process starts at once."""
    made: list[OfficialBackend] = []

    def make(behaviour: str = "pass", loading: str = "pass", **options: Any) -> OfficialBackend:
        folder = light_transformers(behaviour, loading)
        made.append(
            OfficialBackend(folder, **{"allow_remote_code": True, "device": "cpu", **options})
        )
        return made[-1]

    yield make
    for backend in made:
        backend.close()
