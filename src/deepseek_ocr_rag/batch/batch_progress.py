"""How far a run is: :class:`BatchProgress`."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["BatchProgress", "ProgressCounter"]

WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a run is.

    Attributes:
        documents: Documents that are in a shard.
        total_documents: Documents of the manifest; None while they are being counted.
        pages: Pages that were read since the run was started or went on.
        errors: Those of them that failed.
        pages_per_second: Of the last minute.
        seconds_left: Estimated from the documents that are done; None if that is not known yet.
    """

    documents: int
    total_documents: int | None
    pages: int
    errors: int
    pages_per_second: float
    seconds_left: float | None


class ProgressCounter:
    """Counts documents and pages. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._documents = self._skipped = self._pages = self._errors = 0
        self._total: int | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def page(self, ok: bool) -> None:
        """Count a page that was read, or that failed."""
        with self._lock:
            self._pages += 1
            self._errors += not ok
            now = time.monotonic()
            if not self._recent or now - self._recent[-1][0] >= 1.0:
                self._recent.append((now, self._pages))
            while now - self._recent[0][0] > WINDOW_SECONDS:
                self._recent.popleft()

    def part(self, documents: int, *, skipped: bool) -> None:
        """Count the documents of a shard; ``skipped``: an earlier process had written it."""
        with self._lock:
            self._documents += documents
            self._skipped += documents if skipped else 0

    def total(self, documents: int) -> None:
        """Set the documents of the manifest."""
        self._total = documents

    def progress(self) -> BatchProgress:
        """The figures now."""
        with self._lock:
            now = time.monotonic()
            rate = 0.0
            if self._recent:
                first, pages = self._recent[0]
                rate = (self._pages - pages) / max(1.0, now - first)
            read = self._documents - self._skipped
            left = None
            if self._total is not None and read:
                left = (self._total - self._documents) * (now - self._begun) / read
            return BatchProgress(
                self._documents, self._total, self._pages, self._errors, rate, left
            )
