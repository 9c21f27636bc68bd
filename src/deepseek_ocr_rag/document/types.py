"""The result of reading a document: pages, blocks and boxes, all frozen.

Conventions for the whole package:

* A **box** is four fractions of the displayed page, 0..1, origin top left.
* A **page number** is 1-based and counts the pages of the file, even if only some
  were read; the printed label ("iv") is kept beside it.
* A **span** is ``(start, end)`` in characters of the page's Markdown, and
  ``page.markdown[start:end] == block.text`` always holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ConfigurationError
from ..setting_names import renamed_setting, warn_renamed
from ..text.counted import counted
from ..text.excerpt import excerpt
from ..text.visible import storable

if TYPE_CHECKING:
    from .tables import Table

__all__ = ["Block", "Box", "FinishReason", "OcrDocument", "Page"]

FinishReason = Literal["stop", "length", "repetition", "blank", "error"]
"""Why a page's text ends, in turn: the model's end token, the token limit, a loop that was cut
off, a blank page, a failure (see :attr:`Page.error`)."""

GRID = 999
"""The model writes coordinates as integers from 0 to 999, both included."""

SHOWN_PAGES: Final = 20
"""How many pages of a document a notebook shows."""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A rectangle on a page, in fractions of its width and height.

    Attributes:
        x0: Left edge, 0..1.
        y0: Top edge, 0..1.
        x1: Right edge, ``x0 <= x1 <= 1``.
        y1: Bottom edge, ``y0 <= y1 <= 1``.

    Raises:
        ConfigurationError: If the edges are not ordered fractions.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not (0 <= self.x0 <= self.x1 <= 1 and 0 <= self.y0 <= self.y1 <= 1):
            raise ConfigurationError(
                f"a box needs ordered fractions of the page, not {self.as_tuple()}",
                remedy="Use Box.clamped() to make a box of any four numbers.",
            )

    @classmethod
    def clamped(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Makes a box of any four numbers, cut to the page and ordered; NaN and infinity are 0."""
        edges = (min(1.0, max(0.0, v if math.isfinite(v) else 0.0)) for v in (x0, y0, x1, y1))
        left, top, right, bottom = edges
        return cls(min(left, right), min(top, bottom), max(left, right), max(top, bottom))

    @classmethod
    def from_grid(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Makes a box of four numbers on the model's 0..999 grid."""
        return cls.clamped(x0 / GRID, y0 / GRID, x1 / GRID, y1 / GRID)

    def to_grid(self) -> tuple[int, int, int, int]:
        """Returns the four integers on the model's 0..999 grid."""
        x0, y0, x1, y1 = (round(value * GRID) for value in self.as_tuple())
        return (x0, y0, x1, y1)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Returns ``(x0, y0, x1, y1)`` as fractions."""
        return (self.x0, self.y0, self.x1, self.y1)

    def to_points(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Returns ``(x0, y0, x1, y1)`` on a page of a size in points, origin top left."""
        return (self.x0 * width, self.y0 * height, self.x1 * width, self.y1 * height)

    def to_pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Returns the smallest whole-pixel rectangle that covers it, for PIL's ``crop``."""
        return (
            math.floor(self.x0 * width),
            math.floor(self.y0 * height),
            math.ceil(self.x1 * width),
            math.ceil(self.y1 * height),
        )

    @property
    def area(self) -> float:
        """Its share of the page, 0..1."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def union(self, other: Box) -> Box:
        """Returns the smallest box that contains both."""
        x0, y0 = min(self.x0, other.x0), min(self.y0, other.y0)
        return Box(x0, y0, max(self.x1, other.x1), max(self.y1, other.y1))

    def intersection(self, other: Box) -> Box | None:
        """Returns the box that both cover, or None if they do not touch."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Box(x0, y0, x1, y1) if x0 <= x1 and y0 <= y1 else None


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """One piece of a page's layout.

    Attributes:
        kind: The model's label: text, title, sub_title, table, table_caption,
            image, image_caption, equation, ...; unknown labels are kept. The
            empty string marks text outside any tag.
        text: Its Markdown, exactly ``page.markdown[span[0]:span[1]]``; empty
            for a picture.
        boxes: Its place on the page; a paragraph over two columns has two. Empty
            if the model gave no box.
        span: Offsets of ``text`` in the page's Markdown.
        section: The headings above it, outermost first.
        html: For a table, the HTML that the model wrote; else None.
        confidence: How sure the model was of the text, 0..1: the geometric mean
            of its tokens' probabilities, see :mod:`.grammar.confidence`. None if
            the backend does not report it.
        original: The text that was read, if a person has corrected ``text``; else None.
    """

    kind: str
    text: str
    boxes: tuple[Box, ...] = ()
    span: tuple[int, int] = (0, 0)
    section: tuple[str, ...] = ()
    html: str | None = None
    confidence: float | None = None
    original: str | None = None

    def __post_init__(self) -> None:
        _make_storable(self, "kind", "text", "html", "section", "original")

    def __repr__(self) -> str:
        """Writes a short form; :meth:`to_dict` has everything."""
        return f"Block({self.kind!r}, {excerpt(self.text, longest=60)!r}, boxes={len(self.boxes)})"

    @property
    def table(self) -> Table | None:
        """The parsed table, or None if the block has no HTML table or the server hid its cells."""
        # Imported late, as below: the processes that draw pages need boxes only.
        from .tables import parse_table

        return None if self.html is None or not self.text else parse_table(self.html)

    def to_dict(self) -> dict[str, Any]:
        """Returns a JSON-ready form; boxes become lists of four fractions."""
        data: dict[str, Any] = {
            "kind": self.kind,
            "text": self.text,
            "boxes": [[round(v, 6) for v in box.as_tuple()] for box in self.boxes],
            "span": list(self.span),
            "section": list(self.section),
        }
        optional = {"html": self.html, "confidence": self.confidence, "original": self.original}
        return data | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Block:
        """Makes a block from the result of :meth:`to_dict`."""
        return cls(
            kind=data["kind"],
            text=data["text"],
            boxes=tuple(Box(*box) for box in data["boxes"]),
            span=(data["span"][0], data["span"][1]),
            section=tuple(data.get("section", ())),
            html=data.get("html"),
            confidence=data.get("confidence"),
            original=data.get("original"),
        )


@renamed_setting("mode", "resolution")
@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """One page as it was read. A failed page is still a page, with its error.

    Attributes:
        number: 1-based page number in the file.
        markdown: The whole page.
        blocks: Its blocks in reading order.
        label: The printed page number ("iv"), where the PDF records it.
        width: Width of the displayed page in points (1/72 inch).
        height: Height of the displayed page in points.
        backend: The backend that read it: lite, ollama, server, ...
        model: The model, as the backend names it.
        resolution: How finely the model saw the page: tiny, small, base, large or gundam
            (see :class:`~deepseek_ocr_rag.Reader`); "" from a backend without such
            settings, such as lite.
        finish_reason: See :data:`FinishReason`.
        attempts: Number of times the backend was asked.
        warnings: What a user should know about this page.
        error: What went wrong, if ``finish_reason`` is "error".
        confidence: As for a block, for everything that the model wrote for the page.
    """

    number: int
    markdown: str = ""
    blocks: tuple[Block, ...] = ()
    label: str | None = None
    width: float = 0.0
    height: float = 0.0
    backend: str = ""
    model: str = ""
    resolution: str = ""
    finish_reason: FinishReason = "stop"
    attempts: int = 1
    warnings: tuple[str, ...] = ()
    error: str | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        _make_storable(self, "markdown", "label", "model", "warnings", "error")

    def __repr__(self) -> str:
        """Writes a short form; :meth:`to_dict` has everything."""
        return (
            f"Page({self.number}, {excerpt(self.markdown, longest=60)!r}, blocks={len(self.blocks)},"
            f" finish_reason={self.finish_reason!r})"
        )

    @property
    def mode(self) -> str:
        """The old name of ``resolution``, for one release."""
        warn_renamed("Page.mode", "Page.resolution")
        return self.resolution

    @property
    def ok(self) -> bool:
        """Whether the page was read: true for a blank page, false for a failed one."""
        return self.finish_reason != "error"

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes of all its blocks in reading order; for the task "locate", those it found."""
        return tuple(box for block in self.blocks for box in block.boxes)

    @property
    def corrected(self) -> bool:
        """Whether a person has corrected the text of any of its blocks."""
        return any(block.original is not None for block in self.blocks)

    def blocks_in(self, start: int, end: int) -> tuple[Block, ...]:
        """Returns the blocks whose text overlaps ``start`` to ``end`` of the Markdown."""
        return tuple(b for b in self.blocks if b.span[0] < end and start < b.span[1])

    def _repr_html_(self) -> str:
        """Renders the page for notebooks, with nothing active in it."""
        from .sanitize import labelled_html, markdown_to_html

        shown = self.markdown if self.ok else f"not read: {self.error or 'for an unknown reason'}"
        return labelled_html(f"Page {self.number}", markdown_to_html(shown))

    def to_dict(self) -> dict[str, Any]:
        """Returns a JSON-ready form."""
        return {
            "number": self.number,
            "label": self.label,
            "width": self.width,
            "height": self.height,
            "markdown": self.markdown,
            "finish_reason": self.finish_reason,
            "backend": self.backend,
            "model": self.model,
            "resolution": self.resolution,
            "attempts": self.attempts,
            "warnings": list(self.warnings),
            "error": self.error,
            "confidence": self.confidence,
            "blocks": [block.to_dict() for block in self.blocks],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Page:
        """Makes a page from the result of :meth:`to_dict`."""
        values = dict(data)
        values["blocks"] = tuple(Block.from_dict(b) for b in data["blocks"])
        values["warnings"] = tuple(data.get("warnings", ()))
        if "mode" in values:  # written by a version before the attribute was renamed
            values.setdefault("resolution", values.pop("mode"))
        return cls(**values)


@dataclass(frozen=True, slots=True, repr=False)
class OcrDocument:
    """A document as it was read.

    Attributes:
        source: A path, a URL, or a name for bytes, as the user gave it.
        pages: The selected pages in the order of the file.
        total_pages: Number of pages in the file.
        sha256: Hash of the file's bytes, 64 hex digits, or "" if unknown.
    """

    source: str
    pages: tuple[Page, ...] = field(default_factory=tuple)
    total_pages: int = 0
    sha256: str = ""

    def __repr__(self) -> str:
        """Writes a short form; :meth:`to_dict` has everything."""
        failed = f", {len(self.failed_pages)} failed" if self.failed_pages else ""
        pages = f"{len(self.pages)} of {self.total_pages} pages{failed}"
        return f"OcrDocument({excerpt(self.source, longest=60)!r}, {pages})"

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def failed_pages(self) -> tuple[Page, ...]:
        """The pages that could not be read."""
        return tuple(page for page in self.pages if not page.ok)

    def page(self, number: int) -> Page:
        """Returns the page with a 1-based number in the file.

        Raises:
            KeyError: If the page was not read.
        """
        for page in self.pages:
            if page.number == number:
                return page
        raise KeyError(number)

    def to_markdown(self, *, page_marks: bool = False) -> str:
        """Joins the Markdown of all pages, separated by empty lines.

        With ``page_marks``, ``<!-- page 3 -->`` precedes each page, even one without text.
        """
        parts = []
        for page in self.pages:
            parts += [f"<!-- page {page.number} -->"] * page_marks + [page.markdown]
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        """Renders the first pages for notebooks, with nothing active in them."""
        from .sanitize import labelled_html

        pages = [page._repr_html_() for page in self.pages[:SHOWN_PAGES]]
        left = len(self.pages) - len(pages)
        note = f"<p>… and {counted(left, 'more page')}: document.page(n)</p>" if left else ""
        return labelled_html(self.source, "".join(pages) + note)

    def to_dict(self) -> dict[str, Any]:
        """Returns a JSON-ready form."""
        return {
            "source": self.source,
            "sha256": self.sha256,
            "total_pages": self.total_pages,
            "pages": [page.to_dict() for page in self.pages],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> OcrDocument:
        """Makes a document from the result of :meth:`to_dict`."""
        return cls(
            source=data["source"],
            pages=tuple(Page.from_dict(p) for p in data["pages"]),
            total_pages=data.get("total_pages", len(data["pages"])),
            sha256=data.get("sha256", ""),
        )


def _make_storable(value: Block | Page, *names: str) -> None:
    """Replaces the characters that stores refuse in some of the attributes."""
    for name in names:
        given = getattr(value, name)
        if isinstance(given, str):
            clean: object = storable(given)
        else:
            clean = tuple(map(storable, given)) if given else given
        if clean != given:
            object.__setattr__(value, name, clean)


def union(boxes: Iterable[Box]) -> Box | None:
    """Returns the smallest box that contains all boxes, or None if there are none."""
    found = tuple(boxes)
    return reduce(Box.union, found) if found else None
