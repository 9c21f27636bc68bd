"""Replies as JSON: sentences with their sources, read while they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.answering.fixed_texts import NOT_FOUND
from deepseek_ocr_rag.answering.language_model import Message
from deepseek_ocr_rag.answering.qa import DocumentQA
from deepseek_ocr_rag.answering.structured_reply import marked_text, reply_schema
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page


def marked(reply: str, size: int = 1000) -> str:
    pieces = (reply[start : start + size] for start in range(0, len(reply), size))
    return "".join(marked_text(pieces))


def sentences(*pairs: tuple[str, list[int]]) -> str:
    return json.dumps({"sentences": [{"text": t, "sources": s} for t, s in pairs]})


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_sentences_get_their_sources_behind_them(size: int) -> None:
    reply = sentences(("It is old.", [1]), ("It burns oil.", [2, 3]), ("It is so.", []))
    assert marked(reply, size) == "It is old. [1] It burns oil. [2][3] It is so. "


def test_an_item_without_a_full_stop_gets_a_line_of_its_own() -> None:
    assert marked(sentences(("rape oil", [1]), ("whale oil", [2]))) == (
        "rape oil [1]\nwhale oil [2]\n"
    )


def test_a_reply_without_sentences_says_that_nothing_was_found() -> None:
    assert marked('{"sentences": []}') == NOT_FOUND


def test_a_sentence_comes_as_soon_as_it_is_whole() -> None:
    reply = sentences(("One.", [1]), ("Two.", [2]))
    middle = reply.index("Two")
    text = marked_text(iter([reply[:middle], reply[middle:]]))
    assert next(text) == "One. [1] "


ONE = '{"sentences": [{"text": "One.", "sources": [1]}'


@pytest.mark.parametrize("rest", ["", ', {"te', ', {"text": "Tw', ', {"text": "Two.\\'])
def test_a_sentence_that_was_cut_off_is_left_out(rest: str) -> None:
    assert marked(ONE + rest) == "One. [1] "


@pytest.mark.parametrize(
    ("rest", "shown"),
    [
        ('"', "Two. "),
        ('", "sour', "Two. "),
        ('", "sources": [', "Two. "),
        ('", "sources": [1, 2, 1, 2', "Two. [1][2] "),
        ('", "sources": [1, 2], "x": ', "Two. [1][2] "),
    ],
)
def test_a_whole_sentence_whose_sources_were_cut_off_is_kept(rest: str, shown: str) -> None:
    assert marked(f'{ONE}, {{"text": "Two.{rest}') == f"One. [1] {shown}"


def test_text_that_is_not_json_passes_unchanged() -> None:
    assert marked("It is old. [1]", 3) == "It is old. [1]"


@pytest.mark.parametrize(
    "item",
    ['"x"', "7", "{}", '{"text": 3}', '{"text": " "}', '{"text": "Yes.", "sources": "1"}'],
)
def test_items_of_another_form_do_no_harm(item: str) -> None:
    assert marked(f'{{"sentences": [{item}, {{"text": "No.", "sources": [true, 2]}}]}}').endswith(
        "No. [2] "
    )


@settings(max_examples=100, deadline=None)
@given(st.text('{}[]":,sentencxu1\\ \n', max_size=80))
def test_no_reply_breaks_it(reply: str) -> None:
    marked(reply, 3)


def test_the_schema_lets_only_the_given_sources_be_cited() -> None:
    items = reply_schema(3)["properties"]["sentences"]["items"]["properties"]
    assert items["sources"]["items"]["enum"] == [1, 2, 3]


def test_the_schema_ends_the_lists_of_a_model_that_does_not() -> None:
    sentences = reply_schema(3)["properties"]["sentences"]
    assert sentences["maxItems"] == 32
    assert sentences["items"]["properties"]["sources"]["maxItems"] == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_an_escape_may_come_in_parts(size: int) -> None:
    assert marked('{"sentences": [{"text": "One \\u00e9t\\u00e9.", "sources": [1]}]}', size) == (
        "One été. [1] "
    )


def test_a_text_that_repeats_a_sentence_is_passed_on_before_its_end() -> None:
    reply = '{"sentences": [{"text": "' + r"The \"lamp\" is old. " * 9
    pieces = iter([reply[at : at + 5] for at in range(0, len(reply), 5)])
    assert list(marked_text(pieces)) == ['The "lamp" is old. ' * 2 + 'The "lamp" is old.\n']


class Structured:
    """A language model that can be held to a schema."""

    name = "structured"
    context_length = 4096
    structured = True

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.schemas: list[Mapping[str, Any]] = []

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        raise AssertionError("it can write JSON")

    def stream_json(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any], max_tokens: int
    ) -> Iterator[str]:
        self.schemas.append(schema)
        yield from self.reply


def test_a_model_that_can_is_asked_for_json_and_checked_all_the_same() -> None:
    text = "Ann Lee has kept the lamp since 1902. The lamp burns rape oil."
    block = Block("text", text, (Box(0.1, 0.1, 0.9, 0.2),), (0, len(text)))
    document = OcrDocument("light.pdf", (Page(1, text, (block,)),), 1)
    model = Structured(
        sentences(("Ann Lee keeps the lamp.", [1]), ("She has kept it since 1905.", [1]))
    )
    answer = DocumentQA(document, model).ask("Who keeps the lamp?")
    assert answer.text == "Ann Lee keeps the lamp. [1] She has kept it since 1905. [unsupported]"
    assert [sentence.cited for sentence in answer.sentences] == [(0,), (0,)]
    assert model.schemas == [reply_schema(1)]
