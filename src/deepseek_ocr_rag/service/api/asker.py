"""Who asks, and what of: what the routes take out of a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final, ParamSpec, TypeVar

import anyio.to_thread
from fastapi import Depends
from starlette.requests import Request

from ..queue import JobQueue
from .access.api_keys import LOCAL_OWNER
from .access.gatekeeper import OWNER
from .api_settings import ApiSettings

__all__ = ["Owner", "Queue", "Settings", "in_worker", "owner_of", "queue_of", "settings_of"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

WORKER_THREADS: Final = 24
"""How many calls of the job queue run at once."""


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


Owner = Annotated[str, Depends(owner_of)]
Queue = Annotated[JobQueue, Depends(queue_of)]
Settings = Annotated[ApiSettings, Depends(settings_of)]
