"""That nobody wants a result any more: told in one thread, heeded in those that work for it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Final, TypeVar

__all__ = ["Cancellation", "current_cancellation", "run_cancellable", "run_releasing"]

_Result = TypeVar("_Result")


class Cancellation:
    """Whether a result is still wanted. Thread-safe; it never changes back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self._cancelled

    def cancel(self) -> None:
        """Tell everybody who works for it; a second time does nothing."""
        with self._lock:
            self._cancelled = True
            steps, self._steps = self._steps, {}
        for step in steps.values():
            step()

    @contextmanager
    def on_cancel(self, step: Callable[[], object]) -> Iterator[None]:
        """Have a step called, in the thread that cancels, if that happens inside of the context.

        Args:
            step: Must be quick and not raise. Called at once where it happened before.
        """
        number = next(self._numbers)
        with self._lock:
            late = self._cancelled
            if not late:
                self._steps[number] = step
        if late:
            step()
        try:
            yield
        finally:
            with self._lock:
                self._steps.pop(number, None)


_current: Final[ContextVar[Cancellation | None]] = ContextVar("dsocr_cancellation", default=None)


def current_cancellation() -> Cancellation:
    """That of the call that is running, see :func:`run_cancellable`; else one that nobody knows."""
    return _current.get() or Cancellation()


async def run_cancellable(work: Callable[[], _Result]) -> _Result:
    """Run something in a thread; cancelling the task ends the reading of pages in it.

    ``asyncio.to_thread`` would leave the thread reading for nobody, and has so few
    threads that some long documents would keep everybody else waiting.

    Args:
        work: What to run. Documents that it opens are read for this task.

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

    threading.Thread(target=run, name="dsocr-call").start()
    try:
        return await asyncio.wrap_future(outcome)
    except asyncio.CancelledError:
        cancellation.cancel()
        raise


async def run_releasing(
    work: Callable[[], _Result], release: Callable[[_Result], object]
) -> _Result:
    """Run something in a thread; what it gives to a task that was cancelled is released.

    Args:
        work: What to run.
        release: Takes its result where nobody else does, in a thread of its own.

    Returns:
        Its result.
    """
    running = asyncio.get_running_loop().run_in_executor(None, work)

    def let_go(done: asyncio.Future[_Result]) -> None:
        if not done.cancelled() and done.exception() is None:
            threading.Thread(target=release, args=(done.result(),), name="dsocr-release").start()

    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(let_go)
        raise
