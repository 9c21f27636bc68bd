"""The server backend: its requests, and how it reads good answers."""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote import backoff
from deepseek_ocr_rag.backends.remote import server as server_module
from deepseek_ocr_rag.backends.remote.server import ServerBackend
from deepseek_ocr_rag.errors import (
    BackendError,
    BackendReplyError,
    BackendUnavailableError,
    ConfigurationError,
)
from deepseek_ocr_rag.model.prompts import mode_named, task_named

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


# --- what it asks ------------------------------------------------------------------------


def test_the_request_is_the_one_of_vllms_recipe(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    only(backend.read([page_request(1)]))
    (body,) = openai_server.asked(CHAT)
    assert body["model"] == "deepseek-ai/DeepSeek-OCR"
    picture, text = body["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert text == {"type": "text", "text": "<|grounding|>Convert the document to markdown."}
    assert body["temperature"] == 0
    assert body["skip_special_tokens"] is False
    assert body["vllm_xargs"] == {
        "ngram_size": 30,
        "window_size": 90,
        "whitelist_token_ids": [128821, 128822],
    }
    assert body["stream"] is True
    # A picture of 32 x 48 pixels has the view of the whole page, 273 tokens, and no tiles.
    assert body["max_tokens"] == 8192 - 273 - 10


def test_the_longest_reply_leaves_room_for_a_long_question(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    list(backend.read([page_request(1), page_request(2, task=task_named("locate: " + "ü" * 500))]))
    short, long = sorted((b["max_tokens"] for b in openai_server.asked(CHAT)), reverse=True)
    assert short - long >= 950


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_the_address_may_be_given_with_and_without_v1(
    openai_server: Any, page_request: Any, tail: str
) -> None:
    backend = ServerBackend(openai_server.url + tail)
    assert only(backend.read([page_request(3)])).text == "Page 3 ß"


def test_a_path_of_its_own_is_kept(openai_server: Any, page_request: Any) -> None:
    openai_server.answers["/ocr/api/chat/completions"] = openai_server.good
    backend = ServerBackend(openai_server.url + "/ocr/api", model="any")
    assert only(backend.read([page_request(3)])).text == "Page 3 ß"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host", "http://", "http://[1", "", "http://h:99999"]
)
def test_an_invalid_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ServerBackend(url)


def test_for_the_address_of_chats_the_error_says_what_to_leave_out() -> None:
    with pytest.raises(ConfigurationError, match=r"Leave /chat/completions out: http://h:1/v1$"):
        ServerBackend("http://h:1/v1/chat/completions/")


@pytest.mark.parametrize(
    "wrong",
    [{"wait": -1}, {"concurrency": 0}, {"timeout": 0}, {"stall_timeout": -1}, {"retries": -1}],
)
def test_a_number_out_of_range_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ServerBackend("http://127.0.0.1:1", **wrong)


def test_tokens_and_finish_reason_come_from_the_server(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def long(exchange: Any) -> None:
        exchange.start()
        exchange.delta("half a ")
        exchange.delta("page", finish="length")
        exchange.event({"choices": [], "usage": {"completion_tokens": 6881}})
        exchange.event("[DONE]")
        exchange.end()

    openai_server.answers[CHAT] = long
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.finish_reason, reply.tokens) == ("half a page", "length", 6881)


@pytest.mark.parametrize(
    ("prompt", "reply", "context", "told"),
    [
        (913, 7279, 8192, "913 tokens of picture and prompt and 7279 of reply, with room for 8192"),
        (913, 3183, 4096, "start the server with 8192 for each page"),
        (913, 500, 8192, "a limit of the server's own"),
    ],
)
def test_a_full_context_is_reported_in_tokens_with_a_cure(
    openai_server: Any, page_request: Any, prompt: int, reply: int, context: int, told: str
) -> None:
    def full(exchange: Any) -> None:
        exchange.start()
        exchange.delta("half a page", finish="length")
        usage = {"prompt_tokens": prompt, "completion_tokens": reply}
        exchange.event({"choices": [], "usage": usage})
        exchange.end()

    openai_server.answers |= {CHAT: full, "/v1/models": lists(meta={"n_ctx": context})}
    backend = ServerBackend(openai_server.url, attempts=1)
    assert any(told in warning for warning in only(backend.read([page_request(1)])).warnings)


def test_a_server_that_ignores_the_rule_is_noticed_once_and_not_asked_that_way_again(
    openai_server: Any, page_request: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def loops(exchange: Any) -> None:
        exchange.start()
        exchange.delta("The page begins. " + "Once more the very same words. " * 60, "stop")
        exchange.end()

    openai_server.answers[CHAT] = loops
    backend = ServerBackend(openai_server.url, attempts=2, concurrency=1)
    first, second = backend.read([page_request(1), page_request(2)])
    assert any("that the server ignores" in warning for warning in first.warnings)
    assert not any("stricter" in warning for warning in (*first.warnings, *second.warnings))
    assert any("at resolution base" in warning for warning in second.warnings)
    assert caplog.text.count("ignores the rule against repeats") == 1


def test_a_reply_that_is_not_streamed_is_understood(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    openai_server.answers[CHAT] = lambda e: e.json(
        {
            "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}],
            "usage": {"completion_tokens": 1},
        }
    )
    reply = only(backend.read([page_request(1)]))
    assert (reply.text, reply.finish_reason, reply.tokens) == ("whole", "stop", 1)


def test_the_end_token_that_some_servers_write_out_is_removed(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def with_end(exchange: Any) -> None:
        exchange.start()
        exchange.delta("text<｜end▁of▁sentence｜>", finish="stop")
        exchange.event("[DONE]")
        exchange.end()

    openai_server.answers[CHAT] = with_end
    assert only(backend.read([page_request(1)])).text == "text"


def test_line_separators_of_unicode_inside_the_text_survive(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    text = "a\u2028b\x85c\u2029d"

    def separators(exchange: Any) -> None:
        exchange.start()
        event = {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]}
        raw = f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
        for at in range(len(raw)):  # every character is cut somewhere
            exchange.send(raw[at : at + 1])
        exchange.end()

    openai_server.answers[CHAT] = separators
    assert only(backend.read([page_request(1)])).text == text


def test_a_mode_without_tiles_is_warned_about_because_the_server_decides(
    backend: ServerBackend, page_request: Any
) -> None:
    assert only(backend.read([page_request(1)])).warnings == ()
    (warning,) = only(backend.read([page_request(1, resolution=mode_named("small"))])).warnings
    assert "small" in warning


def test_an_empty_reply_is_warned_about(
    backend: ServerBackend, openai_server: Any, page_request: Any
) -> None:
    def nothing(exchange: Any) -> None:
        exchange.start()
        exchange.delta("", finish="stop")
        exchange.end()

    openai_server.answers[CHAT] = nothing
    reply = only(backend.read([page_request(1)]))
    assert reply.finish_reason == "stop"
    assert "the model wrote nothing: part of the page may be missing" in reply.warnings


def test_pages_are_read_at_the_same_time_and_come_as_they_finish(
    openai_server: Any, page_request: Any
) -> None:
    another = threading.Event()

    def first_is_slow(exchange: Any) -> None:
        if openai_server.page_of(exchange.body) == 1:
            assert another.wait(LONG)
        openai_server.good(exchange)

    openai_server.answers[CHAT] = first_is_slow
    backend = ServerBackend(openai_server.url, concurrency=4)
    keys = []
    for reply in backend.read(page_request(n) for n in range(1, 9)):
        keys.append(reply.key)
        another.set()
    assert 2 <= openai_server.most_under_way <= 4
    assert sorted(keys) == list(range(1, 9))
    assert keys[0] != 1


def test_it_pickles(openai_server: Any, page_request: Any) -> None:
    backend = pickle.loads(pickle.dumps(ServerBackend(openai_server.url)))
    assert only(backend.read([page_request(1)])).text == "Page 1 ß"


# --- which model -------------------------------------------------------------------------


def test_the_only_model_is_taken(backend: ServerBackend) -> None:
    assert backend.model == "deepseek-ai/DeepSeek-OCR"


def test_of_several_models_the_one_with_ocr_in_its_name_is_taken(
    backend: ServerBackend, openai_server: Any
) -> None:
    openai_server.answers["/v1/models"] = lambda e: e.json(
        {"data": [{"id": "qwen"}, {"id": "my/DeepSeek-ocr-2"}]}
    )
    assert backend.model == "my/DeepSeek-ocr-2"


@pytest.mark.parametrize("names", [[], ["a", "b"], ["ocr-1", "ocr-2"]])
def test_an_ambiguous_choice_is_an_error_that_lists_the_models(
    backend: ServerBackend, openai_server: Any, names: list[str]
) -> None:
    openai_server.answers["/v1/models"] = lambda e: e.json({"data": [{"id": n} for n in names]})
    with pytest.raises(BackendUnavailableError) as caught:
        _ = backend.model
    assert all(name in str(caught.value) for name in names)
    assert "model=" in str(caught.value)


@pytest.mark.parametrize("answer", [[], {"data": 3}, "text", None])
def test_an_answer_that_is_not_a_list_of_models_is_an_error(
    backend: ServerBackend, openai_server: Any, page_request: Any, answer: Any
) -> None:
    openai_server.answers["/v1/models"] = lambda e: e.json(answer)
    with pytest.raises(BackendReplyError):
        list(backend.read([page_request(1)]))


def test_a_named_model_is_asked_about_once_and_needs_no_list(
    openai_server: Any, page_request: Any
) -> None:
    backend = ServerBackend(openai_server.url, model="mine")
    del openai_server.answers["/v1/models"]
    list(backend.read([page_request(1), page_request(2)]))
    assert sorted(path for path, _ in openai_server.received) == [CHAT, CHAT, "/v1/models"]
    assert openai_server.asked(CHAT)[0]["model"] == "mine"


LLAMA = {"id": "deepseek-ocr", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}
"""As llama.cpp's build 11549 says it, shortened."""


def lists(**facts: Any) -> Callable[[Any], None]:
    return lambda exchange: exchange.json({"data": [{**LLAMA, **facts}]})


@pytest.mark.parametrize("model", [None, "deepseek-ocr"])
def test_a_model_that_takes_no_images_is_refused_before_any_page(
    openai_server: Any, page_request: Any, model: str | None
) -> None:
    openai_server.answers["/v1/models"] = lists(architecture={"input_modalities": ["text"]})
    backend = ServerBackend(openai_server.url, model=model)
    with pytest.raises(BackendUnavailableError, match=r"takes no images.*--mmproj"):
        list(backend.read([page_request(1), page_request(2)]))
    assert openai_server.asked(CHAT) == []


def test_as_many_pages_are_in_flight_as_llama_cpp_has_slots(
    openai_server: Any, page_request: Any
) -> None:
    three = threading.Event()

    def slow(exchange: Any) -> None:
        if openai_server.under_way == 3:
            three.set()
        assert three.wait(LONG)
        exchange.wait(0.05)  # for a fourth that must not come
        openai_server.good(exchange)

    openai_server.answers |= {
        "/v1/models": lists(),
        "/props": lambda e: e.json({"total_slots": 3, "modalities": {"vision": True}}),
        CHAT: slow,
    }
    backend = ServerBackend(openai_server.url)
    assert len(list(backend.read(page_request(n) for n in range(1, 13)))) == 12
    assert openai_server.most_under_way == 3
    body = openai_server.asked(CHAT)[0]
    assert "vllm_xargs" not in body  # llama.cpp does not know it
    assert body["max_tokens"] == 4096 - 273 - 10


def test_a_server_that_lists_its_model_while_it_loads_is_waited_for(
    openai_server: Any, page_request: Any, caplog: pytest.LogCaptureFixture
) -> None:
    openai_server.answer_in_turn("/v1/models", lists(meta=None), lists())
    assert only(ServerBackend(openai_server.url).read([page_request(1)])).text == "Page 1 ß"
    assert "still loading" in caplog.text
    openai_server.answers["/v1/models"] = lists(meta=None)
    with pytest.raises(BackendUnavailableError, match="still loading"):
        list(ServerBackend(openai_server.url, wait=0).read([page_request(1)]))


# --- the key -----------------------------------------------------------------------------


def test_the_key_of_the_environment_is_sent_unless_another_is_given(
    openai_server: Any, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSOCR_SERVER_API_KEY", "from-environment")
    only(ServerBackend(openai_server.url).read([page_request(1)]))
    only(ServerBackend(openai_server.url, api_key=KEY).read([page_request(1)]))
    sent = [h.get("authorization") for h in openai_server.headers]
    assert sent == ["Bearer from-environment"] * 2 + [f"Bearer {KEY}"] * 2


def test_the_key_and_the_password_in_the_address_are_in_no_message(
    openai_server: Any, page_request: Any
) -> None:
    openai_server.answers[CHAT] = lambda e: e.json(
        {"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401
    )
    url = openai_server.url.replace("http://", "http://user:hunter2@")
    backend = ServerBackend(url, api_key=KEY, model="m")
    with pytest.raises(BackendUnavailableError) as caught:
        list(backend.read([page_request(1)]))
    shown = f"{caught.value} {backend!r} {backend.base_url}"
    assert KEY not in shown
    assert "hunter2" not in shown
    assert "DSOCR_SERVER_API_KEY" in shown


def test_a_key_that_an_http_header_cannot_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerBackend("http://127.0.0.1:1", api_key="sk-1\nx: y")
    assert "sk-1" not in str(caught.value)


# --- servers that do not know vLLM's fields ----------------------------------------------


def picky(openai_server: Any, *unknown: str, code: int = 400) -> Callable[[Any], None]:
    def answer(exchange: Any) -> None:
        for name in unknown:
            if name in exchange.body:
                exchange.json({"error": {"message": f"Unrecognized argument: {name}"}}, code)
                return
        openai_server.good(exchange)

    return answer


@pytest.mark.parametrize("code", [400, 422])
def test_a_field_that_the_server_refuses_is_left_out_remembered_and_warned_about(
    openai_server: Any, page_request: Any, code: int
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1)
    openai_server.answers[CHAT] = picky(openai_server, "vllm_xargs", "stream_options", code=code)
    first, second = backend.read([page_request(1), page_request(2)])
    assert (first.text, second.text) == ("Page 1 ß", "Page 2 ß")
    assert first.attempts == second.attempts == 1
    for reply in (first, second):
        assert any("vllm_xargs" in warning for warning in reply.warnings)
        assert any("stream_options" in warning for warning in reply.warnings)
    bodies = openai_server.asked(CHAT)
    assert len(bodies) == 4
    assert "vllm_xargs" not in bodies[-1]
    assert bodies[-1]["skip_special_tokens"] is False


def test_if_a_page_is_refused_even_without_the_fields_they_are_not_remembered(
    openai_server: Any, page_request: Any
) -> None:
    backend = ServerBackend(openai_server.url, concurrency=1)

    def echoes(exchange: Any) -> None:
        exchange.json({"error": {"message": "bad image", "input": exchange.body}}, 400)

    openai_server.answer_in_turn(CHAT, *[echoes] * 2, openai_server.good)
    failed, good = backend.read([page_request(1), page_request(2)])
    assert failed.finish_reason == "error"
    assert "bad image" in (failed.error or "")
    assert good.warnings == ()
    assert "vllm_xargs" in openai_server.asked(CHAT)[-1]


# --- leaving early -----------------------------------------------------------------------


def test_closing_the_iterator_ends_requests_in_flight(
    openai_server: Any, page_request: Any
) -> None:
    openai_server.answer_in_turn(CHAT, openai_server.good, lambda exchange: exchange.stall())
    backend = ServerBackend(openai_server.url, concurrency=4, stall_timeout=5 * LONG)
    replies = backend.read(page_request(n) for n in range(1, 100))
    next(replies)
    started = time.monotonic()
    replies.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < LONG / 2  # the server says nothing for longer


async def test_it_works_in_a_thread_that_already_runs_an_event_loop(
    backend: ServerBackend, page_request: Any
) -> None:
    assert only(backend.read([page_request(1)])).text == "Page 1 ß"


def test_a_bug_of_ours_is_raised_and_not_turned_into_a_failed_page(
    backend: ServerBackend, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*args: object, **options: object) -> dict[str, Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(server_module, "request_body", bug)
    with pytest.raises(ZeroDivisionError):
        list(backend.read([page_request(1)]))


def test_errors_are_errors_of_this_package(refused_url: str, page_request: Any) -> None:
    with pytest.raises(BackendError):
        list(ServerBackend(refused_url, model="m", retries=0).read([page_request(1)]))
