"""Limits the size of an answer: text and structured form together, about 8,000 tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..agents.room import ReplySize, Room
from .tool_results import ToolResult, as_json

__all__ = ["MOST_PICTURES", "Answered", "fitting"]

MOST_TOKENS: Final = 8000
"""Most tokens of an answer, by an upper estimate, not counting pictures."""

TEXT_TOKENS: Final = 3600
"""Most tokens of the text alone. It is sent twice, because clients show a model the text, the
structured form, or both."""

CHARS_A_TOKEN: Final = 4
SMALLEST: Final = 400
MOST_PICTURES: Final = 4


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a tool.

    Attributes:
        text: The text for a model.
        result: The same in structured form.
        pictures: PNG or JPEG files.
    """

    text: str
    result: ToolResult
    pictures: tuple[bytes, ...] = ()


def fitting(build: Callable[[ReplySize], Answered]) -> Answered:
    """Build an answer with less and less text until all of it fits.

    The structured form has names and addresses, whose length is not known beforehand.
    """
    tokens = TEXT_TOKENS
    while True:
        answer = build(ReplySize(max(1000, tokens * CHARS_A_TOKEN), tokens))
        if tokens <= SMALLEST or _fits(answer):
            return answer
        tokens //= 2


def _fits(answer: Answered) -> bool:
    written = answer.text + json.dumps(as_json(answer.result), ensure_ascii=False)
    return Room(len(written) + 2, MOST_TOKENS).fits(written)
