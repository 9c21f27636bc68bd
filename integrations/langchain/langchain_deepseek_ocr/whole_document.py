"""A file as one document: its chunks carry a reference to its boxes, not the boxes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.documents import Document
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from pydantic import Field

__all__ = ["WholeDocument", "full_metadata", "whole_of"]

_LAYOUT_KEYS = ("boxes", "spans", "boxes_text")


class WholeDocument(Document):
    """A whole file, with its layout outside of the metadata.

    Splitters copy the metadata of a document to every chunk: with the boxes of all
    pages in it, each chunk would weigh as much as the file. So the metadata only has
    ``layout``, a reference from which :func:`boxes_for` finds this document again.

    Attributes:
        layout_data: What other documents have in their metadata: ``boxes``, ``spans`` and
            ``boxes_text``.
    """

    layout_data: dict[str, Any] = Field(default_factory=dict, repr=False)

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401 - pydantic
        """Register the document, so that its chunks find it as long as it is in memory."""
        if isinstance(reference := self.metadata.get("layout"), str):
            _in_memory[reference] = self

    @classmethod
    def from_document(cls, document: Document) -> WholeDocument:
        """Take the layout out of a document's metadata."""
        layout = {k: v for k, v in document.metadata.items() if k in _LAYOUT_KEYS}
        rest = {k: v for k, v in document.metadata.items() if k not in _LAYOUT_KEYS}
        content = json.dumps([document.page_content, layout], sort_keys=True)
        reference = hashlib.sha256(content.encode()).hexdigest()[:32]
        return cls(
            id=document.id,
            page_content=document.page_content,
            metadata={**rest, "layout": reference},
            layout_data=layout,
        )

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Serialise as a plain document, with the layout in the metadata."""
        return Document(
            id=self.id, page_content=self.page_content, metadata=full_metadata(self)
        ).to_json()


_in_memory: WeakValueDictionary[str, WholeDocument] = WeakValueDictionary()


def full_metadata(document: Document) -> dict[str, Any]:
    """Return the metadata, with the layout if that is kept outside of it."""
    if isinstance(document, WholeDocument):
        return {**document.metadata, **document.layout_data}
    return document.metadata


def whole_of(metadata: Mapping[str, Any], documents: Iterable[Document]) -> Document | None:
    """Return the whole document that the metadata of a chunk refers to; None if it is not known."""
    reference = metadata.get("layout")
    if not isinstance(reference, str):
        return None
    for document in documents:
        if document.metadata.get("layout") == reference and full_metadata(document).get("boxes"):
            return document
    return _in_memory.get(reference)
