"""An answer while it is written: its text piece by piece, then the whole of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator

from ..errors import ConfigurationError
from .answer import Answer

__all__ = ["AnswerStream"]


class AnswerStream:
    """The pieces of an answer's text, for ``for`` and for ``async for``; then :attr:`answer`.

    Closing it, or leaving its ``with`` block, ends the model's work.
    """

    def __init__(self, write: Callable[[AnswerStream], Generator[str]]) -> None:
        self._answer: Answer | None = None
        self._pieces = write(self)
        self._lock = threading.Lock()
        self._closed = False

    @property
    def answer(self) -> Answer:
        """The whole answer; what was not read yet is read first.

        Raises:
            ConfigurationError: If the stream was closed, or failed, before its end.
            LanguageModelError: If the model fails now.
        """
        for _ in self:
            pass
        if self._answer is None:
            raise ConfigurationError(
                "the answer was not read to its end", remedy="Ask again and read the whole stream."
            )
        return self._answer

    async def whole(self) -> Answer:
        """As :attr:`answer`, while other tasks run."""
        async for _ in self:
            pass
        return self.answer

    def finish(self, answer: Answer) -> None:
        """Called once, by whoever writes, after the last piece."""
        self._answer = answer

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self._next()
        if piece is None:
            raise StopIteration
        return piece

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            piece = await asyncio.to_thread(self._next)
        except asyncio.CancelledError:
            # The thread ends with the next piece, or at the model's timeout.
            self.close()
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> str | None:
        with self._lock:
            piece = None if self._closed else next(self._pieces, None)
            if self._closed:
                self._pieces.close()
            return piece

    def close(self) -> None:
        """End the work; nothing more comes."""
        self._closed = True
        # Where another thread is waiting for a piece, it closes what it waited for.
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
