"""What to do when a page comes out badly: ask again in another way, keep the best.

A page is asked for again where the model repeated itself, found no end, or wrote
nothing to read, and where an answer has less than half the letters of an earlier
one. The ways, in their order: turned upright, if the page looks as if it lay on
its side; with a stricter rule against repeats; in another mode; with a small
temperature; without layout; turned to the other side.

The answer with the most letters is kept, where letters of an answer with a
problem count half; of equal ones the earliest. Its repeats are trimmed, and the
page's warnings say what happened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..document.types import FinishReason
from ..errors import SourceError
from ..model.families import TABLE_CELLS
from ..model.ngrams import NoRepeat
from ..model.prompts import MODES, TASKS
from .attempts import Attempt, AttemptSettings, JudgedAttempt, Problem, judged
from .base import PageRequest, Reply

__all__ = ["OTHER_MODE", "SMALLER_MODE", "SMALLER_PICTURE", "RetryLadder"]

STRICTER: Final = NoRepeat(size=20, window=50, exempt=TABLE_CELLS)
"""What the published script for PDF files uses."""

WARMTH: Final = 0.2
"""A small temperature: enough to leave the path into a loop, too little to invent."""

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


class RetryLadder:
    """The attempts at one page, within its deadline.

    Ask for the page with :attr:`settings`, :meth:`add` what came, and so on until
    there is nothing to ask for; then take :meth:`reply`.

    Args:
        request: The page.
        first: How it is asked for at first.
        attempts: Most attempts, the first included.
        seconds: When no further attempt is begun.
        modes: The mode that is tried after each mode.

    Attributes:
        request: The page.
        settings: How to ask for it now; a caller may change it, and gives what
            it used to :meth:`add`.
    """

    def __init__(
        self,
        request: PageRequest,
        first: AttemptSettings,
        *,
        attempts: int = 3,
        seconds: float = 300.0,
        modes: Mapping[str, str] = OTHER_MODE,
    ) -> None:
        self.request = request
        self.settings = first
        self._modes = modes
        self._most = attempts
        self._ends = time.monotonic() + seconds
        self._judged: list[JudgedAttempt] = []
        self._rungs: Iterator[AttemptSettings] | None = None

    @property
    def _first(self) -> AttemptSettings:
        """How the page was really asked for at first."""
        return self._judged[0].attempt.settings

    @property
    def answered(self) -> bool:
        """Whether there is an attempt, so that :meth:`reply` has something to give."""
        return bool(self._judged)

    def add(self, attempt: Attempt) -> AttemptSettings | None:
        """Take an attempt; returns how to ask again, or None if it is over."""
        latest = judged(attempt)
        self._judged.append(latest)
        most = max(answer.letters for answer in self._judged)
        if latest.problem is None and 2 * latest.letters >= most:
            return None
        if len(self._judged) >= self._most or time.monotonic() >= self._ends:
            return None
        if self._rungs is None:
            self._rungs = self._ways(latest.problem)
        following = next(self._rungs, None)
        if following is not None:
            self.settings = following
        return following

    def reply(self, failure: object = None) -> Reply:
        """The best attempt as the page's reply; there must be one.

        Args:
            failure: What kept a further attempt from being made.
        """
        best = max(self._judged, key=lambda answer: answer.worth)
        repeated = best.problem == "the model repeated itself"
        failed = () if failure is None else (f"a further attempt failed: {failure}",)
        reason: FinishReason = "repetition" if repeated else best.attempt.finish_reason
        return Reply(
            key=self.request.key,
            text=best.text,
            finish_reason=reason,
            tokens=best.attempt.tokens,
            attempts=len(self._judged),
            warnings=(*best.attempt.warnings, *self._history(best), *failed),
            logprobs=best.logprobs,
        )

    def _ways(self, problem: Problem | None) -> Iterator[AttemptSettings]:
        first = self._first
        upright = self._turn()
        base = replace(first, turn=upright)
        if upright != first.turn:
            yield base
        if first.no_repeat is not None and problem != "the model wrote nothing":
            yield replace(base, no_repeat=STRICTER)
        if first.mode.name in self._modes:
            yield replace(base, mode=MODES[self._modes[first.mode.name]])
        rule = None if first.no_repeat is None else STRICTER
        yield replace(base, no_repeat=rule, temperature=WARMTH)
        if first.task.name in ("document", "ocr"):
            yield replace(base, task=TASKS["free"])
        if upright != first.turn:
            yield replace(base, turn=360 - upright)

    def _turn(self) -> int:
        """By how many degrees the page must be turned to stand upright, as far as one sees."""
        # Numpy is loaded only where a page came out badly.
        from ..model.orientation import orientation

        try:
            image = self.request.drawn()
        except SourceError:
            # The next attempt needs it too, and will say so.
            return 0
        return 0 if image is None else orientation(image).turn

    def _history(self, best: JudgedAttempt) -> Iterator[str]:
        if len(self._judged) > 1:
            told = "; ".join(
                f"{_way(answer.attempt.settings, self._first)}: {answer.problem or 'read'}"
                for answer in self._judged
            )
            kept = self._judged.index(best) + 1
            yield f"asked {len(self._judged)} times ({told}), kept answer {kept}"
        if best.problem is not None:
            cut = f", {best.cut} characters were cut" if best.cut else ""
            yield f"{best.problem}{cut}: something of the page may be missing"
        if best.attempt.settings.task != self._first.task:
            yield "read without layout: its blocks have no boxes"


def _way(settings: AttemptSettings, first: AttemptSettings) -> str:
    """How settings differ from the first ones, in words."""
    if settings == first:
        return "at first"
    ways = {
        f"turned by {settings.turn} degrees": settings.turn != first.turn,
        f"in mode {settings.mode.name}": settings.mode != first.mode,
        "stricter against repeats": settings.no_repeat != first.no_repeat,
        f"at temperature {settings.temperature:g}": settings.temperature != first.temperature,
        "without layout": settings.task != first.task,
    }
    return ", ".join(way for way, differs in ways.items() if differs)


SMALLER_MODE: Final = {"gundam": "base", "large": "base", "base": "small", "small": "tiny"}
"""What a page is read in where its mode does not fit into memory."""
