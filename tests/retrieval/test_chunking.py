"""Chunks: what is kept together, what is cut, and that every piece can be traced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.grammar.parser import parse_document, parse_page
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.retrieval.chunking import Chunk, chunk_document
from deepseek_ocr_rag.text.token_count import estimate_tokens

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


def chunks_of(*contents: Content, budget: int = 1200) -> tuple[Chunk, ...]:
    """Chunks of one page, with a budget in characters."""
    document = OcrDocument("a.pdf", (page_of(*contents),), 1)
    return chunk_document(document, max_tokens=budget, count_tokens=len)


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
        budget=400,
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
        ("text", "x" * 80), ("sub_title", "## Next"), ("text", "y" * 380), budget=400
    )
    assert [chunk.text[:7] for chunk in chunks] == ["x" * 7, "## Next"]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = " ".join(f"This is sentence number {n}." for n in range(40))
    chunks = chunks_of(("text", text), budget=200)
    assert len(chunks) > 4
    assert all(len(chunk.text) <= 200 and chunk.text.endswith(".") for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks) == text


def test_text_without_any_sentence_is_still_cut() -> None:
    chunks = chunks_of(("text", "x" * 1000), budget=300)
    assert "".join(chunk.text for chunk in chunks) == "x" * 1000
    assert max(len(chunk.text) for chunk in chunks) <= 300


def markdown_table(rows: int) -> str:
    lines = ["| item | price |", "| --- | --- |"]
    return "\n".join(lines + [f"| thing {n} | {n}.50 |" for n in range(rows)])


def test_the_parts_of_a_long_markdown_table_repeat_its_head() -> None:
    table = markdown_table(60)
    chunks = chunks_of(("table", table), budget=300)
    assert len(chunks) > 3
    assert all(chunk.text.startswith("| item | price |\n| --- | --- |\n") for chunk in chunks)
    rows = [line for chunk in chunks for line in chunk.text.split("\n")[2:]]
    assert rows == table.split("\n")[2:]


def test_the_parts_of_a_long_html_table_repeat_its_first_row() -> None:
    rows = "".join(f"<tr><td>thing {n}</td><td>{n}</td></tr>" for n in range(40))
    table = f'<table><tr><td colspan="2">Prices</td></tr>{rows}</table>'
    chunks = chunks_of(("table", table), budget=300)
    assert all("Prices" in chunk.text and len(chunk.text) <= 300 for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks).count("<td>thing") == 40


@pytest.mark.parametrize("below", [False, True])
def test_a_caption_stays_with_every_part_of_its_table(below: bool) -> None:
    contents = [("table_caption", "Table 1: Prices"), ("table", markdown_table(40))]
    chunks = chunks_of(*(reversed(contents) if below else contents), budget=300)
    assert len(chunks) > 2
    assert all("Table 1: Prices" in chunk.text for chunk in chunks)


def test_a_caption_between_two_tables_belongs_to_the_second() -> None:
    chunks = chunks_of(
        ("table", markdown_table(20)), ("table_caption", "Second"), ("table", markdown_table(20)),
        budget=520,
    )  # fmt: skip
    assert ["Second" in chunk.text for chunk in chunks] == [False, True]


def test_only_the_first_part_of_a_table_does_not_repeat_its_head_and_caption() -> None:
    chunks = chunks_of(
        ("table_caption", "Table 1: Prices"), ("table", markdown_table(40)), budget=300
    )
    repeated = [[piece.repeated for piece in chunk.pieces] for chunk in chunks]
    assert repeated == [[False] * 3] + [[True, True, False]] * (len(chunks) - 1)


def table_page(number: int, rows: list[str]) -> Page:
    return page_of(("table", "\n".join(rows)), number=number)


def test_a_table_that_goes_on_without_a_head_gets_that_of_the_page_before() -> None:
    head, rule = "| item | price |", "| --- | --- |"
    pages = (
        table_page(1, [head, rule, "| lamp | 3.50 |"]),
        table_page(2, ["| 17 | 4.50 |", rule, "| 18 | 5.50 |"]),
        table_page(3, ["| 19 | 6.50 |", rule, "| 20 | 7.50 |"]),
    )
    chunks = chunk_document(OcrDocument("a.pdf", pages, 3))
    assert [chunk.pages for chunk in chunks] == [(1,), (2,), (3,)]
    assert all(chunk.text.startswith(f"{head}\n{rule}\n| ") for chunk in chunks)
    assert chunks[2].boxes == pages[2].boxes


def test_a_table_with_names_of_its_own_gets_no_other_head() -> None:
    first = table_page(1, ["| item | price |", "| --- | --- |", "| lamp | 3.50 |"])
    second = table_page(2, ["| name | age |", "| --- | --- |", "| Ann | 41 |"])
    chunks = chunk_document(OcrDocument("a.pdf", (first, second), 2))
    assert chunks[1].text == second.markdown


def test_page_furniture_and_pictures_give_no_text() -> None:
    (chunk,) = chunks_of(("header", "ACME Inc."), ("image", ""), ("text", "Body."), ("footer", "7"))
    assert chunk.text == "Body."
    assert len(chunk.boxes) == 1


def test_a_picture_stands_with_its_caption_as_a_piece_without_text() -> None:
    (chunk,) = chunks_of(("image", ""), ("image_caption", "Figure 1: The lamp"))
    assert chunk.text == "Figure 1: The lamp"
    assert [(p.kind, p.offset, p.end) for p in chunk.pieces] == [
        ("image", 0, 0),
        ("image_caption", 0, 18),
    ]
    assert len(chunk.boxes) == 2


def test_a_caption_is_not_parted_from_its_picture_by_a_full_chunk() -> None:
    chunks = chunks_of(
        ("text", "x" * 90), ("image", ""), ("image_caption", "Figure 1: The lamp"), budget=100
    )
    assert [[p.kind for p in chunk.pieces] for chunk in chunks] == [
        ["text"],
        ["image", "image_caption"],
    ]


def test_an_overlong_caption_is_text_and_its_picture_stays_with_the_first_part() -> None:
    chunks = chunks_of(("image", ""), ("image_caption", "The lamp burns. " * 20), budget=100)
    assert [chunk.pieces[0].kind for chunk in chunks][:2] == ["image", "image_caption"]
    assert all(len(chunk.text) <= 100 for chunk in chunks)


def over_two_pages(upper: str, lower: str) -> tuple[OcrDocument, tuple[Chunk, ...]]:
    pages = page_of(("text", upper)), page_of(("text", lower), ("text", "More."), number=2)
    document = OcrDocument("a.pdf", pages, 2)
    return document, chunk_document(document)


def test_a_paragraph_over_two_pages_stays_in_one_chunk_that_knows_both() -> None:
    document, (chunk,) = over_two_pages(
        "The keeper went down to the", "sea in the whole long night."
    )
    assert chunk.text == "The keeper went down to the sea in the whole long night.\n\nMore."
    assert chunk.pages == (1, 2)
    assert chunk.page == 2
    assert chunk.span_on(1) == (0, 27)
    assert chunk.boxes_on(1) == document.page(1).boxes
    assert chunk.boxes == document.page(2).boxes
    check_pieces((chunk,), document)


def test_a_word_that_a_page_divides_is_whole_in_the_chunk() -> None:
    document, (chunk,) = over_two_pages("The keeper went to the light-", "house.")
    assert chunk.text.startswith("The keeper went to the lighthouse.")
    check_pieces((chunk,), document)


def test_a_chunk_ends_with_its_page_where_the_text_does_not_run_on() -> None:
    _, chunks = over_two_pages("The keeper went to sea.", "He came home.")
    assert [chunk.pages for chunk in chunks] == [(1,), (2,)]


def test_a_heading_at_the_foot_of_a_page_goes_with_the_text_on_the_next() -> None:
    first = page_of(("text", "Before."), ("sub_title", "## Next"))
    second = page_of(("text", "Its text."), number=2)
    chunks = chunk_document(OcrDocument("a.pdf", (first, second), 2))
    assert [(chunk.text, chunk.pages) for chunk in chunks] == [
        ("Before.", (1,)),
        ("## Next\n\nIts text.", (1, 2)),
    ]
    assert chunks[1].page == 2


@pytest.mark.parametrize("number", [2, 5])
def test_a_heading_at_the_foot_stays_if_the_next_page_is_missing_or_begins_with_a_heading(
    number: int,
) -> None:
    kind = "sub_title" if number == 2 else "text"
    first, second = page_of(("sub_title", "## Next")), page_of((kind, "Other"), number=number)
    chunks = chunk_document(OcrDocument("a.pdf", (first, second), 9))
    assert [chunk.text for chunk in chunks] == ["## Next", "Other"]


def test_a_page_of_headings_is_cut_too() -> None:
    chunks = chunks_of(*[("sub_title", f"## Heading number {n}") for n in range(100)], budget=200)
    assert all(len(chunk.text) <= 200 for chunk in chunks)


def test_the_budget_is_in_the_tokens_of_any_tokenizer() -> None:
    def words(text: str) -> int:
        return len(text.split())

    page = page_of(("sub_title", "## The title"), ("text", "One two three four five. " * 40))
    document = OcrDocument("a.pdf", (page,), 1)
    chunks = chunk_document(document, max_tokens=16, count_tokens=words)
    assert [words(chunk.text) for chunk in chunks][:-1] == [13] + [10] * (len(chunks) - 2)


def test_a_page_without_blocks_is_chunked_as_text() -> None:
    (chunk,) = chunk_document(OcrDocument("a.pdf", (Page(4, "Free text."),), 9))
    assert (chunk.text, chunk.pages, chunk.boxes) == ("Free text.", (4,), ())


def test_empty_documents_and_pages_give_nothing() -> None:
    assert chunk_document(OcrDocument("a.pdf")) == ()
    assert chunk_document(OcrDocument("a.pdf", (Page(1), Page(2, " \n ")), 2)) == ()


def test_a_budget_too_small_for_anything_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        chunk_document(OcrDocument("a.pdf"), max_tokens=10)


def test_every_chunk_of_a_real_paper_keeps_to_the_budget(shared: Path) -> None:
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    document = parse_document(file.read_text("utf-8"))
    chunks = chunk_document(document, max_tokens=300)
    check_pieces(chunks, document)
    check_nothing_is_lost(chunks, document)
    # Head and caption of a table may take more than the half that is theirs.
    tables = [c for c in chunks if any(piece.kind == "table" for piece in c.pieces)]
    assert all(estimate_tokens(c.text) <= 300 for c in chunks if c not in tables)
    assert all(estimate_tokens(c.text) <= 450 for c in tables)
    narrow = chunk_document(document, max_tokens=150)
    parts = [c for c in narrow if c.text.startswith("Table 1 |")]
    assert len(parts) > 1
    assert {c.section[-1] for c in parts} == {"3.2.1. Architecture of DeepEncoder"}


def test_real_model_output_is_covered_and_traceable(shared: Path) -> None:
    files = sorted((shared / "model-outputs" / "01_thukiy_R-G" / "md").iterdir())[:40]
    assert files
    pages = []
    for number, file in enumerate(files, start=1):
        parsed = parse_page(file.read_text("utf-8", "replace"))
        pages.append(Page(number, parsed.markdown, parsed.blocks))
    document = OcrDocument("lecture.pdf", tuple(pages), len(pages))
    chunks = chunk_document(document, max_tokens=150)
    check_pieces(chunks, document)
    check_nothing_is_lost(chunks, document)


@pytest.mark.parametrize("max_tokens", [60, 400])
def test_all_that_the_real_model_wrote_is_chunked(shared: Path, max_tokens: int) -> None:
    """A table without a row is among it, and tables that begin in the middle of a row."""
    folder = shared / "model-outputs"
    for entry in json.loads((folder / "manifest.json").read_text("utf-8")):
        document = parse_document((folder / entry["file"]).read_text("utf-8"))
        chunks = chunk_document(document, max_tokens=max_tokens)
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
            lost = "".join(page.markdown[i] for i in range(*block.span) if i not in covered)
            # But for the hyphen of a word that a page's end divides.
            assert lost.strip() in ("", "-"), json.dumps(block.text)


CONTENTS = st.tuples(
    st.sampled_from(
        ["text", "sub_title", "table", "table_caption", "equation", "image", "image_caption", ""]
    ),
    st.one_of(
        st.text("ab .!?\n|<>-1,语。", min_size=1, max_size=300),
        st.integers(1, 30).map(markdown_table),
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CONTENTS, max_size=6), st.lists(CONTENTS, max_size=3), st.integers(50, 300))
def test_no_text_is_lost_and_every_piece_is_a_slice_of_its_page(
    first: list[Content], second: list[Content], budget: int
) -> None:
    pages = (page_of(*first), page_of(*second, number=2))
    document = OcrDocument("a.pdf", pages, 2)
    chunks = chunk_document(document, max_tokens=budget, count_tokens=len)
    check_pieces(chunks, document)
    check_nothing_is_lost(chunks, document)
    for chunk in chunks:
        assert chunk.text.strip()
        # The head and the captions of a table come on top of the budget.
        has_table = any(piece.kind == "table" for piece in chunk.pieces)
        assert len(chunk.text) <= (2 if has_table else 1) * budget


def test_a_table_with_the_longest_captions_and_head_has_at_most_twice_the_budget() -> None:
    head = "| " + " | ".join(f"a long name {n}" for n in range(13)) + " |"
    rule = "|" + " --- |" * 13
    group = "| " + "w" * 200 + " |" + " |" * 12
    rows = ["| " + " | ".join(f"{n},{m}" for m in range(13)) + " |" for n in range(40)]
    table = "\n".join([head, rule, *rows[:9], group, *rows[9:]])
    captions = [("table_caption", f"Table {n}: " + "x" * 70) for n in range(4)]
    for below in (False, True):
        contents = [("table", table), *captions] if below else [*captions, ("table", table)]
        chunks = chunks_of(*contents, budget=300)
        sizes = [len(chunk.text) for chunk in chunks]
        assert len(sizes) > 3
        assert 300 < max(sizes) <= 600


def statement(*texts: str) -> OcrDocument:
    """A page of tables in pipes and lines of text."""
    blocks, at = [], 0
    for text in texts:
        kind = "table" if text.startswith("|") else "text"
        blocks.append(Block(kind, text, (Box(0, 0.1, 1, 0.2),), (at, at + len(text))))
        at += len(text) + 2
    return OcrDocument("a.pdf", (Page(1, "\n\n".join(texts), tuple(blocks)),), 1)


def test_the_rest_of_a_table_on_the_same_page_keeps_head_and_line_above() -> None:
    head = "|  | 2023 | 2024 |\n| --- | --- | --- |"
    first = "\n".join([head, *(f"| light {n} | {n}01 | {n}02 |" for n in range(9))])
    second = "\n".join(f"| boat {n} | {n}11 | {n}12 |" for n in range(9)).replace(
        "\n", "\n| --- | --- | --- |\n", 1
    )
    chunks = chunk_document(statement(first, "Boats:", second), max_tokens=120)
    boats = [chunk.text for chunk in chunks if "| boat" in chunk.text]
    assert all("| 2023 | 2024 |" in text for text in boats)
    assert boats[0].startswith("Boats:\n\n")


def test_parts_of_a_table_in_one_chunk_have_its_head_once() -> None:
    first = "|  | 2023 | 2024 |\n| --- | --- | --- |\n| oil | 1 | 2 |"
    (chunk,) = chunk_document(statement(first, "Boats:", "| oars | 3 | 4 |\n| --- | --- | --- |"))
    assert chunk.text.count("2023") == 1


def test_a_label_that_introduces_rows_stands_above_each_part_of_them() -> None:
    rows = [f"| light {n} | {n}01 | {n}02 |" for n in range(30)]
    table = "\n".join(["|  | 2023 | 2024 |", "| --- | --- | --- |", "| Oil used: |  |  |", *rows])
    chunks = chunk_document(statement(table), max_tokens=120)
    assert len(chunks) > 1
    assert all("| Oil used: |  |  |" in chunk.text for chunk in chunks)
    check_pieces(chunks, statement(table))
