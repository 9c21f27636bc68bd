"""What the API says of answers and passages: frozen dataclasses, from which OpenAPI is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ....answering.fixed_texts import NOT_FOUND
from ....document.types import Block, Box
from ...asking import ReadDocuments
from ..job_replies import job_path

if TYPE_CHECKING:
    from ....answering.answer import Answer
    from ....answering.partial_support import SupportedPart
    from ....answering.verification.citation import Citation

__all__ = [
    "AnswerReply",
    "CitationReply",
    "CitedBlock",
    "PartReply",
    "PassageReply",
    "SearchReply",
    "SentenceReply",
    "answer_reply",
    "search_reply",
]

MOST_PARTLY: Final = 20
"""Most sentences of an answer whose parts are compared one by one."""


@dataclass(frozen=True, slots=True)
class CitedBlock:
    """A block that a citation is in.

    Attributes:
        block: Index in the page's list of blocks, from 0.
        boxes: All its boxes.
        corrected: Whether a person has corrected its text.
    """

    block: int
    boxes: list[list[float]]
    corrected: bool


@dataclass(frozen=True, slots=True)
class CitationReply:
    """The source of a sentence. A passage over several pages has a citation for each.

    Attributes:
        number: As it appears in the answer: [1]. Higher ones are sources of parts of sentences.
        job: Id of the document's job.
        source: Name of the document.
        page: 1-based page.
        boxes: Left, top, right and bottom of each box, in fractions of the page.
        blocks: The blocks that the words are in.
        quote: The words on the page.
        span: Where they begin and end in the page's Markdown.
        picture: Where the page's picture with its boxes is.
        words: Where to ask for the boxes of the words themselves.
    """

    number: int
    job: str
    source: str
    page: int
    boxes: list[list[float]]
    blocks: list[CitedBlock]
    quote: str
    span: list[int]
    picture: str
    words: str


@dataclass(frozen=True, slots=True)
class PartReply:
    """A part of a sentence that the documents say.

    Attributes:
        text: The part.
        citations: Numbers of its citations.
    """

    text: str
    citations: list[int]


@dataclass(frozen=True, slots=True)
class SentenceReply:
    """A sentence of an answer.

    Attributes:
        text: Of the sentence.
        status: supported, partly (the documents say some of its parts), unsupported, or absent
            (it says that the documents do not contain the answer).
        citations: Numbers of its citations.
        problem: Why it is not supported.
        parts: The parts that are supported, where the whole is not.
        span: Where it begins and ends in the answer; null if it is not shown there.
    """

    text: str
    status: str
    citations: list[int]
    problem: str
    parts: list[PartReply]
    span: list[int] | None


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """A whole answer.

    Attributes:
        answer: Its text, with [1] for each citation.
        found: Whether the documents contain an answer.
        quoted: Whether passages are quoted: no model was asked, or no source supports what it
            wrote.
        nearest: Whether these are only the nearest passages, and no answer.
        absent: Whether a name or year of the question is on no page, so that there can be no
            answer.
        query: What was searched for: the question, rewritten to be clear without the earlier ones.
        llm: The model that wrote it; null if passages are quoted.
        sentences: Each with the result of its check.
        citations: The sources of its sentences.
        warnings: What to know about the answer.
    """

    answer: str
    found: bool
    quoted: bool
    nearest: bool
    absent: bool
    query: str
    llm: str | None
    sentences: list[SentenceReply]
    citations: list[CitationReply]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class PassageReply:
    """A passage that was found.

    Attributes:
        job: Id of the document's job.
        source: Name of the document.
        page: 1-based page, of those that it is on the one that fits the query best.
        text: Of the passage.
        section: The headings above it.
        boxes: As in a citation.
        corrected: Whether a person has corrected text of it.
        score: How well it fits; comparable only within one search.
    """

    job: str
    source: str
    page: int
    text: str
    section: list[str]
    boxes: list[list[float]]
    corrected: bool
    score: float


@dataclass(frozen=True, slots=True)
class SearchReply:
    """Passages, best first."""

    passages: list[PassageReply]


def answer_reply(answer: Answer, read: ReadDocuments) -> AnswerReply:
    """What the API says of an answer. Compares parts of sentences, so it blocks for a moment."""
    cited = list(answer.citations)
    sentences, compared = [], 0
    for each in answer.sentences:
        parts: tuple[SupportedPart, ...] = ()
        if each.status == "unsupported" and compared < MOST_PARTLY:
            compared += 1
            parts = read.qa.supported_parts(answer, each)
        sentences.append(
            SentenceReply(
                text=each.text,
                status="partly" if parts else each.status,
                citations=[index + 1 for index in each.citations],
                problem=each.problem,
                parts=[PartReply(part.text, _numbers(part.citations, cited)) for part in parts],
                span=None if each.span is None else list(each.span),
            )
        )
    return AnswerReply(
        answer=answer.text,
        found=answer.found,
        quoted=answer.quoted,
        nearest=answer.nearest,
        absent=not answer.found and answer.text.startswith(NOT_FOUND.removesuffix(".")),
        query=answer.query or answer.question,
        llm=answer.llm,
        sentences=sentences,
        citations=[_citation(number, each, read) for number, each in enumerate(cited, start=1)],
        warnings=list(answer.warnings),
    )


def _numbers(citations: Iterable[Citation], cited: list[Citation]) -> list[int]:
    """The numbers of citations; new ones are added to the list."""
    numbers = []
    for each in citations:
        if each not in cited:
            cited.append(each)
        numbers.append(cited.index(each) + 1)
    return numbers


def _citation(number: int, cited: Citation, read: ReadDocuments) -> CitationReply:
    job = read.jobs[cited.source]
    page = f"{job_path(job)}/pages/{cited.page}"
    start, end = cited.span
    return CitationReply(
        number=number,
        job=job,
        source=cited.source,
        page=cited.page,
        boxes=_boxes(cited.boxes),
        blocks=[
            CitedBlock(index, _boxes(block.boxes), block.original is not None)
            for index, block in _blocks(read, cited.source, cited.page, cited.span)
        ],
        quote=cited.quote,
        span=[start, end],
        picture=f"{page}.png?boxes=true",
        words=f"{page}/words?start={start}&end={end}",
    )


def _blocks(
    read: ReadDocuments, source: str, number: int, span: tuple[int, int]
) -> Iterator[tuple[int, Block]]:
    """The blocks of a page that a part of its text is in, with their indexes."""
    for page in read.documents[source]:
        if page.number == number:
            for index, block in enumerate(page.blocks):
                if block.span[0] < span[1] and span[0] < block.span[1]:
                    yield index, block


def search_reply(read: ReadDocuments, query: str, limit: int) -> SearchReply:
    """Search documents; returns the passages as the API shows them."""
    return SearchReply(
        [
            PassageReply(
                job=read.jobs[each.source],
                source=each.source,
                page=each.page,
                text=each.text,
                section=list(each.section),
                boxes=_boxes(each.boxes),
                corrected=any(
                    block.original is not None
                    for piece in each.pieces
                    for _, block in _blocks(read, each.source, piece.page, piece.span)
                ),
                score=round(each.score, 6),
            )
            for each in read.qa.retriever.search(query, limit)
        ]
    )


def _boxes(boxes: tuple[Box, ...]) -> list[list[float]]:
    return [[round(value, 6) for value in box.as_tuple()] for box in boxes]
