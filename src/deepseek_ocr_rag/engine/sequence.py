"""The host's state of a page while its text is generated."""

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
"""Gets the tokens since its last call and says whether generation stops, for instance in a loop."""


def never_stop(tokens: Sequence[int]) -> bool:
    """Return False, so that the model decides when to end."""
    return False


def _ignore() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class PageTask:
    """A page to be read; its functions are called in the engine's thread."""

    ids: Sequence[int]  # of the prompt, with one ``<image>`` token for each picture token
    picture: Any  # :class:`~.vision.towers.Views` or a :class:`~.runner.PageImage`
    rule: NoRepeat
    max_new_tokens: int  # at least 1
    min_new_tokens: int = 0  # before the end token is allowed
    temperature: float = 0.0  # 0 takes the most probable token
    source: Sequence[int] = ()  # tokens of the text layer, for drafts; changes only the speed
    priority: int = 0  # smaller ones go first; better ranked pages get more steps
    following: int = 0  # pages that are known to come after it
    on_prefill: Callable[[], object] = _ignore  # called once the picture is no longer needed
    should_stop: StopCheck = never_stop  # called every ``interval`` tokens
    interval: int = 32  # 1 for streaming


@dataclass(slots=True, eq=False)
class WrittenSequence:
    """The state of a page that waits or is generated."""

    task: PageTask
    arrival: int  # order among equal priorities
    tokens: list[int] = field(default_factory=list)  # generated, without the end token
    logprobs: list[float] = field(default_factory=list)
    slot: int | None = None  # while it is on the device
    blocks: list[int] = field(default_factory=list)  # of the cache, while it is on the device
    in_flight: int = 0  # tokens that the device may have generated and the host has not seen
    prefilled: bool = False  # whether its prompt has been computed
    swapped: Any = None  # keys and values in host memory, while it is swapped out
    end: End | None = None
    _checked: int = 0
    _drafter: Drafter | None = None
    _drafted: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key: the smallest goes first."""
        return self.task.priority, self.arrival

    @property
    def length(self) -> int:
        """Known tokens, prompt and generated ones."""
        return len(self.task.ids) + len(self.tokens)

    @property
    def room(self) -> int:
        """Tokens that fit into its blocks beyond those known or in flight."""
        used = len(self.task.ids) + len(self.tokens) + self.in_flight
        return BLOCK_SIZE * len(self.blocks) - used

    def take(self, tokens: Sequence[int], logprobs: Sequence[float]) -> None:
        """Add generated tokens, and check whether the text has ended."""
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

    @property
    def expects_drafts(self) -> bool:
        """Whether waiting for the tokens in flight will probably give drafts."""
        return not self.task.temperature and self._informed_drafter().expects_drafts

    def drafts(self) -> list[int]:
        """Draft the tokens that probably follow; no token may be in flight."""
        if self.task.temperature:
            return []
        drafts = self._informed_drafter().draft()
        return drafts[: self.task.max_new_tokens - len(self.tokens) - 1]

    def _informed_drafter(self) -> Drafter:
        if self._drafter is None:
            self._drafter = Drafter(self.task.source)
        self._drafter.observe(self.tokens[self._drafted :])
        self._drafted = len(self.tokens)
        return self._drafter

    def result(self) -> GeneratedPage:
        """Return the generated page, once it has ended."""
        end = self.end or End(len(self.tokens), "cancelled")
        return GeneratedPage(tuple(self.tokens), tuple(self.logprobs), end)
