"""Limits a worker from inside: it may not use too much memory, write files or outlive its owner."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

__all__ = ["OUT_OF_MEMORY", "MemoryBound", "ended_with_owner", "write_no_files"]

OUT_OF_MEMORY = 87
"""Exit code of a process that used more memory than allowed."""

ORPHANED = 88
"""Exit code of a process whose owner is gone."""

CHECK_SECONDS = 0.1
"""Seconds between two checks of a working process's memory and owner."""


def write_no_files() -> None:
    """Forbid this process to write files, core dumps included; do nothing on Windows."""
    if sys.platform != "win32":
        import resource

        for bound in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
            resource.setrlimit(bound, (0, 0))


@contextmanager
def ended_with_owner(requests: FileIO) -> Iterator[None]:
    """Make Linux end this process as soon as the owner's end of a pipe closes.

    A thread that checks is not enough: PyMuPDF lets no other thread run while it draws, so an
    endless page would keep the process alive without its owner. The owner must not write to the
    pipe meanwhile.
    """
    if sys.platform != "linux":
        yield
        return
    import fcntl
    import select

    flags = fcntl.fcntl(requests, fcntl.F_GETFL)
    fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
    # The pipe then sends SIGIO, which ends a process that does not handle it.
    fcntl.fcntl(requests, fcntl.F_SETFL, flags | os.O_ASYNC)
    hung_up = select.poll()
    hung_up.register(requests, 0)
    if hung_up.poll(0):
        os._exit(ORPHANED)
    try:
        yield
    finally:
        fcntl.fcntl(requests, fcntl.F_SETFL, flags)


class MemoryBound:
    """Limits the memory of this process.

    Linux refuses memory over the limit, so that the library fails or ends the process. Other
    systems do not, so a thread checks ten times a second and ends the process. The thread also ends
    a process whose owner died during the work. Windows has neither: only the deadline limits a
    process there.
    """

    def __init__(self, *, refused: bool = sys.platform == "linux") -> None:
        self._refused = refused
        self._mapped = 0
        self._allowed = math.inf
        self._working = threading.Event()
        self._owner = os.getppid()
        if sys.platform != "win32":
            threading.Thread(target=self._watch, name="dsocr-bounds", daemon=True).start()

    def measure(self) -> None:
        """Exempt memory that is mapped but not in use now, mostly libraries, from the limit."""
        if self._refused:
            mapped, used = _pages()
            self._mapped = max(self._mapped, (mapped - used) * os.sysconf("SC_PAGE_SIZE"))

    @contextmanager
    def allowing(self, size: float) -> Iterator[None]:
        """Limit the whole process to ``size`` bytes for the duration of the context."""
        self._allowed = size
        self._limit(size + self._mapped)
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()
            self._limit(math.inf)

    def _limit(self, size: float) -> None:
        if self._refused:
            import resource

            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            soft = hard if math.isinf(size) else int(size)
            if hard != resource.RLIM_INFINITY:
                soft = min(soft, hard)
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    def _watch(self) -> None:
        while True:
            self._working.wait()
            if os.getppid() != self._owner:
                os._exit(ORPHANED)
            if not self._refused and _peak() > self._allowed:
                os._exit(OUT_OF_MEMORY)
            time.sleep(CHECK_SECONDS)


def _pages() -> tuple[int, int]:
    """Return the number of memory pages that are mapped, and that of those in use."""
    mapped, used, *_ = Path("/proc/self/statm").read_bytes().split()
    return int(mapped), int(used)


def _peak() -> int:
    """Return the most bytes of memory that were ever in use."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
