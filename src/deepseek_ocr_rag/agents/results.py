"""Defines what the calls of :class:`~.agent_reader.AgentReader` return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..document.types import Box, OcrDocument
from ..retrieval.retriever import Passage

__all__ = [
    "AgentListing",
    "AgentLocations",
    "AgentPicture",
    "AgentReply",
    "AgentSearch",
    "Location",
]


@dataclass(frozen=True, slots=True)
class AgentListing:
    """Result of ``list_documents``.

    Attributes:
        text: For the model: the paths of the documents, and how to ask for the rest.
        paths: The paths shown, relative to ``root_dir``.
        next_offset: The offset to continue with, or None at the end.
    """

    text: str
    paths: tuple[str, ...]
    next_offset: int | None = None


@dataclass(frozen=True, slots=True)
class AgentReply:
    """Result of ``read``.

    Attributes:
        text: For the model: which pages these are, their Markdown, and how to
            ask for the rest.
        document: The pages shown, each in full even if ``text`` cuts it.
        next_pages: The pages to ask for next, or None at the end.
        next_start: Character of the first of them at which to continue.
    """

    text: str
    document: OcrDocument
    next_pages: str | None = None
    next_start: int = 0


@dataclass(frozen=True, slots=True)
class AgentSearch:
    """Result of ``search``.

    Attributes:
        text: For the model: the passages with their pages and boxes.
        passages: The passages shown, each in full even if ``text`` cuts it.
        next_offset: The offset to continue with, or None if there are no more.
    """

    text: str
    passages: tuple[Passage, ...]
    next_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is on a page.

    Attributes:
        page: Page number, 1-based.
        boxes: Where on the page; at least one.
        text: The text there; empty if the model only gave boxes.
    """

    page: int
    boxes: tuple[Box, ...]
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: page, boxes, text."""
        boxes = [[round(v, 6) for v in box.as_tuple()] for box in self.boxes]
        return {"page": self.page, "boxes": boxes, "text": self.text}


@dataclass(frozen=True, slots=True)
class AgentLocations:
    """Result of ``locate``.

    Attributes:
        text: For the model: the locations, and how they were found.
        locations: In page order, or best first if found by words.
        by_words: Whether they were found by searching the text, and not by the
            model looking at the pages.
        next_pages: The pages to ask for next, or None if all were looked at.
    """

    text: str
    locations: tuple[Location, ...]
    by_words: bool = False
    next_pages: str | None = None


@dataclass(frozen=True, slots=True)
class AgentPicture:
    """Result of ``look_at``.

    Attributes:
        text: For the model: what the picture shows.
        png: The picture, as the bytes of a PNG file.
        source: Name of the document.
        page: Page number, 1-based.
        box: The part of the page that was asked for; None for the whole page.
    """

    text: str
    png: bytes
    source: str
    page: int
    box: Box | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form: what the picture shows, without the picture."""
        box = None if self.box is None else [round(v, 6) for v in self.box.as_tuple()]
        return {"source": self.source, "page": self.page, "box": box}
