"""Page furniture: what recurs at the edge of the pages, and what only looks like it."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.document.furniture import page_furniture
from deepseek_ocr_rag.document.types import Block, Box, Page

BODY = ("text", "Body of the page.", 0.5)
Line = tuple[str, str, float]


def pages_of(*contents: list[Line], first: int = 1) -> list[Page]:
    """Pages of lines (kind, text, height of the upper edge)."""
    pages = []
    for number, lines in enumerate(contents, start=first):
        blocks = tuple(
            Block(kind, text, (Box(0.1, top, 0.9, min(1.0, top + 0.02)),))
            for kind, text, top in lines
        )
        pages.append(Page(number, "", blocks))
    return pages


def furniture_of(*contents: list[Line]) -> list[set[int]]:
    return [set(found.blocks) for found in page_furniture(pages_of(*contents))]


def test_a_running_head_is_found_by_repetition() -> None:
    contents = [[("text", "The Lighthouse Report", 0.03), BODY] for _ in range(4)]
    assert furniture_of(*contents) == [{0}] * 4


def test_its_first_occurrence_is_told_from_the_others() -> None:
    pages = pages_of(*[[("text", "The Lighthouse Report", 0.03), BODY] for _ in range(3)])
    assert [set(found.first) for found in page_furniture(pages)] == [{0}, set(), set()]


@pytest.mark.parametrize("form", ["{}", "- {} -", "Page {} of 9", "Report 2021, page {}", "A-{}"])
def test_a_line_that_counts_with_the_pages_is_furniture(form: str) -> None:
    contents = [[BODY, ("text", form.format(n + 7), 0.95)] for n in range(4)]
    assert furniture_of(*contents) == [{1}] * 4


def test_page_numbers_may_jump_as_long_as_they_stand_in_the_same_place() -> None:
    contents = [[BODY, ("text", str(n), 0.95)] for n in (3, 4, 19, 52)]
    assert furniture_of(*contents) == [{1}] * 4


def test_a_page_number_has_no_first_occurrence_to_keep() -> None:
    pages = pages_of(*[[BODY, ("text", f"Page {n} of 3", 0.95)] for n in (1, 2, 3)])
    assert [set(found.first) for found in page_furniture(pages)] == [set()] * 3


def test_several_lines_can_stand_at_one_edge() -> None:
    contents = [
        [("text", "Case 17-20406", 0.03), ("text", f"Page {n}", 0.06), BODY] for n in (1, 2, 3)
    ]
    assert furniture_of(*contents) == [{0, 1}] * 3


def test_a_line_inside_of_other_text_is_not_furniture() -> None:
    """The names of columns recur on every page of a long table, below its title."""
    contents = [
        [("text", f"Table {name}", 0.03), ("text", "Item Price", 0.06), BODY]
        for name in ("of lamps", "of wicks", "of oil")
    ]
    assert furniture_of(*contents) == [set()] * 3


def test_a_recurring_heading_means_something_unless_it_counts() -> None:
    contents = [
        [("sub_title", "## Balance Sheet", 0.03), BODY, ("sub_title", f"## Page {n}", 0.95)]
        for n in (1, 2, 3)
    ]
    assert furniture_of(*contents) == [{2}] * 3


def test_two_pages_are_too_few_to_tell() -> None:
    assert furniture_of(*[[("text", "The Report", 0.03), BODY] for _ in range(2)]) == [set()] * 2


def test_a_heading_on_most_pages_of_a_long_document_is_a_running_head() -> None:
    contents = [[("sub_title", "## The Report", 0.03), BODY] for _ in range(5)]
    assert furniture_of(*contents) == [{0}] * 5


def test_a_line_on_a_few_pages_is_not_furniture() -> None:
    contents = [
        [("text", "The Report" if n in (0, 9, 19) else "x" * n, 0.03), BODY] for n in range(20)
    ]
    assert furniture_of(*contents) == [set()] * 20


def test_a_chapter_can_have_a_running_head_of_its_own() -> None:
    contents = [
        [("text", "The Lamp" if n in (7, 9, 11) else "x" * n, 0.03), BODY] for n in range(30)
    ]
    assert [n for n, found in enumerate(furniture_of(*contents)) if found] == [7, 9, 11]


def test_what_recurs_in_the_middle_of_the_page_is_text() -> None:
    assert furniture_of(*[[("text", "See the note.", 0.4), BODY] for _ in range(4)]) == [set()] * 4


def test_labelled_furniture_needs_no_repetition() -> None:
    (found,) = page_furniture(pages_of([("header", "ACME", 0.03), BODY, ("page_number", "7", 0.9)]))
    assert (set(found.blocks), set(found.first)) == ({0, 2}, set())


def test_pages_without_boxes_have_only_labelled_furniture() -> None:
    pages = [Page(n, "", (Block("text", "The Report"), Block("footer", "x"))) for n in (1, 2, 3)]
    assert [set(found.blocks) for found in page_furniture(pages)] == [{1}] * 3
