"""Starts, asks and ends a worker process that reads documents."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from ...concurrency.child_process import (
    ChildProcess,
    describe_exit,
    finalize_in_owner,
    module_command,
    python_path,
)
from ...concurrency.frames import Frame, receive, send
from ...concurrency.offline import OFFLINE
from ...errors import BrokenFrameError, SourceError, WorkerLostError
from ...installing import install_command
from .bounds import OUT_OF_MEMORY

__all__ = ["START_SECONDS", "Worker"]

MODULE: Final = "deepseek_ocr_rag.sources.isolation.worker"

START_SECONDS: Final = 60.0
"""Most seconds that a process may take to start: enough on a very busy machine."""

END_SECONDS: Final = 1.0
"""Most seconds that a process that has closed its pipe may take to end by itself."""

PRINTED_BYTES: Final = 2**16
"""Most bytes that are read of what a process printed before it was ready."""

_INHERITED: Final = (
    # Only what helps to find the libraries of the interpreter and of the system.
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
    "SYSTEMROOT",
    "TMPDIR",
    "TEMP",
    "TMP",
)


class Worker:
    """A running :mod:`.worker`, used by one thread at a time.

    It ends with :meth:`stop`, when it is garbage-collected, when this process exits, and by itself
    if this process is killed. ``documents`` holds the numbers of its open documents, ``formats``
    the formats whose renderer it has tried.

    Raises:
        SourceError: If it does not start.
    """

    def __init__(self) -> None:
        self.documents: set[int] = set()
        self.formats: set[str] = set()
        self._late = False
        self._printed = ""
        try:
            self._process = _start()
        except OSError as error:
            raise _start_error(error.strerror or type(error).__name__) from error
        self._end = finalize_in_owner(self, _end, self._process)
        try:
            self.ask(None, START_SECONDS)
        except WorkerLostError as error:
            raise _start_error(str(error), self._printed) from error
        except BaseException:
            self.stop()  # for example, no thread left for its deadline
            raise
        with suppress(OSError):
            self._process.stderr.close()

    @property
    def alive(self) -> bool:
        """Whether it can take requests."""
        return not self._late and self._process.wait(0) is None

    def ask(self, request: Frame | None, seconds: float, *, longest: float = 0) -> Frame:
        """Send a request and wait for its reply.

        Args:
            request: The request; None only waits.
            seconds: After this time the process is ended.
            longest: Most bytes in the reply's body.

        If the wait is interrupted, by Ctrl-C for example, the process is ended, too.

        Raises:
            WorkerLostError: If no reply comes, for whatever reason.
        """
        alarm = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._expire)
        alarm.daemon = True
        alarm.start()
        try:
            if request is not None:
                send(self._process.stdin, request)
            return receive(self._process.stdout, longest=longest)
        except (OSError, BrokenFrameError) as error:
            alarm.cancel()
            if not self._late:
                # Its pipe closes a moment before it ends; wait, to be able to report how it ended.
                self._process.wait(END_SECONDS)
                self._printed = self._last_line()
            self.stop()
            raise self._lost(error) from error
        except BaseException:
            # Ctrl-C, for example: the reply that is still to come would be taken for the next one.
            self.stop()
            raise
        finally:
            alarm.cancel()

    def interrupt(self) -> None:
        """End the process while another thread waits for it, which then gets an error."""
        self._process.kill()

    def stop(self) -> None:
        """End the process; a second call does nothing."""
        self._end()

    def disown(self) -> None:
        """Forget the process, in a forked copy of its owner."""
        self._end.detach()
        self._process.disown()

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _last_line(self) -> str:
        """Read the last line that it printed; empty once it is ready."""
        try:
            pipe = self._process.stderr
            os.set_blocking(pipe.fileno(), False)
            lines = (pipe.read(PRINTED_BYTES) or b"").decode("utf-8", "replace").splitlines()
        except (OSError, ValueError):
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _lost(self, error: Exception) -> WorkerLostError:
        code = self._process.wait(0)
        if self._late:
            return WorkerLostError("it took too long", late=True)
        if code == OUT_OF_MEMORY:
            return WorkerLostError("it used too much memory", memory=True)
        if code is None:
            return WorkerLostError(str(error))
        return WorkerLostError(f"it {describe_exit(code)}")


def _start() -> ChildProcess:
    environment = {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **OFFLINE,
        "PYTHONPATH": python_path(),
        # Every thread and every arena reserves some of the limited memory.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        # Otherwise glibc would request memory from the system for every page, and return it.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
    }
    # -s: PYTHONPATH already has the user's own packages, if this process can import them.
    command = module_command(MODULE, flags=["-s"])
    return ChildProcess(command, environment, folder=Path(__file__).parent, stderr=subprocess.PIPE)


def _start_error(reason: str, printed: str = "") -> SourceError:
    """Make the error for a process that did not start; ``printed`` is the last line it printed."""
    if printed:
        return SourceError(
            f"the process that reads documents cannot be started ({printed})",
            remedy=f"Repair the installation: {install_command()} --force-reinstall",
        )
    return SourceError(
        f"the process that reads documents cannot be started ({reason})",
        remedy="Allow this program to start processes, or pass isolated=False to read "
        "documents that you trust without one.",
    )


def _end(process: ChildProcess) -> None:
    process.end()
    process.close_pipes()
