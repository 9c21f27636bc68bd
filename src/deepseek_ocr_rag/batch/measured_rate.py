"""Reads some units as a run does, and measures the rate: :func:`measured_rate`."""

from __future__ import annotations

import io
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from ..errors import ConfigurationError
from .batch_progress import PagesDone
from .batch_settings import BatchSettings
from .engines.local_engine import local_devices, local_units
from .output.record_rows import RecordRows
from .output.row_writer import write_rows
from .output.shard_columns import page_columns, record_columns
from .output.staged_units import StagedUnits
from .page_units import PageUnit
from .storage.run_folder import RunFolder
from .stored_pages import PageRow

__all__ = ["MeasuredRate", "measured_rate"]

SEED: Final = 20

LEAST_SECONDS: Final = 15.0
MOST_SECONDS: Final = 60.0
TURNS: Final = 4
"""Units are begun until they are this many times those that are read at once, and the least time
has passed; after the longest time, no more are begun."""

SPANS: Final = 4
"""Number of parts of that time whose rates are compared."""

FEWEST: Final = 8
"""If this many pages were read while the backend had enough of them, only that time counts."""

SURE: Final = 1.96
"""Standard errors on either side: 19 of 20 such ranges contain the true value."""


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """How long reading some units took.

    Attributes:
        pages: Pages that were read.
        rate: Pages a second while the backend had enough of them.
        error: How far the rate may be off on either side, 19 times out of 20.
        fixed: Seconds that do not grow with the pages: a process and a model start, the first pages
            are drawn, and the last ones are read when the card is no longer full.
        page_bytes: Bytes of a page in the shards.
        page_seconds: Seconds to write a page into the shards.
    """

    pages: int
    rate: float
    error: float
    fixed: float
    page_bytes: float
    page_seconds: float


def measured_rate(units: Sequence[PageUnit], settings: BatchSettings) -> MeasuredRate:
    """Read some of the units, in a process of their own and on one card, as ``--engine local`` does.

    Their results are removed again.

    Raises:
        ConfigurationError: If no page can be read.
        BackendError: If the backend can read nothing.
    """
    ended: list[tuple[float, int]] = []

    def on_pages(done: PagesDone) -> None:
        ended.append((time.monotonic(), done.read + sum(done.errors.values())))

    with tempfile.TemporaryDirectory(prefix="dsocr-estimate-") as name:
        folder = RunFolder(name)
        chosen = _Chosen(units, settings)
        begun = time.monotonic()
        read = list(local_units(iter(chosen), settings, folder, on_pages, local_devices(None)[:1]))
        end = time.monotonic()
        staged = StagedUnits(folder, settings.part_documents)
        rows = [row for unit in read for row in staged.rows(unit)]
    pages = sum(count for _, count in ended)
    if not pages:
        raise ConfigurationError(
            "none of the pages of the sample could be read",
            remedy=rows[0].error if rows else "Give a manifest with pages.",
        )
    rate, error = _steady(ended, math.inf if chosen.all_begun else chosen.last, end - begun)
    _shard_bytes(rows[:1], settings.chunk_tokens)  # the libraries are loaded only once
    written, size = time.monotonic(), _shard_bytes(rows, settings.chunk_tokens)
    return MeasuredRate(
        pages=pages,
        rate=rate,
        error=error,
        fixed=max(0.0, end - begun - pages / rate),
        page_bytes=size / len(rows),
        page_seconds=(time.monotonic() - written) / len(rows),
    )


class _Chosen:
    """Units in a random order, until enough were begun.

    Attributes:
        last: When the last unit was asked for.
        all_begun: Whether all units were begun.
    """

    def __init__(self, units: Sequence[PageUnit], settings: BatchSettings) -> None:
        self._units = list(units)
        random.Random(SEED).shuffle(self._units)  # noqa: S311 - the same sample each time
        self._most = TURNS * settings.units_together * settings.unit_pages
        self.last = 0.0
        self.all_begun = False

    def __iter__(self) -> Iterator[PageUnit]:
        begun, pages = time.monotonic(), 0
        for unit in self._units:
            passed = time.monotonic() - begun
            if passed > MOST_SECONDS or (pages >= self._most and passed > LEAST_SECONDS):
                return
            pages += len(unit.numbers)
            self.last = time.monotonic()
            yield unit
        self.all_begun = True


def _steady(ended: Sequence[tuple[float, int]], last: float, seconds: float) -> tuple[float, float]:
    """Pages a second while the backend had enough pages, and how far that may be off.

    At the end, fewer pages are read at the same time than in a run, unless the run is just as small.
    """
    first = ended[0][0]
    steady = [(when, count) for when, count in ended[1:] if when <= last]
    pages = sum(count for _, count in steady)
    if pages < FEWEST or len(steady) < SPANS:
        return sum(count for _, count in ended) / max(seconds, 1e-9), 0.0
    span = max(1e-9, (steady[-1][0] - first) / SPANS)
    borders = [first + part * span for part in range(SPANS)] + [math.inf]
    rates = [
        sum(count for when, count in steady if low < when <= high) / span
        for low, high in pairwise(borders)
    ]
    # Pages come in waves, and the first wave may be cut anywhere. That hardly changes the slope of
    # all counts, but it does change the number of pages between two moments.
    counts = list(accumulate(count for _, count in steady))
    rate = statistics.linear_regression([when for when, _ in steady], counts).slope
    if not rate > 0:
        rate = pages / (SPANS * span)
    return rate, min(SURE * statistics.stdev(rates) / math.sqrt(SPANS), 0.9 * rate)


def _shard_bytes(rows: Sequence[PageRow], chunk_tokens: int | None) -> int:
    pages, records = io.BytesIO(), io.BytesIO()
    write_rows(pages, page_columns(), [row.to_dict() for row in rows])
    made = RecordRows(chunk_tokens)
    write_rows(records, record_columns(), (each for row in rows for each in made.add(row)))
    return pages.tell() + records.tell()
