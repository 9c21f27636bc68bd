"""Turns boxes that the model saw on a turned page back to the page as it was given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.turned_boxes import boxes_turned_back
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.model.loops.text_edits import edited

TURNS = st.sampled_from([0, 90, 180, 270])
GRID = st.integers(0, 999)
BOXES = st.lists(st.tuples(GRID, GRID, GRID, GRID), min_size=1, max_size=3)


def turned_back(text: str, turn: int) -> str:
    return edited(text, boxes_turned_back(text, turn))


def tag(*boxes: tuple[int, ...]) -> str:
    lists = ", ".join(str(list(box)) for box in boxes)
    return f"<|ref|>text<|/ref|><|det|>[{lists}]<|/det|>\nWords.\n\n"


@pytest.mark.parametrize(
    ("turn", "box"),
    [
        # On the turned page the box lies at the top left: 100 wide, 50 high.
        (0, (0, 0, 100, 50)),
        (90, (0, 899, 50, 999)),
        (180, (899, 949, 999, 999)),
        (270, (949, 0, 999, 100)),
    ],
)
def test_the_top_left_of_a_turned_page_is_another_corner(
    turn: int, box: tuple[int, int, int, int]
) -> None:
    (block,) = parse_page(turned_back(tag((0, 0, 100, 50)), turn)).blocks
    assert [found.to_grid() for found in block.boxes] == [box]


@given(BOXES, TURNS)
def test_to_one_side_and_back_changes_nothing(
    boxes: list[tuple[int, int, int, int]], turn: int
) -> None:
    text = "".join(map(tag, boxes)) + tag(*boxes)
    back = turned_back(turned_back(text, turn), -turn % 360)
    kept = [box for block in parse_page(back).blocks for box in block.boxes]
    assert kept == [Box.from_grid(*box) for box in [*boxes, *boxes]]


@given(BOXES, TURNS)
def test_boxes_keep_their_size(boxes: list[tuple[int, int, int, int]], turn: int) -> None:
    before = parse_page(tag(*boxes)).blocks[0].boxes
    after = parse_page(turned_back(tag(*boxes), turn)).blocks[0].boxes
    for one, other in zip(before, after, strict=True):
        sides = (one.x1 - one.x0, one.y1 - one.y0)
        turned_sides = (other.x1 - other.x0, other.y1 - other.y0)
        assert turned_sides == pytest.approx(sides if turn in (0, 180) else sides[::-1], abs=1e-9)


def test_the_tags_of_unlimited_ocr_are_turned_too() -> None:
    text = "<|det|>title [52, 40, 816, 63]<|/det|>A title"
    assert turned_back(text, 180) == "<|det|>title [183, 936, 947, 959]<|/det|>A title"


def test_dirty_lists_that_the_grammar_reads_are_turned() -> None:
    text = "<|ref|>text<|/ref|><|det|>[[144, clef 0, 848, 100]]<|/det|>\nx"
    (block,) = parse_page(turned_back(text, 180)).blocks
    assert [box.to_grid() for box in block.boxes] == [(151, 899, 855, 999)]


@pytest.mark.parametrize(
    "text",
    [
        "<|ref|>equation<|/ref|><|det|>[0.5ex] \n\\[",
        "<|ref|>equation<|/ref|><|det|>[[114",
        "no tag [[1, 2, 3, 4]]",
        "<|ref|>text<|/ref|><|det|><|/det|>",
        "<|det|>[[a long sentence about 1 or 2 or 3 or 4 things that is no list at all]]<|/det|>",
    ],
)
def test_lists_that_cannot_be_read_stay_unchanged(text: str) -> None:
    assert turned_back(text, 90) == text


@given(st.text(alphabet="<|>/refdt[]0123456789, .-\nx", max_size=200), TURNS)
def test_it_never_fails_on_any_text(text: str, turn: int) -> None:
    turned_back(text, turn)
