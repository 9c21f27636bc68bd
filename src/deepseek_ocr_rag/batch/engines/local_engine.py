"""``--engine local``: reads the units of a run in one process of this machine."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from ... import errors
from ...concurrency.child_process import (
    ChildProcess,
    describe_exit,
    finalize_in_owner,
    module_command,
    python_path,
)
from ...concurrency.frames import Frame, receive, send
from ...errors import BrokenFrameError, DeepSeekOCRError, EngineLostError
from ..batch_settings import BatchSettings
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder

__all__ = ["BatchWorkerChild", "local_units"]

STANDARD_ERROR: Final = 2

MOST_DEATHS: Final = 40
"""Ends of the reading process without any unit done between them, after which the run ends. A page
that ends it costs four, and several units may have one each."""

HANG_SECONDS: Final = 3600.0
"""Without a page for so long, the process is ended and started again."""

AHEAD: Final = 2
"""Units that wait in the reading process beside those that it works on."""

_log = logging.getLogger("deepseek_ocr_rag")

OnPage = Callable[[bool], object]
"""Called for each page with whether it was read."""


class BatchWorkerChild:
    """A running :mod:`.batch_worker`. It ends by itself if this process is killed.

    Args:
        settings: What reads.
        folder: The folder of the run.
        inbox: Gets each message of the process, and None at its end.
    """

    def __init__(
        self,
        settings: BatchSettings,
        folder: RunFolder,
        inbox: queue.SimpleQueue[dict[str, Any] | None],
    ) -> None:
        self._inbox = inbox
        self._process = ChildProcess(
            module_command(f"{__package__}.batch_worker"),
            {**os.environ, "PYTHONPATH": python_path()},
            stderr=STANDARD_ERROR,
        )
        self._finalizer = finalize_in_owner(self, self._process.end)
        self._put({"settings": settings.to_dict(), "folder": folder.uri})
        self._receiver = threading.Thread(target=self._receive, name="dsocr-batch", daemon=True)
        self._receiver.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def read(self, unit: PageUnit) -> None:
        """Have a unit read; does nothing if the process is gone, which the inbox reports."""
        self._put({"unit": asdict(unit)})

    def kill(self) -> None:
        """Kill it; the inbox reports its end."""
        self._process.kill()

    def end(self) -> str:
        """End it, and say how it ended."""
        with suppress(OSError):
            self._process.stdin.close()
        code = self._process.wait(1.0)
        self._finalizer.detach()
        self._process.end()
        self._receiver.join(5.0)
        self._process.close_pipes()
        return "closed its output" if code is None else describe_exit(code)

    def _put(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the receiving thread notices
            send(self._process.stdin, Frame(message))

    def _receive(self) -> None:
        try:
            while True:
                self._inbox.put(receive(self._process.stdout, longest=0).message)
        except (OSError, BrokenFrameError, ValueError):
            pass
        self._inbox.put(None)


def local_units(
    units: Iterator[PageUnit], settings: BatchSettings, folder: RunFolder, on_page: OnPage
) -> Iterator[PageUnit]:
    """Read units in one process, and yield each when it is stored, in any order.

    Only a few units are asked for before they are read. A process that ends is started again, and
    reads again what it had not stored.

    Args:
        units: What to read.
        settings: What reads.
        folder: The folder of the run.
        on_page: Called for each page with whether it was read.

    Raises:
        BackendError: If the backend can read nothing, or its process ends again and again.
        OutputError: If the results cannot be stored.
    """
    reading = _LocalReading(settings, folder, on_page)
    try:
        yield from reading.run(units)
    finally:
        reading.close()


class _LocalReading:
    def __init__(self, settings: BatchSettings, folder: RunFolder, on_page: OnPage) -> None:
        self._settings = settings
        self._folder = folder
        self._on_page = on_page
        self._most = settings.units_at_once + AHEAD
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._child: BatchWorkerChild | None = None
        self._reading: dict[str, PageUnit] = {}
        self._deaths = 0
        self._heard = time.monotonic()

    def run(self, units: Iterator[PageUnit]) -> Iterator[PageUnit]:
        more = True
        while True:
            while more and len(self._reading) < self._most:
                unit = next(units, None)
                if unit is None:
                    more = False
                    break
                self._reading[unit.file_name] = unit
                self._running().read(unit)
            if not self._reading:
                return
            done = self._hear()
            if done is not None:
                yield done

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.end()
            self._child = None

    def _running(self) -> BatchWorkerChild:
        if self._child is None:
            try:
                self._child = BatchWorkerChild(self._settings, self._folder, self._inbox)
            except OSError as error:
                raise EngineLostError(
                    f"the reading process cannot be started ({error.strerror})",
                    remedy="Free memory or processes; the same command then goes on.",
                ) from error
            self._heard = time.monotonic()
        return self._child

    def _hear(self) -> PageUnit | None:
        try:
            message = self._inbox.get(timeout=1.0)
        except queue.Empty:
            if self._child is not None and time.monotonic() - self._heard > HANG_SECONDS:
                _log.warning("the reading process hangs, and is started again")
                self._child.kill()
            return None
        self._heard = time.monotonic()
        if message is None:
            self._bury()
        elif "page" in message:
            self._on_page(bool(message["page"][2]))
        elif "done" in message:
            self._deaths = 0
            return self._reading.pop(message["done"], None)
        elif "failed" in message:
            raise _error_of(message["failed"])
        elif "started" in message:
            _log.info("pages are read by %s (%s)", *message["started"])
        return None

    def _bury(self) -> None:
        """Note that the process has ended: another one reads what it was reading."""
        how = "" if self._child is None else self._child.end()
        self._child = None
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise EngineLostError(
                f"the reading process {how}, {self._deaths} times without reading anything",
                remedy="Its messages stand above; the same command goes on where it stopped.",
            )
        _log.warning("the reading process %s; another one goes on", how)
        for unit in self._reading.values():
            self._running().read(unit)


def _error_of(values: dict[str, Any]) -> DeepSeekOCRError:
    kind = getattr(errors, str(values["type"]), EngineLostError)
    if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
        kind = EngineLostError
    return kind(
        values["problem"], source=values["source"], page=values["page"], remedy=values["remedy"]
    )
