"""Owns the reading process on the service's side: :class:`ReadingChild`."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ...concurrency.child_process import (
    ChildProcess,
    describe_exit,
    finalize_in_owner,
    module_command,
    python_path,
)
from ...concurrency.frames import Frame, receive, send
from ...errors import BrokenFrameError
from ..service_limits import ReaderSettings
from .frame_values import settings_values

__all__ = ["ReadingChild"]

LONGEST_PAGE: Final = 64 * 2**20
"""Bytes of a page's JSON."""

STANDARD_ERROR: Final = 2

JOIN_SECONDS: Final = 5.0

_log = logging.getLogger("deepseek_ocr_rag")


class ReadingChild:
    """A running :mod:`.reading_process`.

    It ends with :meth:`end`, when this process exits, and by itself if this process is killed.
    Its log goes to this process's standard error.

    Args:
        settings: How to read.
        on_frame: Called with each frame, in a thread of this object; with None at the end.

    Raises:
        OSError: If no process can be started.
    """

    def __init__(
        self, settings: ReaderSettings, on_frame: Callable[[ReadingChild, Frame | None], object]
    ) -> None:
        self.lease = secrets.token_hex(8)
        self.begun = time.monotonic()
        level = _log.getEffectiveLevel()
        self._process = ChildProcess(
            module_command(f"{__package__}.reading_process"),
            {**os.environ, "PYTHONPATH": python_path()},
            stderr=STANDARD_ERROR,
        )
        self._on_frame = on_frame
        self._sending = threading.Lock()
        self._finalizer = finalize_in_owner(self, self._process.end)
        with suppress(OSError):  # the receiving thread notices
            send(self._process.stdin, Frame(settings_values(settings, level)))
        self._receiver = threading.Thread(
            target=self._receive, name="dsocr-reading-process", daemon=True
        )
        self._receiver.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def request(self, message: dict[str, Any]) -> None:
        """Send a request; does nothing if the process is gone, which ``on_frame`` reports."""
        with suppress(OSError), self._sending:
            send(self._process.stdin, Frame(message))

    def end(self, after: float = 0.0) -> None:
        """Close its input, give it this many seconds to end, and then kill it."""
        with suppress(OSError):
            self._process.stdin.close()
        self._finalizer.detach()
        self._process.end(after=after)
        self._receiver.join(JOIN_SECONDS)

    def kill(self) -> None:
        """Kill it without waiting; the receiving thread reports its end."""
        self._process.kill()

    def describe_end(self) -> str:
        """How it ended, in words."""
        code = self._process.wait(1.0)
        return "closed its output" if code is None else describe_exit(code)

    def _receive(self) -> None:
        try:
            while True:
                self._on_frame(self, receive(self._process.stdout, longest=LONGEST_PAGE))
        except (OSError, BrokenFrameError, ValueError):
            pass
        with self._sending:
            self._process.close_pipes()
        self._on_frame(self, None)
