"""The process that holds the GPU, seen from its owner: given pages, asked for their texts.

What it tells comes through a second one, which makes texts of tokens (:mod:`.local_watch`).
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import RawIOBase
from typing import Any, Final, cast

from ...concurrency.frames import Frame, receive
from ...errors import (
    BackendError,
    BackendUnavailableError,
    BrokenFrameError,
    EngineLostError,
    EngineUnsupportedError,
    PageTooLargeError,
)
from .page_frames import LONGEST, text_from
from .page_request import EngineRequest, PageHandle
from .process_pair import END_SECONDS, ProcessPair, start_pair
from .request_sender import RequestSender

__all__ = ["EngineProcess"]

TAIL_LINES: Final = 20
"""Of what the process printed, for messages."""


_KINDS: Final[dict[str, type[BackendError]]] = {
    "unsupported": EngineUnsupportedError,
    "too large": PageTooLargeError,
    "unavailable": BackendUnavailableError,
    "page": BackendError,
}


class EngineProcess:
    """A running :mod:`.local_worker`. Thread-safe.

    It ends with :meth:`close`, when it is garbage-collected, at the end of this
    process, and by itself should this process be killed.

    Args:
        settings: ``folder``, ``tokenizer``, ``device``, ``cache``,
            ``memory_limit``, ``slots`` and ``weights``.

    Attributes:
        slots: Pages that are written at once.
        max_positions: Longest sequence in tokens.

    Raises:
        EngineUnsupportedError: If the engine does not run here.
        BackendUnavailableError: If it cannot start.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        try:
            self._processes = start_pair(settings["tokenizer"])
        except OSError as error:
            raise BackendUnavailableError(
                f"the engine's process cannot be started ({error.strerror})",
                remedy='Allow this program to start processes, or use backend="transformers".',
            ) from error
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._state = _State(self._processes, self._tail)
        self._sender = RequestSender(self._processes.orders)
        self._keys = itertools.count()
        threads = [self._sender.thread]
        self._end = weakref.finalize(
            self, _end, self._processes, self._sender, threads, os.getpid()
        )
        # No thread may hold this object, or it would never be collected.
        threads.append(_thread("messages", _keep_tail, self._processes.said, self._tail))
        try:
            self._sender.send(Frame(settings))
            ready = receive(self._processes.answers, longest=0).message
        except (OSError, BrokenFrameError) as error:
            self._end()
            raise BackendUnavailableError(
                f"the engine's process did not start: {self._state.last_words()}"
            ) from error
        if "error" in ready:
            self._end()
            raise _error(ready)
        self.slots = int(ready["slots"])
        self.max_positions = int(ready["max_positions"])
        threads.append(_thread("tokens", _bring_back, self._processes.answers, self._state))

    @property
    def alive(self) -> bool:
        """Whether pages may be given to it."""
        return not self._state.lost

    def submit(
        self,
        order: EngineRequest,
        news: Callable[[PageHandle], object] | None = None,
    ) -> PageHandle:
        """Have a page written; its result fails with :class:`EngineLostError` if the process ends.

        Args:
            order: The page.
            news: See :class:`PageHandle`. It is called in a thread of this object, one
                after the other for all its pages.
        """
        key = next(self._keys)
        cancel = Frame({"do": "cancel", "key": key})
        writing = PageHandle(lambda: self._sender.send(cancel), news)
        if self._state.add(key, writing):
            self._sender.send(order.frame(key))
        return writing

    def close(self) -> None:
        """End the processes; twice does nothing."""
        self._end()


class _State:
    """The pages that the process has, and whether it is still there."""

    def __init__(self, processes: ProcessPair, tail: deque[bytes]) -> None:
        self.lost = False
        self._processes = processes
        self._tail = tail
        self._lock = threading.Lock()
        self._writings: dict[int, PageHandle] = {}

    def add(self, key: int, writing: PageHandle) -> bool:
        """Note a page; False if there is nobody to write it, which it has then been told."""
        with self._lock:
            if not self.lost:
                self._writings[key] = writing
                return True
        writing.end(self._loss())
        return False

    def take(self, frame: Frame) -> None:
        """Take what the process tells."""
        told = frame.message
        if "failed" in told:
            raise BrokenFrameError(str(told["failed"]))
        with self._lock:
            writing = self._writings.get(told["key"])
            if writing is not None and {"error", "count"} & told.keys():
                del self._writings[told["key"]]
        if writing is None:
            return
        if "begun" in told:
            writing.begin()
        elif "tokens" in told:
            writing.take(told["tokens"])
        elif "error" in told:
            writing.end(_error(told))
        elif "count" in told:
            writing.end(text_from(frame))
        else:
            writing.repeat()

    def lose(self) -> None:
        """The process is gone: everybody who waits is told."""
        with self._lock:
            self.lost = True
            writings, self._writings = self._writings, {}
        for writing in writings.values():
            writing.end(self._loss())

    def last_words(self) -> str:
        """How the process ended, and the last line that it printed."""
        how = self._processes.how_they_ended()
        said = self._tail[-1].decode("utf-8", "replace").strip() if self._tail else ""
        return f"{how}, {said}" if said else how

    def _loss(self) -> EngineLostError:
        return EngineLostError(f"the engine's process ended ({self.last_words()})")


def _thread(name: str, work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name=f"dsocr-engine-{name}", daemon=True)
    thread.start()
    return thread


def _keep_tail(pipe: RawIOBase, tail: deque[bytes]) -> None:
    rest = b""
    with suppress(OSError, ValueError):
        while piece := pipe.read(2**16):
            *lines, rest = (rest + piece).split(b"\n")
            tail.extend(line for line in lines if line.strip())
            rest = rest[-4096:]


def _bring_back(pipe: RawIOBase, state: _State) -> None:
    with suppress(OSError, ValueError, KeyError, TypeError, BrokenFrameError):
        while True:
            state.take(receive(pipe, longest=LONGEST))
    state.lose()


def _error(told: dict[str, Any]) -> BackendError:
    kind = _KINDS.get(told["error"], BackendError)
    return kind(str(told["problem"]), remedy=cast("str | None", told.get("remedy")))


def _end(
    processes: ProcessPair,
    sender: RequestSender,
    threads: Sequence[threading.Thread],
    owner: int,
) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the process that started them
    sender.close()
    processes.end()
    for thread in threads:
        # The last of its owners may be let go in one of them.
        if thread is not threading.current_thread():
            thread.join(END_SECONDS)
    for pipe in (processes.answers, processes.said):
        if not any(thread.is_alive() for thread in threads):
            pipe.close()
