"""Converts records to documents of LlamaIndex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.schema import Document

from deepseek_ocr_rag.records import Record, storable_values

__all__ = ["to_document"]

_SHOWN_TO_MODELS = frozenset({"page_label", "section"})
"""Metadata that helps an embedding or an answer; the rest is for programs."""


def to_document(
    record: Record, *, flat: bool = False, extra_info: Mapping[str, Any] | None = None
) -> Document:
    """Convert a record to a document; ``extra_info`` is more metadata, and wins."""
    metadata = (record.flat() if flat else record).metadata
    metadata = {**metadata, **storable_values(extra_info or {})}
    hidden = [key for key in metadata if key not in _SHOWN_TO_MODELS]
    return Document(
        id_=record.id,
        text=record.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(hidden),
        excluded_llm_metadata_keys=list(hidden),
    )
