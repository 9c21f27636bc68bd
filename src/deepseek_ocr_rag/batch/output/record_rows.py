"""Makes the rows of ``documents/``: pages, or chunks of them, in LangChain's form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...document.page_records import Record, page_records
from ..stored_pages import DOCUMENT_ERROR, PageRow

__all__ = ["RecordRows"]


class RecordRows:
    """Makes rows of ``documents/`` from the pages of a part, in their order.

    Args:
        chunk_tokens: Most tokens of a chunk; None for one row for each page.
    """

    def __init__(self, chunk_tokens: int | None = None) -> None:
        self._chunk_tokens = chunk_tokens
        self._document: PageRow | None = None
        self._records: list[Record] = []

    def add(self, row: PageRow) -> Iterator[dict[str, Any]]:
        """Take a page; yields the rows that are ready."""
        if self._document is not None and self._document.entry != row.entry:
            yield from self.end()
        if row.page == DOCUMENT_ERROR:
            return
        self._document = row
        self._records += page_records(
            row.to_page(), source=row.uri, total_pages=row.total_pages, identity=row.doc_id
        )
        if self._chunk_tokens is None:
            yield from self.end()

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the document that has ended."""
        records, document, self._records = self._records, self._document, []
        if document is None:
            return
        if self._chunk_tokens is not None:
            from ...retrieval.chunk_records import split_records

            # A paragraph may run over a page break, so the whole document is cut.
            records = list(split_records(records, max_tokens=self._chunk_tokens))
        for record in records:
            yield {
                "id": record.id,
                "page_content": record.text,
                "metadata": json.dumps(record.metadata, ensure_ascii=False),
                "entry": document.entry,
                "doc_id": document.doc_id,
                "page": int(record.metadata["page"]) + 1,
            }
