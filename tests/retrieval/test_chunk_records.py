"""Records cut into chunks: what goes in comes out with its pages, boxes and metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.document.page_records import (
    Record,
    boxes_between,
    document_record,
    page_records,
)
from deepseek_ocr_rag.document.types import OcrDocument
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.retrieval.chunk_records import record_chunk, split_records
from deepseek_ocr_rag.retrieval.chunking import chunk_document

TEXT = """<|ref|>title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>
# The lighthouse

<|ref|>text<|/ref|><|det|>[[100, 100, 450, 500], [550, 100, 900, 300]]<|/det|>
The keeper lights the lamp at dusk.

<|ref|>image<|/ref|><|det|>[[550, 320, 900, 500]]<|/det|>

<|ref|>image_caption<|/ref|><|det|>[[550, 510, 900, 530]]<|/det|>
<center>Figure 1: The lamp </center>

<|ref|>text<|/ref|><|det|>[[100, 600, 900, 900]]<|/det|>
Every night he goes down to the

<--- Page Split --->
<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>
sea and looks for ships.

<|ref|>sub_title<|/ref|><|det|>[[100, 300, 900, 350]]<|/det|>
## Wrecks

<|ref|>text<|/ref|><|det|>[[100, 400, 900, 500]]<|/det|>
Four ships were lost.
"""
DOCUMENT = parse_document(TEXT, source="report.pdf")


def as_pages(document: OcrDocument) -> list[Record]:
    return [
        record
        for page in document.pages
        for record in page_records(page, source=document.source, total_pages=2)
    ]


def as_blocks(document: OcrDocument) -> list[Record]:
    return [
        record
        for page in document.pages
        for record in page_records(page, source=document.source, total_pages=2, split="block")
    ]


def as_document(document: OcrDocument) -> list[Record]:
    return [document_record(document)]


def flat(records: list[Record]) -> list[Record]:
    return [record.flat() for record in records]


def split(records: list[Record], **options: Any) -> list[Record]:
    return list(split_records(records, **options))


@pytest.mark.parametrize("form", [as_pages, as_document])
@pytest.mark.parametrize("budget", [16, 400])
def test_records_give_the_chunks_of_their_document(
    form: Callable[[OcrDocument], list[Record]], budget: int
) -> None:
    expected = chunk_document(DOCUMENT, max_tokens=budget)
    found = split(form(DOCUMENT), max_tokens=budget)
    assert [record.text for record in found] == [chunk.text for chunk in expected]
    assert [record.metadata["section"] for record in found] == [
        " > ".join(chunk.section) for chunk in expected
    ]
    for record, chunk in zip(found, expected, strict=True):
        places = [(box["page"] + 1, tuple(box["bbox"])) for box in record.metadata["boxes"]]
        assert places == [
            (piece.page, tuple(round(v, 6) for v in box.as_tuple()))
            for piece in chunk.pieces
            for box in piece.boxes
        ]


def test_blocks_lose_only_their_pictures() -> None:
    found, expected = split(as_blocks(DOCUMENT)), split(as_pages(DOCUMENT))
    assert [record.text for record in found] == [record.text for record in expected]
    kinds = [box["kind"] for record in found for box in record.metadata["boxes"]]
    assert "image" not in kinds
    assert "image_caption" in kinds


@pytest.mark.parametrize("form", [as_pages, as_blocks, as_document])
def test_flat_records_give_flat_chunks(form: Callable[[OcrDocument], list[Record]]) -> None:
    expected = split(form(DOCUMENT))
    assert split(flat(form(DOCUMENT))) == flat(expected)
    assert all(
        not isinstance(value, list | dict)
        for record in split(flat(form(DOCUMENT)))
        for value in record.metadata.values()
    )


def test_a_chunk_knows_its_pages_and_where_on_them_its_text_stands() -> None:
    (chunk,) = split(as_pages(DOCUMENT))
    assert (chunk.metadata["page"], chunk.metadata["page_label"]) == (0, "1-2")
    for span in chunk.metadata["spans"]:
        markdown = DOCUMENT.page(span["page"] + 1).markdown
        length = span["end"] - span["start"]
        at = span["offset"]
        assert chunk.text[at : at + length] == markdown[span["start"] : span["end"]]


def test_the_boxes_of_any_part_of_a_chunk_are_found() -> None:
    (chunk,) = split(as_pages(DOCUMENT))
    start = chunk.text.index("go")
    (box,) = boxes_between(chunk.metadata, start, start + 2)
    assert (box["page"], box["kind"]) == (0, "text")
    start = chunk.text.index("sea and")
    (box,) = boxes_between(chunk.metadata, start, start + 3)
    assert (box["page"], box["bbox"][1]) == (1, 0.1001)


def test_headings_reach_over_pages_that_follow_each_other() -> None:
    sections = [record.metadata["section"] for record in split(as_pages(DOCUMENT), max_tokens=16)]
    assert list(dict.fromkeys(sections)) == ["The lighthouse", "The lighthouse > Wrecks"]


def test_a_page_alone_takes_the_headings_above_it_from_its_metadata() -> None:
    page = Record("id", "Body.", {"source": "a", "page": 4, "section": "One > Two", "boxes": []})
    assert split([page])[0].metadata["section"] == "One > Two"


def test_other_metadata_are_those_of_the_page_on_which_a_chunk_begins() -> None:
    records = as_pages(DOCUMENT)
    for record in records:
        record.metadata["author"] = ["Kim"]
    (chunk,) = split(records)
    assert chunk.metadata["author"] == ["Kim"]
    assert chunk.metadata["total_pages"] == 2
    assert chunk.metadata["author"] is not records[0].metadata["author"]
    assert chunk.parent == records[0].id


def test_ids_are_the_same_every_time_and_all_different() -> None:
    records = as_pages(DOCUMENT)
    ids = [record.id for record in split(records, max_tokens=16)]
    assert ids == [record.id for record in split(records, max_tokens=16)]
    assert len(set(ids)) == len(ids) > 2


def test_a_page_that_changed_leaves_the_ids_of_other_pages_alone() -> None:
    changed = parse_document(TEXT.replace("at dusk.", "at dusk. Often. " * 20), source="report.pdf")
    before, after = (split(as_pages(d), max_tokens=16) for d in (DOCUMENT, changed))
    assert len(before) < len(after)
    assert before[-1].id == after[-1].id


def test_documents_are_not_mixed_up() -> None:
    other = parse_document(TEXT, source="other.pdf")
    found = split([*as_pages(DOCUMENT), *as_pages(other), *as_pages(DOCUMENT)])
    assert [record.metadata["source"] for record in found] == [
        "report.pdf",
        "other.pdf",
        "report.pdf",
    ]


def test_text_of_others_is_cut_by_its_markdown() -> None:
    text = "# One\n\nFirst.\n\n# Two\n\n" + "| a | b |\n| --- | --- |\n" + "| 1 | 2 |\n" * 40
    found = split([Record("", text, {"source": "notes.md"})], max_tokens=64)
    assert found[0].text == "# One\n\nFirst."
    assert all("| a | b |" in record.text for record in found[1:])
    assert [record.metadata for record in found[:2]] == [
        {"source": "notes.md", "section": "One"},
        {"source": "notes.md", "section": "Two"},
    ]
    assert {record.id for record in found} == {""}


def test_texts_without_a_source_are_not_joined() -> None:
    records = [Record("", "Went down to the", {}), Record("", "sea in ships.", {"page": 1})]
    assert [record.text for record in split(records)] == ["Went down to the", "sea in ships."]


def test_what_was_cut_once_can_be_cut_again() -> None:
    once = split(as_pages(DOCUMENT))
    again = split(once, max_tokens=16)
    assert len(again) > 1
    assert {tuple(b["bbox"]) for r in again for b in r.metadata["boxes"]} <= {
        tuple(b["bbox"]) for r in once for b in r.metadata["boxes"]
    }


def test_empty_records_give_nothing() -> None:
    assert split([Record("id", " \n", {"source": "a", "page": 0, "boxes": []})]) == []


def test_a_budget_too_small_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        split_records([], max_tokens=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kind", "bbox", "start", "end", "page", "offset"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)
BOX = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["text", "table", "image"]),
        "bbox": st.lists(st.floats(), min_size=4, max_size=4),
        "start": st.integers(-3, 30),
        "end": st.integers(-3, 30),
        "page": st.integers(0, 2),
    }
)
SPAN = st.fixed_dictionaries(
    {key: st.integers(-2, 30) for key in ("page", "start", "end", "offset")}
)


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(JSON, st.lists(BOX, max_size=3), JSON.map(json.dumps)),
    st.one_of(st.none(), JSON, st.lists(SPAN, max_size=3)),
    st.one_of(st.none(), JSON),
)
def test_metadata_of_any_form_do_no_harm(boxes: Any, spans: Any, page: Any) -> None:
    text = "One two. Three four. Five."
    metadata = {"source": "a", "boxes": boxes, "spans": spans, "page": page}
    for record in split([Record("id", text, metadata)]):
        assert record.text in text or "\n\n" in record.text


# --- records as they are --------------------------------------------------------------------


@pytest.mark.parametrize("made_flat", [False, True])
def test_a_chunk_that_became_a_record_becomes_the_same_chunk(made_flat: bool) -> None:
    records = split(flat(as_pages(DOCUMENT)) if made_flat else as_pages(DOCUMENT))
    for chunk, record in zip(chunk_document(DOCUMENT), records, strict=True):
        again = record_chunk(record)
        assert (again.text, again.source, again.section) == (
            chunk.text, chunk.source, chunk.section,
        )  # fmt: skip
        assert (again.pages, again.page) == (chunk.pages, chunk.page)
        for page in chunk.pages:
            # Records round their boxes.
            assert [b.to_grid() for b in again.boxes_on(page)] == [
                b.to_grid() for b in chunk.boxes_on(page)
            ]
            assert again.span_on(page) == chunk.span_on(page)


def test_a_page_becomes_one_chunk_with_its_blocks() -> None:
    page = DOCUMENT.pages[0]
    chunk = record_chunk(as_pages(DOCUMENT)[0])
    assert chunk.text == page.markdown
    assert [piece.kind for piece in chunk.pieces] == [block.kind for block in page.blocks]
    assert [piece.span for piece in chunk.pieces] == [block.span for block in page.blocks]


@pytest.mark.parametrize("noted", [{}, {"start_index": 0}, {"start_index": -1}])
def test_a_part_that_another_splitter_has_cut_has_the_boxes_of_its_text(
    noted: dict[str, int],
) -> None:
    record = as_pages(DOCUMENT)[1]
    block = DOCUMENT.pages[1].blocks[-1]
    part = Record("", block.text[3:24], {**record.metadata, **noted})
    for chunk in (record_chunk(part), *map(record_chunk, split([part]))):
        assert (chunk.text, chunk.pages) == (block.text[3:24], (2,))
        assert [b.to_grid() for b in chunk.boxes] == [b.to_grid() for b in block.boxes]


def test_a_record_of_nothing_is_a_chunk_of_nothing() -> None:
    chunk = record_chunk(Record("", ""))
    assert (chunk.text, chunk.source, chunk.pages, chunk.boxes) == ("", "", (1,), ())
