"""The Ollama backend against an Ollama that is broken, slow or never ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from event_loop_clock import MINUTES, LoopClock
from waiting import LONG

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote import backoff
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.errors import (
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
)

GENERATE = "/api/generate"


@pytest.fixture
def backend(ollama_server: Any) -> OllamaBackend:
    return OllamaBackend(host=ollama_server.url, timeout=LONG, stall_timeout=LONG, retries=0)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.01)


def only(replies: Iterator[Reply]) -> Reply:
    (reply,) = replies
    return reply


# --- faults of single pages --------------------------------------------------------------


def begun(then: Callable[[Any], None]) -> Callable[[Any], None]:
    def answer(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        exchange.line(response="half a page", done=False)
        then(exchange)

    return answer


def ends_without_its_last_part(exchange: Any) -> None:
    exchange.end()


def drops(exchange: Any) -> None:
    exchange.drop()


def half_closes(exchange: Any) -> None:
    """Says that nothing more will come, but keeps listening."""
    exchange.half_close()
    exchange.stall()


def reports_an_error(exchange: Any) -> None:
    exchange.line(error="an error was encountered while running the model")
    exchange.end()


def is_no_utf8(exchange: Any) -> None:
    exchange.send(b'{"response": "\xff", "done": false}\n')
    exchange.end()


def is_no_json(exchange: Any) -> None:
    exchange.send("{not json\n")
    exchange.end()


def is_a_list(exchange: Any) -> None:
    exchange.send("[1]\n")
    exchange.end()


def has_text_of_another_kind(exchange: Any) -> None:
    exchange.line(response=["text"], done=False)
    exchange.end()


def is_unloaded(exchange: Any) -> None:
    exchange.line(response="", done=True, done_reason="unload")
    exchange.end()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (reports_an_error, "while running the model"),
        (is_no_utf8, "UTF-8"),
        (is_no_json, "protocol"),
        (is_a_list, "protocol"),
        (has_text_of_another_kind, "protocol"),
        (is_unloaded, "unload"),
    ],
)
def test_a_broken_reply_is_a_failed_page_and_never_half_a_page(
    backend: OllamaBackend,
    ollama_server: Any,
    page_request: Any,
    fault: Callable[[Any], None],
    problem: str,
) -> None:
    ollama_server.answer_in_turn(GENERATE, begun(fault), ollama_server.good)
    failed, good = backend.read([page_request(1), page_request(2)])
    assert failed.finish_reason == "error"
    assert failed.text == ""
    assert failed.error is not None
    assert problem in failed.error
    assert "report.pdf, page 1" in failed.error
    assert good.text == "Page 2 ß"


@pytest.mark.parametrize("fault", [ends_without_its_last_part, drops, half_closes])
def test_a_reply_that_breaks_off_each_time_is_kept_and_the_page_says_so(
    ollama_server: Any, page_request: Any, fault: Callable[[Any], None]
) -> None:
    ollama_server.answers[GENERATE] = begun(fault)
    reply = only(OllamaBackend(host=ollama_server.url, retries=1).read([page_request(1)]))
    assert len(ollama_server.asked(GENERATE)) == 2
    assert (reply.text, reply.finish_reason, reply.error) == ("half a page", "length", None)
    (warning,) = reply.warnings
    assert "may be missing" in warning


def test_text_that_came_before_a_break_survives_a_silent_second_reply(
    ollama_server: Any, page_request: Any, loop_clock: LoopClock
) -> None:
    ollama_server.answer_in_turn(GENERATE, begun(drops), begun(loop_clock.pass_until_left))
    backend = OllamaBackend(host=ollama_server.url, stall_timeout=MINUTES, timeout=100 * MINUTES)
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.error) == ("half a page", None)
    assert any("silent" in warning for warning in reply.warnings)


def answers_with(status: int) -> Callable[[Any], None]:
    return lambda exchange: exchange.json({"error": "server busy, please try again"}, status)


@pytest.mark.parametrize(
    "fault", [answers_with(503), answers_with(429), answers_with(500), begun(drops)]
)
def test_a_passing_fault_is_retried(
    ollama_server: Any, page_request: Any, fault: Callable[[Any], None]
) -> None:
    backend = OllamaBackend(host=ollama_server.url)
    ollama_server.answer_in_turn(GENERATE, fault, fault, ollama_server.good)
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.finish_reason, reply.attempts) == ("Page 1 ß", "stop", 3)


@pytest.mark.parametrize("status", [503, 429])
def test_an_ollama_that_stays_busy_is_given_up_after_the_retries(
    ollama_server: Any, page_request: Any, status: int
) -> None:
    ollama_server.answers[GENERATE] = answers_with(status)
    with pytest.raises(BackendUnavailableError, match=f"HTTP {status}"):
        list(OllamaBackend(host=ollama_server.url, wait=0).read([page_request(1)]))
    assert len(ollama_server.asked(GENERATE)) == 3


def test_a_500_is_a_failed_page_with_ollamas_words(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    words = "model runner has unexpectedly stopped"
    ollama_server.answers[GENERATE] = lambda e: e.json({"error": words}, 500)
    assert words in (only(backend.read([page_request(1)])).error or "")


def test_an_ollama_that_falls_silent_ends_in_a_failed_page(
    ollama_server: Any, page_request: Any, loop_clock: LoopClock
) -> None:
    backend = OllamaBackend(host=ollama_server.url, stall_timeout=MINUTES, timeout=100 * MINUTES)
    ollama_server.answers[GENERATE] = begun(loop_clock.pass_until_left)
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert "silent" in (reply.error or "")


def test_an_ollama_that_trickles_ends_at_the_time_of_the_page(
    ollama_server: Any, page_request: Any
) -> None:
    def trickle(exchange: Any) -> None:
        while exchange.wait(0.05):
            exchange.line(response="", done=False)

    backend = OllamaBackend(host=ollama_server.url, stall_timeout=LONG, timeout=0.5)
    ollama_server.answers[GENERATE] = begun(trickle)
    reply = only(backend.read([page_request(1)]))
    assert "0.5 s" in (reply.error or "")


def test_an_ollama_that_ignores_the_token_limit_is_cut_off(
    ollama_server: Any, page_request: Any
) -> None:
    def endless(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        while exchange.wait(0):
            exchange.line(response="x ", done=False)

    backend = OllamaBackend(host=ollama_server.url, num_predict=50)
    ollama_server.answers[GENERATE] = endless
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "length"
    assert reply.text == "x " * 51


def test_an_ollama_that_never_ends_its_line_is_cut_off(
    backend: OllamaBackend, ollama_server: Any, page_request: Any
) -> None:
    def endless(exchange: Any) -> None:
        exchange.start(content_type="application/x-ndjson")
        while exchange.wait(0):
            exchange.send("x" * 2**20)

    ollama_server.answers[GENERATE] = endless
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert "line" in (reply.error or "")


def test_a_check_that_never_ends_is_an_error_in_time(
    ollama_server: Any, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(exchange: Any) -> None:
        exchange.start(content_type="application/json")
        while exchange.wait(0):
            exchange.send("x" * 2**20)

    ollama_server.answers["/api/version"] = endless
    with pytest.raises((BackendReplyError, BackendTimeoutError)):
        list(OllamaBackend(host=ollama_server.url).read([page_request(1)]))


def test_closing_the_iterator_ends_the_request_that_is_under_way(
    ollama_server: Any, page_request: Any
) -> None:
    ollama_server.answer_in_turn(
        GENERATE, ollama_server.good, begun(lambda exchange: exchange.stall())
    )
    backend = OllamaBackend(host=ollama_server.url, concurrency=3, stall_timeout=5 * LONG)
    replies = backend.read(page_request(n) for n in range(1, 100))
    next(replies)
    started = time.monotonic()
    replies.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < LONG / 2  # the server says nothing for longer
