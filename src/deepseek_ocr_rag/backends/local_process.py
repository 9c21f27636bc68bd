"""The process that holds the GPU, seen from its owner: started, given pages, ended for certain."""

from __future__ import annotations

import array
import itertools
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import Any, Final, cast

from ..errors import BackendError, BackendUnavailableError
from ..isolation.frames import BrokenFrameError, Frame, StreamedFrame, receive, send
from ..model.page_prompt import End, GeneratedPage
from ..offline import OFFLINE
from .page_writing import PageOrder, PageWriting

__all__ = [
    "EngineLostError",
    "EngineProcess",
    "EngineUnsupportedError",
    "PageTooLargeError",
]

PROGRAM: Final = "deepseek_ocr_rag.backends.local_worker"

PACKAGES: Final = Path(__file__).parents[2]
"""Where this package is imported from."""

LONGEST_ANSWER: Final = 8 * 2**20
"""Bytes: eight for each of a million tokens."""

END_SECONDS: Final = 10.0
"""For a process that was asked to end, and then for one that was killed."""

TAIL_LINES: Final = 20
"""Of what the process printed, for messages."""

PIPE_BYTES: Final = 2**20


class EngineUnsupportedError(BackendError):
    """The engine runs neither on this device nor this network."""


class EngineLostError(BackendError):
    """The process ended while a page was being written; the page may be given to a new one."""


class PageTooLargeError(BackendError):
    """A page that does not fit into the device's memory even alone."""


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
            self._process = _start()
        except OSError as error:
            raise BackendUnavailableError(
                f"the engine's process cannot be started ({error.strerror})",
                remedy='Allow this program to start processes, or use backend="transformers".',
            ) from error
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._state = _State(self._process, self._tail)
        self._sending = threading.Lock()
        self._keys = itertools.count()
        threads: list[threading.Thread] = []
        self._end = weakref.finalize(self, _end, self._process, threads, os.getpid())
        # Neither thread may hold this object, or it would never be collected.
        threads.append(_thread("messages", _keep_tail, self._process.stderr, self._tail))
        try:
            send(_pipe(self._process.stdin), Frame(settings))
            ready = receive(_pipe(self._process.stdout), longest=0).message
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
        threads.append(_thread("tokens", _bring_back, _pipe(self._process.stdout), self._state))

    @property
    def alive(self) -> bool:
        """Whether pages may be given to it."""
        return not self._state.lost

    def submit(
        self,
        order: PageOrder,
        loops: Callable[[Sequence[int]], bool] | None = None,
        news: Callable[[PageWriting], object] | None = None,
    ) -> PageWriting:
        """Have a page written; its result fails with :class:`EngineLostError` if the process ends.

        Args:
            order: The page.
            loops: See :class:`PageWriting`, like ``news``. Both are called in a thread of
                this object, one after the other for all its pages.
            news: Likewise.
        """
        key = next(self._keys)
        cancel = Frame({"do": "cancel", "key": key})
        writing = PageWriting(lambda: self._tell(cancel), loops, news)
        if self._state.add(key, writing):
            self._tell(order.frame(key))
        return writing

    def close(self) -> None:
        """End the process; twice does nothing."""
        self._end()

    def _tell(self, frame: Frame | StreamedFrame) -> None:
        # A process that is gone is noticed by the thread that reads from it.
        with self._sending, suppress(OSError, BrokenFrameError):
            send(_pipe(self._process.stdin), frame)


class _State:
    """The pages that the process has, and whether it is still there."""

    def __init__(self, process: subprocess.Popen[bytes], tail: deque[bytes]) -> None:
        self.lost = False
        self._process = process
        self._tail = tail
        self._lock = threading.Lock()
        self._writings: dict[int, PageWriting] = {}

    def add(self, key: int, writing: PageWriting) -> bool:
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
            if writing is not None and not {"begun", "tokens"} & told.keys():
                del self._writings[told["key"]]
        if writing is None:
            return
        if "begun" in told:
            writing.begin()
        elif "tokens" in told:
            writing.take(told["tokens"])
        elif "error" in told:
            writing.end(_error(told))
        else:
            writing.end(_page(frame))

    def lose(self) -> None:
        """The process is gone: everybody who waits is told."""
        with self._lock:
            self.lost = True
            writings, self._writings = self._writings, {}
        for writing in writings.values():
            writing.end(self._loss())

    def last_words(self) -> str:
        """How the process ended, and the last line that it printed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = {each.value: each.name for each in signal.Signals}.get(-code, str(-code))
        said = self._tail[-1].decode("utf-8", "replace").strip() if self._tail else ""
        return f"{how}, {said}" if said else how

    def _loss(self) -> EngineLostError:
        return EngineLostError(f"the engine's process ended ({self.last_words()})")


def _start() -> subprocess.Popen[bytes]:
    paths = [str(path.absolute()) for path in (PACKAGES, *map(Path, filter(None, sys.path)))]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
        [sys.executable, "-P", "-m", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pipesize=PIPE_BYTES,
        env={**os.environ, **OFFLINE, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C is for us alone.
        start_new_session=True,
    )


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
            state.take(receive(pipe, longest=LONGEST_ANSWER))
    state.lose()


def _pipe(pipe: object) -> RawIOBase:
    if not isinstance(pipe, RawIOBase) or pipe.closed:
        raise BrokenFrameError("it has ended")
    return pipe


def _page(frame: Frame) -> GeneratedPage:
    count = int(frame.message["count"])
    tokens, logprobs = array.array("i"), array.array("f")
    tokens.frombytes(bytes(frame.body[: 4 * count]))
    logprobs.frombytes(bytes(frame.body[4 * count :]))
    return GeneratedPage(tuple(tokens), tuple(logprobs), End(count, frame.message["reason"]))


def _error(told: dict[str, Any]) -> BackendError:
    kind = _KINDS.get(told["error"], BackendError)
    return kind(str(told["problem"]), remedy=cast("str | None", told.get("remedy")))


def _end(process: subprocess.Popen[bytes], threads: Sequence[threading.Thread], owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the process that started it
    with suppress(OSError):
        cast("RawIOBase", process.stdin).close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for thread in threads:
        # The last of its owners may be let go in one of them.
        if thread is not threading.current_thread():
            thread.join(END_SECONDS)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None and not any(thread.is_alive() for thread in threads):
            pipe.close()
