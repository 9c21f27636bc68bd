"""Writes citations as addresses that say document, page, place on the page, and version.

A client has only text, and the server may have been restarted since it answered. So a citation
contains everything that is needed to show it, and is checked like any other argument:
``dsocr://doc/reports/2024.pdf/page/3?boxes=0.100,0.200,0.500,0.300&sha=1a2b3c4d5e6f``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from ..errors import ConfigurationError

__all__ = [
    "CitationLink",
    "DocumentLink",
    "citation_link",
    "document_link",
    "parse_citations",
    "parse_document_link",
]

SCHEME: Final = "dsocr://doc/"
MOST_BOXES: Final = 8
MOST_CITATIONS: Final = 20
"""Most citations of one call; at most four of their pages are shown."""

SHA_CHARS: Final = 12
"""How many digits of a file's hash are enough to notice that the file has changed."""

_PAGE: Final = re.compile(r"(?P<id>.+)/page/(?P<page>[0-9]{1,9})", re.DOTALL)
_NEXT: Final = re.compile(r"(?<![\s,;])[\s,;]+(?=[\"'\[(<]*dsocr://)")
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
"""The number of a citation in a list, as in ``[1] dsocr://...``; a number alone is not a
citation."""

_AROUND: Final = "\"'`[]()<>,;. \t\n"
_REMEDY: Final = (
    "Give it as ask_document or search_document printed it, like "
    "dsocr://doc/report.pdf/page/3?boxes=0.100,0.200,0.500,0.300"
)

Four = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A document, or one page of it.

    Attributes:
        id: The document's id.
        page: 1-based; None for the whole document.
    """

    id: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class CitationLink:
    """A place in a document.

    Attributes:
        id: The document's id.
        page: 1-based.
        boxes: Where on the page, in fractions of it; empty for the whole page.
        sha: The beginning of the file's hash; "" if it was not given.
    """

    id: str
    page: int
    boxes: tuple[Four, ...] = ()
    sha: str = ""


def document_link(id: str, page: int | None = None) -> str:
    """The address of a document, or of a page, as a resource."""
    link = SCHEME + quote(id, safe="")
    return link if page is None else f"{link}/page/{page}"


def citation_link(
    id: str, page: int, boxes: Iterable[Sequence[float]] = (), sha256: str = ""
) -> str:
    """The address of a place. Letters of any script are kept, so that a model can copy it."""
    path = "".join(char if char.isalnum() or char in "-_.~/" else quote(char) for char in id)
    link = f"{SCHEME}{path}/page/{page}"
    boxes_text = ";".join(",".join(f"{v:.3f}" for v in box) for box in list(boxes)[:MOST_BOXES])
    query = [f"boxes={boxes_text}"] * bool(boxes_text) + [f"sha={sha256[:SHA_CHARS]}"] * bool(
        sha256
    )
    return f"{link}?{'&'.join(query)}" if query else link


def parse_document_link(text: str) -> DocumentLink:
    """The document or page that an address names.

    Raises:
        ConfigurationError: If it is not such an address.
    """
    if not text.startswith(SCHEME) or len(text) > 12_000:
        raise _refused(text, f"Its form is {SCHEME}ID or {SCHEME}ID/page/NUMBER.")
    rest = text.removeprefix(SCHEME).partition("?")[0]
    match = _PAGE.fullmatch(rest)
    id, page = (match["id"], int(match["page"])) if match else (rest, None)
    if not id or page == 0:
        raise _refused(text, f"Its form is {SCHEME}ID or {SCHEME}ID/page/NUMBER.")
    return DocumentLink(_decoded(id, text), page)


def parse_citations(text: str) -> tuple[CitationLink, ...]:
    """The citations in a text, each once; they are separated by spaces or commas.

    Raises:
        ConfigurationError: If something is not a citation, or there are too many.
    """
    parts = [part.strip(_AROUND) for part in _NEXT.split(text.strip())]
    if any(part.startswith(SCHEME) for part in parts):
        parts = [part for part in parts if not _NUMBER.fullmatch(part)]
    links = tuple(dict.fromkeys(_citation(part) for part in parts if part))
    if not links:
        raise _refused(text, _REMEDY)
    if len(links) > MOST_CITATIONS:
        raise ConfigurationError(
            f"there are {len(links)} citations", remedy=f"Give at most {MOST_CITATIONS}."
        )
    return links


def _citation(text: str) -> CitationLink:
    address, _, query = text.partition("?")
    match = _PAGE.fullmatch(address.removeprefix(SCHEME))
    if not address.startswith(SCHEME) or match is None or int(match["page"]) < 1:
        raise _refused(text, _REMEDY)
    values = dict(part.partition("=")[::2] for part in query.split("&") if part)
    boxes = tuple(_four(part, text) for part in values.pop("boxes", "").split(";") if part.strip())
    sha = values.pop("sha", "").lower()
    if values or len(boxes) > MOST_BOXES or not re.fullmatch(r"[0-9a-f]{0,64}", sha):
        raise _refused(text, _REMEDY)
    return CitationLink(_decoded(match["id"], text), int(match["page"]), boxes, sha)


def _four(text: str, whole: str) -> Four:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.strip(_AROUND).split(","))
    except ValueError:
        raise _refused(whole, _REMEDY) from None
    if not all(math.isfinite(v) and -0.005 <= v <= 1.005 for v in (x0, y0, x1, y1)):
        raise _refused(whole, _REMEDY)
    return x0, y0, x1, y1


def _decoded(id: str, whole: str) -> str:
    try:
        return unquote(id, errors="strict")
    except UnicodeDecodeError:
        raise _refused(whole, _REMEDY) from None


def _refused(text: str, remedy: str) -> ConfigurationError:
    shown = "".join(char if char.isprintable() else "?" for char in text[:80])
    return ConfigurationError(f"'{shown}' is not a citation or an address here", remedy=remedy)
