"""Splits a statement into parts that each have a figure, and finds what each part names.

"Net sales were 622 and the gross profit was 2,071" names both rows and has the figures of both; that
the figures are swapped shows only if each part is checked by itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from ....text.dates import Date
from ....text.languages import languages
from ....text.numerals import Number, is_year
from ....text.terms import content_terms
from ....text.word_lists import SCALE_WORDS
from ..facts import Name, years_in
from ..lexicon import LEVEL_JOINTS, PART_JOINTS, UNIT_WORDS, direction
from ..row_labels import NamedRows
from ..statements import Statement
from .designations import Designation, designated, designations

__all__ = [
    "ClaimParts",
    "Marks",
    "breaks_of",
    "has_parts",
    "marks_around",
    "marks_of",
    "part_at",
    "part_spans",
]

Marks = dict[str, frozenset[str]]
"""Maps a word to the letters or numbers that follow it: "probe" has "a" and "b"."""

_MARK_BREAK: Final = r"[;,](?=\s)|\s(?=\()|\s[–—](?=\s)"
"""Punctuation after which a sentence may go on with another figure."""


class ClaimParts:
    """The parts of a claim.

    Args:
        claim: The statement.
        question: What it answers.
        equivalents: For each word of claim and question, its equivalents in the sources.
        numbered: The words whose numbers are marks.
    """

    def __init__(
        self,
        claim: Statement,
        question: Statement,
        equivalents: Mapping[str, Collection[str]],
        numbered: Collection[str],
    ) -> None:
        self._claim = claim
        self._equivalents = equivalents
        plain = claim.facts.plain
        self._named = designations(plain, numbered)
        self._asked = designations(question.facts.plain, numbered)
        whole = [each.span for each in self._named]
        figures = [
            n for n in claim.facts.numbers if not (is_year(n.text) or _within(n.span, whole))
        ]
        counted: Sequence[Number | Date] = figures or claim.facts.dates
        whole += [date.span for date in claim.facts.dates]
        self._spans = part_spans(plain, [fact.span for fact in counted], whole)
        self._parts = [Statement.of(plain[slice(*span)]) for span in self._spans]
        self._rows: dict[int, NamedRows] = {}

    def of(self, fact: Number | Date | Name) -> Statement:
        """The part that has a fact; the whole claim if it has only one part."""
        return self._parts[self._index(fact)] if len(self._parts) > 1 else self._claim

    def years(self, fact: Number | Date) -> frozenset[int]:
        """The years that the part with a fact names; none if the claim has only one part."""
        return years_in(self.of(fact).text) if len(self._parts) > 1 else frozenset()

    def rows(self, fact: Number | Date) -> NamedRows | None:
        """The rows that the part with a fact names, or the part before it if this one has only figures.

        None if the claim has only one part.
        """
        if len(self._parts) < 2:
            return None
        index = self._index(fact)
        if index not in self._rows:
            naming = index
            while naming and not self._has_words(naming):
                naming -= 1
            said = {*content_terms(self._parts[index].text), *self._terms_of(naming)}
            if naming != index:
                # "8,460 in 2024 and 7,920 in 2023": the second part takes the first one's words, not its year.
                said |= {*filter(str.isalpha, content_terms(self._parts[naming].text))}
            for word in self._parts[naming].words:
                said |= {*self._equivalents.get(word, ())}
            self._rows[index] = NamedRows(frozenset(said), (self._parts[naming].text,))
        return self._rows[index]

    def terms(self) -> frozenset[str]:
        """The terms of all designations in claim and question: "probe a"."""
        return self._with_equivalents((*self._named, *self._asked))

    def bare_marks(self) -> frozenset[str]:
        """The same for columns whose whole name is a mark: " a"."""
        marks = (mark for each in (*self._named, *self._asked) for mark in each.marks)
        return frozenset(designated("", mark) for mark in marks)

    def marks(self, fact: Number | Date | Name) -> Marks:
        """The letters and numbers that follow words in the part with a fact.

        A word without one there may have one in an earlier part, a later part, or the question.
        """
        return marks_of(self._asked) | marks_around(self._named, self._spans, fact.span)

    def is_mark(self, name: Name) -> bool:
        """Whether a name is just a letter after a word, as in "Ward B"."""
        return len(name.text) == 1 and _within(name.span, [each.span for each in self._named])

    def _index(self, fact: Number | Date | Name) -> int:
        return part_at(self._spans, fact.span)

    def _has_words(self, index: int) -> bool:
        """Whether a part names anything; a part in parentheses always counts."""
        part = self._parts[index]
        if part.text.lstrip().startswith("("):
            return True
        return any(
            word not in UNIT_WORDS and word not in SCALE_WORDS and not direction(word)
            for word in part.words & self._claim.words
        ) or bool(self._terms_of(index))

    def _terms_of(self, index: int) -> frozenset[str]:
        own = [each for each in self._named if _overlap(each.span, self._spans[index])]
        return self._with_equivalents(own)

    def _with_equivalents(self, found: Collection[Designation]) -> frozenset[str]:
        return frozenset(
            designated(word, mark)
            for each in found
            for word in {each.word, *self._equivalents.get(each.word, ())}
            for mark in each.marks
        )


def has_parts(claim: Statement) -> bool:
    """Whether a claim has several parts, each with a figure or a date."""
    figures = [number for number in claim.facts.numbers if not is_year(number.text)]
    spans = [fact.span for fact in figures or claim.facts.dates]
    return len(part_spans(claim.facts.plain, spans)) > 1


def marks_of(found: Collection[Designation]) -> Marks:
    """The marks of each word in the designations."""
    marks: Marks = {}
    for each in found:
        marks[each.word] = marks.get(each.word, frozenset()) | each.marks
    return marks


def marks_around(
    named: Collection[Designation], parts: Sequence[tuple[int, int]], span: tuple[int, int]
) -> Marks:
    """The marks that follow words in the part of a sentence that has a span.

    For a word without a mark there, earlier parts are searched, and then later ones. Marks within
    the span itself do not count.
    """
    found: Marks = {}
    index = part_at(parts, span)
    for place in (*range(index, -1, -1), *range(index + 1, len(parts))):
        own = [d for d in named if _overlap(d.span, parts[place]) and not _overlap(d.span, span)]
        found = marks_of(own) | found
    return found


def part_spans(
    plain: str, figures: Sequence[tuple[int, int]], whole: Sequence[tuple[int, int]] = ()
) -> tuple[tuple[int, int], ...]:
    """The spans of the parts of a sentence, each with at least one figure if there is any.

    Words before a figure belong to it, unless a figure of the same part comes before them.

    Args:
        plain: Without markup.
        figures: The spans of its figures.
        whole: Spans that are not split, such as "Probes 3 and 5".

    Example:
        >>> text = "Oil was 12 and, for once, coal 14."
        >>> [text[slice(*span)] for span in part_spans(text, [(8, 10), (31, 33)])]
        ['Oil was 12 ', 'and, for once, coal 14.']
    """
    if len(figures) < 2:
        return ((0, len(plain)),)
    starts = sorted(start for start, _ in figures)
    parts: list[tuple[int, int]] = []
    begin = 0
    for match in breaks_of(plain):
        cut = match.start()
        if any(start < cut < end for start, end in whole):
            continue
        if _counted(starts, begin, cut) and _counted(starts, cut, len(plain)):
            parts.append((begin, cut))
            begin = cut
    return (*parts, (begin, len(plain)))


def breaks_of(plain: str) -> Iterator[re.Match[str]]:
    """Where a sentence may be split, by the conjunctions of its language."""
    return _breaks(languages(plain)).finditer(plain)


@lru_cache(maxsize=64)
def _breaks(spoken: frozenset[str]) -> re.Pattern[str]:
    """Where a sentence in these languages may be split; as in English, if none of them is known."""
    known = [language for language in spoken if language in PART_JOINTS] or ["en"]
    joints = " ".join(PART_JOINTS[language] for language in known).split()
    levels = " ".join(LEVEL_JOINTS[language] for language in known).split()
    return re.compile(
        rf"{_MARK_BREAK}|\b(?:{'|'.join(joints)})\b|\b(?:{'|'.join(levels)})\s(?=[$€£]?[0-9])",
        re.IGNORECASE,
    )


def part_at(parts: Sequence[tuple[int, int]], span: tuple[int, int]) -> int:
    """The index of the part that has a span."""
    return max(0, bisect_right([start for start, _ in parts], span[0]) - 1)


def _counted(starts: Sequence[int], begin: int, end: int) -> int:
    return bisect_right(starts, end - 1) - bisect_right(starts, begin - 1)


def _within(span: tuple[int, int], spans: Collection[tuple[int, int]]) -> bool:
    return any(_overlap(span, other) for other in spans)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
