"""Says what happened where the system lets this process start no more threads."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import TracebackType
from typing import Final

from ..errors import BusyError

__all__ = ["no_thread", "thread_errors"]

_MESSAGE: Final = "start new thread"
"""In the message of Python's RuntimeError (``thread_PyThread_start_new_thread``)."""


def no_thread(error: BaseException) -> bool:
    """Whether an error says that no thread could be started."""
    return isinstance(error, RuntimeError) and _MESSAGE in str(error)


class thread_errors(ContextDecorator):  # noqa: N801 - used like a function
    """A context, or a decorator, that turns Python's error into a :class:`BusyError`.

    Threads are started at many places, in libraries too, so this stands where calls come in.
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
