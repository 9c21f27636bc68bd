"""Sentences put together from a model's words, checked one by one, and numbered citations.

A sentence is shown while it comes, up to its first citation or its end; what
follows is held back until the sentence is whole and checked. In strict mode all
of it is held back, and what no source supports is never shown.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..text.plain_text import plain_text
from ..text.sentences import sentence_spans
from ..text.terms import content_terms, terms
from .answer import NOT_FOUND, UNSUPPORTED, Sentence
from .cleaner import REMOVED_LINK, Mark, join_safely
from .verification.citation import Citation
from .verification.verifier import Verifier

__all__ = ["AnswerWriter"]

_ABSENT: Final = """
    answer available contain contained context detail document documents evidence find found given
    have include included information mention mentioned passage provide provided question say
    source sources specify specified state stated text there unfortunately
"""
_ABSENT_WORDS: Final = frozenset(terms(_ABSENT))
"""With these and the words of the question a sentence can only say that nothing was found."""

_NEGATION: Final = re.compile(r"\b(?:not|no|nothing|cannot|neither|nor)\b|n['’]t\b", re.IGNORECASE)


class AnswerWriter:
    """Checks the sentences of an answer while they come.

    Args:
        verifier: Knows the passages, as many as the model was given, and the question.
        question: What is answered.
        strict: Whether sentences without support are left out.

    Attributes:
        text: All that was shown.
        sentences: All that came.
        citations: In the order in which they were shown first.
        seconds: Spent on checking.
    """

    def __init__(self, verifier: Verifier, question: str, *, strict: bool = False) -> None:
        self.text = ""
        self.sentences: list[Sentence] = []
        self.citations: list[Citation] = []
        self.seconds = 0.0
        self._verifier = verifier
        self._question = frozenset(terms(question))
        self._strict = strict
        # What came since the last whole sentence, the marks in it, how much of it
        # was shown, and where that began in the text.
        self._open = ""
        self._marks: list[tuple[int, Mark]] = []
        self._shown = 0
        self._base = 0
        self._gap = ""

    def feed(self, parts: Iterable[str | Mark]) -> str:
        """Take what a cleaner gave; return what can be shown by now."""
        before = len(self.text)
        for part in parts:
            if isinstance(part, Mark):
                self._marks.append((len(self._open), part))
                continue
            self._open += part
            self._close_sentences()
            if not self._strict:
                self._show_until(self._marks[0][0] if self._marks else len(self._open))
        return self.text[before:]

    def finish(self) -> str:
        """The rest, after the last part; in strict mode that nothing was found, if that is so."""
        before = len(self.text)
        self._close_sentences()
        for start, end in sentence_spans(self._open):
            self._close(start, end, len(self._open) + 1)
        if self.sentences and not self.text:
            self._emit(NOT_FOUND)
        return self.text[before:]

    def _close_sentences(self) -> None:
        while len(spans := sentence_spans(self._open)) > 1:
            (start, end), (following, _) = spans[:2]
            self._close(start, end, following)

    def _close(self, start: int, end: int, following: int) -> None:
        """Check the first sentence, show what was held back of it, and go on behind it."""
        marks = [(min(place, end), mark) for place, mark in self._marks if place < following]
        if any(map(str.isalnum, _said(self._open[start:end]))):
            self._write(start, end, marks)
        elif not self._strict:
            self._show_until(end)
        self._marks = [(place - end, mark) for place, mark in self._marks if place >= following]
        self._open = self._open[end:]
        self._shown = max(0, self._shown - end)
        self._base = len(self.text)

    def _write(self, start: int, end: int, marks: Sequence[tuple[int, Mark]]) -> None:
        cited = tuple(dict.fromkeys(n - 1 for _, mark in marks for n in mark.numbers))
        sentence, found = self._check(self._open[start:end], cited)
        if self._strict:
            gap = max(self._open[:start], self._gap, key=lambda text: text.count("\n"))
            self._gap = gap
            if sentence.status != "supported":
                self.sentences.append(sentence)
                return
            self._gap, self._shown = "", start
            self._emit(gap if self.text else "")
        numbers: list[int] = []
        for place, space, label in _labels(sentence, found, marks, end):
            self._show_until(place)
            if isinstance(label, str):
                self._emit(space + label)
            else:
                new = [self._number(citation) for citation in label]
                self._emit(space + "".join(f"[{number + 1}]" for number in new))
                numbers += new
        self._show_until(end)
        begun = self.text[self._base :]
        start = self._base + len(begun) - len(begun.lstrip())
        self.sentences.append(
            replace(sentence, citations=tuple(numbers), span=(start, len(self.text)))
        )

    def _check(self, text: str, cited: tuple[int, ...]) -> tuple[Sentence, tuple[Citation, ...]]:
        """What becomes of a sentence, and where it stands."""
        if self._says_absent(text):
            return Sentence(text, "absent", cited=cited), ()
        begin = time.perf_counter()
        said = _said(text)
        verdict = self._verifier.verify(said, cited) if cited else self._verifier.find(said)
        self.seconds += time.perf_counter() - begin
        if verdict.supported:
            return Sentence(text, "supported", cited=cited), verdict.citations
        problem = verdict.problem if cited else "it cites no source, and none says it"
        return Sentence(text, "unsupported", cited=cited, problem=problem), ()

    def _says_absent(self, text: str) -> bool:
        words = set(content_terms(plain_text(text)))
        return words <= self._question | _ABSENT_WORDS and _NEGATION.search(text) is not None

    def _number(self, citation: Citation) -> int:
        if citation not in self.citations:
            self.citations.append(citation)
        return self.citations.index(citation)

    def _show_until(self, place: int) -> None:
        if place > self._shown:
            self._emit(self._open[self._shown : place])
            self._shown = place

    def _emit(self, text: str) -> None:
        self.text += join_safely(self.text, text)


def _said(text: str) -> str:
    """What of it the model wrote."""
    return text.replace(REMOVED_LINK, "")


def _labels(
    sentence: Sentence,
    found: tuple[Citation, ...],
    marks: Sequence[tuple[int, Mark]],
    end: int,
) -> Iterator[tuple[int, str, str | list[Citation]]]:
    """What to write into a sentence: its place, what stands before it, and a word or citations.

    A citation stands where the model cited its passage last.
    """
    last_place, last_space = (marks[-1][0], marks[-1][1].space) if marks else (end, " ")
    if sentence.status == "unsupported":
        yield last_place, last_space or " ", UNSUPPORTED
    elif not marks and found:
        yield end, " ", list(found)
    for position, (place, mark) in enumerate(marks):
        later = {number for _, other in marks[position + 1 :] for number in other.numbers}
        here = [c for n in mark.numbers if n not in later for c in found if c.passage == n - 1]
        if here:
            yield place, mark.space, here
