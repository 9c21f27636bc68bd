"""Streams an answer while it is written: its text piece by piece, then the whole answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator, Iterator

from ..errors import ConfigurationError
from ..threads import in_thread
from .answer import Answer

__all__ = ["AnswerStream"]


class AnswerStream(Iterator[str], AsyncIterator[str]):
    """Iterates over the pieces of an answer's text (``for`` or ``async for``); then :attr:`answer`.

    Closing it, or leaving its ``with`` block, stops the model. If no thread can be
    started, ``async for`` raises :class:`BusyError`; no piece is lost, so the loop can go on later.

    Args:
        pieces: Yields the text and returns the answer.
    """

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._answer: Answer | None = None
        self._pieces = pieces
        self._lock = threading.Lock()
        self._closed = False

    @property
    def answer(self) -> Answer:
        """The whole answer; reads the rest of the stream first.

        Raises:
            ConfigurationError: If the stream was closed, or failed, before its end.
            LanguageModelError: If the model fails while the rest is read.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise ConfigurationError(
                "the answer was not read to its end", remedy="Ask again and read the whole stream."
            )
        return self._answer

    async def whole(self) -> Answer:
        """As :attr:`answer`, without blocking the event loop."""
        async for _ in self:
            pass
        return self.answer

    def __next__(self) -> str:
        piece = self._next()
        if piece is None:
            raise StopIteration
        return piece

    async def __anext__(self) -> str:
        try:
            piece = await in_thread(self._next)
        except asyncio.CancelledError:
            # The thread ends with the next piece, or at the model's timeout.
            self.close()
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> str | None:
        with self._lock:
            piece = None
            if not self._closed:
                try:
                    piece = next(self._pieces)
                except StopIteration as end:
                    self._answer = end.value or self._answer
            if self._closed:
                self._pieces.close()
            return piece

    def close(self) -> None:
        """Stop the work; no more pieces come."""
        self._closed = True
        # A thread that is waiting for a piece closes the generator itself.
        if self._lock.acquire(blocking=False):
            try:
                self._pieces.close()
            finally:
                self._lock.release()

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> AnswerStream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()
