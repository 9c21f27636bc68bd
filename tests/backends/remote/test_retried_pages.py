"""Pages that come out badly from a server: cut off, asked for again in another way, the best kept."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from event_loop_clock import MINUTES, LoopClock
from PIL import Image
from waiting import soon

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.backends.remote.server import ServerBackend
from deepseek_ocr_rag.concurrency.png_pictures import encode_png
from deepseek_ocr_rag.errors import PageRenderError
from deepseek_ocr_rag.model.prompts import mode_named

CHAT, GENERATE = "/v1/chat/completions", "/api/generate"
TAG = "<|ref|>text<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>\n"
START = f"{TAG}The first lines of a page that begins well and then goes astray.\n\n"
SENTENCE = "Once more the very same words. "
GOOD = f"{START}{TAG}And so it ends, as it should.\n\n"


class Server:
    """A test server of either protocol, and the backend that asks it."""

    def __init__(self, server: Any, path: str, make: Callable[..., Any]) -> None:
        self.path = path
        self._server = server
        self._make = make
        self.left_early = 0

    def backend(self, **options: Any) -> Any:
        return self._make(**{"timeout": 20, "stall_timeout": 5, **options})

    def answers(self, *answers: Callable[[Any], None]) -> None:
        self._server.answer_in_turn(self.path, *answers)

    def asked(self) -> list[Any]:
        return list(self._server.asked(self.path))

    def piece(self, exchange: Any, text: str) -> None:
        if self.path == CHAT:
            exchange.delta(text)
        else:
            exchange.line(response=text, done=False)

    def begin(self, exchange: Any) -> None:
        exchange.start(
            content_type="text/event-stream" if self.path == CHAT else "application/x-ndjson"
        )

    def end(self, exchange: Any, reason: str = "stop") -> None:
        if self.path == CHAT:
            exchange.delta("", finish=reason)
        else:
            exchange.line(response="", done=True, done_reason=reason, eval_count=3)
        exchange.end()

    def writes(self, text: str, reason: str = "stop") -> Callable[[Any], None]:
        def answer(exchange: Any) -> None:
            self.begin(exchange)
            self.piece(exchange, text)
            self.end(exchange, reason)

        return answer

    def was_left_early(self, times: int) -> bool:
        """Return whether this many replies were left early; a server notices as it goes on writing."""
        return soon(lambda: self.left_early >= times) and self.left_early == times

    def loops(self, exchange: Any) -> None:
        """Begins well, then repeats a sentence until the connection is closed, 60 s at most."""
        self.begin(exchange)
        self.piece(exchange, START)
        try:
            for _ in range(30_000):
                if not exchange.wait(0.002):
                    return
                self.piece(exchange, SENTENCE)
        except OSError:
            self.left_early += 1
            exchange.drop()


@pytest.fixture(params=["server", "ollama"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "server":
        openai = request.getfixturevalue("openai_server")
        return Server(openai, CHAT, lambda **options: ServerBackend(openai.url, **options))
    ollama = request.getfixturevalue("ollama_server")
    return Server(ollama, GENERATE, lambda **options: OllamaBackend(host=ollama.url, **options))


def read(backend: Any, request: Any) -> Reply:
    (reply,) = backend.read([request])
    assert isinstance(reply, Reply)
    return reply


def test_a_reply_that_begins_to_loop_is_cut_off_and_the_page_asked_for_again(
    server: Server, page_request: Any
) -> None:
    server.answers(server.loops, server.writes(GOOD))
    reply = read(server.backend(), page_request(1))
    assert (reply.text, reply.finish_reason, reply.attempts) == (GOOD, "stop", 2)
    assert any("at first: the model repeated itself" in warning for warning in reply.warnings)
    assert server.was_left_early(1)


def test_if_all_answers_loop_the_best_is_kept_without_its_repeats(
    server: Server, page_request: Any
) -> None:
    server.answers(server.loops)
    reply = read(server.backend(), page_request(1))
    assert reply.text.startswith(START)
    assert reply.text.count(SENTENCE.strip()) == 1
    assert (reply.finish_reason, reply.attempts) == ("repetition", 3)
    assert any("characters were cut" in warning for warning in reply.warnings)
    assert len(server.asked()) == 3
    assert server.was_left_early(3)


def test_the_limit_of_attempts_is_kept(server: Server, page_request: Any) -> None:
    server.answers(server.writes(START, "length"))
    reply = read(server.backend(attempts=1), page_request(1))
    assert (reply.attempts, reply.finish_reason) == (1, "length")
    assert len(server.asked()) == 1


def test_a_further_attempt_that_fails_does_not_cost_the_first_answer(
    server: Server, page_request: Any
) -> None:
    def broken(exchange: Any) -> None:
        server.begin(exchange)
        exchange.drop()

    server.answers(server.writes(START, "length"), broken)
    options = {} if server.path == GENERATE else {"retries": 0}
    reply = read(server.backend(**options), page_request(1))
    assert (reply.text, reply.finish_reason) == (START, "length")
    assert any("a further attempt failed" in warning for warning in reply.warnings)


def test_the_time_of_a_page_covers_all_attempts(
    server: Server, page_request: Any, loop_clock: LoopClock
) -> None:
    server.answers(server.writes(START, "length"), loop_clock.pass_until_left)
    backend = server.backend(timeout=MINUTES, stall_timeout=100 * MINUTES)
    reply = read(backend, page_request(1))
    assert (reply.text, reply.error) == (START, None)
    assert any(f"{MINUTES:g} s" in warning for warning in reply.warnings)


def picture(body: Any) -> Image.Image:
    data = (
        body["images"][0]
        if "images" in body
        else (body["messages"][0]["content"][0]["image_url"]["url"].partition(",")[2])
    )
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_another_mode_is_a_smaller_picture_and_another_prompt_has_no_grounding(
    server: Server, page_request: Any
) -> None:
    server.answers(server.writes(START, "length"))
    page = Image.new("RGB", (1500, 2000), "white")
    read(server.backend(attempts=9), page_request(1, image=page))
    bodies = server.asked()
    sizes = [picture(body).size for body in bodies]
    assert sizes[0] == (1500, 2000)
    assert (768, 1024) in sizes
    assert "Free OCR." in str(bodies[-1]).replace("\\n", "")
    assert "<|grounding|>" not in str(bodies[-1])


def test_ollama_is_asked_with_a_small_temperature(ollama_server: Any, page_request: Any) -> None:
    server = Server(ollama_server, GENERATE, lambda **o: OllamaBackend(host=ollama_server.url, **o))
    server.answers(server.writes(START, "length"))
    read(server.backend(attempts=9), page_request(1))
    temperatures = [body["options"]["temperature"] for body in server.asked()]
    assert temperatures[0] == 0
    assert 0.2 in temperatures


def test_a_server_is_asked_with_a_stricter_rule_against_repeats(
    openai_server: Any, page_request: Any
) -> None:
    server = Server(openai_server, CHAT, lambda **o: ServerBackend(openai_server.url, **o))
    server.answers(server.writes(START, "length"))
    read(server.backend(attempts=2), page_request(1))
    first, second = (body["vllm_xargs"] for body in server.asked())
    assert (first["ngram_size"], first["window_size"]) == (30, 90)
    assert (second["ngram_size"], second["window_size"]) == (20, 50)
    assert first["whitelist_token_ids"] == second["whitelist_token_ids"] == [128821, 128822]


def test_a_server_without_the_rule_is_not_asked_for_a_stricter_one(
    openai_server: Any, page_request: Any
) -> None:
    server = Server(openai_server, CHAT, lambda **o: ServerBackend(openai_server.url, **o))
    writes = server.writes(START, "length")

    def refuses(exchange: Any) -> None:
        if "vllm_xargs" in exchange.body:
            exchange.json({"detail": "vllm_xargs is not known"}, 400)
        else:
            writes(exchange)

    server.answers(refuses)
    read(server.backend(attempts=2), page_request(1, resolution=mode_named("small")))
    asked = [body for body in server.asked() if "vllm_xargs" not in body]
    assert len(asked) == 2
    assert asked[1]["temperature"] == 0.2


def test_boxes_of_a_page_that_was_turned_are_those_of_the_page_as_it_lies(
    server: Server, page_request: Any
) -> None:
    page = Image.new("RGB", (1000, 800), "white")
    for x in range(60, 940, 24):
        for y in range(60, 740, 16):
            if (x * 13 + y * 7) % 11 > 1:
                page.paste((0, 0, 0), (x, y, x + 9, y + 10))
    found = "<|ref|>text<|/ref|><|det|>[[0, 0, 100, 50]]<|/det|>\nWords of a page on its side."
    server.answers(server.writes("", "stop"), server.writes(found))
    reply = read(server.backend(), page_request(1, image=page))
    assert picture(server.asked()[1]).size == (800, 1000)
    assert ("[[0, 899, 50, 999]]" in reply.text) != ("[[949, 0, 999, 100]]" in reply.text)
    assert any("turned by" in warning for warning in reply.warnings)


def undrawable() -> Any:
    raise PageRenderError("the file has changed since", source="scan.pdf", page=1)


def test_the_first_answer_is_kept_if_the_page_cannot_be_drawn_again(
    server: Server, page_request: Any
) -> None:
    """The answer has no end, so the page is asked for at a smaller resolution, which needs it."""
    request = page_request(1)
    png = encode_png(request.image.resize((900, 1200)))
    request = replace(request, image=None, png=png, redraw=undrawable)
    server.answers(server.writes(GOOD, "length"))
    reply = read(server.backend(), request)
    assert reply.text == GOOD
    assert any("the file has changed since" in warning for warning in reply.warnings)


def test_a_page_that_cannot_be_drawn_fails_alone(server: Server, page_request: Any) -> None:
    server.answers(server.writes(GOOD))
    first, second = page_request(1), page_request(2)
    replies = server.backend().read([replace(first, image=None, redraw=undrawable), second])
    found = {reply.key: reply for reply in replies}
    assert found[first.key].error_type == "PageRenderError"
    assert found[second.key].text == GOOD
