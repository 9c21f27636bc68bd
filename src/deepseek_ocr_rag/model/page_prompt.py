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
    """What is asked for one page."""

    ids: Sequence[int]  # with a place for every token of the picture
    views: PageViews
    rule: NoRepeat
    max_new_tokens: int  # at least 1
    temperature: float = 0.0  # 0 takes the most probable token


@dataclass(frozen=True, slots=True)
class End:
    """Where and why a text ended."""

    tokens: int  # new ones that belong to the text
    reason: Literal["stop", "length", "repetition", "cancelled"]


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """What was written for one page."""

    tokens: tuple[int, ...]  # new ones, the end token left out
    logprobs: tuple[float, ...]  # the model's natural log-probability of each, before any rule
    end: End
