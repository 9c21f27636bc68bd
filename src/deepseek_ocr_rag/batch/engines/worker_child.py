"""Owns the process that reads units: :class:`BatchWorkerChild`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from ...backends.local.devices import DEVICES
from ...concurrency.child_process import (
    ChildProcess,
    describe_exit,
    finalize_in_owner,
    module_command,
    python_path,
)
from ...concurrency.frames import Frame, receive, send
from ...errors import BrokenFrameError
from ..batch_settings import BatchSettings
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder

__all__ = ["BatchWorkerChild"]

STANDARD_ERROR: Final = 2


class BatchWorkerChild:
    """A running :mod:`.batch_worker`. It ends by itself if this process is killed.

    Args:
        settings: How to read.
        folder: The folder of the run.
        put: Called with each message of the process, and with None when it ends.
        device: The card that it uses; None for the one that the environment names.
    """

    def __init__(
        self,
        settings: BatchSettings,
        folder: RunFolder,
        put: Callable[[dict[str, Any] | None], object],
        device: str | None = None,
    ) -> None:
        self._told = put
        named = {} if device is None else {DEVICES: device}
        self._process = ChildProcess(
            module_command(f"{__package__}.batch_worker"),
            {**os.environ, **named, "PYTHONPATH": python_path()},
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
        """Ask for a unit to be read; does nothing if the process is gone, which ``put`` reports."""
        self._put({"unit": asdict(unit)})

    def kill(self) -> None:
        """Kill it; ``put`` reports its end."""
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
                self._told(receive(self._process.stdout, longest=0).message)
        except (OSError, BrokenFrameError, ValueError):
            pass
        self._told(None)
