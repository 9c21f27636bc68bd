"""Starts, asks and ends the process that runs the published code.

It may print, hang, die or reply with garbage. None of that blocks the caller
for longer than a deadline, and no process, thread or file outlives it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from ...concurrency.cancellation import Cancellation
from ...concurrency.child_process import ChildProcess, OutputTail, describe_exit, finalize_in_owner
from ...concurrency.frames import write_all
from ...concurrency.offline import NO_TELEMETRY, OFFLINE
from ...errors import (
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    TurnCancelledError,
)

__all__ = ["WorkerProcess"]

PROGRAM: Final = Path(__file__).with_name("published_code.py")

LONGEST_LINE: Final = 64 * 2**20
"""Most bytes. JSON in ASCII takes up to 6 for a character, and a text has at most 8 million."""

MOST_UNREAD: Final = 16
"""Most unread lines; the program writes only one for each that it reads."""

MARK: Final = "\x1e"
"""Precedes the number of a request on standard error, before the output for that request: that
pipe may be read later than the replies."""

END_SECONDS: Final = 5.0
"""How long to wait for the exit code of a process that has closed its pipe."""

DRAIN_SECONDS: Final = 0.5
"""How long to read what an ended process left in its pipes. If a pipe stays open longer,
something that left the process group holds it."""


class WorkerProcess:
    """A running :mod:`.published_code`, which describes the protocol.

    It ends with :meth:`stop`, when it is garbage-collected, when this process exits, and by itself
    if this process is killed. Only this user can read ``folder``, which is removed when the program
    has ended.

    Args:
        python: The interpreter.
        offline: Whether the program must not ask the hub.

    Raises:
        BackendUnavailableError: If the folder cannot be made, or the interpreter cannot be started.
    """

    def __init__(self, python: str, *, offline: bool = True) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="dsocr-official-")).resolve()
        except OSError as error:
            raise BackendUnavailableError(
                f"cannot make a private folder for the pages ({error.strerror})",
                remedy="Free some space, or set TMPDIR to a folder that you may write to.",
            ) from error
        try:
            self._process = _start(python, self.folder, OFFLINE if offline else NO_TELEMETRY)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise BackendUnavailableError(
                f"the interpreter {python} cannot be started ({error.strerror})",
                remedy="Give python=, or the environment variable DSOCR_OFFICIAL_PYTHON, the path "
                'of a Python with the packages of the extra "official".',
            ) from error
        self._replies: SimpleQueue[bytes | _Cancelled] = SimpleQueue()
        self._request = 0
        readers: list[threading.Thread] = []
        self._end = finalize_in_owner(self, _end, self._process, self.folder, readers)
        self._messages = OutputTail(self._process.stderr, "dsocr-official-messages")
        readers.append(self._messages.thread)
        # No thread may hold this object, or it would never be collected.
        lines = threading.Thread(
            target=_forward_lines,
            args=(self._process.stdout, self._replies),
            name="dsocr-official-replies",
            daemon=True,
        )
        readers.append(lines)
        lines.start()

    @property
    def last_words(self) -> str:
        """The end of what the program printed since the last request."""
        printed = self._messages.text
        _, mark, since = printed.rpartition(f"{MARK}{self._request}\n")
        if mark:
            return since
        # Without a mark, all of it is about this request: so much that the mark was cut off.
        return "" if MARK in printed else printed

    def ask(
        self,
        message: Mapping[str, Any],
        seconds: float,
        cancellation: Cancellation,
        at_end: Callable[[str], bool] = lambda piece: False,
    ) -> dict[str, Any]:
        """Send one message and wait for its reply.

        After an error the program may still work on the message: stop it.

        Args:
            message: The fields of the message.
            seconds: Longest wait for the reply.
            cancellation: Ends the wait.
            at_end: Called with each piece of a page's text; True ends the page.

        Raises:
            TurnCancelledError: If it was cancelled.
            BackendTimeoutError: If there is no reply in time.
            BackendReplyError: If the program died, or its reply breaks the protocol.
        """
        self._request += 1
        deadline = time.monotonic() + seconds
        cancelled = _Cancelled(self._request)
        with cancellation.on_cancel(partial(self._replies.put, cancelled)):
            try:
                answer = self._exchange(message, deadline)
                while isinstance(piece := answer.get("piece"), str):
                    answer = self._exchange({"stop": at_end(piece)}, deadline)
            except Empty:
                raise BackendTimeoutError(f"no reply in {seconds:g} s") from None
        return answer

    def stop(self) -> None:
        """End the program and all that it started, and remove its folder; may be called twice."""
        self._end()

    def _exchange(self, message: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Send one line to the program, and return its next one."""
        line = json.dumps({**message, "id": self._request}).encode("ascii") + b"\n"
        try:
            write_all(self._process.stdin, line)
            reply = self._line(deadline)
        except OSError as error:
            raise BackendReplyError(self._death()) from error
        if not reply:
            raise BackendReplyError(self._death())
        try:
            answer = json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise BackendReplyError(
                "the reply of the published code's process is not JSON"
            ) from error
        if not isinstance(answer, dict) or answer.get("id") != self._request:
            raise BackendReplyError(
                "the published code's process replied to something that was not asked"
            )
        return answer

    def _line(self, deadline: float) -> bytes:
        while True:
            line = self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(line, bytes):
                return line
            # A late cancellation of an earlier request, which already had its reply, is ignored.
            if line.request == self._request:
                raise TurnCancelledError

    def _death(self) -> str:
        code = self._process.wait(END_SECONDS)
        if code is None:
            return "the process of the published code no longer responds"
        return f"the process of the published code {describe_exit(code)}"


def _start(python: str, folder: Path, hub_settings: Mapping[str, str]) -> ChildProcess:
    environment = {
        **os.environ,
        **hub_settings,
        # A private copy of the code: models in folders of the same name would share one.
        "HF_MODULES_CACHE": str(folder / "modules"),
        # The published code prints text in any script.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }
    program = str(Path(python).absolute()) if Path(python).name != python else python
    return ChildProcess(
        # -P: modules beside the program must not hide others of the same name.
        [program, "-P", str(PROGRAM), str(folder)],
        environment,
        folder=folder,
        stderr=subprocess.PIPE,
    )


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """The caller no longer waits for the reply to the request with this number."""

    request: int


def _forward_lines(pipe: RawIOBase, lines: SimpleQueue[bytes | _Cancelled]) -> None:
    """Pass on complete lines as they arrive, then an empty one.

    Stop after a line that is too long, and when too many lines are unread.
    """
    parts: list[bytes] = []
    length = 0
    with pipe:
        while (
            length <= LONGEST_LINE and lines.qsize() <= MOST_UNREAD and (chunk := pipe.read(2**16))
        ):
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                lines.put(b"".join([*parts, line, b"\n"]))
                parts, length = [], 0
            parts.append(rest)
            length += len(rest)
    lines.put(b"too long" if length > LONGEST_LINE else b"")


def _end(process: ChildProcess, folder: Path, readers: list[threading.Thread]) -> None:
    process.end()
    with suppress(OSError):
        process.stdin.close()
    deadline = time.monotonic() + DRAIN_SECONDS
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    shutil.rmtree(folder, ignore_errors=True)
