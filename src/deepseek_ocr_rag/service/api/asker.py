"""Who asks, and what of: what the routes take out of a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final, ParamSpec, TypeVar

import anyio.to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends
from starlette.requests import Request

from ..queue import JobQueue
from .access.api_keys import LOCAL_OWNER
from .access.gatekeeper import OWNER
from .api_settings import ApiSettings

__all__ = [
    "Owner",
    "Queue",
    "Settings",
    "in_worker",
    "look",
    "owner_of",
    "queue_of",
    "settings_of",
]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

LOOKS_AT_ONCE: Final = 8
"""How many clients look at the job queue at once; the store keeps as many connections."""

_LOOKS: RunVar[anyio.CapacityLimiter] = RunVar("looks")


def owner_of(request: Request) -> str:
    """The name of the key that a request brought; "local" where no keys are set."""
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
    """Call something that blocks, such as a method of the queue, in a thread."""
    return await anyio.to_thread.run_sync(partial(work, *arguments, **named))


async def look(
    work: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Call something that only reads the store, in threads of their own.

    Whoever looks need not wait for those who write, and who wait for each other and the disk.
    """
    try:
        limiter = _LOOKS.get()
    except LookupError:
        _LOOKS.set(limiter := anyio.CapacityLimiter(LOOKS_AT_ONCE))
    return await anyio.to_thread.run_sync(partial(work, *arguments, **named), limiter=limiter)


# FastAPI calls what is not a coroutine in a thread, which takes longer than all of these.


async def _owner(request: Request) -> str:
    return owner_of(request)


async def _queue(request: Request) -> JobQueue:
    return queue_of(request)


async def _settings(request: Request) -> ApiSettings:
    return settings_of(request)


Owner = Annotated[str, Depends(_owner)]
Queue = Annotated[JobQueue, Depends(_queue)]
Settings = Annotated[ApiSettings, Depends(_settings)]
