"""A citation: the quoted words with their page and boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ...document.types import Box
from ...retrieval.chunking import ChunkPiece
from ...retrieval.retriever import Passage
from .citable_units import CitableUnit

__all__ = ["Citation", "citations"]


@dataclass(frozen=True, slots=True)
class Citation:
    """The source of a part of an answer.

    Attributes:
        source: The document.
        page: 1-based page number.
        boxes: The boxes of the quoted blocks on the page; empty if the backend gave none.
        quote: The words, exactly as in the page's Markdown.
        span: ``(start, end)`` of the quote in the page's Markdown.
        passage: Index of its passage in :attr:`Answer.passages`.
    """

    source: str
    page: int
    boxes: tuple[Box, ...]
    quote: str
    span: tuple[int, int]
    passage: int

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: source, page, boxes, quote."""
        return {
            "source": self.source,
            "page": self.page,
            "boxes": [[round(v, 6) for v in box.as_tuple()] for box in self.boxes],
            "quote": self.quote,
        }


def citations(passages: Sequence[Passage], units: Iterable[CitableUnit]) -> tuple[Citation, ...]:
    """Cite units, in any order, of passages.

    Consecutive units on one page become one citation; a text that runs over a page break becomes
    one citation per page.
    """
    found: list[Citation] = []
    # One row of tables that stand side by side has several units.
    rows = {(unit.passage, unit.index): unit for unit in units}
    ordered = [rows[key] for key in sorted(rows)]
    for _, run in groupby(
        enumerate(ordered), key=lambda item: (item[1].passage, item[1].index - item[0])
    ):
        group = [unit for _, unit in run]
        passage = passages[group[0].passage]
        start, end = group[0].span[0], group[-1].span[1]
        for pieces in _on_pages(passage, start, end):
            found.append(_citation(passage, group[0].passage, pieces, start, end))
    return tuple(found)


def _on_pages(passage: Passage, start: int, end: int) -> Iterator[list[ChunkPiece]]:
    """Group the pieces between two offsets so that each group is contiguous in a page's Markdown."""
    run: list[ChunkPiece] = []
    for piece in passage.pieces:
        if piece.end <= start or end <= piece.offset or piece.offset == piece.end:
            continue
        if run and (
            piece.page != run[-1].page
            or piece.span[0] - run[-1].span[1] != piece.offset - run[-1].end
        ):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _citation(
    passage: Passage, index: int, pieces: list[ChunkPiece], start: int, end: int
) -> Citation:
    start, end = max(start, pieces[0].offset), min(end, pieces[-1].end)
    shift = pieces[0].span[0] - pieces[0].offset
    return Citation(
        source=passage.source,
        page=pieces[0].page,
        boxes=tuple(dict.fromkeys(box for piece in pieces for box in piece.boxes)),
        quote=passage.text[start:end],
        span=(start + shift, end + shift),
        passage=index,
    )
