"""Argument schemas of the tools."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["LocateInput", "LookAtInput", "ReadDocumentInput", "SearchDocumentInput"]


def _pages_as_text(value: object) -> object:
    """Accept ``3`` and ``[1, 2]`` too, although the schema shows models only one type."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value


def _box_as_list(value: object) -> object:
    """Accept a list written as text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return json.loads(text if text.startswith("[") else f"[{text}]")
    except ValueError:
        return value


Pages = Annotated[str | None, BeforeValidator(_pages_as_text)]
PageBox = Annotated[list[float] | None, BeforeValidator(_box_as_list)]


class _Arguments(BaseModel):
    """Refuses unknown arguments, so that the model is told of a misspelled one."""

    model_config = ConfigDict(extra="forbid")


class ReadDocumentInput(_Arguments):
    """Arguments of ``read_document``."""

    path: str = Field(
        description="The file to read: a PDF or a picture (PNG, JPEG, TIFF, WebP, BMP), "
        "as a path relative to the allowed folder, with forward slashes, like 'report.pdf'.",
    )
    pages: Pages = Field(
        default=None,
        description="Which pages, counted from 1, like '3' or '1-3,7'. "
        "Leave it out to begin at the first page.",
    )
    start: int = Field(
        default=0,
        ge=0,
        description="Only when an earlier reply said that a page goes on: "
        "the character to continue from.",
    )


class SearchDocumentInput(_Arguments):
    """Arguments of ``search_document``."""

    path: str = Field(description="The file to search, written as for read_document.")
    query: str = Field(description="A question, or a few words from the document.")
    pages: Pages = Field(
        default=None,
        description="Which pages to search, like '3' or '1-3,7'. Leave it out for all of them.",
    )
    offset: int = Field(
        default=0,
        ge=0,
        description="Only when an earlier reply said that there is more: the offset to continue from.",
    )


class LookAtInput(_Arguments):
    """Arguments of ``look_at``."""

    path: str = Field(description="The file to look at, written as for read_document.")
    page: int = Field(description="The page to look at, counted from 1.")
    box: PageBox = Field(
        default=None,
        description="The part of the page: [left, top, right, bottom] as fractions of the page "
        "from 0 to 1, as search_document and locate give them. Leave it out for the whole page.",
    )


class LocateInput(_Arguments):
    """Arguments of ``locate``."""

    path: str = Field(description="The file to look into, written as for read_document.")
    what: str = Field(description="What to find, in a few words, like 'the total amount'.")
    pages: Pages = Field(
        default=None,
        description="Which pages to look at, like '3' or '1-3,7'. Leave it out for all of them.",
    )
