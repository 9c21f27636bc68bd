"""Notices when a model repeats itself: equal parts of a reply, equal sentences."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from ..ollama_server import REPEAT_LIMIT

__all__ = ["MOST_EQUAL", "EqualParts", "SentenceCounter"]

MOST_EQUAL: Final = 3
"""A model that has written this many equal sentences will not stop repeating itself."""

_BEFORE: Final = " *_#>•\"'“‘«(["
_BEHIND: Final = " *_\"'”’»)].!?…:;,。！？｡；，、"


class EqualParts:
    """Counts how many of a reply's last parts are equal."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=REPEAT_LIMIT)

    def add(self, part: str) -> bool:
        """Take the next part, which may be white space; return whether it equals the one before."""
        text = part.strip()
        is_equal = bool(self._last) and self._last[-1] == text
        self._last.append(text)
        return is_equal

    @property
    def reached_limit(self) -> bool:
        """Whether there are as many equal parts as make Ollama stop a reply."""
        return len(self._last) == REPEAT_LIMIT and len(set(self._last)) == 1


class SentenceCounter:
    """Counts equal sentences. Case, white space, emphasis and end marks make no difference."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.longest = 0  # beginnings that can still become equal

    def add(self, sentence: str) -> int:
        """Count a complete sentence; return how often it has come so far, 1 for a new one."""
        form = _form(sentence)
        self._counts[form] += 1
        # White space and emphasis do not count, but no reply has more of them than text.
        self.longest = max(self.longest, 2 * len(sentence) + 64)
        return self._counts[form]

    def count(self, sentence: str) -> int:
        """How often an equal sentence has come."""
        return self._counts[_form(sentence)]

    def may_repeat(self, beginning: str) -> bool:
        """Whether a sentence that begins like this may become equal to an earlier one."""
        if len(beginning) > self.longest:
            return False
        form = _form(beginning)
        return any(known.startswith(form) for known in self._counts)


def _form(sentence: str) -> str:
    return " ".join(sentence.casefold().split()).lstrip(_BEFORE).rstrip(_BEHIND)
