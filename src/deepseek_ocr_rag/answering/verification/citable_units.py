"""Splits a passage into units that can be cited: sentences, list items and table rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ...document.table_heads import cells_of_row, is_group_row
from ...retrieval.retriever import Passage
from ...text.numerals import is_year
from ...text.plain_text import plain_text
from ...text.sentences import sentence_spans
from ...text.terms import terms
from ...text.word_lists import MONTHS
from .table_figures import figures_of, is_row_of_figures
from .table_runs import TABLE_STARTS, TableRun, introduces, is_repeated, table_runs

__all__ = ["CitableUnit", "TableKey", "citable_units", "introduction_above", "years_above"]

_ITEM: Final = re.compile(
    r"(?:[-*•]|\(?(?:[0-9]{1,2}|[a-z])[.)])\s"
    r"|[(\uff08]?(?:[0-9]{1,2}|[一二三四五六七八九十]{1,3})[\uff09、\uff0e]"
)
_FIGURES: Final = re.compile(r"[-−–+($€£¥]*(?:[0-9][0-9.,]*[)%]*)?")
_PERIOD: Final = re.compile(
    r"(?:[\s,.&]|[0-9]{1,2}\b|(?:19|20)[0-9]{2}\b"
    rf"|\b(?:{'|'.join(MONTHS)}|years?|months?|quarters?|weeks?|fiscal|ended|ending|as|of|at"
    r"|for|the|three|six|nine|twelve)\b)+",
    re.IGNORECASE,
)
_YEAR: Final = re.compile(r"\b(?:19|20)[0-9]{2}\b")

LONGEST_UNIT: Final = 8000
"""Characters of a sentence or a row; longer text is cut."""

MOST_BETWEEN: Final = 2
"""Most characters between two adjacent blocks of a page: the empty line."""

LONGEST_PERIOD: Final = 80
"""Characters of a line that names the columns of figures below it."""

MOST_NAMES: Final = 4
"""Lines between a label and its figures."""

FEWEST_REPEATS: Final = 3
"""If at least this many rows have the same label, such as "Weighted average rate", each belongs to
the row above it."""

_ENDS: Final = re.compile(r"(?:(?<!\b[A-Z])\.|[!?:;|>]|^#.*)$")
"""The end of a line that cannot be the label of a row."""


TableKey = tuple[str, int, int]
"""Document, page, and offset of a table's first row: equal for all parts of a long table that
spans several passages."""


@dataclass(frozen=True, slots=True)
class CitableUnit:
    """A sentence, list item or table row of a passage."""

    passage: int  # index
    index: int  # among all units of the passage
    span: tuple[int, int]  # ``(start, end)`` in the passage's text
    text: str  # that part of the text
    above: str  # what is over it: heading, introduction, head of its table; may be empty
    terms: frozenset[str]
    terms_above: frozenset[str]  # those of ``above``
    heads: tuple[str, ...] = ()  # for a table row, the rows of its table's head, if it is known
    table: TableKey | None = None  # of a table row

    @property
    def is_row(self) -> bool:
        """Whether it is a table row."""
        return self.table is not None


def citable_units(
    passage: Passage, number: int, years: tuple[str, ...] = (), introduction: str = ""
) -> tuple[CitableUnit, ...]:
    """Split a passage; ``number`` is its index, stored in the units.

    ``years`` are the years of the last line of years above the passage, which may be in an
    earlier passage: see :func:`years_above`. If the passage begins with a table, ``introduction`` is
    the line before it that introduces the table: see :func:`introduction_above`. Such a line may
    have numbers of its own, such as test conditions.

    A sentence belongs under the heading over it; a list item also under the line that introduces
    the list; a table row under the line above the table, the table's head, and the last row that is
    only a label ("Cost of sales:"). A row whose label is repeated again and again
    belongs to the row above it. A table that begins with figures takes the head of the table
    before it, if it has as many columns and only introductions are between them.

    A heading or the head of a table is a unit only if nothing is under it.
    """
    return _Splitter(passage, number, years, introduction).units()


def years_above(passages: Sequence[Passage]) -> list[tuple[str, ...]]:
    """For each passage the years of the last line of years above it on its page.

    Each passage is read once, in the order of its page.
    """
    found: list[tuple[str, ...]] = [()] * len(passages)
    starts = [(passage.source, *_start(passage)) for passage in passages]
    order = sorted(range(len(passages)), key=starts.__getitem__)
    for _, page in groupby(order, key=lambda index: starts[index][:2]):
        years: tuple[str, ...] = ()
        # Passages that begin at the same place are not above each other.
        groups = [list(same) for _, same in groupby(page, key=starts.__getitem__)]
        for same in groups:
            for index in same:
                found[index] = years
            for index in same if same is not groups[-1] else ():
                splitter = _Splitter(passages[index], 0, years)
                splitter.units()
                years = splitter.years
    return found


def introduction_above(passage: Passage, before: Sequence[Passage]) -> str:
    """The line at the end of the passage directly before one, if it introduces what follows."""
    source, (page, start) = passage.source, _start(passage)
    for above in before:
        last = above.pieces[-1] if above.pieces else None
        if last is None or (above.source, last.page) != (source, page):
            continue
        if 0 <= start - last.span[1] <= MOST_BETWEEN:
            splitter = _Splitter(above, 0)
            splitter.units()
            return splitter.introduction
    return ""


def _start(passage: Passage) -> tuple[int, int]:
    """The page and offset where the passage's own text begins, after what earlier passages repeat."""
    own = [piece for piece in passage.pieces if not piece.repeated]
    return (own[0].page, own[0].span[0]) if own else (passage.page, 0)


