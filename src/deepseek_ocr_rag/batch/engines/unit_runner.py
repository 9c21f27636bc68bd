"""Reads and stores units, and finds the page that ends the process: :class:`UnitRunner`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import Final

from ...concurrency.shared_lock import SharedLock
from ...errors import EngineLostError
from ..drawn.drawn_unit import DrawnUnit
from ..output.staged_units import StagedUnits
from ..page_reader import PageReader
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from ..stored_pages import PageRow

__all__ = ["BEGUN", "UnitRunner"]

BEGUN: Final = "begun"
"""The folder of notes about units that were begun; a note that is left over belongs to a unit whose
process died."""

DEATHS: Final = 2
"""How often a unit may crash the process before its pages are read one at a time, and how often a
page may before it counts as failed."""


class UnitRunner:
    """Reads units with a :class:`PageReader` and stores each as soon as it is read.

    A note is written before a unit is begun, and removed at its end. A unit that was begun twice but
    never finished has crashed its process twice, or was being read when another unit did. Its pages
    are then read one at a time, with nothing else at the same time, to find the page to blame.

    Args:
        reader: Reads the pages.
        folder: The folder of the run.
    """

    def __init__(self, reader: PageReader, folder: RunFolder) -> None:
        self._reader = reader
        self._folder = folder
        self._staged = StagedUnits(folder, reader.settings.part_documents)
        self._lock = SharedLock()

    def run(self, unit: PageUnit, drawn: DrawnUnit | None = None) -> Counter[str]:
        """Read and store a unit, unless it is stored; returns its errors by class.

        Args:
            unit: The unit.
            drawn: Its pages, if another process has drawn them.

        Raises:
            BackendError: If the backend cannot read.
            OutputError: If the unit cannot be stored.
        """
        if self._staged.has(unit):
            return Counter()
        begun = self._begun(unit.file_name)
        if begun >= DEATHS:
            with self._lock.alone():
                rows = [self._alone(unit, number, drawn) for number in unit.numbers]
        else:
            with self._lock.shared(), self._noted(unit.file_name, begun + 1):
                rows = self._reader.read_unit(unit, drawn)
        self._staged.store(unit, rows)
        for count in range(1, begun + 1):
            self._folder.remove(_mark(unit.file_name, count))
        return Counter(row.error_kind for row in rows if not row.ok)

    def _alone(self, unit: PageUnit, number: int, drawn: DrawnUnit | None) -> PageRow:
        page = replace(unit, pages=str(number))
        name = f"page-{page.file_name}"
        deaths = self._begun(name)
        if deaths >= DEATHS:
            return self._quarantined(page, deaths)
        with self._noted(name, deaths + 1):
            (row,) = self._reader.read_unit(page, drawn)
        return row

    def _quarantined(self, page: PageUnit, deaths: int) -> PageRow:
        (number,) = page.numbers
        error = EngineLostError(
            f"the reading process ended {deaths} times while it read this page alone",
            source=page.doc_id,
            page=number,
            remedy="It is left out, so that the run can go on; look at the page itself.",
        )
        return self._reader.failed_row(page, number, error)

    def _begun(self, name: str) -> int:
        # The notes are written in this order. Each check is two requests to an object store.
        marks = (_mark(name, count) for count in range(1, DEATHS + 1))
        return sum(1 for _ in takewhile(self._folder.exists, marks))

    @contextmanager
    def _noted(self, name: str, count: int) -> Iterator[None]:
        mark = _mark(name, count)
        self._folder.touch(mark)
        try:
            yield
        finally:
            # An error did not crash the process.
            self._folder.remove(mark)


def _mark(name: str, count: int) -> str:
    return f"{BEGUN}/{name}.{count}"
