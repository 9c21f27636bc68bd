"""What a model is asked for one page, and what it wrote: the same for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .ngrams import NoRepeat

if TYPE_CHECKING:
    # Views load numpy, which who only reads results does not need.
    from .views import PageViews

__all__ = ["End", "GeneratedPage", "PagePrompt"]


@dataclass(frozen=True, slots=True)
class PagePrompt:
    """What is asked for one page.

    Attributes:
        ids: The prompt's token ids, with a place for every token of the picture.
        views: The page's pixels.
        rule: Which repeats are forbidden.
        max_new_tokens: The most that may be written, at least 1.
        temperature: 0 takes the most probable token.
    """

    ids: Sequence[int]
    views: PageViews
    rule: NoRepeat
    max_new_tokens: int
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """Where and why a text ended.

    Attributes:
        tokens: New tokens that belong to the text.
        reason: The end token, the limit, a loop, or that nobody wants it any more.
    """

    tokens: int
    reason: Literal["stop", "length", "repetition", "cancelled"]


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """What was written for one page.

    Attributes:
        tokens: New token ids, the end token left out.
        logprobs: The model's natural log-probability of each, before any rule.
        end: Why it ended.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    end: End
