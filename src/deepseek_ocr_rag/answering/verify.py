"""Checks an answer that was written elsewhere against its sources."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..document.page_records import Record
from ..document.types import OcrDocument
from ..errors import ConfigurationError
from ..export.answer_html import answer_html
from ..retrieval.chunk_records import record_chunk
from ..retrieval.chunking import Chunk, ChunkPiece, chunk_document
from ..retrieval.retriever import Passage
from ..text.excerpt import excerpt
from ..text.sentences import sentence_spans
from ..text.visible import without_invisible
from .answer import Sentence
from .cleaner import cited_numbers
from .sentence_check import SentenceCheck
from .verification.citation import Citation
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verifier

__all__ = ["Verification", "VerifySource", "verify"]

VerifySource = Passage | Chunk | Record | OcrDocument | str
"""The kinds of source that an answer may be checked against."""

MAX_SECONDS: Final = 60.0

_MARK: Final = re.compile(r"[ \t]?\[([^\[\]\n]{1,80})\]")


@dataclass(frozen=True, slots=True, repr=False)
class Verification:
    """Tells which sentences of an answer its sources say, and where.

    Attributes:
        answer: As it was given.
        sentences: All its sentences that have a word, in order. ``citations`` of a sentence are indices
            into :attr:`citations`, ``cited`` into :attr:`passages`; its ``span`` counts in the
            answer, and includes citation marks.
        citations: Where the supported sentences are: words, page and boxes.
        passages: What the sentences were compared with.
    """

    answer: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]

    @property
    def supported(self) -> bool:
        """Whether there are sentences, and the sources say all of them; an unchecked one counts as not said."""
        return bool(self.citations) and not self.unsupported and not self.unchecked

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        """The sentences that no source supports."""
        return tuple(s for s in self.sentences if s.status == "unsupported")

    @property
    def unchecked(self) -> tuple[Sentence, ...]:
        """The sentences that were not compared, because time ran out or they are too long."""
        return tuple(s for s in self.sentences if s.status == "unchecked")

    def __repr__(self) -> str:
        """Short; :meth:`to_dict` has everything."""
        statuses = [sentence.status for sentence in self.sentences]
        counts = ", ".join(f"{each}={statuses.count(each)}" for each in dict.fromkeys(statuses))
        return f"Verification({excerpt(self.answer, longest=60)!r}, {counts or 'no sentences'})"

    def _repr_html_(self) -> str:
        """The answer with its sources for notebooks, with nothing active in it."""
        sources = ((each.source, each.page, each.quote) for each in self.citations)
        problems = ((each.text, each.problem) for each in self.unsupported)
        unchecked = (f"Not checked: {each.text} ({each.problem})" for each in self.unchecked)
        return answer_html("Checked answer", self.answer, sources, problems, unchecked)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: answer, sentences, citations, passages."""
        return {
            "answer": self.answer,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "passages": [passage.to_dict() for passage in self.passages],
        }


