"""Opens the documents of a manifest and counts their pages: :class:`Planner`, :class:`ManifestPart`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..errors import CorruptSourceError, DeepSeekOCRError
from ..sources.page_selection import parse_page_selection
from ..text.visible import visible_line
from .batch_settings import BatchSettings
from .page_units import ManifestEntry, PageUnit, PlannedDocument, page_units
from .storage.fetched_documents import FetchedDocuments
from .storage.locations import shown_uri

__all__ = ["ManifestPart", "PlannedPart", "Planner", "manifest_parts"]

OPENED_AT_ONCE: Final = 4

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """Consecutive documents of a manifest, whose pages go into one shard.

    Attributes:
        number: Its position, from 0.
        first: Position of its first document in the manifest, from 0.
        entries: The documents.
    """

    number: int
    first: int
    entries: tuple[ManifestEntry, ...]

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"part-{self.number:08d}"

    def digest(self) -> str:
        """Hash of its lines of the manifest."""
        return hashlib.sha256("".join(each.digest() for each in self.entries).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part whose pages were counted.

    Attributes:
        part: The part.
        documents: What became of each of its documents, in their order.
        units: The units to read, in the order of the documents and their pages.
    """

    part: ManifestPart
    documents: tuple[PlannedDocument, ...]
    units: tuple[PageUnit, ...]


def manifest_parts(entries: Iterator[ManifestEntry], size: int) -> Iterator[ManifestPart]:
    """Cut a manifest into parts of ``size`` documents; the last one may have fewer."""
    number = 0
    while batch := tuple(islice(entries, size)):
        yield ManifestPart(number, number * size, batch)
        number += 1


class Planner:
    """Counts the pages of documents, several at a time.

    Args:
        settings: Limits, renderer, and which URLs are allowed.
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._fetched = FetchedDocuments(settings.limits, settings.urls)
        self._pool = ThreadPoolExecutor(OPENED_AT_ONCE, thread_name_prefix="dsocr-plan")

    def plan(self, part: ManifestPart) -> PlannedPart:
        """Open each document of a part; a document that cannot be opened is kept with its error."""
        documents = self.documents(list(enumerate(part.entries, part.first)))
        size, configuration = self._settings.unit_pages, self._settings.configuration
        units = tuple(
            unit
            for document, entry in zip(documents, part.entries, strict=True)
            for unit in page_units(document, entry, size, configuration)
        )
        return PlannedPart(part, documents, units)

    def documents(
        self, entries: Sequence[tuple[int, ManifestEntry]]
    ) -> tuple[PlannedDocument, ...]:
        """Open documents, each with its position in the manifest; several at a time."""
        return tuple(self._pool.map(self.document, *zip(*entries, strict=True)))

    def document(self, position: int, entry: ManifestEntry) -> PlannedDocument:
        """Open one document."""
        uri = shown_uri(entry.uri)
        doc_id = entry.id or uri
        try:
            with self._fetched.source(
                entry.uri, password=entry.password, renderer=self._settings.renderer
            ) as source:
                if entry.sha256 not in ("", source.sha256):
                    raise CorruptSourceError(
                        f"its sha256 is {source.sha256}, and the manifest says {entry.sha256}",
                        source=uri,
                        remedy="Get the document again, or correct the manifest.",
                    )
                numbers = parse_page_selection(entry.pages, source.page_count, source=uri)
                return PlannedDocument(
                    position, doc_id, uri, source.sha256, source.page_count, numbers
                )
        except Exception as error:  # noqa: BLE001 - becomes a row
            if not isinstance(error, DeepSeekOCRError):
                _log.exception("%s could not be opened", visible_line(uri))
            return PlannedDocument(
                position,
                doc_id,
                uri,
                error_type=type(error).__name__,
                error=str(error) or type(error).__name__,
            )

    def close(self) -> None:
        """End its threads, and remove fetched files."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._fetched.close()
