"""Documents, pages and chunks as records: text with plain metadata, for vector stores."""

from .document.box_search import BoxSearch, boxes_between, find_boxes
from .document.page_records import (
    OnError,
    Record,
    Split,
    document_record,
    page_records,
    page_wanted,
    storable_values,
    text_of_boxes,
)
from .retrieval.chunk_records import split_records

__all__ = [
    "BoxSearch",
    "OnError",
    "Record",
    "Split",
    "boxes_between",
    "document_record",
    "find_boxes",
    "page_records",
    "page_wanted",
    "split_records",
    "storable_values",
    "text_of_boxes",
]
