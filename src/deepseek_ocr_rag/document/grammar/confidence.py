"""Computes the confidence of blocks and pages from token log-probabilities.

The confidence of a text of n tokens is the geometric mean of their probabilities,
``exp((l_1 + ... + l_n) / n)``, where ``l_i`` is the natural log-probability of each: the
inverse of the perplexity. It is 1 if the model saw no alternative. It shows which
blocks deserve a second look; it is not the probability that the text is right.
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
"""Lower bound of a log-probability: servers write -9999 for minus infinity, and one such
token must not outweigh a page."""

DIGITS: Final = 6
"""Decimal places of a confidence."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The probability of one token of a reply.

    Attributes:
        end: Number of characters in the reply up to and including this token. A
            token that completes no character has the end of the one before it.
        logprob: Natural logarithm of its probability, 0 or less.
    """

    end: int
    logprob: float


def page_confidence(logprobs: Sequence[TokenLogprob]) -> float | None:
    """Computes the confidence of a whole reply, tags included; None without tokens."""
    return _confidence(sum(_bounded(logprobs)), len(logprobs))


def block_confidences(
    parsed: ParsedPage, text: str, logprobs: Sequence[TokenLogprob]
) -> tuple[Block, ...]:
    """Returns the page's blocks with their confidence, None for a block without tokens.

    It covers the tokens of a block's text without the white space around it, or those of its tag
    if it has no text (a picture). A token that lies only partly in it counts too. Blocks with the
    same origin have the same confidence.
    """
    if not logprobs:
        return parsed.blocks
    tokens = _TokenSums(logprobs)
    known: dict[Origin, float | None] = {}
    for origin in parsed.origins:
        if origin not in known:
            known[origin] = tokens.confidence(*_stripped(text, *origin))
    return tuple(
        replace(block, confidence=known[origin])
        for block, origin in zip(parsed.blocks, parsed.origins, strict=True)
    )


class _TokenSums:
    """Prefix sums of log-probabilities, for the mean over any stretch of a reply."""

    def __init__(self, logprobs: Sequence[TokenLogprob]) -> None:
        self._ends = [token.end for token in logprobs]
        self._starts = [0, *self._ends[:-1]]
        self._sums = list(accumulate(_bounded(logprobs), initial=0.0))

    def confidence(self, start: int, end: int) -> float | None:
        # The last of several tokens that make up a character has its length: the others
        # have length zero and lie where it begins.
        first = min(bisect_left(self._starts, start), bisect_right(self._ends, start))
        last = bisect_left(self._starts, end)
        return _confidence(self._sums[last] - self._sums[first], last - first)


def _bounded(logprobs: Iterable[TokenLogprob]) -> list[float]:
    found = [token.logprob for token in logprobs]
    # NaN is not greater either.
    return [each if each > LEAST_LOGPROB else LEAST_LOGPROB for each in found]


def _confidence(total: float, tokens: int) -> float | None:
    return round(min(1.0, math.exp(total / tokens)), DIGITS) if tokens > 0 else None


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return end - len(part.lstrip()), start + len(part.rstrip())
