"""``--engine local``: reads the units of a run on this machine, in one process for each card."""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ... import errors
from ...backends.local.devices import all_devices, devices_of_environment
from ...errors import (
    BackendError,
    ConfigurationError,
    DeepSeekOCRError,
    EngineLostError,
)
from ..batch_progress import OnPages, PagesDone
from ..batch_settings import BatchSettings
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from .worker_child import BatchWorkerChild

__all__ = ["local_devices", "local_units"]

MOST_DEATHS: Final = 40
"""After this many crashes of the reading process, without a finished unit between them, the run ends.
One bad page causes four crashes, and several units may have such a page."""

HANG_SECONDS: Final = 3600.0
"""Seconds without a page after which the process is ended and restarted."""

AHEAD: Final = 2
"""How many units wait in the reading process, besides those that it works on."""

_log = logging.getLogger("deepseek_ocr_rag")

MOST_FAILURES: Final = 3
"""After this many failed units in a row, a card is left out."""

Inbox = queue.SimpleQueue[tuple["_Seat", dict[str, Any] | None]]


def local_units(
    units: Iterator[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    on_pages: OnPages,
    devices: Sequence[str | None] = (None,),
) -> Iterator[PageUnit]:
    """Read units in one process for each card, and yield each when it is stored, in any order.

    Units are taken only a little ahead of reading. A process that dies is restarted and reads again
    what it had not stored. A card that cannot read is left out, as long as another one can.

    Args:
        units: What to read.
        settings: How to read.
        folder: The folder of the run.
        on_pages: Called with finished pages, a few times a second.
        devices: The card of each process; None for those that the environment names.

    Raises:
        BackendError: If the backend cannot read, or its processes die again and again.
        OutputError: If the results cannot be stored.
    """
    reading = _LocalReading(settings, folder, on_pages, devices)
    try:
        yield from reading.run(units)
    finally:
        reading.close()


def local_devices(gpus: int | None) -> tuple[str | None, ...]:
    """The cards of a run on this machine, one for each reading process.

    Args:
        gpus: How many; None for those in ``DSOCR_DEVICES``, or one.

    Raises:
        ConfigurationError: If there are fewer cards.
    """
    given = devices_of_environment()
    if given is None:
        return (None,) if gpus in (None, 1) else tuple(f"cuda:{i}" for i in range(gpus or 1))
    devices = all_devices() if given == "all" else given
    if gpus is not None and gpus > len(devices):
        raise ConfigurationError(
            f"DSOCR_DEVICES names {len(devices)} cards, not {gpus}",
            remedy="Leave --gpus out to use all of them.",
        )
    return devices[: gpus or len(devices)]


@dataclass(slots=True, eq=False)
class _Seat:
    """A card, the process that reads there, and what it has to read."""

    device: str | None
    child: BatchWorkerChild | None = None
    reading: dict[str, PageUnit] = field(default_factory=dict)
    failures: int = 0  # failures of the backend since it last read a unit
    heard: float = field(default_factory=time.monotonic)
    name: str = ""  # its name in the progress


class _LocalReading:
    def __init__(
        self,
        settings: BatchSettings,
        folder: RunFolder,
        on_pages: OnPages,
        devices: Sequence[str | None],
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._on_pages = on_pages
        self._most = settings.units_together + AHEAD
        self._inbox: Inbox = queue.SimpleQueue()
        names = devices if len(set(devices)) == len(devices) else range(1, 1 + len(devices))
        self._seats = [
            _Seat(device, name="" if len(devices) == 1 else str(name))
            for device, name in zip(devices, names, strict=True)
        ]
        self._again: deque[PageUnit] = deque()
        self._deaths = 0

    def run(self, units: Iterator[PageUnit]) -> Iterator[PageUnit]:
        more = True
        while True:
            while (seat := self._free_seat()) is not None:
                unit = self._again.popleft() if self._again else next(units, None) if more else None
                if unit is None:
                    more = False
                    break
                seat.reading[unit.file_name] = unit
                self._running(seat).read(unit)
            if not any(seat.reading for seat in self._seats):
                return
            done = self._hear()
            if done is not None:
                yield done

    def close(self) -> None:
        for seat in self._seats:
            if seat.child is not None:
                seat.child.kill()
                seat.child.end()
                seat.child = None

    def _free_seat(self) -> _Seat | None:
        """The seat with the least to read; None if all have enough."""
        working = [seat for seat in self._seats if seat.failures < MOST_FAILURES]
        seat = min(working, key=lambda each: len(each.reading))
        return seat if len(seat.reading) < self._most else None

    def _running(self, seat: _Seat) -> BatchWorkerChild:
        if seat.child is None:
            put = partial(self._put, seat)
            try:
                seat.child = BatchWorkerChild(self._settings, self._folder, put, seat.device)
            except OSError as error:
                raise EngineLostError(
                    f"the reading process cannot be started ({error.strerror})",
                    remedy="Free memory or processes; the same command then goes on.",
                ) from error
            seat.heard = time.monotonic()
        return seat.child

    def _put(self, seat: _Seat, message: dict[str, Any] | None) -> None:
        self._inbox.put((seat, message))

    def _hear(self) -> PageUnit | None:
        try:
            seat, message = self._inbox.get(timeout=1.0)
        except queue.Empty:
            self._end_hanging()
            return None
        seat.heard = time.monotonic()
        if message is None:
            self._bury(seat)
        elif "pages" in message:
            self._on_pages(PagesDone(seat.name, message["pages"], message["errors"]))
        elif "done" in message:
            self._deaths = seat.failures = 0
            return seat.reading.pop(message["done"], None)
        elif "failed" in message:
            self._fail(seat, message.get("unit"), _error_of(message["failed"]))
        elif "started" in message:
            _log.info("pages are read by %s (%s)", *message["started"])
        return None

    def _end_hanging(self) -> None:
        for seat in self._seats:
            if seat.child is not None and time.monotonic() - seat.heard > HANG_SECONDS:
                if seat.reading:
                    _log.warning("the reading process hangs, and is started again")
                    seat.child.kill()
                seat.heard = time.monotonic()

    def _fail(self, seat: _Seat, name: str | None, error: DeepSeekOCRError) -> None:
        """The backend cannot read on this card: others read its units, if there are others."""
        # Without a unit, the backend could not even be made.
        working = seat.failures < MOST_FAILURES
        seat.failures = MOST_FAILURES if name is None else seat.failures + 1
        others = [each for each in self._seats if each.failures < MOST_FAILURES]
        if not others or len(self._seats) == 1 or not isinstance(error, BackendError):
            raise error
        if name is not None and name in seat.reading:
            self._again.append(seat.reading.pop(name))
        if working and seat.failures >= MOST_FAILURES:
            _log.warning("%s is left out: %s", seat.device or "a reading process", error)

    def _bury(self, seat: _Seat) -> None:
        """The process has died: a new one reads what it was reading."""
        how = "" if seat.child is None else seat.child.end()
        seat.child = None
        if seat.failures >= MOST_FAILURES:
            self._again.extend(seat.reading.values())
            seat.reading.clear()
            return
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise EngineLostError(
                f"the reading process {how}, {self._deaths} times without reading anything",
                remedy="Its messages are above; the same command goes on where it stopped.",
            )
        _log.warning("the reading process %s; another one goes on", how)
        for unit in seat.reading.values():
            self._running(seat).read(unit)


def _error_of(values: dict[str, Any]) -> DeepSeekOCRError:
    kind = getattr(errors, str(values["type"]), EngineLostError)
    if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
        kind = EngineLostError
    return kind(
        values["problem"], source=values["source"], page=values["page"], remedy=values["remedy"]
    )
