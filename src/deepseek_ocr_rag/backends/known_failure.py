"""A failure that users have reported: :class:`KnownFailure`."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["KnownFailure"]


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that has been reported before.

    Attributes:
        name: Short name.
        patterns: Regular expressions, case-insensitive; at least one matches the error.
        meaning: What happened, in a sentence.
        cure: What to do, in whole sentences.
        backends: The backends in which it happens.
        source: URL of a report, or of the program's documentation or code.
    """

    name: str
    patterns: tuple[str, ...]
    meaning: str
    cure: str
    backends: tuple[str, ...]
    source: str

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON values, without the patterns."""
        return {
            "name": self.name,
            "meaning": self.meaning,
            "cure": self.cure,
            "backends": list(self.backends),
            "source": self.source,
        }

    def explains(self, text: str) -> bool:
        """Return whether the text of an error or a log shows this failure."""
        return any(re.search(pattern, text, re.IGNORECASE) for pattern in self.patterns)
