"""One page while it is being written, as the host sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..model.ngrams import NoRepeat
from ..model.page_prompt import End, GeneratedPage
from ..model.tokenizer import EOS
from .block_pool import BLOCK_SIZE
from .drafting import Drafter

__all__ = ["PageTask", "StopCheck", "WrittenSequence", "never_stop"]

StopCheck = Callable[[Sequence[int]], bool]
"""Whether a text is at its end, for instance in a loop, given its tokens since the last question."""


def never_stop(tokens: Sequence[int]) -> bool:
    """Leaves the end to the model."""
    return False


def _unheard() -> None:
    """Nobody asked to be told."""


@dataclass(frozen=True, slots=True)
class PageTask:
    """A page that is to be written.

    Attributes:
        ids: The prompt's token ids, with a place for every token of the picture.
        picture: The page's pixels: :class:`~.vision.Views` or a :class:`~.runner.PageImage`.
        rule: Which repeats are forbidden.
        max_new_tokens: The most that may be written, at least 1.
        least_tokens: New tokens before which the end token may not come.
        temperature: 0 takes the most probable token.
        source: Tokens that the text will probably contain, in their order: the
            page's own text layer. Only the time depends on them.
        priority: Smaller ones go first.
        at_begin: Told, in the engine's own thread, that the picture is not needed any more.
        at_end: Asked every ``interval`` tokens, in the engine's own thread.
        interval: Tokens between two questions; 1 streams.
    """

    ids: Sequence[int]
    picture: Any
    rule: NoRepeat
    max_new_tokens: int
    min_new_tokens: int = 0
    temperature: float = 0.0
    source: Sequence[int] = ()
    priority: int = 0
    on_prefill: Callable[[], object] = _unheard
    should_stop: StopCheck = never_stop
    interval: int = 32


@dataclass(slots=True, eq=False)
class WrittenSequence:
    """What is known of a page under way.

    Attributes:
        task: What was asked.
        arrival: Among equal priorities, smaller ones go first.
        tokens: What was written, the end token left out.
        logprobs: Log-probability of each.
        slot: Its slot while it is on the device.
        pages: Its pages of the cache while it is on the device.
        in_flight: Tokens that the device may have written and the host has not seen.
        begun: Whether its prompt has been computed.
        saved: Its keys and values in the host's memory, while it is put aside.
        end: How it ended.
    """

    task: PageTask
    arrival: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    slot: int | None = None
    blocks: list[int] = field(default_factory=list)
    in_flight: int = 0
    prefilled: bool = False
    swapped: Any = None
    end: End | None = None
    _checked: int = 0
    _drafter: Drafter | None = None
    _drafted: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Who goes first: the smallest."""
        return self.task.priority, self.arrival

    @property
    def length(self) -> int:
        """Known tokens, prompt and text."""
        return len(self.task.ids) + len(self.tokens)

    @property
    def room(self) -> int:
        """Tokens that its pages have places for, beyond those that are known or under way."""
        used = len(self.task.ids) + len(self.tokens) + self.in_flight
        return BLOCK_SIZE * len(self.blocks) - used

    def take(self, tokens: Sequence[int], logprobs: Sequence[float]) -> None:
        """Add what was written, and see whether the text is at its end."""
        if self.end is not None:
            return
        new = list(tokens[: self.task.max_new_tokens - len(self.tokens)])
        stops = EOS in new
        if stops:
            new = new[: new.index(EOS)]
        self.tokens += new
        self.logprobs += logprobs[: len(new)]
        if stops:
            self.end = End(len(self.tokens), "stop")
        elif len(self.tokens) == self.task.max_new_tokens:
            self.end = End(len(self.tokens), "length")
        elif len(self.tokens) - self._checked >= self.task.interval:
            unseen = self.tokens[self._checked :]
            self._checked = len(self.tokens)
            if self.task.should_stop(unseen):
                self.end = End(len(self.tokens), "repetition")

    def drafts(self) -> list[int]:
        """What probably follows; all that was written must be known."""
        if self.task.temperature:
            return []
        if self._drafter is None:
            self._drafter = Drafter(self.task.source)
        self._drafter.observe(self.tokens[self._drafted :])
        self._drafted = len(self.tokens)
        return self._drafter.draft()[: self.task.max_new_tokens - len(self.tokens) - 1]

    def result(self) -> GeneratedPage:
        """What was written, at the end."""
        end = self.end or End(len(self.tokens), "cancelled")
        return GeneratedPage(tuple(self.tokens), tuple(self.logprobs), end)
