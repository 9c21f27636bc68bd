"""What can be quoted of a passage: its sentences, list items and table rows, with their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ..answer import Citation
from ...retrieval.chunking import Piece
from .facts import plain_text
from ...retrieval.retriever import Passage
from ...text.sentences import sentence_spans
from ...text.terms import terms

__all__ = ["Quotable", "citations", "quotables"]

_TABLE: Final = ("|", "<t", "</t")
_FIGURES: Final = re.compile(r"[-−–+($€£¥]*(?:[0-9][0-9.,]*[)%]*)?")
_ENDS: Final = re.compile(r"(?:(?<!\b[A-Z])\.|[!?:;|>]|^#.*)$")
"""The end of a line that is no label of a row."""


@dataclass(frozen=True, slots=True)
class Quotable:
    """A sentence, list item or table row of a passage.

    Attributes:
        passage: Index of its passage.
        place: Index of it among all sentences of its passage.
        span: ``(start, end)`` in the passage's text.
        text: The words themselves.
        above: The heading over it in the passage and, for a table row, the head of
            its table; empty where there is none.
        terms: Its terms.
        terms_above: Those of what is above it.
    """

    passage: int
    place: int
    span: tuple[int, int]
    text: str
    above: str
    terms: frozenset[str]
    terms_above: frozenset[str]

    @property
    def is_row(self) -> bool:
        """Whether it is a table row."""
        return self.text.startswith(_TABLE)


def quotables(passage: Passage, index: int) -> tuple[Quotable, ...]:
    """All of a passage that can be quoted.

    Headings, and heads of tables, are quoted only where nothing stands under them.

    Args:
        passage: As it was found.
        index: Its index, which the quotables get.
    """
    body: list[Quotable] = []
    headings: list[Quotable] = []
    heading = head = ""
    waiting: Quotable | None = None
    for place, span in enumerate(_with_figures(passage.text, sentence_spans(passage.text))):
        text = passage.text[slice(*span)]
        head = head if text.startswith(_TABLE) else ""
        above = " ; ".join(filter(None, (heading, head)))
        unit = _quotable(index, place, span, text, above)
        if text.startswith(_TABLE):
            if not head:
                head, waiting = text, unit
            elif unit.terms:
                waiting = None
                body.append(unit)
            continue
        body += [waiting] if waiting else []
        waiting = None
        if _is_heading(text, span[0], passage):
            heading = text
            headings.append(unit)
        elif unit.terms:
            body.append(unit)
    body += [waiting] if waiting else []
    return tuple(body or headings)


def _with_figures(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Joins to a line those behind it that have only figures: a table's row, a cell a line."""
    joined: list[tuple[int, int]] = []
    for are_figures, run in groupby(spans, lambda span: _is_figures(text[slice(*span)])):
        found = list(run)
        cells = " ".join(text[slice(*span)] for span in found).split()
        label = text[slice(*joined[-1])] if joined else ""
        # A single number can be that of a page or of a figure.
        if are_figures and len(cells) > 1 and label and not _ENDS.search(label):
            joined[-1] = (joined[-1][0], found[-1][1])
        else:
            joined += found
    return joined


def _is_figures(line: str) -> bool:
    return all(map(_FIGURES.fullmatch, line.split()))


def _quotable(index: int, place: int, span: tuple[int, int], text: str, above: str) -> Quotable:
    words, words_above = (frozenset(terms(plain_text(part))) for part in (text, above))
    return Quotable(index, place, span, text, above, words, words_above)


def citations(passages: Sequence[Passage], quoted: Iterable[Quotable]) -> tuple[Citation, ...]:
    """Where quotables stand on their pages.

    Neighbours that follow each other on a page become one citation; what runs
    over a page's end becomes two.

    Args:
        passages: Those that the quotables are of.
        quoted: In any order.
    """
    found: list[Citation] = []
    ordered = sorted(quoted, key=lambda q: (q.passage, q.place))
    for _, run in groupby(
        enumerate(ordered), key=lambda item: (item[1].passage, item[1].place - item[0])
    ):
        units = [unit for _, unit in run]
        passage = passages[units[0].passage]
        start, end = units[0].span[0], units[-1].span[1]
        for pieces in _on_pages(passage, start, end):
            found.append(_citation(passage, units[0].passage, pieces, start, end))
    return tuple(found)


def _on_pages(passage: Passage, start: int, end: int) -> Iterator[list[Piece]]:
    """The pieces between two offsets of a passage, cut where the page's Markdown has something else between."""
    run: list[Piece] = []
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


def _citation(passage: Passage, index: int, pieces: list[Piece], start: int, end: int) -> Citation:
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


def _is_heading(text: str, start: int, passage: Passage) -> bool:
    kind = next((p.kind for p in passage.pieces if p.offset <= start < p.end), "")
    return kind in ("title", "sub_title") or text.startswith("#")
