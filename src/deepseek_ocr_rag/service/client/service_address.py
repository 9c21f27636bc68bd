"""Knows where a service is, and the key for it: :class:`ServiceAddress`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ...text.excerpt import excerpt

__all__ = [
    "DEFAULT_SERVICE",
    "KEY_VARIABLE",
    "URL_VARIABLE",
    "ServiceAddress",
    "names_service",
    "service_of",
    "service_url",
]

DEFAULT_SERVICE: Final = "http://127.0.0.1:8765"
"""Where ``dsocr serve`` listens."""

KEY_VARIABLE: Final = "DSOCR_SERVICE_KEY"
URL_VARIABLE: Final = "DSOCR_SERVICE_URL"

_FORM: Final = "Write http://host:8765, and the key into DSOCR_SERVICE_KEY."


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where a service is.

    Attributes:
        url: Its base URL, without a slash at the end.
        key: The API key, or "" if the service needs none. Never shown.
        wait: Seconds to wait for a service that is down or refuses work for the moment.
    """

    url: str
    key: str = field(default="", repr=False)
    wait: float = 60.0

    @classmethod
    def of(
        cls, url: str | None = None, *, key: str | None = None, wait: float = 60.0
    ) -> ServiceAddress:
        """The address in ``url``, else the one in ``DSOCR_SERVICE_URL``, else this machine's.

        Args:
            url: Base URL, ``http://host:port``.
            key: API key; by default the one in ``DSOCR_SERVICE_KEY``.
            wait: See the class.

        Raises:
            ConfigurationError: If the URL, the key or ``wait`` cannot be used.
        """
        key = os.environ.get(KEY_VARIABLE, "") if key is None else key
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigurationError(
                "the service's key has characters that are not allowed",
                remedy=f"Copy it again; it is read from {KEY_VARIABLE}.",
            )
        if not (wait >= 0 and math.isfinite(wait)):
            raise ConfigurationError(
                f"wait={wait} is not a number of seconds", remedy="Give 0 or more."
            )
        return cls(service_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_SERVICE), key, wait)


def service_url(url: str) -> str:
    """A base URL in its shortest form.

    Raises:
        ConfigurationError: If it is not a URL, or has a user, a query or a fragment.
    """
    import httpx  # 0.1 s, which a command that names no service does not need

    try:
        parts = urlsplit(url)
        _ = parts.port, httpx.URL(url).host  # each refuses URLs that the other takes
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            f"not the URL of a service ({excerpt(str(error))})", remedy=_FORM
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("not the URL of a service", remedy=_FORM)
    if parts.username is not None or parts.query or parts.fragment:
        # The URL may contain a password, so it is not shown.
        raise ConfigurationError(
            "the URL of a service has a user, a query or a fragment", remedy=_FORM
        )
    return url.rstrip("/")


def names_service(backend: object) -> bool:
    """Whether the user named a service instead of a backend."""
    return isinstance(backend, str) and (backend == "service" or backend.startswith("service:"))


def service_of(backend: str) -> str | None:
    """The base URL in ``service:<base url>``; None for ``service``, which leaves it out."""
    return backend.partition(":")[2] or None
