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
    """The request for one page."""

    ids: Sequence[int]  # of the prompt, with one ``<image>`` token for each picture token
    views: PageViews
    rule: NoRepeat
    max_new_tokens: int  # at least 1
    temperature: float = 0.0  # 0 takes the most probable token


@dataclass(frozen=True, slots=True)
class End:
    """Where and why generation ended."""

    tokens: int  # number of generated ones
    reason: Literal["stop", "length", "repetition", "cancelled"]


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """The generated tokens of one page."""

    tokens: tuple[int, ...]  # ids without the end token
    logprobs: tuple[float, ...]  # natural logarithms, before any rule
    end: End
