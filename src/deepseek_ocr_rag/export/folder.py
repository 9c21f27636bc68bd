"""Writes a document into a folder: Markdown, JSON, page pictures and figure crops.

::

    folder/
    ├── report.md                  all pages, a comment in front of each
    ├── report.json                the same as OcrDocument.to_dict()
    ├── pages/page-0001.png        the page with its boxes
    └── figures/page-0001-1.png    what the page's first image box holds

Pages are written as they arrive, with one in memory at a time. The two text files are
written under temporary names and renamed after the last page, so that nobody reads
half a file. No link in the folder is followed (:mod:`.output_folder`).

If the text files replace earlier ones, pictures that this document did not write are removed, too,
because they would be taken for its own. They are recognised by their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from PIL import Image

from ..document.captions import FIGURE_KINDS
from ..document.types import Block, Box, OcrDocument, Page
from ..errors import OutputError
from ..setting_names import with_known_settings
from ..text.visible import json_line
from .drawing import crop_boxes, draw_page
from .filenames import file_stem
from .output_folder import OutputFolder, disk_errors
from .page_markdown import page_markdown

__all__ = ["FolderWriter", "write_folder", "write_page_pictures"]

_PICTURES: Final = {
    "pages": re.compile(r"page-[0-9]{4,6}\.png"),
    "figures": re.compile(r"page-[0-9]{4,6}-[0-9]{1,3}\.png"),
}
"""The pictures of a document: a folder, and their names in it."""

MAX_FIGURES: Final = 100
"""Most figure crops from one page: a model in a loop can claim thousands of pictures."""


def write_folder(
    document: OcrDocument,
    folder: str | os.PathLike[str],
    *,
    picture: Callable[[int], Image.Image] | None = None,
) -> tuple[Path, ...]:
    """Writes a whole document into a folder.

    Args:
        document: The document as it was read.
        folder: The folder, created if missing. Files of the same names are replaced. If
            the text files are among them, the other page pictures and figures are removed as well.
            All other files stay.
        picture: Returns the image of a page by its 1-based number; called once for
            each page that was read without error. None writes only the texts.

    Returns:
        The files that were written, Markdown and JSON last.

    Raises:
        OutputError: If the folder cannot be written.

    Example:
        With page images::

            with open_source("report.pdf") as source:
                write_folder(document, "out", picture=lambda n: source.render(n, 1920))
    """
    with FolderWriter(
        folder, source=document.source, sha256=document.sha256, total_pages=document.total_pages
    ) as writer:
        for page in document.pages:
            writer.add_page(page, picture(page.number) if picture and page.ok else None)
    return writer.paths


def write_page_pictures(
    document: OcrDocument, folder: Path, picture: Callable[[int], Image.Image], *, stem: str = ""
) -> Iterator[Path]:
    """Writes each page with its boxes as ``<stem>-page-0001.png``, and yields the files.

    ``picture`` returns the image of a page by its 1-based number. ``stem`` is by default the
    document's; several documents of one folder need different ones (:func:`distinct_stems`).
    """
    stem = stem or file_stem(document.source)
    with disk_errors(folder):
        output = OutputFolder(folder)
    try:
        for page in document.pages:
            if page.ok:
                drawn = draw_page(picture(page.number), page)
                name = f"{stem}-page-{page.number:04d}.png"
                with disk_errors(folder), output.new_file(name) as file:
                    drawn.save(file, "PNG")
                yield folder / name
    finally:
        output.close()


@with_known_settings()
class FolderWriter:
    """Writes pages into a folder as they arrive; a context manager.

    Leaving the block without an error calls :meth:`close`. After an error the text files
    of an earlier run are still there, and the pages written so far are kept beside them
    as ``<name>.partial.md`` and ``<name>.partial.json``.

    One folder holds one document: pictures are named by page number only.

    Args:
        folder: The folder, created if missing.
        subfolder: A folder inside it for this document, created if missing; it must not be a
            link. "" writes into ``folder`` itself.
        source: The document as the user named it; the text files get a safe form of
            this name.
        sha256: Hash of the file's bytes, 64 hex digits, or "" if unknown.
        total_pages: Number of pages in the file.

    Raises:
        OutputError: If the folder cannot be written.

    Example:
        ::

            with FolderWriter("out", source="report.pdf") as writer:
                for page in reader.iter_pages("report.pdf"):
                    writer.add_page(page)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        source: str,
        sha256: str = "",
        total_pages: int = 0,
        subfolder: str = "",
    ) -> None:
        self._folder = Path(folder, subfolder)
        self._stem = file_stem(source)
        self._paths: list[Path] = []
        self._pages = 0
        self._closed = False
        self._files: list[tuple[str, IO[str]]] = []  # with their temporary names
        self._pictures: dict[str, OutputFolder] = {}
        with disk_errors(self._folder):
            try:
                self._output = OutputFolder(Path(folder))
                if subfolder:
                    self._output = self._output.inside(subfolder)
            except ValueError as error:
                # The name has NUL or lone surrogates.
                raise OSError("this is not a file name") from error
            try:
                self._markdown = self._open(".md")
                self._json = self._open(".json")
                head = {"source": source, "sha256": sha256, "total_pages": total_pages}
                self._json.write(f'{json_line(head)[:-1]}, "pages": [')
            except BaseException:
                self._discard()
                raise

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files written so far; :meth:`close` adds Markdown and JSON."""
        return tuple(self._paths)

    def add_page(self, page: Page, image: Image.Image | None = None) -> None:
        """Writes one page.

        Args:
            page: The next page.
            image: The displayed page in any size; it is not changed. None writes no
                pictures for this page.

        Raises:
            OutputError: If the writer is closed or the folder cannot be written.
        """
        if self._closed:
            raise OutputError(
                "this writer is closed", remedy="Create a new FolderWriter for more pages."
            )
        figures = [] if image is None else self._write_pictures(page, image)
        left_out = 0 if image is None else len(_figure_boxes(page)) - len(figures)
        record = ("" if self._pages == 0 else ",") + "\n" + json_line(page.to_dict())
        try:
            with disk_errors(self._folder):
                self._markdown.write(page_markdown(page, figures, left_out=left_out))
                self._json.write(record)
        except OutputError:
            # The files may hold half a page, which makes them useless.
            self._closed = True
            self._discard()
            raise
        self._pages += 1

    def close(self) -> tuple[Path, ...]:
        """Finishes both text files and gives them their names; safe to call twice.

        Returns:
            All files that were written.

        Raises:
            OutputError: If the folder cannot be written.
        """
        if not self._closed:
            self._finish(self._stem)
        return self.paths

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif not self._closed and not self._pages:
            self._closed = True
            self._discard()
        elif not self._closed:
            # The first error matters more than another one while the pages are kept.
            with suppress(OutputError):
                self._finish(f"{self._stem}.partial")

    def _open(self, suffix: str) -> IO[str]:
        name, descriptor = self._output.create(suffix)
        # "replace": some PDFs contain lone surrogates.
        file = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="\n")
        self._files.append((name, file))
        return file

    def _finish(self, stem: str) -> None:
        self._closed = True
        try:
            with disk_errors(self._folder):
                replaces = self._output.has(f"{stem}.json")
                self._json.write("\n]}\n")
                for name, file in self._files:
                    file.close()
                    final = f"{stem}{Path(name).suffix}"
                    self._output.rename(name, final)
                    self._paths.append(self._folder / final)
                if stem == self._stem:
                    for suffix in (".md", ".json"):
                        self._output.remove(f"{stem}.partial{suffix}")
                    if replaces:
                        self._remove_other_pictures()
        finally:
            self._discard()

    def _remove_other_pictures(self) -> None:
        written = set(self._paths)
        for subfolder, is_picture in _PICTURES.items():
            if not self._output.has(subfolder):
                continue
            with suppress(OutputError, NotADirectoryError):  # not a folder of ours
                pictures = self._pictures.get(subfolder) or self._output.inside(subfolder)
                self._pictures[subfolder] = pictures
                for name in pictures.names():
                    if is_picture.fullmatch(name) and pictures.path / name not in written:
                        pictures.remove(name)

    def _discard(self) -> None:
        for name, file in self._files:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                self._output.remove(name)
        for folder in (self._output, *self._pictures.values()):
            folder.close()

    def _write_pictures(self, page: Page, image: Image.Image) -> list[tuple[Block, str]]:
        """Writes the page with its boxes and its figures; returns each figure's block and path."""
        name = f"page-{page.number:04d}"
        self._save(draw_page(image, page), "pages", f"{name}.png")
        figures: list[tuple[Block, str]] = []
        for block, box in _figure_boxes(page)[:MAX_FIGURES]:
            file = f"{name}-{len(figures) + 1}.png"
            self._save(crop_boxes(image, [box], margin=0), "figures", file)
            figures.append((block, f"figures/{file}"))
        return figures

    def _save(self, image: Image.Image, subfolder: str, name: str) -> None:
        with disk_errors(self._folder):
            if subfolder not in self._pictures:
                self._pictures[subfolder] = self._output.inside(subfolder)
            with self._pictures[subfolder].new_file(name) as file:
                image.save(file, "PNG")
        self._paths.append(self._folder / subfolder / name)


def _figure_boxes(page: Page) -> list[tuple[Block, Box]]:
    return [
        (block, box) for block in page.blocks if block.kind in FIGURE_KINDS for box in block.boxes
    ]
