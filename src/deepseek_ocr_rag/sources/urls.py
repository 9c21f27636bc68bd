"""Recognizes URLs, and names them without their password."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_url", "public_name"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_HOST_AND_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")


def is_url(text: str) -> bool:
    """Whether a source has the form of a URL, with any scheme."""
    return _SCHEME.match(text) is not None


def public_name(url: str) -> str:
    """Remove the user name and password from a URL."""
    scheme, _, rest = url.partition("://")
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if "@" not in authority and not _HOST_AND_PORT.fullmatch(authority):
        # Such a URL is not valid; what follows the colon may begin a password with a "/".
        authority = rest[: rest.rfind("@") + 1]
    return f"{scheme}://{authority.rpartition('@')[2]}{rest[len(authority) :]}"
