"""What comes back for a question: :class:`Answer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .document import Box
from .retrieval import Passage

__all__ = ["Answer", "Citation", "Timings"]


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a part of an answer comes from.

    Attributes:
        source: The document.
        page: 1-based page number.
        boxes: Where the block with the quote stands on the page; empty where
            the reading gave no places.
        quote: The words, exactly as the page's Markdown has them.
        span: ``(start, end)`` of the quote in the page's Markdown.
        passage: Index of its passage in :attr:`Answer.passages`.
    """

    source: str
    page: int
    boxes: tuple[Box, ...]
    quote: str
    span: tuple[int, int]
    passage: int

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: source, page, boxes, quote."""
        return {
            "source": self.source,
            "page": self.page,
            "boxes": [[round(v, 6) for v in box.as_tuple()] for box in self.boxes],
            "quote": self.quote,
        }


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that an answer took.

    Attributes:
        search: To find the passages.
        writing: To write the answer, the loading of a model included.
    """

    search: float = 0.0
    writing: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it rests on.

    Attributes:
        question: As it was asked.
        text: The answer; ``[n]`` in it stands for ``citations[n - 1]``.
        citations: In the order in which the text first names them. Empty where
            a model cited nothing: then only the passages can be checked.
        passages: What was found, best first.
        llm: Name of the model that wrote the text; None where passages are
            quoted or nothing was found.
        warnings: What a user should know: passages that did not fit into the
            model's context, a cut answer, pages that could not be read.
        timings: How long it took.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    llm: str | None = None
    warnings: tuple[str, ...] = ()
    timings: Timings = Timings()

    @property
    def found(self) -> bool:
        """Whether the documents have anything on the question."""
        return bool(self.passages)

    @property
    def sources(self) -> str:
        """Where the answer stands, for people to read: a line for each citation.

        The cited words follow where the text does not have them. Where a model
        cited nothing, that is said, with the passages that it was given.
        """
        if self.citations:
            return "\n".join(
                _place(f"[{number}]", citation, citation.quote not in self.text)
                for number, citation in enumerate(self.citations, start=1)
            )
        if self.llm is None or not self.passages:
            return ""
        shown = (_place("-", passage, quoted=False) for passage in self.passages)
        return "\n".join(("No source was cited. The model was given:", *shown))

    def __str__(self) -> str:
        sources = self.sources
        return f"{self.text}\n\n{sources}" if sources else self.text

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: answer, citations and passages, as ``dsocr ask --json`` prints it."""
        return {
            "answer": self.text,
            "citations": [citation.to_dict() for citation in self.citations],
            "passages": [passage.to_dict() for passage in self.passages],
        }


def _place(mark: str, place: Citation | Passage, quoted: bool) -> str:
    boxes = " ".join(
        f"({box.x0:.3f}, {box.y0:.3f}, {box.x1:.3f}, {box.y1:.3f})" for box in place.boxes
    )
    line = f"{mark} {place.source}, page {place.page}" + (f", box {boxes}" if boxes else "")
    return f"{line}\n    “{place.quote}”" if quoted and isinstance(place, Citation) else line
