"""Cooperative cancellation: one thread cancels, the threads at work notice and stop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Final, TypeVar

from ..threads import start_in_thread, thread_errors

__all__ = ["Cancellation", "current_cancellation", "run_cancellable", "run_releasing"]

_Result = TypeVar("_Result")


class Cancellation:
    """A flag that can be set once and then calls the registered callbacks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._keys = itertools.count()
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Set the flag and call every registered callback; a second call does nothing."""
        with self._lock:
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks, {}
        for callback in callbacks.values():
            callback()

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call ``callback`` on cancellation, or at once if that happened before.

        It must be quick and not raise.
        """
        key = next(self._keys)
        with self._lock:
            late = self._cancelled
            if not late:
                self._callbacks[key] = callback
        if late:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)


_current: Final[ContextVar[Cancellation | None]] = ContextVar("dsocr_cancellation", default=None)


def current_cancellation() -> Cancellation:
    """The cancellation of the running :func:`run_cancellable`; outside of one, a new one."""
    return _current.get() or Cancellation()


async def run_cancellable(work: Callable[[], _Result]) -> _Result:
    """Run a function in a thread; cancelling the task stops the reading of pages in it.

    ``asyncio.to_thread`` would leave the thread reading after that, and has so few
    threads that a few long documents would keep all other calls waiting.

    Args:
        work: The function.

    Returns:
        Its result.
    """
    cancellation = Cancellation()
    context = copy_context()
    context.run(_current.set, cancellation)
    outcome: Future[_Result] = Future()

    def run() -> None:
        outcome.set_running_or_notify_cancel()
        try:
            outcome.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised where the task awaits it
            outcome.set_exception(error)

    with thread_errors():
        threading.Thread(target=run, name="dsocr-call").start()
    try:
        return await asyncio.wrap_future(outcome)
    except asyncio.CancelledError:
        cancellation.cancel()
        raise


async def run_releasing(
    work: Callable[[], _Result], release: Callable[[_Result], object]
) -> _Result:
    """Run a function in a thread; if the task was cancelled meanwhile, release its result.

    ``release`` runs in a thread of its own, once the task can no longer take the result.
    """
    running = start_in_thread(work)

    def release_result(done: asyncio.Future[_Result]) -> None:
        if not done.cancelled() and done.exception() is None:
            try:
                threading.Thread(
                    target=release, args=(done.result(),), name="dsocr-release"
                ).start()
            except RuntimeError:  # no thread can be started
                release(done.result())

    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(release_result)
        raise
