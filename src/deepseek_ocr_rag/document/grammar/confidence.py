"""How sure the model was: token log-probabilities become the confidence of blocks and pages.

The confidence of a text of n tokens is the geometric mean of their probabilities,
``exp((l_1 + ... + l_n) / n)`` with the natural log-probability ``l_i`` of each: the
inverse of the perplexity. It is 1 where the model saw no alternative. It ranks
blocks for a second look; it is no probability that the text is right.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from ..types import Block
from .parser import ParsedPage
from .tags import Origin

__all__ = ["LEAST_LOGPROB", "TokenLogprob", "block_confidences", "page_confidence"]

LEAST_LOGPROB: Final = -100.0
"""Anything less counts as this: servers write -9999 for minus infinity, and one
such token must not outweigh a page."""

DIGITS: Final = 6
"""Decimal places of a confidence."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How probable one token of a reply was.

    Attributes:
        end: Characters of the reply's text up to and with this token. A token
            that adds no whole character has the end of the one before it.
        logprob: Natural logarithm of its probability, 0 or less.
    """

    end: int
    logprob: float


def page_confidence(logprobs: Sequence[TokenLogprob]) -> float | None:
    """The confidence of a whole reply, tags included; None without tokens."""
    return _confidence(sum(_bounded(logprobs)), len(logprobs))


def block_confidences(
    parsed: ParsedPage, text: str, logprobs: Sequence[TokenLogprob]
) -> tuple[Block, ...]:
    """The page's blocks with their confidence.

    A block counts the tokens of its own text without the white space around it,
    not those of its tag; a block without text (a picture) those of its tag. A
    token that reaches over an edge counts. Blocks that share an origin share
    their confidence.

    Args:
        parsed: ``parse_page(text)``.
        text: What the model wrote.
        logprobs: Of its tokens, in order.

    Returns:
        The blocks; their confidence is None where no token belongs to them.
    """
    if not logprobs:
        return parsed.blocks
    tokens = _Tokens(logprobs)
    known: dict[Origin, float | None] = {}
    for origin in parsed.origins:
        if origin not in known:
            known[origin] = tokens.confidence(*_stripped(text, *origin))
    return tuple(
        replace(block, confidence=known[origin])
        for block, origin in zip(parsed.blocks, parsed.origins, strict=True)
    )


class _Tokens:
    """The tokens of a reply, ready to be asked for the mean of any stretch of its text."""

    def __init__(self, logprobs: Sequence[TokenLogprob]) -> None:
        self._ends = [token.end for token in logprobs]
        self._starts = [0, *self._ends[:-1]]
        self._sums = list(accumulate(_bounded(logprobs), initial=0.0))

    def confidence(self, start: int, end: int) -> float | None:
        # The parts of a character that takes several tokens have no length: they
        # begin where it begins.
        first = min(bisect_left(self._starts, start), bisect_right(self._ends, start))
        last = bisect_left(self._starts, end)
        return _confidence(self._sums[last] - self._sums[first], last - first)


def _bounded(logprobs: Iterable[TokenLogprob]) -> Iterable[float]:
    # In this order, what is no number becomes the bound.
    return (max(LEAST_LOGPROB, token.logprob) for token in logprobs)


def _confidence(total: float, tokens: int) -> float | None:
    return round(min(1.0, math.exp(total / tokens)), DIGITS) if tokens > 0 else None


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return end - len(part.lstrip()), start + len(part.rstrip())
