"""Says beforehand how long a run takes and what it costs: :func:`estimate_batch`."""

from __future__ import annotations

import io
import math
import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from ..errors import ConfigurationError
from .arrow_extra import check_arrow
from .batch_settings import BatchSettings
from .manifests.manifest import manifest_entries
from .output.row_writer import write_rows
from .output.shard_columns import page_columns, record_columns
from .output.shards import record_rows
from .page_reader import PageReader
from .page_units import ManifestEntry, PageUnit, PlannedDocument, page_units
from .planning import Planner
from .stored_pages import PageRow

__all__ = ["BatchEstimate", "EstimatedRange", "estimate_batch"]

SEED: Final = 20
SAMPLE: Final = 60
"""Documents whose pages are counted."""

READ_SECONDS: Final = 60.0
READ_TURNS: Final = 4
"""Pages are read for so long, or so many times what is read at the same time."""

SPANS: Final = 4
"""Parts of that time whose rates are compared."""

FEWEST: Final = 8
"""Pages that must be read while the backend has enough of them, before that time is taken alone."""

SURE: Final = 1.96
"""Standard errors on both sides: 19 of 20 such ranges hold the true value."""


@dataclass(frozen=True, slots=True)
class EstimatedRange:
    """A figure with what it may be, 19 times of 20.

    Attributes:
        low: At least.
        likely: The best guess.
        high: At most.
    """

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> EstimatedRange:
        """The range of the figure times a number that is known."""
        return EstimatedRange(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a run will take.

    Attributes:
        documents: Documents of the manifest, counted.
        sampled: Those whose pages were counted.
        unreadable: Share of the sample that cannot be opened, 0..1.
        pages: Pages to read.
        pages_per_second: Of one card, or of one reading process: measured now, or as given.
        read_pages: Pages that were read to measure it; 0 if it was given.
        hours: Hours of the run, with the start of the model.
        gpu_hours: Hours of all cards together.
        money: What they cost; None without a price.
        storage: Bytes of the results; None if nothing was read.
    """

    documents: int
    sampled: int
    unreadable: float
    pages: EstimatedRange
    pages_per_second: EstimatedRange
    read_pages: int
    hours: EstimatedRange
    gpu_hours: EstimatedRange
    money: EstimatedRange | None
    storage: EstimatedRange | None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)


def estimate_batch(
    manifest: str,
    settings: BatchSettings | None = None,
    *,
    gpus: int = 1,
    gpu_price: float | None = None,
    pages_per_second: float | None = None,
) -> BatchEstimate:
    """Sample documents of a manifest, read some of their pages, and say what a run will take.

    Args:
        manifest: As for :func:`run_batch`.
        settings: What reads, and how.
        gpus: Cards that will read at the same time.
        gpu_price: Price of an hour of one card.
        pages_per_second: Of one card, if it is known from elsewhere; nothing is read then.

    Returns:
        The figures, each with a range.

    Raises:
        ConfigurationError: If a number is not positive, or no document can be opened.
        MissingExtraError: If pyarrow is not installed.
        SourceError: If the manifest cannot be read.
        BackendError: If the backend can read nothing.
    """
    check_arrow()
    for name, value in (("gpus", gpus), ("pages_per_second", pages_per_second)):
        if value is not None and not value > 0:
            raise ConfigurationError(
                f"{name}={value} is not positive", remedy="Give a number above 0."
            )
    settings = settings or BatchSettings()
    total, sample = _sample(manifest)
    planner = Planner(settings)
    try:
        planned = [(planner.document(position, entry), entry) for position, entry in sample]
    finally:
        planner.close()
    pages = _total([len(document.numbers) for document, _ in planned], total)
    if pages.likely == 0:
        raise ConfigurationError(
            "none of the documents of the sample can be opened",
            remedy=planned[0][0].error if planned else "Give a manifest with documents.",
        )
    rows: list[PageRow] = []
    rate, start = EstimatedRange(*[pages_per_second or 0.0] * 3), 0.0
    if pages_per_second is None:
        rate, start, rows = _measured(planned, settings)
    hours = EstimatedRange(
        (pages.low / rate.high / gpus + start) / 3600,
        (pages.likely / rate.likely / gpus + start) / 3600,
        (pages.high / rate.low / gpus + start) / 3600,
    )
    return BatchEstimate(
        documents=total,
        sampled=len(planned),
        unreadable=sum(each.error is not None for each, _ in planned) / len(planned),
        pages=pages,
        pages_per_second=rate,
        read_pages=len(rows),
        hours=hours,
        gpu_hours=hours.times(gpus),
        money=None if gpu_price is None else hours.times(gpus * gpu_price),
        storage=pages.times(_page_bytes(rows)) if rows else None,
    )


def _sample(manifest: str) -> tuple[int, list[tuple[int, ManifestEntry]]]:
    """How many documents there are, and some of them, each as likely as any other."""
    chance = random.Random(SEED)  # noqa: S311 - the same sample each time
    kept: list[tuple[int, ManifestEntry]] = []
    position = -1
    for position, entry in enumerate(manifest_entries(manifest)):
        if len(kept) < SAMPLE:
            kept.append((position, entry))
        elif (place := chance.randrange(position + 1)) < SAMPLE:
            kept[place] = (position, entry)
    chance.shuffle(kept)
    return position + 1, kept


def _total(counts: Sequence[int], documents: int) -> EstimatedRange:
    if not counts:
        return EstimatedRange(0, 0, 0)
    mean = statistics.fmean(counts)
    error = 0.0
    if len(counts) > 1 and len(counts) < documents:
        spread = statistics.stdev(counts) / math.sqrt(len(counts))
        error = SURE * spread * math.sqrt(1 - len(counts) / documents)
    least = sum(counts) / documents
    return EstimatedRange(max(mean - error, least), mean, mean + error).times(documents)


def _measured(
    planned: Sequence[tuple[PlannedDocument, ManifestEntry]], settings: BatchSettings
) -> tuple[EstimatedRange, float, list[PageRow]]:
    """Read units of the sample as a run does: pages a second, seconds of the start, and the rows."""
    units = [
        unit
        for document, entry in planned
        for unit in page_units(document, entry, settings.unit_pages, settings.configuration)
    ]
    random.Random(SEED).shuffle(units)  # noqa: S311 - the same sample each time
    ended: list[float] = []
    reader = PageReader(settings, on_page=lambda row: ended.append(time.monotonic()))
    try:
        begun = time.monotonic()
        reader.read_unit(replace(units[0], pages=str(units[0].numbers[0])))
        started = time.monotonic()
        ended.clear()
        rows, last_unit = _read_some(reader, units)
    finally:
        reader.close()
    if not ended:
        raise ConfigurationError(
            "none of the pages of the sample could be read", remedy=rows[0].error
        )
    # Later, fewer pages are read at the same time than in a run, unless the run is so small.
    first, last = min(ended), last_unit
    steady = [each for each in ended if first < each <= last]
    if len(steady) < FEWEST or sum(len(unit.numbers) for unit in units) == len(rows):
        first, last, steady = started, max(ended), ended
    span = max(1e-9, (last - first) / SPANS)
    rates = [
        sum(first + part * span < each <= first + (part + 1) * span for each in steady) / span
        for part in range(SPANS)
    ]
    mean = len(steady) / (SPANS * span)
    error = min(SURE * statistics.stdev(rates) / math.sqrt(SPANS), 0.9 * mean)
    return EstimatedRange(mean - error, mean, mean + error), started - begun, rows


def _read_some(reader: PageReader, units: Sequence[PageUnit]) -> tuple[list[PageRow], float]:
    """Read units until it is enough; the rows, and when the last unit was begun."""
    settings = reader.settings
    most = READ_TURNS * settings.units_at_once * settings.unit_pages
    deadline = time.monotonic() + READ_SECONDS
    waiting = deque(units)
    rows: list[PageRow] = []
    begun, last = 0, time.monotonic()
    lock = threading.Lock()

    def work() -> None:
        nonlocal begun, last
        while True:
            with lock:
                if not waiting or begun >= most or time.monotonic() > deadline:
                    return
                unit = waiting.popleft()
                begun, last = begun + len(unit.numbers), time.monotonic()
            read = reader.read_unit(unit)
            with lock:
                rows.extend(read)

    with ThreadPoolExecutor(settings.units_at_once, thread_name_prefix="dsocr-estimate") as pool:
        for each in [pool.submit(work) for _ in range(settings.units_at_once)]:
            each.result()
    return rows, last


def _page_bytes(rows: Sequence[PageRow]) -> float:
    pages, records = io.BytesIO(), io.BytesIO()
    write_rows(pages, page_columns(), [row.to_dict() for row in rows])
    write_rows(records, record_columns(), (each for row in rows for each in record_rows(row)))
    return (pages.tell() + records.tell()) / len(rows)
