"""Documents, pages and chunks as records: text with plain metadata, for vector stores."""

from .document.page_records import (
    OnError,
    Record,
    Split,
    boxes_between,
    document_record,
    page_records,
    page_wanted,
)
from .retrieval.chunk_records import split_records

__all__ = [
    "OnError",
    "Record",
    "Split",
    "boxes_between",
    "document_record",
    "page_records",
    "page_wanted",
    "split_records",
]
