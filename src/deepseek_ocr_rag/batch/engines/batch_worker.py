"""The process that reads units for ``--engine local``.

Frames (:mod:`deepseek_ocr_rag.concurrency.frames`) without bodies::

    {"settings": {...}, "folder": "/out"}  -> {"started": [backend, model]}
                                              or {"failed": {...}}
    {"unit": {...}}                        -> {"pages": read, "errors": {class: failed}}, a few
                                              times a second
                                              {"done": file name}
                                              or {"failed": {...}, "unit": file name}: the
                                              backend cannot read

Rows do not pass through the pipe: this process stores them. It ends when its standard input closes.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import Any, Final

from ...concurrency.frames import Frame, receive, send, take_pipes
from ...errors import BrokenFrameError, DeepSeekOCRError
from ...text.visible import visible_line
from ..batch_settings import BatchSettings
from ..page_reader import PageReader
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from ..stored_pages import PageRow
from .unit_runner import UnitRunner

__all__ = ["main"]

TELL_SECONDS: Final = 0.25
"""Seconds between two messages about pages: a message for each would take 2 % of a page of text."""


def main() -> None:
    """Serve until the owner closes the pipe or ends."""
    # Ctrl-C is for the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = take_pipes()
    given = receive(requests, longest=0).message
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    put = _Answers(answers).put
    settings = BatchSettings.from_dict(given["settings"])

    counts = _PageCounts(put)
    try:
        reader = PageReader(settings, on_page=counts.add)
        runner = UnitRunner(reader, RunFolder(given["folder"]))
        put({"started": reader.names})
    except DeepSeekOCRError as error:
        put({"failed": _error_values(error)})
        return

    def run(unit: PageUnit) -> None:
        try:
            runner.run(unit)
            counts.tell()
            put({"done": unit.file_name})
        except DeepSeekOCRError as error:
            put({"failed": _error_values(error), "unit": unit.file_name})
        except BaseException:
            logging.exception("%s", visible_line(unit.name))
            os._exit(1)

    with ThreadPoolExecutor(settings.units_together, thread_name_prefix="dsocr-unit") as pool:
        while True:
            try:
                unit = PageUnit(**receive(requests, longest=0).message["unit"])
            except (BrokenFrameError, OSError):
                # The owner is gone, so do not wait for the threads.
                os._exit(0)
            pool.submit(run, unit)


class _Answers:
    """Sends the frames of several threads, one at a time."""

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def put(self, message: dict[str, Any]) -> None:
        """Send a frame; end the process if its owner is gone."""
        try:
            with self._lock:
                send(self._pipe, Frame(message))
        except OSError:
            os._exit(0)


class _PageCounts:
    """Reports how many pages were read and how many failed, several at a time. Thread-safe."""

    def __init__(self, put: Callable[[dict[str, Any]], object]) -> None:
        self._put = put
        self._lock = threading.Lock()
        self._read = 0
        self._errors: Counter[str] = Counter()
        self._told = 0.0

    def add(self, row: PageRow) -> None:
        """Count a page."""
        with self._lock:
            self._read += row.ok
            if not row.ok:
                self._errors[row.error_kind] += 1
            waiting = time.monotonic() - self._told < TELL_SECONDS
        if not waiting:
            self.tell()

    def tell(self) -> None:
        """Report the pages counted since the last report."""
        with self._lock:
            read, errors = self._read, dict(self._errors)
            self._read = 0
            self._errors.clear()
            self._told = time.monotonic()
        if read or errors:
            self._put({"pages": read, "errors": errors})


def _error_values(error: DeepSeekOCRError) -> dict[str, Any]:
    values = {name: getattr(error, name) for name in ("problem", "source", "page", "remedy")}
    return {"type": type(error).__name__, **values}


if __name__ == "__main__":
    main()
