"""Interprets the HTTP status of an OpenAI-compatible server's response."""

from __future__ import annotations

import json
import math
from typing import Final

import httpx

from ...errors import BackendError, BackendReplyError, BackendUnavailableError, RetryableError
from ...http_replies import parse_json, refuse_compressed
from ...text.excerpt import excerpt
from ..known_failures import failure_named, known_failures, remedy_for
from .json_exchange import read_bounded

__all__ = ["check_status"]

_BUSY: Final = (408, 425, 429, 502, 503, 504)


async def check_status(
    response: httpx.Response, *, optional: tuple[str, ...] = (), secret: str | None = None
) -> tuple[str, ...]:
    """Check the status and the encoding of a response.

    Args:
        response: Its body is read only if it explains a refusal.
        optional: Fields of the request that may be left out.
        secret: The API key, which must not appear in a message.

    Returns:
        The optional fields that the server names in its refusal; empty if it did not refuse.

    Raises:
        RetryableError: If the server is busy, or failed and may succeed later.
        BackendError: If asking again is pointless.
    """
    status = response.status_code
    if status == 200:
        try:
            refuse_compressed(response.headers)
        except httpx.DecodingError as error:
            raise BackendReplyError(str(error)) from error
        return ()
    text = await read_bounded(response)
    problem = f"the server answers with HTTP {status} ({excerpt(_message(text), secret=secret)})"
    if status in _BUSY:
        raise RetryableError(
            BackendUnavailableError(
                problem, remedy="Wait until it is ready, or lower concurrency."
            ),
            _retry_after(response),
        )
    if status in (400, 422) and (named := tuple(name for name in optional if name in text)):
        return named
    raise _final(status, problem)


def _final(status: int, problem: str) -> BackendError | RetryableError:
    if status in (401, 403):
        return BackendUnavailableError(
            problem, remedy="Set api_key or DSOCR_SERVER_API_KEY to the server's key."
        )
    if status == 404:
        return BackendUnavailableError(
            problem, remedy="Check the address and the name of the model."
        )
    if 300 <= status < 400:
        return BackendUnavailableError(
            problem, remedy="Redirects are not followed: name the final address."
        )
    remedy = remedy_for(problem)
    if status >= 500 and failure_named("no picture encoder") not in known_failures(problem):
        remedy = remedy or "Look at the server's log."
        return RetryableError(BackendReplyError(problem, remedy=remedy))
    return BackendReplyError(problem, remedy=remedy)


def _message(text: str) -> str:
    """Return the message in the server's JSON, or the whole text."""
    try:
        data = parse_json(text)
    except ValueError:
        return text
    for name in ("error", "message", "detail"):
        if isinstance(data, dict) and data.get(name):
            data = data[name]
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
