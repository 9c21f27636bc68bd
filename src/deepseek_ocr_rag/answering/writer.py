"""Assembles an answer from a model's text: checks each sentence and numbers its citations.

A sentence is shown while it comes, up to its first citation or its end; the rest is
held back until the sentence is complete and checked. In strict mode all of it is held
back, and an unsupported sentence is never shown. In both modes, a sentence that may still
turn out equal to an earlier one is held back, because equal sentences are shown only once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..text.sentences import ends_sentence, sentence_spans
from .answer import Sentence
from .cleaner import REMOVED_LINK, CitationMark, join_safely
from .fixed_texts import UNSUPPORTED
from .repetition import MOST_EQUAL, SentenceCounter
from .sentence_check import SentenceCheck
from .verification.citation import Citation
from .verification.verifier import Verifier

__all__ = ["AnswerWriter"]

_LIST_NUMBER: Final = re.compile(r"\(?\d{1,3}[.)]")

_MAY_END: Final = re.compile(r"[.!?…。！？｡\n]")
_LONGEST_END: Final = 16
"""Characters before a new part in which the mark that ends the previous sentence can be."""

_WINDOWS: Final = (2_000, 32_000)
"""Lengths of the open text's beginning to search for sentences before searching all of it."""

_SHORT: Final = 1_000
"""Open text up to this length is searched again at each mark that may end a sentence."""

_GROWTH: Final = 1.25
"""By how much longer text must have grown before it is searched again."""

BROKEN_OFF: Final = "…"
"""Marks where a sentence was shown in part but never completed."""


class AnswerWriter:
    """Checks the sentences of an answer while they come; in strict mode, removes unsupported ones."""

    def __init__(
        self,
        verifier: Verifier,
        question: str,
        *,
        strict: bool = False,
        most_sentences: int | None = None,
    ) -> None:
        self.text = ""  # all shown so far
        self.sentences: list[Sentence] = []  # all so far, including removed ones
        self.citations: list[Citation] = []  # in the order in which they were first shown
        self.seconds = 0.0  # spent on checking
        self.repeats = False  # a sentence came for the third time; what follows is ignored
        self.wordless = False  # something without a word, such as "...", was left out
        self._counter = SentenceCounter()
        self._check = SentenceCheck(verifier, question)
        self._strict = strict
        self._most = most_sentences
        # The text since the last complete sentence, the marks in it with their offsets, how
        # much of it was shown, and where it begins in self.text.
        self._open = ""
        self._has_word = False  # in the open text
        self._searched = 0  # length of the open text when it was last found to have no end
        self._has_mark = False  # a mark that may end a sentence has come since
        self._marks: list[tuple[int, CitationMark]] = []
        self._shown = 0
        self._base = 0
        self._gap = ""

    @property
    def is_full(self) -> bool:
        """Whether it has as many sentences as it accepts; the rest is ignored."""
        return self._most is not None and len(self.sentences) >= self._most

    def feed(self, parts: Iterable[str | CitationMark]) -> str:
        """Take the output of a cleaner; return what can be shown now."""
        before = len(self.text)
        for part in parts:
            if isinstance(part, CitationMark):
                self._marks.append((len(self._open), part))
                continue
            self._open += part
            self._has_word = self._has_word or _has_word(part)
            if self._may_have_ended(len(part)):
                self._close_sentences()
                self._searched, self._has_mark = len(self._open), False
            self.repeats = self.repeats or self._ends_third_equal()
            if self.repeats or self.is_full:
                break
            if not self._strict and not self._may_be_left_out():
                self._show_until(self._marks[0][0] if self._marks else len(self._open))
        return self.text[before:]

    def finish(self, *, broken_off: bool = False) -> str:
        """Return the rest, without the last sentence if the reply broke off within it."""
        before = len(self.text)
        self._close_sentences()
        for start, end in () if self.repeats or self.is_full else sentence_spans(self._open):
            if not broken_off or _is_whole(self._open[start:end]):
                self._close(start, end, len(self._open) + 1)
            elif self._shown:
                self._emit(f" {BROKEN_OFF}")
        return self.text[before:]

    def _may_have_ended(self, added: int) -> bool:
        """Whether to look for the end of a sentence now.

        Searching again at every word of a long sentence, or at every full stop in it, would take
        quadratic time.
        """
        length = len(self._open)
        start = max(0, length - added - _LONGEST_END)
        self._has_mark = self._has_mark or bool(_MAY_END.search(self._open, start))
        return self._has_mark and (length <= _SHORT or length >= _GROWTH * self._searched)

    def _close_sentences(self) -> None:
        while not (self.repeats or self.is_full) and len(spans := _first_spans(self._open)) > 1:
            (start, end), (following, _) = spans[:2]
            self._close(start, end, following)

    def _close(self, start: int, end: int, following: int) -> None:
        """Check the first sentence, show the rest of it, and drop it from the open text."""
        text = self._open[start:end]
        marks = [(min(offset, end), mark) for offset, mark in self._marks if offset < following]
        if _has_word(text):
            count = self._counter.add(text)
            self.repeats = count >= MOST_EQUAL
            if count == 1:
                self._write(start, end, marks)
            else:
                self._leave_out(start)
        elif not self._strict and (REMOVED_LINK in text or self._is_layout(text)):
            self._show_until(end)
        else:
            self.wordless = True
            self._leave_out(start)
        self._marks = [(offset - end, mark) for offset, mark in self._marks if offset >= following]
        self._open = self._open[end:]
        self._has_word = _has_word(self._open)
        self._shown = max(0, self._shown - end)
        self._base = len(self.text)

    def _write(self, start: int, end: int, marks: Sequence[tuple[int, CitationMark]]) -> None:
        cited = tuple(dict.fromkeys(n - 1 for _, mark in marks for n in mark.numbers))
        sentence, found = self._checked(self._open[start:end], cited)
        if self._strict and sentence.status != "supported":
            self.sentences.append(sentence)
            self._leave_out(start)
            return
        numbers: list[int] = []
        for offset, space, label in _labels(sentence, found, marks, end):
            self._show_until(offset)
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

    def _leave_out(self, start: int) -> None:
        """Show nothing of a sentence, but keep the paragraphs around it apart."""
        self._gap = self._wider_gap(self._open[:start])

    def _wider_gap(self, space: str) -> str:
        return max(space, self._gap, key=lambda text: text.count("\n"))

    def _may_be_left_out(self) -> bool:
        """Whether the open sentence may still turn out equal to an earlier one, or without a word."""
        return not self._has_word or self._counter.may_repeat(self._open)

    def _ends_third_equal(self) -> bool:
        text = self._open
        if len(text) > self._counter.longest:
            return False
        return ends_sentence(text[-_LONGEST_END:]) and self._counter.count(text) + 1 >= MOST_EQUAL

    def _is_layout(self, text: str) -> bool:
        """Whether it is the line below the head of a table, or ends a block of code."""
        return bool(self.text) and text.startswith(("|", "```"))

    def _checked(self, text: str, cited: tuple[int, ...]) -> tuple[Sentence, tuple[Citation, ...]]:
        begin = time.perf_counter()
        sentence, found = self._check.check(text, cited, _without_removed_links(text))
        self.seconds += time.perf_counter() - begin
        # In our answers, everything that was not found in the documents is marked.
        marked = sentence.status == "unchecked"
        return replace(sentence, status="unsupported") if marked else sentence, found

    def _number(self, citation: Citation) -> int:
        if citation not in self.citations:
            self.citations.append(citation)
        return self.citations.index(citation)

    def _show_until(self, offset: int) -> None:
        if offset <= self._shown:
            return
        text = self._open[self._shown : offset]
        if not self._shown:
            body = text.lstrip()
            gap = self._wider_gap(text[: len(text) - len(body)])
            text, self._gap = (gap if self.text else "") + body, ""
        self._emit(text)
        self._shown = offset

    def _emit(self, text: str) -> None:
        self.text += join_safely(self.text, text)


