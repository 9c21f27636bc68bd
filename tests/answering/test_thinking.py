"""Reasoning models: they are kept from thinking, or get room for it; thoughts are never the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf")

from fake_ollama import FakeModel, Ollama024, Ollama033, Written

from deepseek_ocr_rag import DocumentQA, OllamaModel
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.answering.models.thoughts import ThoughtSplitter
from deepseek_ocr_rag.document.types import OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError, LanguageModelReplyError

QUOTE = "Ann Lee has kept the lamp since 1902."
DOCUMENT = OcrDocument("light.pdf", (Page(1, QUOTE, ()),), 1)
QUESTION = "Who keeps the lamp?"
REPLY = json.dumps({"sentences": [{"text": QUOTE, "sources": [1]}]})
THOUGHTS = " ".join(f"I wonder about {number}." for number in range(220))
"""About 1,500 tokens: more than the 1,024 of an answer."""

ABLE = ("completion", "thinking")
SWITCH = "{{ .Prompt }}{{ if not $.Think }}<think></think>{{ end }}"
"""A template that obeys ``think``."""

FakeOllama = Ollama024 | Ollama033


@pytest.fixture(params=[Ollama024, Ollama033], ids=["0.24", "0.33"])
def ollama(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeOllama]:
    with request.param(tmp_path) as server:
        yield server


@pytest.fixture
def install(ollama: FakeOllama) -> Callable[..., FakeOllama]:
    """Give the Ollama a reasoning model."""

    def put(written: Written, **model: Any) -> FakeOllama:
        ollama.models["r:latest"] = FakeModel(
            "r:latest",
            None,
            lambda body: written,
            **{"capabilities": ABLE, "context": 40_960, **model},
        )
        return ollama

    return put


def asked(ollama: FakeOllama) -> list[tuple[object, int, int]]:
    """What was sent: think, num_predict and num_ctx of each request."""
    return [
        (body.get("think"), body["options"]["num_predict"], body["options"]["num_ctx"])
        for body in ollama.asked("/api/chat")
    ]


def test_a_model_that_can_think_is_told_not_to(install: Callable[..., FakeOllama]) -> None:
    ollama = install(Written(REPLY, thinking=THOUGHTS), template=SWITCH)
    answer = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).ask(QUESTION)
    assert (answer.found, answer.thinking, answer.warnings) == (True, "", ())
    assert asked(ollama) == [(False, 1024, 8192)]


def test_a_model_that_cannot_think_is_not_told_anything(
    install: Callable[..., FakeOllama],
) -> None:
    ollama = install(Written(REPLY), capabilities=("completion",))
    assert DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).ask(QUESTION).found
    assert asked(ollama) == [(None, 1024, 8192)]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"architecture": "gptoss", "template": SWITCH}, "low"),
        ({"template": "{{ .Prompt }}"}, False),
    ],
    ids=["gpt-oss", "no switch in the template"],
)
def test_a_model_that_cannot_be_kept_from_thinking_gets_room(
    install: Callable[..., FakeOllama], model: dict[str, str], told: object
) -> None:
    ollama = install(Written(REPLY, thinking=THOUGHTS), **model)
    answer = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).ask(QUESTION)
    assert answer.sentences[0].status == "supported"
    assert answer.thinking == THOUGHTS
    assert "wonder" not in str(answer)
    assert asked(ollama) == [(told, 1024 + 4096, 8192 + 4096)]


class Disobedient(FakeModel):
    """Its template has the switch, but it thinks anyway."""

    obeys_think = False  # type: ignore[assignment]


@pytest.mark.parametrize("num_ctx", [None, 6000])
def test_a_model_that_thinks_unasked_is_asked_again_with_room(
    ollama: FakeOllama, num_ctx: int | None
) -> None:
    written = Written(REPLY, thinking=THOUGHTS)
    ollama.models["r:latest"] = Disobedient(
        "r:latest", None, lambda body: written, ABLE, context=40_960, template=SWITCH
    )
    qa = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url, num_ctx=num_ctx)
    for _ in range(2):
        answer = qa.ask(QUESTION)
        assert (answer.found, answer.thinking) == (True, THOUGHTS)
    first, *others = asked(ollama)
    assert first == (False, 1024, num_ctx or 8192)
    # A context that was asked for stays as it is; its half is for thoughts.
    assert others == (
        [(False, 1024 + 4096, 8192 + 4096)] * 2
        if num_ctx is None
        else [(False, 1024 + 3000, 6000), (False, 750 + 3000, 6000)]
    )


@pytest.mark.parametrize("tags", [("<think>", "</think>"), ("[THINK]", "[/THINK]")])
def test_thoughts_in_the_reply_itself_get_room_too(
    install: Callable[..., FakeOllama], tags: tuple[str, str]
) -> None:
    """As servers before 0.9 send them."""
    ollama = install(
        Written(f"{tags[0]}{THOUGHTS}{tags[1]}\n{REPLY}"), capabilities=("completion",)
    )
    answer = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).ask(QUESTION)
    assert (answer.found, answer.thinking) == (True, THOUGHTS)


def test_empty_thoughts_are_no_reason_to_ask_again(install: Callable[..., FakeOllama]) -> None:
    ollama = install(Written(f"<think>\n\n</think>\n\n{REPLY}"), capabilities=("completion",))
    assert DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).ask(QUESTION).found
    assert len(asked(ollama)) == 1


@pytest.mark.parametrize("think", [True, "high"])
def test_whoever_wants_thoughts_gets_them(
    install: Callable[..., FakeOllama], think: bool | str
) -> None:
    ollama = install(Written(REPLY, thinking=THOUGHTS), template=SWITCH)
    answer = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url, think=think).ask(QUESTION)  # type: ignore[arg-type]
    assert (answer.found, answer.thinking) == (True, THOUGHTS)
    assert asked(ollama) == [(True, 1024 + 4096, 8192 + 4096)]


def test_a_level_is_sent_to_a_model_with_levels(install: Callable[..., FakeOllama]) -> None:
    ollama = install(Written(REPLY, thinking="So."), architecture="gptoss")
    for think, told in ((True, "medium"), ("high", "high"), (False, "low")):
        model = OllamaModel("r", host=ollama.url, think=think)  # type: ignore[arg-type]
        assert DocumentQA(DOCUMENT, model).ask(QUESTION).found
        assert asked(ollama)[-1][0] == told


def test_thinking_of_a_model_that_cannot_is_refused(install: Callable[..., FakeOllama]) -> None:
    ollama = install(Written(REPLY), capabilities=("completion",))
    with pytest.raises(ConfigurationError, match="r cannot think"):
        OllamaModel("r", host=ollama.url, think=True).check()
    with pytest.raises(ConfigurationError, match="think cannot be 'much'"):
        OllamaModel("r", host=ollama.url, think="much")  # type: ignore[arg-type]


def test_thoughts_without_an_answer_are_an_error_that_says_so(
    install: Callable[..., FakeOllama],
) -> None:
    ollama = install(Written(REPLY, thinking=" ".join(str(n) for n in range(2000))))
    qa = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url, num_ctx=2048)
    with pytest.raises(
        LanguageModelReplyError, match=r"longest reply while it was thinking.*think=False"
    ):
        qa.ask(QUESTION)


def test_a_reply_ends_at_its_own_length_in_spite_of_the_room(
    install: Callable[..., FakeOllama],
) -> None:
    ollama = install(Written(" ".join(f"w {n}" for n in range(99)), thinking="So."))
    model = OllamaModel("r", host=ollama.url, structured=False)
    stream = model.stream([Message("user", QUESTION)], max_tokens=64)
    assert len(list(stream)) == 64
    assert (stream.finish_reason, stream.thinking) == ("length", "So.")


def test_a_follow_up_is_rewritten_by_a_model_that_thinks(
    install: Callable[..., FakeOllama],
) -> None:
    def says(body: dict[str, Any]) -> Written:
        rewrites = "rewrite questions" in body["messages"][0]["content"]
        return Written(
            "Since when does Ann Lee keep the lamp?" if rewrites else REPLY, thinking=THOUGHTS
        )

    ollama = install(Written(""))
    ollama.models["r:latest"] = FakeModel("r:latest", None, says, ABLE, context=40_960)
    chat = DocumentQA(DOCUMENT, "ollama/r", host=ollama.url).chat()
    chat.ask(QUESTION)
    assert chat.ask("And since when?").query == "Since when does Ann Lee keep the lamp?"


class Own:
    """A model of somebody's own, whose iterator has its thoughts in ``thinking`` or in the text."""

    name = "own"
    context_length = 8192

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        return iter(self.pieces)


def test_thoughts_of_any_model_are_kept_apart() -> None:
    answer = DocumentQA(DOCUMENT, Own("<thi", "nk>Is it ", "Bob?</think>", f"{QUOTE} [1]")).ask(
        QUESTION
    )
    assert (answer.text, answer.thinking) == (f"{QUOTE} [1]", "Is it Bob?")
    with pytest.raises(LanguageModelReplyError, match="own only thought"):
        DocumentQA(DOCUMENT, Own("<think>Is it Bob?")).ask(QUESTION)


@pytest.mark.parametrize(
    ("written", "said", "thought"),
    [
        ("It may be Bob.</think>Ann.", "Ann.", "It may be Bob."),
        ("<think>It may be Bob.</think>Ann.", "Ann.", "It may be Bob."),
        ("Ann.", "Ann.", ""),
        ('{"text": "</think>"}', '{"text": "</think>"}', ""),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_thoughts_that_the_prompt_opened_end_with_their_tag(
    written: str, said: str, thought: str, size: int
) -> None:
    splitter = ThoughtSplitter(opened=True)
    pieces = [written[start : start + size] for start in range(0, len(written), size)]
    assert "".join((*map(splitter.feed, pieces), splitter.finish())) == said
    assert splitter.thinking == thought
