"""Pictures of the evidence: what an answer cites, marked on its pages."""

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
from ..sources.source import SourceInput, render_page
from .drawing import crop_boxes, highlight_boxes

__all__ = ["AnswerPictures", "CitedPage", "CitedPlace", "SourceInput", "draw_cited_pages"]

LONG_SIDE: Final = 1280
"""Pixels to which a whole page is rendered."""

MARGIN: Final = 0.04
"""Of the page's long side, around the cited boxes: enough to see where one is."""

TALLEST: Final = 30_000
"""Pixels of all pictures below each other; many image readers refuse more."""

LONGEST_CAPTION: Final = 110


@dataclass(frozen=True, slots=True)
class CitedPlace:
    """Where a citation stands, for drawing.

    Attributes:
        number: The citation's number in the answer's text, from 1.
        source: The document.
        page: 1-based page number.
        boxes: What to mark; the whole page is shown where there are none.
    """

    number: int
    source: str
    page: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class CitedPage:
    """The part of a page that an answer cites.

    Attributes:
        image: RGB, with the cited boxes marked.
        source: The document.
        page: 1-based page number.
        numbers: Of the citations that stand there, as in the answer's text.
    """

    image: Image.Image = field(repr=False)
    source: str
    page: int
    numbers: tuple[int, ...]

    @property
    def caption(self) -> str:
        """Citations, file name and page on one line: ``[1] [3] report.pdf, page 2``."""
        marks = " ".join(f"[{number}]" for number in self.numbers)
        # Pictures are passed on; the folders of this machine are nobody's business.
        name = re.split(r"[/\\]", self.source)[-1]
        name = "".join(c if c.isprintable() else "?" for c in name)
        return f"{marks} {name}, page {self.page}"


@dataclass(frozen=True, slots=True)
class AnswerPictures:
    """The pages that an answer cites, for a notebook, a file or a program of your own.

    Notebooks show it as HTML with a caption for each page; whoever cannot show
    HTML gets one picture.

    Attributes:
        pages: In the order in which the answer first cites them.
    """

    pages: tuple[CitedPage, ...]

    def __iter__(self) -> Iterator[CitedPage]:
        return iter(self.pages)

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def image(self) -> Image.Image | None:
        """All of them below each other with their captions, RGB; None where nothing is cited."""
        return _stack(self.pages) if self.pages else None

    def save(self, path: str | os.PathLike[str]) -> Path | None:
        """Write :attr:`image` as a PNG file.

        Args:
            path: Where to; a file of that name is replaced.

        Returns:
            The path, or None where nothing is cited: then nothing is written.

        Raises:
            OutputError: If it cannot be written.
        """
        picture = self.image
        if picture is None:
            return None
        try:
            picture.save(path, "PNG")
        except (OSError, ValueError) as error:
            # ValueError: NUL in a name.
            raise OutputError(
                f"the picture cannot be written ({getattr(error, 'strerror', None) or error})",
                source=os.fspath(path).replace("\0", "?"),
                remedy="Name a file in a folder that you may write to.",
            ) from error
        return Path(path)

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
    places: Iterable[CitedPlace],
    files: Mapping[str, SourceInput],
    *,
    password: str | None,
    renderer: str,
) -> AnswerPictures:
    """Mark cited boxes on crops of their pages, one crop a page.

    Args:
        places: In the order of their numbers.
        files: What to open for a source; one that is not named is taken as a path.
        password: Tried on encrypted PDFs.
        renderer: "pdfium" or "pymupdf".

    Raises:
        SourceError: If a document is not where its source says, or a page
            cannot be rendered.
    """
    pages: dict[tuple[str, int], list[CitedPlace]] = {}
    for place in places:
        pages.setdefault((place.source, place.page), []).append(place)
    return AnswerPictures(
        tuple(
            CitedPage(
                image=_evidence(
                    _page_picture(source, number, files, password, renderer),
                    tuple(dict.fromkeys(box for place in there for box in place.boxes)),
                ),
                source=source,
                page=number,
                numbers=tuple(place.number for place in there),
            )
            for (source, number), there in pages.items()
        )
    )


def _page_picture(
    source: str,
    number: int,
    files: Mapping[str, SourceInput],
    password: str | None,
    renderer: str,
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
    """The end of a long caption, for there the page stands."""
    return caption if len(caption) <= LONGEST_CAPTION else f"…{caption[1 - LONGEST_CAPTION :]}"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
