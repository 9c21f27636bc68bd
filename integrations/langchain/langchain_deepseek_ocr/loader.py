"""The document loader."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Unpack

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from deepseek_ocr_rag import Reader, SourceError
from deepseek_ocr_rag.reading import PageStream, ProgressBar
from deepseek_ocr_rag.records import OnError, Split
from deepseek_ocr_rag.setting_names import with_known_settings
from deepseek_ocr_rag.sources import SourceInput, documents_in
from deepseek_ocr_rag.threads import in_thread

from .batch_loader import BatchLoader
from .documents import DocumentConverter, skip_or_raise
from .options import ReaderOptions, reader_from

__all__ = ["DeepSeekOCRLoader", "FilePath"]

FilePath = str | os.PathLike[str] | bytes | BinaryIO
"""A path, a URL (with ``allow_urls``), the bytes of a file, or an open binary file."""


@with_known_settings(*ReaderOptions.__annotations__)
class DeepSeekOCRLoader(BaseLoader):
    """Load PDFs and page pictures as Markdown, each document with its page and boxes.

    It streams: ``lazy_load`` yields the first document before the second page is
    read, and memory does not grow with the file. ``alazy_load`` does not block the
    event loop.

    Every page gives a document, even a blank one (without text); ``on_error``
    says what to do with pages that could not be read.

    Args:
        file_path: What to load: a file, a folder, or a list of them.
        mode: What becomes one document: a "page" (the default), a "block" of the
            page's layout (a heading, a paragraph, a table), or the whole
            "document".
        pages: Which pages, 1-based: ``"1-3,7"`` or ``[1, 2, 3, 7]``.
        password: For encrypted PDFs.
        match: Which files of a folder, such as ``"*.pdf"``, or several patterns; by
            default all PDFs and pictures, in the order of their names.
        recursive: Whether to look into subfolders too.
        show_progress: Whether to show a bar for all pages, in a terminal or a notebook.
        flat_metadata: Make every metadata value a scalar (``boxes`` becomes one
            JSON string) for stores that refuse nested values, such as Chroma.
        on_error: What to do with a page that could not be read: "keep" it as a
            document without text, with ``finish_reason="error"`` and ``error`` in
            its metadata; "raise"; or "skip" it. "skip" also skips files that cannot
            be opened, with a warning in the log; otherwise they raise.
        reader: Reads the pages; by default built from the options.
        **options: ``backend``, ``resolution``, ``task``, ``renderer``,
            ``limits`` and ``allow_urls``, see :class:`ReaderOptions`.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> loader = DeepSeekOCRLoader("report.pdf", backend="lite", pages="1-3")
        >>> for document in loader.lazy_load():  # doctest: +SKIP
        ...     print(document.metadata["page_label"], document.page_content[:60])
    """

    def __init__(
        self,
        file_path: FilePath | Sequence[FilePath],
        *,
        mode: Split = "page",
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        match: str | Sequence[str] | None = None,
        recursive: bool = True,
        show_progress: bool = False,
        flat_metadata: bool = False,
        on_error: OnError = "keep",
        reader: Reader | None = None,
        **options: Unpack[ReaderOptions],
    ) -> None:
        self._files: list[FilePath] = (
            list(file_path) if isinstance(file_path, list | tuple) else [file_path]  # type: ignore[list-item]
        )
        self._mode = mode
        self._pages = pages
        self._password = password
        self._match = match
        self._recursive = recursive
        self._show_progress = show_progress
        self._flat = flat_metadata
        self._on_error = on_error
        self._reader = reader_from(reader, options)
        DocumentConverter(mode, on_error=on_error)  # report an invalid choice now, not when loading

    @staticmethod
    def from_batch(
        folder: str | os.PathLike[str],
        *,
        mode: Split = "page",
        flat_metadata: bool = False,
        on_error: OnError = "keep",
    ) -> BatchLoader:
        """Make a loader of what ``dsocr batch`` has read; nothing is read again.

        Args:
            folder: The folder of the run, on this machine or on an object store.
            mode: As for this class, like the next two.
            flat_metadata: Whether every metadata value is a scalar.
            on_error: What to do with a page that could not be read.

        Raises:
            ConfigurationError: If an argument is invalid.
        """
        return BatchLoader(
            os.fspath(folder), mode=mode, flat_metadata=flat_metadata, on_error=on_error
        )

    def lazy_load(self) -> Iterator[Document]:
        """Load page by page.

        Yields:
            Documents in the order of the files and their pages.

        Raises:
            DeepSeekOCRError: If a file cannot be opened or nothing can be read.
        """
        return self._load(show_progress=self._show_progress)

    def load(self, *, show_progress: bool | None = None) -> list[Document]:
        """:meth:`lazy_load` as a list.

        Args:
            show_progress: Whether to show a bar; None for what the loader was made with.
        """
        show = self._show_progress if show_progress is None else show_progress
        return list(self._load(show_progress=show))

    def _load(self, *, show_progress: bool) -> Iterator[Document]:
        with ProgressBar(show=show_progress) as bar:
            for file, name in self._found():
                try:
                    stream = self._open(file, name)
                except SourceError as error:
                    skip_or_raise(error, self._on_error)
                else:
                    bar.follow(stream)
                    yield from self._converter(name or file).documents(stream)

    async def alazy_load(self) -> AsyncIterator[Document]:
        """:meth:`lazy_load` without blocking the event loop."""
        found = await in_thread(lambda: list(self._found()))
        with ProgressBar(show=self._show_progress) as bar:
            for file, name in found:
                try:
                    stream = await in_thread(partial(self._open, file, name))
                except SourceError as error:
                    skip_or_raise(error, self._on_error)
                else:
                    bar.follow(stream)
                    async for document in self._converter(name or file).adocuments(stream):
                        yield document

    def _found(self) -> Iterator[tuple[SourceInput, str | None]]:
        """Yield the files to load, each with its name if it was found in a folder."""
        for file in self._files:
            if not isinstance(file, str | os.PathLike) or not Path(file).is_dir():
                yield file, None
                continue
            try:
                found = documents_in(file, match=self._match, recursive=self._recursive)
            except SourceError as error:
                skip_or_raise(error, self._on_error)
            else:
                for each in found:
                    yield each, str(Path(file) / each.path)

    def _open(self, file: SourceInput, name: str | None) -> PageStream:
        return self._reader.open(file, pages=self._pages, password=self._password, name=name)

    def _converter(self, file: SourceInput) -> DocumentConverter:
        nameless = not isinstance(file, str | os.PathLike) and not isinstance(
            getattr(file, "name", None), str
        )
        return DocumentConverter(self._mode, self._flat, self._on_error, nameless=nameless)
