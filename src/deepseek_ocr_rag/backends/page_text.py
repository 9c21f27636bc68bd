"""Decodes the tokens of a page while they arrive, and finds the loops in its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.loops.detector import Loop, RepetitionWatch, find_loops
from ..model.page_prompt import GeneratedPage

if TYPE_CHECKING:
    from ..model.tokenizer import ModelTokenizer

__all__ = ["LoopWatch", "PageText"]


@dataclass(frozen=True, slots=True)
class PageText:
    """What a model wrote for a page."""

    written: GeneratedPage  # tokens
    text: str
    ends: tuple[int, ...]  # where each token ends in the text
    loops: tuple[Loop, ...]  # where the text repeats itself


class LoopWatch:
    """Detects whether a page that is being generated has started to repeat itself."""

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = tokenizer.stream()
        self._watch = RepetitionWatch()
        self._text = ""

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Take the next tokens; return True once the page repeats itself."""
        piece = "".join(map(self._stream.push, tokens))
        self._text += piece
        return self._watch.feed(piece) is not None

    def finish(self, written: GeneratedPage) -> PageText:
        """Decode the whole page, which may have more tokens than were seen; call this once."""
        text, ends = self._tokenizer.decode_with_ends(written.tokens, self._stream)
        loops = find_loops(text, self._watch if text.startswith(self._text) else None)
        return PageText(written, text, ends, loops)
