"""The sentence of a passage that supports a claim best, by the words they share.

A word counts more the fewer sentences have it (inverse document frequency, over
the sentences at hand), and long sentences count less per word. A row of a table
answers to the words of the table's head as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .answer import Citation
from .chunking import Piece
from .retrieval import Passage
from .sentences import sentence_spans
from .terms import question_terms, terms

__all__ = ["Quoter"]

_LENGTH_PRIOR = 10
"""Terms added to each sentence's length, so that a fragment of two words does not
win over the sentence that says it."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int
    end: int
    piece: Piece
    terms: frozenset[str]


class Quoter:
    """Quotes passages.

    Args:
        passages: What can be quoted; citations name them by their index.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._sentences = [_sentences(passage) for passage in self._passages]
        self._count = Counter(t for group in self._sentences for s in group for t in s.terms)
        self._total = sum(map(len, self._sentences))

    def quote(self, passage: int, *texts: str) -> Citation:
        """The sentence of one passage that fits a text best.

        Args:
            passage: Index of the passage.
            texts: What it should support; later ones are tried where a
                sentence shares no word with the earlier ones. If none does,
                the first sentence is quoted.
        """
        sentences = self._sentences[passage]
        for text in texts:
            wanted = set(question_terms(text))
            best = max(sentences, key=lambda s: self._score(s, wanted))
            if self._score(best, wanted) > 0:
                return self._citation(passage, best)
        return self._citation(passage, sentences[0])

    def best(self, text: str, limit: int) -> tuple[Citation, ...]:
        """The sentences of all passages that fit a text, best first.

        Args:
            text: A question.
            limit: At most this many; also none that fits less than half as
                well as the best one.
        """
        wanted = set(question_terms(text))
        scored = [
            # An earlier passage was found to fit better as a whole.
            (self._score(sentence, wanted) / (1 + 0.1 * rank), rank, sentence)
            for rank, group in enumerate(self._sentences)
            for sentence in group
        ]
        scored.sort(key=lambda item: -item[0])
        if not scored or scored[0][0] <= 0:
            return tuple(self._citation(i, group[0]) for i, group in enumerate(self._sentences[:1]))
        enough = scored[0][0] / 2
        quotes: dict[str, Citation] = {}
        for score, rank, sentence in scored:
            if score >= enough and len(quotes) < limit:
                citation = self._citation(rank, sentence)
                quotes.setdefault(citation.quote, citation)
        return tuple(quotes.values())

    def _score(self, sentence: _Sentence, wanted: set[str]) -> float:
        shared = sum(
            math.log(1 + self._total / self._count[term]) for term in wanted & sentence.terms
        )
        return shared / math.sqrt(len(sentence.terms) + _LENGTH_PRIOR)

    def _citation(self, index: int, sentence: _Sentence) -> Citation:
        passage, piece = self._passages[index], sentence.piece
        shift = piece.span[0] - piece.offset
        return Citation(
            source=passage.source,
            page=piece.page,
            boxes=piece.boxes,
            quote=passage.text[sentence.start : sentence.end],
            span=(sentence.start + shift, sentence.end + shift),
            passage=index,
        )


def _sentences(passage: Passage) -> tuple[_Sentence, ...]:
    """All of a passage that can be quoted; headings only where there is nothing else."""
    found = [
        _Sentence(
            piece.offset + start,
            piece.offset + end,
            piece,
            frozenset(terms(passage.text[piece.offset + start : piece.offset + end])),
        )
        for piece in passage.pieces
        for start, end in sentence_spans(passage.text[piece.offset : piece.end])
    ]
    body = [
        s for s in _with_heads(found, passage.text) if not _is_heading(s, passage.text) and s.terms
    ]
    return tuple(body or found)


def _with_heads(sentences: list[_Sentence], text: str) -> Iterator[_Sentence]:
    """Rows also answer to the words of their table's head, which is quoted only without rows."""
    head: _Sentence | None = None
    rows = 0
    for sentence in sentences:
        if not text.startswith(("|", "<t", "</t"), sentence.start):
            if head is not None and not rows:
                yield head
            head, rows = None, 0
            yield sentence
        elif head is None:
            head = sentence
        elif sentence.terms:
            rows += 1
            yield replace(sentence, terms=sentence.terms | head.terms)
    if head is not None and not rows:
        yield head


def _is_heading(sentence: _Sentence, text: str) -> bool:
    return sentence.piece.kind in ("title", "sub_title") or text.startswith("#", sentence.start)
