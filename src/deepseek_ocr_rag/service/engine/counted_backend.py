"""Counts the tokens that a backend writes, and its GPU memory: :class:`CountedBackend`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from ...backends.base import Backend, PageRequest, Reply

__all__ = ["CountedBackend"]


class CountedBackend:
    """Wraps a backend and counts the tokens of its replies.

    Args:
        backend: The backend that reads.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._tokens: int | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other one has
        return getattr(self._backend, name)

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages as they come; see :class:`~deepseek_ocr_rag.backends.base.Backend`."""
        replies = self._backend.read(requests)
        try:
            for reply in replies:
                if reply.tokens is not None:
                    with self._lock:
                        self._tokens = (self._tokens or 0) + reply.tokens
                yield reply
        finally:
            if callable(close := getattr(replies, "close", None)):
                close()

    def take_tokens(self) -> int | None:
        """Tokens since the last call; None if the backend has not counted any."""
        with self._lock:
            tokens, self._tokens = self._tokens, None
            return tokens

    @property
    def gpu_memory(self) -> int | None:
        """Bytes that it has taken on GPUs; None without a GPU, or if it does not say."""
        known: int | None = getattr(self._backend, "gpu_memory", None)
        if known is not None:
            return known
        # Only a backend that computes in this process has imported torch; do not import it just for
        # this.
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        if cuda is None or not cuda.is_initialized():
            return None
        return sum(int(cuda.memory_reserved(index)) for index in range(cuda.device_count()))
