"""Records: documents, pages and chunks as plain metadata, for vector stores and other frameworks."""

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
