from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deepseek_ocr_rag import Block, Box, Page, errors
from deepseek_ocr_rag.errors import BackendReplyError, PageRangeError, PasswordError
from deepseek_ocr_rag.reading.cached_pages import page_to_json
from deepseek_ocr_rag.service.client.rebuilt_errors import rebuilt_error
from deepseek_ocr_rag.service.client.received_pages import received_page

BLOCK = Block(
    "table", "lamp", (Box(1 / 3, 0.1, 0.7, 1),), (0, 4), ("One", "Two"), "<table></table>", 0.25
)
PAGE = Page(
    3,
    "lamp.",
    (BLOCK,),
    label="iii",
    width=595.2,
    height=841.9,
    backend="lite",
    model="m",
    resolution="base",
    attempts=2,
    warnings=("dim",),
    confidence=0.5,
)


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        replace(PAGE, finish_reason="error", error="a.pdf, page 3: dark", blocks=(), markdown=""),
        replace(PAGE, label=None, confidence=None, warnings=()),
        Page(1, finish_reason="blank"),
    ],
)
def test_a_page_arrives_as_it_was_sent(page: Page) -> None:
    assert received_page(json.loads(page_to_json(page)), "a.pdf") == page


def changed(**values: Any) -> dict[str, Any]:
    return {**json.loads(page_to_json(PAGE)), **values}


def with_block(**values: Any) -> dict[str, Any]:
    page = json.loads(page_to_json(PAGE))
    page["blocks"][0].update(values)
    return dict(page)


@pytest.mark.parametrize(
    "data",
    [
        *([], None, 7, "page", {}, {"number": 3}),
        changed(number="3"),
        changed(number=True),
        changed(number=-1),
        changed(markdown=None),
        changed(markdown=["lamp."]),
        changed(label=4),
        changed(width="595"),
        changed(height=float("nan")),
        changed(height=float("inf")),
        changed(finish_reason="done"),
        changed(finish_reason=["stop"]),
        changed(attempts=1.5),
        changed(warnings=[1]),
        changed(warnings=7),
        changed(error={}),
        changed(confidence="high"),
        changed(blocks=[[]]),
        changed(blocks="x"),
        changed(unknown_attribute=1),
        with_block(kind=None),
        with_block(text="other"),
        with_block(boxes=[[0, 0, 2, 1]]),
        with_block(boxes=[[0, 0, 1]]),
        with_block(boxes=[["0", "0", "1", "1"]]),
        with_block(boxes=[[False, 0, 1, 1]]),
        with_block(span=[0, 99, 1]) | {"markdown": "x"},
        with_block(span=[-5, 4]),
        with_block(span=[0]),
        with_block(section=[None]),
        with_block(html=1),
        with_block(confidence=[]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_anything_else_is_not_a_page(data: Any) -> None:
    with pytest.raises(BackendReplyError, match="not a page"):
        received_page(data, "a.pdf")


# --- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_of_ours_comes_back_as_itself(name: str) -> None:
    error = rebuilt_error(name, "the page is dark", "Scan it again.", 3, source="a.pdf")
    assert type(error).__name__ == name
    assert str(error) == "a.pdf, page 3: the page is dark. Scan it again."


@pytest.mark.parametrize(
    "name", ["KeyboardInterrupt", "RetryableError", "__builtins__", "annotations", None, 7, []]
)
def test_any_other_name_is_an_error_of_the_service(name: object) -> None:
    assert type(rebuilt_error(name, "x", None, None)) is BackendReplyError


@pytest.mark.parametrize("page", [0, -1, True, "3", 1.0, 10**30, None, [3]])
def test_a_page_that_cannot_be_one_is_left_out(page: object) -> None:
    assert rebuilt_error("PageRangeError", "x", None, page).page is None


def test_what_a_service_says_is_one_short_line_without_control_characters() -> None:
    error = rebuilt_error("PasswordError", "a\x1b[31m\nb" * 5000, "c\x00d", None)
    assert isinstance(error, PasswordError)
    assert str(error).isprintable()
    assert len(str(error)) < 2100
    assert issubclass(PageRangeError, ValueError)


@pytest.mark.parametrize("problem", [None, 7, {}, "", "\n"])
def test_an_error_without_words_says_so(problem: object) -> None:
    assert "does not say which" in str(rebuilt_error("SourceError", problem, None, None))
