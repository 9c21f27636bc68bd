"""One attempt at a page: how the model was asked, what it wrote, and how good the text is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..document.grammar.parser import ParsedPage, parse_page
from ..document.types import FinishReason
from ..model.loops.detector import Loop, find_loops
from ..model.loops.text_edits import Edit, edited, moved
from ..model.loops.trimming import trims
from ..model.ngrams import NoRepeat
from ..model.prompts import Mode, Task
from .base import TokenLogprob
from .turned_boxes import boxes_turned_back

__all__ = [
    "ENDLESS",
    "Attempt",
    "AttemptSettings",
    "JudgedAttempt",
    "Problem",
    "RepeatPenalty",
    "judged",
]

Problem = Literal[
    "the model repeated itself",
    "the model did not finish",
    "the model wrote nothing",
    "the model wrote tags without any text",
    "the text breaks off",
]
"""Why a page is asked for again."""

ENDLESS: Final[frozenset[Problem | None]] = frozenset(
    {"the model repeated itself", "the model did not finish", "the text breaks off"}
)
"""Problems of a text that the model did not end."""

READING_TASKS = ("document", "ocr", "free")
"""Tasks that ask for the page's text, so that tags alone are not an answer."""

MOST_TRIMS = 3
"""Most rounds of trimming. What is left may count as a loop again, because texts that break off
are measured more strictly."""

_PICTURES = frozenset({"image", "figure", "chart", "seal", "stamp", "signature", "logo"})


@dataclass(frozen=True, slots=True)
class RepeatPenalty:
    """llama.cpp's own penalty on repeats ("DRY"), used because llama.cpp has no n-gram rule.

    A token that would extend a run of tokens that the text already contains loses
    ``multiplier * base ** (length - allowed_length)`` of its score.

    Attributes:
        multiplier: See above.
        base: See above.
        allowed_length: Runs up to this many tokens cost nothing.
        window: Only this many of the last tokens count.
        breakers: Texts that end a run, so that the tags of table cells may repeat.
    """

    multiplier: float = 0.5
    base: float = 1.75
    allowed_length: int = 30
    window: int = 90
    breakers: tuple[str, ...] = ("<td>", "</td>")


@dataclass(frozen=True, slots=True)
class AttemptSettings:
    """How the model is asked for a page in one attempt."""

    task: Task
    mode: Mode
    no_repeat: NoRepeat | None = None  # None if the backend has none
    temperature: float = 0.0  # 0 is greedy
    turn: int = 0  # degrees clockwise by which the page is turned first: 0, 90, 180 or 270
    penalty: RepeatPenalty | None = None  # instead of a rule that the server ignores


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the model wrote in one attempt.

    ``limited`` is True if something other than the model ended the text: the user's token limit, or a
    server that broke off. Another attempt at a page of this length would end there too.
    """

    settings: AttemptSettings
    text: str
    finish_reason: FinishReason  # "repetition" if a loop was detected and cut
    tokens: int | None = None  # new ones, or None if they are not counted
    logprobs: tuple[TokenLogprob, ...] = ()
    warnings: tuple[str, ...] = ()
    limited: bool = False
    loops: tuple[Loop, ...] | None = None  # None if they were not searched for yet


@dataclass(frozen=True, slots=True)
class JudgedAttempt:
    """An attempt with its loops trimmed, and its quality."""

    attempt: Attempt
    problem: Problem | None  # what is wrong with it, or None
    text: str  # loops trimmed, boxes turned back to the page as it was given
    logprobs: tuple[TokenLogprob, ...]  # of the tokens of ``text``
    cut: int  # characters of repeats that were trimmed
    letters: int  # letters and digits of the page's Markdown, without markup

    @property
    def score(self) -> float:
        """The number by which attempts are compared: letters, halved if there is a problem."""
        return self.letters if self.problem is None else self.letters / 2


def judged(attempt: Attempt) -> JudgedAttempt:
    """Trim an attempt's loops, turn its boxes back, and find what is wrong with it."""
    text, tokens, cut = attempt.text, attempt.logprobs, 0
    loops = attempt.loops
    for _ in range(MOST_TRIMS):
        cuts = trims(text, find_loops(text) if loops is None else loops)
        if not cuts:
            break
        loops = None
        cut += sum(edit.end - edit.start for edit in cuts)
        outside = [
            token
            for token in tokens
            if not any(edit.start < token.end <= edit.end for edit in cuts)
        ]
        text, tokens = _edited(text, outside, cuts)
    text, tokens = _edited(text, tokens, boxes_turned_back(text, attempt.settings.turn))
    page = parse_page(text, recorded=False)
    return JudgedAttempt(
        attempt,
        _problem(attempt, text, page, looped=cut > 0),
        text,
        tokens,
        cut=cut,
        letters=sum(map(str.isalnum, page.markdown)),
    )


def _edited(
    text: str, tokens: Sequence[TokenLogprob], edits: Sequence[Edit]
) -> tuple[str, tuple[TokenLogprob, ...]]:
    if not edits:
        return text, tuple(tokens)
    ends = moved([token.end for token in tokens], edits)
    return edited(text, edits), tuple(
        TokenLogprob(end, token.logprob) for end, token in zip(ends, tokens, strict=True)
    )


def _problem(attempt: Attempt, text: str, page: ParsedPage, *, looped: bool) -> Problem | None:
    if looped or attempt.finish_reason == "repetition":
        return "the model repeated itself"
    if attempt.finish_reason == "length" and not attempt.limited:
        return "the model did not finish"
    if not text.strip():
        return "the model wrote nothing"
    found = page.markdown or any(block.kind in _PICTURES for block in page.blocks)
    if attempt.settings.task.name in READING_TASKS and not found:
        return "the model wrote tags without any text"
    return None
