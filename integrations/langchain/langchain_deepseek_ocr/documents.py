"""Converts pages to LangChain documents as they are read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from langchain_core.documents import Document

from deepseek_ocr_rag import OcrDocument, Page, SourceError
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.reading import PageStream
from deepseek_ocr_rag.records import (
    OnError,
    Record,
    Split,
    document_record,
    page_records,
    page_wanted,
    storable_values,
)

from .whole_document import WholeDocument

__all__ = ["DocumentConverter", "skip_or_raise", "to_document"]

logger = logging.getLogger(__name__)


def to_document(record: Record, *, flat: bool = False) -> Document:
    """Convert a record to a LangChain document."""
    record = record.flat() if flat else record
    return Document(id=record.id, page_content=record.text, metadata=record.metadata)


def skip_or_raise(error: SourceError, on_error: OnError) -> None:
    """Log that a file is left out, if that is wanted; otherwise raise the error."""
    if on_error != "skip":
        raise error
    logger.warning("Skipped: %s", error)


@dataclass(frozen=True, slots=True)
class DocumentConverter:
    """How pages are converted to documents.

    Attributes:
        mode: One document per page, per block, or for the whole file.
        flat: Whether all metadata values are scalars.
        on_error: What to do with a page that could not be read.
        extra: More metadata; where a name is the same, ours wins.
        nameless: Whether the source has no name of its own, so that ids are made
            from its hash.

    Raises:
        ConfigurationError: If ``mode`` or ``on_error`` is unknown.
    """

    mode: Split = "page"
    flat: bool = False
    on_error: OnError = "keep"
    extra: Mapping[Any, Any] = field(default_factory=dict)
    nameless: bool = False

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("mode", self.mode, get_args(Split)),
            ("on_error", self.on_error, get_args(OnError)),
        ):
            if value not in choices:
                hint = " To set the resolution, use resolution=..." * (name == "mode")
                raise ConfigurationError(
                    f"{name} cannot be {value!r}",
                    remedy=f"Choose one of {', '.join(choices)}.{hint}",
                )

    def documents(self, stream: PageStream) -> Iterator[Document]:
        """Yield the documents of a stream, each as soon as its page is read."""
        with stream:
            read: list[Page] = []
            try:
                for page in stream:
                    yield from self._of_page(page, stream, read)
            except SourceError as error:
                skip_or_raise(error, self.on_error)
            else:
                yield from self._of_whole(stream, read)

    async def adocuments(self, stream: PageStream) -> AsyncIterator[Document]:
        """:meth:`documents` without blocking the event loop."""
        async with stream:
            read: list[Page] = []
            try:
                async for page in stream:
                    for document in self._of_page(page, stream, read):
                        yield document
            except SourceError as error:
                skip_or_raise(error, self.on_error)
            else:
                for document in self._of_whole(stream, read):
                    yield document

    def _of_page(self, page: Page, stream: PageStream, read: list[Page]) -> Iterator[Document]:
        if not page_wanted(page, stream.source, self.on_error):
            return
        if self.mode == "document":
            read.append(page)
            return
        for record in page_records(
            page,
            source=stream.source,
            total_pages=stream.total_pages,
            split=self.mode,
            identity=self._identity(stream),
        ):
            yield self._document(record)

    def _of_whole(self, stream: PageStream, read: list[Page]) -> Iterator[Document]:
        if read:
            whole = OcrDocument(stream.source, tuple(read), stream.total_pages, stream.sha256)
            record = document_record(whole, identity=self._identity(stream))
            yield WholeDocument.from_document(self._document(record))

    def _identity(self, stream: PageStream) -> str | None:
        return stream.sha256 if self.nameless else None

    def _document(self, record: Record) -> Document:
        document = to_document(record, flat=self.flat)
        document.metadata = {**storable_values(self.extra), **document.metadata}
        return document
