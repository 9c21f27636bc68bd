"""Tells whether a URL points to this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["is_this_machine"]


def is_this_machine(url: str) -> bool:
    """Whether the host of a URL is a loopback address or ``localhost``."""
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
