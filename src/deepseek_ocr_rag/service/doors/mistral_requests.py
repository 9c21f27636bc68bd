"""Understands requests for Mistral's OCR, and refuses what this service cannot do.

The fields are those of ``OCRRequest`` in Mistral's SDK 3.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ConfigurationError

__all__ = ["OcrOptions", "document_of"]

NOT_MADE: Final = (
    "bbox_annotation_format",
    "document_annotation_format",
    "document_annotation_prompt",
    "table_format",
    "extract_header",
    "extract_footer",
    "confidence_scores_granularity",
)
"""Fields that would change the reply, but are not supported."""

MOST_PAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """How a document becomes a reply.

    Attributes:
        model: The model, which the reply repeats; the service reads with its own.
        pages: A page selection, or None for all pages.
        include_image_base64: Whether the reply holds the pictures.
        include_blocks: Whether the reply holds all blocks with their boxes.
        image_limit: Most pictures of a document, or None.
        image_min_size: Least pixels of a picture's shorter side, or None.
    """

    model: str
    pages: str | None = None
    include_image_base64: bool = False
    include_blocks: bool = False
    image_limit: int | None = None
    image_min_size: int | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> OcrOptions:
        """The options of a request.

        Raises:
            ConfigurationError: If something cannot be done, or has the wrong form.
        """
        asked = [name for name in NOT_MADE if given.get(name) not in (None, False)]
        if asked:
            raise ConfigurationError(
                f"{', '.join(asked)} cannot be asked for", remedy="Leave it out of the request."
            )
        return cls(
            model=str(given.get("model") or "deepseek-ocr")[:100],
            pages=_selection(given.get("pages")),
            include_image_base64=_flag(given, "include_image_base64"),
            include_blocks=_flag(given, "include_blocks"),
            image_limit=_count(given, "image_limit"),
            image_min_size=_count(given, "image_min_size"),
        )


def document_of(given: Mapping[str, Any]) -> tuple[str, str]:
    """Which document a request names.

    Returns:
        ``("file", id)``, or ``("url", address)`` where the address may be a ``data:`` URL.

    Raises:
        ConfigurationError: If it names none.
    """
    document = given.get("document")
    if isinstance(document, Mapping):
        kind = document.get("type")
        value = document.get("file_id" if kind == "file" else kind) if isinstance(kind, str) else ""
        if kind == "image_url" and isinstance(value, Mapping):
            value = value.get("url")
        if kind in ("file", "document_url", "image_url") and isinstance(value, str) and value:
            return ("file" if kind == "file" else "url"), value
    raise ConfigurationError(
        "the request names no document",
        remedy='Set document to {"type": "file", "file_id": ...} or {"type": "document_url", ...}.',
    )


def _selection(pages: object) -> str | None:
    """Mistral counts pages from 0, and writes them as a list or as "0,2-4"."""
    if pages is None:
        return None
    if isinstance(pages, list) and pages and len(pages) <= MOST_PAGES:
        if all(type(number) is int and number >= 0 for number in pages):
            return ",".join(str(number + 1) for number in pages)
    elif isinstance(pages, str) and 0 < len(pages) <= MOST_PAGES:
        ranges = [part.strip().split("-") for part in pages.split(",")]
        if all(len(ends) <= 2 and all(_is_index(end) for end in ends) for ends in ranges):
            return ",".join("-".join(str(int(end) + 1) for end in ends) for ends in ranges)
    raise ConfigurationError(
        "pages is not a list of page numbers",
        remedy='Count from 0 and write [0, 2] or "0,2-4".',
    )


def _is_index(text: str) -> bool:
    text = text.strip()
    return text.isascii() and text.isdigit() and len(text) < 10


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if not isinstance(value, bool | None):
        raise ConfigurationError(f"{name} must be true or false")
    return bool(value)


def _count(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise ConfigurationError(f"{name} must be a number from 0")
    return value
