"""Takes turns at receiving files: :func:`in_turn`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from starlette.requests import Request
from starlette.types import Message

from ...errors import BusyError

__all__ = ["UploadTurns", "in_turn"]

UPLOADS_AT_ONCE: Final = 64
"""How many files are received at once; each holds a thread."""

STORED_AT_ONCE: Final = 2
"""How many of them are parsed and stored at once, while the others wait for bytes or their turn.

Otherwise all other replies wait too: with 200 clients that sent a file each, one in a hundred looks
at a job took 0.3 to 0.7 s, and 0.07 to 0.1 s with two at once (``benchmarks/NOTES.md``).
"""

WAIT_SECONDS: Final = 10.0
"""Longest time a file waits until fewer than :data:`UPLOADS_AT_ONCE` are received."""


class UploadTurns:
    """Who receives a file at the moment; one for each app."""

    def __init__(self) -> None:
        self.receiving = anyio.CapacityLimiter(UPLOADS_AT_ONCE)
        self.storing = asyncio.Semaphore(STORED_AT_ONCE)


@asynccontextmanager
async def in_turn(request: Request) -> AsyncIterator[Request]:
    """Receive a file from a request when it is its turn.

    Yields:
        The request to receive the file from. It gives its turn up while it waits for bytes, so a
        slow client holds up nobody.

    Raises:
        BusyError: If too many files are being sent at once.
    """
    turns: UploadTurns = request.app.state.upload_turns
    has_turn = False

    async def receive() -> Message:
        nonlocal has_turn
        turns.storing.release()
        has_turn = False
        message = await request.receive()
        await turns.storing.acquire()
        has_turn = True
        return message

    with anyio.move_on_after(WAIT_SECONDS) as waiting:
        await turns.receiving.acquire_on_behalf_of(request)
    if waiting.cancelled_caught:
        raise BusyError("too many files are being sent at once", remedy="Try again in a moment.")
    try:
        await turns.storing.acquire()
        has_turn = True
        yield Request(request.scope, receive)
    finally:
        if has_turn:
            turns.storing.release()
        turns.receiving.release_on_behalf_of(request)
