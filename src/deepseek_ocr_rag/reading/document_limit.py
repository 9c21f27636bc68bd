"""Limits how many documents one reader has open at the same time: :class:`DocumentLimit`."""

from __future__ import annotations

import threading
from typing import Final

from ..errors import BusyError, ConfigurationError

__all__ = ["MOST_DOCUMENTS", "DocumentLimit"]

MOST_DOCUMENTS: Final = 128
"""An open document costs a few threads and an open file."""


class DocumentLimit:
    """Admits a number of documents, and refuses more at once instead of queueing them.

    Args:
        most: How many.

    Raises:
        ConfigurationError: If ``most`` is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ConfigurationError(
                f"most_documents={most} is too small", remedy="Give 1 or more."
            )
        self._most = most
        self._free = threading.BoundedSemaphore(most)

    def enter(self) -> None:
        """Admit a document; call :meth:`leave` when it is closed.

        Raises:
            BusyError: If the limit is reached.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(
                f"the reader already has {self._most} documents open",
                remedy="Try again in a moment, or raise most_documents.",
            )

    def leave(self) -> None:
        """Make room for another document."""
        self._free.release()
