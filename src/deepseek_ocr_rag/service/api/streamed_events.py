"""Writes server-sent events, and makes replies that send them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse

__all__ = ["EVENT_STREAM", "HEARTBEAT", "event", "event_content", "event_reply"]

EVENT_STREAM: Final = "text/event-stream"

HEARTBEAT: Final = ": still here\n\n"
"""A comment, which clients ignore; it shows that the connection is alive."""


def event_content(*kinds: str) -> dict[str, Any]:
    """The OpenAPI ``content`` of a stream with these kinds of events; ``data`` is JSON."""
    schema = {
        "type": "object",
        "description": "One server-sent event. Its data is JSON.",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "enum": list(kinds)},
            "data": {"type": "string", "contentMediaType": "application/json"},
            "id": {"type": "string"},
        },
    }
    return {EVENT_STREAM: {"schema": schema}}


def event(kind: str, data: dict[str, Any], number: int | None = None) -> str:
    """One event: JSON in one line of ASCII, so that no text can end it early."""
    mark = "" if number is None else f"id: {number}\n"
    return f"{mark}event: {kind}\ndata: {json.dumps(data)}\n\n"


def event_reply(events: AsyncIterator[str]) -> StreamingResponse:
    """A reply that sends events as they come, even through proxies that would buffer them."""
    return StreamingResponse(events, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
