"""Collects the reply of Ollama's ``/api/generate`` for one page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...document.types import FinishReason
from ...errors import BackendReplyError
from ...model.loops.detector import Loop, RepetitionWatch
from ...model.prompts import END_TOKEN
from ...ollama_server import REPEAT_LIMIT
from ...text.excerpt import excerpt
from .completion_stream import LONGEST_TOKEN
from .hidden_tokens import hidden_tokens

if TYPE_CHECKING:
    import ollama

__all__ = ["PROMPT_TOKENS", "OllamaReply", "added_tokens"]

_REASONS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}

PROMPT_TOKENS: Final = {
    "<|grounding|>Convert the document to markdown.": 8,
    "<|grounding|>OCR this image.": 5,
    "Free OCR.": 3,
    "Parse the figure.": 4,
    "Describe this image in detail.": 6,
}
"""Tokens of the published prompts, without line ends."""

VIEW_TOKENS: Final = 16 * 17 + 1
"""Tokens of the whole page. Its tiles have h * 10 rows of w * 10 + 1, a multiple of ten."""


def added_tokens(prompt: str, counted: int | None) -> int | None:
    """Return how many line ends (0 to 2) are between the picture and a published prompt.

    ``counted`` is how many tokens Ollama counted, including the picture and the begin token. None
    if the count does not tell.
    """
    words = PROMPT_TOKENS.get(prompt.strip())
    if words is None or counted is None:
        return None
    added = (counted - VIEW_TOKENS - words - 1) % 10
    return added if added <= 2 else None


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    words: str


class OllamaReply:
    """A reply that is arriving; ``longest`` is the token limit that was requested."""

    def __init__(self, longest: int) -> None:
        self.finish_reason: FinishReason | None = None  # None while it goes on
        self.tokens: int | None = None  # as Ollama counted; None if it did not say
        self.prompt_tokens: int | None = None  # with the picture
        self._longest = longest
        self._pieces: list[str] = []
        self._characters = 0
        self._watch = RepetitionWatch()
        self._latest: deque[_Part] = deque(maxlen=REPEAT_LIMIT)
        self._by_ollama = False

    @property
    def text(self) -> str:
        """The text so far, without the end token."""
        return "".join(self._pieces).removesuffix(END_TOKEN)

    def add(self, part: ollama.GenerateResponse) -> bool:
        """Take one part; return True if the reply has ended or the rest is not needed."""
        text = part.response or ""
        if text or not part.done:
            self._latest.append(_Part(self._characters, text.strip()))
        if text:
            self._pieces.append(text)
            self._characters += len(text)
        if part.done:
            reason = part.done_reason or "stop"
            if reason not in _REASONS:
                raise BackendReplyError(f"Ollama ended the reply: {excerpt(reason)}")
            self.finish_reason = _REASONS[reason]
            self.tokens = part.eval_count
            self.prompt_tokens = part.prompt_eval_count
        elif text and self._watch.feed(text) is not None:
            # Leaving the reply makes Ollama stop generating.
            self.finish_reason = "repetition"
        elif len(self._pieces) > self._longest or self._characters > self._longest * LONGEST_TOKEN:
            self.finish_reason = "length"
        return self.finish_reason is not None

    def break_off(self) -> bool:
        """Note that the last part is missing; return whether Ollama's repeat limit explains it."""
        equal = {part.words for part in self._latest}
        if len(self._latest) == REPEAT_LIMIT and len(equal) == 1:
            self.finish_reason = "repetition"
            self._by_ollama = True
        return self._by_ollama

    @property
    def loops(self) -> tuple[Loop, ...] | None:
        """The loop at which Ollama ended the reply; None if it did not."""
        if not self._by_ollama:
            return None
        start, end = self._latest[1].start, self._characters
        return (Loop(start, end, "exact", (end - start) / (REPEAT_LIMIT - 1), REPEAT_LIMIT),)

    @property
    def hidden(self) -> int:
        """How many layout tokens Ollama withheld."""
        return hidden_tokens(
            self.text,
            self.tokens,
            len(self._pieces),
            ended=self.finish_reason == "stop",
            token_a_piece=True,
        )
