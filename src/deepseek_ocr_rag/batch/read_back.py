"""Reads the results of a run from its shards: :func:`batch_documents`, :func:`batch_records`."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from ..document.page_records import (
    OnError,
    Record,
    Split,
    document_record,
    page_records,
    page_wanted,
)
from ..document.types import OcrDocument
from ..errors import ConfigurationError, DeepSeekOCRError
from .arrow_extra import check_arrow
from .output.shard_columns import page_columns
from .output.shards import MARKS, shard_of
from .storage.run_folder import RunFolder
from .stored_pages import DOCUMENT_ERROR, PageRow

__all__ = ["BatchDocument", "batch_documents", "batch_records"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class BatchDocument:
    """A document of a run.

    Attributes:
        doc_id: What the manifest calls it.
        document: Its pages in order, including failed ones.
        error: Why it could not be opened; None if it could.
    """

    doc_id: str
    document: OcrDocument
    error: str | None = None


def batch_documents(folder: str) -> Iterator[BatchDocument]:
    """Read the documents of a run back, in the order of the manifest, one at a time.

    If the run has not ended, only documents in finished shards are read.

    Args:
        folder: The output folder of :func:`run_batch`, on this machine or on an object store.

    Yields:
        The documents.

    Raises:
        ConfigurationError: If there is no run in the folder.
        MissingExtraError: If pyarrow is not installed.
        OutputError: If the folder cannot be read.
    """
    check_arrow()
    run = RunFolder(folder)
    marks = run.names(MARKS)
    if not marks:
        raise ConfigurationError(
            f"there is no finished shard of a run in {folder}",
            remedy="Name the folder that was given to dsocr batch -o.",
        )
    for mark in marks:
        number = int(mark.removeprefix("part-").removesuffix(".json"))
        rows = heapq.merge(_rows(run, "pages", number), _rows(run, "errors", number), key=_position)
        for _, group in groupby(rows, key=lambda row: row.entry):
            yield _document(list(group))


def batch_records(
    folder: str, *, split: Split = "page", on_error: OnError = "keep"
) -> Iterator[Record]:
    """Read the records of a run back, in the order of the manifest and of the pages.

    Their ids are the same as if the files were read directly, or derive from the manifest's ids.

    Args:
        folder: As for :func:`batch_documents`.
        split: What becomes a record: a "page", a "block", or the whole "document".
        on_error: What to do with a page that could not be read: "keep", "skip" or "raise". A
            document that could not be opened has no pages: "raise" raises, the others log a warning.

    Yields:
        The records.

    Raises:
        ConfigurationError: If there is no run in the folder.
        DeepSeekOCRError: If a page or a document failed and ``on_error`` is "raise".
    """
    for read in batch_documents(folder):
        document = read.document
        if read.error is not None:
            if on_error == "raise":
                raise DeepSeekOCRError(
                    f"the document could not be opened ({read.error})", source=read.doc_id
                )
            _log.warning("Skipped: %s", read.error)
            continue
        wanted = (page for page in document if page_wanted(page, document.source, on_error))
        if split == "document":
            if pages := tuple(wanted):
                yield document_record(replace(document, pages=pages), identity=read.doc_id)
            continue
        for page in wanted:
            yield from page_records(
                page,
                source=document.source,
                total_pages=document.total_pages,
                split=split,
                identity=read.doc_id,
            )


def _position(row: PageRow) -> tuple[int, int]:
    return row.entry, row.page


def _rows(run: RunFolder, kind: str, part: int) -> Iterator[PageRow]:
    names = page_columns().names
    with run.open_table(shard_of(kind, part)) as table:
        for batch in table.iter_batches(batch_size=64, columns=names):
            yield from map(PageRow.from_dict, batch.to_pylist())


def _document(rows: list[PageRow]) -> BatchDocument:
    first = rows[0]
    pages = tuple(row.to_page() for row in rows if row.page != DOCUMENT_ERROR)
    total = max(row.total_pages for row in rows)
    error = first.error if first.page == DOCUMENT_ERROR else None
    return BatchDocument(first.doc_id, OcrDocument(first.uri, pages, total, first.sha256), error)
