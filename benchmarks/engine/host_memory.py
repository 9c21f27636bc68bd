"""How much of the host's memory this process and its largest child have now, and had at most."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HostMemory", "host_memory"]


@dataclass(frozen=True)
class HostMemory:
    """In MB.

    Attributes:
        own: Of this process.
        child: Of the child that has most.
    """

    own: float
    child: float


def host_memory(*, peak: bool = False) -> HostMemory:
    """What /proc says; pages that are shared count for each."""
    own = os.getpid()
    children: list[float] = []
    for task in Path(f"/proc/{own}/task").iterdir():
        # A thread or a child may end while we look.
        with suppress(FileNotFoundError, ProcessLookupError):
            pids = map(int, (task / "children").read_text().split())
            children += [_megabytes(pid, peak=peak) for pid in pids]
    return HostMemory(_megabytes(own, peak=peak), max(children, default=0.0))


def _megabytes(pid: int, *, peak: bool) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0
