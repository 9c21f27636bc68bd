"""A page's prompt and its generated tokens, in the same form for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .ngrams import NoRepeat

if TYPE_CHECKING:
    # Views import numpy, which reading results does not need.
    from .views import PageViews

__all__ = ["End", "GeneratedPage", "PagePrompt"]


@dataclass(frozen=True, slots=True)
class PagePrompt:
    """The request for one page.

    Attributes:
        ids: The prompt's token ids, with one ``<image>`` token for each picture token.
        views: The page's pixels.
        rule: The no-repeat rule.
        max_new_tokens: Most tokens to generate, at least 1.
        temperature: 0 takes the most probable token.
    """

    ids: Sequence[int]
    views: PageViews
    rule: NoRepeat
    max_new_tokens: int
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """Where and why generation ended.

    Attributes:
        tokens: Number of generated tokens.
        reason: The end token, the limit, a loop, or cancellation.
    """

    tokens: int
    reason: Literal["stop", "length", "repetition", "cancelled"]


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """The generated tokens of one page.

    Attributes:
        tokens: Token ids without the end token.
        logprobs: Natural log-probability of each token, before any rule.
        end: Where and why generation ended.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    end: End
