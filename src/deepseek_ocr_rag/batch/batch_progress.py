"""Tells how far a run is: :class:`BatchProgress`."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BatchProgress", "OnPages", "PagesDone", "ProgressCounter"]

WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class PagesDone:
    """The pages that one card, or reading process, has finished.

    Attributes:
        reader: Which card or process; "" if there is only one.
        read: How many pages were read.
        errors: How many failed, by the class of the error.
    """

    reader: str
    read: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)


OnPages = Callable[[PagesDone], object]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a run is.

    Attributes:
        documents: Documents that are in a shard.
        total_documents: Documents of the manifest; None while they are being counted.
        pages: Pages finished since the run was started or resumed.
        errors: How many of them failed.
        pages_per_second: The rate of the last minute.
        seconds_left: Estimated from the finished documents; None if unknown so far.
        kinds: The errors by class.
        rates: Pages a second during the last minute, for each card or reading process.
    """

    documents: int
    total_documents: int | None
    pages: int
    errors: int
    pages_per_second: float
    seconds_left: float | None
    kinds: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)


class ProgressCounter:
    """Counts documents and pages. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._documents = self._skipped = 0
        self._total: int | None = None
        self._kinds: Counter[str] = Counter()
        self._all = _Rate()
        self._readers: dict[str, _Rate] = {}

    def pages(self, done: PagesDone) -> None:
        """Count pages that were read, or that failed."""
        with self._lock:
            count = done.read + sum(done.errors.values())
            self._kinds.update(done.errors)
            now = time.monotonic()
            self._all.add(count, now)
            self._readers.setdefault(done.reader, _Rate()).add(count, now)

    def part(self, documents: int, *, skipped: bool) -> None:
        """Count the documents of a shard; ``skipped`` if an earlier process had written it."""
        with self._lock:
            self._documents += documents
            self._skipped += documents if skipped else 0

    def total(self, documents: int) -> None:
        """Set the number of documents in the manifest."""
        self._total = documents

    def progress(self) -> BatchProgress:
        """The figures now."""
        with self._lock:
            now = time.monotonic()
            read = self._documents - self._skipped
            left = None
            if self._total is not None and read:
                left = (self._total - self._documents) * (now - self._begun) / read
            return BatchProgress(
                self._documents,
                self._total,
                self._all.total,
                self._kinds.total(),
                self._all.rate(now),
                left,
                dict(sorted(self._kinds.items())),
                {name: rate.rate(now) for name, rate in sorted(self._readers.items())},
            )


class _Rate:
    """Pages a second of the last minute."""

    def __init__(self) -> None:
        self.total = 0
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, pages: int, now: float) -> None:
        self.total += pages
        if not self._recent or now - self._recent[-1][0] >= 1.0:
            self._recent.append((now, self.total))
        while now - self._recent[0][0] > WINDOW_SECONDS:
            self._recent.popleft()

    def rate(self, now: float) -> float:
        if not self._recent:
            return 0.0
        first, pages = self._recent[0]
        return (self.total - pages) / max(1.0, now - first)
