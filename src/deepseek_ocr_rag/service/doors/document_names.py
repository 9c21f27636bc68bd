"""Cleans the names of documents that clients send, which may be anything."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from ...text.visible import storable, visible_line, without_invisible

__all__ = ["document_name", "name_in_url", "name_of_open_webui"]

LONGEST: Final = 255
LONGEST_READ: Final = 4096
"""Most characters of a name that are considered."""

_OPEN_WEBUI_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_(?=.)")


def document_name(given: str | None) -> str:
    """The last part of a name that may be a path; "document" if nothing is left of it."""
    last = re.split(r"[/\\]", (given or "")[-LONGEST_READ:])[-1]
    name = visible_line(without_invisible(storable(last))).strip()[-LONGEST:].strip()
    return name if name.strip(".") else "document"


def name_of_open_webui(header: str | None) -> str:
    """The name in ``X-Filename``: quoted as in a URL, after the file's id and an underscore."""
    return document_name(_OPEN_WEBUI_ID.sub("", unquote((header or "")[-LONGEST_READ:]), count=1))


def name_in_url(url: str) -> str:
    """The last part of the path of a URL."""
    try:
        return document_name(unquote(urlsplit(url[:LONGEST_READ]).path))
    except ValueError:
        return document_name(None)
