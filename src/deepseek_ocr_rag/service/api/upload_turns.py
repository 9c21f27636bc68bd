"""Lets requests take turns at receiving files: :func:`in_turn`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
from starlette.requests import Request
from starlette.types import Message, Receive

from ...errors import BusyError

__all__ = ["UploadTurns", "in_turn"]

UPLOADS_AT_ONCE: Final = 64
"""How many files are received at once; each holds a thread."""

TURNS: Final = 2
"""How many of them are read from the network, parsed and stored at the same time.

Without this limit, every other reply waits until each of a hundred connections has been read from.
With 200 clients that send a file each, one in a hundred requests for a job took 0.3 to 0.7 s; with
two turns, it took 0.07 to 0.1 s (``benchmarks/NOTES.md``).
"""

PATIENCE: Final = 0.25
"""Seconds in all for which a file may wait for bytes and keep its turn. A slower client needs little
of this process, and gives up its turn whenever it waits."""

WAIT_SECONDS: Final = 10.0
"""Seconds for which a file waits until fewer than :data:`UPLOADS_AT_ONCE` are being received."""


class UploadTurns:
    """Knows which requests are receiving files; one instance for each app."""

    def __init__(self) -> None:
        self.receiving = anyio.CapacityLimiter(UPLOADS_AT_ONCE)
        self.turns = asyncio.Semaphore(TURNS)


@asynccontextmanager
async def in_turn(request: Request) -> AsyncIterator[Request]:
    """Receive a file from a request when it is its turn.

    Yields:
        The request to receive the file from.

    Raises:
        BusyError: If too many files are being sent at once.
    """
    shared: UploadTurns = request.app.state.upload_turns
    with anyio.move_on_after(WAIT_SECONDS) as waiting:
        await shared.receiving.acquire_on_behalf_of(request)
    if waiting.cancelled_caught:
        raise BusyError("too many files are being sent at once", remedy="Try again in a moment.")
    turn = _Turn(shared.turns)
    try:
        await turn.take()
        yield Request(request.scope, partial(turn.receive, request.receive))
    finally:
        turn.give_up()
        shared.receiving.release_on_behalf_of(request)


class _Turn:
    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._is_taken = False
        self._patience = PATIENCE

    async def take(self) -> None:
        await self._turns.acquire()
        self._is_taken = True

    def give_up(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._turns.release()

    async def receive(self, receive: Receive) -> Message:
        """The next bytes; the turn is given up if they do not come soon."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        timer = loop.call_later(self._patience, self.give_up)
        try:
            message = await receive()
        finally:
            timer.cancel()
        self._patience = max(0.0, self._patience - (loop.time() - begun))
        if not self._is_taken:
            await self.take()
        return message
