"""Chunks: what is kept together, what is cut, and that every piece can be traced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.chunking import Chunk, chunk_document
from deepseek_ocr_rag.document import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.grammar import parse_page

Content = tuple[str, str]


def page_of(*contents: Content, number: int = 1) -> Page:
    """A page of blocks (kind, text), each with a box of its own, headings giving the section."""
    blocks: list[Block] = []
    markdown = ""
    section: tuple[str, ...] = ()
    for position, (kind, text) in enumerate(contents):
        markdown += "\n\n" if markdown else ""
        span = (len(markdown), len(markdown) + len(text))
        markdown += text
        box = Box.clamped(0.1, position / 100, 0.9, (position + 1) / 100)
        if kind == "sub_title":
            section = ()
        blocks.append(Block(kind, text, (box,), span, section))
        if kind == "sub_title":
            section = (text.strip("# "),)
    return Page(number, markdown, tuple(blocks))


def chunks_of(*contents: Content, max_chars: int = 1200) -> tuple[Chunk, ...]:
    return chunk_document(OcrDocument("a.pdf", (page_of(*contents),), 1), max_chars=max_chars)


def check_pieces(chunks: tuple[Chunk, ...], document: OcrDocument) -> None:
    for chunk in chunks:
        for piece in chunk.pieces:
            markdown = document.page(piece.page).markdown
            assert chunk.text[piece.offset : piece.end] == markdown[slice(*piece.span)]


def test_blocks_under_a_heading_become_one_chunk_with_its_section() -> None:
    (chunk,) = chunks_of(("sub_title", "## Lamps"), ("text", "Oil burns."), ("text", "Gas too."))
    assert chunk.text == "## Lamps\n\nOil burns.\n\nGas too."
    assert chunk.section == ("Lamps",)
    assert chunk.pages == (1,)
    assert len(chunk.boxes) == 3
    assert chunk.span == (0, len(chunk.text))


def test_a_heading_opens_a_chunk_where_there_is_enough_before_it() -> None:
    first, second = chunks_of(
        ("sub_title", "## One"), ("text", "a " * 60), ("sub_title", "## Two"), ("text", "b"),
        max_chars=400,
    )  # fmt: skip
    assert first.section == ("One",)
    assert second.text == "## Two\n\nb"


def test_short_sections_share_a_chunk_and_then_only_their_common_section() -> None:
    (chunk,) = chunks_of(
        ("sub_title", "## One"), ("text", "a"), ("sub_title", "## Two"), ("text", "b")
    )
    assert chunk.section == ()


def test_a_heading_never_ends_a_chunk_that_something_follows() -> None:
    chunks = chunks_of(
        ("text", "x" * 80), ("sub_title", "## Next"), ("text", "y" * 380), max_chars=400
    )
    assert [chunk.text[:7] for chunk in chunks] == ["x" * 7, "## Next"]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = " ".join(f"This is sentence number {n}." for n in range(40))
    chunks = chunks_of(("text", text), max_chars=200)
    assert len(chunks) > 4
    assert all(len(chunk.text) <= 200 and chunk.text.endswith(".") for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks) == text


def test_text_without_any_sentence_is_still_cut() -> None:
    chunks = chunks_of(("text", "x" * 1000), max_chars=300)
    assert "".join(chunk.text for chunk in chunks) == "x" * 1000
    assert max(len(chunk.text) for chunk in chunks) <= 300


def markdown_table(rows: int) -> str:
    lines = ["| item | price |", "| --- | --- |"]
    return "\n".join(lines + [f"| thing {n} | {n}.50 |" for n in range(rows)])


def test_the_parts_of_a_long_markdown_table_repeat_its_head() -> None:
    table = markdown_table(60)
    chunks = chunks_of(("table", table), max_chars=300)
    assert len(chunks) > 3
    assert all(chunk.text.startswith("| item | price |\n| --- | --- |\n") for chunk in chunks)
    rows = [line for chunk in chunks for line in chunk.text.split("\n")[2:]]
    assert rows == table.split("\n")[2:]


def test_the_parts_of_a_long_html_table_repeat_its_first_row() -> None:
    rows = "".join(f"<tr><td>thing {n}</td><td>{n}</td></tr>" for n in range(40))
    table = f'<table><tr><td colspan="2">Prices</td></tr>{rows}</table>'
    chunks = chunks_of(("table", table), max_chars=300)
    assert all("Prices" in chunk.text and len(chunk.text) <= 300 for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks).count("<td>thing") == 40


@pytest.mark.parametrize("below", [False, True])
def test_a_caption_stays_with_every_part_of_its_table(below: bool) -> None:
    contents = [("table_caption", "Table 1: Prices"), ("table", markdown_table(40))]
    chunks = chunks_of(*(reversed(contents) if below else contents), max_chars=300)
    assert len(chunks) > 2
    assert all("Table 1: Prices" in chunk.text for chunk in chunks)


def test_a_caption_between_two_tables_belongs_to_the_second() -> None:
    chunks = chunks_of(
        ("table", markdown_table(20)), ("table_caption", "Second"), ("table", markdown_table(20)),
        max_chars=520,
    )  # fmt: skip
    assert ["Second" in chunk.text for chunk in chunks] == [False, True]


def test_page_furniture_and_pictures_give_no_text() -> None:
    (chunk,) = chunks_of(("header", "ACME Inc."), ("image", ""), ("text", "Body."), ("footer", "7"))
    assert chunk.text == "Body."


def test_a_page_without_blocks_is_chunked_as_text() -> None:
    (chunk,) = chunk_document(OcrDocument("a.pdf", (Page(4, "Free text."),), 9))
    assert (chunk.text, chunk.pages, chunk.boxes) == ("Free text.", (4,), ())


def test_empty_documents_and_pages_give_nothing() -> None:
    assert chunk_document(OcrDocument("a.pdf")) == ()
    assert chunk_document(OcrDocument("a.pdf", (Page(1), Page(2, " \n ")), 2)) == ()


def test_a_budget_too_small_for_anything_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        chunk_document(OcrDocument("a.pdf"), max_chars=10)


def test_real_model_output_is_covered_and_traceable(shared: Path) -> None:
    files = sorted((shared / "model-outputs" / "01_thukiy_R-G" / "md").iterdir())[:40]
    assert files
    pages = []
    for number, file in enumerate(files, start=1):
        parsed = parse_page(file.read_text("utf-8", "replace"))
        pages.append(Page(number, parsed.markdown, parsed.blocks))
    document = OcrDocument("lecture.pdf", tuple(pages), len(pages))
    chunks = chunk_document(document, max_chars=500)
    check_pieces(chunks, document)
    check_nothing_is_lost(chunks, document)


def check_nothing_is_lost(chunks: tuple[Chunk, ...], document: OcrDocument) -> None:
    for page in document.pages:
        covered = {
            position
            for chunk in chunks
            for piece in chunk.pieces
            if piece.page == page.number
            for position in range(*piece.span)
        }
        for block in page.blocks:
            lost = [i for i in range(*block.span) if i not in covered]
            assert not "".join(page.markdown[i] for i in lost).strip(), json.dumps(block.text)


CONTENTS = st.tuples(
    st.sampled_from(["text", "sub_title", "table", "table_caption", "equation", ""]),
    st.one_of(
        st.text("ab .!?\n|<>-1,语。", min_size=1, max_size=300),
        st.integers(1, 30).map(markdown_table),
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CONTENTS, max_size=6), st.integers(50, 300))
def test_no_text_is_lost_and_every_piece_is_a_slice_of_its_page(
    contents: list[Content], max_chars: int
) -> None:
    document = OcrDocument("a.pdf", (page_of(*contents),), 1)
    chunks = chunk_document(document, max_chars=max_chars)
    check_pieces(chunks, document)
    check_nothing_is_lost(chunks, document)
    for chunk in chunks:
        # Headings, a caption and the head of a table come on top of the budget.
        extra = sum(
            piece.end - piece.offset + 2
            for piece in chunk.pieces
            if piece.kind in ("sub_title", "table_caption", "table")
            or chunk.text.startswith("#", piece.offset)
        )
        assert len(chunk.text) <= max_chars + extra
