"""The process that holds the GPU, seen from its owner: started, given pages, ended for certain.

What it tells comes through a second one, which makes texts of tokens (:mod:`.local_watch`).
"""

from __future__ import annotations

import io
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
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import IO, Any, Final, cast

from ..errors import BackendError, BackendUnavailableError
from ..isolation.frames import BrokenFrameError, Frame, StreamedFrame, receive, send
from ..offline import OFFLINE
from .page_frames import LONGEST, text_from
from .page_writing import PageOrder, PageWriting

__all__ = [
    "EngineLostError",
    "EngineProcess",
    "EngineUnsupportedError",
    "PageTooLargeError",
]

ENGINE: Final = "deepseek_ocr_rag.backends.local_worker"
WATCH: Final = "deepseek_ocr_rag.backends.local_watch"

PACKAGES: Final = Path(__file__).parents[2]
"""Where this package is imported from."""

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
            self._processes = _start(settings["tokenizer"])
        except OSError as error:
            raise BackendUnavailableError(
                f"the engine's process cannot be started ({error.strerror})",
                remedy='Allow this program to start processes, or use backend="transformers".',
            ) from error
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._state = _State(self._processes, self._tail)
        self._sending = threading.Lock()
        self._picture = bytearray()
        self._keys = itertools.count()
        threads: list[threading.Thread] = []
        self._end = weakref.finalize(self, _end, self._processes, threads, os.getpid())
        # Neither thread may hold this object, or it would never be collected.
        threads.append(_thread("messages", _keep_tail, self._processes.said, self._tail))
        try:
            send(self._processes.orders, Frame(settings))
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
        order: PageOrder,
        news: Callable[[PageWriting], object] | None = None,
    ) -> PageWriting:
        """Have a page written; its result fails with :class:`EngineLostError` if the process ends.

        Args:
            order: The page.
            news: See :class:`PageWriting`. It is called in a thread of this object, one
                after the other for all its pages.
        """
        key = next(self._keys)
        cancel = Frame({"do": "cancel", "key": key})
        writing = PageWriting(lambda: self._tell(cancel), news)
        if self._state.add(key, writing):
            self._tell(order.frame(key))
        return writing

    def close(self) -> None:
        """End the processes; twice does nothing."""
        self._end()

    def _tell(self, frame: Frame | StreamedFrame) -> None:
        # A process that is gone is noticed by the thread that reads from it.
        with self._sending, suppress(OSError, ValueError):
            if isinstance(frame, StreamedFrame):
                frame = self._whole(frame)
            send(self._processes.orders, frame)

    def _whole(self, frame: StreamedFrame) -> Frame:
        """A frame to be sent in one go, from memory that is used again for the next.

        Between pieces, busy threads of this process would take their turns, 5 ms each.
        """
        if len(self._picture) < frame.length:
            self._picture = bytearray(frame.length)
        filled = 0
        for piece in frame.pieces:
            self._picture[filled : filled + len(piece)] = piece
            filled += len(piece)
        return Frame(frame.message, memoryview(self._picture)[:filled])


class _State:
    """The pages that the process has, and whether it is still there."""

    def __init__(self, processes: _Processes, tail: deque[bytes]) -> None:
        self.lost = False
        self._processes = processes
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
        # One of them failed, and with it the other has nothing to do any more.
        for process in (self._processes.watch, self._processes.engine):
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            code = process.returncode
            if code:
                break
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = {each.value: each.name for each in signal.Signals}.get(-code, str(-code))
        said = self._tail[-1].decode("utf-8", "replace").strip() if self._tail else ""
        return f"{how}, {said}" if said else how

    def _loss(self) -> EngineLostError:
        return EngineLostError(f"the engine's process ended ({self.last_words()})")


@dataclass(frozen=True, slots=True)
class _Processes:
    """The engine's process and the one that watches what it writes.

    Attributes:
        engine: Takes orders.
        watch: Gives answers.
        orders: Pipe to the engine.
        answers: Pipe from the watch.
        said: What either printed.
    """

    engine: subprocess.Popen[bytes]
    watch: subprocess.Popen[bytes]
    orders: RawIOBase
    answers: RawIOBase
    said: RawIOBase


def _start(tokenizer: str) -> _Processes:
    said, saying = os.pipe()
    try:
        engine = _process([ENGINE], subprocess.PIPE, saying)
        try:
            watch = _process([WATCH, tokenizer], engine.stdout, saying)
        except BaseException:
            engine.kill()
            engine.communicate()
            raise
    except BaseException:
        os.close(said)
        raise
    finally:
        os.close(saying)
    # Now the watch is all who reads it.
    _pipe(engine.stdout).close()
    return _Processes(
        engine, watch, _pipe(engine.stdin), _pipe(watch.stdout), io.FileIO(said, "rb")
    )


def _process(
    program: Sequence[str], stdin: int | IO[bytes] | None, stderr: int
) -> subprocess.Popen[bytes]:
    paths = [str(path.absolute()) for path in (PACKAGES, *map(Path, filter(None, sys.path)))]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own programs
        [sys.executable, "-P", "-m", *program],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
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
            state.take(receive(pipe, longest=LONGEST))
    state.lose()


def _pipe(pipe: object) -> RawIOBase:
    if not isinstance(pipe, RawIOBase):
        raise TypeError("a pipe that is buffered")
    return pipe


def _error(told: dict[str, Any]) -> BackendError:
    kind = _KINDS.get(told["error"], BackendError)
    return kind(str(told["problem"]), remedy=cast("str | None", told.get("remedy")))


def _end(processes: _Processes, threads: Sequence[threading.Thread], owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the process that started them
    with suppress(OSError):
        processes.orders.close()
    # The watch ends after the engine.
    for process in (processes.engine, processes.watch):
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    for thread in threads:
        # The last of its owners may be let go in one of them.
        if thread is not threading.current_thread():
            thread.join(END_SECONDS)
    for pipe in (processes.answers, processes.said):
        if not any(thread.is_alive() for thread in threads):
            pipe.close()
