"""Orders on their way to another process, sent by a thread of their own."""

from __future__ import annotations

import threading
from contextlib import suppress
from io import RawIOBase
from queue import SimpleQueue
from typing import Final

from ..isolation.frames import Frame, send

__all__ = ["OrderSender"]

PICTURES: Final = 2
"""On their way: one that is sent, and the next."""


class OrderSender:
    """Sends frames in their order. Thread-safe.

    Args:
        pipe: Where to. It is closed by the thread.

    Attributes:
        thread: Ends after :meth:`close`.
    """

    def __init__(self, pipe: RawIOBase) -> None:
        self._leaving: SimpleQueue[Frame | None] = SimpleQueue()
        self._room = threading.Semaphore(PICTURES)
        self._over = threading.Event()
        self.thread = threading.Thread(
            target=_send_all,
            args=(pipe, self._leaving, self._room, self._over),
            name="dsocr-engine-orders",
            daemon=True,
        )
        self.thread.start()

    def send(self, frame: Frame) -> None:
        """Have a frame sent; that of a picture may wait for the one before the last.

        What cannot be sent is dropped: that a process is gone is noticed by who reads from it.
        """
        if frame.body:
            self._room.acquire()
        if self._over.is_set():
            # Whoever waits behind us need not wait either.
            self._room.release()
        else:
            self._leaving.put(frame)

    def close(self) -> None:
        """End the thread and close the pipe, after what is on its way."""
        self._leaving.put(None)


def _send_all(
    pipe: RawIOBase,
    leaving: SimpleQueue[Frame | None],
    room: threading.Semaphore,
    over: threading.Event,
) -> None:
    while (frame := leaving.get()) is not None:
        with suppress(OSError):
            send(pipe, frame)
        if frame.body:
            room.release()
    over.set()
    room.release()
    with suppress(OSError):
        pipe.close()
