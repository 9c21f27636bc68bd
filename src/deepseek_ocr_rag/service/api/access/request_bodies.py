"""Limits how large request bodies may be, and how slowly they may come."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

__all__ = ["body_limit", "guarded_body", "header", "too_large"]

LARGE_BODIES: Final = re.compile(
    r"/v1/jobs|/v1/uploads/[^/]+/content|/process|/v1/convert/[a-z/]+|/v1/files|/v1/ocr"
)
"""Paths to which files are sent."""

ENVELOPE: Final = 64 * 1024
"""Bytes that a body may have besides its file, for the other parts of a form."""

GRACE: Final = 30.0
"""Seconds before the rate of a body is checked."""


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a request's header, or None; the last value if there are several."""
    found = None
    for key, value in scope["headers"]:
        if key == name:
            found = value
    return None if found is None else found.decode("latin-1")


def body_limit(path: str, *, upload_bytes: int, json_bytes: int) -> int:
    """Most bytes of the body of a request to a path."""
    return upload_bytes + ENVELOPE if LARGE_BODIES.fullmatch(path) else json_bytes


def guarded_body(
    scope: Scope,
    receive: Receive,
    *,
    limit: int,
    silence: float,
    rate: float,
    clock: Callable[[], float] = time.monotonic,
) -> Receive:
    """The body of a request, which ends with an error if it is too large or too slow.

    Args:
        scope: The request.
        receive: Returns the body piece by piece.
        limit: Most bytes.
        silence: Longest time without a piece, in seconds.
        rate: Bytes a second that must come after the first :data:`GRACE` seconds of waiting.
        clock: Seconds, for tests.

    Raises:
        HTTPException: 413, 415 or 400 at once, from the headers; 413 or 408 while it comes.
    """
    _check_headers(scope, limit)
    received, waited, more = 0, 0.0, True

    async def guarded() -> Message:
        nonlocal received, waited, more
        if not more:  # The body is complete; the disconnect comes next, however long that takes.
            return await receive()
        begun = clock()
        try:
            async with asyncio.timeout(silence):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"no data came for {silence:g} seconds") from None
        waited += clock() - begun
        received += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if received > limit:
            raise too_large(limit)
        if more and waited > GRACE and received < (waited - GRACE) * rate:
            raise HTTPException(408, f"the body came slower than {rate:,.0f} bytes a second")
        return message

    return guarded


def too_large(limit: int) -> HTTPException:
    """The error for a body that is larger than its limit."""
    return HTTPException(413, f"the body is larger than {limit:,} bytes")


def _check_headers(scope: Scope, limit: int) -> None:
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise HTTPException(415, "compressed bodies are not accepted; send the bytes as they are")
    length = header(scope, b"content-length")
    if length is None:
        return
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise HTTPException(400, "Content-Length is not a number")
    if int(length) > limit:
        raise too_large(limit)
