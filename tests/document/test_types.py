"""The contracts of Box, Block, Page and OcrDocument."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError

fractions = st.floats(0, 1)
boxes = st.builds(Box.clamped, fractions, fractions, fractions, fractions)
grid = st.integers(0, 999)


def test_the_grid_runs_from_0_to_999_over_the_whole_page():
    assert Box.from_grid(0, 0, 999, 999) == Box(0, 0, 1, 1)


@settings(deadline=None)
@given(grid, grid, grid, grid)
def test_a_box_comes_back_to_the_grid_it_was_made_from(x0, y0, x1, y1):
    box = Box.from_grid(x0, y0, x1, y1)
    assert box.to_grid() == (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


@settings(deadline=None)
@given(*[st.floats()] * 4)
def test_any_four_numbers_make_a_box_on_the_page(x0, y0, x1, y1):
    box = Box.clamped(x0, y0, x1, y1)
    assert 0 <= box.x0 <= box.x1 <= 1
    assert 0 <= box.y0 <= box.y1 <= 1


@pytest.mark.parametrize(
    "edges", [(0.5, 0, 0.4, 1), (0, 0, 1.01, 1), (-0.1, 0, 1, 1), (math.nan, 0, 1, 1)]
)
def test_edges_that_are_not_ordered_fractions_are_refused(edges):
    with pytest.raises(ConfigurationError, match=r"ordered fractions.*Box\.clamped"):
        Box(*edges)


def test_points_and_pixels_have_their_origin_at_the_top_left():
    box = Box(0.1, 0.2, 0.5, 0.75)
    assert box.to_points(100, 200) == pytest.approx((10, 40, 50, 150))
    assert box.to_pixels(101, 200) == (10, 40, 51, 150)


@settings(deadline=None)
@given(boxes, boxes)
def test_union_covers_and_intersection_is_covered(a, b):
    both = a.union(b)
    common = a.intersection(b)
    assert both.area >= max(a.area, b.area)
    assert both.union(a) == both.union(b) == both
    if common is not None:
        assert common.area <= min(a.area, b.area)
        assert a.union(common) == a


def test_boxes_apart_have_no_intersection():
    assert Box(0, 0, 0.2, 0.2).intersection(Box(0.3, 0, 1, 1)) is None


@pytest.mark.parametrize("value", [Box(0, 0, 1, 1), Block("text", "a"), Page(1), OcrDocument("a")])
def test_what_was_read_cannot_be_changed(value):
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_only_a_block_with_html_has_a_table():
    block = Block("table", "| a |\n| --- |", html="<table><tr><td>a</td></tr></table>")
    assert block.table is not None
    assert block.table.to_rows() == (("a",),)
    assert Block("text", "a").table is None


def real_document(shared) -> OcrDocument:
    file = shared / "model-outputs/10_docling_tests/deepseek_example.md"
    parsed = parse_page(file.read_text(encoding="utf-8"))
    first = Page(
        3,
        parsed.markdown,
        parsed.blocks,
        "iii",
        595.0,
        842.0,
        "replay",
        "m",
        "gundam",
        warnings=("w",),
    )
    failed = Page(4, finish_reason="error", attempts=3, error="no reply")
    return OcrDocument("a.pdf", (first, failed), total_pages=9, sha256="0" * 64)


def test_a_document_survives_json(shared):
    document = real_document(shared)
    back = OcrDocument.from_dict(json.loads(json.dumps(document.to_dict())))
    assert dataclasses.replace(back, pages=()) == dataclasses.replace(document, pages=())
    for page, again in zip(document, back, strict=True):
        assert dataclasses.replace(again, blocks=()) == dataclasses.replace(page, blocks=())
        for block, copy in zip(page.blocks, again.blocks, strict=True):
            assert dataclasses.replace(copy, boxes=()) == dataclasses.replace(block, boxes=())
            assert [b.to_grid() for b in copy.boxes] == [b.to_grid() for b in block.boxes]


def test_json_written_twice_is_the_same(shared):
    once = real_document(shared).to_dict()
    assert OcrDocument.from_dict(once).to_dict() == once


def test_confidences_survive_json_and_stand_only_where_they_are_known():
    known = Page(1, "a", (Block("text", "a", confidence=0.5), Block("text", "b")), confidence=0.75)
    data = json.loads(json.dumps(known.to_dict()))
    assert Page.from_dict(data) == known
    assert ["confidence" in block for block in data["blocks"]] == [True, False]


def test_a_page_that_was_stored_without_confidences_can_be_read():
    data = Page(1, "a", (Block("text", "a"),)).to_dict()
    del data["confidence"]
    assert Page.from_dict(data).confidence is None


def test_the_boxes_of_a_page_are_those_of_its_blocks_in_order():
    left, right = Box(0, 0, 0.4, 1), Box(0.6, 0, 1, 1)
    page = Page(1, "a", (Block("text", "a", (left, right)), Block("image", "", (left,))))
    assert page.boxes == (left, right, left)


def test_pages_are_found_by_their_number_in_the_file(shared):
    document = real_document(shared)
    assert [page.number for page in document] == [3, 4]
    assert len(document) == 2
    assert document.page(4).error == "no reply"
    with pytest.raises(KeyError):
        document.page(1)


def test_a_failed_page_stays_a_page_and_adds_no_text(shared):
    document = real_document(shared)
    assert [page.number for page in document.failed_pages] == [4]
    assert not document.page(4).ok
    assert document.to_markdown() == document.page(3).markdown


def test_blocks_in_finds_those_that_overlap_the_characters():
    page = Page(
        1, "abc\n\ndef", (Block("text", "abc", span=(0, 3)), Block("text", "def", span=(5, 8)))
    )
    assert [block.text for block in page.blocks_in(2, 5)] == ["abc"]
    assert [block.text for block in page.blocks_in(2, 6)] == ["abc", "def"]
    assert page.blocks_in(3, 5) == ()


def test_a_document_of_any_size_prints_in_a_line() -> None:
    text = "lamp \x1b[31m\n" * 5000
    block = Block("text", text, (Box(0, 0, 1, 1),) * 50, (0, len(text)), ("head",) * 50)
    page = Page(1, text, (block,) * 50, warnings=(text,), error=text, finish_reason="error")
    document = OcrDocument("folder/" * 400, (page,) * 900, 900)
    for value in (block, page, document, document.pages[:2]):
        assert len(repr(value)) < 300
        assert repr(value).isprintable()
    assert "900 of 900 pages, 900 failed" in repr(document)
    assert repr(page).startswith("Page(1, 'lamp")
