"""The server backend against servers that are away, busy, slow or broken."""

from __future__ import annotations

import json
import random
import string
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from event_loop_clock import MINUTES, LoopClock
from waiting import LONG, until

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote import backoff, page_clock
from deepseek_ocr_rag.backends.remote.server import ServerBackend
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
)

CHAT = "/v1/chat/completions"
KEY = "sk-secret-1234"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.01)


@pytest.fixture
def backend(openai_server: Any) -> Iterator[ServerBackend]:
    made = ServerBackend(openai_server.url, concurrency=2, timeout=LONG, stall_timeout=LONG)
    yield made
    made.close()


def only(replies: Iterator[Reply]) -> Reply:
    (reply,) = replies
    return reply


def status(code: int, text: str = "", **headers: str) -> Callable[[Any], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.json({"error": {"message": text}}, code, named)


# --- servers that are away or busy -------------------------------------------------------


def test_a_server_that_is_not_there_raises_instead_of_failing_every_page(
    refused_url: str, page_request: Any
) -> None:
    backend = ServerBackend(refused_url, model="m", retries=1)
    with pytest.raises(BackendUnavailableError, match="serve-command"):
        list(backend.read(page_request(n) for n in range(1, 100)))


def test_without_a_model_name_a_server_that_is_not_there_raises_as_well(
    refused_url: str, page_request: Any
) -> None:
    with pytest.raises(BackendUnavailableError, match="serve-command"):
        list(ServerBackend(refused_url).read([page_request(1)]))


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    backend: ServerBackend, openai_server: Any, page_request: Any, code: int
) -> None:
    openai_server.answer_in_turn(CHAT, status(code, "loading"), openai_server.good)
    reply = only(backend.read([page_request(5)]))
    assert (reply.text, reply.attempts) == ("Page 5 ß", 2)


