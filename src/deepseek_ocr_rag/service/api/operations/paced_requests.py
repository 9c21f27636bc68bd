"""Lets looks at a job go before other requests: an ASGI middleware around the whole app."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LoopTurns", "PacedRequests"]

STEPS_AT_ONCE: Final = 2
"""Steps of other requests in each round of the event loop; one takes about a millisecond."""

QUICK_PATH: Final = re.compile(r"/v1/jobs/[^/]+|/livez|/readyz")
"""Paths whose replies take milliseconds, and for which somebody waits."""


class LoopTurns:
    """Lets only so many coroutines go on in each round of the event loop.

    Everything else that is ready in a round then waits for these few, and not for hundreds.
    Nobody keeps a turn: a slow client holds up no other.

    Args:
        at_once: How many go on in a round.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = self._left = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing = False

    async def wait(self) -> None:
        """Return at once while a turn of this round is left, else in a later round, in order."""
        if self._left and not self._waiting:
            self._left -= 1
            self._renew_soon()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._renew_soon()
        await turn

    def _renew_soon(self) -> None:
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._renewing = False
        self._left = self._at_once
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # a request that was given up waits no longer
                turn.set_result(None)
                self._left -= 1
        if self._left < self._at_once:
            self._renew_soon()


class PacedRequests:
    """Answers looks at a job, and health checks, before what takes longer.

    All other requests take turns when they begin, for each piece of a body, and when they
    answer, so that a service to which hundreds of clients send documents still tells at once how
    far a job is.

    Args:
        app: The app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = LoopTurns(STEPS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if scope["type"] != "http" or _is_quick(scope):
            await self._app(scope, receive, send)
            return

        held: list[Message] = []

        async def receive_in_turn() -> Message:
            # Held, because who waits for a turn may be cancelled, and a piece would be lost.
            if not held:
                held.append(await receive())
            await self._turns.wait()
            return held.pop()

        async def send_in_turn(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._turns.wait()
            await send(message)

        await self._turns.wait()
        await self._app(scope, receive_in_turn, send_in_turn)


def _is_quick(scope: Scope) -> bool:
    return scope["method"] == "GET" and QUICK_PATH.fullmatch(scope["path"]) is not None
