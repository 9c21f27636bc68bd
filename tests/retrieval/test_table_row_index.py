"""A row of a table is found by its label together with what is above it."""

from __future__ import annotations

from deepseek_ocr_rag.retrieval.chunking import Chunk, ChunkPiece
from deepseek_ocr_rag.retrieval.query import parse_query
from deepseek_ocr_rag.retrieval.table_row_index import TableRowIndex

RATINGS = "| Parameter | Minimum | Maximum | Units |\n| --- | --- | --- | --- |\n"


def chunk(*parts: tuple[str, str], section: tuple[str, ...] = (), repeated: int = -1) -> Chunk:
    pieces, text = [], ""
    for number, (kind, part) in enumerate(parts):
        text += "\n\n" if text else ""
        pieces.append(ChunkPiece(1, kind, (0, len(part)), len(text), repeated=number == repeated))
        text += part
    return Chunk(text, "a.pdf", tuple(pieces), section)


def scores(chunks: list[Chunk], question: str) -> list[float]:
    return TableRowIndex(chunks).scores(parse_query(question).weights).tolist()


def test_the_row_with_all_words_beats_rows_that_share_them_out() -> None:
    apart = chunk(
        ("table", RATINGS + "| Supply current | 1 | 2 | V |\n| Input voltage | 1 | 2 | V |")
    )
    together = chunk(
        ("table", RATINGS + "| Supply voltage | 1 | 5.5 | V |\n| Input current | 1 | 2 | V |")
    )
    first, second = scores([apart, together], "What is the supply voltage?")
    assert second > first > 0


def test_a_row_counts_with_its_column_names() -> None:
    named = chunk(("table", RATINGS + "| Supply voltage | 1 | 5.5 | V |"))
    other = chunk(
        ("table", RATINGS.replace("Maximum", "Typical") + "| Supply voltage | 1 | 5 | V |")
    )
    first, second = scores([named, other], "What is the maximum supply voltage?")
    assert first > second


def test_a_row_counts_with_its_section_and_the_text_before_the_table() -> None:
    table = ("table", RATINGS + "| Supply voltage | 1 | 5.5 | V |")
    alone = chunk(table)
    assert (
        scores([alone, chunk(table, section=("Absolute ratings",))], "absolute supply voltage")[1]
        > scores([alone, chunk(table)], "absolute supply voltage")[1]
    )
    first, second = scores([alone, chunk(("text", "In millions:"), table)], "voltage in millions")
    assert second > first


def test_a_repeated_head_names_the_columns_and_is_no_row() -> None:
    head = ("table", RATINGS.strip())
    body = ("table", "| Supply voltage | 1 | 5.5 | V |")
    index = [chunk(head, body, repeated=0), chunk(body)]
    first, second = scores(index, "maximum supply voltage")
    assert first > second
    assert scores([chunk(head, repeated=0)], "maximum") == [0.0]


def test_text_has_no_rows_and_an_index_may_be_empty() -> None:
    assert scores([chunk(("text", "The supply voltage is 5 V."))], "supply voltage") == [0.0]
    assert scores([], "supply voltage") == []
