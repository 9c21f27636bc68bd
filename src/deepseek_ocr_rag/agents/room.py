"""Tracks how much room a reply has left, in characters and, if the context is known, in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError
from ..text.token_count import estimate_tokens

__all__ = ["ReplySize", "Room"]

SMALLEST_REPLY: Final = 1000
"""Fewest characters of a reply; a shorter one would have hardly any room for text."""

FIRST_LINE: Final = 320
"""Characters of the longest first line without a note."""

FRAME_CHARS: Final = 600
"""Characters kept free for the first line, the last line and their line ends."""

FRAME_TOKENS: Final = 150
"""Tokens kept free for the last line; the first line's tokens are counted."""

SMALLEST_CONTEXT: Final = 2048
"""Fewest tokens of context; in a smaller one, the tools' descriptions leave no room for a reply."""

SHARE: Final = 4
"""A reply takes at most the context divided by this. Question, earlier replies and the model's own
words need the rest, and the question would be dropped first."""


@dataclass(frozen=True, slots=True)
class ReplySize:
    """The longest reply.

    Attributes:
        chars: Its length in characters.
        tokens: Its length in tokens, by an upper estimate; None if the model's context is unknown.
    """

    chars: int
    tokens: int | None = None

    @classmethod
    def of(cls, max_chars: int, context_length: int | None) -> ReplySize:
        """The size for a model with this many tokens of context; a ConfigurationError if too few."""
        if max_chars < SMALLEST_REPLY:
            raise ConfigurationError(
                f"max_chars={max_chars} is too small", remedy=f"Give {SMALLEST_REPLY} or more."
            )
        if context_length is None:
            return cls(max_chars)
        if context_length < SMALLEST_CONTEXT:
            raise ConfigurationError(
                f"a context of {context_length} tokens has no room for documents",
                remedy=f"Give the model {SMALLEST_CONTEXT} tokens or more, with num_ctx in Ollama.",
            )
        return cls(max_chars, context_length // SHARE)

    def room(self, first: str) -> Room:
        """The room for text beside this first line and a last line."""
        tokens = self.tokens
        if tokens is not None:
            tokens -= FRAME_TOKENS + estimate_tokens(first)
        return Room(self.chars - FRAME_CHARS - max(0, len(first) - FIRST_LINE), tokens)

    def cut(self, text: str) -> str:
        """The beginning of a text that is a reply of its own, with "…" where it is cut."""
        end = Room(self.chars, self.tokens).prefix(text)
        return text if end == len(text) else f"{text[: max(0, end - 1)]}…"


@dataclass(slots=True)
class Room:
    """The room left in a reply; texts take their share of it."""

    chars: int
    tokens: int | None

    def fits(self, text: str) -> bool:
        """Whether a text and the line ends around it fit."""
        if len(text) + 2 > self.chars:
            return False
        return self.tokens is None or estimate_tokens(text) + 2 <= self.tokens

    def take(self, text: str) -> None:
        """Use the room for a text."""
        self.chars -= len(text) + 2
        if self.tokens is not None:
            self.tokens -= estimate_tokens(text) + 2

    def prefix(self, text: str) -> int:
        """How many of a text's first characters fit."""
        end = max(0, min(len(text), self.chars))
        if self.tokens is None or estimate_tokens(text[:end]) <= self.tokens:
            return end
        low, high = 0, end
        while low < high:
            middle = (low + high + 1) // 2
            if estimate_tokens(text[:middle]) <= self.tokens:
                low = middle
            else:
                high = middle - 1
        return low
