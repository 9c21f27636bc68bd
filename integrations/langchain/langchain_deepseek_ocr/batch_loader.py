"""Loads what ``dsocr batch`` has read: :class:`BatchLoader`."""

from __future__ import annotations

from collections.abc import Iterator

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from deepseek_ocr_rag.batch import batch_records
from deepseek_ocr_rag.records import OnError, Split

from .documents import DocumentConverter, to_document
from .whole_document import WholeDocument

__all__ = ["BatchLoader"]


class BatchLoader(BaseLoader):
    """Load the documents of a run of ``dsocr batch``; nothing is read again.

    Memory does not grow with the run: it holds one document at a time. The ids are those that
    :class:`DeepSeekOCRLoader` gives the same files, or derive from the ids of the manifest.

    Args:
        folder: The folder of the run, on this machine or on an object store.
        mode: What becomes one document: a "page", a "block", or the whole "document".
        flat_metadata: Make every metadata value a scalar.
        on_error: What to do with a page that could not be read, as for the loader of files. A file
            that could not be opened has no pages: "raise" raises, the others log a warning.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self,
        folder: str,
        *,
        mode: Split = "page",
        flat_metadata: bool = False,
        on_error: OnError = "keep",
    ) -> None:
        self._folder = folder
        self._mode = mode
        self._flat = flat_metadata
        self._on_error = on_error
        DocumentConverter(mode, on_error=on_error)  # report an invalid choice now, not when loading

    def lazy_load(self) -> Iterator[Document]:
        """Load document by document, in the order of the manifest.

        Yields:
            Documents in the order of the files and their pages.

        Raises:
            DeepSeekOCRError: If a page failed and ``on_error`` is "raise", or there is no run.
        """
        for record in batch_records(self._folder, split=self._mode, on_error=self._on_error):
            document = to_document(record, flat=self._flat)
            yield document if self._mode != "document" else WholeDocument.from_document(document)
