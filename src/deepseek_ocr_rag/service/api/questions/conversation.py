"""Defines the conversation that a client sends with its next question."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from ....answering.answer import Answer

__all__ = ["History", "Turn", "answers_of"]

MOST_TURNS: Final = 20
"""The last three are used."""

LONGEST_TEXT: Final = 20_000


@dataclass(frozen=True)
class Turn:
    """An earlier question with its answer.

    Attributes:
        question: As it was asked.
        answer: The answer's text.
        query: What was searched for, as the answer said; may be left out.
    """

    question: Annotated[str, Field(min_length=1, max_length=4000)]
    answer: Annotated[str, Field(max_length=LONGEST_TEXT)]
    query: Annotated[str, Field(max_length=8000)] = ""


History = Annotated[list[Turn], Field(max_length=MOST_TURNS)]


def answers_of(history: Iterable[Turn]) -> list[Answer]:
    """The turns as answers, for a follow-up question to refer to.

    They only help to understand the question; nothing in them counts as evidence.
    """
    from ....answering.answer import Answer

    return [Answer(turn.question, turn.answer, query=turn.query) for turn in history]
