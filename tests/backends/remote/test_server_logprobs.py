"""The server backend and log-probabilities: requested only on demand, kept only if they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag import ServerBackend
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.grammar import TokenLogprob

CHAT = "/v1/chat/completions"
MakeRequest = Callable[..., PageRequest]


@pytest.fixture
def backend(openai_server: Any) -> Iterator[ServerBackend]:
    made = ServerBackend(
        openai_server.url, logprobs=True, retries=0, attempts=1, stall_timeout=LONG
    )
    yield made
    made.close()


def token(text: str, logprob: object = -0.5) -> dict[str, object]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode()), "top_logprobs": []}


def streamed(*events: tuple[str, list[Any] | None]) -> Callable[[Any], None]:
    """Make a stream of events, each with its text and its tokens."""

    def answer(exchange: Any) -> None:
        exchange.start()
        for text, tokens in events:
            logprobs = None if tokens is None else {"content": tokens}
            exchange.event({"choices": [{"delta": {"content": text}, "logprobs": logprobs}]})
        exchange.event({"choices": [{"delta": {}, "finish_reason": "stop", "logprobs": None}]})
        exchange.event("[DONE]")
        exchange.end()

    return answer


def reply_to(
    backend: ServerBackend, server: Any, request: PageRequest, *events: tuple[str, Any]
) -> Reply:
    server.answers[CHAT] = streamed(*events)
    (reply,) = backend.read([request])
    return reply


def test_they_are_not_asked_for_by_default(openai_server: Any, page_request: MakeRequest) -> None:
    (reply,) = ServerBackend(openai_server.url).read([page_request(1)])
    assert "logprobs" not in openai_server.asked(CHAT)[0]
    assert reply.logprobs == ()
    assert reply.warnings == ()


def test_each_token_ends_where_its_text_ends(
    backend: ServerBackend, openai_server: Any, page_request: MakeRequest
) -> None:
    reply = reply_to(
        backend,
        openai_server,
        page_request(1),
        ("<|ref|>", [token("<|ref|>", -0.25)]),
        ("text<|/ref|>", [token("text"), token("<|/ref|>", 0.0)]),
        ("Hi", [token("Hi")]),
    )
    assert openai_server.asked(CHAT)[0]["logprobs"] is True
    assert reply.text == "<|ref|>text<|/ref|>Hi"
    assert reply.logprobs == (
        TokenLogprob(7, -0.25),
        TokenLogprob(11, -0.5),
        TokenLogprob(19, 0.0),
        TokenLogprob(21, -0.5),
    )
    assert reply.warnings == ()


def test_a_reply_that_is_not_streamed_is_understood(
    backend: ServerBackend, openai_server: Any, page_request: MakeRequest
) -> None:
    choice = {
        "message": {"content": "a b"},
        "finish_reason": "stop",
        "logprobs": {"content": [token("a"), token(" b")]},
    }
    openai_server.answers[CHAT] = lambda exchange: exchange.json({"choices": [choice]})
    (reply,) = backend.read([page_request(1)])
    assert [t.end for t in reply.logprobs] == [1, 3]


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        # A character of three tokens, which come one by one.
        ([("a", [token("a")]), ("", [token("�")]), ("", [token("�")]), ("𒀀", [token("𒀀")])],
         [1, 1, 1, 2]),
        # The same in one event, which does not say which part belongs to which token.
        ([("a𒀀b", [token("a"), token("�"), token("�"), token("�"), token("b")])],
         [1, 1, 1, 1, 3]),
        # The end token is listed, but is not text.
        ([("a.", [token("a"), token("."), token("<｜end▁of▁sentence｜>")])], [1, 2, 2]),
        # Some servers send it as text, which is cut off.
        ([("a", [token("a")]), ("<｜end▁of▁sentence｜>", [token("<｜end▁of▁sentence｜>")])], [1, 1]),
        # Tokens that the server does not show.
        ([("ab", [token("<|ref|>"), token("a"), token("b")])], [0, 1, 2]),
        ([("aaab", [token("b"), token("a"), token("a"), token("b")])], [4, 4, 4, 4]),
    ],
)  # fmt: skip
def test_tokens_whose_text_is_not_found_have_no_length(
    backend: ServerBackend,
    openai_server: Any,
    page_request: MakeRequest,
    events: list[tuple[str, Any]],
    ends: list[int],
) -> None:
    reply = reply_to(backend, openai_server, page_request(1), *events)
    assert [t.end for t in reply.logprobs] == ends


@pytest.mark.parametrize("written", [-9999.0, float("-inf"), float("nan"), -(10**400)])
def test_an_invalid_log_probability_counts_as_the_lowest(
    backend: ServerBackend, openai_server: Any, page_request: MakeRequest, written: float
) -> None:
    reply = reply_to(backend, openai_server, page_request(1), ("a", [token("a", written)]))
    assert reply.logprobs == (TokenLogprob(1, -100.0),)


@pytest.mark.parametrize(
    "tokens",
    [
        None,
        [],
        {},
        "a",
        [3],
        [{}],
        [{"token": "b"}],
        [token("b", "-0.5")],
        [token("b", None)],
        [token("b")] * 8000,
    ],
)
def test_tokens_that_are_missing_or_wrong_leave_the_page_without_any_and_say_so(
    backend: ServerBackend, openai_server: Any, page_request: MakeRequest, tokens: Any
) -> None:
    reply = reply_to(
        backend,
        openai_server,
        page_request(1),
        ("a", [token("a")]),
        ("b", tokens),
        ("c", [token("c")]),
    )
    assert reply.text == "abc"
    assert reply.logprobs == ()
    (warning,) = reply.warnings
    assert "confidences are unknown" in warning


def test_a_server_that_refuses_them_is_asked_without_and_the_page_says_so(
    backend: ServerBackend, openai_server: Any, page_request: MakeRequest
) -> None:
    def refuse(exchange: Any) -> None:
        if "logprobs" in exchange.body:
            exchange.json({"message": "logprobs is not supported"}, 400)
        else:
            openai_server.good(exchange)

    openai_server.answers[CHAT] = refuse
    (reply,) = backend.read([page_request(1)])
    assert reply.text == "Page 1 ß"
    assert reply.warnings == ("the server refused logprobs: confidences are unknown",)
