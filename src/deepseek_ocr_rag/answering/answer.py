"""What comes back for a question: :class:`Answer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..export.evidence_pictures import AnswerPictures, CitedPlace, SourceInput, draw_cited_pages
from ..retrieval.retriever import Passage
from .verification.citation import Citation

__all__ = ["NOT_FOUND", "UNSUPPORTED", "Answer", "Sentence", "SentenceStatus", "Timings"]

NOT_FOUND: Final = "This is not in these documents."
"""The whole text of an answer where nothing was found."""

UNSUPPORTED: Final = "[unsupported]"
"""Stands in an answer's text behind a sentence that its sources do not support."""

SentenceStatus = Literal["supported", "unsupported", "absent"]
"""What became of a sentence: its sources say it; they do not, or it has none; it says
that the documents do not have the answer."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer, and whether it was found in the documents.

    Attributes:
        text: As the model wrote it, without citations.
        status: See :data:`SentenceStatus`.
        citations: Where it stands: indices into :attr:`Answer.citations`. Empty
            unless it is supported.
        cited: What the model cited for it: indices into :attr:`Answer.passages`.
            Empty where it cited nothing; a supported one was then looked up.
        problem: Why it is not supported, for people to read.
        span: ``(start, end)`` in :attr:`Answer.text`, citations included; None
            where strict mode left it out.
    """

    text: str
    status: SentenceStatus
    citations: tuple[int, ...] = ()
    cited: tuple[int, ...] = ()
    problem: str = ""
    span: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: text, status, citations (as numbered in the text), problem."""
        return {
            "text": self.text,
            "status": self.status,
            "citations": [index + 1 for index in self.citations],
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that an answer took.

    Attributes:
        search: To find the passages; of a follow-up question also to rewrite it.
        writing: To write the answer, the loading of a model included.
        checking: To compare its sentences with their sources.
    """

    search: float = 0.0
    writing: float = 0.0
    checking: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it rests on.

    Attributes:
        question: As it was asked.
        text: The answer; ``[n]`` in it stands for ``citations[n - 1]``, and
            :data:`UNSUPPORTED` behind a sentence for what the documents do not say.
        citations: In the order in which the text first names them; each was
            checked. Empty where no sentence is supported.
        passages: What was found, best first.
        llm: Name of the model that wrote the text; None where passages are
            quoted or nothing was found.
        warnings: What a user should know: passages that did not fit into the
            model's context, a cut answer, pages that could not be read.
        timings: How long it took.
        sentences: All that were written, also those that strict mode left out.
        query: What was searched for; not the question where that only makes
            sense after those before it.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    llm: str | None = None
    warnings: tuple[str, ...] = ()
    timings: Timings = Timings()
    sentences: tuple[Sentence, ...] = ()
    query: str = ""

    @property
    def found(self) -> bool:
        """Whether the documents have an answer: at least one sentence is supported."""
        return bool(self.citations)

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        """The sentences that no source supports, also those that strict mode left out."""
        return tuple(s for s in self.sentences if s.status == "unsupported")

    @property
    def sources(self) -> str:
        """Where the answer stands, for people to read: a line for each citation.

        The cited words follow where the text does not have them, and then why
        other sentences are not supported. Where none is, the passages are named
        that the model was given.
        """
        lines = [
            _place(f"[{number}]", citation, citation.quote not in self.text)
            for number, citation in enumerate(self.citations, start=1)
        ]
        lines += [
            f"unsupported: “{sentence.text}” ({sentence.problem})"
            for sentence in self.unsupported
            if sentence.span is not None
        ]
        if self.unsupported and not self.citations:
            lines.append("The model was given:")
            lines += [_place("-", passage, quoted=False) for passage in self.passages]
        return "\n".join(lines)

    def show(
        self,
        files: Mapping[str, SourceInput] | None = None,
        *,
        password: str | None = None,
        renderer: str = "pdfium",
    ) -> AnswerPictures:
        """The cited boxes, marked on their pages; a notebook displays what this returns.

        Args:
            files: Where the documents are, by what they are called in the
                citations: for those that were read from bytes or under another
                name, or have moved.
            password: Tried on encrypted PDFs.
            renderer: "pdfium" or "pymupdf".

        Returns:
            One picture for each cited page, none where nothing is cited.

        Raises:
            SourceError: If a document is not there any more, or a page cannot
                be rendered.

        Example:
            >>> answer.show().save("evidence.png")  # doctest: +SKIP
        """
        places = (
            CitedPlace(number, cited.source, cited.page, cited.boxes)
            for number, cited in enumerate(self.citations, start=1)
        )
        return draw_cited_pages(places, files or {}, password=password, renderer=renderer)

    def __str__(self) -> str:
        sources = self.sources
        return f"{self.text}\n\n{sources}" if sources else self.text

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: answer, sentences, citations, passages, as ``dsocr ask --json`` prints it."""
        return {
            "answer": self.text,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "passages": [passage.to_dict() for passage in self.passages],
        }


def _place(mark: str, place: Citation | Passage, quoted: bool) -> str:
    boxes = " ".join(
        f"({box.x0:.3f}, {box.y0:.3f}, {box.x1:.3f}, {box.y1:.3f})" for box in place.boxes
    )
    line = f"{mark} {place.source}, page {place.page}" + (f", box {boxes}" if boxes else "")
    return f"{line}\n    “{place.quote}”" if quoted and isinstance(place, Citation) else line
