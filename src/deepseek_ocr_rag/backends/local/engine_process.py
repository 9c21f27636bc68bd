"""Controls the process that holds the GPU: its owner gives it pages and gets their texts.

Its replies come through a second process, which turns tokens into text
(:mod:`.loop_watch_process`).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import RawIOBase
from typing import Any, Final, cast

from ...concurrency.cancellation import Cancellation
from ...concurrency.child_process import OutputTail, finalize_in_owner
from ...concurrency.frames import Frame, receive, send
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

_ERRORS: Final[dict[str, type[BackendError]]] = {
    "unsupported": EngineUnsupportedError,
    "too large": PageTooLargeError,
    "unavailable": BackendUnavailableError,
    "page": BackendError,
}


class EngineProcess:
    """A running :mod:`.engine_worker`. Thread-safe.

    It ends with :meth:`close`, when it is garbage-collected, when this process exits, and by
    itself if this process is killed. ``slots`` is how many pages it generates at the same time,
    ``max_positions`` its longest sequence in tokens.

    Args:
        settings: ``folder``, ``tokenizer``, ``device``, ``cache``, ``memory_limit``, ``slots``,
            ``weights`` and ``vision``; see :class:`~deepseek_ocr_rag.engine.startup.EngineSettings`.
        on_room: Called when :attr:`has_room` has become True; it must not refer to this object.
        on_begun: Called once the process has its settings and can go on starting without this one.
        cancellation: Cancels the start; nothing afterwards.

    Raises:
        BackendError: If the process does not start, or the engine does not run in it.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        on_room: Callable[[], object] = lambda: None,
        on_begun: Callable[[], object] = lambda: None,
        cancellation: Cancellation | None = None,
    ) -> None:
        cancellation = cancellation or Cancellation()
        try:
            self._processes = start_pair(settings["tokenizer"])
        except OSError as error:
            raise BackendUnavailableError(
                f"the engine process cannot be started ({error.strerror})",
                remedy='Allow this program to start processes, or use backend="transformers".',
            ) from error
        messages = OutputTail(self._processes.messages, "dsocr-engine-messages")
        self._pages = _PendingPages(self._processes, messages)
        self._sender = RequestSender(self._processes.requests, on_room)
        self._keys = itertools.count()
        threads = [self._sender.thread, messages.thread]
        self._end = finalize_in_owner(self, _end, self._processes, self._sender, threads)
        try:
            # Not from the sender's thread, which may have to wait for the GIL.
            send(self._processes.requests, Frame(settings))
            on_begun()
            with cancellation.on_cancel(self._processes.kill):
                ready = receive(self._processes.replies, longest=0).message
        except (OSError, BrokenFrameError) as error:
            self._end()
            if cancellation.cancelled:
                raise BackendUnavailableError(
                    "the backend was closed while it started", remedy="Make a new one."
                ) from error
            raise BackendUnavailableError(
                f"the engine process did not start: it {self._pages.describe_exit()}"
            ) from error
        if "error" in ready:
            self._end()
            raise _error_from(ready)
        self.slots = int(ready["slots"])
        self.max_positions = int(ready["max_positions"])
        # No thread may hold this object, or it would never be collected.
        replies = threading.Thread(
            target=_receive_replies,
            args=(self._processes.replies, self._pages),
            name="dsocr-engine-replies",
            daemon=True,
        )
        threads.append(replies)
        replies.start()

    @property
    def alive(self) -> bool:
        """Whether it accepts pages."""
        return not self._pages.lost

    @property
    def has_room(self) -> bool:
        """Whether a page can be submitted without waiting for the pictures of others."""
        return self._sender.has_room

    @property
    def gpu_memory(self) -> int | None:
        """Bytes that it has allocated on the GPU, as of the last page; None before the first."""
        return self._pages.gpu_memory

    def submit(
        self, request: EngineRequest, notify: Callable[[PageHandle], object] | None = None
    ) -> PageHandle:
        """Request a page; the result is an :class:`EngineLostError` if the process ends.

        A thread of this object calls ``notify`` (see :class:`PageHandle`), for one page at a time.
        """
        key = next(self._keys)
        cancel = Frame({"do": "cancel", "key": key})
        handle = PageHandle(lambda: self._sender.send(cancel), notify)
        if self._pages.add(key, handle):
            self._sender.send(request.frame(key))
        return handle

    def close(self) -> None:
        """End the processes; a second call does nothing."""
        self._end()


class _PendingPages:
    """The pages that the process works on, and whether it still runs."""

    def __init__(self, processes: ProcessPair, messages: OutputTail) -> None:
        self.lost = False
        self.gpu_memory: int | None = None
        self._processes = processes
        self._messages = messages
        self._lock = threading.Lock()
        self._handles: dict[int, PageHandle] = {}

    def add(self, key: int, handle: PageHandle) -> bool:
        """Register a page; returns False and fails it if the engine process is gone."""
        with self._lock:
            if not self.lost:
                self._handles[key] = handle
                return True
        handle.end(self._lost_error())
        return False

    def handle_reply(self, frame: Frame) -> None:
        """Pass a reply on to its page."""
        reply = frame.message
        if "failed" in reply:
            raise BrokenFrameError(str(reply["failed"]))
        self.gpu_memory = reply.get("memory", self.gpu_memory)
        with self._lock:
            handle = self._handles.get(reply["key"])
            if handle is not None and {"error", "count"} & reply.keys():
                del self._handles[reply["key"]]
        if handle is None:
            return
        if "begun" in reply:
            handle.begin()
        elif "tokens" in reply:
            handle.add_tokens(reply["tokens"])
        elif "error" in reply:
            handle.end(_error_from(reply))
        elif "count" in reply:
            handle.end(text_from(frame))
        else:
            handle.stop_loop()

    def fail_all(self) -> None:
        """Fail every page: the process is gone."""
        with self._lock:
            self.lost = True
            handles, self._handles = self._handles, {}
        for handle in handles.values():
            handle.end(self._lost_error())

    def describe_exit(self) -> str:
        """Describe how the process ended, with the last line that it printed."""
        reason = self._processes.describe_exit()
        last_line = self._messages.text.strip().rpartition("\n")[2].strip()
        return f"{reason} ({last_line})" if last_line else reason

    def _lost_error(self) -> EngineLostError:
        return EngineLostError(f"the engine process {self.describe_exit()}")


def _receive_replies(pipe: RawIOBase, pages: _PendingPages) -> None:
    with suppress(OSError, ValueError, KeyError, TypeError, BrokenFrameError):
        while True:
            pages.handle_reply(receive(pipe, longest=LONGEST))
    pages.fail_all()


def _error_from(reply: dict[str, Any]) -> BackendError:
    kind = _ERRORS.get(reply["error"], BackendError)
    return kind(str(reply["problem"]), remedy=cast("str | None", reply.get("remedy")))


def _end(
    processes: ProcessPair, sender: RequestSender, threads: Sequence[threading.Thread]
) -> None:
    sender.close()
    processes.end()
    for thread in threads:
        # One of them may have dropped the last reference to the owner, and runs this itself.
        if thread is not threading.current_thread():
            thread.join(END_SECONDS)
    if not any(thread.is_alive() for thread in threads):
        processes.replies.close()
