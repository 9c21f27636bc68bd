"""Loads what ``dsocr batch`` has read: :class:`BatchReader`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document

from deepseek_ocr_rag.batch import batch_records
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import OnError

from .documents import to_document

__all__ = ["BatchReader"]


class BatchReader(BaseReader):
    """Loads the pages of a run of ``dsocr batch``; nothing is read again.

    Memory does not grow with the run: it holds one document at a time. The ids are those that
    :class:`DeepSeekOCRReader` gives the same files, or derive from the ids of the manifest.

    Args:
        folder: The folder of the run, on this machine or on an object store.
        flat_metadata: Make every metadata value a scalar.
        on_error: What to do with a page that could not be read, as for the reader of files. A file
            that could not be opened has no pages: "raise" raises, the others log a warning.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self, folder: str, *, flat_metadata: bool = False, on_error: OnError = "keep"
    ) -> None:
        if on_error not in get_args(OnError):
            raise ConfigurationError(
                f"on_error={on_error!r} is not supported",
                remedy=f"Use one of {', '.join(get_args(OnError))}.",
            )
        self._folder = folder
        self._flat = flat_metadata
        self._on_error = on_error

    def lazy_load_data(self, extra_info: Mapping[str, Any] | None = None) -> Iterator[Document]:
        """Load page by page, in the order of the manifest.

        Args:
            extra_info: More metadata, which wins over ours where the names are the same.

        Yields:
            Documents in the order of the files and their pages.

        Raises:
            DeepSeekOCRError: If a page failed and ``on_error`` is "raise", or there is no run.
        """
        for record in batch_records(self._folder, on_error=self._on_error):
            yield to_document(record, flat=self._flat, extra_info=extra_info)
