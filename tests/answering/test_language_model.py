"""Ollama's protocol: what is sent, and every way in which the other side can fail.

The server here is scripted, so that it can break in ways a real one would not
on demand; a real model is asked in ``tests/llm``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from thread_leaks import new_threads
from waiting import LONG

from deepseek_ocr_rag.answering.language_model import LanguageModel, Message
from deepseek_ocr_rag.answering.models.model_choice import (
    choose_language_model,
    language_model_named,
)
from deepseek_ocr_rag.answering.models.ollama_model import OllamaModel
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    DeepSeekOCRError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
    RemoteModelRefusedError,
)

QUESTION = (Message("user", "Who keeps the lamp?"),)
SHOWN = {"model_info": {"llama.context_length": 4096}, "capabilities": ["completion"]}

Send = Callable[[bytes], None]


class ScriptedOllama(ThreadingHTTPServer):
    """Answers as it is told, and remembers what it was asked."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.show: tuple[int, Any] = (200, SHOWN)
        self.tags: Any = {"models": [{"model": "tiny:latest"}]}
        self.version: Any = "0.13.0"
        self.chat_status = 200
        self.chat: Callable[[Send], None] = lambda send: send_parts(send, "Ann.")
        self.asked: list[tuple[str, Any]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self, path: str) -> Any:
        """The body of the one request to a path."""
        (body,) = [body for asked, body in self.asked if asked == path]
        return body


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedOllama

    def do_GET(self) -> None:
        self.server.asked.append((self.path, None))
        told = {"version": self.server.version} if "version" in self.path else self.server.tags
        self._reply(200, json.dumps(told).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        if self.path == "/api/show":
            status, data = self.server.show
            self._reply(status, data if isinstance(data, bytes) else json.dumps(data).encode())
            return
        self._reply(self.server.chat_status, b"")
        with suppress(OSError):
            self.server.chat(self._send)

    def _reply(self, status: int, body: bytes) -> None:
        with suppress(OSError):
            self.send_response(status)
            self.end_headers()
            self._send(body)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


def part(content: str = "", **more: Any) -> bytes:
    data = {"model": "tiny", "message": {"role": "assistant", "content": content}, **more}
    return json.dumps({"done": False, **data}).encode() + b"\n"


def send_parts(send: Send, *contents: str, **end: Any) -> None:
    for content in contents:
        send(part(content))
    send(part(done=True, **{"done_reason": "stop", **end}))


@pytest.fixture
def ollama() -> Iterator[ScriptedOllama]:
    before = threading.enumerate()
    server = ScriptedOllama()
    # The default of half a second would be spent at every shutdown.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()
    assert new_threads(before) == []


def model(ollama: ScriptedOllama, **options: Any) -> OllamaModel:
    return OllamaModel("tiny", host=ollama.url, **{"timeout": LONG, **options})


def reply(ollama: ScriptedOllama, **options: Any) -> str:
    return "".join(model(ollama, **options).stream(QUESTION, max_tokens=64))


# --- what works ---------------------------------------------------------------------------


def test_the_reply_comes_in_pieces(ollama: ScriptedOllama) -> None:
    ollama.chat = lambda send: send_parts(send, "Ann", " Lee", ".")
    stream = model(ollama).stream(QUESTION, max_tokens=64)
    assert list(stream) == ["Ann", " Lee", "."]
    assert stream.warnings == ()


def test_the_context_is_set_and_never_longer_than_the_models(ollama: ScriptedOllama) -> None:
    reply(ollama, num_ctx=100_000)
    sent = ollama.sent("/api/chat")
    assert sent["options"] == {"num_ctx": 4096, "num_predict": 64, "temperature": 0, "seed": 0}
    assert sent["messages"] == [{"role": "user", "content": "Who keeps the lamp?"}]
    assert sent["stream"] is True


def test_a_server_that_names_no_context_gets_the_one_asked_for(ollama: ScriptedOllama) -> None:
    ollama.show = (200, {})
    assert model(ollama, num_ctx=2048).context_length == 2048


def test_a_model_is_looked_at_once(ollama: ScriptedOllama) -> None:
    one = model(ollama)
    for _ in range(2):
        list(one.stream(QUESTION, max_tokens=8))
    assert [path for path, _ in ollama.asked].count("/api/show") == 1


def test_an_own_model_fits_the_protocol(ollama: ScriptedOllama) -> None:
    assert isinstance(model(ollama), LanguageModel)
    assert model(ollama).name == "ollama/tiny"


@pytest.mark.parametrize(
    ("version", "structured"),
    [("0.13.0", True), ("0.5.0-rc1", True), ("0.4.9", False), ("0.0.0", True), (None, True)],
)
def test_a_server_from_0_5_or_without_a_version_can_hold_a_model_to_a_schema(
    ollama: ScriptedOllama, version: str | None, structured: bool
) -> None:
    ollama.version = version
    assert model(ollama).structured is structured
    assert model(ollama, structured=not structured).structured is not structured


def test_the_schema_is_sent_as_the_format_of_the_reply(ollama: ScriptedOllama) -> None:
    schema = {"type": "object"}
    ollama.chat = lambda send: send_parts(send, '{"sent', 'ences": []}')
    stream = model(ollama).stream_json(QUESTION, schema=schema, max_tokens=64)
    assert "".join(stream) == '{"sentences": []}'
    assert ollama.sent("/api/chat")["format"] == schema


def test_a_reply_that_reached_its_limit_says_so(ollama: ScriptedOllama) -> None:
    ollama.chat = lambda send: send_parts(send, "Ann", done_reason="length")
    stream = model(ollama).stream(QUESTION, max_tokens=64)
    list(stream)
    assert "was cut" in stream.warnings[0]


def test_a_prompt_that_filled_the_context_is_reported(ollama: ScriptedOllama) -> None:
    ollama.chat = lambda send: send_parts(send, "Ann", prompt_eval_count=4096)
    stream = model(ollama).stream(QUESTION, max_tokens=64)
    list(stream)
    assert "filled the context" in stream.warnings[0]


def test_closing_a_stream_ends_the_request(ollama: ScriptedOllama) -> None:
    gone = threading.Event()

    def endless(send: Send) -> None:
        try:
            while not ollama.closing.is_set():
                send(part("word "))
                time.sleep(0.001)
        except OSError:
            gone.set()
            raise

    ollama.chat = endless
    stream = model(ollama).stream(QUESTION, max_tokens=64)
    assert next(stream) == "word "
    stream.close()
    assert gone.wait(LONG)


def test_invalid_utf8_is_replaced(ollama: ScriptedOllama) -> None:
    def broken(send: Send) -> None:
        send(part("A?n").replace(b"?", b"\xff"))
        send_parts(send)

    ollama.chat = broken
    assert reply(ollama) == "A\N{REPLACEMENT CHARACTER}n"


# --- what fails ---------------------------------------------------------------------------


def test_an_ollama_that_does_not_run_is_unavailable(ollama: ScriptedOllama) -> None:
    url = ollama.url.rpartition(":")[0] + ":9"
    with pytest.raises(LanguageModelUnavailableError, match=r"not running .*ollama serve"):
        OllamaModel("tiny", host=url, timeout=2).stream(QUESTION, max_tokens=8)


def test_a_missing_model_is_not_pulled_but_offered(ollama: ScriptedOllama) -> None:
    ollama.show = (404, {"error": "model 'tiny' not found"})
    ollama.tags = {"models": [{"name": "other:latest"}]}
    with pytest.raises(LanguageModelUnavailableError, match=r"ollama pull tiny.*other:latest"):
        reply(ollama)
    assert {path for path, _ in ollama.asked} == {"/api/show", "/api/tags"}


def test_a_model_that_vanishes_between_two_requests_is_missing(ollama: ScriptedOllama) -> None:
    ollama.chat_status = 404
    ollama.chat = lambda send: send(b'{"error": "model not found"}')
    with pytest.raises(LanguageModelUnavailableError, match="ollama pull tiny"):
        reply(ollama)


def test_a_server_without_memory_for_the_model_is_unavailable(ollama: ScriptedOllama) -> None:
    ollama.chat_status = 500
    ollama.chat = lambda send: send(b'{"error": "model requires more system memory"}')
    with pytest.raises(LanguageModelUnavailableError, match="more system memory"):
        reply(ollama)


def cut_at_once(send: Send) -> None:
    send(part(""))


def cut_in_a_line(send: Send) -> None:
    send(part("Ann"))
    send(part(" Lee")[:-20])


def error_in_stream(send: Send) -> None:
    send(part("Ann"))
    send(b'{"error": "an error was encountered while running the model"}\n')


def no_json(send: Send) -> None:
    send(b"<html>It works!</html>\n")


def no_object(send: Send) -> None:
    send(b"[1, 2]\n")


def wrong_shape(send: Send) -> None:
    send(b'{"message": {"role": "assistant", "content": {"text": 3}}, "done": false}\n')


@pytest.mark.parametrize(
    "chat", [cut_at_once, cut_in_a_line, error_in_stream, no_json, no_object, wrong_shape]
)
def test_a_broken_reply_is_an_error(ollama: ScriptedOllama, chat: Callable[[Send], None]) -> None:
    ollama.chat = chat
    with pytest.raises(LanguageModelReplyError, match="Ollama at"):
        reply(ollama)


def test_silence_ends_in_a_timeout(ollama: ScriptedOllama) -> None:
    ollama.chat = lambda send: (send(part("Ann")), ollama.closing.wait(5 * LONG))[0]
    start = time.monotonic()
    with pytest.raises(LanguageModelTimeoutError, match="in time"):
        reply(ollama, timeout=0.2)
    assert time.monotonic() - start < LONG


@pytest.mark.parametrize("line", [part("word "), b" "])
def test_a_reply_without_end_ends_in_a_timeout(ollama: ScriptedOllama, line: bytes) -> None:
    def endless(send: Send) -> None:
        while not ollama.closing.is_set():
            send(line)
            time.sleep(0.001)

    ollama.chat = endless
    with pytest.raises(LanguageModelTimeoutError, match="as a whole"):
        reply(ollama, max_seconds=0.3)


def test_a_line_without_end_is_cut_off(ollama: ScriptedOllama) -> None:
    def endless(send: Send) -> None:
        while not ollama.closing.is_set():
            send(b"x" * 2**20)

    ollama.chat = endless
    with pytest.raises(LanguageModelReplyError, match="longer than any"):
        reply(ollama, max_seconds=5 * LONG)


@pytest.mark.parametrize("shown", [b"nonsense", b"[]", b"\xff\xfe"])
def test_a_port_with_something_else_on_it_is_recognised(
    ollama: ScriptedOllama, shown: bytes
) -> None:
    ollama.show = (200, shown)
    with pytest.raises(LanguageModelReplyError, match="does not follow Ollama's protocol"):
        reply(ollama)


# --- what may not leave the machine ---------------------------------------------------------


def test_a_model_that_runs_elsewhere_is_refused(ollama: ScriptedOllama) -> None:
    ollama.show = (200, {**SHOWN, "remote_host": "https://ollama.com:443", "remote_model": "big"})
    with pytest.raises(RemoteModelRefusedError, match=r"ollama\.com"):
        reply(ollama)
    assert "/api/chat" not in [path for path, _ in ollama.asked]
    assert reply(ollama, allow_remote=True) == "Ann."


@pytest.mark.parametrize("name", ["glm-4.6:cloud", "gpt-oss:120b-cloud"])
def test_a_cloud_model_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(RemoteModelRefusedError, match="allow_remote=True"):
        OllamaModel(name)
    assert OllamaModel(name, allow_remote=True).model == name


@pytest.mark.parametrize(
    "host",
    ["http://10.0.0.7:11434", "ollama.example", "http://localhost@evil.example", "[fe80::1]:80"],
)
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(RemoteModelRefusedError, match="not this machine"):
        OllamaModel("tiny", host=host)
    assert OllamaModel("tiny", host=host, allow_remote=True)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("localhost:1234", "http://localhost:1234"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("https://[::1]:5/ollama/", "https://[::1]:5/ollama"),
    ],
)
def test_a_host_is_read_as_ollamas_own_client_does(
    host: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert OllamaModel("tiny", host=host).server.url == url


def test_the_environment_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:4321")
    assert OllamaModel("tiny").server.url == "http://127.0.0.1:4321"


def test_a_proxy_of_the_environment_is_not_used(
    ollama: ScriptedOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert reply(ollama) == "Ann."


def test_a_redirect_is_not_followed(ollama: ScriptedOllama) -> None:
    ollama.show = (307, {})
    with pytest.raises(LanguageModelUnavailableError, match="307"):
        reply(ollama)


# --- names and choice -----------------------------------------------------------------------


def test_a_model_is_named_with_its_provider() -> None:
    named = language_model_named("ollama/library/tiny:1b", num_ctx=1024)
    assert named is not None
    assert named.model == "library/tiny:1b"
    assert language_model_named("none") is None


@pytest.mark.parametrize("spec", ["", "tiny", "ollama/", "openai/gpt"])
def test_an_unknown_provider_is_refused(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="ollama/<model>"):
        language_model_named(spec)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"max_seconds": -1}, {"num_ctx": 10}])
