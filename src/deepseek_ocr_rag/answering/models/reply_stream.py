"""The part that the streamed replies of all servers share: :class:`ReplyStream`."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from ..language_model import ReplyEnd
from .thoughts import ThoughtSplitter

__all__ = ["ReplyStream"]


class ReplyStream(Iterator[str]):
    """Iterates over the pieces of a reply. Closing it ends the request.

    ``thinking`` has what the model thinks. If it thinks although it was told not to, it is asked
    once more, with room for its thoughts. ``warnings`` and ``finish_reason`` are final when the
    iterator is exhausted.

    Args:
        pieces: The pieces, as a subclass reads them.
    """

    def __init__(self, pieces: Generator[str]) -> None:
        self.warnings: tuple[str, ...] = ()
        self.finish_reason: ReplyEnd = "broken off"
        self._thoughts: list[str] = []
        self._splitter = ThoughtSplitter()
        self._pieces = pieces

    @property
    def thinking(self) -> str:
        """What the model thought so far."""
        texts = ("".join(self._thoughts).strip(), self._splitter.thinking)
        return "\n".join(filter(None, texts))

    @property
    def _thinks(self) -> bool:
        return self._splitter.is_thinking or any(map(str.strip, self._thoughts[:8]))

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """End the request, so that the server stops writing."""
        self._pieces.close()