def _first_spans(text: str) -> tuple[tuple[int, int], ...]:
    """The spans of the first sentences of a text: two, if it has that many.

    The last two in a part of the text may be cut, so only the first of three is surely complete.
    """
    for length in _WINDOWS:
        if length >= len(text):
            break
        spans = sentence_spans(text[:length])
        if len(spans) > 2:
            return spans[:2]
    return sentence_spans(text)


def _without_removed_links(text: str) -> str:
    return text.replace(REMOVED_LINK, "")


def _is_whole(text: str) -> bool:
    return ends_sentence(text) and not _LIST_NUMBER.fullmatch(text)


def _has_word(text: str) -> bool:
    return any(map(str.isalnum, _without_removed_links(text)))


def _labels(
    sentence: Sentence,
    found: tuple[Citation, ...],
    marks: Sequence[tuple[int, CitationMark]],
    end: int,
) -> Iterator[tuple[int, str, str | list[Citation]]]:
    """What to insert into a sentence: offset, preceding space, and a fixed text or citations.

    A citation is placed where the model last cited its passage.
    """
    last_offset, last_space = (marks[-1][0], marks[-1][1].space) if marks else (end, " ")
    if sentence.status == "unsupported":
        yield last_offset, last_space or " ", UNSUPPORTED
    elif not marks and found:
        yield end, " ", list(found)
    last = {n: position for position, (_, mark) in enumerate(marks) for n in mark.numbers}
    for position, (offset, mark) in enumerate(marks):
        numbers = [n for n in mark.numbers if last[n] == position]
        here = [c for n in numbers for c in found if c.passage == n - 1]
        if here:
            yield offset, mark.space, here
