"""Shares the pages among forked copies of the loop watch process.

A page goes to the same copy from its first token to its last. All copies answer on one pipe, which
the owner reads, and take turns to write a frame.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from io import FileIO
from typing import Final, NoReturn

from ...concurrency.frames import Frame, receive, send
from ...errors import BrokenFrameError
from .page_frames import LONGEST

__all__ = ["share", "useful_copies"]

CORES_PER_COPY: Final = 4
MOST_COPIES: Final = 4
"""Together they decode faster than any current GPU generates."""

Serve = Callable[[FileIO, AbstractContextManager[object]], None]
"""Decodes the frames of a pipe; holds the turn, its second argument, while it answers."""


def useful_copies() -> int:
    """Return how many copies this machine has cores for; 1 means that none should be made."""
    if sys.platform != "linux":
        return 1
    return max(1, min(MOST_COPIES, len(os.sched_getaffinity(0)) // CORES_PER_COPY))


def share(incoming: FileIO, outgoing: FileIO, copies: int, serve: Serve) -> None:
    """Give the pages of a pipe to forked copies that ``serve`` them, until the pipe ends.

    This process must have no other thread. It ends at once with exit code 1 if a copy ends early.
    """
    with FileIO(os.memfd_create("dsocr-turns"), "rb+") as lock:
        pipes: list[FileIO] = []
        for _ in range(copies):
            reading, writing = os.pipe()
            if os.fork() == 0:
                # A pipe never ends while a copy holds an end of it open.
                for pipe in (incoming, *pipes):
                    pipe.close()
                os.close(writing)
                _serve_in_copy(serve, FileIO(reading, "rb"), lock.fileno())
            os.close(reading)
            pipes.append(FileIO(writing, "wb"))
        signal.signal(signal.SIGCHLD, lambda *_: os._exit(1))
        last = _distribute(incoming, outgoing, pipes, lock.fileno())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pipe in pipes:
            pipe.close()
        for _ in pipes:
            os.wait()
        if last is not None:
            with suppress(BrokenPipeError):
                send(outgoing, last)


def _serve_in_copy(serve: Serve, source: FileIO, lock: int) -> NoReturn:
    code = 1
    try:
        serve(source, _Turns(lock))
        code = 0
    except BaseException as error:  # noqa: BLE001 - a forked copy must not return to its caller
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


class _Turns(AbstractContextManager[None]):
    """A lock between processes; the system releases it when its holder ends."""

    def __init__(self, lock: int) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_UN)


def _distribute(
    incoming: FileIO, outgoing: FileIO, pipes: Sequence[FileIO], lock: int
) -> Frame | None:
    """Distribute frames; return the one that must be sent after all others, if there is one."""
    turn = _Turns(lock)
    while True:
        try:
            frame = receive(incoming, longest=LONGEST)
        except (BrokenFrameError, OSError):
            return None
        message = frame.message
        if "failed" in message:
            return frame
        if not {"begun", "tokens"} & message.keys():
            send(pipes[message.get("key", 0) % len(pipes)], frame)
            continue
        # Sent from here, ahead of its turn: a copy may be busy decoding a text.
        try:
            with turn:
                send(outgoing, frame)
        except BrokenPipeError:
            # The owner has ended.
            return None
