"""Asks again in another way when a page comes out badly, and keeps the best answer.

A page is asked for again if the model repeated itself, did not finish or wrote
nothing to read, and if an answer has less than half the letters of an earlier one.
An answer that the user's token limit cuts off is as good as any, unless an earlier one
had no end of its own: then the page need not be so long, and it is asked for again.
The page is asked for, in this order: turned upright, if it seems to lie on its
side; with a stricter repetition rule (or, on a server without one, the server's own
penalty on repeats); in another mode; with a small temperature; without layout; turned
to the other side.

The answer with the most letters is kept; an answer with a problem counts half, and
of equal ones the earliest wins. Its repeats are trimmed, and the page's warnings say
what happened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..document.types import FinishReason
from ..errors import BackendReplyError, DeepSeekOCRError, PageTooLargeError, SourceError
from ..model.families import TABLE_CELLS, Family
from ..model.ngrams import NoRepeat
from ..model.prompts import MODES, TASKS
from .attempts import (
    ENDLESS,
    Attempt,
    AttemptSettings,
    JudgedAttempt,
    Problem,
    RepeatPenalty,
    judged,
)
from .base import PageRequest, Reply

__all__ = ["OTHER_MODE", "SMALLER_PICTURE", "RetryLadder"]

STRICTER: Final = NoRepeat(size=20, window=50, exempt=TABLE_CELLS)
"""The repetition rule of the published script for PDF files."""

STRICTER_WORDS: Final = "stricter against repeats"

RETRY_TEMPERATURE: Final = 0.2
"""Enough to get out of a loop, too little to invent text."""

OTHER_MODE: Final = {
    "gundam": "base",
    "large": "gundam",
    "base": "gundam",
    "small": "base",
    "tiny": "base",
}
"""A page that loops in one mode is often read well in another."""

SMALLER_PICTURE: Final = {"gundam": "base", "large": "base", "base": "small"}
"""The same for backends where a mode is only the size of the picture that is sent."""

SMALLER_MODE: Final = {"gundam": "base", "large": "base", "base": "small", "small": "tiny"}
"""The mode to use when the page does not fit into memory."""


class RetryLadder:
    """The attempts at one page, until its deadline.

    Ask for the page with :attr:`settings` and :meth:`add` the attempt until that
    returns None; then take :meth:`reply`. Where the page does not fit into the model's context in
    that way, call :meth:`leave_out` instead.

    Args:
        request: The page.
        first: How the page is asked for at first.
        attempts: Most attempts, including the first.
        seconds: Time after which no further attempt starts.
        modes: For each mode, the other mode to try.
        penalty: What to use instead of a stricter rule, if the first attempt has no rule.

    Attributes:
        request: The page.
        settings: How to ask for it now.
        warnings: What to tell the user about every attempt from now on.
    """

    def __init__(
        self,
        request: PageRequest,
        first: AttemptSettings,
        *,
        attempts: int = 3,
        seconds: float = 300.0,
        modes: Mapping[str, str] = OTHER_MODE,
        penalty: RepeatPenalty | None = None,
    ) -> None:
        self.request = request
        self.settings = first
        self.warnings: tuple[str, ...] = ()
        self._modes = modes
        self._penalty = penalty
        self._most = attempts
        self._deadline = time.monotonic() + seconds
        self._judged: list[JudgedAttempt] = []
        self._rungs: Iterator[AttemptSettings] = iter(())
        self._left_out: list[str] = []

    @property
    def _first(self) -> AttemptSettings:
        """The settings of the first attempt, which may differ from those that were planned."""
        return self._judged[0].attempt.settings

    @property
    def answered(self) -> bool:
        """Whether there is an attempt, so that :meth:`reply` has something to return."""
        return bool(self._judged)

    @property
    def rule_ignored(self) -> bool:
        """Whether a stricter repetition rule changed nothing: the page looped in the same words.

        To a server that ignores the rule, both requests are the same.
        """
        return any(
            answer.problem == "the model repeated itself"
            and answer.attempt.settings == replace(self._first, no_repeat=STRICTER)
            and answer.attempt.text == self._judged[0].attempt.text
            for answer in self._judged[1:]
        )

    def drop_image(self) -> None:
        """Free the page's image if it can be drawn again."""
        if self.request.redraw is not None:
            self.request = replace(self.request, image=None, pixels=None)

    def use_smaller_mode(self, family: Family, reason: str = "out of memory") -> bool:
        """Ask in the next smaller mode from now on, and say why; False if the model has none."""
        mode = self.settings.mode.name
        smaller = MODES.get(SMALLER_MODE.get(mode, ""))
        if smaller is None or not family.has_mode(smaller):
            return False
        self.warnings += (f"{reason} at resolution {mode}: read at resolution {smaller.name}",)
        self.settings = replace(self.settings, mode=smaller)
        return True

    def add(self, attempt: Attempt) -> AttemptSettings | None:
        """Add an attempt; return how to ask again, or None if there is no reason or time to."""
        latest = judged(attempt)
        cut_off = attempt.limited and attempt.finish_reason == "length"
        endless = any(answer.problem in ENDLESS for answer in self._judged)
        if latest.problem is None and cut_off and endless:
            latest = replace(latest, problem="the text breaks off")
        self._judged.append(latest)
        most = max(answer.letters for answer in self._judged)
        if latest.problem is None and 2 * latest.letters >= most:
            return None
        if len(self._judged) >= self._most or time.monotonic() >= self._deadline:
            return None
        if len(self._judged) == 1:
            self._rungs = self._alternatives(latest.problem)
        return self._next_rung()

    def leave_out(self, error: PageTooLargeError, family: Family) -> Reply | None:
        """Do not ask with :attr:`settings`: the page does not fit into the context in that way.

        A page that does not fit at first is asked for in the next smaller mode.

        Args:
            error: Says what does not fit.
            family: The model's family, for its modes.

        Returns:
            None if :attr:`settings` now has another way; else the page's reply.
        """
        if not self._judged:
            smaller = self.use_smaller_mode(family, "no room in the model's context")
            return None if smaller else self.request.failed(error)
        way = _difference(self.settings, self._first)
        self._left_out.append(f"not asked {way}: {error.problem}")
        return self.reply() if self._next_rung() is None else None

    def _next_rung(self) -> AttemptSettings | None:
        following = next(self._rungs, None)
        if following is not None:
            self.settings = following
        return following

    def reply(self, failure: object = None) -> Reply:
        """Make the page's reply from the best attempt; there must be at least one.

        Args:
            failure: What prevented a further attempt.
        """
        best = max(self._judged, key=lambda answer: answer.score)
        repeated = best.problem == "the model repeated itself"
        failed = () if failure is None else (f"a further attempt failed: {failure}",)
        reason: FinishReason = "repetition" if repeated else best.attempt.finish_reason
        return Reply(
            key=self.request.key,
            text=best.text,
            finish_reason=reason,
            tokens=best.attempt.tokens,
            attempts=len(self._judged),
            warnings=(*best.attempt.warnings, *self._history(best), *self._left_out, *failed),
            logprobs=best.logprobs,
        )

    def failed(self, error: DeepSeekOCRError) -> Reply:
        """Make the reply after an error: the best attempt, or a failed page if there is none."""
        return self.reply(error.problem) if self.answered else self.request.failed(error)

    def _alternatives(self, problem: Problem | None) -> Iterator[AttemptSettings]:
        first = self._first
        upright = self._turn()
        base = replace(first, turn=upright)
        if upright != first.turn:
            yield base
        rule = None if first.no_repeat is None else STRICTER
        penalty = self._penalty if rule is None else None
        if (rule or penalty) and problem != "the model wrote nothing":
            yield replace(base, no_repeat=rule, penalty=penalty)
        if first.mode.name in self._modes:
            yield replace(base, mode=MODES[self._modes[first.mode.name]])
        yield replace(base, no_repeat=rule, penalty=penalty, temperature=RETRY_TEMPERATURE)
        if first.task.name in ("document", "ocr"):
            yield replace(base, task=TASKS["free"])
        if upright != first.turn:
            yield replace(base, turn=360 - upright)

    def _turn(self) -> int:
        """Estimate by how many degrees clockwise the page must be turned to stand upright."""
        # Imported late: numpy is not needed unless a page came out badly.
        from ..model.orientation import orientation

        try:
            return orientation(self.request.drawn()).turn
        except (SourceError, BackendReplyError):
            # The next attempt needs the image as well and will report the error.
            return 0

    def _history(self, best: JudgedAttempt) -> Iterator[str]:
        if len(self._judged) > 1:
            rule = "with a rule against repeats that the server ignores"
            words = STRICTER_WORDS if not self.rule_ignored else rule
            attempts = "; ".join(
                f"{_difference(answer.attempt.settings, self._first, words)}: "
                f"{answer.problem or 'read'}"
                for answer in self._judged
            )
            kept = self._judged.index(best) + 1
            yield f"asked {len(self._judged)} times ({attempts}), kept answer {kept}"
        if best.problem is not None:
            cut = f", {best.cut} characters were cut" if best.cut else ""
            yield f"{best.problem}{cut}: part of the page may be missing"
        if best.attempt.settings.task != self._first.task:
            yield "read without layout: its blocks have no boxes"


def _difference(
    settings: AttemptSettings, first: AttemptSettings, stricter: str = STRICTER_WORDS
) -> str:
    """Say in words how settings differ from the first ones."""
    if settings == first:
        return "at first"
    differences = {
        f"turned by {settings.turn} degrees": settings.turn != first.turn,
        f"at resolution {settings.mode.name}": settings.mode != first.mode,
        stricter: settings.no_repeat != first.no_repeat,
        "with a penalty on repeats": settings.penalty != first.penalty,
        f"at temperature {settings.temperature:g}": settings.temperature != first.temperature,
        "without layout": settings.task != first.task,
    }
    return ", ".join(words for words, differs in differences.items() if differs)
