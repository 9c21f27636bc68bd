"""The process that runs the published code, seen from our side: started, asked, and ended for certain.

It may print, hang, die or answer nonsense; nothing of that blocks the asker
for longer than a deadline, and no process, thread or file outlives it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Final, TypeVar, cast

from ...concurrency.cancellation import Cancellation
from ...concurrency.offline import NO_TELEMETRY, OFFLINE
from ...errors import (
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    TurnCancelledError,
)

__all__ = ["WorkerProcess"]

PROGRAM: Final = Path(__file__).with_name("worker.py")

LONGEST_LINE: Final = 64 * 2**20
"""Bytes. JSON in ASCII takes up to 6 for a character, and a text has at most 8 million."""

MOST_UNREAD: Final = 16
"""Lines. The program writes one for each that it reads."""

TAIL: Final = 8 * 1024
"""Bytes that are kept of what the program printed last."""

MARK: Final = "\x1e"
"""Before the number of a request, where what is printed for it begins: the pipe of
messages may be read later than that of answers."""

END_SECONDS: Final = 5.0
"""For a process that is ending."""

DRAIN_SECONDS: Final = 0.5
"""For what a process that has ended left in its pipes. A pipe that is open for longer
belongs to something that left the process group."""

_Into = TypeVar("_Into")


class WorkerProcess:
    """A running program; see :mod:`.official_worker` for what it takes and gives.

    It ends with :meth:`stop`, when it is garbage-collected, at the end of this
    process, and by itself should this process be killed.

    Args:
        python: The interpreter.
        offline: Whether the hub must not be asked.

    Attributes:
        folder: Readable by this user alone; gone when the program has ended.

    Raises:
        BackendUnavailableError: If the interpreter cannot be started, or there is
            no place for the folder.
    """

    def __init__(self, python: str, *, offline: bool = True) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="dsocr-official-")).resolve()
        except OSError as error:
            raise BackendUnavailableError(
                f"no private folder can be made for the pages ({error.strerror})",
                remedy="Free some space, or set TMPDIR to a folder that you may write to.",
            ) from error
        try:
            self._process = _start(python, self.folder, OFFLINE if offline else NO_TELEMETRY)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise BackendUnavailableError(
                f"the interpreter {python} cannot be started ({error.strerror})",
                remedy="Give python= the path of a Python with the packages of the extra "
                '"official".',
            ) from error
        self._answers: SimpleQueue[bytes | _Unwanted] = SimpleQueue()
        self._tail = bytearray()
        self._asked = 0
        readers: list[threading.Thread] = []
        self._end = weakref.finalize(self, _end, self._process, self.folder, readers, os.getpid())
        # Neither thread may hold this object, or it would never be collected.
        readers += [
            _reader("replies", _forward_lines, self._process.stdout, self._answers),
            _reader("messages", _keep_tail, self._process.stderr, self._tail),
        ]

    @property
    def last_words(self) -> str:
        """The end of what the program printed since it was asked last."""
        said = bytes(self._tail).decode("utf-8", "replace")
        _, mark, since = said.rpartition(f"{MARK}{self._asked}\n")
        if mark:
            return since
        # Without any mark all of it is of this request: so much that its mark is gone.
        return "" if MARK in said else said

    def ask(
        self, message: Mapping[str, Any], seconds: float, cancellation: Cancellation
    ) -> dict[str, Any]:
        """Send one message and wait for its answer.

        After an error the program may still work on the message: stop it.

        Args:
            message: See :mod:`.official_worker`.
            seconds: Longest wait.
            cancellation: Ends the waiting.

        Raises:
            TurnCancelledError: If it was cancelled before there was an answer.
            BackendTimeoutError: If there is none in time.
            BackendReplyError: If the program died, or its answer is none.
        """
        stdin = cast("IO[bytes]", self._process.stdin)
        self._asked += 1
        try:
            stdin.write(json.dumps({**message, "id": self._asked}).encode("ascii") + b"\n")
            stdin.flush()
            unwanted = _Unwanted(self._asked)
            with cancellation.on_cancel(partial(self._answers.put, unwanted)):
                reply = self._line(seconds)
        except OSError as error:
            raise BackendReplyError(self._death()) from error
        except Empty:
            raise BackendTimeoutError(f"no answer in {seconds:g} s") from None
        if not reply:
            raise BackendReplyError(self._death())
        try:
            answer = json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise BackendReplyError("the published code's process answered no JSON") from error
        if not isinstance(answer, dict) or answer.get("id") != self._asked:
            raise BackendReplyError("the published code's process answered something else")
        return answer

    def _line(self, seconds: float) -> bytes:
        ends = time.monotonic() + seconds
        while True:
            line = self._answers.get(timeout=max(0.0, ends - time.monotonic()))
            if isinstance(line, bytes):
                return line
            # One that was cancelled when it had its answer says nothing about this one.
            if line.request == self._asked:
                raise TurnCancelledError

    def _death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self._process.returncode
        if code is None:
            return "the process of the published code answers no more"
        if code < 0:
            name = {each.value: each.name for each in signal.Signals}.get(-code, str(-code))
            return f"the process of the published code was terminated by signal {name}"
        return f"the process of the published code ended with exit code {code}"

    def stop(self) -> None:
        """End the program and all that it started, and remove its folder; twice does nothing."""
        self._end()


def _start(python: str, folder: Path, told: Mapping[str, str]) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **told,
        # A private copy of the code: two folders of one name would share theirs.
        "HF_MODULES_CACHE": str(folder / "modules"),
        # The published code prints text of every script.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }
    program = str(Path(python).absolute()) if Path(python).name != python else python
    return subprocess.Popen(  # noqa: S603 - the interpreter is what the caller named
        # -P: the modules beside the program must not be taken for others of their name.
        [program, "-P", str(PROGRAM), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        # Ctrl-C is for us alone, and what the code starts can be ended with it.
        start_new_session=True,
    )


@dataclass(frozen=True, slots=True)
class _Unwanted:
    """Nobody waits any more for the answer to the request of this number."""

    request: int


def _reader(
    name: str, work: Callable[[int, _Into], None], piped: IO[bytes] | None, into: _Into
) -> threading.Thread:
    pipe = cast("IO[bytes]", piped)  # Popen was told to make it

    def read() -> None:
        with pipe:
            work(pipe.fileno(), into)

    thread = threading.Thread(target=read, name=f"dsocr-official-{name}", daemon=True)
    thread.start()
    return thread


def _forward_lines(pipe: int, lines: SimpleQueue[bytes | _Unwanted]) -> None:
    """Whole lines as they come, then an empty one.

    A line that is too long is the last, and so is one before which too many are unread.
    """
    parts: list[bytes] = []
    length = 0
    while (
        length <= LONGEST_LINE and lines.qsize() <= MOST_UNREAD and (chunk := os.read(pipe, 2**16))
    ):
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            lines.put(b"".join([*parts, line, b"\n"]))
            parts, length = [], 0
        parts.append(rest)
        length += len(rest)
    lines.put(b"too long" if length > LONGEST_LINE else b"")


def _keep_tail(pipe: int, tail: bytearray) -> None:
    while chunk := os.read(pipe, 2**16):
        tail += chunk
        del tail[:-TAIL]


def _end(
    process: subprocess.Popen[bytes], folder: Path, readers: list[threading.Thread], owner: int
) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the process that started it
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(OSError):
        cast("IO[bytes]", process.stdin).close()
    drained = time.monotonic() + DRAIN_SECONDS
    for reader in readers:
        reader.join(max(0.0, drained - time.monotonic()))
    shutil.rmtree(folder, ignore_errors=True)
