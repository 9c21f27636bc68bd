"""Calls functions when a job has changed: :class:`Listeners`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

__all__ = ["Listeners"]

_log = logging.getLogger("deepseek_ocr_rag")


class Listeners:
    """Functions to call with the ids of changed jobs. Threads may share one."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[[str], object], ...] = ()
        self._lock = threading.Lock()

    def add(self, listener: Callable[[str], object]) -> None:
        """Call a function from now on."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def remove(self, listener: Callable[[str], object]) -> None:
        """Stop calling a function."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def tell(self, job_ids: Iterable[str]) -> None:
        """Call all of them with each id."""
        for job_id in job_ids:
            for listener in self._listeners:
                try:
                    listener(job_id)
                except Exception:  # noqa: BLE001 - logged
                    # A listener that fails must not stop the others, or the queue.
                    _log.exception("a listener of the queue failed")
