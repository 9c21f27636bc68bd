"""The process that reads: it receives documents and sends their pages.

It is a separate process, so that a broken GPU context, or a library that crashes or hangs, does
not take other jobs down: the service ends this process and starts another. Requests and
answers are frames (:mod:`deepseek_ocr_rag.concurrency.frames`)::

    {"backend": "auto", "renderer": ..., ...}      -> {"started": {"backend": ..., "model": ...}}
                                                   or {"not_started": {"type": ...}}
    {"do": "read", "job": 7, "path": ..., ...}     -> {"job": 7, "opened": [pages to read, of all]}
                                                      {"job": 7, "reading": [2, 3]}
                                                      {"job": 7, "page": 1, ...} + the page's JSON
                                                      {"job": 7, "end": "done"}
    {"do": "pause", "job": 7}   ends after the page that is being sent
    {"do": "cancel", "job": 7}  ends at once

``job`` is a number that is used once. An ``end`` is "done", "stopped", or "failed" with an
``error``. The process ends when its standard input does.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from io import FileIO
from typing import Any

from ...concurrency.frames import Frame, receive, send, take_pipes
from ...errors import BrokenFrameError, DeepSeekOCRError
from ...text.visible import visible_line
from .document_reading import DocumentReading, Readers
from .frame_values import error_values

__all__ = ["main"]

_log = logging.getLogger("deepseek_ocr_rag")


class VisibleLines(logging.Formatter):
    """Formats a record as one line without characters that a terminal obeys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return visible_line(super().format(record))


def main() -> None:
    """Serve until the owner closes the pipe or ends."""
    # Ctrl-C is for the parent, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = take_pipes()
    settings = receive(requests, longest=0).message
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleLines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    _log.setLevel(settings["log_level"])
    outbox = _Outbox(answers)
    try:
        readers = Readers(settings)
        started = readers.start()
    except DeepSeekOCRError as error:
        outbox.put({"not_started": error_values(error)})
        return
    outbox.put({"started": started})
    _serve(requests, readers, outbox.put)


class _Outbox:
    """Sends frames of several threads, one at a time."""

    def __init__(self, answers: FileIO) -> None:
        self._answers = answers
        self._lock = threading.Lock()

    def put(self, message: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame; end the process if its owner is gone."""
        try:
            with self._lock:
                send(self._answers, Frame(message, body))
        except OSError:
            os._exit(0)


def _serve(requests: FileIO, readers: Readers, put: Callable[..., None]) -> None:
    readings: dict[int, DocumentReading] = {}
    while True:
        try:
            request = receive(requests, longest=0).message
        except (BrokenFrameError, OSError):
            # The owner is gone, so do not wait for the threads.
            os._exit(0)
        job = request["job"]
        if request["do"] == "read":
            # Ended readings are dropped here, where no other thread looks at them.
            readings = {key: each for key, each in readings.items() if each.alive}
            readings[job] = DocumentReading(readers, request, put)
        elif job in readings:
            readings[job].stop(now=request["do"] == "cancel")


if __name__ == "__main__":
    main()
