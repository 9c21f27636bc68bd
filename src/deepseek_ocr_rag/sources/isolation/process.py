"""One reading process, seen from its owner: started, asked, and ended for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import IO, Final

from ...concurrency.frames import Frame, receive, send
from ...concurrency.offline import OFFLINE
from ...errors import BrokenFrameError, SourceError, WorkerLostError
from .bounds import OUT_OF_MEMORY

__all__ = ["Worker"]

PROGRAM: Final = Path(__file__).with_name("bootstrap.py")

START_SECONDS: Final = 60.0
"""For a process that is starting, on a machine that is very busy."""

END_SECONDS: Final = 5.0
"""For a process that was killed, until the system has taken it away."""

PIPE_BYTES: Final = 2**20
"""A page then comes in a few pieces instead of a hundred, each of which waits for its turn."""

_INHERITED = (
    # To find the interpreter's and the system's own libraries, and nothing else.
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "TMP",
)


class Worker:
    """A running :mod:`.worker`, for one thread at a time.

    It ends with :meth:`stop`, when it is garbage-collected, at the end of this
    process, and by itself should this process be killed.

    Attributes:
        documents: Numbers of the documents that are open there.

    Raises:
        SourceError: If no process can be started.
    """

    def __init__(self) -> None:
        self.documents: set[int] = set()
        self._late = False
        try:
            self._process = _start()
        except OSError as error:
            raise _no_start(error.strerror or type(error).__name__) from error
        self._end = weakref.finalize(self, _end, self._process, os.getpid())
        try:
            self._exchange(None, START_SECONDS, longest=0)
        except WorkerLostError as error:
            raise _no_start(str(error)) from error

    @property
    def alive(self) -> bool:
        """Whether it may be asked."""
        return not self._late and self._process.poll() is None

    def ask(self, order: Frame, seconds: float, *, longest: float = 0) -> Frame:
        """Give one order and wait for its answer.

        Args:
            order: See :mod:`.worker`.
            seconds: When to end the process instead.
            longest: Bytes that the body of the answer may have.

        Raises:
            WorkerLostError: If there is no answer; the process is then no more.
        """
        return self._exchange(order, seconds, longest=longest)

    def interrupt(self) -> None:
        """End the process while another thread waits for it, which then gets an error."""
        self._process.kill()

    def stop(self) -> None:
        """End the process; twice does nothing."""
        self._end()

    def leave(self) -> None:
        """Forget the process, which is that of another: we are a forked copy of its owner."""
        self._end.detach()
        _close_pipes(self._process)
        # Else its destructor would wait for, or complain about, what is no child of ours.
        self._process.returncode = 0

    def _exchange(self, order: Frame | None, seconds: float, *, longest: float) -> Frame:
        alarm = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._expire)
        alarm.daemon = True
        alarm.start()
        try:
            if order is not None:
                send(_stream(self._process.stdin), order)
            return receive(_stream(self._process.stdout), longest=longest)
        except (OSError, BrokenFrameError) as error:
            alarm.cancel()
            self.stop()
            raise self._lost(error) from error
        finally:
            alarm.cancel()

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _lost(self, error: Exception) -> WorkerLostError:
        code = self._process.returncode
        if self._late:
            return WorkerLostError("it took too long", late=True)
        if code == OUT_OF_MEMORY:
            return WorkerLostError("it used too much memory", memory=True)
        if code is not None and code < 0:
            name = {each.value: each.name for each in signal.Signals}.get(-code, str(-code))
            return WorkerLostError(f"terminated by signal {name}")
        return WorkerLostError(f"exit code {code}, {error}")


def _start() -> subprocess.Popen[bytes]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise FileNotFoundError(2, "there is no Python interpreter to run")
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment = {
        **inherited,
        **OFFLINE,
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path),
        # Every thread and every arena reserves memory, which is bounded.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        # glibc would take the memory of every page from the system and give it back.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
    }
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
        # -P: the modules beside the program must not be taken for others of their name.
        [sys.executable, "-P", "-s", str(PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        pipesize=PIPE_BYTES,
        cwd=PROGRAM.parent,
        env=environment,
        # Ctrl-C is for us alone.
        start_new_session=True,
    )


def _no_start(how: str) -> SourceError:
    return SourceError(
        f"the process that reads documents cannot be started ({how})",
        remedy="Allow this program to start processes, or pass isolated=False to read "
        "documents that you trust without one.",
    )


def _stream(pipe: IO[bytes] | None) -> RawIOBase:
    # A stopped worker's are closed: the same as one that died.
    if not isinstance(pipe, RawIOBase) or pipe.closed:
        raise BrokenFrameError("it has ended")
    return pipe


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked copy of the process that started it
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    _close_pipes(process)
