"""Marks what an answer cites on crops of the cited pages."""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from ..document.types import Box
from ..errors import OutputError, SourceNotAllowedError, SourceNotFoundError
from ..setting_names import with_known_settings
from ..sources.source import SourceInput, render_page
from .drawing import crop_boxes, highlight_boxes
from .output_folder import OutputFolder

__all__ = ["AnswerPictures", "CitedLocation", "CitedPage", "SourceInput", "draw_cited_pages"]

LONG_SIDE: Final = 1280
"""Length in pixels of the long side of a rendered page."""

MARGIN: Final = 0.04
"""Margin around the cited boxes, as a fraction of the page's long side, to show their context."""

TALLEST: Final = 30_000
"""Largest height in pixels of the stacked pictures; many image readers refuse more."""

LONGEST_CAPTION: Final = 110

DEVICES: Final = Path("/dev")
"""Files here are never replaced by a picture, even if the user may write them."""


@dataclass(frozen=True, slots=True)
class CitedLocation:
    """The location of a citation that is to be drawn."""

    number: int  # the citation's number in the answer's text, from 1
    source: str
    page: int  # 1-based
    boxes: tuple[Box, ...]  # to mark; if there are none, the whole page is shown


@dataclass(frozen=True, slots=True)
class CitedPage:
    """The part of a page that an answer cites.

    Attributes:
        image: RGB, with the cited boxes marked.
        source: The document.
        page: 1-based page number.
        numbers: The numbers of the citations on it, as in the answer's text.
    """

    image: Image.Image = field(repr=False)
    source: str
    page: int
    numbers: tuple[int, ...]

    @property
    def caption(self) -> str:
        """Citations, file name and page on one line: ``[1] [3] report.pdf, page 2``."""
        marks = " ".join(f"[{number}]" for number in self.numbers)
        # Without folders: pictures are shared, and must not reveal paths of this machine.
        name = re.split(r"[/\\]", self.source)[-1]
        name = "".join(c if c.isprintable() else "?" for c in name)
        return f"{marks} {name}, page {self.page}"


@with_known_settings()
@dataclass(frozen=True, slots=True)
class AnswerPictures:
    """The pages that an answer cites, for a notebook, a file or your own program.

    Notebooks show HTML with a caption for each page, or one picture where they cannot
    show HTML.

    Attributes:
        pages: The pages in the order in which the answer first cites them.
    """

    pages: tuple[CitedPage, ...]

    def __iter__(self) -> Iterator[CitedPage]:
        return iter(self.pages)

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def image(self) -> Image.Image | None:
        """All pages, one below another, with their captions, RGB; None if nothing is cited."""
        return _stack(self.pages) if self.pages else None

    def save(self, path: str | os.PathLike[str]) -> Path | None:
        """Writes :attr:`image` as a PNG file.

        Args:
            path: The file; an existing file or link of this name is replaced.

        Returns:
            The path, or None if nothing is cited and nothing was written.

        Raises:
            OutputError: If the file cannot be written.
        """
        picture = self.image
        if picture is None:
            return None
        target = Path(path)
        try:
            if target.parent.resolve() == DEVICES or (target.exists() and not target.is_file()):
                raise OSError("a device, a pipe or a folder has this name")
            folder = OutputFolder(target.parent, make=False)
            try:
                with folder.new_file(target.name) as file:
                    picture.save(file, "PNG")
            finally:
                folder.close()
        except (OSError, ValueError) as error:
            # ValueError: the name contains NUL.
            raise OutputError(
                f"the picture cannot be written ({getattr(error, 'strerror', None) or error})",
                source=os.fspath(path).replace("\0", "?"),
                remedy="Name a file in a folder that you may write to.",
            ) from error
        return target

    def _repr_html_(self) -> str:
        if not self.pages:
            return "<p>Nothing is cited.</p>"
        return "\n".join(
            f'<figure style="margin:0 0 1em"><figcaption>{html.escape(page.caption)}</figcaption>'
            f'<img alt="{html.escape(page.caption)}" style="max-width:100%" '
            f'src="data:image/png;base64,{base64.b64encode(_png(page.image)).decode()}"></figure>'
            for page in self.pages
        )

    def _repr_png_(self) -> bytes | None:
        picture = self.image
        return None if picture is None else _png(picture)


def draw_cited_pages(
    cited: Iterable[CitedLocation],
    files: Mapping[str, SourceInput],
    *,
    password: str | None,
    renderer: str,
) -> AnswerPictures:
    """Marks cited boxes on crops of their pages, one crop for each page.

    ``cited`` is in the order of the numbers. ``files`` says what to open for each source; a source
    that is missing there is opened as a path.
    """
    pages: dict[tuple[str, int], list[CitedLocation]] = {}
    for location in cited:
        pages.setdefault((location.source, location.page), []).append(location)
    return AnswerPictures(
        tuple(
            CitedPage(
                image=_evidence(
                    _page_picture(source, number, files, password, renderer),
                    tuple(dict.fromkeys(box for location in there for box in location.boxes)),
                ),
                source=source,
                page=number,
                numbers=tuple(location.number for location in there),
            )
            for (source, number), there in pages.items()
        )
    )


def _page_picture(
    source: str, number: int, files: Mapping[str, SourceInput], password: str | None, renderer: str
) -> Image.Image:
    try:
        return render_page(
            files.get(source, source),
            number,
            long_side=LONG_SIDE,
            password=password,
            renderer=renderer,
        )
    except (SourceNotFoundError, SourceNotAllowedError) as error:
        raise type(error)(
            error.problem,
            source=source,
            page=number,
            remedy=f"Say where the document is: answer.show(files={{{source!r}: path_or_bytes}}).",
        ) from error


def _evidence(picture: Image.Image, boxes: tuple[Box, ...]) -> Image.Image:
    marked = highlight_boxes(picture, boxes)
    return crop_boxes(marked, boxes, margin=MARGIN) if boxes else marked


def _stack(pages: tuple[CitedPage, ...]) -> Image.Image:
    font = ImageFont.load_default(size=16)
    line, gap = 24, 12
    captions = [_fitting(page.caption) for page in pages]
    width = max(page.image.width for page in pages)
    width = max(width, *(round(font.getlength(caption)) + 8 for caption in captions))
    height = sum(page.image.height + line + gap for page in pages)
    whole = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(whole)
    y = 0
    for page, caption in zip(pages, captions, strict=True):
        draw.text((4, y + 2), caption, fill="black", font=font)
        whole.paste(page.image, (0, y + line))
        y += page.image.height + line + gap
    if height > TALLEST:
        whole.thumbnail((width, TALLEST))
    return whole


def _fitting(caption: str) -> str:
    """Cuts off the start of a long caption: the page number is at its end."""
    return caption if len(caption) <= LONGEST_CAPTION else f"…{caption[1 - LONGEST_CAPTION :]}"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
