"""Where Ollama listens, and the credentials for it: ``OLLAMA_HOST`` and ``OLLAMA_API_KEY``.

A host is understood as Ollama itself understands it (``Host`` in its ``envconfig/config.go``),
and in the forms in which other programs write the same address.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from .errors import ConfigurationError

__all__ = ["is_cloud_model", "ollama_headers", "ollama_url"]

_PORTS: Final = {"http": 80, "https": 443, "tcp": 11434}
_OLLAMA_PORT: Final = 11434
_OLLAMA_COM: Final = "ollama.com"

_NEVER: Final = re.compile(r"[\x00-\x20\x7f]|\A[^/?#]*[/?#].*@")
"""What no address contains; such a character in a password is percent-encoded (``%2F``)."""

_API_PATHS: Final = re.compile(r"/(?:v1|api)/*\Z")
"""The end of a base URL that names one of the two interfaces of an Ollama."""


@dataclass(frozen=True, slots=True)
class _Address:
    url: str  # without credentials
    authorization: str = ""  # what a user name and a password in the address stand for


def ollama_url(host: str | None = None) -> str:
    """The URL of an Ollama, without credentials and without a trailing slash.

    Args:
        host: A name, ``name:port``, an IPv6 address with or without brackets, or a URL, which may
            end in ``/v1`` or ``/api``; also in quotes. None stands for ``OLLAMA_HOST``, or for
            port 11434 of this machine if that is not set. ``0.0.0.0`` (all interfaces of a server)
            means this machine, and ``tcp://`` means http.

    Raises:
        ConfigurationError: If it is not the address of a server.
    """
    return _address(host).url


def ollama_headers(host: str | None = None) -> dict[str, str]:
    """The headers that authorize every request to the Ollama at ``host``; empty for most.

    The user name and the password of the address, or else ``OLLAMA_API_KEY``, as Ollama's own
    client sends it.

    Raises:
        ConfigurationError: If a header cannot carry the key, or as for :func:`ollama_url`.
    """
    authorization = _address(host).authorization
    key = _unquoted(os.environ.get("OLLAMA_API_KEY") or "")
    if key and not authorization:
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError(
                "OLLAMA_API_KEY contains characters that an HTTP header cannot carry",
                remedy="Check it for line ends and typographic characters.",
            )
        authorization = f"Bearer {key}"
    return {"authorization": authorization} if authorization else {}


def is_cloud_model(name: str) -> bool:
    """Whether a model's tag says that Ollama runs it on its own servers.

    Example:
        >>> is_cloud_model("gpt-oss:120b-cloud"), is_cloud_model("glm-4.6:cloud")
        (True, True)
        >>> is_cloud_model("soundcloud"), is_cloud_model("me/cloud:latest")
        (False, False)
    """
    tag = name.strip().rpartition("/")[2].partition(":")[2].lower()
    return tag == "cloud" or tag.endswith("-cloud")


def _address(host: str | None) -> _Address:
    text = _unquoted(host or "") or _unquoted(os.environ.get("OLLAMA_HOST") or "") or "127.0.0.1"
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("https", text) if text == _OLLAMA_COM else ("http", text)
    try:
        if _NEVER.search(rest):
            raise ValueError("it has a space or a control character, or a password to be encoded")
        scheme = scheme.lower()
        parts = urlsplit(f"{scheme}://{_bracketed(rest)}")
        port = parts.port or (_PORTS[scheme] if separator or rest == _OLLAMA_COM else _OLLAMA_PORT)
        name = parts.hostname or "127.0.0.1"
        if name in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            name = "127.0.0.1"
        name = f"[{name}]" if ":" in name else name
        path = _API_PATHS.sub("", parts.path).rstrip("/")
        url = f"{'http' if scheme == 'tcp' else scheme}://{name}:{port}{path}"
        _ = httpx.URL(url).host  # it refuses more than urlsplit
    except (ValueError, KeyError, httpx.InvalidURL) as error:
        # No password may be shown.
        shown = text.rpartition("@")[2]
        raise ConfigurationError(
            f"{shown!r} is not the address of an Ollama", remedy="Write http://127.0.0.1:11434."
        ) from error
    return _Address(url, _basic(parts))


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'").strip()


def _bracketed(rest: str) -> str:
    """What follows the scheme, with brackets around an IPv6 address that has none."""
    credentials, at, address = rest.rpartition("@")
    name, slash, path = address.partition("/")
    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return rest
    return f"{credentials}{at}[{name}]{slash}{path}"


def _basic(parts: SplitResult) -> str:
    """The authorization that a user name and a password stand for (RFC 7617)."""
    if not parts.username and not parts.password:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
