"""Finds tables by their rows: the words of a row, of the heads above it, and of its caption.

A row of a table says little by itself ("Total 8,802"). What it means is said by the names of the
columns, the caption, the units above it and the heading of its section. Each row is
indexed with these, so that a question whose words are spread over them finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ..document.captions import CAPTION_KINDS
from ..document.table_heads import table_rows
from ..text.plain_text import without_tags
from ..text.terms import search_terms, with_stems
from .bm25 import Bm25
from .chunking import Chunk, ChunkPiece

if TYPE_CHECKING:
    from .bm25 import Scores

__all__ = ["TableRowIndex"]

MIN_LENGTH: Final = 0.7
"""See :class:`Bm25`."""

LEAD_IN: Final = 300
"""Most characters of the text before a table that are taken as its introduction."""

MOST_ROWS: Final = 200
"""Most rows of a chunk that are indexed; a chunk of the usual size has fewer."""

_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+\s*")
_LETTERS: Final = re.compile(r"[^\W\d_]{2}")


class TableRowIndex:
    """The rows of the tables in chunks."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        import numpy as np

        rows: list[list[str]] = []
        owners: list[int] = []
        for number, chunk in enumerate(chunks):
            for row in _rows(chunk):
                rows.append(row)
                owners.append(number)
        self._size = len(chunks)
        self._owners = np.array(owners, dtype=np.intp)
        self._rows = Bm25(map(with_stems, rows), min_length=MIN_LENGTH)

    def scores(self, weights: Sequence[tuple[Sequence[str], float]]) -> Scores:
        """For each chunk, the best score of its rows; 0 if it has no table."""
        import numpy as np

        best = np.zeros(self._size)
        np.maximum.at(best, self._owners, self._rows.weighted(weights))
        return best


def _rows(chunk: Chunk) -> Iterator[list[str]]:
    above = search_terms(" ".join(chunk.section))
    captions = [
        search_terms(_text(chunk, piece)) for piece in chunk.pieces if piece.kind in CAPTION_KINDS
    ]
    left = MOST_ROWS
    before = ""
    head: list[str] = []
    for piece in chunk.pieces:
        text = _text(chunk, piece)
        if piece.kind != "table":
            before = text[-LEAD_IN:]
            head = []
            continue
        rows = table_rows(text)
        bounds = [*rows.starts, len(text)]
        if piece.repeated or rows.body:
            head = search_terms(text[: bounds[rows.body] if rows.body else len(text)])
        if piece.repeated:
            continue
        shared = [
            *above,
            *(term for terms in captions for term in terms),
            *head,
            *search_terms(before),
        ]
        for start, end in zip(bounds[rows.body : -1], bounds[rows.body + 1 :], strict=True):
            row = _RULE.sub(" ", text[start:end])
            if left and _LETTERS.search(without_tags(row)):
                left -= 1
                yield search_terms(row) + shared


def _text(chunk: Chunk, piece: ChunkPiece) -> str:
    return chunk.text[piece.offset : piece.end]
