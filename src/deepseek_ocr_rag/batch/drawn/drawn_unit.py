"""Stores a unit whose pages are drawn as one row of a table: :class:`DrawnUnit`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image

from ...concurrency.png_pictures import PngPicture
from ...document.types import Page
from ...reading.preparation import PreparedPage
from ..page_units import PageUnit

__all__ = ["DrawnUnit", "drawn_columns", "drawn_table", "drawn_units"]


@dataclass(frozen=True, slots=True)
class DrawnUnit:
    """The pages of a unit, as PNG files.

    Attributes:
        unit: The unit.
        sha256: Hash of the document's bytes when they were drawn.
        total_pages: Pages of the document.
        pages: The drawn pages, in the order of the unit; a page that is blank or failed
            has no picture.
        error_type: The class of the error, if the document could not be opened.
        problem: What the error says.
        remedy: What to do about it.
    """

    unit: PageUnit
    sha256: str = ""
    total_pages: int = 0
    pages: tuple[PreparedPage, ...] = ()
    error_type: str | None = None
    problem: str = ""
    remedy: str | None = None


def image_of(picture: PngPicture) -> Image.Image:
    """The picture of a PNG file."""
    with Image.open(io.BytesIO(picture.data)) as image:
        return image.convert("RGB")


@cache
def drawn_columns() -> Any:  # noqa: ANN401 - a pyarrow.Schema
    """The columns of :func:`drawn_table`."""
    import pyarrow as pa

    unit = [(name, pa.string()) for name in PageUnit.__dataclass_fields__ if name != "entry"]
    page = pa.struct(
        [
            ("number", pa.int32()),
            ("label", pa.string()),
            ("width", pa.float64()),
            ("height", pa.float64()),
            ("status", pa.string()),
            ("error", pa.string()),
            ("error_type", pa.string()),
            ("png", pa.large_binary()),
            ("png_width", pa.int32()),
            ("png_height", pa.int32()),
        ]
    )
    return pa.schema(
        [
            ("entry", pa.int64()),
            *unit,
            ("document_sha256", pa.string()),
            ("total_pages", pa.int32()),
            ("pages_drawn", pa.list_(page)),
            ("error_type", pa.string()),
            ("problem", pa.string()),
            ("remedy", pa.string()),
        ]
    )


def drawn_table(drawn: DrawnUnit) -> Any:  # noqa: ANN401 - a pyarrow.Table
    """A table with one row."""
    import pyarrow as pa

    unit = {name: getattr(drawn.unit, name) for name in PageUnit.__dataclass_fields__}
    row = {
        **unit,
        "document_sha256": drawn.sha256,
        "total_pages": drawn.total_pages,
        "pages_drawn": [_page_values(page) for page in drawn.pages],
        "error_type": drawn.error_type,
        "problem": drawn.problem,
        "remedy": drawn.remedy,
    }
    return pa.Table.from_pylist([row], schema=drawn_columns())


def drawn_units(table: Any) -> Iterator[DrawnUnit]:  # noqa: ANN401 - a pyarrow.Table
    """The units of a table, with copies of their pictures, one unit at a time."""
    for start in range(table.num_rows):
        (row,) = table.slice(start, 1).to_pylist()
        yield DrawnUnit(
            PageUnit(**{name: row[name] for name in PageUnit.__dataclass_fields__}),
            row["document_sha256"],
            row["total_pages"],
            tuple(map(_page, row["pages_drawn"])),
            row["error_type"],
            row["problem"],
            row["remedy"],
        )


def _page_values(prepared: PreparedPage) -> dict[str, Any]:
    page, png = prepared.page, prepared.png
    return {
        "number": page.number,
        "label": page.label,
        "width": page.width,
        "height": page.height,
        "status": page.finish_reason,
        "error": page.error,
        "error_type": prepared.error_type,
        "png": None if png is None else png.data,
        "png_width": None if png is None else png.width,
        "png_height": None if png is None else png.height,
    }


def _page(values: dict[str, Any]) -> PreparedPage:
    page = Page(
        number=values["number"],
        label=values["label"],
        width=values["width"],
        height=values["height"],
        finish_reason=values["status"],
        error=values["error"],
    )
    png = None
    if values["png"] is not None:
        png = PngPicture(values["png"], values["png_width"], values["png_height"])
    return PreparedPage(page, png=png, error_type=values["error_type"])