def verify(
    answer: str,
    sources: VerifySource | Sequence[VerifySource],
    *,
    question: str = "",
    frequencies: TermFrequencies | None = None,
    max_seconds: float | None = MAX_SECONDS,
) -> Verification:
    """Check each sentence of an answer, whoever wrote it, against its sources.

    Compares words, numbers, dates and names, as :class:`DocumentQA` does with its own answers
    (:class:`Verifier` says how); asks no language model. ``[2]`` or ``[1, 3]`` in the answer
    cites sources by their place in ``sources``, from 1, and only those may support the sentence;
    a sentence without a citation may rest on any of them.

    An ordinary answer takes a few milliseconds a sentence. When ``max_seconds`` have passed, the
    remaining sentences are ``"unchecked"``, which means neither supported nor unsupported; earlier
    results stay. A source longer than a page is compared in parts.

    Args:
        answer: The text to check; Markdown.
        sources: What it was written from: passages of a :class:`Retriever`, chunks, records (see
            ``deepseek_ocr_rag.records``), whole documents, or plain text, which has no boxes.
        question: What was asked. "Yes." or "They are connected." can only be checked with it.
        frequencies: Those of the words in the whole documents; without them, all words count the same.
        max_seconds: Longest time for all sentences, 60 by default; None for no limit. Preparation,
            such as cutting a whole document into chunks, is not interrupted.

    Returns:
        Sentences with their status, and citations with page and boxes.

    Raises:
        ConfigurationError: If a source is something else, or ``max_seconds`` is not above 0.

    Example:
        >>> checked = verify("The lamp is old [1]. It cost 5 pounds.", ["The lamp is very old."])
        >>> [(sentence.text, sentence.status) for sentence in checked.sentences]
        [('The lamp is old.', 'supported'), ('It cost 5 pounds.', 'unsupported')]
    """
    if not isinstance(answer, str):
        raise ConfigurationError(
            f"answer cannot be a {type(answer).__name__}", remedy="Pass the text of the answer."
        )
    if max_seconds is not None and not max_seconds > 0:
        raise ConfigurationError(
            f"an answer cannot be checked in {max_seconds} seconds",
            remedy="Set max_seconds above 0, or to None for any time.",
        )
    if isinstance(sources, VerifySource):
        sources = (sources,)
    if not isinstance(sources, Iterable):
        raise ConfigurationError(
            f"sources cannot be a {type(sources).__name__}",
            remedy="Pass what the answer was written from: passages, documents or texts.",
        )
    passages: list[Passage] = []
    places: list[range] = []  # of each source in ``passages``
    for number, source in enumerate(sources, start=1):
        before = len(passages)
        passages += map(_passage, _chunks(source, number))
        places.append(range(before, len(passages)))
    verifier = Verifier(passages, question, frequencies, max_seconds=max_seconds)
    check = SentenceCheck(verifier, question)
    citations: dict[Citation, int] = {}
    sentences: list[Sentence] = []
    for text, numbers, span in _marked_sentences(answer, len(places)):
        cited = tuple(index for number in numbers for index in places[number - 1])
        sentence, found = check.check(text, cited, without_invisible(text))
        indices = tuple(citations.setdefault(citation, len(citations)) for citation in found)
        sentences.append(replace(sentence, citations=indices, span=span))
    return Verification(answer, tuple(sentences), tuple(citations), tuple(passages))


def _chunks(source: object, number: int) -> Sequence[Chunk | Passage]:
    match source:
        case Chunk() | Passage():
            return (source,)
        case OcrDocument():
            return chunk_document(source)
        case Record():
            return (record_chunk(source),)
        case str():
            piece = ChunkPiece(1, "", (0, len(source)), 0)
            return (Chunk(source, f"source {number}", (piece,)),)
    raise ConfigurationError(
        f"source {number} cannot be a {type(source).__name__}",
        remedy="Pass passages, chunks, records, documents or texts; the integrations for LangChain"
        " and LlamaIndex take their documents and nodes.",
    )


def _passage(chunk: Chunk | Passage) -> Passage:
    return chunk if isinstance(chunk, Passage) else Passage.of(chunk)


def _marked_sentences(
    answer: str, count: int
) -> Iterator[tuple[str, tuple[int, ...], tuple[int, int]]]:
    """Each sentence without its marks, the sources that it cites, and its span including the marks."""
    marks: list[tuple[int, tuple[int, ...], int]] = []  # offset in the text without, numbers, end
    starts = [0]  # where each part between marks begins in the text without marks ...
    shifts = [0]  # ... and how much later it begins in the answer
    position = 0
    parts: list[str] = []
    length = 0
    for match in _MARK.finditer(answer):
        numbers = tuple(n for n in cited_numbers(match[1]) or () if 1 <= n <= count)
        if not numbers:
            continue
        parts.append(answer[position : match.start()])
        length += match.start() - position
        position = match.end()
        marks.append((length, numbers, match.end()))
        starts.append(length)
        shifts.append(position - length)
    text = "".join((*parts, answer[position:]))
    spans = sentence_spans(text)
    place = 0
    for index, (start, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else len(text) + 1
        own: list[int] = []
        last = end + shifts[bisect_right(starts, max(start, end - 1)) - 1]
        while place < len(marks) and marks[place][0] < following:
            own += marks[place][1]
            last = max(last, marks[place][2])
            place += 1
        if any(map(str.isalnum, text[start:end])):
            begin = start + shifts[bisect_right(starts, start) - 1]
            yield text[start:end], tuple(dict.fromkeys(own)), (begin, last)
