"""Runs work in threads, and says what happened where the system starts no more of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ContextDecorator
from contextvars import copy_context
from types import TracebackType
from typing import Final, TypeVar

from .errors import BusyError

__all__ = ["in_thread", "no_thread", "start_in_thread", "thread_errors"]

_MESSAGE: Final = "start new thread"
"""In the message of Python's RuntimeError (``thread_PyThread_start_new_thread``)."""

_Result = TypeVar("_Result")


def no_thread(error: BaseException) -> bool:
    """Whether an error says that no thread could be started."""
    return isinstance(error, RuntimeError) and _MESSAGE in str(error)


class thread_errors(ContextDecorator):  # noqa: N801 - used like a function
    """A context, or a decorator, that turns Python's error into a :class:`BusyError`.

    Threads are started in many places, in libraries too, so this wraps the outermost calls.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and no_thread(error):
            raise BusyError(
                "the system lets this program start no more threads",
                remedy="Read fewer documents at once, or raise the limit (ulimit -u, or pids of "
                "the container).",
            ) from error


def start_in_thread(work: Callable[[], _Result]) -> asyncio.Future[_Result]:
    """Start a function in a thread of the running event loop.

    Raises:
        BusyError: If no thread can be started; then the function is never called. Python's
            executor keeps what it refused in its queue, and would call it later.
    """
    outcome: Future[_Result] = Future()

    def run() -> None:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            outcome.set_exception(error)

    with thread_errors():
        try:
            asyncio.get_running_loop().run_in_executor(None, run)
        except RuntimeError:
            if outcome.cancel():
                raise
            # Another thread of the loop has taken it from the queue already.
    return asyncio.wrap_future(outcome)


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """As ``asyncio.to_thread``, with our error where no thread can be started.

    Raises:
        BusyError: If no thread can be started, by us or by the function.
    """
    context = copy_context()
    with thread_errors():
        return await start_in_thread(lambda: context.run(work))
