"""A network of DeepSeek-OCR's architecture that really reads: what it writes, where, and how surely;
and an adapter that taught it another face.

See ``support/small_reader.py``. These pages were in no training; the larger sets are in
``benchmarks/training/reading.py``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import pytest
from drawn_pages import FACE, DrawnPage, drawn_page, pdf_of
from rapidfuzz.distance import Levenshtein
from small_reader import write_adapter

from deepseek_ocr_rag import Box, Page, Reader, TransformersBackend
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.training import merge

PAGES = ((0, 0.4), (7, 0.4), (4, 0.6))
"""Numbers of pages and how full they are: few, short and with blocks of every kind."""

ITALIC = ("Times-Italic", "Times-BoldItalic")


def page(name: str, level: float = 1.0, face: tuple[str, str] = FACE) -> DrawnPage:
    return drawn_page(random.Random(name), level, face)


def right_text(page: DrawnPage) -> str:
    """The page's text as it is when everything was read well."""
    return parse_page(page.answer(), recorded=False).markdown


def wrong_share(pairs: Sequence[tuple[str, str]]) -> float:
    """Wrong characters by right ones."""
    return sum(Levenshtein.distance(*pair) for pair in pairs) / sum(
        len(right) for right, _ in pairs
    )


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    both = one.intersection(other)
    shared = both.area if both else 0.0
    return shared / (one.area + other.area - shared)


@pytest.fixture(scope="module")
def backend(checkpoint: Path) -> Iterator[TransformersBackend]:
    found = TransformersBackend(checkpoint, device="cpu", attempts=1, batch_size=10)
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages() -> list[DrawnPage]:
    return [page(f"unseen page 5.{number}", level) for number, level in PAGES]


@pytest.fixture(scope="module")
def greek() -> list[DrawnPage]:
    """Pages in an alphabet that was in no training."""
    return [page(f"greek {number}", 0.1, ("Symbol", "Symbol")) for number in (2, 6)]


@pytest.fixture(scope="module")
def italic() -> list[DrawnPage]:
    """Short pages in a face that only the adapter knows."""
    return [page(f"italic {number}", 0.15, ITALIC) for number in (1, 2)]


def read_with(backend: TransformersBackend, pages: list[DrawnPage]) -> tuple[Page, ...]:
    """A PDF of all pages, as a user reads it, in one batch."""
    return Reader(backend, resolution="tiny", cache=False).read(pdf_of(pages)).pages


@pytest.fixture(scope="module")
def read(
    backend: TransformersBackend,
    pages: list[DrawnPage],
    greek: list[DrawnPage],
    italic: list[DrawnPage],
) -> tuple[Page, ...]:
    return read_with(backend, [*pages, *greek, *italic])


@pytest.fixture(scope="module")
def document(read: tuple[Page, ...]) -> tuple[Page, ...]:
    """The pages in print that it knows."""
    return read[: len(PAGES)]


def test_it_reads_words_figures_and_tables_that_it_never_saw(
    document: tuple[Page, ...], pages: list[DrawnPage]
) -> None:
    assert {block.label for each in pages for block in each.blocks} == {
        "title", "sub_title", "text", "table",
    }  # fmt: skip
    pairs = [
        (right_text(right), found.markdown) for right, found in zip(pages, document, strict=True)
    ]
    assert wrong_share(pairs) <= 0.02
    assert {each.finish_reason for each in document} == {"stop"}
    assert {each.attempts for each in document} == {1}


def test_every_block_has_its_kind_and_its_place(
    document: tuple[Page, ...], pages: list[DrawnPage]
) -> None:
    overlaps = []
    for right, found in zip(pages, document, strict=True):
        kinds = [block.label for block in right.blocks]
        assert [block.kind for block in found.blocks] == kinds
        overlaps += [
            overlap(Box(*wanted.box), block.boxes[0])
            for wanted, block in zip(right.blocks, found.blocks, strict=True)
        ]
    assert sum(overlaps) / len(overlaps) >= 0.9
    assert min(overlaps) > 0.5


def test_it_doubts_letters_that_it_cannot_read(
    read: tuple[Page, ...], document: tuple[Page, ...], greek: list[DrawnPage]
) -> None:
    """Of an alphabet that it was never taught, it writes something, and is not sure of it."""
    found = read[len(PAGES) : len(PAGES) + 2]
    pairs = [(p.free_text(), each.markdown) for p, each in zip(greek, found, strict=True)]
    assert wrong_share(pairs) > 0.5
    doubted, sure = (
        fmean(block.confidence or 0 for each in some for block in each.blocks)
        for some in (found, document)
    )
    assert doubted < sure - 0.05


def test_a_page_is_read_alone_as_it_is_among_others(
    backend: TransformersBackend, document: tuple[Page, ...], pages: list[DrawnPage]
) -> None:
    (alone,) = read_with(backend, pages[1:2])
    assert [(block.kind, block.boxes) for block in alone.blocks] == [
        (block.kind, block.boxes) for block in document[1].blocks
    ]
    assert alone.markdown == document[1].markdown


def test_an_adapter_taught_it_another_face_and_merged_weights_read_the_same(
    checkpoint: Path,
    read: tuple[Page, ...],
    italic: list[DrawnPage],
    pages: list[DrawnPage],
    tmp_path: Path,
) -> None:
    """The adapter of ``benchmarks/training/new_face.py``; what is ordinary is still read."""
    adapter = write_adapter(tmp_path / "adapter")
    right = [right_text(each) for each in (*italic, pages[1])]
    before = [each.markdown for each in read[len(PAGES) + 2 :]]
    assert wrong_share(list(zip(right[:-1], before, strict=True))) > 0.5
    texts = []
    for model, changes, given in (
        (checkpoint, adapter, [*italic, pages[1]]),
        (merge(checkpoint, adapter, tmp_path / "merged"), None, italic),
    ):
        backend = TransformersBackend(
            model, adapter=changes, device="cpu", attempts=1, batch_size=4
        )
        texts.append([each.markdown for each in read_with(backend, given)])
        backend.close()
    assert wrong_share(list(zip(right, texts[0], strict=True))) < 0.1
    assert texts[0][: len(italic)] == texts[1]
