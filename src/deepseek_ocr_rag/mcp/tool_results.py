"""Defines what the tools return in structured form, with its JSON Schemas.

Text from a document is fenced in ``text``, or is a name or a quote in a field of its own. No field
that tells a client what to do next contains a document's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

__all__ = [
    "AskedDocument",
    "DocumentList",
    "EvidencePages",
    "EvidencePicture",
    "FoundPassages",
    "ListedDocument",
    "NextCall",
    "NumberedSource",
    "ReadPages",
    "StillReading",
    "ToolResult",
    "as_json",
    "schema_of",
]

Boxes = tuple[tuple[float, float, float, float], ...]
"""Left, top, right, bottom in fractions of the page."""


@dataclass(frozen=True, slots=True)
class NextCall:
    """The call that continues where this answer ends."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What every tool returns.

    Attributes:
        status: "done", or "reading" if it is not finished and must be called again.
        pages_done: Pages read so far, while the status is "reading".
        pages_total: Pages to read, if known.
        call_again: The call that asks for the result once more.
        next_call: The call for what did not fit into this answer.
    """

    status: Literal["done", "reading"] = "done"
    pages_done: int | None = None
    pages_total: int | None = None
    call_again: NextCall | None = None
    next_call: NextCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StillReading(ToolResult):
    """Result of a call that takes longer than clients wait; the reading goes on."""


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document that can be read."""

    id: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentList(ToolResult):
    """Result of ``list_documents``."""

    documents: tuple[ListedDocument, ...] = ()
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPages(ToolResult):
    """Result of ``read_document``. ``text`` is untrusted: it is between fences."""

    id: str = ""
    total_pages: int | None = None
    pages: tuple[int, ...] = ()
    failed_pages: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class NumberedSource:
    """Where in the document a passage of ``text`` is, or a checked citation in it.

    ``number`` is its number in the text; pass ``citation`` to ``show_evidence``.
    """

    number: int
    id: str
    page: int
    boxes: Boxes
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassages(ToolResult):
    """Result of ``search_document``. ``text`` is untrusted: it is between fences."""

    passages: tuple[NumberedSource, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDocument(ToolResult):
    """Result of ``ask_document``. ``text`` is untrusted: it is between fences.

    Attributes:
        found: Whether at least one sentence is supported by a page.
        supported: Sentences that their citations say.
        unsupported: Sentences that no page says; they are marked in the text.
        written_by: The language model that wrote the answer; None if passages are quoted.
    """

    found: bool | None = None
    supported: int = 0
    unsupported: int = 0
    written_by: str | None = None
    citations: tuple[NumberedSource, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class EvidencePicture:
    """A picture of the answer; the pictures come in this order."""

    id: str
    page: int
    boxes: Boxes
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePages(ToolResult):
    """Result of ``show_evidence``. ``text`` is untrusted: it is between fences."""

    pictures: tuple[EvidencePicture, ...] = ()
    text: str = ""


_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (
        DocumentList,
        ReadPages,
        FoundPassages,
        AskedDocument,
        EvidencePages,
        StillReading,
    )
}


def schema_of(kind: type[ToolResult]) -> dict[str, Any]:
    """The JSON Schema of a result."""
    return _ADAPTERS[kind.__name__].json_schema(mode="serialization")


def as_json(result: ToolResult) -> dict[str, Any]:
    """A result as plain JSON values; fields that are None are left out."""
    adapter = _ADAPTERS[type(result).__name__]
    found: dict[str, Any] = adapter.dump_python(result, mode="json", exclude_none=True)
    return found
