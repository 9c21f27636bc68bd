"""Runs on the machines of a Ray cluster: tasks that draw, and actors that read and store."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ...errors import BackendError
from ..drawn.drawn_unit import DrawnUnit, drawn_table, drawn_units
from ..drawn.unit_drawer import UnitDrawer
from ..page_reader import PageReader, units_of
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from .unit_runner import UnitRunner

__all__ = ["DrawnStoringReader", "StoringReader", "draw_batch"]

MOST_FAILURES: Final = 3
"""After this many failed units in a row, an actor is left out."""

REST_SECONDS: Final = 60.0
"""Seconds that an actor that is left out waits before it returns a unit, so that the others get
nearly all units."""

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class _UnitOutcome:
    """The outcome of a unit: its errors by class, or why it was not read at all."""

    errors: dict[str, int]
    problem: str = ""


class StoringReader:
    """A :class:`PageReader` as an actor of Ray, which stores each unit where it was read.

    Only names and counts go back to the driver, and no page passes through Ray's object store.

    Args:
        settings: The result of :meth:`BatchSettings.to_dict`.
        folder: The folder of the run, which every machine must reach.
    """

    def __init__(self, settings: dict[str, Any], folder: str) -> None:
        self._reader = PageReader(settings)
        self._runner = UnitRunner(self._reader, RunFolder(folder))
        self._lock = threading.Lock()
        self._failures = 0
        self._problem = ""

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Read and store a batch of units.

        Returns:
            For each unit its name, pages, errors by class as JSON, who read it, and, if the
            backend cannot read, why it was not read.
        """
        units = units_of(batch)
        return self._stored(units, [None] * len(units))

    def _stored(
        self, units: Sequence[PageUnit], drawn: Sequence[DrawnUnit | None]
    ) -> dict[str, list[Any]]:
        if self._failures >= MOST_FAILURES:
            time.sleep(REST_SECONDS)
        with ThreadPoolExecutor(self._reader.settings.units_together) as pool:
            told = list(pool.map(self._run, units, drawn))
        return {
            "unit": [unit.file_name for unit in units],
            "pages": [len(unit.numbers) for unit in units],
            "errors": [json.dumps(each.errors) for each in told],
            "reader": [_this_reader()] * len(units),
            "problem": [each.problem for each in told],
        }

    def _run(self, unit: PageUnit, drawn: DrawnUnit | None) -> _UnitOutcome:
        if self._failures >= MOST_FAILURES:
            return _UnitOutcome({}, self._problem)
        try:
            errors = self._runner.run(unit, drawn)
        except BackendError as error:
            with self._lock:
                self._failures += 1
                self._problem = str(error)
                if self._failures == MOST_FAILURES:
                    _log.warning("%s is left out: %s", _this_reader(), error)
            return _UnitOutcome({}, str(error))
        with self._lock:
            self._failures = 0
        return _UnitOutcome(dict(errors))


class DrawnStoringReader(StoringReader):
    """A :class:`StoringReader` of units that :func:`draw_batch` has drawn."""

    def __call__(self, batch: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - a pyarrow.Table
        """Read and store a batch; returns the same, and the bytes of the pictures."""
        drawn = list(drawn_units(batch))
        result = self._stored([each.unit for each in drawn], drawn)
        return {**result, "picture_bytes": [_picture_bytes(each) for each in drawn]}


def draw_batch(batch: dict[str, Any], settings: str) -> Iterator[Any]:
    """Draw a batch of units, as a task of Ray; yields a table with one row for each.

    Args:
        batch: Columns of units.
        settings: What :meth:`BatchSettings.to_dict` gives, as JSON.
    """
    drawer = _drawer(settings)
    for unit in units_of(batch):
        yield drawn_table(drawer.draw(unit))


@lru_cache(maxsize=1)
def _drawer(settings: str) -> UnitDrawer:
    # One drawer for each process, so that a document of another machine is fetched only once.
    return UnitDrawer(json.loads(settings))


def _picture_bytes(drawn: DrawnUnit) -> int:
    return sum(len(page.png.data) for page in drawn.pages if page.png is not None)


@lru_cache(maxsize=1)
def _this_reader() -> str:
    """The machine, and the card that Ray gave to this process, or the process id if it has none."""
    card = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"{socket.gethostname()}:{f'card {card}' if card else os.getpid()}"
