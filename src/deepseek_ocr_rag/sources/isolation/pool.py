"""Keeps a few worker processes, started when needed and shared by all documents."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from ...concurrency.frames import Frame
from ...errors import DeepSeekOCRError, WorkerLostError
from .process import Worker

__all__ = ["MOST_WORKERS", "WorkerPool", "shared_pool"]


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


MOST_WORKERS: Final = min(4, _usable_cores())
"""One worker per core, at most four: they render 60 or more pages a second, more than one card
reads."""

LINGER_SECONDS: Final = 10.0
"""Seconds that workers stay after the last document was closed."""

READY_SECONDS: Final = 600.0
"""The same while more documents are expected. Even then not for ever: one takes 50 MB."""

CLOSE_SECONDS: Final = 5.0
"""Most seconds that a worker may take to close a document."""

FINISH_SECONDS: Final = 0.5
"""Most seconds that a page may still take when its document is closed, before its worker is
ended."""


@dataclass(slots=True)
class _Start:
    """The start of a worker, in another thread."""

    error: BaseException | None = None  # why it failed
    done: bool = False


class WorkerPool:
    """Lends each of at most ``most`` workers to one thread at a time. Thread-safe."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._documents: set[int] = set()
        self._expected: set[int] = set()  # numbers of those that expect documents
        self._ahead: _Start | None = None  # of a worker for a document that is expected
        self._abandoned: deque[int] = deque()
        self._idle: list[Worker] = []
        self._starting = 0
        self._busy: dict[Worker, int] = {}
        self._timer: threading.Timer | None = None
        self._unwanted = False  # whether the workers were ended because no document was open

    @property
    def workers(self) -> int:
        """Number of running workers."""
        with self._changed:
            return len(self._idle) + len(self._busy)

    def widen(self, most: int) -> int:
        """Allow up to ``most`` workers, but no more than cores; return how many are now allowed."""
        with self._changed:
            self._most = max(self._most, min(most, _usable_cores()))
            self._changed.notify_all()
            return self._most

    def register(self) -> int:
        """Register a document; workers stay as long as there is one. Returns its number."""
        with self._changed:
            self._stop_timer()
            self._unwanted = False
            number = next(self._numbers)
            self._documents.add(number)
            return number

    def expect(self, prepare: Callable[[Worker], object]) -> int:
        """Start a worker for a document that is expected, unless there is one already.

        Workers then stay for :data:`READY_SECONDS`.

        Args:
            prepare: Loads what the document will need, if no other one comes first.

        Returns:
            A number for :meth:`expect_no_more`.
        """
        with self._changed:
            number = next(self._numbers)
            self._expected.add(number)
            self._stop_timer()
            self._unwanted = False
            if not (self._idle or self._busy or self._starting):
                self._ahead = self._start_beside(number, prepare)
        self._linger()
        return number

    def expect_no_more(self, number: int) -> None:
        """End the workers, unless a document is open or others expect one."""
        with self._changed:
            self._expected.discard(number)
            for worker, each in self._busy.items():
                if each == number:
                    worker.interrupt()
        self.end_if_unused()

    @contextmanager
    def worker(
        self,
        document: int,
        *,
        fresh: bool = False,
        prepare: Callable[[Worker], object] = lambda worker: None,
    ) -> Iterator[Worker]:
        """Borrow a worker for one request, preferably one that has the document open.

        ``fresh`` starts a new one, which replaces an idle one. ``prepare`` opens the document in a
        worker that is started while others are at work.
        """
        worker = self._take(document, fresh, prepare)
        try:
            yield worker
        finally:
            self._give_back(worker)

    def abandon(self, document: int) -> None:
        """Close a document, or expect no more of them, the next time that a worker is used.

        For finalizers, because the garbage collector may run while the pool is locked.
        """
        self._abandoned.append(document)

    def forget(self, document: int) -> None:
        """Close a document in all workers, and stop all work on it."""
        with self._changed:
            self._sweep()
            self._documents.discard(document)
            self._changed.wait_for(lambda: document not in self._busy.values(), FINISH_SECONDS)
            for worker, number in self._busy.items():
                if number == document:
                    worker.interrupt()
            holders = [each for each in self._idle if document in each.documents]
            for worker in holders:
                self._idle.remove(worker)
                self._busy[worker] = 0
        for worker in holders:
            self._give_back(worker)
        self._linger()

    def _linger(self) -> None:
        """End all workers after a while, unless a document is opened."""
        with self._changed:
            self._sweep()
            if self._documents or self._timer is not None:
                return
            seconds = READY_SECONDS if self._expected else LINGER_SECONDS
            self._timer = threading.Timer(seconds, self._end_idle)
            self._timer.daemon = True
            try:
                self._timer.start()
                return
            except RuntimeError:  # the system has no thread left
                self._timer = None
        self._end_idle()

    def end_if_unused(self) -> None:
        """End all workers, unless a document is open or expected."""
        with self._changed:
            self._sweep()
            if self._expected:
                return
        self._end_idle()

    def _end_idle(self) -> None:
        """End all workers, unless a document is open."""
        with self._changed:
            self._sweep()
            if self._documents:
                return
            self._stop_timer()
            self._unwanted = True
            ending, self._idle = self._idle, []
        for worker in ending:
            worker.stop()

    def disown(self) -> None:
        """Forget all workers, in a forked copy of the process that owns them."""
        for worker in (*self._idle, *self._busy):
            worker.disown()

    def _take(self, document: int, fresh: bool, prepare: Callable[[Worker], object]) -> Worker:
        if fresh:
            return self._replacement(document)
        start: _Start | None = None
        with self._changed:
            while True:
                if worker := self._idle_worker(document):
                    self._busy[worker] = document
                    return worker
                if start is not None and start.error is not None:
                    raise start.error
                has_room = len(self._busy) + self._starting < self._most
                coming = self._ahead is not None and not self._ahead.done
                if has_room and not coming and (start is None or start.done):
                    start = self._start_beside(document, prepare)
                else:
                    self._changed.wait()

    def _idle_worker(self, document: int) -> Worker | None:
        """Take an idle worker, preferably one that has the document open."""
        while self._idle:
            holders = [each for each in self._idle if document in each.documents]
            worker = (holders or self._idle)[-1]
            self._idle.remove(worker)
            if worker.alive:
                return worker
            worker.stop()
        return None

    def _start_beside(self, document: int, prepare: Callable[[Worker], object]) -> _Start:
        """Start a worker in another thread, because an existing one may become free sooner."""
        start = _Start()
        self._starting += 1
        # The first worker of a document need not be prepared: the caller that waits for it opens
        # the document.
        wanted = document in self._documents and not self._busy
        prepared = None if wanted else prepare
        thread = threading.Thread(
            target=self._start, args=(start, document, prepared), name="dsocr-worker", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._start(start, document, None)
        return start

    def _start(
        self, start: _Start, document: int, prepare: Callable[[Worker], object] | None
    ) -> None:
        started: Worker | None = None
        try:
            started = Worker()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked for it
            start.error = error
        with self._changed:
            self._starting -= 1
            if started is not None:
                self._busy[started] = document
            # What is prepared for an expected document may not suit one that has come meanwhile.
            needed = document in self._documents or not self._documents
        if started is not None:
            if prepare is not None and needed:
                # The caller that takes the worker meets the error again, and knows its page. RuntimeError:
                # the system has no thread left for the deadline.
                with suppress(DeepSeekOCRError, WorkerLostError, RuntimeError):
                    prepare(started)
            self._give_back(started)
        with self._changed:
            start.done = True
            self._changed.notify_all()
            unwanted = self._unwanted
        if unwanted:
            self._end_idle()

    def _replacement(self, document: int) -> Worker:
        """Start a worker, in place of an idle one if there is one."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._idle or len(self._busy) + self._starting < self._most
            )
            if replaced := self._idle_worker(document):
                replaced.stop()
            self._starting += 1
        started: Worker | None = None
        try:
            started = Worker()
        finally:
            with self._changed:
                self._starting -= 1
                if started is not None:
                    self._busy[started] = document
                self._changed.notify_all()
        return started

    def _give_back(self, worker: Worker) -> None:
        """Make a worker available again, after closing the documents that were closed meanwhile."""
        with self._changed:
            self._sweep()
            closed = worker.documents - self._documents
        try:
            for number in closed:
                worker.ask(Frame({"do": "close", "document": number}), CLOSE_SECONDS)
                worker.documents.discard(number)
        except WorkerLostError:
            pass
        except RuntimeError:  # no thread left for the deadline; a new worker has nothing to close
            worker.stop()
        alive = worker.alive
        if not alive:
            worker.stop()
        with self._changed:
            del self._busy[worker]
            if alive:
                self._idle.append(worker)
            self._changed.notify_all()

    def _sweep(self) -> None:
        while self._abandoned:
            number = self._abandoned.popleft()
            self._documents.discard(number)
            self._expected.discard(number)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_shared = WorkerPool()


def shared_pool() -> WorkerPool:
    """Return the pool of this process."""
    return _shared


def _replace_after_fork() -> None:
    # The workers answer to the original process.
    global _shared
    inherited, _shared = _shared, WorkerPool()
    inherited.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_after_fork)
