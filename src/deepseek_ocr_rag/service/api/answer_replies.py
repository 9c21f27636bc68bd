"""What the API says of answers and passages: frozen dataclasses, from which OpenAPI is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...document.types import Box
from ..asking import ReadDocuments
from .job_replies import job_path

if TYPE_CHECKING:
    from ...answering.answer import Answer

__all__ = [
    "AnswerReply",
    "CitationReply",
    "PassageReply",
    "SearchReply",
    "SentenceReply",
    "answer_reply",
    "search_reply",
]


@dataclass(frozen=True, slots=True)
class CitationReply:
    """The source of a sentence.

    Attributes:
        number: As it stands in the answer: [1].
        job: Id of the document's job.
        source: Name of the document.
        page: 1-based page.
        boxes: Left, top, right and bottom of each box, in fractions of the page.
        quote: The words on the page.
        picture: Where the page's picture with its boxes is.
    """

    number: int
    job: str
    source: str
    page: int
    boxes: list[list[float]]
    quote: str
    picture: str


@dataclass(frozen=True, slots=True)
class SentenceReply:
    """A sentence of an answer.

    Attributes:
        text: Of the sentence.
        status: supported, unsupported or absent (the documents do not contain the answer).
        citations: Numbers of its citations.
        problem: Why it is not supported.
    """

    text: str
    status: str
    citations: list[int]
    problem: str


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """A whole answer.

    Attributes:
        answer: Its text, with [1] for each citation.
        found: Whether the documents contain an answer.
        llm: The model that wrote it; null if passages are quoted.
        sentences: Each with the result of its check.
        citations: All checked.
        warnings: What to know about the answer.
    """

    answer: str
    found: bool
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
        page: 1-based page on which it begins.
        text: Of the passage.
        section: The headings above it.
        boxes: As in a citation.
        score: How well it fits; to be compared within one search.
    """

    job: str
    source: str
    page: int
    text: str
    section: list[str]
    boxes: list[list[float]]
    score: float


@dataclass(frozen=True, slots=True)
class SearchReply:
    """Passages, best first."""

    passages: list[PassageReply]


def answer_reply(answer: Answer, read: ReadDocuments) -> AnswerReply:
    """What the API says of an answer."""
    citations = []
    for number, cited in enumerate(answer.citations, start=1):
        job = read.jobs[cited.source]
        citations.append(
            CitationReply(
                number=number,
                job=job,
                source=cited.source,
                page=cited.page,
                boxes=_boxes(cited.boxes),
                quote=cited.quote,
                picture=f"{job_path(job)}/pages/{cited.page}.png?boxes=true",
            )
        )
    sentences = [
        SentenceReply(each.text, each.status, [index + 1 for index in each.citations], each.problem)
        for each in answer.sentences
    ]
    return AnswerReply(
        answer.text, answer.found, answer.llm, sentences, citations, list(answer.warnings)
    )


def search_reply(read: ReadDocuments, query: str, limit: int) -> SearchReply:
    """Searches documents, and says what the API says of the passages."""
    return SearchReply(
        [
            PassageReply(
                job=read.jobs[each.source],
                source=each.source,
                page=each.page,
                text=each.text,
                section=list(each.section),
                boxes=_boxes(each.boxes),
                score=round(each.score, 6),
            )
            for each in read.qa.retriever.search(query, limit)
        ]
    )


def _boxes(boxes: tuple[Box, ...]) -> list[list[float]]:
    return [[round(value, 6) for value in box.as_tuple()] for box in boxes]
