"""Runs one engine process for each card, and gives each page to the least busy one."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final

from ...concurrency.cancellation import Cancellation
from ...errors import BackendError, BackendUnavailableError
from .engine_process import EngineProcess
from .page_request import EngineRequest, PageHandle

__all__ = ["CardEngines"]

MOST_FAILURES: Final = 3
"""A card whose process ends or fails to start this often in a row, without reading a page in
between, is left out as long as another card works."""

LOOK_SECONDS: Final = 0.1
"""Seconds between two checks for ended processes, while every process is busy receiving pictures."""

_log = logging.getLogger("deepseek_ocr_rag")

Notify = Callable[[PageHandle], object]


@dataclass(slots=True)
class _Load:
    """The work of a card.

    It must not refer to the card's process: the threads of the process refer to it, and the process
    would never be collected.
    """

    waiting: int = 0  # pages whose pictures it still holds
    generating: int = 0
    failures: int = 0  # in a row
    lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self, notify: Notify | None) -> Notify:
        """Count a page; return the function that its handle must call instead of ``notify``."""
        begun = ended = False
        with self.lock:
            self.waiting += 1

        def changed(handle: PageHandle) -> None:
            nonlocal begun, ended
            with self.lock:
                if handle.begun and not begun:
                    begun = True
                    self.waiting -= 1
                    self.generating += 1
                if handle.future.done() and not ended:
                    ended = True
                    if begun:
                        self.generating -= 1
                    else:
                        self.waiting -= 1
                    if handle.future.exception() is None:
                        self.failures = 0
            if notify is not None:
                notify(handle)

        return changed


@dataclass(slots=True, eq=False)
class _Card:
    """A card, its process if it has one, and the start of a new one if that is under way."""

    startup: dict[str, Any]
    load: _Load = field(default_factory=_Load)
    process: EngineProcess | None = None
    starting: Future[None] | None = None

    @property
    def name(self) -> str:
        return self.startup["device"] or "the first GPU"

    @property
    def running(self) -> EngineProcess | None:
        """Its process, if it accepts pages."""
        return self.process if self.process is not None and self.process.alive else None


@dataclass(slots=True)
class _Starts:
    """The starts that one page has waited for, and the error of each card that it gave up on."""

    counts: Counter[_Card] = field(default_factory=Counter)
    errors: dict[_Card, BaseException] = field(default_factory=dict)

    def add(self, card: _Card, error: BaseException | None) -> None:
        """Note the result of a start; give up on the card if it failed or its process ended too often."""
        self.counts[card] += 1
        if error is None and self.counts[card] >= MOST_FAILURES:
            error = BackendUnavailableError(
                f"the engine process on {card.name} ended {MOST_FAILURES} times right after it "
                "had started",
                remedy="Run `dsocr doctor`.",
            )
        if error is not None:
            self.errors.setdefault(card, error)


class CardEngines:
    """Keeps an engine process for each card. Thread-safe.

    A process that has ended is started again in a thread of its own; the other cards read
    meanwhile. A card whose process does not start, or ends again and again, is left out with a
    warning.

    Args:
        startups: The settings of each card's process; see :class:`EngineProcess`.
        on_begun: Called once every process can go on starting without this one.
        cancellation: Cancels starts, the first ones and later ones.

    Raises:
        BackendError: If no process starts: the error of the first card.
    """

    def __init__(
        self,
        startups: Sequence[dict[str, Any]],
        on_begun: Callable[[], object] = lambda: None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._cancellation = cancellation or Cancellation()
        self._cards = tuple(_Card(startup) for startup in startups)
        self._lock = threading.Lock()
        self._closed = False
        self._room = threading.Event()
        self._starters = ThreadPoolExecutor(len(startups), thread_name_prefix="dsocr-engines")
        try:
            begun = [threading.Event() for _ in self._cards]
            started = [
                self._start(card, event.set) for card, event in zip(self._cards, begun, strict=True)
            ]
            for event in begun:
                event.wait()
            on_begun()
            wait(started)
            errors = [error for each in started if (error := each.exception()) is not None]
            if len(errors) == len(started):
                raise errors[0]
        except BaseException:
            self.close()
            raise
        for card, each in zip(self._cards, started, strict=True):
            card.starting = None
            if each.exception() is not None:
                card.load.failures = MOST_FAILURES
                _log.warning("%s is left out: %s", card.name, each.exception())
        self.max_positions = min(each.max_positions for each in self.processes)

    @property
    def count(self) -> int:
        """How many cards there are, whether they work or not."""
        return len(self._cards)

    @property
    def processes(self) -> tuple[EngineProcess, ...]:
        """The processes that run."""
        return tuple(each for card in self._cards if (each := card.running) is not None)

    @property
    def gpu_memory(self) -> int | None:
        """Bytes that the processes have allocated on their cards; None before the first page."""
        taken = [each.gpu_memory for each in self.processes if each.gpu_memory is not None]
        return sum(taken) if taken else None

    def submit(self, request: EngineRequest, notify: Notify | None = None) -> PageHandle:
        """Request a page from the least busy card; see :meth:`EngineProcess.submit`.

        Raises:
            BackendError: If no process runs, and none starts.
        """
        process, counted = self._least_busy(notify)
        return process.submit(request, counted)

    def close(self) -> None:
        """End all processes; a second call does nothing."""
        with self._lock:
            self._closed = True
        # A process that is still starting is closed as soon as it has started.
        self._starters.shutdown(wait=True)
        for card in self._cards:
            if card.process is not None:
                card.process.close()

    def _least_busy(self, notify: Notify | None) -> tuple[EngineProcess, Notify]:
        starts = _Starts()
        while True:
            self._room.clear()
            with self._lock:
                starting = dict(self._revived(starts))
                found = [(card.load, process) for card in self._cards if (process := card.running)]
                # A process that has stopped receiving must not hold up the others.
                able = [each for each in found if each[1].has_room or len(found) == 1]
                if able:
                    load, process = min(able, key=_busyness)
                    return process, load.page(notify)
            if found:
                self._room.wait(LOOK_SECONDS)
                continue
            if len(starts.errors) == self.count:
                raise next(iter(starts.errors.values()))
            if not starting:  # the last process has ended since it was looked at
                continue
            ended, _ = wait(starting, return_when=FIRST_COMPLETED)
            for each in ended:
                starts.add(starting[each], each.exception())

    def _revived(self, starts: _Starts) -> Iterator[tuple[Future[None], _Card]]:
        """Restart the processes that have ended; yield all starts under way. Needs the lock."""
        if self._closed:
            raise BackendUnavailableError("the backend was closed", remedy="Make a new one.")
        none_runs = not self.processes
        for card in self._cards:
            if card.starting is not None and card.starting.done():
                card.starting = None
            if card.starting is None and card.running is None:
                if card.process is not None:
                    self._starters.submit(card.process.close)
                    card.process = None
                    self._count_failure(card, "its engine process has ended")
                wanted = none_runs or card.load.failures < MOST_FAILURES
                # Otherwise two cards whose starts fail in turn would be started forever.
                if wanted and card not in starts.errors:
                    _log.warning("starting the engine process on %s again", card.name)
                    card.starting = self._start(card)
            if card.starting is not None and card not in starts.errors:
                yield card.starting, card

    def _count_failure(self, card: _Card, what: str) -> None:
        card.load.failures += 1
        if card.load.failures == MOST_FAILURES and self.count > 1:
            _log.warning("%s is left out: %s %d times in a row", card.name, what, MOST_FAILURES)

    def _start(self, card: _Card, on_begun: Callable[[], object] = lambda: None) -> Future[None]:
        return self._starters.submit(self._started, card, on_begun)

    def _started(self, card: _Card, on_begun: Callable[[], object]) -> None:
        try:
            process = EngineProcess(card.startup, self._room.set, on_begun, self._cancellation)
        except BackendError as error:
            self._count_failure(card, str(error))
            raise
        finally:
            on_begun()
        with self._lock:
            if not self._closed:
                card.process = process
                return
        process.close()


def _busyness(card: tuple[_Load, EngineProcess]) -> tuple[int, float]:
    load, process = card
    return load.waiting, load.generating / max(1, process.slots)
