"""The columns of the shards, as Arrow schemas."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = [
    "file_columns",
    "page_columns",
    "record_columns",
    "timing_columns",
]


@cache
def page_columns() -> Any:  # noqa: ANN401 - a pyarrow.Schema
    """Of ``pages/`` and ``errors/``: see :class:`~deepseek_ocr_rag.batch.PageRow`."""
    import pyarrow as pa

    box = pa.struct([(name, pa.float64()) for name in ("x0", "y0", "x1", "y1")])
    block = pa.struct(
        [
            ("kind", pa.string()),
            ("text", pa.string()),
            ("boxes", pa.list_(box)),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("section", pa.list_(pa.string())),
            ("html", pa.string()),
            ("confidence", pa.float64()),
        ]
    )
    return pa.schema(
        [
            ("entry", pa.int64()),
            ("doc_id", pa.string()),
            ("uri", pa.string()),
            ("sha256", pa.string()),
            ("page", pa.int32()),
            ("total_pages", pa.int32()),
            ("label", pa.string()),
            ("width", pa.float64()),
            ("height", pa.float64()),
            ("markdown", pa.string()),
            ("blocks", pa.list_(block)),
            ("status", pa.string()),
            ("error_type", pa.string()),
            ("error", pa.string()),
            ("attempts", pa.int32()),
            ("warnings", pa.list_(pa.string())),
            ("confidence", pa.float64()),
            ("tokens", pa.int32()),
            ("backend", pa.string()),
            ("model", pa.string()),
            ("resolution", pa.string()),
            ("revision", pa.string()),
            ("version", pa.string()),
        ]
    )


@cache
def timing_columns() -> Any:  # noqa: ANN401
    """Of ``timings/``: what differs from run to run."""
    import pyarrow as pa

    return pa.schema(
        [
            ("entry", pa.int64()),
            ("doc_id", pa.string()),
            ("page", pa.int32()),
            ("seconds", pa.float64()),
        ]
    )


@cache
def record_columns() -> Any:  # noqa: ANN401
    """Of ``documents/``: text with metadata, as LangChain has it."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("page_content", pa.string()),
            ("metadata", pa.string()),
            ("entry", pa.int64()),
            ("doc_id", pa.string()),
            ("page", pa.int32()),
        ]
    )


@cache
def file_columns() -> Any:  # noqa: ANN401
    """Of ``files/``: what became of each line of the manifest."""
    import pyarrow as pa

    return pa.schema(
        [
            ("entry", pa.int64()),
            ("doc_id", pa.string()),
            ("uri", pa.string()),
            ("sha256", pa.string()),
            ("total_pages", pa.int32()),
            ("pages", pa.list_(pa.int32())),
            ("error_type", pa.string()),
            ("error", pa.string()),
        ]
    )
