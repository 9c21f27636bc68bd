"""Bounds that a reading process puts on itself: memory, files, and no life without its owner."""

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
"""Exit code of a process that ended because it used more memory than it may."""

ORPHANED = 88
"""Exit code of a process whose owner has gone."""

LOOK_SECONDS = 0.1
"""How often a working process looks at its memory and for its owner."""


def write_no_files() -> None:
    """Forbid this process to write to files, core dumps included; Windows has no such bound."""
    if sys.platform != "win32":
        import resource

        for bound in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
            resource.setrlimit(bound, (0, 0))


@contextmanager
def ended_with_owner(orders: FileIO) -> Iterator[None]:
    """Have Linux end this process as soon as its owner's end of a pipe closes.

    A thread that looks would do, but for libraries that let no other thread run
    while they draw (PyMuPDF): a page without an end would go on without an owner.

    Args:
        orders: What the owner writes to, and does not while this process works.
    """
    if sys.platform != "linux":
        yield
        return
    import fcntl
    import select

    flags = fcntl.fcntl(orders, fcntl.F_GETFL)
    fcntl.fcntl(orders, fcntl.F_SETOWN, os.getpid())
    # The signal that follows from it, SIGIO, ends whoever does not handle it.
    fcntl.fcntl(orders, fcntl.F_SETFL, flags | os.O_ASYNC)
    hung_up = select.poll()
    hung_up.register(orders, 0)
    if hung_up.poll(0):
        os._exit(ORPHANED)
    try:
        yield
    finally:
        fcntl.fcntl(orders, fcntl.F_SETFL, flags)


class MemoryBound:
    """How much memory this process may have, and the thread that sees to it.

    Linux refuses what goes over (the library then fails or ends the process).
    Other systems do not, so a thread looks ten times a second and ends the
    process; it also ends one whose owner died while it works. Windows has
    neither: there only the deadline bounds a process.

    Args:
        refused: Whether the system refuses; else the thread looks.
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
        """Take what is mapped but not in use now (libraries, mostly) as free of charge."""
        if self._refused:
            mapped, used = _pages()
            self._mapped = max(self._mapped, (mapped - used) * os.sysconf("SC_PAGE_SIZE"))

    @contextmanager
    def allowing(self, size: float) -> Iterator[None]:
        """Do something with at most that many bytes in use by the whole process."""
        self._allowed = size
        self._bound(size + self._mapped)
        self._working.set()
        try:
            yield
        finally:
            self._working.clear()
            self._bound(math.inf)

    def _bound(self, size: float) -> None:
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
            time.sleep(LOOK_SECONDS)


def _pages() -> tuple[int, int]:
    """Pages of memory that are mapped, and that are in use."""
    mapped, used, *_ = Path("/proc/self/statm").read_bytes().split()
    return int(mapped), int(used)


def _peak() -> int:
    """Bytes of memory that were in use at the same time."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
