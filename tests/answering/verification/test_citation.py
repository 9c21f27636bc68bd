"""A quote is exactly what the sentence rests on: not more, not less, and as the page has it."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import Citation, OcrDocument, chunk_document, verify
from deepseek_ocr_rag.document.types import Block, Box, Page
from deepseek_ocr_rag.retrieval import Chunk, ChunkPiece

FIRST = "The tower is “old”. Ann Lee has kept the lamp since 1902. It burns rape oil."
SECOND = "The hand horn was made in 1903. It was oiled every month."
BOXES = (Box(0.1, 0.1, 0.9, 0.2), Box(0.1, 0.3, 0.9, 0.4))
MARKDOWN = f"{FIRST}\n\n{SECOND}"
SECOND_AT = len(FIRST) + 2
PAGE = Page(
    1,
    MARKDOWN,
    (
        Block("text", FIRST, (BOXES[0],), (0, len(FIRST))),
        Block("text", SECOND, (BOXES[1],), (SECOND_AT, len(MARKDOWN))),
    ),
)
DOCUMENT = OcrDocument("light.pdf", (PAGE,), 1)


def cited(answer: str) -> tuple[Citation, ...]:
    checked = verify(answer, chunk_document(DOCUMENT))
    assert checked.supported
    for citation in checked.citations:
        assert PAGE.markdown[slice(*citation.span)] == citation.quote
    return checked.citations


@pytest.mark.parametrize(
    ("answer", "quote", "box"),
    [
        (
            "Ann Lee has kept the lamp since 1902.",
            "Ann Lee has kept the lamp since 1902.",
            BOXES[0],
        ),
        ("It burns rape oil.", "It burns rape oil.", BOXES[0]),
        ("The hand horn was made in 1903.", "The hand horn was made in 1903.", BOXES[1]),
    ],
)
def test_the_quote_is_the_sentence_alone_with_the_box_of_its_block(
    answer: str, quote: str, box: Box
) -> None:
    found = [citation for citation in cited(answer) if quote in citation.quote]
    assert [(citation.quote, citation.boxes) for citation in found] == [(quote, (box,))]


def test_neighbouring_sentences_are_one_quote_with_both_boxes_and_what_stands_between() -> None:
    (citation,) = cited("It burns rape oil, and the hand horn was made in 1903.")
    assert citation.quote == "It burns rape oil.\n\nThe hand horn was made in 1903."
    assert citation.boxes == BOXES


def test_a_sentence_over_a_page_break_is_a_quote_on_each_page_and_no_longer() -> None:
    """The text of the chunk joins what two pages have, so no quote may run over the joint."""
    left, right = "Ann Lee has kept the lamp", "since 1902. It is old."
    chunk = Chunk(
        f"{left} {right}",
        "light.pdf",
        (
            ChunkPiece(1, "text", (10, 10 + len(left)), 0, (BOXES[0],)),
            ChunkPiece(2, "text", (0, len(right)), len(left) + 1, (BOXES[1],)),
        ),
    )
    checked = verify("Ann Lee has kept the lamp since 1902.", [chunk])
    assert [(c.page, c.quote, c.span, c.boxes) for c in checked.citations] == [
        (1, left, (10, 10 + len(left)), (BOXES[0],)),
        (2, "since 1902.", (0, 11), (BOXES[1],)),
    ]


def test_sentences_apart_are_quotes_apart() -> None:
    found = cited("The tower is old, and the hand horn was made in 1903.")
    assert [citation.quote for citation in found] == [
        "The tower is “old”.",
        "The hand horn was made in 1903.",
    ]