def test_invalid_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="timeouts"):
        OllamaModel("tiny", **options)


@pytest.mark.parametrize("host", ["ftp://127.0.0.1", "http://127.0.0.1:notaport"])
def test_an_address_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(DeepSeekOCRError, match="not the address"):
        OllamaModel("tiny", host=host)


def test_the_first_local_model_that_writes_is_chosen(ollama: ScriptedOllama) -> None:
    ollama.tags = {
        "models": [
            {"model": "far:1", "remote_host": "https://ollama.com"},
            {"model": "tiny:latest"},
        ]
    }
    assert choose_language_model(ollama.url) == ("ollama/tiny:latest", "")


def test_a_model_that_only_embeds_is_not_chosen(ollama: ScriptedOllama) -> None:
    ollama.show = (200, {"capabilities": ["embedding"]})
    chosen, hint = choose_language_model(ollama.url)
    assert chosen is None
    assert "ollama pull" in hint


def test_without_ollama_the_hint_says_how_to_get_one() -> None:
    chosen, hint = choose_language_model("127.0.0.1:9")
    assert chosen is None
    assert "ollama serve" in hint
    assert "ollama pull" in hint


def test_an_ollama_elsewhere_is_not_chosen_by_itself() -> None:
    assert choose_language_model("http://10.0.0.7")[0] is None
