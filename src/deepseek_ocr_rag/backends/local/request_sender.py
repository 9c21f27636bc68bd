"""Sends requests to another process from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase
from queue import SimpleQueue
from typing import Final

from ...concurrency.frames import Frame, StreamedFrame, send

__all__ = ["RequestSender"]

BUFFERS: Final = 2
"""Pictures in memory: the one that is being sent, and the next, which is prepared meanwhile."""


_Queued = tuple[Frame, bytearray | None]
"""A frame, and the buffer to be put back when it is sent, if it is a picture."""


class RequestSender:
    """Sends frames in the order in which they were given, and closes the pipe. Thread-safe.

    A picture is sent in one go: after each piece, busy threads of this process could take a turn
    of 5 ms. The memory for a picture that comes in pieces is reused. The thread ends after
    :meth:`close`.

    ``on_room`` is called in that thread when another picture can be sent without waiting.
    """

    def __init__(self, pipe: RawIOBase, on_room: Callable[[], object] = lambda: None) -> None:
        self._queue: SimpleQueue[_Queued | None] = SimpleQueue()
        # Holds a single None once the thread has ended.
        self._buffers: SimpleQueue[bytearray | None] = SimpleQueue()
        for _ in range(BUFFERS):
            self._buffers.put(bytearray())
        self.thread = threading.Thread(
            target=_send_all,
            args=(pipe, self._queue, self._buffers, on_room),
            name="dsocr-engine-requests",
            daemon=True,
        )
        self.thread.start()

    @property
    def has_room(self) -> bool:
        """Whether a picture would be sent without waiting for others."""
        return not self._buffers.empty()

    def send(self, frame: Frame | StreamedFrame) -> None:
        """Queue a frame; a picture waits while two others are on their way.

        A frame that cannot be sent is dropped: the reader of the process's replies notices that it
        is gone.
        """
        if isinstance(frame, Frame) and not frame.body:
            self._queue.put((frame, None))
            return
        buffer = self._buffers.get()
        if buffer is None:
            self._buffers.put(None)
            return
        try:
            whole, buffer = _collected(frame, buffer)
        except BaseException:
            self._buffers.put(buffer)
            raise
        self._queue.put((whole, buffer))

    def close(self) -> None:
        """Send what is queued, then close the pipe and end the thread."""
        self._queue.put(None)


def _collected(frame: Frame | StreamedFrame, buffer: bytearray) -> tuple[Frame, bytearray]:
    """Return the frame in one piece, and the buffer that may be used again once it is sent."""
    if isinstance(frame, Frame):
        return frame, buffer
    if len(buffer) < frame.length:
        buffer = bytearray(frame.length)
    filled = 0
    for piece in frame.pieces:
        buffer[filled : filled + len(piece)] = piece
        filled += len(piece)
    return Frame(frame.message, memoryview(buffer)[:filled]), buffer


def _send_all(
    pipe: RawIOBase,
    queue: SimpleQueue[_Queued | None],
    buffers: SimpleQueue[bytearray | None],
    on_room: Callable[[], object],
) -> None:
    while (queued := queue.get()) is not None:
        frame, buffer = queued
        with suppress(OSError):
            send(pipe, frame)
        del queued, frame  # the pixels of a page
        if buffer is not None:
            buffers.put(buffer)
            on_room()
    buffers.put(None)
    with suppress(OSError):
        pipe.close()
