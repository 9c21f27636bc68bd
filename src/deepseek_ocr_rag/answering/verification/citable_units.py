"""Splits a passage into what can be cited: sentences, list items and table rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ...retrieval.retriever import Passage
from ...text.plain_text import plain_text
from ...text.sentences import sentence_spans
from ...text.terms import terms

__all__ = ["CitableUnit", "citable_units"]

_TABLE: Final = ("|", "<t", "</t")
_FIGURES: Final = re.compile(r"[-−–+($€£¥]*(?:[0-9][0-9.,]*[)%]*)?")
_ENDS: Final = re.compile(r"(?:(?<!\b[A-Z])\.|[!?:;|>]|^#.*)$")
"""The end of a line that cannot be the label of a row."""


@dataclass(frozen=True, slots=True)
class CitableUnit:
    """A sentence, list item or table row of a passage."""

    passage: int  # index
    index: int  # among all units of the passage
    span: tuple[int, int]  # ``(start, end)`` in the passage's text
    text: str  # that part of the text
    above: str  # the heading over it and, for a table row, its table's head; may be empty
    terms: frozenset[str]
    terms_above: frozenset[str]  # those of ``above``
    head: str = ""  # for a table row, the first row of its table as far as the passage has it

    @property
    def is_row(self) -> bool:
        """Whether it is a table row."""
        return self.text.startswith(_TABLE)


def citable_units(passage: Passage, number: int) -> tuple[CitableUnit, ...]:
    """Split a passage; ``number`` is its index, stored in the units.

    A heading or the head of a table is a unit only if nothing stands under it.
    """
    body: list[CitableUnit] = []
    headings: list[CitableUnit] = []
    heading = head = ""
    waiting: CitableUnit | None = None
    for index, span in enumerate(_with_figures(passage.text, sentence_spans(passage.text))):
        text = passage.text[slice(*span)]
        head = head if text.startswith(_TABLE) else ""
        above = " ; ".join(filter(None, (heading, head)))
        own, own_above = (frozenset(terms(plain_text(part))) for part in (text, above))
        unit = CitableUnit(number, index, span, text, above, own, own_above, head)
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
    """Joins lines of figures to the label before them: a table row with one cell per line."""
    joined: list[tuple[int, int]] = []
    for are_figures, run in groupby(spans, lambda span: _is_figures(text[slice(*span)])):
        found = list(run)
        cells = " ".join(text[slice(*span)] for span in found).split()
        label = text[slice(*joined[-1])] if joined else ""
        # A single number may be that of a page or of a figure.
        if are_figures and len(cells) > 1 and label and not _ENDS.search(label):
            joined[-1] = (joined[-1][0], found[-1][1])
        else:
            joined += found
    return joined


def _is_figures(line: str) -> bool:
    return all(map(_FIGURES.fullmatch, line.split()))


def _is_heading(text: str, start: int, passage: Passage) -> bool:
    kind = next((p.kind for p in passage.pieces if p.offset <= start < p.end), "")
    return kind in ("title", "sub_title") or text.startswith("#")
