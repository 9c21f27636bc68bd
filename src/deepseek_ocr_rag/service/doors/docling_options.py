"""Understands the options of a docling client, and refuses those that this service cannot honour.

The fields are those of ``ConvertDocumentsOptions`` and of the forms of docling-serve 1.38. Options
that choose between docling's own models (``do_ocr``, ``ocr_engine``, ``pipeline``, ``table_mode`` and
the like) have no meaning here and are ignored. Options that would change the reply but are not
supported are refused, so that no client gets something it did not ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ConfigurationError

__all__ = ["DoclingOptions"]

FORMATS: Final = ("md", "json", "html", "text", "doctags")
"""The outputs that can be asked for."""

LONGEST_MARK: Final = 200
"""Most characters of a page break."""

NO_PRESIGNED: Final = (
    "Presigned URL target requires artifact storage to be configured and enabled on the server."
)
"""The words of docling-serve; its client then asks for the document in the reply instead."""

OPEN_END: Final = 10**9
"""A last page from here on means "to the end"; docling's client sends ``sys.maxsize``."""


@dataclass(frozen=True, slots=True)
class DoclingOptions:
    """How a document becomes a reply.

    Attributes:
        to_formats: Some of :data:`FORMATS`.
        page_break: The text between two pages of the Markdown; "" for none.
        pages: A page selection, or None for all pages.
        version: Newest version of a DoclingDocument that the client reads; None if it did not say.
    """

    to_formats: tuple[str, ...] = ("md",)
    page_break: str = ""
    pages: str | None = None
    version: str | None = None

    @property
    def needs_docling(self) -> bool:
        """Whether the reply cannot be made without docling-core."""
        return bool({"json", "text", "doctags"} & set(self.to_formats)) or (
            "md" in self.to_formats and bool(self.page_break)
        )

    @classmethod
    def parse(cls, given: Mapping[str, Any], version: str | None = None) -> DoclingOptions:
        """The options of a form, whose values are lists of text, or of a JSON object.

        Args:
            given: The fields.
            version: The header ``Accept-Docling-Document-Version``.

        Raises:
            ConfigurationError: If something cannot be done, or has the wrong form.
        """
        formats = tuple(map(str, _listed(given.get("to_formats", ["md"]))))
        unknown = [each for each in formats if each not in FORMATS]
        if unknown or not formats:
            raise ConfigurationError(
                f"to_formats cannot be {', '.join(unknown)[:80] or 'empty'}",
                remedy=f"Ask for some of {', '.join(FORMATS)}.",
            )
        pictures = _single(given, "image_export_mode", "placeholder")
        if pictures != "placeholder":
            raise ConfigurationError(
                "pictures are not part of the reply",
                remedy='Leave image_export_mode out, or set it to "placeholder".',
            )
        page_break = _single(given, "md_page_break_placeholder", "")
        if len(page_break) > LONGEST_MARK:
            raise ConfigurationError(
                f"md_page_break_placeholder is longer than {LONGEST_MARK} characters"
            )
        if _listed(given.get("callbacks", [])):
            raise ConfigurationError(
                "docling's callbacks are not sent",
                remedy="Poll the task, or use POST /v1/jobs, which has callbacks.",
            )
        _check_target(given)
        return cls(formats, page_break, _pages(given.get("page_range")), version)


def _check_target(given: Mapping[str, Any]) -> None:
    target = given.get("target", {})
    kind = target.get("kind", "inbody") if isinstance(target, Mapping) else target
    kind = _single(given, "target_type", str(kind))
    if kind == "presigned_url":
        raise ConfigurationError(NO_PRESIGNED, remedy='Ask for the target "inbody".')
    if kind != "inbody":
        raise ConfigurationError(
            f"the target cannot be {kind[:40]!r}", remedy='Ask for the target "inbody".'
        )


def _pages(given: object) -> str | None:
    """``[first, last]`` as a page selection; as in docling, the document may be shorter."""
    if given is None or given == []:
        return None
    try:
        first, last = (int(str(each)) for each in _listed(given))
    except ValueError as error:
        raise ConfigurationError(
            "page_range needs two page numbers, the first and the last"
        ) from error
    if not 1 <= first <= last:
        raise ConfigurationError(f"page_range cannot be from {first} to {last}")
    if last >= OPEN_END:
        return None if first == 1 else f"{first}-"
    return f"{first}-~{last}"


def _single(given: Mapping[str, Any], name: str, default: str) -> str:
    """The last value of a field that should have only one."""
    values = _listed(given.get(name, default))
    return str(values[-1]) if values else default


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [] if value is None else [value]
