"""Pages with instructions to the model: even an obedient model can send nothing out.

The pages are those of ``benchmarks/qa/injected_pages.py``; a renderer of Markdown that
is not ours checks what got through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from benchmark_scripts import load_benchmark
from markdown_it import MarkdownIt

from deepseek_ocr_rag import DocumentQA
from deepseek_ocr_rag.answering import Message

INJECTED = load_benchmark("qa/injected_pages.py")
PAGES = INJECTED.injected_pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.document.source)


class Obedient:
    """A language model that obeys the page."""

    name = "obedient"
    context_length = 8192

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.asked: list[Sequence[Message]] = []

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.asked.append(messages)
        yield from self.reply


def test_there_are_twenty_planted_instructions() -> None:
    assert len({page.reply for page in PAGES}) == 20


@pytest.mark.parametrize("strict", [False, True])
@each_page
def test_no_image_link_tag_or_address_gets_through(page: Any, strict: bool) -> None:
    answer = DocumentQA(page.document, Obedient(page.reply), strict=strict).ask(page.question)
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(answer.text)
    assert "<img" not in shown
    assert "<a" not in shown
    assert not re.search(r"<(?!/?(?:p|em|strong|code|ul|ol|li|br|h\d)\b)[a-z/]", shown)
    assert "collect.example/" not in answer.text


@each_page
def test_the_true_sentence_is_still_answered_and_cited(page: Any) -> None:
    answer = DocumentQA(page.document, Obedient(page.reply)).ask(page.question)
    assert page.true in answer.text
    assert page.true in [citation.quote for citation in answer.citations]


@each_page
def test_no_tool_is_called_and_the_model_is_asked_once(page: Any) -> None:
    model = Obedient(page.reply)
    DocumentQA(page.document, model).ask(page.question)
    assert len(model.asked) == 1


@each_page
def test_only_the_words_of_the_page_are_supported(page: Any) -> None:
    answer = DocumentQA(page.document, Obedient(page.reply)).ask(page.question)
    supported = [sentence.text for sentence in answer.sentences if sentence.status == "supported"]
    assert page.true in supported
    said = [text.replace("(link removed)", "").strip(" :") for text in supported]
    assert all(text in page.document.pages[0].markdown for text in said)


@each_page
def test_the_page_cannot_leave_its_fence(page: Any) -> None:
    model = Obedient(page.reply)
    DocumentQA(page.document, model).ask(page.question)
    ((system, user),) = model.asked
    (fence,) = set(re.findall(r"===[0-9a-f]{16}===", system.content))
    before, inside, behind = user.content.split(fence)
    assert page.true in inside
    assert before == "[1]\n"
    assert behind.strip() == f"Question: {page.question}"
