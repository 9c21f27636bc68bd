"""Estimates how long a run takes and what it costs: :func:`estimate_batch`."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..errors import ConfigurationError
from .arrow_extra import check_arrow
from .batch_run import LOOK_SECONDS
from .batch_settings import BatchSettings
from .manifests.manifest import manifest_entries
from .measured_rate import MeasuredRate, measured_rate
from .page_units import ManifestEntry, PageUnit, PlannedDocument, page_units
from .planning import Planner

__all__ = ["BatchEstimate", "EstimatedRange", "estimate_batch"]

SEED: Final = 20
SAMPLE: Final = 60
"""How many documents have their pages counted."""

SURE: Final = 1.96
"""Standard errors on either side: 19 of 20 such ranges contain the true value."""


@dataclass(frozen=True, slots=True)
class EstimatedRange:
    """A figure with a range that contains the true value 19 times out of 20.

    Attributes:
        low: The lower end.
        likely: The best guess.
        high: The upper end.
    """

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> EstimatedRange:
        """The range, multiplied by a known number."""
        return EstimatedRange(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a run will take.

    Attributes:
        documents: Documents of the manifest, counted.
        sampled: How many of them had their pages counted.
        unreadable: Share of the sample that cannot be opened, 0..1.
        pages: Pages to read.
        pages_per_second: The rate of one card or reading process: measured now, or as given.
        read_pages: Pages that were read to measure the rate; 0 if it was given.
        hours: Hours of the run, from its start to its end.
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
        settings: How to read.
        gpus: Cards that will read at the same time.
        gpu_price: Price of an hour of one card.
        pages_per_second: The rate of one card, if you know it; then nothing is read.

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
    begun = time.monotonic()
    total, sample = _sample(manifest)
    counted = min(time.monotonic() - begun, LOOK_SECONDS)
    planner = Planner(settings)
    begun = time.monotonic()
    try:
        planned = planner.documents(sample)
    finally:
        planner.close()
    first_part = min(settings.part_documents, total)
    opened = (time.monotonic() - begun) * first_part / max(1, len(sample))
    pages = _total([len(document.numbers) for document in planned], total)
    if pages.likely == 0:
        raise ConfigurationError(
            "none of the documents of the sample can be opened",
            remedy=planned[0].error if planned else "Give a manifest with documents.",
        )
    measured: MeasuredRate | None = None
    rate, start = EstimatedRange(*[pages_per_second or 0.0] * 3), 0.0
    if pages_per_second is None:
        measured = measured_rate(_units(planned, sample, settings), settings)
        off = measured.error
        rate = EstimatedRange(measured.rate - off, measured.rate, measured.rate + off)
        # The documents of the first part are opened before the first page is read, and the last
        # part is written after the last one.
        last_part = measured.page_seconds * pages.likely * first_part / total
        start = counted + opened + measured.fixed + last_part
    hours = EstimatedRange(
        (pages.low / rate.high / gpus + start) / 3600,
        (pages.likely / rate.likely / gpus + start) / 3600,
        (pages.high / rate.low / gpus + start) / 3600,
    )
    return BatchEstimate(
        documents=total,
        sampled=len(planned),
        unreadable=sum(each.error is not None for each in planned) / len(planned),
        pages=pages,
        pages_per_second=rate,
        read_pages=0 if measured is None else measured.pages,
        hours=hours,
        gpu_hours=hours.times(gpus),
        money=None if gpu_price is None else hours.times(gpus * gpu_price),
        storage=None if measured is None else pages.times(measured.page_bytes),
    )


def _sample(manifest: str) -> tuple[int, list[tuple[int, ManifestEntry]]]:
    """The number of documents, and a random sample of them, in which each is equally likely."""
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


def _units(
    planned: Sequence[PlannedDocument],
    sample: Sequence[tuple[int, ManifestEntry]],
    settings: BatchSettings,
) -> list[PageUnit]:
    return [
        unit
        for document, (_, entry) in zip(planned, sample, strict=True)
        for unit in page_units(document, entry, settings.unit_pages, settings.configuration)
    ]
