"""The reader."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr, SecretStr
from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.schema import Document

from deepseek_ocr_rag import Page, Reader, SourceError
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.reading import PageStream, ProgressBar
from deepseek_ocr_rag.records import OnError, page_records, page_wanted
from deepseek_ocr_rag.service import reader_named
from deepseek_ocr_rag.setting_names import refuse_unknown
from deepseek_ocr_rag.sources import SourceInput, documents_in
from deepseek_ocr_rag.threads import in_thread

from .batch_reader import BatchReader
from .documents import to_document

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["DeepSeekOCRReader"]

logger = logging.getLogger(__name__)


class DeepSeekOCRReader(BasePydanticReader):
    """Reads PDFs and page pictures as Markdown, one document per page, with boxes.

    All fields are plain values, so the reader can be pickled and used as
    ``file_extractor`` of ``SimpleDirectoryReader``, even with ``num_workers``.

    Every page gives a document, even a blank one (without text). Ids are derived
    from the source and the page, so that an ingestion pipeline with ``UPSERTS``
    replaces pages that changed and leaves the others alone. Embeddings and language
    models see only ``page_label`` and ``section`` of the metadata.

    Attributes:
        backend: What reads the pages: "auto" (the best one available), "lite",
            "ollama", "ollama/<model>", "server", "server:<base url>", "replay:<file>"; on
            a GPU of your own "local" (our engine) or "transformers", each also with
            ":<folder or hub id>"; or a service that others share (``dsocr serve``):
            "service:<base url>".
        resolution: How finely the model sees a page: tiny, small, base, large, or
            gundam (the default), which adds detailed tiles for small print; as in
            :class:`deepseek_ocr_rag.Reader`. ``lite`` has no such setting.
        task: document, ocr, free, figure, describe, "locate: <what>", or
            "prompt: <your own words>".
        pages: Which pages, 1-based, like "1-3,7"; None for all.
        password: For encrypted PDFs. It is pickled (for worker processes), but left
            out of ``to_dict`` and ``to_json``.
        match: Which files of a folder, such as ``"*.pdf"``; by default all PDFs and pictures.
        recursive: Whether to look into subfolders too.
        renderer: "pdfium" or "pymupdf".
        allow_urls: Whether ``file`` may be an https URL.
        flat_metadata: Make every metadata value a scalar (``boxes`` becomes one
            JSON string) for stores that refuse nested values, such as Chroma.
        on_error: What to do with a page that could not be read: "keep" it as a
            document without text, with its error in the metadata; "raise"; or
            "skip" it. "skip" also skips files that cannot be opened, with a warning in
            the log; otherwise they raise.

    Args:
        reader: A :class:`deepseek_ocr_rag.Reader`, instead of one built from the
            fields. It is pickled if its backend is, and never serialised.
        **fields: The attributes above.

    Example:
        >>> from llama_index.core import SimpleDirectoryReader
        >>> reader = DeepSeekOCRReader(backend="lite")
        >>> SimpleDirectoryReader(  # doctest: +SKIP
        ...     "papers", file_extractor={".pdf": reader, ".png": reader}
        ... ).load_data(num_workers=2)
    """

    is_remote: bool = False
    backend: str = "auto"
    resolution: str = "gundam"
    task: str = "document"
    pages: str | None = None
    password: SecretStr | None = Field(default=None, exclude=True)
    match: str | list[str] | None = None
    recursive: bool = True
    renderer: str = "pdfium"
    allow_urls: bool = False
    flat_metadata: bool = False
    on_error: OnError = Field(default="keep")

    _given: Reader | None = PrivateAttr(default=None)
    _made: Reader | None = PrivateAttr(default=None)

    def __init__(self, *, reader: Reader | None = None, **fields: Any) -> None:  # noqa: ANN401 - pydantic
        refuse_unknown(type(self).__name__, fields, {"reader", *type(self).model_fields})
        both = sorted(set(fields) & {"backend", "resolution", "task", "renderer", "allow_urls"})
        if reader is not None and both:
            raise ConfigurationError(
                f"both a reader and {', '.join(both)} were given",
                remedy="Pass these to the Reader, or leave the reader out.",
            )
        super().__init__(**fields)
        self._given = reader

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "DeepSeekOCRReader"

    @staticmethod
    def from_batch(
        folder: str | os.PathLike[str], *, flat_metadata: bool = False, on_error: OnError = "keep"
    ) -> BatchReader:
        """Make a reader of what ``dsocr batch`` has read; nothing is read again.

        Args:
            folder: The folder of the run, on this machine or on an object store.
            flat_metadata: Whether every metadata value is a scalar.
            on_error: What to do with a page that could not be read.

        Raises:
            ConfigurationError: If an argument is invalid.
        """
        return BatchReader(os.fspath(folder), flat_metadata=flat_metadata, on_error=on_error)

    def __getstate__(self) -> dict[str, Any]:
        # Not LlamaIndex's, which leaves out what cannot be pickled, and logs it every time.
        state = BaseModel.__getstate__(self)
        # A new dictionary, because this one is pydantic's own. Every process builds its own reader.
        return {**state, "__pydantic_private__": {"_given": self._given, "_made": None}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        BaseModel.__setstate__(self, state)

    def lazy_load_data(
        self,
        file: str | os.PathLike[str] | bytes,
        extra_info: Mapping[str, Any] | None = None,
        fs: AbstractFileSystem | None = None,
        *,
        show_progress: bool = False,
    ) -> Iterator[Document]:
        """Read page by page.

        Args:
            file: A path, a folder, a URL (with ``allow_urls``), or the bytes of a file. The
                documents of a folder come in the order of their names.
            extra_info: More metadata, which wins over ours where the names are the same.
            fs: File system of the path, if it is not this machine's disk.
            show_progress: Whether to show a bar for all pages, in a terminal or a notebook.

        Yields:
            Documents in page order, each as soon as its page is read.

        Raises:
            DeepSeekOCRError: If the file cannot be opened or nothing can be read.
        """
        with ProgressBar(show=show_progress) as bar:
            for source, name in self._found(file, fs):
                try:
                    with self._open(source, name, fs) as stream:
                        bar.follow(stream)
                        for page in stream:
                            yield from self._documents(page, stream, file, extra_info)
                except SourceError as error:
                    self._skip_or_raise(error)

    def load_data(
        self,
        file: str | os.PathLike[str] | bytes,
        extra_info: Mapping[str, Any] | None = None,
        fs: AbstractFileSystem | None = None,
        *,
        show_progress: bool = False,
    ) -> list[Document]:
        """:meth:`lazy_load_data` as a list."""
        return list(self.lazy_load_data(file, extra_info, fs, show_progress=show_progress))

    async def aload_data(
        self,
        file: str | os.PathLike[str] | bytes,
        extra_info: Mapping[str, Any] | None = None,
        fs: AbstractFileSystem | None = None,
        *,
        show_progress: bool = False,
    ) -> list[Document]:
        """:meth:`load_data` without blocking the event loop."""
        documents: list[Document] = []
        found = await in_thread(lambda: list(self._found(file, fs)))
        with ProgressBar(show=show_progress) as bar:
            for source, name in found:
                try:
                    stream = await in_thread(partial(self._open, source, name, fs))
                    async with stream:
                        bar.follow(stream)
                        async for page in stream:
                            documents += self._documents(page, stream, file, extra_info)
                except SourceError as error:
                    self._skip_or_raise(error)
        return documents

    def _skip_or_raise(self, error: SourceError) -> None:
        if self.on_error != "skip":
            raise error
        logger.warning("Skipped: %s", error)

    def _found(
        self, file: str | os.PathLike[str] | bytes, fs: AbstractFileSystem | None
    ) -> Iterator[tuple[SourceInput, str | None]]:
        """Yield the files to read, each with its name if it was found in a folder."""
        if fs is not None or isinstance(file, bytes) or not Path(file).is_dir():
            yield file, None
            return
        for each in documents_in(file, match=self.match, recursive=self.recursive):
            yield each, str(Path(file) / each.path)

    def _reader(self) -> Reader:
        if self._given is not None:
            return self._given
        if self._made is None:
            self._made = reader_named(
                self.backend,
                resolution=self.resolution,
                task=self.task,
                renderer=self.renderer,
                allow_urls=self.allow_urls,
            )
        return self._made

    def _open(
        self, file: SourceInput, name: str | None, fs: AbstractFileSystem | None
    ) -> PageStream:
        password = self.password.get_secret_value() if self.password else None
        if fs is None or not isinstance(file, str | os.PathLike):
            return self._reader().open(file, pages=self.pages, password=password, name=name)
        name = os.fspath(file)
        with fs.open(name, "rb") as opened:
            return self._reader().open(opened, pages=self.pages, password=password, name=name)

    def _documents(
        self,
        page: Page,
        stream: PageStream,
        file: str | os.PathLike[str] | bytes,
        extra_info: Mapping[str, Any] | None,
    ) -> Iterator[Document]:
        if not page_wanted(page, stream.source, self.on_error):
            return
        for record in page_records(
            page,
            source=stream.source,
            total_pages=stream.total_pages,
            identity=stream.sha256 if isinstance(file, bytes) else None,
        ):
            yield to_document(record, flat=self.flat_metadata, extra_info=extra_info)
