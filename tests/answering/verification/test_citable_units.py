"""What can be quoted of a passage, and where it is on its pages."""

from __future__ import annotations

from deepseek_ocr_rag.answering.verification.citable_units import (
    LONGEST_UNIT,
    citable_units,
    introduction_above,
)
from deepseek_ocr_rag.answering.verification.citation import citations
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.retrieval.chunking import Chunk, ChunkPiece, chunk_document
from deepseek_ocr_rag.retrieval.retriever import Passage


def passage(*blocks: tuple[str, str]) -> tuple[Passage, Page]:
    """One passage of one page, each block with a box of its own."""
    placed: list[Block] = []
    markdown = ""
    for number, (kind, text) in enumerate(blocks):
        markdown += "\n\n" if markdown else ""
        span = (len(markdown), len(markdown) + len(text))
        markdown += text
        placed.append(Block(kind, text, (Box(0, number / 10, 1, (number + 1) / 10),), span))
    page = Page(3, markdown, tuple(placed))
    (chunk,) = chunk_document(OcrDocument("a.pdf", (page,), 3), max_tokens=10_000)
    return Passage(
        chunk.text, "a.pdf", 3, chunk.boxes, 1.0, chunk.section, chunk.span, chunk.pieces
    ), page


def test_sentences_items_and_rows_can_be_quoted() -> None:
    found, _ = passage(
        ("text", "It is old. It is high."),
        ("text", "- a lamp\n- a bell"),
        ("table", "| ship | year |\n| --- | --- |\n| Aurora | 1899 |\n| Boreas | 1911 |"),
    )
    assert [unit.text for unit in citable_units(found, 0)] == [
        "It is old.",
        "It is high.",
        "- a lamp",
        "- a bell",
        "| Aurora | 1899 |",
        "| Boreas | 1911 |",
    ]


def test_a_row_answers_to_the_head_of_its_table_and_all_to_their_heading() -> None:
    found, _ = passage(
        ("sub_title", "## Ships"),
        ("table", "| ship | year |\n| --- | --- |\n| Aurora | 1899 |"),
        ("text", "It is old."),
    )
    row, sentence = citable_units(found, 0)
    assert row.terms_above == {"ship", "year"}
    assert sentence.above == "## Ships"


def test_lines_of_figures_belong_to_the_label_before_them() -> None:
    found, _ = passage(("text", "Rope\n\n$12\n\n(3.0)%\n\nU.S.\n\n14\n\n-\n\nIt is old.\n\n5 6"))
    assert [" ".join(unit.text.split()) for unit in citable_units(found, 0)] == [
        "Rope $12 (3.0)%",
        "U.S. 14 -",
        "It is old.",
        "5 6",
    ]


def test_a_line_of_figures_above_a_table_introduces_nothing() -> None:
    # A reader may tear the first row off a table, and its label off that.
    torn = ("text", "Operating income of each segment:\n\n$ 7,267 $ 7,033")
    rows = ("table", "| AWS | 7,296 | 9,201 |\n| --- | --- | --- |\n| All | 9,421 | 9,541 |")
    found, _ = passage(torn, rows)
    assert all("segment" in u.terms_above for u in citable_units(found, 0) if u.is_row)
    found, _ = passage(("text", "Sales of each shop:\n\nYear 2024"), rows)
    assert all("2024" in u.terms_above for u in citable_units(found, 0) if u.is_row)


def test_a_table_answers_to_the_line_at_the_end_of_the_passage_before() -> None:
    lines = ("Repurchases were as follows:", "The lens is made of glass.")
    rows = "| June | 38,121 |\n| --- | --- |\n| July | 42,676 |"
    for line, introduces in zip(lines, (True, False), strict=True):
        end = len(line)
        pieces = [ChunkPiece(3, "text", (0, end), 0)]
        above = Passage(line, "a.pdf", 3, (), 1.0, (), (0, end), tuple(pieces))
        for gap, near in ((2, True), (300, False)):
            span = (end + gap, end + gap + len(rows))
            piece = ChunkPiece(3, "table", span, 0)
            table = Passage(rows, "a.pdf", 3, (), 1.0, (), span, (piece,))
            units = citable_units(table, 1, (), introduction_above(table, [above, table]))
            assert all((line in unit.above) == (introduces and near) for unit in units)


def test_a_single_number_on_a_line_is_not_part_of_a_row() -> None:
    found, _ = passage(("text", "WHAT TO USE\n\n1\n\nHOW TO CLEAN"))
    assert [unit.text for unit in citable_units(found, 0)] == ["WHAT TO USE", "1", "HOW TO CLEAN"]


def test_a_heading_is_quoted_only_where_nothing_stands_under_it() -> None:
    found, _ = passage(("sub_title", "## Ships"))
    assert [unit.text for unit in citable_units(found, 0)] == ["## Ships"]


def test_a_citation_is_the_words_of_its_page_with_their_boxes() -> None:
    found, page = passage(("text", "It is old. It is high."), ("text", "It burns oil."))
    units = citable_units(found, 0)
    (citation,) = citations([found], [units[2], units[1]])
    assert citation.quote == "It is high.\n\nIt burns oil."
    assert page.markdown[slice(*citation.span)] == citation.quote
    assert citation.page == 3
    assert [box.y0 for box in citation.boxes] == [0.0, 0.1]


def test_sentences_apart_from_each_other_are_citations_of_their_own() -> None:
    found, _ = passage(("text", "It is old. It is high. It burns oil."))
    first, _, last = citable_units(found, 0)
    assert [c.quote for c in citations([found], [first, last])] == ["It is old.", "It burns oil."]


def test_what_runs_over_a_page_is_cited_on_both() -> None:
    text = "The lamp was lit by Ann."
    pieces = (
        ChunkPiece(1, "text", (100, 112), 0, (Box(0, 0.9, 1, 1),)),
        ChunkPiece(2, "text", (0, 11), 13, (Box(0, 0, 1, 0.1),)),
    )
    whole = Passage(text, "a.pdf", 1, (), 1.0, (), (100, 112), pieces)
    first, second = citations([whole], citable_units(whole, 0))
    assert (first.page, first.quote, first.span) == (1, "The lamp was", (100, 112))
    assert (second.page, second.quote, second.span) == (2, "lit by Ann.", (0, 11))


def test_what_is_longer_than_any_sentence_is_cut_between_words_and_loses_nothing() -> None:
    text = "lamp " * 5000
    piece = ChunkPiece(1, "", (0, len(text)), 0)
    units = citable_units(Passage.of(Chunk(text, "a.pdf", (piece,))), 0)
    assert len(units) > 3
    assert all(len(unit.text) <= LONGEST_UNIT for unit in units)
    assert "".join(unit.text for unit in units).split() == text.split()
    assert all(unit.text.split()[0] == "lamp" for unit in units)
