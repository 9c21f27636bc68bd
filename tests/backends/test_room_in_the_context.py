"""Attempts whose picture and prompt leave no room for a reply: left out, by both engines alike.

Both are given the same answers here, in place of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.20")

from deepseek_ocr_rag import LocalBackend, TransformersBackend
from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.local.backend import _LoadedEngine
from deepseek_ocr_rag.backends.local.page_request import EngineRequest, PageHandle
from deepseek_ocr_rag.backends.model_settings import ModelSettings
from deepseek_ocr_rag.backends.page_text import LoopWatch
from deepseek_ocr_rag.errors import PageTooLargeError
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage, PagePrompt
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOKENIZER = Path(__file__).parents[1] / "support" / "small_reader_files" / "tokenizer.json"
ROOM_FOR_TINY = 122
"""Positions that a picture of 73 tokens fits into, and none of 111 or 273."""

Asked = PagePrompt | EngineRequest
Make = Callable[[int], TransformersBackend | LocalBackend]


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    return ModelTokenizer.from_file(TOKENIZER)


class Answers:
    """What the model writes: without layout a text with an end, else one that fills the context."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self.tokenizer = tokenizer
        self.asked: list[tuple[int, int, float]] = []

    def written(self, asked: Asked) -> GeneratedPage:
        self.asked.append((len(asked.ids), asked.rule.size, asked.temperature))
        free = "Free" in self.tokenizer.decode(asked.ids)
        text = (
            "The lamp is lit."
            if free
            else "# Harbour lamps of the northern coast and their keepers"
        )
        tokens = tuple(self.tokenizer.encode(text)[: asked.max_new_tokens])
        end = "stop" if free else "length"
        return GeneratedPage(tokens, (-0.5,) * len(tokens), End(len(tokens), end))

    # As the runtime of ``transformers``.
    def generate(self, prompts: Sequence[PagePrompt], **_: Any) -> tuple[GeneratedPage, ...]:
        return tuple(map(self.written, prompts))

    # As the engines of ``local``.
    count = 1

    def submit(self, request: EngineRequest, notify: Any = None) -> PageHandle:
        handle = PageHandle(lambda: None, notify)
        handle.begin()
        handle.end(LoopWatch(self.tokenizer).finish(self.written(request)))
        return handle

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def answers(tokenizer: ModelTokenizer) -> Answers:
    return Answers(tokenizer)


@pytest.fixture(params=["transformers", "local"])
def make(request: pytest.FixtureRequest, answers: Answers) -> Make:
    """Makes a backend whose model has this many positions."""
    family = FAMILIES["deepseek-ocr"]

    def backend(positions: int) -> TransformersBackend | LocalBackend:
        settings = ModelSettings(family, answers.tokenizer, positions, family.no_repeat)
        if request.param == "local":
            local = LocalBackend(attempts=9)
            local._loaded = _LoadedEngine(answers, settings)  # type: ignore[arg-type]
            return local
        transformers = TransformersBackend(attempts=9, batch_size=2)
        transformers._loaded = (answers, settings)  # type: ignore[assignment]
        return transformers

    return backend


def page(mode: str) -> PageRequest:
    image = Image.new("RGB", (60, 80), "white")
    return PageRequest(0, 1, "lamps.pdf", "", image, None, task_named("document"), mode_named(mode))


def read(backend: TransformersBackend | LocalBackend, mode: str) -> Reply:
    (reply,) = backend.read([page(mode)])
    backend.close()
    return reply


def test_a_further_attempt_without_room_is_left_out_and_the_next_one_is_made(
    make: Make, answers: Answers
) -> None:
    reply = read(make(ROOM_FOR_TINY), "tiny")
    assert (reply.text, reply.finish_reason) == ("The lamp is lit.", "stop")
    assert reply.attempts == 4
    assert reply.warnings == (
        "asked 4 times (at first: the model did not finish; stricter against repeats: the model did "
        "not finish; stricter against repeats, at temperature 0.2: the model did not finish; without "
        "layout: read), kept answer 4",
        "read without layout: its blocks have no boxes",
        "not asked at resolution base: picture and prompt have 295 tokens, and the model's context has "
        "122, so there is no room for a reply",
    )
    assert answers.asked == [(95, 30, 0.0), (95, 20, 0.0), (95, 20, 0.2), (78, 30, 0.0)]


def test_a_page_without_room_at_first_is_read_at_a_smaller_resolution(make: Make) -> None:
    reply = read(make(ROOM_FOR_TINY), "base")
    assert reply.text == "The lamp is lit."
    assert reply.warnings[:2] == (
        "no room in the model's context at resolution base: read at resolution small",
        "no room in the model's context at resolution small: read at resolution tiny",
    )


def test_a_page_without_room_in_any_mode_fails_and_says_what_to_do(
    make: Make, answers: Answers
) -> None:
    reply = read(make(95), "tiny")
    assert (reply.text, reply.finish_reason) == ("", "error")
    assert reply.error is not None
    assert "95 tokens, and the model's context has 95, so there is no room" in reply.error
    assert "Use a smaller resolution" in reply.error
    assert answers.asked == []


def test_a_page_without_room_is_an_error_of_its_stream(make: Make) -> None:
    backend = make(95)
    with pytest.raises(PageTooLargeError, match="no room for a reply"):
        list(backend.stream(page("tiny")))
    backend.close()
