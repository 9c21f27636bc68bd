"""Orders on their way to another process, sent by a thread of their own."""

from __future__ import annotations

import threading
from contextlib import suppress
from io import RawIOBase
from queue import SimpleQueue
from typing import Final

from ...concurrency.frames import Frame, StreamedFrame, send

__all__ = ["RequestSender"]

ROOMS: Final = 2
"""Pictures in memory: one that is sent, and the next, which is made ready meanwhile."""


class RequestSender:
    """Sends frames in their order. Thread-safe.

    A picture is sent in one go: between pieces, busy threads of this process would take
    their turns, 5 ms each. The memory for it is used again.

    Args:
        pipe: Where to. It is closed by the thread.

    Attributes:
        thread: Ends after :meth:`close`.
    """

    def __init__(self, pipe: RawIOBase) -> None:
        self._leaving: SimpleQueue[Frame | None] = SimpleQueue()
        # None for ever, once nothing is sent any more.
        self._rooms: SimpleQueue[bytearray | None] = SimpleQueue()
        for _ in range(ROOMS):
            self._rooms.put(bytearray())
        self.thread = threading.Thread(
            target=_send_all,
            args=(pipe, self._leaving, self._rooms),
            name="dsocr-engine-orders",
            daemon=True,
        )
        self.thread.start()

    def send(self, frame: Frame | StreamedFrame) -> None:
        """Have a frame sent; that of a picture may wait for the one before the last.

        What cannot be sent is dropped: that a process is gone is noticed by who reads from it.
        """
        if isinstance(frame, StreamedFrame):
            room = self._rooms.get()
            if room is None:
                self._rooms.put(None)
                return
            try:
                frame = _whole(frame, room)
            except BaseException:
                self._rooms.put(room)
                raise
        self._leaving.put(frame)

    def close(self) -> None:
        """End the thread and close the pipe, after what is on its way."""
        self._leaving.put(None)


def _whole(frame: StreamedFrame, room: bytearray) -> Frame:
    if len(room) < frame.length:
        room = bytearray(frame.length)
    filled = 0
    for piece in frame.pieces:
        room[filled : filled + len(piece)] = piece
        filled += len(piece)
    return Frame(frame.message, memoryview(room)[:filled])


def _send_all(
    pipe: RawIOBase,
    leaving: SimpleQueue[Frame | None],
    rooms: SimpleQueue[bytearray | None],
) -> None:
    while (frame := leaving.get()) is not None:
        with suppress(OSError):
            send(pipe, frame)
        if isinstance(frame.body, memoryview) and isinstance(frame.body.obj, bytearray):
            rooms.put(frame.body.obj)
    rooms.put(None)
    with suppress(OSError):
        pipe.close()
