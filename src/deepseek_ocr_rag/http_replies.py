"""Replies of HTTP servers: only uncompressed ones, and JSON that is not nested too deeply.

Three kilobytes that were compressed twice unpack to gigabytes, and HTTP libraries unpack a piece
before anybody can count it. So every request asks for ``identity``, and a reply in any other
encoding is refused by its header, before its body is read.
"""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from .certificates import trusted_certificates

__all__ = [
    "UNCOMPRESSED",
    "AsyncPlainTransport",
    "PlainTransport",
    "parse_json",
    "refuse_compressed",
]

UNCOMPRESSED: Final = {"accept-encoding": "identity"}
"""The header of a request that asks for an uncompressed reply."""

DEEPEST: Final = 100
"""Levels of JSON; no server's reply has more than ten."""

_SHOWN: Final = 60
"""Characters of a header in a message."""


def refuse_compressed(headers: httpx.Headers) -> None:
    """Raise :class:`httpx.DecodingError` if the header names any encoding but ``identity``."""
    named = headers.get("content-encoding", "")
    encodings = [each.strip().lower() for each in named.split(",")]
    if any(each not in ("", "identity") for each in encodings):
        shown = "".join(c if c.isprintable() else "?" for c in named)[:_SHOWN]
        raise httpx.DecodingError(
            f"the reply is compressed ({shown}), which was not requested and is not accepted"
        )


class PlainTransport(httpx.HTTPTransport):
    """A transport, without proxies, that accepts only uncompressed replies."""

    def __init__(self) -> None:
        super().__init__(verify=trusted_certificates())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; see :class:`httpx.BaseTransport`."""
        request.headers.update(UNCOMPRESSED)
        response = super().handle_request(request)
        try:
            refuse_compressed(response.headers)
        except BaseException:
            response.close()
            raise
        return response


class AsyncPlainTransport(httpx.AsyncHTTPTransport):
    """:class:`PlainTransport` for coroutines."""

    def __init__(self) -> None:
        super().__init__(verify=trusted_certificates())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; see :class:`httpx.AsyncBaseTransport`."""
        request.headers.update(UNCOMPRESSED)
        response = await super().handle_async_request(request)
        try:
            refuse_compressed(response.headers)
        except BaseException:
            await response.aclose()
            raise
        return response


def parse_json(text: str | bytes | bytearray) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON of a server or a model.

    Raises:
        ValueError: If it is not JSON, or has more than 100 levels. Python would run out of stack
            with it, here or wherever it is shown or stored.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError("the JSON is nested too deeply")
