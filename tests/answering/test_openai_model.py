"""Language models behind an OpenAI-compatible server.

The server is scripted. Its answers are in the form that llama.cpp (``reasoning_content``, ``/props``)
and vLLM (``max_model_len``, ``reasoning``, 400 for a field that it does not know) document.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag import DocumentQA, OpenAIModel
from deepseek_ocr_rag.document.types import OcrDocument, Page
from deepseek_ocr_rag.errors import (
    ConfigurationError,
    LanguageModelReplyError,
    LanguageModelTimeoutError,
    LanguageModelUnavailableError,
)

QUOTE = "Ann Lee has kept the lamp since 1902."
DOCUMENT = OcrDocument("light.pdf", (Page(1, QUOTE, ()),), 1)
QUESTION = "Who keeps the lamp?"
REPLY = json.dumps({"sentences": [{"text": QUOTE, "sources": [1]}]})


def event(content: str = "", *, reason: str | None = None, **delta: str) -> bytes:
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def says(*contents: str, reason: str = "stop") -> bytes:
    return b"".join((*map(event, contents), event(reason=reason), b"data: [DONE]\n\n"))


class ChatFake(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models: list[dict[str, Any]] = [{"id": "tiny", "max_model_len": 4096}]
        self.props: dict[str, Any] | None = None
        self.chat: Callable[[dict[str, Any]], tuple[int, bytes]] = lambda body: (200, says(REPLY))
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ChatFake

    def do_GET(self) -> None:
        self.server.keys.add(self.headers.get("authorization"))
        found = {"/v1/models": {"data": self.server.models}, "/props": self.server.props}
        answer = found.get(self.path)
        self._reply(404 if answer is None else 200, json.dumps(answer or {}).encode())

    def do_POST(self) -> None:
        self.server.keys.add(self.headers.get("authorization"))
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/v1/chat/completions":
            self._reply(404, b"{}")
            return
        self.server.asked.append(body)
        self._reply(*self.server.chat(body))

    def _reply(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ChatFake]:
    with ChatFake() as fake:
        thread = threading.Thread(target=fake.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        fake.shutdown()
        thread.join()


def test_an_answer_is_written_held_to_the_schema_and_checked(server: ChatFake) -> None:
    answer = DocumentQA(DOCUMENT, llm=f"openai:{server.url}").ask(QUESTION)
    assert (answer.found, answer.llm, answer.warnings) == (True, "openai/tiny", ())
    (asked,) = server.asked
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["sentences"]
    assert (asked["model"], asked["max_tokens"], asked["stream"]) == ("tiny", 1024, True)
    assert asked["chat_template_kwargs"] == {"enable_thinking": False}


def test_the_context_is_the_servers(server: ChatFake) -> None:
    assert OpenAIModel(server.url).context_length == 4096
    server.models = [{"id": "/models/a.gguf"}]
    server.props = {"default_generation_settings": {"n_ctx": 2048}}
    assert OpenAIModel(server.url).context_length == 2048
    server.props = None
    assert OpenAIModel(server.url).context_length == 8192
    assert OpenAIModel(server.url, context_length=1024).context_length == 1024


def test_a_field_that_a_server_refuses_is_left_out(server: ChatFake) -> None:
    def strict(body: dict[str, Any]) -> tuple[int, bytes]:
        for field in ("chat_template_kwargs", "response_format"):
            if field in body:
                return 400, json.dumps({"error": {"message": f"Unknown field: {field}"}}).encode()
        return 200, says(f"{QUOTE} [1]")

    server.chat = strict
    assert DocumentQA(DOCUMENT, llm=f"vllm:{server.url}").ask(QUESTION).found
    assert len(server.asked) == 3


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_model_that_thinks_gets_room_and_its_thoughts_are_kept_apart(
    server: ChatFake, field: str
) -> None:
    def thinks(body: dict[str, Any]) -> tuple[int, bytes]:
        thought = event(**{field: "Is it Bob?"})
        if body["max_tokens"] <= 1024:
            return 200, thought + event(reason="length")
        return 200, thought + says(REPLY)

    server.chat = thinks
    answer = DocumentQA(DOCUMENT, llm=f"llama.cpp:{server.url}").ask(QUESTION)
    assert (answer.found, answer.thinking) == (True, "Is it Bob?")
    assert [asked["max_tokens"] for asked in server.asked] == [1024, 1024 + 2048]


def test_thoughts_that_the_prompt_opened_are_not_the_answer(server: ChatFake) -> None:
    server.models = [{"id": "qwen3-4b-thinking"}]
    server.chat = lambda body: (200, says("It may be Bob. ", "</think>", f"{QUOTE} [1]"))
    answer = DocumentQA(DOCUMENT, llm=f"openai:{server.url}").ask(QUESTION)
    assert (answer.text, answer.thinking) == (f"{QUOTE} [1]", "It may be Bob.")


def test_the_key_is_ours_and_not_openais(server: ChatFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    OpenAIModel(server.url).check()
    assert server.keys == {None}
    monkeypatch.setenv("DSOCR_LLM_API_KEY", "ours")
    model = OpenAIModel(server.url)
    model.check()
    assert server.keys == {None, "Bearer ours"}
    assert "ours" not in repr(model) + repr(model.server)


def test_several_models_must_be_told_apart(server: ChatFake) -> None:
    server.models = [{"id": "a"}, {"id": "b"}]
    with pytest.raises(ConfigurationError, match=r"serves a, b.*#a"):
        OpenAIModel(server.url).check()
    assert DocumentQA(DOCUMENT, llm=f"openai:{server.url}#b").ask(QUESTION).llm == "openai/b"
    with pytest.raises(LanguageModelUnavailableError, match="has no model c"):
        OpenAIModel(server.url, "c").check()


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "API key"), (404, "no model tiny"), (500, "status 500: out of memory"), (503, "503")],
)
def test_a_refusal_says_what_happened(server: ChatFake, status: int, said: str) -> None:
    server.chat = lambda body: (status, b'{"error": {"message": "out of memory"}}')
    with pytest.raises(LanguageModelUnavailableError, match=said):
        DocumentQA(DOCUMENT, llm=f"openai:{server.url}").ask(QUESTION)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>It works!</html>",
        b"data: [1, 2]\n\n",
        b'data: {"choices": [{"delta": {"content": 3}}]}\n\n',
        b'data: {"choices": ["x"]}\n\n',
        b'data: {"error": {"message": "gone"}}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"",
    ],
)
def test_a_reply_that_is_no_reply_is_an_error(server: ChatFake, data: bytes) -> None:
    server.chat = lambda body: (200, data)
    with pytest.raises(LanguageModelReplyError, match="the server at"):
        DocumentQA(DOCUMENT, llm=f"openai:{server.url}").ask(QUESTION)


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(LanguageModelUnavailableError, match="no server answers"):
        OpenAIModel("http://127.0.0.1:9").check()


def test_silence_ends_in_a_timeout(server: ChatFake) -> None:
    gone = threading.Event()
    server.chat = lambda body: (gone.wait(LONG), (200, says(REPLY)))[1]
    model = OpenAIModel(server.url, timeout=0.2)
    with pytest.raises(LanguageModelTimeoutError, match="in time"):
        DocumentQA(DOCUMENT, llm=model).ask(QUESTION)
    gone.set()
