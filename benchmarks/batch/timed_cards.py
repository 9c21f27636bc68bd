"""Part of two_cards.py: the ``local`` backend for random weights, which writes down its times.

Random weights find no end, and in greedy text they write loops: a page is asked for once, its tokens
are drawn by their probabilities, and it ends after 1,000 of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from deepseek_ocr_rag import backends
from deepseek_ocr_rag.backends.attempts import AttemptSettings
from deepseek_ocr_rag.backends.base import PageRequest, Reply
from deepseek_ocr_rag.backends.local.backend import LocalBackend
from deepseek_ocr_rag.backends.model_settings import ModelSettings

__all__ = ["STAMPS", "CardTimes", "TimedCards", "card_times", "use_timed_cards"]

TOKENS = 1000

STAMPS = "CARD_STAMPS"
"""The environment variable with the folder in which each process writes its times."""


class TimedCards(LocalBackend):
    """Writes down when the model began to load and was ready, and when each page had come."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named, max_new_tokens=TOKENS, attempts=1)

    def _load(self) -> Any:
        stamp("loading")
        loaded = super()._load()
        stamp("ready")
        return loaded

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for reply in super().read(requests):
            stamp("page")
            yield reply


def stamp(what: str) -> None:
    path = Path(os.environ[STAMPS]) / f"{os.getpid()}.txt"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{what} {time.time()}\n")


def drawn(settings: ModelSettings, request: PageRequest) -> AttemptSettings:
    """How a page is asked for, its tokens drawn by their probabilities."""
    return AttemptSettings(request.task, request.resolution, settings.no_repeat, temperature=1.0)


def use_timed_cards() -> None:
    """Make ``local:FOLDER`` a :class:`TimedCards` in this process, which may be a worker of Ray."""
    ModelSettings.first = drawn  # type: ignore[method-assign]
    backends.LocalBackend = TimedCards  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class CardTimes:
    """When the cards of a run began to load and were ready, and what they then read.

    Attributes:
        loading: When each card's model began to load.
        ready: When it was loaded.
        pages: How many pages each card has read.
        end: When the last page of all had come.
    """

    loading: tuple[float, ...]
    ready: tuple[float, ...]
    pages: tuple[int, ...]
    end: float

    @property
    def begin(self) -> float:
        """When the cards could have begun to read if all had begun to load with the first one.

        So the time in which a model loads is not counted, but a card that is used late is.
        """
        loads = [ready - loading for loading, ready in zip(self.loading, self.ready, strict=True)]
        return min(self.loading) + mean(loads)

    @property
    def rate(self) -> float:
        """Pages a second of all cards together."""
        return sum(self.pages) / (self.end - self.begin)


def card_times(folder: Path) -> CardTimes:
    """What the processes of a run have written down, one process for each card."""
    times: dict[str, list[float]] = {"loading": [], "ready": [], "page": []}
    pages = []
    for path in sorted(folder.glob("*.txt")):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        for what, when in lines:
            times[what].append(float(when))
        pages.append(sum(what == "page" for what, _ in lines))
    return CardTimes(
        tuple(times["loading"]), tuple(times["ready"]), tuple(pages), max(times["page"])
    )
