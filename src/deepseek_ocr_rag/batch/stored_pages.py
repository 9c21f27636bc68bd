"""Stores one page as a row of a table: :class:`PageRow`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from ..document.types import Block, Box, FinishReason, Page
from ..version import __version__

__all__ = ["DOCUMENT_ERROR", "PageRow", "row_of_page"]

DOCUMENT_ERROR: Final = 0
"""Stands in place of a page number if the document could not be opened."""


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page that was read, or why it was not; the columns of ``pages/`` and ``errors/``.

    Attributes:
        entry: Position of the document in the manifest, from 0.
        doc_id: What the manifest calls the document.
        uri: Where it is.
        sha256: Hash of its bytes, 64 hex digits; "" if they could not be read.
        page: 1-based page number; 0 for a document that could not be opened.
        total_pages: Pages of the file.
        label: The printed page number.
        width: Width in points.
        height: Height in points.
        markdown: The page's text.
        blocks: Its blocks, with boxes as fractions of the page and spans in ``markdown``.
        status: The page's finish reason: stop, length, repetition, blank, or error.
        error_type: The class of the error; "BackendError" if the backend does not name one.
        error: What the error says.
        attempts: How often the backend was asked.
        warnings: What a user should know about the page.
        confidence: How sure the model was, 0..1.
        tokens: Tokens that the model wrote, if the backend counts them.
        backend: What read it.
        model: The model.
        resolution: How finely the model saw it.
        revision: The backend's fingerprint: what the text depends on besides the model's name.
        version: The version of this package.
        seconds: From when the backend took the page to its reply. It is not stored with the
            page, since it differs each time.
    """

    entry: int
    doc_id: str
    uri: str
    sha256: str
    page: int
    total_pages: int = 0
    label: str | None = None
    width: float = 0.0
    height: float = 0.0
    markdown: str = ""
    blocks: tuple[Block, ...] = ()
    status: FinishReason = "stop"
    error_type: str | None = None
    error: str | None = None
    attempts: int = 1
    warnings: tuple[str, ...] = ()
    confidence: float | None = None
    tokens: int | None = None
    backend: str = ""
    model: str = ""
    resolution: str = ""
    revision: str = ""
    version: str = __version__
    seconds: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the page was read."""
        return self.status != "error"

    @property
    def error_kind(self) -> str:
        """The kind under which an error is counted."""
        return self.error_type or "unknown"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the columns have them."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["blocks"] = [_block_values(block) for block in self.blocks]
        values["warnings"] = list(self.warnings)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PageRow:
        """The inverse of :meth:`to_dict`."""
        given = dict(values)
        given["blocks"] = tuple(map(_block, given["blocks"]))
        given["warnings"] = tuple(given["warnings"])
        return cls(**given)

    def to_page(self) -> Page:
        """The page, as a Reader gives it."""
        return Page(
            number=self.page,
            markdown=self.markdown,
            blocks=self.blocks,
            label=self.label,
            width=self.width,
            height=self.height,
            backend=self.backend,
            model=self.model,
            resolution=self.resolution,
            finish_reason=self.status,
            attempts=self.attempts,
            warnings=self.warnings,
            error=self.error,
            confidence=self.confidence,
        )

    def with_blocks(self, blocks: tuple[Block, ...]) -> PageRow:
        """The row with other blocks."""
        return replace(self, blocks=blocks)


def row_of_page(page: Page, row: PageRow) -> PageRow:
    """The row of a page that was read; ``row`` has the fields of its document."""
    return replace(
        row,
        page=page.number,
        label=page.label,
        width=page.width,
        height=page.height,
        markdown=page.markdown,
        blocks=page.blocks,
        status=page.finish_reason,
        error=page.error,
        attempts=page.attempts,
        warnings=page.warnings,
        confidence=page.confidence,
        backend=page.backend,
        model=page.model,
        resolution=page.resolution,
    )


def _block_values(block: Block) -> dict[str, Any]:
    return {
        "kind": block.kind,
        "text": block.text,
        "boxes": [{"x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1} for box in block.boxes],
        "start": block.span[0],
        "end": block.span[1],
        "section": list(block.section),
        "html": block.html,
        "confidence": block.confidence,
    }


def _block(values: Mapping[str, Any]) -> Block:
    return Block(
        kind=values["kind"],
        text=values["text"],
        boxes=tuple(Box(**cast("dict[str, float]", box)) for box in values["boxes"]),
        span=(values["start"], values["end"]),
        section=tuple(values["section"]),
        html=values["html"],
        confidence=values["confidence"],
    )
