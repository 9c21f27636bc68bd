"""The forms of a page selection, for the API, the command line and the agents' tools alike."""

from __future__ import annotations

from typing import Final

__all__ = ["ACCEPTED", "REFUSED"]

ACCEPTED: Final[tuple[tuple[str, tuple[int, ...]], ...]] = (
    ("2", (2,)),
    ("1-2", (1, 2)),
    ("1-2,3", (1, 2, 3)),
    ("3,1", (1, 3)),
    (" 1 - 2 , 3 ", (1, 2, 3)),
    ("2-", (2, 3)),
)
"""Each with the pages that it names of three."""

REFUSED: Final = (
    *("-1", "-2", " -1 ", "- 1", "2,-1", "-1,2", "--1", "-", "-0", "0", "0-1"),
    *("last", "first", "9" * 40, "1.5", "2-1", "1-2-3", "x", "-1-"),
)
"""What is refused everywhere: "-1" would be the first page for some and the last for others."""
