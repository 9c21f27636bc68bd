"""Makes small JSON requests to a server, and shows its address without credentials."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ...certificates import trusted_certificates
from ...errors import (
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)
from ...hosts import is_this_machine
from ...http_replies import UNCOMPRESSED, parse_json, refuse_compressed
from ...text.excerpt import excerpt

__all__ = ["JsonAnswer", "fetch_json", "read_bounded", "without_credentials"]

MAX_JSON_BYTES: Final = 4 * 2**20
"""Largest reply: lists of models and error texts are short."""


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A server's answer: HTTP status, decoded JSON (None if it is not JSON) and text."""

    status: int
    data: Any
    text: str


def without_credentials(url: str) -> str:
    """Return a URL without user name, password, query and fragment, safe to show in a message.

    Raises:
        ConfigurationError: If it is not an HTTP URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        _ = httpx.URL(url).host  # it refuses more than urlsplit
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            f"not a URL ({excerpt(str(error))})", remedy="Write http://host:port."
        ) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(
            "not the URL of a server: it does not start with http:// or https://",
            remedy="Write http://host:port.",
        )
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


async def read_bounded(response: httpx.Response) -> str:
    """Read the text of a short reply for an error message, up to 64 KiB."""
    data = b""
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > 64 * 1024:
            break
    return data.decode("utf-8", "replace")


def fetch_json(
    url: str,
    *,
    payload: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    connect_seconds: float = 5.0,
    seconds: float = 15.0,
) -> JsonAnswer:
    """Request one small JSON document (at most 4 MiB): GET, or POST if there is a payload.

    Redirects are not followed; a proxy is never used for this machine.

    Args:
        url: What to request.
        payload: The JSON to send, or None.
        headers: Additional headers.
        connect_seconds: Longest wait for a connection.
        seconds: Longest wait for the whole answer.

    Raises:
        BackendUnavailableError: If nothing answers, or what answers does not speak HTTP.
        BackendTimeoutError: If the answer takes too long.
        BackendReplyError: If the answer is too long or compressed.
    """
    deadline = time.monotonic() + seconds
    shown = without_credentials(url)
    late = BackendTimeoutError(f"{shown} took longer than {seconds:g} s to answer")
    try:
        with (
            httpx.Client(
                timeout=httpx.Timeout(seconds, connect=connect_seconds),
                trust_env=not is_this_machine(url),
                verify=trusted_certificates(trust_env=not is_this_machine(url)),
                headers={**UNCOMPRESSED, **(headers or {})},
            ) as client,
            client.stream("GET" if payload is None else "POST", url, json=payload) as response,
        ):
            refuse_compressed(response.headers)
            data = b""
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > MAX_JSON_BYTES:
                    raise BackendReplyError(
                        f"the answer from {shown} is longer than {MAX_JSON_BYTES // 2**20} MiB"
                    )
                if time.monotonic() > deadline:
                    raise late
    except httpx.ConnectTimeout as error:
        raise BackendUnavailableError(f"no response from {shown}") from error
    except httpx.TimeoutException as error:
        raise late from error
    except httpx.ConnectError as error:
        raise BackendUnavailableError(
            f"no response from {shown} ({excerpt(str(error))})"
        ) from error
    except httpx.DecodingError as error:
        raise BackendReplyError(
            f"{shown}: {error}", remedy="Check that this is the right server."
        ) from error
    except (httpx.HTTPError, UnicodeError) as error:  # UnicodeError: a redirect to an invalid host
        raise BackendUnavailableError(
            f"the response from {shown} is not valid HTTP ({excerpt(str(error))})"
        ) from error
    text = data.decode("utf-8", "replace")
    try:
        return JsonAnswer(response.status_code, parse_json(text), text)
    except ValueError:
        return JsonAnswer(response.status_code, None, text)
