"""The result of a question: :class:`Answer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..export.answer_html import answer_html
from ..export.evidence_pictures import AnswerPictures, CitedLocation, SourceInput, draw_cited_pages
from ..retrieval.retriever import Passage
from ..text.excerpt import excerpt
from ..text.visible import visible, visible_line
from .verification.citation import Citation

__all__ = ["Answer", "Sentence", "SentenceStatus", "Timings"]

SentenceStatus = Literal["supported", "unsupported", "absent", "unchecked"]
"""In turn: the sources say the sentence; they do not say it, or it has none; it says that the
documents do not contain the answer; :func:`verify` did not compare it, because time ran out or the
sentence is too long (in an :class:`Answer`, such a sentence is unsupported)."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer, and whether it was found in the documents.

    Attributes:
        text: As the model wrote it, without citations.
        status: See :data:`SentenceStatus`.
        citations: Indices into :attr:`Answer.citations`; empty unless it is supported.
        cited: What the model cited for it: indices into :attr:`Answer.passages`. If it is
            empty although the sentence is supported, the source was found by search.
        problem: Why it is not supported, or was not checked, for people to read.
        span: ``(start, end)`` in :attr:`Answer.text`, including citations; None
            if strict mode removed it.
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
    """How many seconds an answer took.

    Attributes:
        search: Finding the passages, including the rewriting of a follow-up question.
        writing: Writing the answer, including the time to load the model.
        checking: Comparing its sentences with their sources.
    """

    search: float = 0.0
    writing: float = 0.0
    checking: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """An answer with its citations.

    Attributes:
        question: As it was asked.
        text: The answer. ``[n]`` in it means ``citations[n - 1]``; :data:`~.fixed_texts.UNSUPPORTED`
            follows a sentence that the documents do not say.
        citations: All checked, in the order of their first mention in the text. Empty
            if no sentence is supported.
        passages: The passages that were found, best first.
        llm: Name of the model that wrote the text; None if no model was asked.
        warnings: What a user should know: passages that did not fit into the
            model's context, a cut answer, pages that could not be read.
        timings: How long it took.
        sentences: All sentences that were written, including those that strict mode removed.
        query: What was searched for. Differs from the question if that only makes
            sense after earlier questions.
        thinking: What a reasoning model thought before it wrote; not checked, and not part of the
            answer.
        quoted: Whether passages are quoted, because no model was asked, or because no source says
            what it wrote. A quote counts as a supported sentence.
        nearest: Whether the quotes are only the nearest passages: no sentence has enough of the
            question's words, and no model was asked.
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
    thinking: str = ""
    nearest: bool = False
    quoted: bool = False

    @property
    def found(self) -> bool:
        """Whether the documents contain an answer: at least one sentence is supported.

        Also False if only the nearest passages are shown (:attr:`nearest`).
        """
        return bool(self.citations) and not self.nearest

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        """The sentences that no source supports, including those that strict mode removed."""
        return tuple(s for s in self.sentences if s.status == "unsupported")

    @property
    def sources(self) -> str:
        """The sources for people to read, one line for each citation.

        The cited words follow if the text does not quote them, and then the reasons why other
        sentences are not supported. If passages are quoted in their place, the text itself says so
        in one line. If nothing is cited, the passages given to the model are listed.
        """
        lines = [
            _source_line(f"[{number}]", citation, citation.quote not in self.text)
            for number, citation in enumerate(self.citations, start=1)
        ]
        lines += [
            f"unsupported: “{sentence.text}” ({sentence.problem})"
            for sentence in self.unsupported
            if sentence.span is not None and not self.quoted
        ]
        if self.unsupported and not self.citations:
            lines.append("The model was given:")
            lines += [_source_line("-", passage, quoted=False) for passage in self.passages]
        return "\n".join(lines)

    def show(
        self,
        files: Mapping[str, SourceInput] | None = None,
        *,
        password: str | None = None,
        renderer: str = "pdfium",
    ) -> AnswerPictures:
        """Draw the cited boxes on their pages; a notebook displays the result.

        Args:
            files: The documents by their names in the citations; needed for documents
                that were read from bytes or under another name, or have moved.
            password: Tried on encrypted PDFs.
            renderer: "pdfium" or "pymupdf".

        Returns:
            One picture for each cited page.

        Raises:
            SourceError: If a document is missing or a page cannot be rendered.

        Example:
            >>> answer.show().save("evidence.png")  # doctest: +SKIP
        """
        locations = (
            CitedLocation(number, cited.source, cited.page, cited.boxes)
            for number, cited in enumerate(self.citations, start=1)
        )
        return draw_cited_pages(locations, files or {}, password=password, renderer=renderer)

    def __repr__(self) -> str:
        """A short form; :meth:`to_dict` has everything."""
        return (
            f"Answer(question={excerpt(self.question, longest=60)!r}, text={excerpt(self.text, longest=60)!r},"
            f" citations={len(self.citations)}, llm={self.llm!r})"
        )

    def _repr_html_(self) -> str:
        """The answer with its sources for notebooks, with nothing active in it."""
        sources = ((each.source, each.page, each.quote) for each in self.citations)
        problems = ((each.text, each.problem) for each in self.unsupported)
        return answer_html(self.question, self.text, sources, problems, self.warnings)

    def __str__(self) -> str:
        sources = self.sources
        return f"{self.text}\n\n{sources}" if sources else self.text

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: answer, sentences, citations, passages; ``dsocr ask --json`` prints it."""
        return {
            "answer": self.text,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "passages": [passage.to_dict() for passage in self.passages],
        }


def _source_line(mark: str, cited: Citation | Passage, quoted: bool) -> str:
    boxes = " ".join(
        f"({box.x0:.3f}, {box.y0:.3f}, {box.x1:.3f}, {box.y1:.3f})" for box in cited.boxes
    )
    # No text of a document, nor its name, may look like another line of ours.
    name = visible_line(cited.source)
    line = f"{mark} {name}, page {cited.page}" + (f", box {boxes}" if boxes else "")
    if not quoted or not isinstance(cited, Citation):
        return line
    quote = visible(cited.quote).replace("\n", "\n     ")
    return f"{line}\n    “{quote}”"
