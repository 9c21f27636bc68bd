"""Ends ``dsocr`` cleanly and quickly on Ctrl-C, SIGTERM and SIGHUP: :func:`graceful_shutdown`."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

__all__ = ["TerminatedBySignal", "graceful_shutdown"]

SHUTDOWN_SECONDS: Final = 4.0
"""Time to close what is open. A library busy in its own code does not notice a signal;
after this time the process exits anyway, and its child processes follow when their
pipes close."""

REPEAT_SECONDS: Final = 0.1
"""Time between two signals to a main thread that has not noticed the first."""


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
    if threading.current_thread() is not threading.main_thread() or not ours:
        yield
        return

    watch = _SignalWatch()
    for number in ours:
        signal.signal(number, watch.end)
    try:
        yield
    finally:
        # Our handler stays while the process ends, in case Ctrl-C is pressed again.
        if not watch.ending:
            for number in ours:
                signal.signal(number, before[number])
            watch.close()


class _SignalWatch:
    """Raises a signal in the main thread, and ends the process if that takes too long.

    Python runs a handler only when the main thread runs Python code again. A signal that comes just
    before the main thread begins to wait for a lock does not wake it, and it might wait for ever. So
    a helper thread, which the C part of Python notifies of each signal, sends the signal again.
    """

    def __init__(self) -> None:
        self.ending = False
        self._main = threading.get_ident()
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)
        self._before = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=self._watch, name="dsocr-signals", daemon=True).start()

    def end(self, number: int, frame: FrameType | None) -> None:
        """Raise the first signal."""
        if self.ending:
            return
        self.ending = True
        # The main thread may hold any lock here, so this takes none. An event loop of asyncio
        # may have taken our place at the C part.
        with suppress(OSError):
            self._told.send(bytes([number]))
        raise TerminatedBySignal(number)

    def close(self) -> None:
        signal.set_wakeup_fd(self._before)
        self._told.close()

    def _watch(self) -> None:
        number = self._first()
        if number is None:
            self._heard.close()
            return
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if not self.ending and hasattr(signal, "pthread_kill"):
                signal.pthread_kill(self._main, number)
            time.sleep(min(left, REPEAT_SECONDS))
        os._exit(128 + number)

    def _first(self) -> int | None:
        """The first signal that is ours; None when the command has ended without one."""
        while received := self._heard.recv(1):
            # Other code, such as the service, may handle signals for a while.
            if signal.getsignal(received[0]) == self.end:
                return received[0]
        return None
