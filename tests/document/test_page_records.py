"""Records: what both frameworks store for a page."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag import Block, Box, DeepSeekOCRError, OcrDocument, Page
from deepseek_ocr_rag.document.page_records import (
    OnError,
    Record,
    boxes_between,
    document_record,
    page_records,
    page_wanted,
)
from deepseek_ocr_rag.errors import ConfigurationError

TOP = Box(0.1, 0.1, 0.9, 0.2)
LEFT = Box(0.1, 0.3, 0.45, 0.9)
RIGHT = Box(0.55, 0.3, 0.9, 0.5)
PICTURE = Box(0.55, 0.6, 0.9, 0.9)


def page(number: int = 1, **values: object) -> Page:
    """A heading, a picture and a paragraph over two columns."""
    title, paragraph = "# Lamps", "The keeper lights the lamp."
    markdown = f"{title}\n\n{paragraph}"
    start = len(title) + 2
    given: dict[str, object] = {
        "markdown": markdown,
        "blocks": (
            Block("title", title, (TOP,), (0, len(title))),
            Block("image", "", (PICTURE,), (len(title), len(title)), ("Lamps",)),
            Block("text", paragraph, (LEFT, RIGHT), (start, len(markdown)), ("Lamps",)),
        ),
        "backend": "replay",
        "model": "recorded",
        "resolution": "gundam",
    }
    return Page(number=number, **{**given, **values})  # type: ignore[arg-type]


def test_a_page_gives_its_markdown_and_exactly_the_promised_metadata() -> None:
    (record,) = page_records(page(3, label="iii"), source="a.pdf", total_pages=9)
    assert record.text == "# Lamps\n\nThe keeper lights the lamp."
    assert {k: v for k, v in record.metadata.items() if k not in ("boxes", "boxes_text")} == {
        "source": "a.pdf",
        "page": 2,
        "page_label": "iii",
        "total_pages": 9,
        "section": "Lamps",
        "backend": "replay",
        "model": "recorded",
        "resolution": "gundam",
        "mode": "gundam",
        "finish_reason": "stop",
    }


def test_every_box_has_an_entry_with_offsets_of_its_blocks_text() -> None:
    (record,) = page_records(page(), source="a.pdf", total_pages=1)
    assert [(b["kind"], record.text[b["start"] : b["end"]]) for b in record.metadata["boxes"]] == [
        ("title", "# Lamps"),
        ("image", ""),
        ("text", "The keeper lights the lamp."),
        ("text", "The keeper lights the lamp."),
    ]
    assert [b["bbox"] for b in record.metadata["boxes"]][2:] == [
        [0.1, 0.3, 0.45, 0.9],
        [0.55, 0.3, 0.9, 0.5],
    ]


def test_a_page_without_a_printed_label_is_labelled_with_its_number_as_text() -> None:
    (record,) = page_records(page(12), source="a.pdf", total_pages=20)
    assert record.metadata["page_label"] == "12"


def test_a_block_record_has_offsets_into_its_own_text_and_its_section() -> None:
    title, paragraph = page_records(page(), source="a.pdf", total_pages=1, split="block")
    assert (title.text, paragraph.text) == ("# Lamps", "The keeper lights the lamp.")
    assert [(b["start"], b["end"]) for b in paragraph.metadata["boxes"]] == [(0, 27), (0, 27)]
    assert paragraph.metadata["section"] == "Lamps"


def test_a_page_without_text_is_still_one_record_when_split_into_blocks() -> None:
    blank = Page(number=2, finish_reason="blank")
    (record,) = page_records(blank, source="a.pdf", total_pages=3, split="block")
    assert (record.text, record.metadata["finish_reason"]) == ("", "blank")


def test_confidences_stand_on_boxes_and_records_where_they_are_known() -> None:
    first, picture, second = page().blocks
    blocks = (replace(first, confidence=0.9), picture, replace(second, confidence=0.5))
    known = page(blocks=blocks, confidence=0.7)
    (whole,) = page_records(known, source="a.pdf", total_pages=1)
    assert whole.metadata["confidence"] == 0.7
    assert [b.get("confidence") for b in whole.metadata["boxes"]] == [0.9, None, 0.5, 0.5]
    parts = page_records(known, source="a.pdf", total_pages=1, split="block")
    assert [part.metadata["confidence"] for part in parts] == [0.9, 0.5]
    document = document_record(OcrDocument("a.pdf", (known, page(2)), total_pages=2))
    assert "confidence" not in document.metadata
    assert [b.get("confidence") for b in document.metadata["boxes"]][:4] == [0.9, None, 0.5, 0.5]


def sections_of(*blocks: tuple[str, str, tuple[str, ...]]) -> str:
    made = tuple(Block(kind, text, section=section) for kind, text, section in blocks)
    (record,) = page_records(Page(1, blocks=made), source="a.pdf", total_pages=1)
    section = record.metadata["section"]
    assert isinstance(section, str)
    return section


def test_the_section_of_a_page_is_what_most_of_its_text_stands_under() -> None:
    header = ("text", "Annual report", ("Last chapter",))
    title = ("title", "# A very long title of a chapter with little text", ())
    first = ("text", "The lamps are lit at dusk.", ("New chapter", "Lamps"))
    second = ("text", "The horns sound in fog.", ("New chapter", "Horns"))
    assert sections_of(header, title, first) == "New chapter > Lamps"
    assert sections_of(header, first, second) == "New chapter"


def test_a_page_of_several_chapters_has_no_section() -> None:
    assert sections_of(("text", "one", ("A",)), ("text", "two", ("B",))) == ""
    assert sections_of(("title", "# Only a title", ())) == ""


def test_error_and_warnings_stand_only_where_there_are_any() -> None:
    (good,) = page_records(page(), source="a.pdf", total_pages=1)
    assert "error" not in good.metadata
    assert "warnings" not in good.metadata
    failed = Page(number=1, finish_reason="error", error="torn", warnings=("tilted",))
    (bad,) = page_records(failed, source="a.pdf", total_pages=1)
    assert (bad.metadata["error"], bad.metadata["warnings"]) == ("torn", ["tilted"])


def test_ids_are_uuids_that_depend_on_source_page_split_and_block_only() -> None:
    def ids(source: str, number: int, split: str, **values: object) -> list[str]:
        records = page_records(
            page(number, **values),
            source=source,
            total_pages=5,
            split=split,  # type: ignore[arg-type]
        )
        return [record.id for record in records]

    changed = ids("a.pdf", 1, "page", markdown="other text", blocks=())
    assert ids("a.pdf", 1, "page") == changed
    everything = [
        *ids("a.pdf", 1, "page"),
        *ids("a.pdf", 2, "page"),
        *ids("b.pdf", 1, "page"),
        *ids("a.pdf", 1, "block"),
        document_record(OcrDocument("a.pdf", (page(),), 1)).id,
    ]
    assert len(set(everything)) == len(everything) == 6
    assert all(str(uuid.UUID(text)) == text for text in everything)


def test_a_source_that_is_not_valid_unicode_has_an_id() -> None:
    (record,) = page_records(page(), source="caf\udce9.pdf", total_pages=1)
    assert uuid.UUID(record.id)


def test_an_identity_stands_in_for_the_source_in_ids() -> None:
    first, second = (
        next(page_records(page(), source="<bytes>", total_pages=1, identity=key)) for key in "ab"
    )
    assert first.id != second.id


def test_a_whole_document_has_offsets_into_all_its_text_and_pages_on_its_boxes() -> None:
    document = OcrDocument("a.pdf", (page(1), Page(2, finish_reason="blank"), page(3)), 3)
    record = document_record(document)
    assert record.text == document.to_markdown()
    for entry in record.metadata["boxes"]:
        expected = {"title": "# Lamps", "image": "", "text": "The keeper lights the lamp."}
        assert record.text[entry["start"] : entry["end"]] == expected[entry["kind"]]
    assert [entry["page"] for entry in record.metadata["boxes"]] == [0] * 4 + [2] * 4
    assert record.metadata["page"] == 0
    assert record.metadata["page_label"] == "1-3"


def test_a_whole_document_is_as_bad_as_its_worst_page_and_names_it() -> None:
    failed = Page(2, finish_reason="error", error="torn", warnings=("tilted",))
    record = document_record(OcrDocument("a.pdf", (page(1), failed), 2))
    assert record.metadata["finish_reason"] == "error"
    assert record.metadata["error"] == "page 2: torn"
    assert record.metadata["warnings"] == ["page 2: tilted"]


def test_an_error_on_the_first_page_is_named_once() -> None:
    failed = Page(1, finish_reason="error", error="torn", warnings=("tilted",))
    record = document_record(OcrDocument("a.pdf", (failed, page(2)), 2))
    assert record.metadata["error"] == "page 1: torn"
    assert record.metadata["warnings"] == ["page 1: tilted"]


def test_a_document_without_pages_is_a_typed_error() -> None:
    with pytest.raises(ConfigurationError, match="no pages"):
        document_record(OcrDocument("a.pdf"))


def test_flat_metadata_are_scalars_and_boxes_come_back_from_json() -> None:
    (record,) = page_records(page(warnings=("tilted",)), source="a.pdf", total_pages=1)
    flat = record.flat()
    assert all(isinstance(value, str | int | float | bool) for value in flat.metadata.values())
    assert json.loads(flat.metadata["boxes"]) == record.metadata["boxes"]
    assert json.loads(flat.metadata["warnings"]) == ["tilted"]
    assert (flat.id, flat.text) == (record.id, record.text)


def test_flat_records_have_the_same_keys_and_types_whatever_happened_on_their_page() -> None:
    pages = [
        page(1),
        page(2, warnings=("tilted",), confidence=0.5),
        page(3, markdown="", blocks=(), finish_reason="error", error="torn"),
    ]
    records = [record for each in pages for split in ("page", "block") for record in
               page_records(each, source="a.pdf", total_pages=3, split=split)]  # fmt: skip
    records.append(document_record(OcrDocument("a.pdf", tuple(pages), 3)))
    kinds = [{k: type(v) for k, v in r.flat().metadata.items()} for r in records]
    assert all(each == kinds[0] for each in kinds)
    assert [r.flat().metadata["confidence"] for r in records[:1]] == [-1.0]


def test_nul_and_lone_surrogates_reach_no_record() -> None:
    bad = "a\x00b\ud800c"
    block = Block("te\x00xt", bad, (TOP,), (0, 5), section=(bad,), html=bad)
    dirty = page(1, markdown=bad, blocks=(block,), label=bad, warnings=(bad,), error=bad, model=bad)
    assert dirty.markdown[slice(*dirty.blocks[0].span)] == dirty.blocks[0].text == "a\ufffdb\ufffdc"
    assert dirty.label == "a\ufffdb\ufffdc"
    made = list(page_records(dirty, source=bad, total_pages=1))
    made += page_records(dirty, source=bad, total_pages=1, split="block")
    made.append(document_record(OcrDocument(bad, (dirty,), 1)))
    made.append(Record(bad, bad, {bad: [bad, {bad: (bad,)}], "n": 1}))
    for record in (*made, *(each.flat() for each in made)):
        everything = json.dumps([record.text, record.metadata])
        assert "\\u0000" not in everything
        assert "\\ud800" not in everything
    assert {r.metadata["source"] for r in made[:3]} == {"a\ufffdb\ufffdc"}


@pytest.mark.parametrize("flat", [False, True])
def test_boxes_of_a_part_are_those_of_the_blocks_it_touches(flat: bool) -> None:
    (record,) = page_records(page(), source="a.pdf", total_pages=1)
    metadata = (record.flat() if flat else record).metadata
    keeper = record.text.index("keeper")
    assert [b["kind"] for b in boxes_between(metadata, keeper, keeper + 6)] == ["text", "text"]
    assert [b["kind"] for b in boxes_between(metadata, 0, 3)] == ["title"]
    assert [b["kind"] for b in boxes_between(metadata, 0, 8)] == ["title", "image"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="ab #\n", min_size=1, max_size=12), min_size=1, max_size=5))
def test_offsets_always_cut_the_blocks_text_out_of_the_record(texts: list[str]) -> None:
    blocks: list[Block] = []
    markdown = ""
    for text in texts:
        start = len(markdown) + (2 if markdown else 0)
        markdown = f"{markdown}\n\n{text}" if markdown else text
        blocks.append(Block("text", text, (TOP,), (start, start + len(text))))
    pages = tuple(Page(n, markdown=markdown, blocks=tuple(blocks)) for n in (1, 2))
    records = [
        *page_records(pages[0], source="s", total_pages=2),
        *page_records(pages[0], source="s", total_pages=2, split="block"),
        document_record(OcrDocument("s", pages, 2)),
    ]
    for record in records:
        for entry in record.metadata["boxes"]:
            assert record.text[entry["start"] : entry["end"]] in texts


def test_a_failed_page_is_kept_skipped_or_raised_as_asked() -> None:
    failed = Page(4, finish_reason="error", error="torn")
    assert page_wanted(failed, "a.pdf", "keep")
    assert not page_wanted(failed, "a.pdf", "skip")
    with pytest.raises(DeepSeekOCRError, match=r"a\.pdf, page 4: .*torn"):
        page_wanted(failed, "a.pdf", "raise")


def test_a_page_that_was_read_is_always_wanted_even_blank() -> None:
    for choice in get_args(OnError):
        assert page_wanted(page(), "a.pdf", choice)
        assert page_wanted(Page(1, finish_reason="blank"), "a.pdf", choice)


def test_an_unknown_choice_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="keep, raise, skip"):
        page_wanted(page(), "a.pdf", "ignore")  # type: ignore[arg-type]
