"""The blob parser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from deepseek_ocr_rag import Reader, SourceError
from deepseek_ocr_rag.records import OnError, Split
from deepseek_ocr_rag.setting_names import with_known_settings

from .documents import DocumentConverter, skip_or_raise
from .options import ReaderOptions, reader_from

__all__ = ["DeepSeekOCRParser"]


@with_known_settings(*ReaderOptions.__annotations__)
class DeepSeekOCRParser(BaseBlobParser):
    """Parse blobs, in memory or on disk, as :class:`DeepSeekOCRLoader` loads files.

    Use it with loaders that find files and leave reading to a parser
    (``GenericLoader`` with a ``FileSystemBlobLoader``, cloud blob loaders). The
    blob's own metadata is kept, unless ours has the same name; ``source`` is
    ``blob.source``.

    Args:
        mode: What becomes one document: a "page", a "block", or the whole "document".
        pages: Which pages of each blob, 1-based.
        password: For encrypted PDFs.
        flat_metadata: Make every metadata value of ours a scalar.
        on_error: "keep", "raise" or "skip" pages that could not be read. "skip" also
            skips blobs that cannot be opened, with a warning in the log; otherwise they
            raise, and ``GenericLoader`` loads no further file.
        reader: Reads the pages; by default built from the options.
        **options: See :class:`ReaderOptions`.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> parser = DeepSeekOCRParser(backend="lite")
        >>> blob = Blob.from_data(pdf_bytes, path="inbox/letter.pdf")  # doctest: +SKIP
        >>> parser.parse(blob)[0].metadata["source"]  # doctest: +SKIP
        'inbox/letter.pdf'
    """

    def __init__(
        self,
        *,
        mode: Split = "page",
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        flat_metadata: bool = False,
        on_error: OnError = "keep",
        reader: Reader | None = None,
        **options: Unpack[ReaderOptions],
    ) -> None:
        self._mode = mode
        self._pages = pages
        self._password = password
        self._flat = flat_metadata
        self._on_error = on_error
        self._reader = reader_from(reader, options)
        DocumentConverter(mode, on_error=on_error)  # report an invalid choice now, not when parsing

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        """Parse a blob page by page.

        Args:
            blob: A PDF or a picture; its media type is ignored.

        Yields:
            Documents in the order of the pages.

        Raises:
            DeepSeekOCRError: If the blob cannot be opened or nothing can be read.
        """
        in_memory = blob.data is not None or blob.path is None
        try:
            stream = self._reader.open(
                blob.as_bytes() if in_memory else str(blob.path),
                pages=self._pages,
                password=self._password,
                name=blob.source,
            )
        except SourceError as error:
            skip_or_raise(error, self._on_error)
            return
        converter = DocumentConverter(
            self._mode,
            self._flat,
            self._on_error,
            extra=blob.metadata,
            nameless=blob.source is None,
        )
        yield from converter.documents(stream)