class _Splitter:
    def __init__(
        self, passage: Passage, number: int, years: tuple[str, ...] = (), introduction: str = ""
    ) -> None:
        self._passage = passage
        self._number = number
        spans = _with_figures(passage.text, sentence_spans(passage.text))
        self._spans = [part for span in spans for part in _parts(passage.text, *span)]
        self._body: list[CitableUnit] = []
        self._headings: list[CitableUnit] = []
        self._waiting: list[CitableUnit] = []  # the head of a table without rows so far
        self._heading = ""
        self.introduction = introduction
        self._last: TableRun | None = None  # the last table with a head
        self._above_last = ""  # the line that introduces it
        self.years = years  # the years of the last line that has nothing else

    def units(self) -> tuple[CitableUnit, ...]:
        index = 0
        while index < len(self._spans):
            last = index
            while last < len(self._spans) and _is_row(self._text(last)):
                last += 1
            for run in table_runs(self._passage, self._spans, index, last):
                self._add_table(run)
            if last == index:
                self._add_text(index)
                last += 1
            index = last
        self._body += self._waiting
        return tuple(self._body or self._headings)

    def _text(self, index: int) -> str:
        return self._passage.text[slice(*self._spans[index])]

    def _add_text(self, index: int) -> None:
        text = self._text(index)
        if _is_heading(text, self._spans[index][0], self._passage):
            self.introduction, self._last, self.years = "", None, ()
            self._headings.append(self._unit(index, self._heading))
            self._heading = text
            return
        for line in filter(_is_period, text.splitlines()):
            self.years = tuple(_YEAR.findall(line)) or self.years
        is_item = _ITEM.match(text) is not None or is_row_of_figures(plain_text(text))
        if index + 1 < len(self._spans) and _is_row(self._text(index + 1)):
            # "Year 2024" above a table is not a row of figures, but "$ 7,267 $ 7,033" is.
            several = len(figures_of(plain_text(text), 0)) > 1
            is_item = is_item and (several or not introduces(text))
        introduction = self.introduction if is_item else ""
        unit = self._unit(index, _joined(self._heading, introduction))
        if not is_item:
            self.introduction = text if introduces(text) else ""
            self._last = self._last if introduces(text) else None
        if unit.terms:
            self._body.append(unit)

    def _add_table(self, run: TableRun) -> None:
        heads = tuple(map(self._text, run.head))
        above = self.introduction
        if run.head:
            self._last, self._above_last = run, above
        elif self._last is not None and self._last.columns == run.columns:
            heads = tuple(map(self._text, self._last.head))
            if self._above_last != above:
                above = _joined(self._above_last, above)
        if run.columns == len(self.years) + 1 and not _YEAR.search("".join(heads)):
            # Backends read the head of some statements as a line of text.
            heads = (*heads, f"| | {' | '.join(self.years)} |")
        table = self._key((*run.head, *run.body)[0])
        if run.body or not self._waiting:
            self._waiting = [] if run.body else [self._unit(i, self._heading) for i in run.head]
        group = row = ""
        labels = Counter(_label(self._text(index)) for index in run.body)
        for index in run.body:
            text = self._text(index)
            label, alone = _label(text), is_group_row(text)
            again = labels[label] >= FEWEST_REPEATS
            of = ("" if alone else group, row if again else "")
            unit = self._unit(index, _joined(self._heading, above, *heads, *of), heads, table)
            group, row = (text, "") if alone else (group, row if again else label)
            if unit.terms and not is_repeated(self._passage, unit.span[0]):
                self._body.append(unit)

    def _key(self, first: int) -> TableKey:
        start = self._spans[first][0]
        for piece in self._passage.pieces:
            if piece.offset <= start < piece.end:
                return self._passage.source, piece.page, piece.span[0] + start - piece.offset
        return self._passage.source, self._passage.page, start

    def _unit(
        self, index: int, above: str, heads: tuple[str, ...] = (), table: TableKey | None = None
    ) -> CitableUnit:
        text = self._text(index)
        own, own_above = (frozenset(terms(plain_text(part))) for part in (text, above))
        span = self._spans[index]
        return CitableUnit(self._number, index, span, text, above, own, own_above, heads, table)


