from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.errors import PageRangeError
from deepseek_ocr_rag.sources.source import parse_page_selection


@pytest.mark.parametrize(
    ("selection", "pages"),
    [
        ("1-3,7", (1, 2, 3, 7)),
        ("7,1-3", (1, 2, 3, 7)),
        ("2", (2,)),
        (" 1 - 2 , 4 ", (1, 2, 4)),
        ("8-", (8, 9, 10)),
        ("2-~4", (2, 3, 4)),
        ("9-~40", (9, 10)),
        ("1-4,2-5,3", (1, 2, 3, 4, 5)),
        ([7, 1, 1], (1, 7)),
        (range(2, 4), (2, 3)),
        (5, (5,)),
        (None, tuple(range(1, 11))),
    ],
)
def test_selections_name_each_page_once_and_in_order(selection, pages):
    assert parse_page_selection(selection, 10) == pages


@pytest.mark.parametrize(
    "selection",
    [
        "",
        "0",
        "3-1",
        "11-~40",
        "~3",
        "3-~2",
        "x",
        "11",
        "1-11",
        "11-",
        "1,,2",
        "-",
        "--3",
        "-3",
        "-~3",
        "1-2-3",
        "1.5",
        "1 2",
        "-0",
        "9" * 5000,
        "٣",
        [],
        [0],
        [-1],
        [True],
        ["1"],
        [1.0],
    ],
)
def test_a_wrong_selection_names_the_document_and_its_page_count(selection):
    with pytest.raises(PageRangeError, match=r"report\.pdf.*the document has 10 pages"):
        parse_page_selection(selection, 10, source="report.pdf")


@pytest.mark.parametrize("selection", ["1-999999999999", "999999999999-", range(1, 10**12)])
def test_a_huge_range_is_refused_without_being_built(selection):
    tracemalloc.start()
    with pytest.raises(PageRangeError):
        parse_page_selection(selection, 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_many_overlapping_ranges_cost_no_more_than_their_pages():
    began = time.thread_time()
    pages = parse_page_selection(",".join(["1-10000"] * 20_000), 10_000)
    assert pages == tuple(range(1, 10_001))
    assert time.thread_time() - began < 2


@given(st.text(alphabet="0123456789-, x", max_size=20), st.integers(1, 50))
@settings(deadline=None, max_examples=300)
def test_any_text_gives_valid_pages_or_a_typed_error(selection, count):
    try:
        pages = parse_page_selection(selection, count)
    except PageRangeError:
        return
    assert pages
    assert list(pages) == sorted(set(pages))
    assert 1 <= pages[0] <= pages[-1] <= count


@given(st.sets(st.integers(1, 60), min_size=1))
@settings(deadline=None, max_examples=100)
def test_written_out_pages_are_read_back(pages):
    assert parse_page_selection(",".join(map(str, pages)), 60) == tuple(sorted(pages))


@pytest.mark.parametrize(
    ("selection", "pages", "told"),
    [
        ("9", 3, "there is no page 9; the document has 3 pages. Ask for pages from 1 to 3."),
        ([2], 1, "there is no page 2; the document has 1 page. Ask for page 1."),
        ("x", 3, "'x' is not a page or a range of pages; the document has 3 pages. Count from 1"),
    ],
)
def test_the_cure_fits_the_mistake(selection, pages, told):
    with pytest.raises(PageRangeError) as caught:
        parse_page_selection(selection, pages)
    assert str(caught.value).startswith(told)
