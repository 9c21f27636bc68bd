"""Gives one sentence of an answer its status and its citations."""

from __future__ import annotations

from typing import Final

from ..text.plain_text import plain_text
from ..text.terms import content_terms, terms
from .answer import Sentence
from .verification.citation import Citation
from .verification.indexes.time_limit import OutOfTimeError
from .verification.lexicon import ABSENCE_NEGATION, ABSENCE_WORDS
from .verification.verifier import Verifier

__all__ = ["SentenceCheck"]


LONGEST_CLAIM: Final = 2000
"""Most characters of a sentence that is compared with its sources: real sentences are shorter, and
comparing takes more than linear time."""

TOO_LONG: Final = "it was not compared, because it is too long"
NO_TIME: Final = "it was not compared, because the time for checking ran out"


class SentenceCheck:
    """Checks sentences that answer a question against the passages of a verifier."""

    def __init__(self, verifier: Verifier, question: str) -> None:
        self._verifier = verifier
        self._question = frozenset(terms(question))

    def check(
        self, text: str, cited: tuple[int, ...], claim: str | None = None
    ) -> tuple[Sentence, tuple[Citation, ...]]:
        """The sentence with its status, and where its sources say it.

        It is unchecked if it is too long, or if the verifier has no time left.

        Args:
            text: The sentence, without its citation marks.
            cited: Indices of the passages that it cites; empty to search all of them.
            claim: The part of it to look for, if not all of it.
        """
        if self._says_absent(text):
            return Sentence(text, "absent", cited=cited), ()
        claim = text if claim is None else claim
        if len(claim) > LONGEST_CLAIM:
            return Sentence(text, "unchecked", cited=cited, problem=TOO_LONG), ()
        try:
            verdict = self._verifier.verify(claim, cited) if cited else self._verifier.find(claim)
        except OutOfTimeError:
            return Sentence(text, "unchecked", cited=cited, problem=NO_TIME), ()
        if verdict.supported:
            return Sentence(text, "supported", cited=cited), verdict.citations
        problem = verdict.problem if cited else "it cites no source, and no source says it"
        return Sentence(text, "unsupported", cited=cited, problem=problem), ()

    def _says_absent(self, text: str) -> bool:
        words = set(content_terms(plain_text(text)))
        return words <= self._question | ABSENCE_WORDS and bool(ABSENCE_NEGATION.search(text))
