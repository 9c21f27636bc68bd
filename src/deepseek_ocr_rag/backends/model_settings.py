"""Turns requests into prompts, and generated tokens into attempts.

Shared by the backends that run a model on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..document.types import FinishReason
from ..errors import PageTooLargeError
from ..model.families import Family
from ..model.ngrams import NoRepeat
from ..model.page_prompt import PagePrompt
from ..model.prompts import Mode, Task
from ..model.tokenizer import ModelTokenizer, prompt_ids
from ..model.views import page_views
from .attempts import Attempt, AttemptSettings
from .base import PageRequest, TokenLogprob
from .page_images import fewer_tokens, turned
from .page_text import PageText

__all__ = ["ModelSettings"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a loaded model is asked, and how its tokens are read."""

    family: Family
    tokenizer: ModelTokenizer
    max_positions: int  # longest sequence in tokens, prompt included
    no_repeat: NoRepeat  # of the first attempt
    max_new_tokens: int | None = None  # of a page; None for as many as fit
    max_tiles: int | None = None  # of a page; None for the family's limit

    def first(self, request: PageRequest) -> AttemptSettings:
        """Return the settings of the first attempt at a page."""
        return AttemptSettings(request.task, request.resolution, self.no_repeat)

    def prompt(self, request: PageRequest, settings: AttemptSettings) -> PagePrompt:
        """Make the prompt for one attempt at a page.

        Raises:
            ConfigurationError: If the model does not support the mode or the task.
            BackendReplyError: If the request has no image.
            PageTooLargeError: If picture and prompt leave no room for a reply.
            SourceError: If the image can no longer be drawn.
        """
        image = turned(request.drawn(), settings.turn)
        views = page_views(image, settings.mode, self.family, max_tiles=self.max_tiles)
        ids = self.ids(settings.task, views.side, views.grid)
        return PagePrompt(
            ids=ids,
            views=views,
            rule=settings.no_repeat or NoRepeat(0),
            max_new_tokens=self.new_tokens(ids),
            temperature=settings.temperature,
        )

    def ids(self, task: Task, side: int, grid: tuple[int, int] | None) -> list[int]:
        """Return the token ids of a prompt for a page whose views have this side and grid."""
        count = self.family.image_tokens(side, grid)
        return prompt_ids(self.tokenizer, self.family.prompt(task), count)

    def new_tokens(self, ids: Sequence[int]) -> int:
        """Return how many new tokens may follow a prompt.

        Raises:
            PageTooLargeError: If there is no room for any.
        """
        room = self.max_positions - len(ids)
        if room < 1:
            raise PageTooLargeError(
                f"picture and prompt have {len(ids)} tokens, and the model's context has "
                f"{self.max_positions}, so there is no room for a reply",
                remedy="Use a smaller resolution, or fewer tiles (max_tiles).",
            )
        return min(self.max_new_tokens or room, room)

    def attempt(
        self, settings: AttemptSettings, page: PageText, warnings: Sequence[str] = ()
    ) -> Attempt:
        """Turn a generated text into an attempt."""
        written = page.written
        reason = written.end.reason
        # The text of a cancelled page is never shown.
        ended: FinishReason = "error" if reason == "cancelled" else reason
        limited = len(written.tokens) == self.max_new_tokens
        full: tuple[str, ...] = ()
        if ended == "length" and not limited:
            full = (self._full_context(settings.mode, len(written.tokens)),)
        return Attempt(
            settings,
            page.text,
            ended,
            tokens=len(written.tokens),
            logprobs=tuple(
                TokenLogprob(end, logprob)
                for end, logprob in zip(page.ends, written.logprobs, strict=True)
            ),
            limited=limited,
            warnings=(*self.family.prompt_warnings(settings.task), *full, *warnings),
            loops=page.loops,
        )

    def _full_context(self, mode: Mode, new: int) -> str:
        """Warn about a reply that ended because the context was full."""
        most = self.max_positions
        return (
            f"the context is full: {most - new} tokens of picture and prompt and {new} of reply, "
            f"with room for {most}, the model's own limit{fewer_tokens(mode)}"
        )
