"""Ends ``dsocr`` cleanly and quickly on Ctrl-C, SIGTERM and SIGHUP: :func:`graceful_shutdown`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

__all__ = ["TerminatedBySignal", "graceful_shutdown"]

SHUTDOWN_SECONDS: Final = 4.0
"""Time to close what is open. A library busy in its own code does not notice a signal;
after this time the process exits anyway, and its child processes follow when their
pipes close."""


class TerminatedBySignal(KeyboardInterrupt):
    """A signal that ends the command, raised in the main thread.

    ``exit_code`` is 128 plus the signal's number, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def graceful_shutdown() -> Iterator[None]:
    """Raise :class:`TerminatedBySignal` at the first signal and ignore further ones.

    Leaves alone signals that the caller ignores or handles (``nohup``, background
    jobs), and all signals if this is not the main thread.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    ours = [number for number in numbers if before[number] in defaults]
    if threading.current_thread() is not threading.main_thread():
        ours = []

    ending = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if ending:
            return
        ending = True
        timeout = threading.Timer(SHUTDOWN_SECONDS, os._exit, (128 + number,))
        timeout.daemon = True
        with suppress(RuntimeError):  # no thread can be started
            timeout.start()
        raise TerminatedBySignal(number)

    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        # Our handler stays while the process ends, in case Ctrl-C is pressed again.
        if not ending:
            for number in ours:
                signal.signal(number, before[number])
