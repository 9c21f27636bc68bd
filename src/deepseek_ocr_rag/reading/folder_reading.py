"""Reads the documents of a folder, one after the other: :class:`FolderReading`."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

from ..concurrency.cancellation import run_releasing
from ..document.types import OcrDocument, Page
from ..errors import ConfigurationError, SourceError
from ..sources.allowed_paths import FileInside
from ..sources.folder_files import documents_in
from ..sources.source import SourceInput
from .page_stream import PageStream
from .progress_bar import ProgressBar

__all__ = ["FolderReading"]

_log = logging.getLogger("deepseek_ocr_rag")


class FolderReading(ABC):
    """Base class of readers: adds iterating over pages and reading folders to :meth:`open`."""

    @abstractmethod
    def close(self) -> None:
        """Close what it uses; leaving its ``with`` block does so."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abstractmethod
    def open(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> PageStream:
        """Open a document; its pages are read as the stream is iterated."""

    def iter_pages(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> Iterator[Page]:
        """Yield the pages in order, each as soon as it is read; arguments as in :meth:`open`."""
        with self.open(source, pages=pages, password=password, name=name) as stream:
            yield from stream

    async def aiter_pages(
        self,
        source: SourceInput,
        *,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        name: str | None = None,
    ) -> AsyncIterator[Page]:
        """:meth:`iter_pages` without blocking the event loop."""
        stream = await run_releasing(
            lambda: self.open(source, pages=pages, password=password, name=name), PageStream.close
        )
        async with stream:
            async for page in stream:
                yield page

    def read_folder(
        self,
        folder: str | os.PathLike[str],
        *,
        match: str | Sequence[str] | None = None,
        recursive: bool = True,
        pages: str | Sequence[int] | None = None,
        password: str | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        show_progress: bool = False,
    ) -> Iterator[OcrDocument]:
        """Read the documents of a folder and of the folders in it, in the order of their names.

        Args:
            folder: The folder. No link out of it is followed.
            match: Which files, as in :func:`~deepseek_ocr_rag.sources.documents_in`: ``"*.pdf"``;
                by default all PDFs and pictures.
            recursive: Whether to look into the folders below it as well.
            pages: Which pages of each document, as in :meth:`open`.
            password: Tried on encrypted PDFs.
            on_error: Whether a document that cannot be opened ends the reading ("raise"), or is
                left out with a warning in the log ("skip").
            show_progress: Whether to show one bar for all pages, in a terminal or a notebook.

        Returns:
            The documents, each as soon as it is read. The folder is looked through at once.

        Raises:
            SourceError: If the folder cannot be read or has no document, or, while iterating, if
                a document cannot be opened.
            BackendError: While iterating, if the backend cannot read any page.

        Example:
            >>> for document in reader.read_folder("papers", match="*.pdf"):  # doctest: +SKIP
            ...     print(document.source, len(document))
        """
        if on_error not in ("raise", "skip"):
            raise ConfigurationError(
                f"on_error cannot be {on_error!r}", remedy='Choose "raise" or "skip".'
            )
        files = documents_in(folder, match=match, recursive=recursive)
        return self._documents(
            files, Path(folder), pages, password, skip=on_error == "skip", show=show_progress
        )

    def _documents(
        self,
        files: Sequence[FileInside],
        folder: Path,
        pages: str | Sequence[int] | None,
        password: str | None,
        *,
        skip: bool,
        show: bool,
    ) -> Iterator[OcrDocument]:
        with ProgressBar(show=show) as bar:
            for file in files:
                name = str(folder / file.path)
                try:
                    stream = self.open(file, pages=pages, password=password, name=name)
                except SourceError as error:
                    if not skip:
                        raise
                    _log.warning("Skipped: %s", error)
                    continue
                with stream:
                    bar.follow(stream)
                    document = stream.document(stream)
                yield document