def _is_row(text: str) -> bool:
    """Whether a text is a table row. "| Reported cases" is not: it is a caption with a stroke."""
    return text.startswith(TABLE_STARTS) and (text[0] != "|" or text.endswith("|"))


def _label(row: str) -> str:
    return (cells_of_row(row) or ("",))[0].strip()


def _joined(*parts: str) -> str:
    return " ; ".join(filter(None, parts))


def _with_figures(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Joins lines of figures to the label before them: a table row with one cell per line."""
    joined: list[tuple[int, int]] = []
    for are_figures, run in groupby(spans, lambda span: _is_figures(text[slice(*span)])):
        found = list(run)
        cells = " ".join(text[slice(*span)] for span in found).split()
        # The names of the columns may be between the label and its figures.
        at = len(joined) - 1
        while at > 0 and len(joined) - at < MOST_NAMES and _is_period(text[slice(*joined[at])]):
            at -= 1
        label = text[slice(*joined[at])] if joined else ""
        years = all(is_year(cell) for cell in cells)
        # A single number may be the number of a page or of a figure.
        if are_figures and len(cells) > 1 and label and not (years or _ENDS.search(label)):
            joined[at:] = [(joined[at][0], found[-1][1])]
        else:
            joined += found
    return joined


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split a span that is longer than any sentence, because comparing takes more than linear time."""
    while end - start > LONGEST_UNIT:
        cut = text.rfind(" ", start + LONGEST_UNIT // 2, start + LONGEST_UNIT) + 1
        cut = cut or start + LONGEST_UNIT
        yield start, cut
        start = cut
    yield start, end


def _is_period(line: str) -> bool:
    """Whether a line has only years or a period, as above a column of figures."""
    return len(line) <= LONGEST_PERIOD and _PERIOD.fullmatch(line) is not None


def _is_figures(line: str) -> bool:
    return all(map(_FIGURES.fullmatch, line.split()))


def _is_heading(text: str, start: int, passage: Passage) -> bool:
    kind = next((p.kind for p in passage.pieces if p.offset <= start < p.end), "")
    return kind in ("title", "sub_title") or text.startswith("#")
