"""Writes a document into a folder: Markdown, JSON, page pictures and figure crops.

::

    folder/
    ├── report.md                  all pages, a comment in front of each
    ├── report.json                the same as OcrDocument.to_dict()
    ├── pages/page-0001.png        the page with its boxes
    └── figures/page-0001-1.png    what the page's first image box holds

Pages are written as they come, one in memory at a time. The two text files grow
under temporary names and take their own when the last page is in, so a reader
never meets half a file.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from PIL import Image

from ..document.captions import FIGURE_KINDS
from ..document.types import Block, Box, OcrDocument, Page
from ..errors import OutputError
from .drawing import crop_boxes, draw_page
from .filenames import file_stem
from .page_markdown import page_markdown

__all__ = ["FolderWriter", "write_folder"]

MAX_FIGURES: Final = 100
"""Crops of one page: a model in a loop can claim thousands of pictures."""


def write_folder(
    document: OcrDocument,
    folder: str | os.PathLike[str],
    *,
    picture: Callable[[int], Image.Image] | None = None,
) -> tuple[Path, ...]:
    """Write a whole document into a folder.

    Args:
        document: What was read.
        folder: Made if it is not there. Files of the same names are replaced,
            others left alone.
        picture: Gives the picture of a page by its 1-based number, called once
            for each page that was read without error. None writes the texts
            only.

    Returns:
        What was written, Markdown and JSON last.

    Raises:
        OutputError: If the folder cannot be written.

    Example:
        With pictures of the pages::

            with open_source("report.pdf") as source:
                write_folder(document, "out", picture=lambda n: source.render(n, 1920))
    """
    with FolderWriter(
        folder,
        source=document.source,
        sha256=document.sha256,
        total_pages=document.total_pages,
    ) as writer:
        for page in document.pages:
            writer.add_page(page, picture(page.number) if picture and page.ok else None)
    return writer.paths


class FolderWriter:
    """Writes pages into a folder as they come; a context manager.

    Leaving the block without an error is :meth:`close`. After an error the
    files of an earlier run are still there, and the pages that did come are
    kept beside them as ``<name>.partial.md`` and ``<name>.partial.json``.

    One folder holds one document: page pictures are named by page number only.

    Args:
        folder: Made if it is not there.
        source: What the user named; gives the files their name, of which only
            harmless characters are used.
        sha256: Hash of the file's bytes, 64 hex digits ("" where unknown).
        total_pages: How many pages the file has.

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
    ) -> None:
        self._folder = Path(folder)
        self._stem = file_stem(source)
        self._paths: list[Path] = []
        self._pages = 0
        self._closed = False
        self._files: list[IO[str]] = []
        with disk_errors(self._folder):
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._markdown = self._open(".md")
                self._json = self._open(".json")
                head = {"source": source, "sha256": sha256, "total_pages": total_pages}
                self._json.write(f'{dump(head)[:-1]}, "pages": [')
            except BaseException as error:
                self._discard()
                if isinstance(error, ValueError):
                    # NUL and lone surrogates are no matter of the disk.
                    raise OSError("this is no file name") from error
                raise

    @property
    def paths(self) -> tuple[Path, ...]:
        """What was written so far; Markdown and JSON come with :meth:`close`."""
        return tuple(self._paths)

    def add_page(self, page: Page, image: Image.Image | None = None) -> None:
        """Write one page.

        Args:
            page: The next page.
            image: The displayed page in any size, left as it is; None writes
                no pictures for this page, and its Markdown names none.

        Raises:
            OutputError: If the writer is closed, or the disk refuses.
        """
        if self._closed:
            raise OutputError(
                "this writer is closed", remedy="Make a new FolderWriter for more pages."
            )
        figures = [] if image is None else self._write_pictures(page, image)
        left_out = 0 if image is None else len(figure_boxes(page)) - len(figures)
        record = ("" if self._pages == 0 else ",") + "\n" + dump(page.to_dict())
        try:
            with disk_errors(self._folder):
                self._markdown.write(page_markdown(page, figures, left_out=left_out))
                self._json.write(record)
        except OutputError:
            # Half a page may stand in the files: nothing of them can be used.
            self._closed = True
            self._discard()
            raise
        self._pages += 1

    def close(self) -> tuple[Path, ...]:
        """Finish both text files and give them their names; again is harmless.

        Returns:
            Everything that was written.

        Raises:
            OutputError: If the disk refuses.
        """
        if not self._closed:
            self._finish(self._stem)
            for partial in (f"{self._stem}.partial.md", f"{self._stem}.partial.json"):
                with disk_errors(self._folder):
                    (self._folder / partial).unlink(missing_ok=True)
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
            # The first error matters more than one about keeping the rest.
            with suppress(OutputError):
                self._finish(f"{self._stem}.partial")

    def _open(self, suffix: str) -> IO[str]:
        # A lone surrogate, as some PDFs hold, must not stop a document.
        file = temporary(self._folder, suffix).open(
            "x", encoding="utf-8", errors="replace", newline="\n"
        )
        self._files.append(file)
        return file

    def _finish(self, stem: str) -> None:
        self._closed = True
        try:
            with disk_errors(self._folder):
                self._json.write("\n]}\n")
                for file in self._files:
                    file.close()
                    written = Path(file.name)
                    target = self._folder / f"{stem}{written.suffix}"
                    written.replace(target)
                    self._paths.append(target)
        finally:
            self._discard()

    def _discard(self) -> None:
        for file in self._files:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                Path(file.name).unlink(missing_ok=True)

    def _write_pictures(self, page: Page, image: Image.Image) -> list[tuple[Block, str]]:
        """The page with its boxes, and the figures as ``(block, relative path)``."""
        name = f"page-{page.number:04d}"
        self._save(draw_page(image, page), "pages", f"{name}.png")
        figures: list[tuple[Block, str]] = []
        for block, box in figure_boxes(page)[:MAX_FIGURES]:
            file = f"{name}-{len(figures) + 1}.png"
            self._save(crop_boxes(image, [box], margin=0), "figures", file)
            figures.append((block, f"figures/{file}"))
        return figures

    def _save(self, image: Image.Image, subfolder: str, name: str) -> None:
        folder = self._folder / subfolder
        with disk_errors(self._folder):
            folder.mkdir(exist_ok=True)
            if folder.resolve().parent != self._folder.resolve():
                raise OutputError(
                    "the folder for pictures is a link to somewhere else",
                    source=str(folder),
                    remedy="Remove the link, or write into a fresh folder.",
                )
            written = temporary(folder, ".png")
            try:
                with written.open("xb") as file:
                    image.save(file, "PNG")
                written.replace(folder / name)
            finally:
                written.unlink(missing_ok=True)
        self._paths.append(folder / name)


def figure_boxes(page: Page) -> list[tuple[Block, Box]]:
    """Every box of every picture on the page, in reading order."""
    return [
        (block, box) for block in page.blocks if block.kind in FIGURE_KINDS for box in block.boxes
    ]


def temporary(folder: Path, suffix: str) -> Path:
    """A name that nothing has; opened with mode "x", it cannot be a planted link either."""
    return folder / f".writing-{secrets.token_hex(8)}{suffix}"


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk says into an error with a remedy."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write there ({error.strerror or error})",
            source=str(folder).replace("\0", "?"),
            remedy="Name a folder that you may write to, on a disk with free space.",
        ) from error


def dump(value: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False)
