"""Which threads a test leaves behind, on a busy machine too.

A thread that was told to end needs a moment to do so, and those of earlier tests may end at any
time: so threads are compared, not counted, and each gets its moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from waiting import LONG

__all__ = ["new_threads"]


def new_threads(before: Iterable[threading.Thread] = (), *, ours: bool = False) -> list[str]:
    """The names of the threads that go on and were not there before; or only those of ours."""
    deadline = time.monotonic() + LONG
    left = []
    for thread in set(threading.enumerate()) - set(before) - {threading.current_thread()}:
        if ours and not thread.name.startswith("dsocr"):
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            left.append(thread.name)
    return left
