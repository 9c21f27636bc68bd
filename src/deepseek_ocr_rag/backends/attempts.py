"""One attempt at a page: how the model was asked, what it wrote, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..document import FinishReason
from ..grammar import parse_page
from ..model.ngrams import NoRepeat
from ..model.repetition import find_loops
from ..model.text_edits import edited, moved
from ..model.trimming import trims
from ..prompts import Mode, Task
from .base import TokenLogprob
from .turned_boxes import boxes_turned_back

__all__ = ["Attempt", "AttemptSettings", "JudgedAttempt", "Problem", "judged"]

Problem = Literal[
    "the model repeated itself",
    "the model found no end",
    "the model wrote nothing",
    "the model wrote tags without any text",
]
"""Why a page is asked for again."""

READING_TASKS = ("document", "ocr", "free")
"""Tasks that ask for the page's text, so that tags alone are no answer."""

_PICTURES = frozenset({"image", "figure", "chart", "seal", "stamp", "signature", "logo"})


@dataclass(frozen=True, slots=True)
class AttemptSettings:
    """How a page is asked for once.

    Attributes:
        task: The prompt.
        mode: The resolution.
        no_repeat: The rule against repeats; None where the backend has none.
        temperature: 0 is greedy.
        turn: By how many degrees the page is turned clockwise first: 0, 90, 180 or 270.
    """

    task: Task
    mode: Mode
    no_repeat: NoRepeat | None = None
    temperature: float = 0.0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it.

    Attributes:
        settings: How the page was asked for.
        text: What the model wrote.
        finish_reason: Why it ended; "repetition" where a loop was seen and cut.
        tokens: New tokens, or None where they are not counted.
        logprobs: See :class:`~deepseek_ocr_rag.backends.base.Reply`.
        warnings: What else to tell the user.
        limited: Whether "length" is a limit that the user set, so that asking
            again would end there too.
    """

    settings: AttemptSettings
    text: str
    finish_reason: FinishReason
    tokens: int | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    warnings: tuple[str, ...] = ()
    limited: bool = False


@dataclass(frozen=True, slots=True)
class JudgedAttempt:
    """What an attempt is worth.

    Attributes:
        attempt: The attempt.
        problem: What is wrong with it, or None.
        text: What the model wrote, its loops trimmed, its boxes those of the
            page as it lies.
        logprobs: Of the tokens of ``text``.
        cut: How many characters of repeats were trimmed.
        letters: Letters and digits of the page's Markdown, markup not counted.
    """

    attempt: Attempt
    problem: Problem | None
    text: str
    logprobs: tuple[TokenLogprob, ...]
    cut: int
    letters: int

    @property
    def worth(self) -> float:
        """What attempts are compared by: the letters, half of them if there is a problem."""
        return self.letters if self.problem is None else self.letters / 2


def judged(attempt: Attempt) -> JudgedAttempt:
    """Trims an attempt's loops, turns its boxes back, and says what is wrong with it."""
    loops = trims(attempt.text, find_loops(attempt.text))
    kept = [
        token
        for token in attempt.logprobs
        if not any(loop.start < token.end <= loop.end for loop in loops)
    ]
    text, ends = attempt.text, tuple(token.end for token in kept)
    turned = boxes_turned_back(edited(text, loops), attempt.settings.turn)
    for edits in (loops, turned):
        text, ends = edited(text, edits), moved(ends, edits)
    if loops:
        text = text.rstrip()
    page = parse_page(text)
    letters = sum(map(str.isalnum, page.markdown))
    problem: Problem | None = None
    if loops or attempt.finish_reason == "repetition":
        problem = "the model repeated itself"
    elif attempt.finish_reason == "length" and not attempt.limited:
        problem = "the model found no end"
    elif not text.strip():
        problem = "the model wrote nothing"
    elif attempt.settings.task.name in READING_TASKS and not (
        page.markdown or any(block.kind in _PICTURES for block in page.blocks)
    ):
        problem = "the model wrote tags without any text"
    return JudgedAttempt(
        attempt,
        problem,
        text,
        tuple(
            TokenLogprob(min(end, len(text)), token.logprob)
            for end, token in zip(ends, kept, strict=True)
        ),
        cut=sum(loop.end - loop.start for loop in loops),
        letters=letters,
    )