def test_a_reply_that_breaks_off_is_asked_for_again(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def breaks_off(exchange: Any) -> None:
        exchange.start()
        exchange.delta("half")
        exchange.drop()

    openai_server.answer_in_turn(CHAT, breaks_off, openai_server.good)
    reply = only(backend.read([page_request(5)]))
    assert (reply.text, reply.attempts) == ("Page 5 ß", 2)


def test_a_wait_that_the_server_asks_for_is_observed(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    openai_server.answer_in_turn(
        CHAT, status(429, "slow down", retry_after="0.3"), openai_server.good
    )
    started = time.monotonic()
    assert only(backend.read([page_request(1)])).attempts == 2
    assert time.monotonic() - started >= 0.3


def test_a_server_that_stays_busy_is_given_up_after_the_retries(
    openai_server: Any, page_request: Any
) -> None:
    backend = ServerBackend(openai_server.url, wait=0)
    openai_server.answers[CHAT] = status(503, "Loading model")
    with pytest.raises(BackendUnavailableError, match="Loading model"):
        list(backend.read([page_request(1)]))
    assert len(openai_server.asked(CHAT)) == 3


def test_a_server_that_goes_away_fails_two_pages_and_then_raises(
    openai_server: Any, page_request: Any
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1, retries=0, wait=0)
    openai_server.answer_in_turn(CHAT, openai_server.good, status(503, "shutting down"))
    replies = backend.read(page_request(n) for n in range(1, 100))
    assert next(replies).finish_reason == "stop"
    failed = [next(replies), next(replies)]
    assert [r.finish_reason for r in failed] == ["error", "error"]
    assert all("shutting down" in (r.error or "") for r in failed)
    with pytest.raises(BackendUnavailableError):
        next(replies)


def test_pages_that_fail_between_others_do_not_end_the_document(
    openai_server: Any, page_request: Any
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1, retries=0, wait=0)
    openai_server.answer_in_turn(
        CHAT, *(openai_server.good, status(503), status(503)) * 3, openai_server.good
    )
    reasons = [r.finish_reason for r in backend.read(page_request(n) for n in range(1, 11))]
    assert reasons == ["stop", "error", "error"] * 3 + ["stop"]


def test_a_server_that_goes_away_is_waited_for(
    openai_server: Any,
    page_request: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(page_clock, "ASK_AGAIN_SECONDS", 0.05)
    away = [status(503, "Loading model")] * 12
    openai_server.answer_in_turn(CHAT, openai_server.good, *away, openai_server.good)
    backend = ServerBackend(openai_server.url, concurrency=1)
    replies = list(backend.read(page_request(n) for n in range(1, 4)))
    assert [reply.text for reply in replies] == ["Page 1 ß", "Page 2 ß", "Page 3 ß"]
    # The time away does not count as retries of the page: it would have been asked for twelve times.
    assert replies[1].attempts == 3
    assert caplog.text.count("is away") == caplog.text.count("is back") == 1
    assert "waiting up to 60 s" in caplog.text


def test_a_server_that_stays_away_ends_the_reading_with_the_time_that_was_waited(
    openai_server: Any, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_clock, "ASK_AGAIN_SECONDS", 0.05)
    openai_server.answer_in_turn(CHAT, openai_server.good, status(503, "gone"))
    backend = ServerBackend(openai_server.url, concurrency=1, wait=0.4)
    replies = backend.read(page_request(n) for n in range(1, 100))
    assert next(replies).text == "Page 1 ß"
    with pytest.raises(BackendUnavailableError, match=r"come back within 0\.4 s"):
        list(replies)


def test_a_server_that_was_never_there_is_not_waited_for(
    refused_url: str, page_request: Any
) -> None:
    waiting = 10 * LONG
    started = time.monotonic()
    with pytest.raises(BackendUnavailableError):
        list(ServerBackend(refused_url, model="m", wait=waiting).read([page_request(1)]))
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize("code", [401, 403, 404, 307])
def test_a_refusal_of_all_pages_is_raised(
    backend: ServerBackend, openai_server: Any, page_request: Any, code: int
) -> None:
    openai_server.answers[CHAT] = status(code, "no", location="http://127.0.0.1:1/")
    with pytest.raises(BackendUnavailableError, match=f"HTTP {code}"):
        list(backend.read([page_request(1), page_request(2)]))


# --- faults of single pages --------------------------------------------------------------


def begun(then: Callable[[Any], None]) -> Callable[[Any], None]:
    def answer(exchange: Any) -> None:
        exchange.start()
        exchange.delta("half a page")
        then(exchange)

    return answer


def ends_without_a_reason(exchange: Any) -> None:
    exchange.end()


def is_done_without_a_reason(exchange: Any) -> None:
    exchange.event("[DONE]")
    exchange.end()


def drops(exchange: Any) -> None:
    exchange.drop()


def half_closes(exchange: Any) -> None:
    """Says that nothing more will come, but keeps listening."""
    exchange.half_close()
    exchange.stall()


def ends_inside_an_event(exchange: Any) -> None:
    """Ends the connection within an event, as if the server had died in a body without a length."""
    exchange.send('data: {"choices": [{"delta": {"content": "and')
    exchange.end()


BREAKS = (ends_without_a_reason, is_done_without_a_reason, drops, half_closes, ends_inside_an_event)


def reports_an_error(exchange: Any) -> None:
    exchange.event({"error": {"message": "CUDA out of memory", "code": 500}})
    exchange.end()


def reports_an_error_as_vllm_does(exchange: Any) -> None:
    exchange.event({"object": "error", "message": "CUDA out of memory", "code": 500})
    exchange.end()


def reports_an_error_as_llama_cpp_does(exchange: Any) -> None:
    exchange.send('error: {"code": 500, "message": "CUDA out of memory"}\n\n')
    exchange.end()


def is_aborted(exchange: Any) -> None:
    exchange.delta("", finish="abort")
    exchange.event("[DONE]")
    exchange.end()


def is_no_utf8(exchange: Any) -> None:
    exchange.send(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n')
    exchange.end()


def ends_inside_a_character(exchange: Any) -> None:
    exchange.send("data: ß".encode()[:-1])
    exchange.end()


def is_no_json(exchange: Any) -> None:
    exchange.event("{not json")
    exchange.end()


def is_deep_json(exchange: Any) -> None:
    exchange.event("[" * 200_000)
    exchange.end()


def has_no_choices(exchange: Any) -> None:
    exchange.event({"id": 1})
    exchange.end()


def has_choices_of_another_kind(exchange: Any) -> None:
    exchange.event({"choices": ["text"]})
    exchange.end()


def has_content_of_another_kind(exchange: Any) -> None:
    exchange.event({"choices": [{"delta": {"content": ["text"]}}]})
    exchange.end()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (reports_an_error, "CUDA out of memory"),
        (reports_an_error_as_vllm_does, "CUDA out of memory"),
        (reports_an_error_as_llama_cpp_does, "CUDA out of memory"),
        (is_aborted, "abort"),
        (is_no_utf8, "UTF-8"),
        (ends_inside_a_character, "UTF-8"),
        (is_no_json, "JSON"),
        (is_deep_json, "event"),
        (has_no_choices, "choices"),
        (has_choices_of_another_kind, "choice"),
        (has_content_of_another_kind, "not text"),
    ],
)
def test_a_broken_reply_is_a_failed_page_and_never_half_a_page(
    openai_server: Any,
    page_request: Any,
    fault: Callable[[Any], None],
    problem: str,
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1, retries=0)
    openai_server.answer_in_turn(CHAT, begun(fault), openai_server.good)
    failed, good = backend.read([page_request(1), page_request(2)])
    assert failed.finish_reason == "error"
    assert failed.text == ""
    assert failed.error is not None
    assert problem in failed.error
    assert "report.pdf, page 1" in failed.error
    assert good.text == "Page 2 ß"


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_reply_without_an_end_is_asked_for_again(
    openai_server: Any, page_request: Any, breaks: Callable[[Any], None]
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1, retries=1)
    openai_server.answer_in_turn(CHAT, begun(breaks), openai_server.good)
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.finish_reason, reply.attempts) == ("Page 1 ß", "stop", 2)
    assert reply.warnings == ()


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_reply_that_breaks_off_every_time_is_kept_with_a_warning(
    openai_server: Any, page_request: Any, breaks: Callable[[Any], None]
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1, retries=2)
    openai_server.answer_in_turn(CHAT, *[begun(breaks)] * 3, openai_server.good)
    kept, good = backend.read([page_request(1), page_request(2)])
    assert (kept.text, kept.finish_reason, kept.attempts) == ("half a page", "length", 3)
    assert len(openai_server.asked(CHAT)) == 4
    assert any("the server broke off (" in warning for warning in kept.warnings)
    assert good.text == "Page 2 ß"


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_reply_that_breaks_off_before_any_text_is_a_failed_page(
    openai_server: Any, page_request: Any, breaks: Callable[[Any], None]
) -> None:
    def answer(exchange: Any) -> None:
        exchange.start()
        breaks(exchange)

    backend = ServerBackend(openai_server.url, concurrency=1, retries=1)
    openai_server.answer_in_turn(CHAT, answer, answer, openai_server.good)
    failed = only(backend.read([page_request(1)]))
    assert (failed.text, failed.finish_reason, failed.attempts) == ("", "error", 2)
    assert failed.error is not None
    assert "cut off" in failed.error
    assert "report.pdf, page 1" in failed.error


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_refused_page_is_a_failed_page_with_the_servers_words(
    backend: ServerBackend, openai_server: Any, page_request: Any, code: int
) -> None:
    openai_server.answers[CHAT] = status(code, "the image is\x1b[31m odd")
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert reply.error is not None
    assert f"HTTP {code}" in reply.error
    assert "odd" in reply.error
    assert "\x1b" not in reply.error


def test_a_server_that_falls_silent_ends_in_a_failed_page(
    openai_server: Any, page_request: Any, loop_clock: LoopClock
) -> None:
    backend = ServerBackend(openai_server.url, stall_timeout=MINUTES, timeout=100 * MINUTES)
    openai_server.answers[CHAT] = begun(loop_clock.pass_until_left)
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert "silent" in (reply.error or "")


def test_a_page_in_the_servers_queue_is_not_silent_while_others_are_written(
    openai_server: Any,
    page_request: Any,
    loop_clock: LoopClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn = threading.Lock()
    arrived: list[Any] = []
    heard: list[None] = []
    hear = page_clock.ServerSilence.hear

    def noted(silence: page_clock.ServerSilence, *args: Any, **more: Any) -> None:
        hear(silence, *args, **more)
        heard.append(None)

    monkeypatch.setattr(page_clock.ServerSilence, "hear", noted)

    def one_at_a_time(exchange: Any) -> None:
        arrived.append(exchange)
        # A request that is still being sent has limits of its own, which no jump may meet.
        until(lambda: len(arrived) == 8)
        with turn:
            exchange.start()
            for _ in range(4):
                before = len(heard)
                exchange.delta("word ")
                until(lambda before=before: len(heard) > before)
                loop_clock.jump(0.1 * MINUTES)
            exchange.delta("end", finish="stop")
            exchange.end()

    openai_server.answers[CHAT] = one_at_a_time
    # The last page waits three times as long as the server may be silent, and twice as long as a
    # page may take.
    backend = ServerBackend(
        openai_server.url, concurrency=8, stall_timeout=MINUTES, timeout=1.5 * MINUTES
    )
    replies = list(backend.read(page_request(n) for n in range(1, 9)))
    assert [(reply.error, reply.attempts) for reply in replies] == [(None, 1)] * 8


def test_a_page_is_asked_for_once_more_after_a_silence(
    openai_server: Any, page_request: Any, loop_clock: LoopClock
) -> None:
    backend = ServerBackend(openai_server.url, stall_timeout=MINUTES, timeout=100 * MINUTES)
    silent = begun(loop_clock.pass_until_left)
    openai_server.answer_in_turn(CHAT, silent, openai_server.good)
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.attempts) == ("Page 1 ß", 2)


def test_a_server_that_trickles_ends_at_the_time_of_the_page(
    openai_server: Any, page_request: Any
) -> None:
    def trickle(exchange: Any) -> None:
        while exchange.wait(0.05):
            exchange.send(": still here\n\n")

    backend = ServerBackend(openai_server.url, stall_timeout=LONG, timeout=0.5)
    openai_server.answers[CHAT] = begun(trickle)
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert "0.5 s" in (reply.error or "")


def test_a_server_that_ignores_the_token_limit_is_cut_off(
    openai_server: Any, page_request: Any
) -> None:
    letters = random.Random(1)

    def endless(exchange: Any) -> None:
        exchange.start()
        while exchange.wait(0):
            choices = [
                {"delta": {"content": f"{letter} "}, "finish_reason": None}
                for letter in letters.choices(string.ascii_letters, k=500)
            ]
            events = [{"choices": [choice]} for choice in choices]
            exchange.send("".join(f"data: {json.dumps(event)}\n\n" for event in events))

    openai_server.answers[CHAT] = endless
    backend = ServerBackend(openai_server.url, timeout=LONG, attempts=1)
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "length"
    assert 12_000 < len(reply.text) < 20_000


def test_a_server_that_never_ends_its_line_is_cut_off(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def endless(exchange: Any) -> None:
        exchange.start()
        exchange.send("data: ")
        while exchange.wait(0):
            exchange.send("x" * 2**20)

    openai_server.answers[CHAT] = endless
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "error"
    assert "line" in (reply.error or "")


def test_a_compressed_reply_is_refused(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def compressed(exchange: Any) -> None:
        exchange.start(headers={"content-encoding": "gzip"})
        exchange.end()

    openai_server.answers[CHAT] = compressed
    assert "compressed" in (only(backend.read([page_request(1)])).error or "")


def test_a_request_without_an_image_is_a_failed_page(
    backend: ServerBackend, page_request: Any
) -> None:
    reply = only(backend.read([page_request(1, image=None)]))
    assert reply.finish_reason == "error"
    assert "the page has no image" in (reply.error or "")
