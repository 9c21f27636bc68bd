"""Gives routes what they need: a request's owner, the queue, whether the client still waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Final, ParamSpec, TypeVar

import anyio.to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..queue import JobQueue
from .access.api_keys import LOCAL_OWNER
from .access.gatekeeper import OWNER
from .api_settings import ApiSettings

__all__ = [
    "ClientGoneError",
    "Owner",
    "Queue",
    "Settings",
    "change",
    "in_worker",
    "look",
    "owner_of",
    "queue_of",
    "settings_of",
    "while_connected",
]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

LOOKS_AT_ONCE: Final = 8
"""How many requests may read the queue at once; the store keeps as many connections."""

CLIENT_CLOSED_REQUEST: Final = 499
"""A status that only the log sees, as nginx uses it."""

CHANGES_AT_ONCE: Final = 8
"""How many requests may change the queue at once. More would only wait for the same disk, and keep
the interpreter from those that read."""

_LOOKS: RunVar[anyio.CapacityLimiter] = RunVar("looks")
_CHANGES: RunVar[anyio.CapacityLimiter] = RunVar("changes")


def owner_of(request: Request) -> str:
    """The name of the key that came with a request; "local" if no keys are set."""
    return str(request.scope.get(OWNER, LOCAL_OWNER))


def queue_of(request: Request) -> JobQueue:
    """The job queue of the app."""
    queue: JobQueue = request.app.state.queue
    return queue


def settings_of(request: Request) -> ApiSettings:
    """The settings of the app."""
    settings: ApiSettings = request.app.state.settings
    return settings


async def in_worker(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call a function that blocks, such as a method of the queue, in a thread."""
    return await anyio.to_thread.run_sync(partial(work, *arguments, **named))


async def look(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call a function that only reads the store, in threads that writers do not use.

    So readers never wait for writers, who wait for each other and for the disk.
    """
    limiter = _limiter(_LOOKS, LOOKS_AT_ONCE)
    return await anyio.to_thread.run_sync(partial(work, *arguments, **named), limiter=limiter)


async def change(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call a function that writes to the store, such as submitting a job; only a few at a time."""
    limiter = _limiter(_CHANGES, CHANGES_AT_ONCE)
    return await anyio.to_thread.run_sync(partial(work, *arguments, **named), limiter=limiter)


def _limiter(kept: RunVar[anyio.CapacityLimiter], most: int) -> anyio.CapacityLimiter:
    try:
        return kept.get()
    except LookupError:
        kept.set(limiter := anyio.CapacityLimiter(most))
        return limiter


class ClientGoneError(HTTPException):
    """The client hung up, so nobody would get the reply."""

    def __init__(self) -> None:
        super().__init__(CLIENT_CLOSED_REQUEST, "the client hung up")


async def while_connected(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run some work to its end, or cancel it as soon as the client hangs up.

    Args:
        request: The request; its body has been read.
        work: What to do.

    Raises:
        ClientGoneError: If the client hung up before the end.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await gone
            raise ClientGoneError
        return working.result()
    finally:
        for each in (working, gone):
            each.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# These are coroutines, because FastAPI would call plain functions in a thread, which would cost
# more than the functions themselves.


async def _owner(request: Request) -> str:
    return owner_of(request)


async def _queue(request: Request) -> JobQueue:
    return queue_of(request)


async def _settings(request: Request) -> ApiSettings:
    return settings_of(request)


Owner = Annotated[str, Depends(_owner)]
Queue = Annotated[JobQueue, Depends(_queue)]
Settings = Annotated[ApiSettings, Depends(_settings)]
