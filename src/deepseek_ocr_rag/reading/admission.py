"""How many documents one reader takes on at the same time: :class:`DocumentLimit`."""

from __future__ import annotations

import threading
from typing import Final

from ..errors import BusyError, ConfigurationError

__all__ = ["MOST_DOCUMENTS", "DocumentLimit"]

MOST_DOCUMENTS: Final = 128
"""A call that waits for its turn costs a few threads and an open file."""


class DocumentLimit:
    """Lets in a number of documents, and refuses more at once instead of letting them wait.

    Args:
        most: How many.

    Raises:
        ConfigurationError: If that is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ConfigurationError(
                f"most_documents={most} is too small", remedy="Give 1 or more."
            )
        self._most = most
        self._free = threading.BoundedSemaphore(most)

    def enter(self) -> None:
        """Let one in, who must :meth:`leave`.

        Raises:
            BusyError: If there is no place.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(
                f"the reader is busy with {self._most} documents",
                remedy="Try again in a moment.",
            )

    def leave(self) -> None:
        """Free a place."""
        self._free.release()
