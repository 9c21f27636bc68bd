"""The Ollama backend: its requests, and what it refuses."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
)
from deepseek_ocr_rag.model.prompts import mode_named, task_named

pytestmark = pytest.mark.minimum

GENERATE = "/api/generate"


@pytest.fixture
def backend(ollama_server: Any) -> OllamaBackend:
    return OllamaBackend(host=ollama_server.url, timeout=LONG, stall_timeout=LONG)


def only(replies: Iterator[Reply]) -> Reply:
    (reply,) = replies
    return reply


# --- what it asks ------------------------------------------------------------------------


def test_the_request_is_the_one_that_the_model_was_published_with(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    only(backend.read([page_request(1)]))
    (body,) = ollama_server.asked(GENERATE)
    assert body["model"] == "deepseek-ocr:latest"
    assert body["prompt"] == "\n<|grounding|>Convert the document to markdown."
    assert len(body["images"]) == 1
    assert body["stream"] is True
    assert body["options"]["temperature"] == 0
    assert body["options"]["num_ctx"] == 8192
    # The picture of 32 x 48 pixels has 273 tokens; ten more are the prompt's.
    assert 7800 < body["options"]["num_predict"] <= 8192 - 273 - 10
    assert "keep_alive" not in body


def test_settings_reach_ollama(ollama_server: Any, page_request: Any) -> None:
    backend = OllamaBackend(
        "deepseek-ocr:3b",
        host=ollama_server.url,
        keep_alive="10m",
        num_ctx=4096,
        num_predict=100,
    )
    only(backend.read([page_request(1, task=task_named("free"))]))
    (body,) = ollama_server.asked(GENERATE)
    assert body["model"] == "deepseek-ocr:3b"
    assert body["prompt"] == "\nFree OCR."
    assert body["keep_alive"] == "10m"
    assert body["options"] == {"temperature": 0, "num_ctx": 4096, "num_predict": 100}


def test_a_limit_that_the_user_set_is_no_reason_to_ask_again(
    ollama_server: Any, page_request: Any
) -> None:
    def long(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        exchange.line(response="The beginning of a page", done=False)
        exchange.line(response="", done=True, done_reason="length", eval_count=5)
        exchange.end()

    ollama_server.answers[GENERATE] = long
    reply = only(OllamaBackend(host=ollama_server.url, num_predict=5).read([page_request(1)]))
    assert (reply.finish_reason, reply.attempts) == ("length", 1)


def test_tokens_and_finish_reason_come_from_ollama(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    def long(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        exchange.line(response="half", done=False)
        exchange.line(response="", done=True, done_reason="length", eval_count=6880)
        exchange.end()

    ollama_server.answers[GENERATE] = long
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.finish_reason, reply.tokens) == ("half", "length", 6880)


def test_line_separators_of_unicode_inside_the_text_survive(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    text = "a\u2028b\x85c\u2029d"

    def separators(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        exchange.line(response=text, done=False)
        exchange.line(response="", done=True, done_reason="stop")
        exchange.end()

    ollama_server.answers[GENERATE] = separators
    assert only(backend.read([page_request(1)])).text == text


def test_a_mode_without_tiles_is_warned_about_because_ollama_decides(
    backend: OllamaBackend, page_request: Any
) -> None:
    assert only(backend.read([page_request(1)])).warnings == ()
    (warning,) = only(backend.read([page_request(1, resolution=mode_named("tiny"))])).warnings
    assert "tiny" in warning


def test_ollama_is_checked_only_once(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    for _ in range(2):
        list(backend.read([page_request(1), page_request(2)]))
    assert len(ollama_server.asked("/api/show")) == 1
    assert len(ollama_server.asked("/api/version")) == 1


def test_nothing_is_asked_before_the_first_page(backend: OllamaBackend, ollama_server: Any) -> None:
    assert list(backend.read(())) == []
    assert ollama_server.received == []


def test_it_pickles(ollama_server: Any, page_request: Any) -> None:
    backend = pickle.loads(pickle.dumps(OllamaBackend(host=ollama_server.url)))
    assert only(backend.read([page_request(1)])).text == "Page 1 ß"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": " "},
        {"timeout": 0},
        {"stall_timeout": 0},
        {"concurrency": 0},
        {"num_ctx": 512},
        {"num_predict": 0},
    ],
)
def test_an_invalid_argument_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        OllamaBackend(**wrong)


# --- Ollama is not there, too old, or without the model ----------------------------------


def test_an_ollama_that_does_not_run_raises_and_says_how_to_start_it(
    refused_url: str, page_request: Any
) -> None:
    with pytest.raises(BackendUnavailableError, match="ollama serve"):
        list(OllamaBackend(host=refused_url).read(page_request(n) for n in range(1, 100)))


def test_a_missing_model_raises_and_says_how_to_get_it_without_getting_it(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    ollama_server.answers["/api/show"] = lambda e: e.json(
        {"error": "model 'deepseek-ocr' not found"}, 404
    )
    with pytest.raises(BackendUnavailableError, match="ollama pull deepseek-ocr"):
        list(backend.read([page_request(1)]))
    assert not any("pull" in path for path, _ in ollama_server.received)


def test_a_model_that_is_removed_meanwhile_raises_as_well(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    ollama_server.answers[GENERATE] = lambda e: e.json(
        {"error": "model 'deepseek-ocr' not found"}, 404
    )
    with pytest.raises(BackendUnavailableError, match="ollama pull deepseek-ocr"):
        list(backend.read([page_request(1)]))


@pytest.mark.parametrize("version", ["0.12.11", "0.9.0", "0.12.99-rc1"])
def test_an_ollama_older_than_the_model_raises_and_says_so(
    backend: OllamaBackend, ollama_server: Any, page_request: Any, version: str
) -> None:
    ollama_server.answers["/api/version"] = lambda e: e.json({"version": version})
    with pytest.raises(BackendUnavailableError, match=r"0\.13\.0") as caught:
        list(backend.read([page_request(1)]))
    assert version in str(caught.value)


@pytest.mark.parametrize("version", ["0.13.0", "0.13.0-rc2", "v1.2.3", "0.0.0", "main", 3, None])
def test_a_newer_or_unknown_version_passes(
    backend: OllamaBackend, ollama_server: Any, page_request: Any, version: Any
) -> None:
    ollama_server.answers["/api/version"] = lambda e: e.json({"version": version})
    assert only(backend.read([page_request(1)])).finish_reason == "stop"


def test_a_server_that_knows_only_generate_is_used(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    for path in ("/api/version", "/api/show"):
        del ollama_server.answers[path]
    assert only(backend.read([page_request(1)])).text == "Page 1 ß"


# --- nothing leaves the machine ----------------------------------------------------------


@pytest.mark.parametrize("host", ["192.0.2.7", "http://ollama.example:11434", "[2001:db8::1]"])
def test_a_host_that_is_another_machine_is_refused(host: str) -> None:
    with pytest.raises(BackendUnavailableError, match="allow_remote"):
        OllamaBackend(host=host)


def test_ollama_host_of_the_environment_is_refused_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "192.0.2.7:11434")
    with pytest.raises(BackendUnavailableError, match=r"192\.0\.2\.7"):
        OllamaBackend()


def test_another_machine_is_used_where_it_is_allowed() -> None:
    assert OllamaBackend(host="192.0.2.7", allow_remote=True).host == "http://192.0.2.7:11434"


@pytest.mark.parametrize("field", ["remote_host", "remote_model"])
def test_a_model_that_ollama_runs_elsewhere_is_refused_before_a_page_is_sent(
    backend: OllamaBackend, ollama_server: Any, page_request: Any, field: str
) -> None:
    ollama_server.answers["/api/show"] = lambda e: e.json({field: "https://ollama.com:443"})
    with pytest.raises(BackendUnavailableError, match=r"ollama\.com"):
        list(backend.read([page_request(1)]))
    assert ollama_server.asked(GENERATE) == []


def test_a_remote_model_is_used_where_it_is_allowed(ollama_server: Any, page_request: Any) -> None:
    ollama_server.answers["/api/show"] = lambda e: e.json({"remote_host": "https://ollama.com"})
    backend = OllamaBackend(host=ollama_server.url, allow_remote=True)
    assert only(backend.read([page_request(1)])).text == "Page 1 ß"


def test_a_redirect_is_not_followed(
    backend: OllamaBackend, ollama_server: Any, openai_server: Any, page_request: Any
) -> None:
    ollama_server.answers[GENERATE] = lambda e: e.json(
        {}, 307, {"location": openai_server.url + GENERATE}
    )
    assert only(backend.read([page_request(1)])).finish_reason == "error"
    assert openai_server.received == []


def test_a_proxy_of_the_environment_sees_nothing(
    ollama_server: Any, openai_server: Any, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, openai_server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert only(OllamaBackend(host=ollama_server.url).read([page_request(1)])).text == "Page 1 ß"
    assert openai_server.received == []


@pytest.mark.parametrize(
    "limits", [{"stall_timeout": 0}, {"retries": -1}, {"wait": float("nan")}, {"attempts": 0}]
)
def test_a_limit_out_of_range_is_named(limits: dict[str, Any]) -> None:
    ((name, value),) = limits.items()
    with pytest.raises(ConfigurationError, match=f"^{name} is {value}"):
        OllamaBackend(**limits)
