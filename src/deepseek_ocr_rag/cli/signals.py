"""Ctrl-C and SIGTERM end ``dsocr`` in order and in time: :func:`orderly_end`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["TerminatedBySignal", "orderly_end"]

ORDERLY_SECONDS: Final = 4.0
"""For closing what is open. A library that is deep in its own code does not hear a
signal; after that time the process ends all the same, and so do its own when the
pipes to them close."""


class TerminatedBySignal(KeyboardInterrupt):
    """A signal that ends the command; raised wherever the main thread is.

    Attributes:
        exit_code: 128 and the signal's number, as shells count.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def orderly_end() -> Iterator[None]:
    """Raise :class:`TerminatedBySignal` at the first signal; more of them change nothing.

    A signal that the caller has set aside (``nohup``, background jobs) stays so.
    Outside of the main thread nothing is changed at all.
    """
    heard = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        heard.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in heard}
    usual = (signal.SIG_DFL, signal.default_int_handler)
    ours = [number for number in heard if before[number] in usual]
    if threading.current_thread() is not threading.main_thread():
        ours = []

    ending = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if ending:
            return
        ending = True
        late = threading.Timer(ORDERLY_SECONDS, os._exit, (128 + number,))
        late.daemon = True
        late.start()
        raise TerminatedBySignal(number)

    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        # Else until the process has ended: whoever pressed Ctrl-C may press it again.
        if not ending:
            for number in ours:
                signal.signal(number, before[number])
