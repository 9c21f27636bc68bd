"""The text of a page while its tokens come, and the loops in it."""

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
    """What a model wrote for a page.

    Attributes:
        written: Its tokens.
        text: Their text.
        ends: For every token the length of the text up to and with it.
        loops: Where the text repeats itself.
    """

    written: GeneratedPage
    text: str
    ends: tuple[int, ...]
    loops: tuple[Loop, ...]


class LoopWatch:
    """Says of a page that is being written whether it has begun to repeat itself.

    Args:
        tokenizer: Of the model.
    """

    def __init__(self, tokenizer: ModelTokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = tokenizer.stream()
        self._watch = RepetitionWatch()
        self._text = ""

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Take the next tokens; True once the page repeats itself."""
        piece = "".join(map(self._stream.push, tokens))
        self._text += piece
        return self._watch.feed(piece) is not None

    def finish(self, written: GeneratedPage) -> PageText:
        """The text of the whole page, which may end behind the tokens that were taken.

        May be asked once.
        """
        text, ends = self._tokenizer.decode_with_ends(written.tokens, self._stream)
        loops = find_loops(text, self._watch if text.startswith(self._text) else None)
        return PageText(written, text, ends, loops)
