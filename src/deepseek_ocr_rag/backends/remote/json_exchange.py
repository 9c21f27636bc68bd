"""Short exchanges with a server, and its words and address in our messages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ...errors import (
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)
from ...ollama_server import is_this_machine
from ...text.excerpt import excerpt

__all__ = ["PLAIN", "JsonAnswer", "fetch_json", "read_bounded", "without_credentials"]

MAX_JSON_BYTES: Final = 4 * 2**20
"""Lists of models and error texts."""

PLAIN: Final = {"accept-encoding": "identity"}
"""Compressed replies could grow without bound while they are unpacked."""


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """What a server said: the HTTP status, the JSON (None where it is none), the text."""

    status: int
    data: Any
    text: str


def without_credentials(url: str) -> str:
    """The URL for use in a message: without user name, password, query and fragment.

    Raises:
        ConfigurationError: If it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            f"not a URL ({excerpt(str(error))})", remedy="Write http://host:port."
        ) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(
            "not the URL of a server: it does not begin with http:// or https://",
            remedy="Write http://host:port.",
        )
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


async def read_bounded(response: httpx.Response) -> str:
    """The text of a short reply, cut at a few kilobytes: for error messages."""
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
    """Ask for one small JSON answer: GET, or POST where there is a payload.

    Args:
        url: Where. Redirects are not followed; a proxy is never used for this
            machine.
        payload: What to send as JSON.
        headers: Beside the usual ones.
        connect_seconds: Longest wait for a connection.
        seconds: Longest wait for the whole answer.

    Raises:
        BackendUnavailableError: If nobody answers there.
        BackendTimeoutError: If the answer does not end in time.
        BackendReplyError: If it is too long.
    """
    deadline = time.monotonic() + seconds
    shown = without_credentials(url)
    late = BackendTimeoutError(f"{shown} took longer than {seconds:g} s to answer")
    try:
        with (
            httpx.Client(
                timeout=httpx.Timeout(seconds, connect=connect_seconds),
                trust_env=not is_this_machine(url),
                headers={**PLAIN, **(headers or {})},
            ) as client,
            client.stream("GET" if payload is None else "POST", url, json=payload) as response,
        ):
            data = b""
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > MAX_JSON_BYTES:
                    raise BackendReplyError(f"{shown} answers without an end")
                if time.monotonic() > deadline:
                    raise late
    except httpx.ConnectTimeout as error:
        raise BackendUnavailableError(f"nobody answers at {shown}") from error
    except httpx.TimeoutException as error:
        raise late from error
    except httpx.ConnectError as error:
        raise BackendUnavailableError(
            f"nobody answers at {shown} ({excerpt(str(error))})"
        ) from error
    except httpx.HTTPError as error:
        raise BackendUnavailableError(
            f"{shown} does not speak HTTP as expected ({excerpt(str(error))})"
        ) from error
    text = data.decode("utf-8", "replace")
    try:
        return JsonAnswer(response.status_code, json.loads(text), text)
    except (ValueError, RecursionError):
        return JsonAnswer(response.status_code, None, text)
